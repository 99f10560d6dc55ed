//! Grant rules as JSON: their terms, and whole rules as the audit trail keeps them.

use std::collections::BTreeMap;

use purse_domain::{
    Actor, AddonId, AssetCode, Cadence, CalendarSpan, CatchUp, Category, CostBasis, ExpirySettings,
    GrantRule, Metadata, NamespaceId, OnCancel, OperationName, Percent, PlanChange, PlanId,
    PositiveAmount, Priority, Proration, Rollover, RolloverCap, RuleId, RuleName, RuleScope,
    RuleTerms, Stage, SubscriptionId, Timestamp,
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{
    StorageError,
    words::{UnitWord, words},
};

words!(StageWord for Stage: Paid, Trial, Any);
words!(ProrationWord for Proration: None, First, Last, Both);
words!(CatchUpWord for CatchUp: All, Latest, None);
words!(PlanChangeWord for PlanChange: TopUp, Full, NextPeriod);
words!(OnCancelWord for OnCancel: Keep, Expire);

/// A rule's terms, as they are kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TermsSnapshot {
    name: String,
    amount: String,
    cadence: CadenceSnapshot,
    expiry: ExpirySnapshot,
    priority: i32,
    category: String,
    cost_basis: String,
    applies_to: Vec<String>,
    metadata: BTreeMap<String, String>,
    starts_at: Option<String>,
    ends_at: Option<String>,
    is_active: bool,
    stage: StageWord,
    proration: ProrationWord,
    catch_up: CatchUpWord,
    plan_change: PlanChangeWord,
    on_cancel: OnCancelWord,
    rollover: RolloverSnapshot,
    ahead_micros: i64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct SpanSnapshot {
    unit: UnitWord,
    count: u32,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CadenceSnapshot {
    OneTime,
    Recurring(SpanSnapshot),
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ExpirySnapshot {
    Never,
    Duration(SpanSnapshot),
    BillingCycle { reset_at_period_end: bool, cycle_count: std::num::NonZeroU32 },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct RolloverSnapshot {
    cap: CapSnapshot,
    periods: u8,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CapSnapshot {
    None,
    All,
    Amount(String),
    Percent(String),
}

impl SpanSnapshot {
    fn of(span: CalendarSpan) -> Self {
        Self { unit: span.unit().into(), count: span.count() }
    }

    fn into_span(self) -> Result<CalendarSpan, StorageError> {
        CalendarSpan::new(self.unit.into(), self.count).map_err(|_| corrupt("a length of time"))
    }
}

impl CapSnapshot {
    fn of(cap: RolloverCap) -> Self {
        match cap {
            RolloverCap::None => Self::None,
            RolloverCap::All => Self::All,
            RolloverCap::Amount(most) => Self::Amount(most.get().to_string()),
            RolloverCap::Percent(most) => Self::Percent(most.decimal().to_string()),
        }
    }

    fn into_cap(self) -> Result<RolloverCap, StorageError> {
        Ok(match self {
            Self::None => RolloverCap::None,
            Self::All => RolloverCap::All,
            Self::Amount(most) => RolloverCap::Amount(positive(&most)?),
            Self::Percent(most) => RolloverCap::Percent(
                Percent::new(decimal(&most)?).map_err(|_| corrupt("a part in a hundred"))?,
            ),
        })
    }
}

impl TermsSnapshot {
    pub(super) fn of(terms: &RuleTerms) -> Self {
        let RuleTerms {
            name,
            amount,
            cadence,
            expiry,
            priority,
            category,
            cost_basis,
            applies_to,
            metadata,
            starts_at,
            ends_at,
            is_active,
            stage,
            proration,
            catch_up,
            plan_change,
            on_cancel,
            rollover: Rollover { cap, periods },
            ahead_micros,
        } = terms;
        Self {
            name: name.to_string(),
            amount: amount.get().to_string(),
            cadence: match *cadence {
                Cadence::OneTime => CadenceSnapshot::OneTime,
                Cadence::Recurring(span) => CadenceSnapshot::Recurring(SpanSnapshot::of(span)),
            },
            expiry: match *expiry {
                ExpirySettings::Never => ExpirySnapshot::Never,
                ExpirySettings::Duration(span) => ExpirySnapshot::Duration(SpanSnapshot::of(span)),
                ExpirySettings::BillingCycle { reset_at_period_end, cycle_count } => {
                    ExpirySnapshot::BillingCycle { reset_at_period_end, cycle_count }
                }
            },
            priority: priority.get(),
            category: category.to_string(),
            cost_basis: cost_basis.to_string(),
            applies_to: applies_to.iter().map(ToString::to_string).collect(),
            metadata: metadata.as_map().clone(),
            starts_at: starts_at.map(written),
            ends_at: ends_at.map(written),
            is_active: *is_active,
            stage: (*stage).into(),
            proration: (*proration).into(),
            catch_up: (*catch_up).into(),
            plan_change: (*plan_change).into(),
            on_cancel: (*on_cancel).into(),
            rollover: RolloverSnapshot { cap: CapSnapshot::of(*cap), periods: *periods },
            ahead_micros: *ahead_micros,
        }
    }

    pub(super) fn into_terms(self) -> Result<RuleTerms, StorageError> {
        let Self {
            name,
            amount,
            cadence,
            expiry,
            priority,
            category,
            cost_basis,
            applies_to,
            metadata,
            starts_at,
            ends_at,
            is_active,
            stage,
            proration,
            catch_up,
            plan_change,
            on_cancel,
            rollover: RolloverSnapshot { cap, periods },
            ahead_micros,
        } = self;
        Ok(RuleTerms {
            name: RuleName::from_stored(name),
            amount: positive(&amount)?,
            cadence: match cadence {
                CadenceSnapshot::OneTime => Cadence::OneTime,
                CadenceSnapshot::Recurring(span) => Cadence::Recurring(span.into_span()?),
            },
            expiry: match expiry {
                ExpirySnapshot::Never => ExpirySettings::Never,
                ExpirySnapshot::Duration(span) => ExpirySettings::Duration(span.into_span()?),
                ExpirySnapshot::BillingCycle { reset_at_period_end, cycle_count } => {
                    ExpirySettings::BillingCycle { reset_at_period_end, cycle_count }
                }
            },
            priority: Priority::new(priority).ok_or_else(|| corrupt("a priority"))?,
            category: Category::from_stored(category),
            cost_basis: CostBasis::from_stored(decimal(&cost_basis)?),
            applies_to: applies_to.into_iter().map(OperationName::from_stored).collect(),
            metadata: Metadata::from_stored(metadata),
            starts_at: starts_at.as_deref().map(instant).transpose()?,
            ends_at: ends_at.as_deref().map(instant).transpose()?,
            is_active,
            stage: stage.into(),
            proration: proration.into(),
            catch_up: catch_up.into(),
            plan_change: plan_change.into(),
            on_cancel: on_cancel.into(),
            rollover: Rollover { cap: cap.into_cap()?, periods },
            ahead_micros,
        })
    }
}

/// A rule before or after a change, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RuleSnapshot {
    scope: ScopeSnapshot,
    asset: String,
    terms: TermsSnapshot,
    created_by: String,
    created_at: String,
    updated_by: String,
    updated_at: String,
    deleted_at: Option<String>,
    version: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ScopeSnapshot {
    Plan(String),
    Subscription(String),
    Addon(String),
}

impl RuleSnapshot {
    pub(super) fn of(rule: &GrantRule) -> Self {
        let GrantRule {
            id: _,
            namespace_id: _,
            scope,
            asset,
            terms,
            created_by,
            created_at,
            updated_by,
            updated_at,
            deleted_at,
            version,
        } = rule;
        Self {
            scope: match scope {
                RuleScope::Plan(plan) => ScopeSnapshot::Plan(plan.to_string()),
                RuleScope::Subscription(id) => ScopeSnapshot::Subscription(id.to_string()),
                RuleScope::Addon(addon) => ScopeSnapshot::Addon(addon.to_string()),
            },
            asset: asset.to_string(),
            terms: TermsSnapshot::of(terms),
            created_by: created_by.to_string(),
            created_at: written(*created_at),
            updated_by: updated_by.to_string(),
            updated_at: written(*updated_at),
            deleted_at: deleted_at.map(written),
            version: *version,
        }
    }

    pub(super) fn into_rule(
        self,
        namespace_id: NamespaceId,
        id: RuleId,
    ) -> Result<GrantRule, StorageError> {
        let Self {
            scope,
            asset,
            terms,
            created_by,
            created_at,
            updated_by,
            updated_at,
            deleted_at,
            version,
        } = self;
        Ok(GrantRule {
            id,
            namespace_id,
            scope: match scope {
                ScopeSnapshot::Plan(plan) => RuleScope::Plan(PlanId::from_stored(plan)),
                ScopeSnapshot::Subscription(id) => {
                    RuleScope::Subscription(SubscriptionId::from_stored(id))
                }
                ScopeSnapshot::Addon(addon) => RuleScope::Addon(AddonId::from_stored(addon)),
            },
            asset: AssetCode::from_stored(asset),
            terms: terms.into_terms()?,
            created_by: Actor::from_stored(created_by),
            created_at: instant(&created_at)?,
            updated_by: Actor::from_stored(updated_by),
            updated_at: instant(&updated_at)?,
            deleted_at: deleted_at.as_deref().map(instant).transpose()?,
            version,
        })
    }
}

/// An instant for people who read the trail by SQL.
fn written(at: Timestamp) -> String {
    at.to_string()
}

fn instant(written: &str) -> Result<Timestamp, StorageError> {
    Timestamp::parse(written).map_err(|_| corrupt("an instant"))
}

fn decimal(written: &str) -> Result<Decimal, StorageError> {
    written.parse().map_err(|_| corrupt("a figure"))
}

fn positive(written: &str) -> Result<PositiveAmount, StorageError> {
    let amount = crate::row::amount(decimal(written)?)?;
    amount.positive().ok_or_else(|| corrupt("an amount of nothing"))
}

fn corrupt(what: &str) -> StorageError {
    StorageError::Corrupt(format!("{what} of a grant rule"))
}

#[cfg(test)]
mod tests {
    use purse_domain::{IdempotencyKey, NamespaceName, SpanUnit};

    use super::*;

    fn rule() -> GrantRule {
        let namespace_id = NamespaceId::of(&NamespaceName::parse("default").unwrap());
        let at = Timestamp::parse("2026-01-01T00:00:00.000001Z").unwrap();
        GrantRule {
            id: RuleId::of(namespace_id, &IdempotencyKey::parse("made").unwrap()),
            namespace_id,
            scope: RuleScope::Plan(PlanId::parse("pro").unwrap()),
            asset: AssetCode::parse("credits").unwrap(),
            terms: RuleTerms {
                name: RuleName::parse("monthly").unwrap(),
                amount: positive("12.5").unwrap(),
                cadence: Cadence::Recurring(CalendarSpan::MONTH),
                expiry: ExpirySettings::BillingCycle {
                    reset_at_period_end: true,
                    cycle_count: 2.try_into().unwrap(),
                },
                priority: Priority::new(7).unwrap(),
                category: Category::parse("monthly").unwrap(),
                cost_basis: CostBasis::parse("0.01").unwrap(),
                applies_to: [OperationName::parse("chat").unwrap()].into(),
                metadata: Metadata::parse([("a".to_owned(), "b".to_owned())].into()).unwrap(),
                starts_at: Some(at),
                ends_at: None,
                is_active: true,
                stage: Stage::Any,
                proration: Proration::Both,
                catch_up: CatchUp::Latest,
                plan_change: PlanChange::NextPeriod,
                on_cancel: OnCancel::Expire,
                rollover: Rollover {
                    cap: RolloverCap::Percent(Percent::new(Decimal::new(125, 1)).unwrap()),
                    periods: 3,
                },
                ahead_micros: 5,
            },
            created_by: Actor::parse("ann").unwrap(),
            created_at: at,
            updated_by: Actor::parse("bob").unwrap(),
            updated_at: at.plus_micros(1),
            deleted_at: Some(at.plus_micros(2)),
            version: 3,
        }
    }

    fn again(rule: &GrantRule) -> GrantRule {
        let json = serde_json::to_string(&RuleSnapshot::of(rule)).unwrap();
        let snapshot: RuleSnapshot = serde_json::from_str(&json).unwrap();
        snapshot.into_rule(rule.namespace_id, rule.id).unwrap()
    }

    #[test]
    fn rules_are_read_as_they_are_written() {
        let other = GrantRule {
            scope: RuleScope::Addon(AddonId::parse("seats").unwrap()),
            terms: RuleTerms {
                cadence: Cadence::OneTime,
                expiry: ExpirySettings::Duration(CalendarSpan::new(SpanUnit::Week, 2).unwrap()),
                rollover: Rollover { cap: RolloverCap::Amount(positive("9").unwrap()), periods: 1 },
                ..rule().terms
            },
            deleted_at: None,
            ..rule()
        };
        for rule in [rule(), other] {
            assert_eq!(again(&rule), rule);
        }
    }

    /// What is written is read for years.
    #[test]
    fn terms_keep_their_words() {
        let json = serde_json::to_string(&TermsSnapshot::of(&rule().terms)).unwrap();
        assert_eq!(
            json,
            "{\"name\":\"monthly\",\"amount\":\"12.5\",\
             \"cadence\":{\"recurring\":{\"unit\":\"month\",\"count\":1}},\
             \"expiry\":{\"billing_cycle\":{\"reset_at_period_end\":true,\"cycle_count\":2}},\
             \"priority\":7,\"category\":\"monthly\",\"cost_basis\":\"0.01\",\
             \"applies_to\":[\"chat\"],\"metadata\":{\"a\":\"b\"},\
             \"starts_at\":\"2026-01-01T00:00:00.000001Z\",\"ends_at\":null,\"is_active\":true,\
             \"stage\":\"any\",\"proration\":\"both\",\"catch_up\":\"latest\",\
             \"plan_change\":\"next_period\",\"on_cancel\":\"expire\",\
             \"rollover\":{\"cap\":{\"percent\":\"12.5\"},\"periods\":3},\"ahead_micros\":5}"
        );
    }
}
