//! Packs, in memory.

use std::collections::HashMap;

use purse_domain::{
    Actor, AssetCode, Bonus, BonusSlab, CatalogChange, CatalogItem, Category, Command, Currency,
    FundingRef, Money, Pack, PackCount, PackError, PackName, PackShare, PackTerms, PerCent, Period,
    PositiveAmount, Priority, Purchase, Reason, Scale, SlabFrom, Timestamp, Unbuyable, UnitPrice,
    change_item,
};

use crate::{
    answer::Refusal,
    driver::{PackAsked, SlabAsked},
};

/// What packs there are, by asset and name.
#[derive(Debug, Default)]
pub(super) struct Packs(HashMap<(AssetCode, PackName), CatalogItem<Pack>>);

impl Packs {
    pub(super) fn set(
        &mut self,
        (asset, scale): (&str, impl FnOnce(&AssetCode) -> Option<Scale>),
        name: &str,
        asked: Option<&PackAsked>,
        clock: Timestamp,
    ) -> Result<(), Refusal> {
        let asset = AssetCode::parse(asset).map_err(|_| Refusal::field("asset"))?;
        let name = self::name(name)?;
        let scale = scale(&asset).unwrap_or(Scale::MAX);
        let change = CatalogChange {
            definition: asked.map(|asked| pack(asked, scale)).transpose()?,
            expected_version: None,
            actor: Actor::from_stored(String::new()),
            reason: Reason::from_stored(String::new()),
        };
        let key = (asset, name);
        let before = self.0.get(&key);
        match change_item(before, &change, clock) {
            Ok(Some(after)) => {
                self.0.insert(key, after);
                Ok(())
            }
            Ok(None) if before.is_some() => Ok(()),
            Ok(None) | Err(_) => Err(not_found(&key.1, &key.0)),
        }
    }

    /// What a payment is to have bought.
    pub(super) fn purchase(
        &self,
        asset: &AssetCode,
        (pack, payment, quantity): (&str, &str, i64),
        scale: Scale,
    ) -> Result<Command, Refusal> {
        let pack = name(pack)?;
        let payment_ref = FundingRef::parse(payment).map_err(|_| Refusal::field("payment_ref"))?;
        let quantity = if quantity == 0 { 1 } else { quantity };
        let quantity = count("quantity", quantity)?;
        let found = self.0.get(&(asset.clone(), pack.clone()));
        let found = found.and_then(|item| Some((item.definition.as_ref()?, item.version)));
        let purchase = Purchase::of(pack, quantity, payment_ref, found, scale);
        Ok(Command::PurchasePack(purchase))
    }
}

/// Why something cannot be bought, as callers are told it.
pub(super) fn unbuyable(why: &Unbuyable, asset: &AssetCode) -> Refusal {
    match why {
        Unbuyable::NoPack { pack } => not_found(pack, asset),
        Unbuyable::TooPrecise { .. } => Refusal::field("pack"),
        Unbuyable::TooMany => Refusal::field("quantity"),
    }
}

fn not_found(pack: &PackName, asset: &AssetCode) -> Refusal {
    let figures = [("pack", pack.to_string()), ("asset", asset.to_string())];
    Refusal::new("PACK_NOT_FOUND", &figures)
}

fn name(text: &str) -> Result<PackName, Refusal> {
    PackName::parse(text).map_err(|_| Refusal::field("pack"))
}

fn count(field: &str, count: i64) -> Result<PackCount, Refusal> {
    PackCount::new(count).ok_or_else(|| Refusal::field(field))
}

fn pack(asked: &PackAsked, scale: Scale) -> Result<Pack, Refusal> {
    let PackAsked { credits, price, valid_for, slabs, bonus_valid_for } = asked;
    let share = |category: &str, micros: &Option<i64>| -> Result<PackShare, Refusal> {
        let valid_for = micros.map(Period::from_micros).transpose();
        Ok(PackShare {
            category: Category::parse(category).map_err(|_| Refusal::field("category"))?,
            valid_for: valid_for.map_err(|_| Refusal::field("valid_for"))?,
            priority: Priority::DEFAULT,
        })
    };
    let terms = PackTerms {
        credits: amount("contents.credits", credits, scale)?,
        price: price.as_ref().map(|(amount, currency)| money(amount, currency)).transpose()?,
        paid: share("purchased", valid_for)?,
        slabs: slabs.iter().map(|asked| slab(asked, scale)).collect::<Result<_, _>>()?,
        bonus: share("bonus", bonus_valid_for)?,
    };
    Pack::new(terms).map_err(|error| match error {
        PackError::Slabs => Refusal::field("contents.bonus_slabs"),
        PackError::TooDear => Refusal::field("contents.price.amount"),
    })
}

fn money(amount: &str, currency: &str) -> Result<Money, Refusal> {
    let field = Refusal::field;
    Ok(Money {
        currency: Currency::parse(currency).map_err(|_| field("contents.price.currency"))?,
        amount: UnitPrice::parse(amount).map_err(|_| field("contents.price.amount"))?,
    })
}

fn amount(field: &str, text: &str, scale: Scale) -> Result<PositiveAmount, Refusal> {
    PositiveAmount::parse(text, scale).map_err(|_| Refusal::field(field))
}

fn slab(asked: &SlabAsked, scale: Scale) -> Result<BonusSlab, Refusal> {
    let SlabAsked { from, of_credits, bonus, is_per_cent } = asked;
    let from = if *of_credits {
        let field = "contents.bonus_slabs.from_credits";
        SlabFrom::Credits(amount(field, from, Scale::MAX)?)
    } else {
        let field = "contents.bonus_slabs.from_quantity";
        SlabFrom::Quantity(count(field, from.parse().map_err(|_| Refusal::field(field))?)?)
    };
    let bonus = if *is_per_cent {
        let field = "contents.bonus_slabs.per_cent";
        Bonus::PerCent(PerCent::parse(bonus).map_err(|_| Refusal::field(field))?)
    } else {
        Bonus::Credits(amount("contents.bonus_slabs.credits", bonus, scale)?)
    };
    Ok(BonusSlab { from, bonus })
}
