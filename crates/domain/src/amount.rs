//! Exact decimal amounts.
//!
//! Owns the grammar, the scale and the cap of every amount. Nothing else makes an [`Amount`] from
//! text, and no float is ever near one. The cap leaves `rust_decimal` (28 digits) and
//! `NUMERIC(28,6)` room for every sum that a wallet can form, so arithmetic inside cannot overflow.

use std::{
    fmt,
    iter::Sum,
    ops::{Add, Sub},
};

use rust_decimal::{Decimal, RoundingStrategy};
use thiserror::Error;

use crate::exact::scaled;

/// Most decimal places of any asset: what `NUMERIC(28,6)` keeps without rounding.
pub const MAX_SCALE: u8 = 6;
/// Most decimal places of a cost basis: a millionth of a currency unit for a millionth of a credit.
pub const MAX_COST_SCALE: u8 = 12;
/// Most digits before the point: every amount is below 10^15.
pub const MAX_INTEGER_DIGITS: usize = 15;

/// An asset's number of decimal places, 0 to 6, fixed for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale(u8);

impl Scale {
    /// The finest scale, and the default: amounts of every coarser one fit in it.
    pub const MAX: Self = Self(MAX_SCALE);

    /// `None` above 6 or below 0.
    pub fn new(places: i32) -> Option<Self> {
        u8::try_from(places).ok().filter(|places| *places <= MAX_SCALE).map(Self)
    }

    /// The number of decimal places.
    pub fn places(self) -> u8 {
        self.0
    }
}

/// Why a text is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AmountError {
    /// The text is empty.
    #[error("is missing")]
    Missing,
    /// Something else than digits with at most one point between them.
    #[error(
        "must be a decimal number such as \"12.50\": digits, at most one point, no sign, blank or exponent"
    )]
    Malformed,
    /// More decimal places than the asset has.
    #[error("has more than {scale} decimal places")]
    TooPrecise {
        /// The most that are allowed.
        scale: u8,
    },
    /// 10^15 or more.
    #[error("must be below 10^15")]
    TooLarge,
    /// Zero where a command needs something to move.
    #[error("must be greater than zero")]
    NotPositive,
}

/// A quantity of an asset: 0 ≤ amount < 10^15 with at most six decimal places.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(Decimal);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(Decimal::ZERO);
    /// The least there can be of any asset: 0.000001.
    pub const SMALLEST: Self = Self(Decimal::from_parts(1, 0, 0, false, MAX_SCALE as u32));

    /// Parses digits with at most one point. Zeros past the scale are harmless: `"10.0"` is 10 at scale 0.
    pub fn parse(text: &str, scale: Scale) -> Result<Self, AmountError> {
        parse_decimal(text, scale.0).map(Self)
    }

    /// Takes a figure that PostgreSQL kept; `None` if it is no amount, which its CHECKs exclude.
    pub fn from_stored(stored: Decimal) -> Option<Self> {
        let fits = !stored.is_sign_negative() || stored.is_zero();
        (fits && stored.scale() <= u32::from(MAX_SCALE)).then_some(Self(stored))
    }

    /// So many millionths; `None` if that is no amount.
    pub fn from_millionths(millionths: i128) -> Option<Self> {
        let decimal = Decimal::try_from_i128_with_scale(millionths, u32::from(MAX_SCALE)).ok()?;
        Self::from_stored(decimal.normalize()).filter(|amount| !amount.is_over_cap())
    }

    /// Its millionths: there are no finer amounts.
    pub(crate) fn millionths(self) -> i128 {
        scaled(self.0, u32::from(MAX_SCALE))
    }

    /// The figure for PostgreSQL.
    pub fn decimal(self) -> Decimal {
        self.0
    }

    /// Whether there is nothing.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// This as something to move; `None` if it is nothing.
    pub fn positive(self) -> Option<PositiveAmount> {
        PositiveAmount::from_stored(self)
    }

    /// Whether it has no more decimal places than the scale.
    pub fn fits(self, scale: Scale) -> bool {
        self.0.normalize().scale() <= u32::from(scale.0)
    }

    /// As much of it as an asset of that scale can have.
    #[must_use]
    pub fn rounded_down(self, scale: Scale) -> Self {
        let places = u32::from(scale.0);
        Self(self.0.round_dp_with_strategy(places, RoundingStrategy::ToZero).normalize())
    }

    /// Whether more was taken than there was: no amount of a sound ledger.
    pub fn is_overdrawn(self) -> bool {
        self.0.is_sign_negative() && !self.0.is_zero()
    }

    /// Whether this is at or above 10^15, which no wallet may hold.
    pub fn is_over_cap(self) -> bool {
        self.0 >= Decimal::from(10_u64.pow(15))
    }

    /// This as a balance.
    pub fn signed(self) -> SignedAmount {
        SignedAmount(self.0)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_plain(self.0, f)
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Add for Amount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Amount {
    type Output = Self;

    /// Callers take no more than there is (invariant 1); a CHECK in the database says it again, and the fold
    /// of a ledger looks.
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

/// An amount greater than zero: what every command moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PositiveAmount(Amount);

impl PositiveAmount {
    /// Parses as [`Amount::parse`] does and refuses zero.
    pub fn parse(text: &str, scale: Scale) -> Result<Self, AmountError> {
        let amount = Amount::parse(text, scale)?;
        if amount.is_zero() { Err(AmountError::NotPositive) } else { Ok(Self(amount)) }
    }

    /// Takes an amount that was checked before it was stored; `None` if there is nothing.
    pub fn from_stored(stored: Amount) -> Option<Self> {
        (!stored.is_zero()).then_some(Self(stored))
    }

    /// The sum of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// The amount.
    pub fn get(self) -> Amount {
        self.0
    }
}

/// A balance: available minus debt, so it may be negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignedAmount(Decimal);

impl SignedAmount {
    /// Nothing.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// This as an amount: nothing if it is negative.
    pub fn or_nothing(self) -> Amount {
        Amount(self.0.max(Decimal::ZERO))
    }

    /// Takes a figure that PostgreSQL kept.
    pub fn from_stored(stored: Decimal) -> Self {
        Self(stored)
    }

    /// The figure for PostgreSQL.
    pub fn decimal(self) -> Decimal {
        self.0
    }
}

impl Add for SignedAmount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for SignedAmount {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Sum for SignedAmount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for SignedAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_plain(self.0, f)
    }
}

impl fmt::Debug for SignedAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What one credit cost: 0 ≤ cost < 10^15 with at most twelve decimal places. Zero is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CostBasis(Decimal);

impl CostBasis {
    /// Free credits.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// Parses as [`Amount::parse`] does, with up to twelve decimal places.
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        parse_decimal(text, MAX_COST_SCALE).map(Self)
    }

    /// So many 10^-12; `None` if that is 10^15 or more.
    pub(crate) fn from_picos(picos: i128) -> Option<Self> {
        let decimal = Decimal::try_from_i128_with_scale(picos, u32::from(MAX_COST_SCALE)).ok()?;
        (decimal < Decimal::from(10_u64.pow(15))).then(|| Self(decimal.normalize()))
    }

    /// Takes a figure that PostgreSQL kept.
    pub fn from_stored(stored: Decimal) -> Self {
        Self(stored)
    }

    /// The figure for PostgreSQL.
    pub fn decimal(self) -> Decimal {
        self.0
    }

    /// Whether the credits cost nothing.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl fmt::Display for CostBasis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_plain(self.0, f)
    }
}

/// What one use of an operation costs, or one unit of a quantity: 0 ≤ price < 10^15 with at most twelve decimal places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitPrice(Decimal);

impl UnitPrice {
    /// Parses as [`Amount::parse`] does, with up to twelve decimal places.
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        parse_decimal(text, MAX_COST_SCALE).map(Self)
    }

    /// Its 10^-12.
    pub(crate) fn picos(self) -> i128 {
        scaled(self.0, u32::from(MAX_COST_SCALE))
    }
}

impl fmt::Display for UnitPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_plain(self.0, f)
    }
}

/// Writes a figure without the zeros that it ends with. An answer to a spend has some ten of them, and `Decimal` divides its
/// 96 bits for each digit.
fn write_plain(figure: Decimal, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Ok(mut digits) = u64::try_from(figure.mantissa().unsigned_abs()) else {
        return fmt::Display::fmt(&figure.normalize(), f);
    };
    let mut places = figure.scale();
    while places > 0 && digits.is_multiple_of(10) {
        digits /= 10;
        places -= 1;
    }
    // Of 20 places and more, no more than that: a u64 has 20 digits.
    let unit = 10_u64.checked_pow(places);
    let (whole, fraction) = unit.map_or((0, digits), |unit| (digits / unit, digits % unit));
    let sign = if figure.is_sign_negative() && digits > 0 { "-" } else { "" };
    match usize::try_from(places) {
        Ok(0) | Err(_) => write!(f, "{sign}{whole}"),
        Ok(places) => write!(f, "{sign}{whole}.{fraction:0places$}"),
    }
}

fn parse_decimal(text: &str, max_scale: u8) -> Result<Decimal, AmountError> {
    if text.is_empty() {
        return Err(AmountError::Missing);
    }
    let (integer, fraction) = match text.split_once('.') {
        Some((integer, fraction)) if !fraction.is_empty() => (integer, fraction),
        Some(_) => return Err(AmountError::Malformed),
        None => (text, ""),
    };
    let digits_only = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let well_formed = !integer.is_empty() && digits_only(integer) && digits_only(fraction);
    if !well_formed {
        return Err(AmountError::Malformed);
    }
    let integer = integer.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    if integer.len() > MAX_INTEGER_DIGITS {
        return Err(AmountError::TooLarge);
    }
    let scale = match u8::try_from(fraction.len()) {
        Ok(places) if places <= max_scale => u32::from(places),
        Ok(_) | Err(_) => return Err(AmountError::TooPrecise { scale: max_scale }),
    };
    // At most 15 + 12 digits: an i128 and a Decimal hold them exactly.
    let mantissa = integer
        .bytes()
        .chain(fraction.bytes())
        .fold(0_i128, |mantissa, digit| mantissa * 10 + i128::from(digit - b'0'));
    Ok(Decimal::from_i128_with_scale(mantissa, scale))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn figures_are_written_as_decimals_write_them(
            digits in prop_oneof![any::<i64>().prop_map(i128::from), -(1_i128 << 95)..1 << 95],
            tens in 0..9_u32,
            scale in 0..=28_u32,
        ) {
            let figure = Decimal::from_i128_with_scale(digits / 10_i128.pow(tens) * 10_i128.pow(tens), scale);
            let written = SignedAmount::from_stored(figure).to_string();
            prop_assert_eq!(written, figure.normalize().to_string());
        }
    }

    fn parse(text: &str, places: i32) -> Result<String, AmountError> {
        Amount::parse(text, Scale::new(places).unwrap()).map(|amount| amount.to_string())
    }

    #[test]
    fn only_plain_decimals_are_amounts() {
        for (text, places, expected) in [
            ("10", 0, Ok("10")),
            ("10.0", 0, Ok("10")),
            ("010.50", 1, Ok("10.5")),
            ("0.000001", 6, Ok("0.000001")),
            ("999999999999999.999999", 6, Ok("999999999999999.999999")),
            ("", 6, Err(AmountError::Missing)),
            ("10.5", 0, Err(AmountError::TooPrecise { scale: 0 })),
            ("0.0000001", 6, Err(AmountError::TooPrecise { scale: 6 })),
            ("1000000000000000", 6, Err(AmountError::TooLarge)),
            (&"9".repeat(400), 6, Err(AmountError::TooLarge)),
            ("-5", 6, Err(AmountError::Malformed)),
            ("+5", 6, Err(AmountError::Malformed)),
            ("NaN", 6, Err(AmountError::Malformed)),
            ("1e3", 6, Err(AmountError::Malformed)),
            (" 10", 6, Err(AmountError::Malformed)),
            ("10 ", 6, Err(AmountError::Malformed)),
            ("1_000", 6, Err(AmountError::Malformed)),
            ("1,5", 6, Err(AmountError::Malformed)),
            (".5", 6, Err(AmountError::Malformed)),
            ("5.", 6, Err(AmountError::Malformed)),
            (".", 6, Err(AmountError::Malformed)),
            ("1.2.3", 6, Err(AmountError::Malformed)),
            ("٣", 6, Err(AmountError::Malformed)),
        ] {
            assert_eq!(parse(text, places), expected.map(str::to_owned), "{text:?} at {places}");
        }
    }

    #[test]
    fn a_command_moves_more_than_nothing() {
        assert_eq!(PositiveAmount::parse("0.00", Scale::MAX), Err(AmountError::NotPositive));
    }

    #[test]
    fn a_cost_basis_has_twelve_places() {
        assert_eq!(CostBasis::parse("0.000000000001").unwrap().to_string(), "0.000000000001");
        assert_eq!(CostBasis::parse("0.0000000000001"), Err(AmountError::TooPrecise { scale: 12 }));
    }
}
