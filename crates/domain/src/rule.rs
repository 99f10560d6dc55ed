//! Grant rules: the templates on plans, subscriptions and add-ons that make grants.
//!
//! A rule says what is granted; when and to whom follows from subscriptions ([`crate::subscription`]). Each setting of
//! the life of a subscription has the default that loses no customer's credits.

use std::collections::BTreeSet;

use rust_decimal::{Decimal, RoundingStrategy};
use thiserror::Error;

use crate::{
    Actor, AddonId, Amount, AssetCode, CalendarSpan, Category, CostBasis, ExpirySettings, Metadata,
    NamespaceId, OperationName, PlanId, PositiveAmount, Priority, RuleId, RuleName, Scale,
    SubscriptionId, Timestamp,
};

/// What a rule belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleScope {
    /// A plan: every subscription to it.
    Plan(PlanId),
    /// One subscription.
    Subscription(SubscriptionId),
    /// An add-on: every subscription that has it.
    Addon(AddonId),
}

/// What a rule may belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleScopeKind {
    /// A plan.
    Plan,
    /// One subscription.
    Subscription,
    /// An add-on.
    Addon,
}

impl RuleScope {
    /// What it belongs to, whichever one.
    pub fn kind(&self) -> RuleScopeKind {
        match self {
            Self::Plan(_) => RuleScopeKind::Plan,
            Self::Subscription(_) => RuleScopeKind::Subscription,
            Self::Addon(_) => RuleScopeKind::Addon,
        }
    }

    /// The id of the plan, subscription or add-on.
    pub fn target(&self) -> &str {
        match self {
            Self::Plan(plan) => plan.as_str(),
            Self::Subscription(subscription) => subscription.as_str(),
            Self::Addon(addon) => addon.as_str(),
        }
    }
}

/// How often a rule grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cadence {
    /// Once for each subscription.
    OneTime,
    /// Once every period of this length, from the subscription's anchor on.
    Recurring(CalendarSpan),
}

/// In which stage of a subscription a rule grants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stage {
    /// While it is paid for: from the start, or from the conversion of a trial.
    #[default]
    Paid,
    /// During the trial. The credits end with it at the latest.
    Trial,
    /// In both.
    Any,
}

/// Which partial periods are granted in part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Proration {
    /// None: a partial period is granted whole.
    #[default]
    None,
    /// The first one, if the subscription began within it.
    First,
    /// The last one, if its end is known when it is granted.
    Last,
    /// Both.
    Both,
}

impl Proration {
    /// Whether the first period is granted in part.
    pub fn of_first(self) -> bool {
        matches!(self, Self::First | Self::Both)
    }

    /// Whether the last period is granted in part.
    pub fn of_last(self) -> bool {
        matches!(self, Self::Last | Self::Both)
    }
}

/// Which periods are granted that had passed before anybody looked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CatchUp {
    /// All of them.
    #[default]
    All,
    /// The latest one, which is not over yet.
    Latest,
    /// None of those that began before the subscription was known.
    None,
}

/// What a rule grants to a subscription that comes from another plan within a period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PlanChange {
    /// What it grants beyond what the plans before it granted for the period: nothing after a downgrade.
    #[default]
    TopUp,
    /// All of it.
    Full,
    /// Nothing before the next period.
    NextPeriod,
}

/// What becomes of a rule's credits when the subscription is cancelled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnCancel {
    /// They stay until they expire.
    #[default]
    Keep,
    /// What is left of them expires with the subscription.
    Expire,
}

/// How much of what a period's grant has left at its end is carried into the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RolloverCap {
    /// Nothing.
    #[default]
    None,
    /// All of it.
    All,
    /// At most this.
    Amount(PositiveAmount),
    /// At most this part of what was granted.
    Percent(Percent),
}

/// What is carried over, and for how long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rollover {
    /// How much.
    pub cap: RolloverCap,
    /// For how many periods; 0 stands for 1. What was carried is not carried again.
    pub periods: u8,
}

/// A part in a hundred: 0 < per cent ≤ 100, at most four decimal places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percent(Decimal);

/// A figure is no part in a hundred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be above 0 and at most 100, with at most four decimal places")]
pub struct PercentError;

impl Percent {
    /// Takes a figure.
    pub fn new(figure: Decimal) -> Result<Self, PercentError> {
        let fits = figure > Decimal::ZERO
            && figure <= Decimal::ONE_HUNDRED
            && figure.normalize().scale() <= 4;
        if fits { Ok(Self(figure.normalize())) } else { Err(PercentError) }
    }

    /// Parses digits with at most one point.
    pub fn parse(text: &str) -> Result<Self, PercentError> {
        // The grammar of an amount.
        let figure = Amount::parse(text, Scale::MAX).map_err(|_| PercentError)?;
        Self::new(figure.decimal())
    }

    /// The figure.
    pub fn decimal(self) -> Decimal {
        self.0
    }
}

/// What a rule grants, and when: all that may be changed of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleTerms {
    /// What people call it.
    pub name: RuleName,
    /// How much.
    pub amount: PositiveAmount,
    /// How often.
    pub cadence: Cadence,
    /// Until when.
    pub expiry: ExpirySettings,
    /// Lower is drawn first.
    pub priority: Priority,
    /// What kind of credits.
    pub category: Category,
    /// What one credit cost.
    pub cost_basis: CostBasis,
    /// The only operations that may draw them; empty: all may.
    pub applies_to: BTreeSet<OperationName>,
    /// The caller's own data.
    pub metadata: Metadata,
    /// It grants nothing for periods that begin before; `None`: no bound.
    pub starts_at: Option<Timestamp>,
    /// Nor for periods that begin then or later; `None`: no bound.
    pub ends_at: Option<Timestamp>,
    /// Whether it grants anything now.
    pub is_active: bool,
    /// In which stage it grants.
    pub stage: Stage,
    /// Which partial periods are granted in part.
    pub proration: Proration,
    /// Which missed periods are granted.
    pub catch_up: CatchUp,
    /// What it grants after a change of plan.
    pub plan_change: PlanChange,
    /// What becomes of its credits on cancellation.
    pub on_cancel: OnCancel,
    /// What is carried over.
    pub rollover: Rollover,
    /// How long before a period begins its credits are granted, in microseconds: from its start on they count.
    pub ahead_micros: i64,
}

/// A rule as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRule {
    /// Its id.
    pub id: RuleId,
    /// Whose it is.
    pub namespace_id: NamespaceId,
    /// What it belongs to; fixed.
    pub scope: RuleScope,
    /// What it grants; fixed.
    pub asset: AssetCode,
    /// All that may be changed.
    pub terms: RuleTerms,
    /// Who made it.
    pub created_by: Actor,
    /// When.
    pub created_at: Timestamp,
    /// Who changed it last.
    pub updated_by: Actor,
    /// When.
    pub updated_at: Timestamp,
    /// When it was deleted; `None`: it was not. What it granted stays, and it grants nothing for periods that begin
    /// then or later.
    pub deleted_at: Option<Timestamp>,
    /// 1, 2, 3, …: what its etag says.
    pub version: i64,
}

impl GrantRule {
    /// Whether what is left of its credits at a period's end may be carried on.
    pub fn carries(&self) -> bool {
        self.terms.rollover.cap != RolloverCap::None
    }

    /// Whether it grants what counts from then on.
    pub fn grants_from(&self, start: Timestamp) -> bool {
        self.terms.is_active
            && self.terms.starts_at.unwrap_or(self.created_at) <= start
            && self.terms.ends_at.is_none_or(|ends_at| start < ends_at)
            && self.deleted_at.is_none_or(|deleted_at| start < deleted_at)
    }
}

/// The part `numerator / denominator` of an amount, or the whole of it if the part is no part; rounded down to a scale.
pub fn part_of(amount: Amount, numerator: i64, denominator: i64, scale: Scale) -> Amount {
    if numerator >= denominator || denominator <= 0 {
        return amount.rounded_down(scale);
    }
    let (numerator, denominator) = (i128::from(numerator.max(0)), i128::from(denominator));
    let whole = amount.millionths();
    // Whole numbers, so that it is exact: a quotient of decimals would be rounded before the product is. Divided
    // first, 10^21 of them and the microseconds of a century fit.
    let part = whole / denominator * numerator + whole % denominator * numerator / denominator;
    Amount::from_millionths(part).unwrap_or(Amount::ZERO).rounded_down(scale)
}

impl RolloverCap {
    /// How much of `left` is carried, of a grant of `granted`; rounded down to a scale.
    pub fn of(self, left: Amount, granted: Amount, scale: Scale) -> Amount {
        match self {
            Self::None => Amount::ZERO,
            Self::All => left,
            Self::Amount(most) => left.min(most.get().rounded_down(scale)),
            Self::Percent(percent) => {
                let most = granted.decimal() * percent.decimal() / Decimal::ONE_HUNDRED;
                let places = u32::from(scale.places());
                let most = most.round_dp_with_strategy(places, RoundingStrategy::ToZero);
                left.min(Amount::from_stored(most.normalize()).unwrap_or(Amount::ZERO))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;
    /// January.
    const MONTH: i64 = 31 * 24 * HOUR;

    fn amount(text: &str) -> Amount {
        Amount::parse(text, Scale::MAX).unwrap()
    }

    fn part(of: &str, numerator: i64, denominator: i64, places: i32) -> String {
        part_of(amount(of), numerator, denominator, Scale::new(places).unwrap()).to_string()
    }

    #[test]
    fn a_part_of_a_period_is_granted_in_part_and_rounded_down() {
        for (left, places, expected) in [
            // From 16 January 12:00, from the 1st and from the 20th on.
            (372 * HOUR, 6, "50"),
            (MONTH, 6, "100"),
            (12 * 24 * HOUR, 6, "38.709677"),
            (12 * 24 * HOUR, 0, "38"),
            (0, 6, "0"),
            (-1, 6, "0"),
            (MONTH + 1, 6, "100"),
        ] {
            assert_eq!(part("100", left, MONTH, places), expected, "{left} at {places}");
        }
    }

    #[test]
    fn all_but_a_microsecond_is_never_rounded_up_to_all() {
        assert_eq!(part("1", MONTH - 1, MONTH, 6), "0.999999");
        assert_eq!(part("1", MONTH - 1, MONTH, 0), "0");
        assert_eq!(part("3", 1, 3, 0), "1");
        let century = 36_525 * 24 * HOUR;
        let most = "999999999999999.999999";
        assert_eq!(part(most, century - 1, century, 6), "999999999999999.683118");
    }

    #[test]
    fn what_rolls_over_is_capped_and_rounded_down() {
        let percent =
            |figure: &str| RolloverCap::Percent(Percent::new(figure.parse().unwrap()).unwrap());
        for (cap, left, granted, expected) in [
            (RolloverCap::None, "80", "100", "0"),
            (RolloverCap::All, "80", "100", "80"),
            (RolloverCap::Amount(amount("50").positive().unwrap()), "80", "100", "50"),
            (RolloverCap::Amount(amount("50").positive().unwrap()), "30", "100", "30"),
            (percent("50"), "80", "100", "50"),
            (percent("33.3333"), "80", "100", "33"),
            (percent("100"), "80", "100", "80"),
        ] {
            let carried = cap.of(amount(left), amount(granted), Scale::new(0).unwrap());
            assert_eq!(carried.to_string(), expected, "{cap:?} of {left}");
        }
    }
}
