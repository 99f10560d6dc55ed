//! `purse report expiry`: what expires when, what expired, and what is left meanwhile.

use clap::Args;
use prost_types::Timestamp;
use purse_client::{
    Client,
    v1::{
        ExpiryFigures, ExpiryGrouping, ExpiryLine, ReportExpiryRequest, ReportExpiryResponse,
        ReportPeriod,
    },
};
use rust_decimal::Decimal;

use super::totals::{Line, Totals, all_pages};
use crate::{
    exit::Failure,
    instant, label,
    output::Output,
    pages::MAX_PAGE_SIZE,
    plot, sum,
    table::{self, Column, unless_zero},
};

/// What `report expiry` takes.
#[derive(Debug, Args)]
pub struct ExpiryArgs {
    /// What is counted, such as credits
    asset: String,
    /// Only this account's wallet; without it all wallets of the asset
    #[arg(long, default_value = "")]
    account: String,
    /// The first instant of the report: RFC 3339, or a date; without it now
    #[arg(long, value_parser = instant::parse, value_name = "INSTANT")]
    from: Option<Timestamp>,
    /// The first instant after it. What is later than now comes if nothing but time happens
    #[arg(long, value_parser = instant::parse, value_name = "INSTANT")]
    to: Timestamp,
    /// Cut it into periods: day, week, month or year
    #[arg(long, value_parser = label::parse_report_period, value_name = "PERIOD")]
    by: Option<ReportPeriod>,
    /// Where periods begin, such as Europe/Berlin; without it UTC
    #[arg(long, default_value = "", value_name = "TIME_ZONE")]
    zone: String,
    /// Lines of their own for grants by category, or by funding-ref: what paid for them
    #[arg(long, value_parser = label::parse_expiry_grouping, value_name = "GROUPING")]
    group: Option<ExpiryGrouping>,
    /// Lines of their own for each wallet, before the totals
    #[arg(long)]
    per_wallet: bool,
    /// Show what the credits cost, instead of how many they are
    #[arg(long)]
    value: bool,
}

/// Runs `purse report expiry`.
pub async fn run(args: ExpiryArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let ExpiryArgs { asset, account, from, to, by, zone, group, per_wallet, value } = args;
    let request = ReportExpiryRequest {
        asset,
        account,
        start: from,
        end: Some(to),
        period: by.unwrap_or(ReportPeriod::Unspecified).into(),
        time_zone: zone,
        group_by: group.unwrap_or(ExpiryGrouping::Unspecified).into(),
        per_wallet,
        page_size: MAX_PAGE_SIZE,
        page_token: String::new(),
    };
    let answer = all_pages(client, request).await?;
    output.answer(&answer, |answer| expiry_table(answer, value))
}

all_pages!(report_expiry(ReportExpiryRequest) -> ReportExpiryResponse);

impl Line for ExpiryLine {
    fn group(&self) -> &str {
        &self.group
    }

    fn start(&self) -> Option<Timestamp> {
        self.start
    }

    fn plus(self, other: Self) -> Result<Self, Failure> {
        Ok(Self {
            credits: figures(self.credits, other.credits)?,
            value: figures(self.value, other.value)?,
            ..self
        })
    }
}

fn figures(
    one: Option<ExpiryFigures>,
    other: Option<ExpiryFigures>,
) -> Result<Option<ExpiryFigures>, Failure> {
    let (one, other) = (one.unwrap_or_default(), other.unwrap_or_default());
    Ok(Some(ExpiryFigures {
        opening: sum::add(&one.opening, &other.opening)?,
        expired: sum::add(&one.expired, &other.expired)?,
        other: sum::add(&one.other, &other.other)?,
        closing: sum::add(&one.closing, &other.closing)?,
        never_expiring: sum::add(&one.never_expiring, &other.never_expiring)?,
    }))
}

/// A line for each period of each wallet, and those of all of them, with what expires as a bar.
fn expiry_table(answer: &ReportExpiryResponse, value: bool) -> String {
    let columns = [
        Column::Text("account"),
        Column::Word("from"),
        Column::Word("to"),
        Column::Text("group"),
        Column::Figure("opening"),
        Column::Figure("other"),
        Column::Figure("expired"),
        Column::Figure("closing"),
        Column::Figure("never expiring"),
        Column::Word(""),
        Column::Word(""),
    ];
    let shown = |line: &ExpiryLine| {
        let figures = if value { &line.value } else { &line.credits };
        figures.clone().unwrap_or_default()
    };
    // A bar is as good as its eighths, whatever digits are left out of it.
    let height = |line: &ExpiryLine| shown(line).expired.parse().unwrap_or(Decimal::ZERO);
    let wallets = answer.wallets.iter();
    let own = wallets
        .flat_map(|wallet| wallet.lines.iter().map(|line| (wallet.account.as_str(), line)))
        .collect::<Vec<_>>();
    let total = if own.is_empty() { "" } else { "all" };
    let own_highest = plot::highest(own.iter().map(|(_, line)| height(line)));
    let highest = plot::highest(answer.totals.iter().map(height));
    let own = own.into_iter().map(|(account, line)| (account, line, own_highest));
    let totals = answer.totals.iter().map(|line| (total, line, highest));
    let rows = own.chain(totals).map(|(account, line, highest)| {
        let figures = shown(line);
        vec![
            account.to_owned(),
            instant::show(line.start),
            instant::show(line.end),
            line.group.clone(),
            figures.opening,
            unless_zero(&figures.other),
            unless_zero(&figures.expired),
            figures.closing,
            unless_zero(&figures.never_expiring),
            if line.forecast { "forecast".to_owned() } else { String::new() },
            plot::bar(height(line), highest),
        ]
    });
    table::rows(&columns, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(start: &str, opening: &str, expired: &str, closing: &str, never: &str) -> ExpiryLine {
        let figures = ExpiryFigures {
            opening: opening.to_owned(),
            expired: expired.to_owned(),
            other: "0".to_owned(),
            closing: closing.to_owned(),
            never_expiring: never.to_owned(),
        };
        ExpiryLine {
            start: instant::parse(start).ok(),
            end: instant::parse("2026-03-01").ok(),
            forecast: true,
            credits: Some(figures.clone()),
            value: Some(figures),
            ..ExpiryLine::default()
        }
    }

    #[test]
    fn pages_add_up_and_what_expires_is_a_bar() {
        let mut totals = Totals::default();
        totals.add(vec![line("2026-01-01", "10", "2.5", "7.5", "5")]).unwrap();
        let second = vec![
            line("2026-01-01", "1", "0.5", "0.5", "0"),
            line("2026-02-01", "8", "1.5", "6.5", "5"),
        ];
        totals.add(second).unwrap();
        let totals: Vec<ExpiryLine> = totals.into_lines();
        let answer = ReportExpiryResponse { totals, ..ReportExpiryResponse::default() };
        let expected = "\
from                  to                    opening  expired  closing  never expiring
──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
2026-01-01T00:00:00Z  2026-03-01T00:00:00Z       11        3        8               5  forecast  ████████████████████████
2026-02-01T00:00:00Z  2026-03-01T00:00:00Z        8      1.5      6.5               5  forecast  ████████████";
        assert_eq!(expiry_table(&answer, false), expected);
    }
}
