//! A balance over time as bars of text. Pure.

use prost_types::Timestamp;
use rust_decimal::{Decimal, prelude::ToPrimitive as _};

use crate::{
    exit::Failure,
    table::{self, Column},
};

/// Characters of the longest bar: with instant, label and figure that fits a terminal of 100.
const WIDTH: u32 = 24;
/// The parts of a character that a bar can end with, in eighths.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// An instant with a name.
pub struct Point {
    label: &'static str,
    /// The instant.
    pub at: Timestamp,
}

/// The balance at an instant.
pub struct Level {
    point: Point,
    balance: Decimal,
}

impl Point {
    /// Names an instant.
    pub fn new(label: &'static str, at: Timestamp) -> Self {
        Self { label, at }
    }

    /// The balance at this instant, as the service answered it.
    pub fn level(self, balance: &str) -> Result<Level, Failure> {
        let balance = Decimal::from_str_exact(balance).map_err(|_| {
            Failure::Wrong(format!("the service answered {balance:?} as a balance"))
        })?;
        Ok(Level { point: self, balance })
    }
}

/// Draws the levels below each other. What is below zero has no bar.
pub fn draw(levels: &[Level]) -> String {
    let highest = levels.iter().map(|level| level.balance).max().unwrap_or_default();
    let columns =
        [Column::Word("at"), Column::Word("when"), Column::Figure("balance"), Column::Word("")];
    let rows = levels.iter().map(|Level { point, balance }| {
        vec![
            point.at.to_string(),
            point.label.to_owned(),
            balance.normalize().to_string(),
            bar(*balance, highest),
        ]
    });
    table::rows(&columns, rows)
}

fn bar(value: Decimal, highest: Decimal) -> String {
    if value <= Decimal::ZERO || highest <= Decimal::ZERO {
        return String::new();
    }
    let eighths = value * Decimal::from(WIDTH * 8) / highest;
    let eighths = eighths.trunc().to_usize().unwrap_or_default();
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_in_proportion() {
        let highest = Decimal::from(48);
        assert_eq!(bar(highest, highest), "█".repeat(24));
        assert_eq!(bar(Decimal::from(3), highest), "█▌");
        assert_eq!(bar(Decimal::new(25, 2), highest), "▏");
        assert_eq!(bar(Decimal::ZERO, highest), "");
        assert_eq!(bar(Decimal::from(-3), highest), "");
        assert_eq!(bar(Decimal::ZERO, Decimal::ZERO), "");
    }
}
