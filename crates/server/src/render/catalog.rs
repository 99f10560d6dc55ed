//! What a namespace sells.

use purse_domain::{
    CatalogItem, PositiveAmount, Price, PricePart, PriceTerms, Pricing, Rounding, RoundingMode,
};
use purse_proto::v1;
use purse_storage::CatalogName;

use super::instant;

/// An operation.
pub fn operation(name: &CatalogName, item: &CatalogItem<Price>) -> v1::Operation {
    let CatalogItem { definition, version, created_at, updated_at, actor, reason } = item;
    v1::Operation {
        asset: name.asset.to_string(),
        name: name.name.clone(),
        price: definition.as_ref().map(price),
        etag: version.to_string(),
        created_at: Some(instant(*created_at)),
        updated_at: Some(instant(*updated_at)),
        updated_by: actor.to_string(),
        reason: reason.to_string(),
    }
}

fn price(price: &Price) -> v1::Price {
    let PriceTerms { parts, mode, step, minimum, maximum } = price.terms();
    v1::Price {
        parts: parts.iter().map(part).collect(),
        rounding: self::mode(*mode).into(),
        step: optional(*step),
        minimum: optional(*minimum),
        maximum: optional(*maximum),
    }
}

fn part(part: &PricePart) -> v1::PricePart {
    let part = match part {
        PricePart::Fixed(price) => v1::price_part::Part::Fixed(price.to_string()),
        PricePart::PerUnit { quantity, unit_price, rounding } => {
            let (rounding, step) = match rounding {
                None => (v1::RoundingMode::Unspecified, String::new()),
                Some(Rounding { mode, step }) => (self::mode(*mode), step.get().to_string()),
            };
            v1::price_part::Part::PerUnit(v1::PerUnitPrice {
                quantity: quantity.to_string(),
                unit_price: unit_price.to_string(),
                rounding: rounding.into(),
                step,
            })
        }
    };
    v1::PricePart { part: Some(part) }
}

fn mode(mode: RoundingMode) -> v1::RoundingMode {
    match mode {
        RoundingMode::Up => v1::RoundingMode::Up,
        RoundingMode::Down => v1::RoundingMode::Down,
        RoundingMode::HalfUp => v1::RoundingMode::HalfUp,
        RoundingMode::HalfDown => v1::RoundingMode::HalfDown,
        RoundingMode::HalfEven => v1::RoundingMode::HalfEven,
    }
}

fn optional(amount: Option<PositiveAmount>) -> String {
    amount.map(|amount| amount.get().to_string()).unwrap_or_default()
}

/// How the amount of a transaction was worked out.
pub fn pricing(pricing: &Pricing) -> v1::Pricing {
    let Pricing { quantities, price_version } = pricing;
    v1::Pricing { quantities: quantities.to_texts(), etag: price_version.to_string() }
}
