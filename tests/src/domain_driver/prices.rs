//! Operations with prices, in memory.

use std::collections::{BTreeMap, HashMap};

use purse_domain::{
    Actor, AssetCode, CatalogChange, CatalogItem, Charge, OperationName, PositiveAmount, Price,
    PriceError, PricePart, PriceTerms, Quantities, QuantityName, Reason, Rounding, RoundingMode,
    Scale, Timestamp, UnitPrice, Unpriced, change_item,
};

use crate::{
    answer::Refusal,
    driver::{PartAsked, PriceAsked},
};

/// What operations cost, by asset and name.
#[derive(Debug, Default)]
pub(super) struct Prices(HashMap<(AssetCode, OperationName), CatalogItem<Price>>);

impl Prices {
    pub(super) fn set(
        &mut self,
        asset: &str,
        operation: &str,
        price: Option<&PriceAsked>,
        clock: Timestamp,
    ) -> Result<(), Refusal> {
        let name = (self::asset(asset)?, self::operation(operation)?);
        let change = CatalogChange {
            definition: price.map(self::price).transpose()?,
            expected_version: None,
            actor: Actor::from_stored(String::new()),
            reason: Reason::from_stored(String::new()),
        };
        let before = self.0.get(&name);
        match change_item(before, &change, clock) {
            Ok(Some(after)) => {
                self.0.insert(name, after);
                Ok(())
            }
            Ok(None) if before.is_some() => Ok(()),
            Ok(None) | Err(_) => Err(not_found(&name.1, &name.0)),
        }
    }

    fn find(&self, asset: &AssetCode, operation: &OperationName) -> Option<(&Price, i64)> {
        let item = self.0.get(&(asset.clone(), operation.clone()))?;
        Some((item.definition.as_ref()?, item.version))
    }

    pub(super) fn estimate(
        &self,
        (asset, scale): (&str, impl FnOnce(&AssetCode) -> Option<Scale>),
        operation: &str,
        quantities: &BTreeMap<String, String>,
    ) -> Result<String, Refusal> {
        let asset = self::asset(asset)?;
        let operation = self::operation(operation)?;
        let quantities = self::quantities(quantities)?;
        let scale = scale(&asset);
        let unknown = || Refusal::new("ASSET_NOT_FOUND", &[("asset", asset.to_string())]);
        let scale = scale.ok_or_else(unknown)?;
        let price = self.find(&asset, &operation);
        let (price, _) = price.ok_or_else(|| not_found(&operation, &asset))?;
        let cost = price.cost(&quantities, scale);
        cost.map(|amount| amount.to_string()).map_err(|why| unpriced(&why, &asset))
    }

    /// The amount that is asked for, or what the operation's price makes of quantities.
    pub(super) fn charge(
        &self,
        asset: &AssetCode,
        amount: &str,
        (operation, quantities): (Option<&OperationName>, &BTreeMap<String, String>),
        scale: Scale,
    ) -> Result<Charge, Refusal> {
        if !amount.is_empty() {
            let amount =
                PositiveAmount::parse(amount, scale).map_err(|_| Refusal::field("amount"))?;
            if !quantities.is_empty() {
                return Err(Refusal::field("quantities"));
            }
            return Ok(Charge::Amount(amount));
        }
        let given = self::quantities(quantities)?;
        match operation {
            Some(name) => Ok(Charge::priced(name, self.find(asset, name), given, scale)),
            None if quantities.is_empty() => Err(Refusal::field("amount")),
            None => Err(Refusal::field("operation")),
        }
    }
}

/// Why there is no price, as callers are told it.
pub(super) fn unpriced(why: &Unpriced, asset: &AssetCode) -> Refusal {
    match why {
        Unpriced::NoPrice { operation } => not_found(operation, asset),
        Unpriced::QuantityMissing { .. }
        | Unpriced::QuantityUnknown { .. }
        | Unpriced::Nothing
        | Unpriced::TooLarge => Refusal::field("quantities"),
    }
}

fn not_found(operation: &OperationName, asset: &AssetCode) -> Refusal {
    let figures = [("operation", operation.to_string()), ("asset", asset.to_string())];
    Refusal::new("OPERATION_NOT_FOUND", &figures)
}

fn asset(text: &str) -> Result<AssetCode, Refusal> {
    AssetCode::parse(text).map_err(|_| Refusal::field("asset"))
}

fn operation(text: &str) -> Result<OperationName, Refusal> {
    OperationName::parse(text).map_err(|_| Refusal::field("operation"))
}

fn quantities(map: &BTreeMap<String, String>) -> Result<Quantities, Refusal> {
    Quantities::parse(map).map_err(|_| Refusal::field("quantities"))
}

fn price(asked: &PriceAsked) -> Result<Price, Refusal> {
    let PriceAsked { parts, rounding, step, minimum, maximum } = asked;
    let terms = PriceTerms {
        parts: parts.iter().map(part).collect::<Result<_, _>>()?,
        mode: mode("price.rounding", rounding)?.unwrap_or(RoundingMode::Up),
        step: amount("price.step", step)?,
        minimum: amount("price.minimum", minimum)?,
        maximum: amount("price.maximum", maximum)?,
    };
    Price::new(terms).map_err(|error| match error {
        PriceError::Parts => Refusal::field("price.parts"),
        PriceError::MaximumBelowMinimum => Refusal::field("price.maximum"),
    })
}

fn part(asked: &PartAsked) -> Result<PricePart, Refusal> {
    let PartAsked { price, quantity, rounding, step } = asked;
    let unit_price = |field| UnitPrice::parse(price).map_err(|_| Refusal::field(field));
    if quantity.is_empty() {
        return unit_price("price.parts.fixed").map(PricePart::Fixed);
    }
    let field = "price.parts.per_unit.quantity";
    let quantity = QuantityName::parse(quantity).map_err(|_| Refusal::field(field))?;
    let unit_price = unit_price("price.parts.per_unit.unit_price")?;
    let mode = mode("price.parts.per_unit.rounding", rounding)?;
    let step = amount("price.parts.per_unit.step", step)?;
    let rounding = mode.zip(step).map(|(mode, step)| Rounding { mode, step });
    Ok(PricePart::PerUnit { quantity, unit_price, rounding })
}

fn mode(field: &str, name: &str) -> Result<Option<RoundingMode>, Refusal> {
    match name {
        "" => Ok(None),
        "UP" => Ok(Some(RoundingMode::Up)),
        "DOWN" => Ok(Some(RoundingMode::Down)),
        "HALF_UP" => Ok(Some(RoundingMode::HalfUp)),
        "HALF_DOWN" => Ok(Some(RoundingMode::HalfDown)),
        "HALF_EVEN" => Ok(Some(RoundingMode::HalfEven)),
        _ => Err(Refusal::field(field)),
    }
}

fn amount(field: &str, text: &str) -> Result<Option<PositiveAmount>, Refusal> {
    match text {
        "" => Ok(None),
        text => {
            PositiveAmount::parse(text, Scale::MAX).map(Some).map_err(|_| Refusal::field(field))
        }
    }
}
