//! Packs and purchases, as JSON.

use purse_domain::{
    Bonus, BonusSlab, Category, Currency, Money, Pack, PackCount, PackName, PackShare, PackTerms,
    PerCent, Period, PositiveAmount, Priority, PurchaseRecord, Scale, SlabFrom, UnitPrice,
};
use serde::{Deserialize, Serialize};

use super::corrupt;
use crate::StorageError;

/// A pack, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PackSnapshot {
    credits: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    price: Option<MoneySnapshot>,
    paid: ShareSnapshot,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    slabs: Vec<SlabSnapshot>,
    bonus: ShareSnapshot,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct MoneySnapshot {
    currency: String,
    amount: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ShareSnapshot {
    category: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    valid_for_micros: Option<i64>,
    priority: i32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct SlabSnapshot {
    from: FromSnapshot,
    bonus: BonusSnapshot,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FromSnapshot {
    Quantity(u32),
    Credits(String),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BonusSnapshot {
    PerCent(String),
    Credits(String),
}

impl ShareSnapshot {
    fn of(share: &PackShare) -> Self {
        let PackShare { category, valid_for, priority } = share;
        Self {
            category: category.as_str().to_owned(),
            valid_for_micros: valid_for.map(Period::micros),
            priority: priority.get(),
        }
    }

    fn share(self) -> Result<PackShare, StorageError> {
        let Self { category, valid_for_micros, priority } = self;
        let valid_for = valid_for_micros.map(Period::from_micros).transpose();
        Ok(PackShare {
            category: Category::from_stored(category),
            valid_for: valid_for.map_err(|_| corrupt("a pack's validity"))?,
            priority: Priority::new(priority).ok_or_else(|| corrupt("a pack's priority"))?,
        })
    }
}

impl SlabSnapshot {
    fn of(BonusSlab { from, bonus }: &BonusSlab) -> Self {
        Self {
            from: match from {
                SlabFrom::Quantity(count) => FromSnapshot::Quantity(count.get()),
                SlabFrom::Credits(credits) => FromSnapshot::Credits(credits.get().to_string()),
            },
            bonus: match bonus {
                Bonus::PerCent(figure) => BonusSnapshot::PerCent(figure.to_string()),
                Bonus::Credits(credits) => BonusSnapshot::Credits(credits.get().to_string()),
            },
        }
    }

    fn slab(self) -> Result<BonusSlab, StorageError> {
        let Self { from, bonus } = self;
        Ok(BonusSlab {
            from: match from {
                FromSnapshot::Quantity(count) => SlabFrom::Quantity(self::count(count)?),
                FromSnapshot::Credits(credits) => SlabFrom::Credits(amount(&credits)?),
            },
            bonus: match bonus {
                BonusSnapshot::PerCent(figure) => Bonus::PerCent(
                    PerCent::parse(&figure).map_err(|_| corrupt("a bonus in per cent"))?,
                ),
                BonusSnapshot::Credits(credits) => Bonus::Credits(amount(&credits)?),
            },
        })
    }
}

impl PackSnapshot {
    /// A pack as it is kept.
    pub(crate) fn of(pack: &Pack) -> Self {
        let PackTerms { credits, price, paid, slabs, bonus } = pack.terms();
        Self {
            credits: credits.get().to_string(),
            price: price.as_ref().map(|Money { currency, amount }| MoneySnapshot {
                currency: currency.as_str().to_owned(),
                amount: amount.to_string(),
            }),
            paid: ShareSnapshot::of(paid),
            slabs: slabs.iter().map(SlabSnapshot::of).collect(),
            bonus: ShareSnapshot::of(bonus),
        }
    }

    /// A pack as it was kept.
    pub(crate) fn pack(self) -> Result<Pack, StorageError> {
        let Self { credits, price, paid, slabs, bonus } = self;
        let price = price.map(|MoneySnapshot { currency, amount }| {
            let amount = UnitPrice::parse(&amount).map_err(|_| corrupt("a pack's price"))?;
            Ok::<_, StorageError>(Money { currency: Currency::from_stored(currency), amount })
        });
        let terms = PackTerms {
            credits: amount(&credits)?,
            price: price.transpose()?,
            paid: paid.share()?,
            slabs: slabs.into_iter().map(SlabSnapshot::slab).collect::<Result<_, _>>()?,
            bonus: bonus.share()?,
        };
        Pack::new(terms).map_err(|_| corrupt("a pack"))
    }
}

fn amount(text: &str) -> Result<PositiveAmount, StorageError> {
    PositiveAmount::parse(text, Scale::MAX).map_err(|_| corrupt("an amount of a pack"))
}

fn count(count: u32) -> Result<PackCount, StorageError> {
    PackCount::new(i64::from(count)).ok_or_else(|| corrupt("a number of packs"))
}

/// What a transaction bought, as it is kept with that.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PurchaseSnapshot {
    pack: String,
    pack_version: i64,
    quantity: u32,
}

impl PurchaseSnapshot {
    pub(crate) fn of(purchase: &PurchaseRecord) -> Self {
        let PurchaseRecord { pack, pack_version, quantity } = purchase;
        Self {
            pack: pack.as_str().to_owned(),
            pack_version: *pack_version,
            quantity: quantity.get(),
        }
    }

    /// What the statement selects as `::TEXT`.
    pub(crate) fn parse(json: &str) -> Result<PurchaseRecord, StorageError> {
        let read = serde_json::from_str(json).map_err(|_| corrupt("what a transaction bought"));
        let Self { pack, pack_version, quantity } = read?;
        let pack = PackName::from_stored(pack);
        Ok(PurchaseRecord { pack, pack_version, quantity: count(quantity)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_are_read_as_they_are_written() {
        let share = |category: &str, micros: Option<i64>| PackShare {
            category: Category::parse(category).unwrap(),
            valid_for: micros.map(|micros| Period::from_micros(micros).unwrap()),
            priority: Priority::DEFAULT,
        };
        let slabs = vec![
            BonusSlab {
                from: SlabFrom::Quantity(PackCount::new(2).unwrap()),
                bonus: Bonus::PerCent(PerCent::parse("12.5").unwrap()),
            },
            BonusSlab {
                from: SlabFrom::Credits(amount("500").unwrap()),
                bonus: Bonus::Credits(amount("75").unwrap()),
            },
        ];
        let pack = Pack::new(PackTerms {
            credits: amount("1000").unwrap(),
            price: Some(Money {
                currency: Currency::parse("USD").unwrap(),
                amount: UnitPrice::parse("49.9").unwrap(),
            }),
            paid: share("purchased", None),
            slabs,
            bonus: share("bonus", Some(86_400_000_000)),
        });
        let pack = pack.unwrap();
        let json = serde_json::to_string(&PackSnapshot::of(&pack)).unwrap();
        assert_eq!(
            json,
            "{\"credits\":\"1000\",\"price\":{\"currency\":\"USD\",\"amount\":\"49.9\"},\
             \"paid\":{\"category\":\"purchased\",\"priority\":100},\
             \"slabs\":[{\"from\":{\"quantity\":2},\"bonus\":{\"per_cent\":\"12.5\"}},\
             {\"from\":{\"credits\":\"500\"},\"bonus\":{\"credits\":\"75\"}}],\
             \"bonus\":{\"category\":\"bonus\",\"valid_for_micros\":86400000000,\"priority\":100}}"
        );
        let read: PackSnapshot = serde_json::from_str(&json).unwrap();
        assert_eq!(read.pack().unwrap(), pack);
    }
}
