//! The balance at instants that have a name, as bars. Pure.

use prost_types::Timestamp;
use rust_decimal::Decimal;

use crate::{
    exit::Failure,
    plot,
    table::{self, Column},
};

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
        Ok(Level { point: self, balance: plot::height(balance)? })
    }
}

/// Draws the levels below each other.
pub fn draw(levels: &[Level]) -> String {
    let highest = plot::highest(levels.iter().map(|level| level.balance));
    let columns =
        [Column::Word("at"), Column::Word("when"), Column::Figure("balance"), Column::Word("")];
    let rows = levels.iter().map(|Level { point, balance }| {
        vec![
            point.at.to_string(),
            point.label.to_owned(),
            balance.normalize().to_string(),
            plot::bar(*balance, highest),
        ]
    });
    table::rows(&columns, rows)
}
