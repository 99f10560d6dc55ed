//! Prices and what they were worked out from, as JSON.

use std::collections::BTreeMap;

use purse_domain::{
    PositiveAmount, Price, PricePart, PriceTerms, Pricing, Quantities, QuantityName, Rounding,
    RoundingMode, Scale, UnitPrice,
};
use serde::{Deserialize, Serialize};

use super::corrupt;
use crate::StorageError;

/// A price, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PriceSnapshot {
    parts: Vec<PartSnapshot>,
    rounding: ModeSnapshot,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    minimum: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    maximum: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PartSnapshot {
    Fixed(String),
    PerUnit {
        quantity: String,
        unit_price: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rounding: Option<RoundingSnapshot>,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct RoundingSnapshot {
    mode: ModeSnapshot,
    step: String,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ModeSnapshot {
    Up,
    Down,
    HalfUp,
    HalfDown,
    HalfEven,
}

impl ModeSnapshot {
    fn of(mode: RoundingMode) -> Self {
        match mode {
            RoundingMode::Up => Self::Up,
            RoundingMode::Down => Self::Down,
            RoundingMode::HalfUp => Self::HalfUp,
            RoundingMode::HalfDown => Self::HalfDown,
            RoundingMode::HalfEven => Self::HalfEven,
        }
    }

    fn mode(self) -> RoundingMode {
        match self {
            Self::Up => RoundingMode::Up,
            Self::Down => RoundingMode::Down,
            Self::HalfUp => RoundingMode::HalfUp,
            Self::HalfDown => RoundingMode::HalfDown,
            Self::HalfEven => RoundingMode::HalfEven,
        }
    }
}

impl PartSnapshot {
    fn of(part: &PricePart) -> Self {
        match part {
            PricePart::Fixed(price) => Self::Fixed(price.to_string()),
            PricePart::PerUnit { quantity, unit_price, rounding } => Self::PerUnit {
                quantity: quantity.as_str().to_owned(),
                unit_price: unit_price.to_string(),
                rounding: rounding.map(|Rounding { mode, step }| RoundingSnapshot {
                    mode: ModeSnapshot::of(mode),
                    step: step.get().to_string(),
                }),
            },
        }
    }

    fn part(self) -> Result<PricePart, StorageError> {
        match self {
            Self::Fixed(price) => unit_price(&price).map(PricePart::Fixed),
            Self::PerUnit { quantity, unit_price: price, rounding } => Ok(PricePart::PerUnit {
                quantity: QuantityName::from_stored(quantity),
                unit_price: unit_price(&price)?,
                rounding: rounding
                    .map(|RoundingSnapshot { mode, step }| {
                        Ok::<_, StorageError>(Rounding { mode: mode.mode(), step: amount(&step)? })
                    })
                    .transpose()?,
            }),
        }
    }
}

impl PriceSnapshot {
    /// A price as it is kept.
    pub(crate) fn of(price: &Price) -> Self {
        let PriceTerms { parts, mode, step, minimum, maximum } = price.terms();
        let text = |amount: &Option<PositiveAmount>| amount.map(|amount| amount.get().to_string());
        Self {
            parts: parts.iter().map(PartSnapshot::of).collect(),
            rounding: ModeSnapshot::of(*mode),
            step: text(step),
            minimum: text(minimum),
            maximum: text(maximum),
        }
    }

    /// A price as it was kept.
    pub(crate) fn price(self) -> Result<Price, StorageError> {
        let Self { parts, rounding, step, minimum, maximum } = self;
        let amount = |text: Option<String>| text.map(|text| amount(&text)).transpose();
        let terms = PriceTerms {
            parts: parts.into_iter().map(PartSnapshot::part).collect::<Result<_, _>>()?,
            mode: rounding.mode(),
            step: amount(step)?,
            minimum: amount(minimum)?,
            maximum: amount(maximum)?,
        };
        Price::new(terms).map_err(|_| corrupt("a price"))
    }
}

fn unit_price(text: &str) -> Result<UnitPrice, StorageError> {
    UnitPrice::parse(text).map_err(|_| corrupt("a unit price"))
}

fn amount(text: &str) -> Result<PositiveAmount, StorageError> {
    PositiveAmount::parse(text, Scale::MAX).map_err(|_| corrupt("an amount of a price"))
}

/// What an amount was worked out from, as it is kept with its transaction.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PricingSnapshot {
    quantities: BTreeMap<String, String>,
    price_version: i64,
}

impl PricingSnapshot {
    pub(crate) fn of(pricing: &Pricing) -> Self {
        let Pricing { quantities, price_version } = pricing;
        Self { quantities: quantities.to_texts(), price_version: *price_version }
    }

    /// What the statement selects as `::TEXT`.
    pub(crate) fn parse(json: &str) -> Result<Pricing, StorageError> {
        let wrong = || corrupt("the pricing of a transaction");
        let Self { quantities, price_version } = serde_json::from_str(json).map_err(|_| wrong())?;
        let quantities = Quantities::parse(&quantities).map_err(|_| wrong())?;
        Ok(Pricing { quantities, price_version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_as_they_are_written() {
        let price = Price::new(PriceTerms {
            parts: vec![
                PricePart::Fixed(UnitPrice::parse("10").unwrap()),
                PricePart::PerUnit {
                    quantity: QuantityName::parse("megabytes").unwrap(),
                    unit_price: UnitPrice::parse("0.000000000001").unwrap(),
                    rounding: Some(Rounding {
                        mode: RoundingMode::HalfEven,
                        step: amount("0.5").unwrap(),
                    }),
                },
            ],
            mode: RoundingMode::Down,
            step: Some(amount("1").unwrap()),
            minimum: None,
            maximum: Some(amount("100").unwrap()),
        });
        let price = price.unwrap();
        let json = serde_json::to_string(&PriceSnapshot::of(&price)).unwrap();
        assert_eq!(
            json,
            "{\"parts\":[{\"fixed\":\"10\"},{\"per_unit\":{\"quantity\":\"megabytes\",\
             \"unit_price\":\"0.000000000001\",\"rounding\":{\"mode\":\"half_even\",\
             \"step\":\"0.5\"}}}],\"rounding\":\"down\",\"step\":\"1\",\"maximum\":\"100\"}"
        );
        let read: PriceSnapshot = serde_json::from_str(&json).unwrap();
        assert_eq!(read.price().unwrap(), price);
    }
}
