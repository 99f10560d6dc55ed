//! Packs: credits for sale, with a bonus for those who buy many, and what a purchase of them grants.
//!
//! Pure and exact, as prices are: a bonus is rounded down to the asset's scale, and what a credit cost to 12 places.

use thiserror::Error;

use crate::{
    Amount, AmountError, Category, CostBasis, Currency, FundingRef, NewGrant, PackName, Period,
    PositiveAmount, Priority, RoundingMode, Scale, Timestamp, UnitPrice, amount::MAX_SCALE,
    exact::MICROS,
};

/// Most slabs of a bonus.
pub const MOST_SLABS: usize = 16;
/// Most packs of one purchase.
pub const MOST_PACKS: u32 = 1_000_000;
/// The highest bonus, in per cent: a hundred times what was bought. It keeps sums small.
pub const MOST_PER_CENT: u32 = 10_000;

/// How many packs: 1 to 1,000,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackCount(u32);

impl PackCount {
    /// `None` if it is none, or too many.
    pub fn new(count: i64) -> Option<Self> {
        u32::try_from(count).ok().filter(|count| (1..=MOST_PACKS).contains(count)).map(Self)
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }
}

/// More than 0, at most 10,000 per cent, with at most six decimal places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerCent(PositiveAmount);

/// Why a text is no percentage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PerCentError {
    /// It is no figure, or nothing.
    #[error(transparent)]
    Figure(#[from] AmountError),
    /// It is too much.
    #[error("must not be above {MOST_PER_CENT}")]
    TooMuch,
}

impl PerCent {
    /// Parses as [`Amount::parse`] does.
    pub fn parse(text: &str) -> Result<Self, PerCentError> {
        let figure = PositiveAmount::parse(text, Scale::MAX)?;
        if figure.get().millionths() > i128::from(MOST_PER_CENT) * MICROS {
            return Err(PerCentError::TooMuch);
        }
        Ok(Self(figure))
    }
}

impl std::fmt::Display for PerCent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.get().fmt(f)
    }
}

/// From when on a slab applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlabFrom {
    /// From so many packs.
    Quantity(PackCount),
    /// From so many credits bought.
    Credits(PositiveAmount),
}

/// What a slab gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bonus {
    /// So much of what was bought.
    PerCent(PerCent),
    /// So many credits, once.
    Credits(PositiveAmount),
}

/// A bonus for those who buy as many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BonusSlab {
    /// From when on it applies.
    pub from: SlabFrom,
    /// What it gives.
    pub bonus: Bonus,
}

/// What a pack costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Money {
    /// In which currency.
    pub currency: Currency,
    /// How much.
    pub amount: UnitPrice,
}

/// What is granted of one kind: bought credits, or a bonus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackShare {
    /// What kind of credits.
    pub category: Category,
    /// For how long, from the purchase on; `None`: for ever.
    pub valid_for: Option<Period>,
    /// Lower is drawn first.
    pub priority: Priority,
}

/// What a pack is, before it is known to be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackTerms {
    /// The credits of one pack.
    pub credits: PositiveAmount,
    /// What one pack costs; `None`: nothing is known of that, and the credits count as free.
    pub price: Option<Money>,
    /// How bought credits are granted.
    pub paid: PackShare,
    /// What is given besides. Of the slabs that apply the one that gives most does.
    pub slabs: Vec<BonusSlab>,
    /// How the bonus is granted.
    pub bonus: PackShare,
}

/// Credits for sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    terms: PackTerms,
    cost_basis: CostBasis,
}

/// Why terms are no pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PackError {
    /// There are too many slabs.
    #[error("must be at most {MOST_SLABS}")]
    Slabs,
    /// A credit would cost more than can be.
    #[error("makes a credit cost 10^15 or more")]
    TooDear,
}

/// Why a pack cannot be bought.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unbuyable {
    /// There is none.
    #[error("there is no pack {pack}")]
    NoPack {
        /// The pack that was named.
        pack: PackName,
    },
    /// It has more decimal places than the asset.
    #[error("has more than {} decimal places", scale.places())]
    TooPrecise {
        /// The asset's scale.
        scale: Scale,
    },
    /// It would be more than a wallet can hold.
    #[error("makes 10^15 credits or more")]
    TooMany,
}

/// A grant of a purchase, before it is known when that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackGrant {
    /// How much.
    pub amount: PositiveAmount,
    /// How it is granted.
    pub share: PackShare,
    /// What one credit cost.
    pub cost_basis: CostBasis,
}

impl PackGrant {
    /// The grant, of a purchase at this instant.
    pub(crate) fn at(&self, now: Timestamp, payment_ref: &FundingRef) -> NewGrant {
        let Self { amount, share, cost_basis } = self;
        let PackShare { category, valid_for, priority } = share;
        NewGrant {
            amount: *amount,
            effective_at: None,
            expires_at: valid_for.map(|valid_for| now.plus_micros(valid_for.micros())),
            priority: *priority,
            category: category.clone(),
            cost_basis: *cost_basis,
            applies_to: std::collections::BTreeSet::new(),
            funding_ref: Some(payment_ref.clone()),
        }
    }
}

impl Pack {
    /// A pack of these terms.
    pub fn new(terms: PackTerms) -> Result<Self, PackError> {
        if terms.slabs.len() > MOST_SLABS {
            return Err(PackError::Slabs);
        }
        let cost_basis = match &terms.price {
            None => CostBasis::ZERO,
            Some(price) => {
                // 10^-12 of a unit, of which a price has fewer than 10^27.
                let picos = price.amount.picos() * MICROS;
                let each = RoundingMode::HalfEven.ratio(picos, terms.credits.get().millionths());
                CostBasis::from_picos(each).ok_or(PackError::TooDear)?
            }
        };
        Ok(Self { terms, cost_basis })
    }

    /// Its terms.
    pub fn terms(&self) -> &PackTerms {
        &self.terms
    }

    /// Whether its figures have no more decimal places than the scale.
    pub fn fits(&self, scale: Scale) -> bool {
        let fixed = self.terms.slabs.iter().filter_map(|slab| match slab.bonus {
            Bonus::PerCent(_) => None,
            Bonus::Credits(credits) => Some(credits),
        });
        fixed.chain([self.terms.credits]).all(|credits| credits.get().fits(scale))
    }

    /// What so many packs grant, in an asset of that scale: what was bought and, if there is one, the bonus.
    pub fn grants(&self, count: PackCount, scale: Scale) -> Result<Vec<PackGrant>, Unbuyable> {
        if !self.fits(scale) {
            return Err(Unbuyable::TooPrecise { scale });
        }
        let bought = self.terms.credits.get().millionths() * i128::from(count.get());
        let bonus = self.bonus(count, bought, scale);
        if Amount::from_millionths(bought + bonus).is_none() {
            return Err(Unbuyable::TooMany);
        }
        let PackTerms { paid, bonus: given, .. } = &self.terms;
        let shares = [(bought, paid, self.cost_basis), (bonus, given, CostBasis::ZERO)];
        let grants = shares.into_iter().filter_map(|(micros, share, cost_basis)| {
            let amount = Amount::from_millionths(micros)?.positive()?;
            Some(PackGrant { amount, share: share.clone(), cost_basis })
        });
        Ok(grants.collect())
    }

    /// The most that any slab gives which applies, in millionths.
    fn bonus(&self, count: PackCount, bought: i128, scale: Scale) -> i128 {
        let smallest = 10_i128.pow(u32::from(MAX_SCALE - scale.places()));
        let applies = |slab: &&BonusSlab| match slab.from {
            SlabFrom::Quantity(from) => count >= from,
            SlabFrom::Credits(from) => bought >= from.get().millionths(),
        };
        let gives = self.terms.slabs.iter().filter(applies).map(|slab| match slab.bonus {
            Bonus::Credits(credits) => credits.get().millionths(),
            // Below 10^27 · 10^10.
            Bonus::PerCent(PerCent(figure)) => {
                let exact = bought * figure.get().millionths() / (100 * MICROS);
                exact / smallest * smallest
            }
        });
        gives.max().unwrap_or(0)
    }
}

/// What a purchase is to grant, as far as the request knows it: a payment that is delivered again is answered by its
/// key, whatever has become of the pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bought {
    /// The grants.
    pub grants: Vec<PackGrant>,
    /// The version of the pack.
    pub pack_version: i64,
}

/// What a transaction bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurchaseRecord {
    /// The pack.
    pub pack: PackName,
    /// Its version.
    pub pack_version: i64,
    /// How many.
    pub quantity: PackCount,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> PositiveAmount {
        PositiveAmount::parse(text, Scale::MAX).unwrap()
    }

    fn share(category: &str) -> PackShare {
        let category = Category::parse(category).unwrap();
        PackShare { category, valid_for: None, priority: Priority::DEFAULT }
    }

    fn terms(credits: &str, price: &str, slabs: Vec<BonusSlab>) -> PackTerms {
        let currency = Currency::parse("USD").unwrap();
        let price = Money { currency, amount: UnitPrice::parse(price).unwrap() };
        PackTerms {
            credits: amount(credits),
            price: Some(price),
            paid: share("purchased"),
            slabs,
            bonus: share("bonus"),
        }
    }

    fn per_cent(from: SlabFrom, figure: &str) -> BonusSlab {
        BonusSlab { from, bonus: Bonus::PerCent(PerCent::parse(figure).unwrap()) }
    }

    fn packs(count: i64) -> PackCount {
        PackCount::new(count).unwrap()
    }

    fn granted(terms: &PackTerms, count: i64, places: i32) -> Vec<String> {
        let pack = Pack::new(terms.clone()).unwrap();
        let grants = pack.grants(packs(count), Scale::new(places).unwrap()).unwrap();
        let line = |grant: &PackGrant| {
            let PackGrant { amount, share, cost_basis } = grant;
            format!("{} {} at {cost_basis}", amount.get(), share.category)
        };
        grants.iter().map(line).collect()
    }

    /// Scenario 60.
    #[test]
    fn what_is_bought_has_its_cost_and_the_bonus_is_free() {
        let pack = terms("1000", "49", vec![per_cent(SlabFrom::Quantity(packs(1)), "10")]);
        assert_eq!(granted(&pack, 1, 6), ["1000 purchased at 0.049", "100 bonus at 0"]);
        assert_eq!(granted(&pack, 3, 0), ["3000 purchased at 0.049", "300 bonus at 0"]);
    }

    #[test]
    fn of_the_slabs_that_apply_the_best_does() {
        let from_credits = |credits: &str| SlabFrom::Credits(amount(credits));
        let fixed = Bonus::Credits(amount("25"));
        let slabs = vec![
            per_cent(from_credits("200"), "10"),
            BonusSlab { from: SlabFrom::Quantity(packs(2)), bonus: fixed },
            per_cent(SlabFrom::Quantity(packs(5)), "4"),
        ];
        let pack = terms("100", "1", slabs);
        let bonus = |count| granted(&pack, count, 0).get(1).cloned().unwrap_or_default();
        for (count, expected) in [(1, ""), (2, "25"), (3, "30"), (5, "50")] {
            assert_eq!(bonus(count).split(' ').next().unwrap(), expected, "{count}");
        }
    }

    #[test]
    fn a_bonus_is_rounded_down_and_a_cost_to_the_even() {
        let slabs = vec![per_cent(SlabFrom::Quantity(packs(1)), "33.333333")];
        let pack = terms("3", "10", slabs.clone());
        assert_eq!(granted(&pack, 1, 6)[1], "0.999999 bonus at 0");
        // Nothing is no grant.
        assert_eq!(granted(&pack, 1, 0), ["3 purchased at 3.333333333333"]);
        assert_eq!(granted(&terms("3", "5", slabs), 1, 0), ["3 purchased at 1.666666666667"]);
    }

    #[test]
    fn what_cannot_be_granted_is_no_pack_or_cannot_be_bought() {
        let dear = terms("0.000001", "999999999999999", Vec::new());
        assert_eq!(Pack::new(dear), Err(PackError::TooDear));
        let slab = per_cent(SlabFrom::Quantity(packs(1)), "10000");
        let many = terms("1", "1", vec![slab; MOST_SLABS + 1]);
        assert_eq!(Pack::new(many), Err(PackError::Slabs));
        let fine = Pack::new(terms("0.5", "1", Vec::new())).unwrap();
        let scale = Scale::new(0).unwrap();
        assert_eq!(fine.grants(packs(2), scale), Err(Unbuyable::TooPrecise { scale }));
        let huge = Pack::new(terms("999999999999999", "1", vec![slab])).unwrap();
        assert_eq!(huge.grants(packs(1_000_000), Scale::MAX), Err(Unbuyable::TooMany));
        assert_eq!(PackCount::new(0), None);
        assert_eq!(PackCount::new(1_000_001), None);
        assert_eq!(PerCent::parse("10000.000001"), Err(PerCentError::TooMuch));
    }
}
