//! Balances as bars of text. Pure.

use rust_decimal::{Decimal, prelude::ToPrimitive as _};

use crate::exit::Failure;

/// Characters of the longest bar: with instant, label and figure that fits a terminal of 100.
const WIDTH: u32 = 24;
/// The parts of a character that a bar can end with, in eighths.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// A balance as a number, as the service answered it.
pub fn height(balance: &str) -> Result<Decimal, Failure> {
    Decimal::from_str_exact(balance)
        .map_err(|_| Failure::Wrong(format!("the service answered {balance:?} as a balance")))
}

/// The balance whose bar is the longest.
pub fn highest(heights: impl Iterator<Item = Decimal>) -> Decimal {
    heights.max().unwrap_or_default()
}

/// A bar in proportion to the longest one. What is below zero has none.
pub fn bar(value: Decimal, highest: Decimal) -> String {
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
        let longest = highest([3, 48, -3].map(Decimal::from).into_iter());
        assert_eq!(bar(Decimal::from(48), longest), "█".repeat(24));
        assert_eq!(bar(Decimal::from(3), longest), "█▌");
        assert_eq!(bar(Decimal::new(25, 2), longest), "▏");
        assert_eq!(bar(Decimal::ZERO, longest), "");
        assert_eq!(bar(Decimal::from(-3), longest), "");
        assert_eq!(bar(Decimal::ZERO, Decimal::ZERO), "");
    }

    #[test]
    fn what_is_no_balance_is_the_services_fault() {
        assert_eq!(height("-12.50").unwrap(), Decimal::new(-125, 1));
        assert!(matches!(height("much"), Err(Failure::Wrong(_))));
    }
}
