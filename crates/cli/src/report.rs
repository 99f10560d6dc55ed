//! `purse report`: figures over many wallets, for finance.

mod expiry;
mod totals;

use clap::{Args, Subcommand};
use prost_types::Timestamp;
use purse_client::{
    Client,
    v1::{
        CostBasisFigures, CostBasisLine, ReportCostBasisRequest, ReportCostBasisResponse,
        ReportPeriod,
    },
};

use self::totals::{Line, Totals, all_pages};
use crate::{
    exit::Failure,
    instant, label,
    output::Output,
    pages::MAX_PAGE_SIZE,
    sum,
    table::{self, Column, unless_zero},
};

/// What `report` reports.
#[derive(Debug, Subcommand)]
pub enum ReportCommand {
    /// What credits cost that were consumed, that expired, and that are left (deferred revenue)
    CostBasis(CostBasisArgs),
    /// What expires when, what expired (breakage), and what is left meanwhile (liability)
    Expiry(expiry::ExpiryArgs),
}

/// What `report cost-basis` takes.
#[derive(Debug, Args)]
pub struct CostBasisArgs {
    /// What is counted, such as credits
    asset: String,
    /// Only this account's wallet; without it all wallets of the asset
    #[arg(long, default_value = "")]
    account: String,
    /// The first instant of the report: RFC 3339, or a date
    #[arg(long, value_parser = instant::parse, value_name = "INSTANT")]
    from: Timestamp,
    /// The first instant after it; without it now. Later it is what comes if nothing but time happens
    #[arg(long, value_parser = instant::parse, value_name = "INSTANT")]
    to: Option<Timestamp>,
    /// Cut it into periods of UTC: day, week, month or year
    #[arg(long, value_parser = label::parse_report_period, value_name = "PERIOD")]
    by: Option<ReportPeriod>,
    /// Lines of their own for the grants of each category
    #[arg(long)]
    by_category: bool,
    /// Lines of their own for each wallet, before the totals
    #[arg(long)]
    per_wallet: bool,
    /// Show how many credits it is about, instead of what they cost
    #[arg(long)]
    credits: bool,
}

/// Runs `purse report`.
pub async fn run(
    command: ReportCommand,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    match command {
        ReportCommand::CostBasis(args) => cost_basis(args, client, output).await,
        ReportCommand::Expiry(args) => expiry::run(args, client, output).await,
    }
}

async fn cost_basis(
    args: CostBasisArgs,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    let CostBasisArgs { asset, account, from, to, by, by_category, per_wallet, credits } = args;
    let request = ReportCostBasisRequest {
        asset,
        account,
        start: Some(from),
        end: to,
        period: by.unwrap_or(ReportPeriod::Unspecified).into(),
        by_category,
        per_wallet,
        page_size: MAX_PAGE_SIZE,
        page_token: String::new(),
    };
    let answer = all_pages(client, request).await?;
    output.answer(&answer, |answer| cost_table(answer, credits))
}

all_pages!(report_cost_basis(ReportCostBasisRequest) -> ReportCostBasisResponse);

impl Line for CostBasisLine {
    fn group(&self) -> &str {
        &self.category
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
    one: Option<CostBasisFigures>,
    other: Option<CostBasisFigures>,
) -> Result<Option<CostBasisFigures>, Failure> {
    let (one, other) = (one.unwrap_or_default(), other.unwrap_or_default());
    Ok(Some(CostBasisFigures {
        opening: sum::add(&one.opening, &other.opening)?,
        granted: sum::add(&one.granted, &other.granted)?,
        transferred_in: sum::add(&one.transferred_in, &other.transferred_in)?,
        consumed: sum::add(&one.consumed, &other.consumed)?,
        expired: sum::add(&one.expired, &other.expired)?,
        voided: sum::add(&one.voided, &other.voided)?,
        revoked: sum::add(&one.revoked, &other.revoked)?,
        transferred_out: sum::add(&one.transferred_out, &other.transferred_out)?,
        closing: sum::add(&one.closing, &other.closing)?,
    }))
}

/// A line for each period of each wallet, and those of all of them.
fn cost_table(answer: &ReportCostBasisResponse, credits: bool) -> String {
    let columns = [
        Column::Text("account"),
        Column::Word("from"),
        Column::Word("to"),
        Column::Word("category"),
        Column::Figure("opening"),
        Column::Figure("granted"),
        Column::Figure("transferred in"),
        Column::Figure("consumed"),
        Column::Figure("expired"),
        Column::Figure("voided"),
        Column::Figure("revoked"),
        Column::Figure("transferred out"),
        Column::Figure("closing"),
        Column::Word(""),
    ];
    let has_wallets = !answer.wallets.is_empty();
    let total = if has_wallets { "all" } else { "" };
    let wallets = answer.wallets.iter();
    let lines = wallets
        .flat_map(|wallet| wallet.lines.iter().map(|line| (wallet.account.as_str(), line)))
        .chain(answer.totals.iter().map(|line| (total, line)));
    let rows = lines.map(|(account, line)| {
        let figures = if credits { &line.credits } else { &line.value };
        let figures = figures.clone().unwrap_or_default();
        vec![
            account.to_owned(),
            instant::show(line.start),
            instant::show(line.end),
            line.category.clone(),
            figures.opening,
            unless_zero(&figures.granted),
            unless_zero(&figures.transferred_in),
            unless_zero(&figures.consumed),
            unless_zero(&figures.expired),
            unless_zero(&figures.voided),
            unless_zero(&figures.revoked),
            unless_zero(&figures.transferred_out),
            figures.closing,
            if line.forecast { "forecast".to_owned() } else { String::new() },
        ]
    });
    table::rows(&columns, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(start: &str, opening: &str, consumed: &str, closing: &str) -> CostBasisLine {
        let zero = || "0".to_owned();
        let figures = CostBasisFigures {
            opening: opening.to_owned(),
            granted: zero(),
            transferred_in: zero(),
            consumed: consumed.to_owned(),
            expired: zero(),
            voided: zero(),
            revoked: zero(),
            transferred_out: zero(),
            closing: closing.to_owned(),
        };
        CostBasisLine {
            start: instant::parse(start).ok(),
            end: instant::parse("2026-03-01").ok(),
            value: Some(figures.clone()),
            credits: Some(figures),
            ..CostBasisLine::default()
        }
    }

    #[test]
    fn pages_add_up_line_by_line() {
        let mut totals = Totals::default();
        totals.add(vec![line("2026-01-01", "10", "2.5", "7.5")]).unwrap();
        let second = vec![line("2026-01-01", "0.1", "0.1", "0"), line("2026-02-01", "1", "0", "1")];
        totals.add(second).unwrap();
        let totals: Vec<CostBasisLine> = totals.into_lines();
        assert_eq!(
            totals,
            [line("2026-01-01", "10.1", "2.6", "7.5"), line("2026-02-01", "1", "0", "1")]
        );
        let answer = ReportCostBasisResponse { totals, ..ReportCostBasisResponse::default() };
        let expected = "\
from                  to                    opening  consumed  closing
───────────────────────────────────────────────────────────────────────
2026-01-01T00:00:00Z  2026-03-01T00:00:00Z     10.1       2.6      7.5
2026-02-01T00:00:00Z  2026-03-01T00:00:00Z        1                  1";
        assert_eq!(cost_table(&answer, false), expected);
    }
}
