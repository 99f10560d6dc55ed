//! Prices: what a use of an operation costs, worked out from its quantities.
//!
//! Pure and exact: nothing is rounded but where the price says so, and at the end to the asset's scale.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use thiserror::Error;

use crate::{
    Amount, AmountError, Exact, OperationName, PositiveAmount, QuantityName, Scale, TextError,
    UnitPrice,
    amount::MAX_SCALE,
    exact::{MICROS, PICOS},
};

/// Most parts of a price. It bounds the sum, too, which therefore cannot overflow.
pub const MOST_PARTS: usize = 16;
/// Most quantities of a use: there is no use for more than a price has parts.
pub const MOST_QUANTITIES: usize = MOST_PARTS;

/// Which multiple of a step a figure between two of them becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoundingMode {
    /// The higher one.
    Up,
    /// The lower one.
    Down,
    /// The nearer one; of two that are as near the higher one.
    HalfUp,
    /// The nearer one; of two that are as near the lower one.
    HalfDown,
    /// The nearer one; of two that are as near the even multiple.
    HalfEven,
}

impl RoundingMode {
    /// A ratio as a whole number; `divisor` is below 10^21.
    pub(crate) fn ratio(self, dividend: i128, divisor: i128) -> i128 {
        self.round(dividend, 0, divisor) / divisor
    }

    /// The multiple of `step`, in millionths, that a figure becomes: its millionths and, in 10^-12 of those, the rest.
    fn round(self, micros: i128, rest: i128, step: i128) -> i128 {
        let (below, over) = (micros.div_euclid(step), micros.rem_euclid(step));
        // A step is below 10^21.
        let (twice, one) = (2 * (over * PICOS + rest), step * PICOS);
        let is_up = match (self, twice.cmp(&one)) {
            (Self::Up, _) => twice > 0,
            (Self::Down, _) | (Self::HalfDown, Ordering::Equal) => false,
            (Self::HalfUp, Ordering::Equal) => true,
            (Self::HalfEven, Ordering::Equal) => below % 2 != 0,
            (Self::HalfUp | Self::HalfDown | Self::HalfEven, nearer) => nearer == Ordering::Greater,
        };
        (below + i128::from(is_up)) * step
    }
}

/// Rounding to the multiples of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rounding {
    /// To which of two.
    pub mode: RoundingMode,
    /// What the result is a multiple of.
    pub step: PositiveAmount,
}

/// One of the parts that a price is the sum of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PricePart {
    /// So much for each use.
    Fixed(UnitPrice),
    /// So much for each unit of a quantity.
    PerUnit {
        /// The quantity.
        quantity: QuantityName,
        /// What one unit of it costs.
        unit_price: UnitPrice,
        /// How the quantity is rounded before it is multiplied.
        rounding: Option<Rounding>,
    },
}

/// What a price is, before it is known to be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceTerms {
    /// What it is the sum of.
    pub parts: Vec<PricePart>,
    /// How the sum is rounded: to `step`, and to the asset's scale.
    pub mode: RoundingMode,
    /// What the sum is rounded to a multiple of; `None`: the smallest part of the asset.
    pub step: Option<PositiveAmount>,
    /// No use costs less.
    pub minimum: Option<PositiveAmount>,
    /// No use costs more.
    pub maximum: Option<PositiveAmount>,
}

/// What an operation costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price(PriceTerms);

/// Why terms are no price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PriceError {
    /// There is nothing to work out, or too much.
    #[error("must be 1 to {MOST_PARTS}")]
    Parts,
    /// The least is more than the most.
    #[error("must not be below minimum")]
    MaximumBelowMinimum,
}

/// Why quantities have no price.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unpriced {
    /// The operation has none.
    #[error("operation {operation} has no price")]
    NoPrice {
        /// The operation that was named.
        operation: OperationName,
    },
    /// The price takes another quantity, too.
    #[error("must have {quantity}, which the operation is priced by")]
    QuantityMissing {
        /// The one that is missing.
        quantity: QuantityName,
    },
    /// The price takes no such quantity.
    #[error("must not have {quantity}, which the operation is not priced by")]
    QuantityUnknown {
        /// The one that was given.
        quantity: QuantityName,
    },
    /// They cost nothing.
    #[error("make a price of 0: there is nothing to take")]
    Nothing,
    /// They cost more than can be.
    #[error("make a price of 10^15 or more")]
    TooLarge,
}

impl Price {
    /// A price of these terms.
    pub fn new(terms: PriceTerms) -> Result<Self, PriceError> {
        if !(1..=MOST_PARTS).contains(&terms.parts.len()) {
            return Err(PriceError::Parts);
        }
        match (terms.minimum, terms.maximum) {
            (Some(minimum), Some(maximum)) if maximum.get() < minimum.get() => {
                Err(PriceError::MaximumBelowMinimum)
            }
            (Some(_) | None, Some(_) | None) => Ok(Self(terms)),
        }
    }

    /// Its terms.
    pub fn terms(&self) -> &PriceTerms {
        &self.0
    }

    /// What a use costs in an asset of that scale. The sum is rounded, then it is at least the minimum, rounded up to
    /// the scale, and at most the maximum, rounded down.
    pub fn cost(&self, quantities: &Quantities, scale: Scale) -> Result<Amount, Unpriced> {
        let PriceTerms { parts, mode, step, minimum, maximum } = &self.0;
        self.check_names(quantities)?;
        let costs = parts.iter().map(|part| part.cost(quantities));
        let (mut micros, mut rest) = costs.sum::<Result<Exact, Unpriced>>()?.micros();
        if let Some(step) = step {
            (micros, rest) = (mode.round(micros, rest, millionths(*step)), 0);
        }
        let smallest = 10_i128.pow(u32::from(MAX_SCALE - scale.places()));
        micros = mode.round(micros, rest, smallest);
        if let Some(minimum) = minimum {
            micros = micros.max(RoundingMode::Up.round(millionths(*minimum), 0, smallest));
        }
        if let Some(maximum) = maximum {
            micros = micros.min(RoundingMode::Down.round(millionths(*maximum), 0, smallest));
        }
        Amount::from_millionths(micros).ok_or(Unpriced::TooLarge)
    }

    /// Each quantity that it takes is given, and no other: one that is left out by mistake is not free.
    fn check_names(&self, quantities: &Quantities) -> Result<(), Unpriced> {
        let named = self.0.parts.iter().filter_map(|part| match part {
            PricePart::Fixed(_) => None,
            PricePart::PerUnit { quantity, .. } => Some(quantity),
        });
        let taken: BTreeSet<&QuantityName> = named.collect();
        if let Some(missing) = taken.iter().find(|name| !quantities.0.contains_key(**name)) {
            return Err(Unpriced::QuantityMissing { quantity: (**missing).clone() });
        }
        match quantities.0.keys().find(|name| !taken.contains(name)) {
            Some(unknown) => Err(Unpriced::QuantityUnknown { quantity: unknown.clone() }),
            None => Ok(()),
        }
    }
}

impl PricePart {
    fn cost(&self, quantities: &Quantities) -> Result<Exact, Unpriced> {
        match self {
            Self::Fixed(price) => Ok(Exact::of_parts(MICROS, price.picos())),
            Self::PerUnit { quantity, unit_price, rounding } => {
                let missing = || Unpriced::QuantityMissing { quantity: quantity.clone() };
                let given = quantities.0.get(quantity).ok_or_else(missing)?;
                let micros = given.0.millionths();
                let micros = rounding.map_or(micros, |Rounding { mode, step }| {
                    mode.round(micros, 0, millionths(step))
                });
                Ok(Exact::of_parts(micros, unit_price.picos()))
            }
        }
    }
}

fn millionths(amount: PositiveAmount) -> i128 {
    amount.get().millionths()
}

/// How much of something a use took: 0 or more, below 10^15, with at most six decimal places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity(Amount);

impl Quantity {
    /// Parses as [`Amount::parse`] does.
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        Amount::parse(text, Scale::MAX).map(Self)
    }
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The quantities of a use, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quantities(BTreeMap<QuantityName, Quantity>);

/// Why a map holds no quantities.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QuantitiesError {
    /// There are too many.
    #[error("has more than {MOST_QUANTITIES}")]
    TooMany,
    /// A name is none.
    #[error("has a name that {0}")]
    Name(TextError),
    /// A figure is none.
    #[error("has {name}, which {error}")]
    Figure {
        /// Its name.
        name: QuantityName,
        /// What is wrong.
        error: AmountError,
    },
}

impl Quantities {
    /// Parses names and figures.
    pub fn parse(map: &BTreeMap<String, String>) -> Result<Self, QuantitiesError> {
        if map.len() > MOST_QUANTITIES {
            return Err(QuantitiesError::TooMany);
        }
        let quantities = map.iter().map(|(name, figure)| {
            let name = QuantityName::parse(name).map_err(QuantitiesError::Name)?;
            match Quantity::parse(figure) {
                Ok(quantity) => Ok((name, quantity)),
                Err(error) => Err(QuantitiesError::Figure { name, error }),
            }
        });
        quantities.collect::<Result<_, _>>().map(Self)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&QuantityName, &Quantity)> {
        self.0.iter()
    }

    /// Names and figures.
    pub fn to_texts(&self) -> BTreeMap<String, String> {
        self.iter().map(|(name, figure)| (name.to_string(), figure.to_string())).collect()
    }
}

/// How much a request is to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charge {
    /// So much.
    Amount(PositiveAmount),
    /// What the price of its operation made of quantities.
    Priced(Box<Priced>),
}

/// What a price made of quantities, as far as the request knows it: a repeated request is answered by its key,
/// whatever has become of the price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Priced {
    /// What was asked for.
    pub quantities: Quantities,
    /// What that costs.
    pub cost: Result<Cost, Unpriced>,
}

/// What quantities cost, and by which price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// How much.
    pub amount: PositiveAmount,
    /// The version of the price.
    pub price_version: i64,
}

/// By which price a transaction's amount was worked out, from what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pricing {
    /// What was asked for.
    pub quantities: Quantities,
    /// The version of the price of the transaction's operation.
    pub price_version: i64,
}

impl From<PositiveAmount> for Charge {
    fn from(amount: PositiveAmount) -> Self {
        Self::Amount(amount)
    }
}

impl Charge {
    /// What quantities cost by a price of that version; `None`: the operation has no price.
    pub fn priced(
        operation: &OperationName,
        price: Option<(&Price, i64)>,
        quantities: Quantities,
        scale: Scale,
    ) -> Self {
        let cost = match price {
            None => Err(Unpriced::NoPrice { operation: operation.clone() }),
            Some((price, price_version)) => price.cost(&quantities, scale).and_then(|amount| {
                let amount = amount.positive().ok_or(Unpriced::Nothing)?;
                Ok(Cost { amount, price_version })
            }),
        };
        Self::Priced(Box::new(Priced { quantities, cost }))
    }

    /// How much that is.
    pub fn amount(&self) -> Result<PositiveAmount, Unpriced> {
        match self {
            Self::Amount(amount) => Ok(*amount),
            Self::Priced(priced) => {
                priced.cost.as_ref().map(|cost| cost.amount).map_err(Clone::clone)
            }
        }
    }

    /// By which price it was worked out; `None`: the amount was given, or there is no price.
    pub fn pricing(&self) -> Option<Pricing> {
        match self {
            Self::Amount(_) => None,
            Self::Priced(priced) => priced.cost.as_ref().ok().map(|cost| Pricing {
                quantities: priced.quantities.clone(),
                price_version: cost.price_version,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
