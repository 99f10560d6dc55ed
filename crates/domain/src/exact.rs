//! Exact sums of amounts and of what they cost.
//!
//! An amount has up to 6 decimal places and a cost basis up to 12, so what they make has up to 18, and more digits
//! before the point than a `Decimal` has in all. Nothing is ever rounded here. A share is below 10^30: it takes a
//! hundred million grants of the largest amount at the highest price to leave the range.

use std::{
    fmt,
    iter::Sum,
    ops::{Add, Neg, Sub},
};

use rust_decimal::Decimal;

use crate::{Amount, CostBasis, amount::MAX_COST_SCALE};

/// So many of the smallest part are one.
const ATTOS: i128 = 1_000_000_000_000_000_000;
const PLACES: usize = 18;
pub(crate) const MICROS: i128 = 1_000_000;
pub(crate) const PICOS: i128 = 1_000_000_000_000;

/// A decimal with up to 18 places, positive or negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Exact {
    /// Rounded down.
    whole: i128,
    /// What is beyond that, in 10^-18: 0 to [`ATTOS`] − 1.
    attos: i128,
}

impl Exact {
    /// Nothing.
    pub const ZERO: Self = Self { whole: 0, attos: 0 };

    /// What an amount costs at a cost basis.
    pub fn product(amount: Amount, cost_basis: CostBasis) -> Self {
        let picos = scaled(cost_basis.decimal(), u32::from(MAX_COST_SCALE));
        Self::of_parts(amount.millionths(), picos)
    }

    /// What so many millionths of a unit cost, if a unit costs so many 10^-12: below 2·10^21 and 10^27.
    pub(crate) fn of_parts(micros: i128, picos: i128) -> Self {
        let (units, micros) = (micros.div_euclid(MICROS), micros.rem_euclid(MICROS));
        let (price, picos) = (picos.div_euclid(PICOS), picos.rem_euclid(PICOS));
        let attos = units * picos * MICROS + micros * price * PICOS + micros * picos;
        Self::carried(units * price, attos)
    }

    /// Reads what PostgreSQL made of a sum, or of a sum of products; `None` if that has more places.
    pub fn from_stored(text: &str) -> Option<Self> {
        let (digits, is_negative) = match text.strip_prefix('-') {
            Some(digits) => (digits, true),
            None => (text, false),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let fraction = fraction.trim_end_matches('0');
        let are_digits = [whole, fraction].concat().bytes().all(|byte| byte.is_ascii_digit());
        if fraction.len() > PLACES || !are_digits {
            return None;
        }
        let attos = format!("{fraction:0<PLACES$}").parse().ok()?;
        let read = Self { whole: whole.parse().ok()?, attos };
        Some(if is_negative { -read } else { read })
    }

    /// Its millionths, rounded down, and what is beyond them, in 10^-12 of one. It is below 10^32.
    pub(crate) fn micros(self) -> (i128, i128) {
        let Self { whole, attos } = self;
        (whole * MICROS + attos.div_euclid(PICOS), attos.rem_euclid(PICOS))
    }

    fn carried(whole: i128, attos: i128) -> Self {
        Self { whole: whole + attos.div_euclid(ATTOS), attos: attos.rem_euclid(ATTOS) }
    }
}

impl From<Amount> for Exact {
    fn from(amount: Amount) -> Self {
        let micros = amount.millionths();
        Self::carried(micros.div_euclid(MICROS), micros.rem_euclid(MICROS) * PICOS)
    }
}

/// The digits of a figure that has no more places.
pub(crate) fn scaled(figure: Decimal, places: u32) -> i128 {
    debug_assert!(figure.scale() <= places, "{figure} has more than {places} places");
    figure.mantissa() * 10_i128.pow(places.saturating_sub(figure.scale()))
}

impl Add for Exact {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self::carried(self.whole + other.whole, self.attos + other.attos)
    }
}

impl Neg for Exact {
    type Output = Self;

    fn neg(self) -> Self {
        Self::carried(-self.whole, -self.attos)
    }
}

impl Sub for Exact {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Sum for Exact {
    fn sum<I: Iterator<Item = Self>>(figures: I) -> Self {
        figures.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.whole < 0 {
            f.write_str("-")?;
        }
        let Self { whole, attos } = if self.whole < 0 { -*self } else { *self };
        let fraction = format!("{attos:0>PLACES$}");
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{whole}"),
            fraction => write!(f, "{whole}.{fraction}"),
        }
    }
}

impl fmt::Debug for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Scale;

    fn product(amount: &str, cost_basis: &str) -> String {
        let amount = Amount::parse(amount, Scale::MAX).unwrap();
        Exact::product(amount, CostBasis::parse(cost_basis).unwrap()).to_string()
    }

    #[test]
    fn products_have_all_their_places() {
        for (amount, cost_basis, expected) in [
            ("100", "0.01", "1"),
            ("12.5", "0.4", "5"),
            ("0.000001", "0.000000000001", "0.000000000000000001"),
            ("0.999999", "0.999999999999", "0.999998999999000001"),
            ("3", "0.333333333333", "0.999999999999"),
            (
                "999999999999999.999999",
                "999999999999999.999999999999",
                "999999999999999999998999999000.000000000000000001",
            ),
            ("0", "5", "0"),
        ] {
            assert_eq!(product(amount, cost_basis), expected, "{amount} at {cost_basis}");
        }
    }

    #[test]
    fn figures_are_read_as_postgresql_writes_them() {
        for text in
            ["0", "-0.5", "17", "-17.000000000000000001", "0.1", "123456789012345678901234567890"]
        {
            assert_eq!(Exact::from_stored(text).unwrap().to_string(), text);
        }
        for (text, shown) in [("1.500000", "1.5"), ("-2.000000000000000000", "-2"), ("-0.0", "0")] {
            assert_eq!(Exact::from_stored(text).unwrap().to_string(), shown);
        }
        for text in ["", "-", "--1", "+1", "1.-5", "NaN", "1e3", "0.0000000000000000001"] {
            assert_eq!(Exact::from_stored(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn sums_are_those_of_the_smallest_parts(
            one in -10_i128.pow(30)..10_i128.pow(30),
            other in -10_i128.pow(30)..10_i128.pow(30),
        ) {
            let exact = |attos: i128| Exact::carried(0, attos);
            prop_assert_eq!(exact(one) + exact(other), exact(one + other));
            prop_assert_eq!(exact(one) - exact(other), exact(one - other));
            prop_assert_eq!(exact(one).cmp(&exact(other)), one.cmp(&other));
            let shown = exact(one).to_string();
            prop_assert_eq!(Exact::from_stored(&shown), Some(exact(one)), "{}", shown);
        }

        #[test]
        fn a_product_is_that_of_the_digits(micros in 0_i128..10_i128.pow(12), picos in 0_i128..10_i128.pow(18)) {
            let amount = Amount::from_stored(Decimal::from_i128_with_scale(micros, 6)).unwrap();
            let cost_basis = CostBasis::from_stored(Decimal::from_i128_with_scale(picos, 12));
            prop_assert_eq!(Exact::product(amount, cost_basis), Exact::carried(0, micros * picos));
        }
    }
}
