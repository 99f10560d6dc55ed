//! `purse timeline`: the balance of a wallet over a range of time.

use clap::Args;
use prost_types::Timestamp;
use purse_client::{
    Client,
    v1::{GetTimelineRequest, TimelinePoint},
};
use rust_decimal::Decimal;

use crate::{
    args::WalletArgs,
    exit::Failure,
    instant,
    output::Output,
    plot,
    table::{self, Column, unless_zero},
};

/// The most points that the service gives.
const MOST_POINTS: i64 = 10_000;

/// What `timeline` takes.
#[derive(Debug, Args)]
pub struct TimelineArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// The first instant: RFC 3339, or a date; without it the wallet's opening
    #[arg(long, value_parser = instant::parse, value_name = "INSTANT")]
    from: Option<Timestamp>,
    /// The first instant after the range; without it now. Later it is what comes if nothing but time happens
    #[arg(long, value_parser = instant::parse, value_name = "INSTANT")]
    to: Option<Timestamp>,
    /// The most points. If more happens, each is the last one of an equal slot of time
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i32).range(1..=MOST_POINTS))]
    points: i32,
}

/// Runs `purse timeline`.
pub async fn run(args: TimelineArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let TimelineArgs { wallet: WalletArgs { account, asset }, from, to, points } = args;
    let request = GetTimelineRequest { account, asset, start: from, end: to, max_points: points };
    let answer = client.get_timeline(request).await?;
    let heights = answer.points.iter().map(|point| plot::height(&point.balance));
    let heights = heights.collect::<Result<Vec<_>, _>>()?;
    output.answer(&answer, |answer| table(&answer.points, &heights))?;
    if answer.thinned {
        eprintln!(
            "purse: more happens than these {} points; --points {MOST_POINTS} shows the most",
            answer.points.len()
        );
    }
    Ok(())
}

/// The points below each other, each with its balance as a bar. Figures that are never anything have no column.
fn table(points: &[TimelinePoint], heights: &[Decimal]) -> String {
    let highest = plot::highest(heights.iter().copied());
    let columns = [
        Column::Word("at"),
        Column::Figure("balance"),
        Column::Figure("held"),
        Column::Figure("debt"),
        Column::Figure("scheduled"),
        Column::Word(""),
    ];
    let rows = points.iter().zip(heights).map(|(point, height)| {
        vec![
            instant::show(point.at),
            point.balance.clone(),
            unless_zero(&point.held),
            unless_zero(&point.debt),
            unless_zero(&point.scheduled),
            plot::bar(*height, highest),
        ]
    });
    table::rows(&columns, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(at: &str, balance: &str, scheduled: &str) -> TimelinePoint {
        TimelinePoint {
            at: Some(instant::parse(at).unwrap()),
            balance: balance.to_owned(),
            available: balance.to_owned(),
            held: "0".to_owned(),
            debt: "0".to_owned(),
            scheduled: scheduled.to_owned(),
        }
    }

    #[test]
    fn points_are_bars_below_each_other() {
        let points = [
            point("2026-01-01", "12.5", "50"),
            point("2026-01-02", "25", "0"),
            point("2026-01-03", "0", "0"),
        ];
        let heights: Vec<Decimal> =
            points.iter().map(|point| plot::height(&point.balance).unwrap()).collect();
        let expected = "\
at                    balance  scheduled
───────────────────────────────────────────────────────────────────
2026-01-01T00:00:00Z     12.5         50  ████████████
2026-01-02T00:00:00Z       25             ████████████████████████
2026-01-03T00:00:00Z        0";
        assert_eq!(table(&points, &heights), expected);
    }
}
