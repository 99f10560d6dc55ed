//! Changes of grant rules: what is asked for, and what the rule is after it.
//!
//! A rule changes by requests with a key each, as a wallet does, and every change is kept with the rule before and
//! after it. Whether a key was used before is not known here.

use std::{collections::BTreeSet, num::NonZeroU32};

use thiserror::Error;

use crate::{
    Actor, AssetCode, Cadence, CalendarSpan, CatchUp, Category, CostBasis, ExpirySettings,
    Fingerprint, GrantRule, IdempotencyKey, Metadata, NamespaceId, OnCancel, OperationName,
    PlanChange, PositiveAmount, Priority, Proration, Reason, Rollover, RuleId, RuleName, RuleScope,
    RuleScopeKind, RuleTerms, Stage, Timestamp,
};

/// When grants are to expire, as it was asked for: a rule's scope says what a number of periods that was left out
/// stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskedExpiry {
    /// Never.
    Never,
    /// So long after a grant became effective.
    Duration(CalendarSpan),
    /// With a billing period.
    BillingCycle {
        /// At the very end of the period; otherwise one second later.
        reset_at_period_end: bool,
        /// How many periods a grant lives; `None`: that was left out.
        cycle_count: Option<NonZeroU32>,
    },
}

/// A rule of a plan has to say how many billing periods its grants live: the subscriptions to it are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be greater than 0 for a rule of a plan")]
pub struct CycleCountMissing;

impl AskedExpiry {
    /// The settings for a rule of that scope.
    pub fn for_scope(self, scope: RuleScopeKind) -> Result<ExpirySettings, CycleCountMissing> {
        match self {
            Self::Never => Ok(ExpirySettings::Never),
            Self::Duration(span) => Ok(ExpirySettings::Duration(span)),
            Self::BillingCycle { reset_at_period_end, cycle_count } => {
                let cycle_count = match (cycle_count, scope) {
                    (Some(count), _) => count,
                    (None, RuleScopeKind::Plan) => return Err(CycleCountMissing),
                    (None, RuleScopeKind::Subscription | RuleScopeKind::Addon) => NonZeroU32::MIN,
                };
                Ok(ExpirySettings::BillingCycle { reset_at_period_end, cycle_count })
            }
        }
    }
}

/// One of a rule's terms, and what it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the field of `RuleTerms` that it names")]
pub enum TermChange {
    Name(RuleName),
    Amount(PositiveAmount),
    Cadence(Cadence),
    Expiry(AskedExpiry),
    Priority(Priority),
    Category(Category),
    CostBasis(CostBasis),
    AppliesTo(BTreeSet<OperationName>),
    Metadata(Metadata),
    StartsAt(Option<Timestamp>),
    EndsAt(Option<Timestamp>),
    IsActive(bool),
    Stage(Stage),
    Proration(Proration),
    CatchUp(CatchUp),
    PlanChange(PlanChange),
    OnCancel(OnCancel),
    Rollover(Rollover),
    Ahead { micros: i64 },
}

/// A rule's window in which it grants would be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be after starts_at")]
pub struct EndsBeforeItStarts;

/// Whether a rule with these bounds could grant anything.
pub fn check_bounds(
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
) -> Result<(), EndsBeforeItStarts> {
    match (starts_at, ends_at) {
        (Some(starts_at), Some(ends_at)) if ends_at <= starts_at => Err(EndsBeforeItStarts),
        (Some(_) | None, Some(_) | None) => Ok(()),
    }
}

impl RuleTerms {
    /// Takes over one term.
    fn change(
        &mut self,
        change: &TermChange,
        scope: RuleScopeKind,
    ) -> Result<(), CycleCountMissing> {
        match change.clone() {
            TermChange::Name(name) => self.name = name,
            TermChange::Amount(amount) => self.amount = amount,
            TermChange::Cadence(cadence) => self.cadence = cadence,
            TermChange::Expiry(asked) => self.expiry = asked.for_scope(scope)?,
            TermChange::Priority(priority) => self.priority = priority,
            TermChange::Category(category) => self.category = category,
            TermChange::CostBasis(cost_basis) => self.cost_basis = cost_basis,
            TermChange::AppliesTo(applies_to) => self.applies_to = applies_to,
            TermChange::Metadata(metadata) => self.metadata = metadata,
            TermChange::StartsAt(starts_at) => self.starts_at = starts_at,
            TermChange::EndsAt(ends_at) => self.ends_at = ends_at,
            TermChange::IsActive(is_active) => self.is_active = is_active,
            TermChange::Stage(stage) => self.stage = stage,
            TermChange::Proration(proration) => self.proration = proration,
            TermChange::CatchUp(catch_up) => self.catch_up = catch_up,
            TermChange::PlanChange(plan_change) => self.plan_change = plan_change,
            TermChange::OnCancel(on_cancel) => self.on_cancel = on_cancel,
            TermChange::Rollover(rollover) => self.rollover = rollover,
            TermChange::Ahead { micros } => self.ahead_micros = micros,
        }
        Ok(())
    }
}

/// What is asked of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleCommand {
    /// To be there.
    Create(Box<NewRule>),
    /// To have other terms.
    Update {
        /// Those that change.
        changes: Vec<TermChange>,
        /// The version that it must have; `None`: any.
        expected_version: Option<i64>,
    },
    /// To grant no more.
    Delete {
        /// The version that it must have; `None`: any.
        expected_version: Option<i64>,
    },
}

/// A rule that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRule {
    /// What it belongs to.
    pub scope: RuleScope,
    /// What it grants.
    pub asset: AssetCode,
    /// How.
    pub terms: RuleTerms,
}

/// A write to a rule.
#[derive(Debug, Clone)]
pub struct RuleRequest {
    /// Whose rule it is.
    pub namespace_id: NamespaceId,
    /// Which one.
    pub rule_id: RuleId,
    /// What is asked.
    pub command: RuleCommand,
    /// What makes it happen once, within the namespace.
    pub key: IdempotencyKey,
    /// What the key stands for.
    pub fingerprint: Fingerprint,
    /// Who asks.
    pub actor: Actor,
    /// Why.
    pub reason: Reason,
    /// The caller's own data.
    pub metadata: Metadata,
    /// Decides and answers, and writes nothing.
    pub validate_only: bool,
}

/// What happened to a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleChangeKind {
    /// It was made.
    Created,
    /// Its terms changed.
    Updated,
    /// It was deleted.
    Deleted,
}

/// A change of a rule. Its number is the version that the rule has after it: 1, 2, 3, … without a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleChange {
    /// What happened.
    pub kind: RuleChangeKind,
    /// The rule before; `None`: it was not there.
    pub before: Option<GrantRule>,
    /// The rule after.
    pub after: GrantRule,
    /// Who asked.
    pub actor: Actor,
    /// Why.
    pub reason: Reason,
    /// The caller's own data.
    pub metadata: Metadata,
    /// When.
    pub recorded_at: Timestamp,
}

/// Why a rule may not change so. A rejection writes nothing and keeps no key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RuleRejection {
    /// There is no such rule.
    #[error("the namespace has no grant rule {rule}")]
    RuleNotFound {
        /// The one that was named.
        rule: RuleId,
    },
    /// It was deleted.
    #[error("grant rule {rule} was deleted")]
    RuleDeleted {
        /// The one that was named.
        rule: RuleId,
    },
    /// Somebody else has changed it since.
    #[error("the rule has changed; read it again")]
    StaleVersion {
        /// The version that it has.
        version: i64,
    },
    /// Its grants are to live a number of billing periods, and nobody said how many.
    #[error(transparent)]
    CycleCountMissing(#[from] CycleCountMissing),
    /// It would end before it starts.
    #[error(transparent)]
    EndsBeforeItStarts(#[from] EndsBeforeItStarts),
    /// The key stands for another request.
    #[error("idempotency key {key} was used for another request")]
    IdempotencyKeyReused {
        /// The key.
        key: IdempotencyKey,
        /// The rule that it was used for.
        rule: RuleId,
    },
}

/// What becomes of a rule by a request whose key was not used before. `before` is the rule as it is.
pub fn change_rule(
    before: Option<&GrantRule>,
    request: &RuleRequest,
    now: Timestamp,
) -> Result<RuleChange, RuleRejection> {
    let (kind, after) = match &request.command {
        RuleCommand::Create(new) => {
            if before.is_some() {
                // Its id follows from its key.
                let (key, rule) = (request.key.clone(), request.rule_id);
                return Err(RuleRejection::IdempotencyKeyReused { key, rule });
            }
            let after = created(new, request, now);
            check_bounds(after.terms.starts_at, after.terms.ends_at)?;
            (RuleChangeKind::Created, after)
        }
        RuleCommand::Update { changes, expected_version } => {
            let mut after = changed(before, request, *expected_version, now)?;
            for change in changes {
                after.terms.change(change, after.scope.kind())?;
            }
            after.terms.starts_at = starts_at(before, &after, changes);
            check_bounds(after.terms.starts_at, after.terms.ends_at)?;
            (RuleChangeKind::Updated, after)
        }
        RuleCommand::Delete { expected_version } => {
            let after = changed(before, request, *expected_version, now)?;
            let deleted_at = Some(after.updated_at);
            (RuleChangeKind::Deleted, GrantRule { deleted_at, ..after })
        }
    };
    Ok(RuleChange {
        kind,
        before: before.cloned(),
        recorded_at: after.updated_at,
        after,
        actor: request.actor.clone(),
        reason: request.reason.clone(),
        metadata: request.metadata.clone(),
    })
}

fn created(new: &NewRule, request: &RuleRequest, now: Timestamp) -> GrantRule {
    let NewRule { scope, asset, terms } = new;
    GrantRule {
        id: request.rule_id,
        namespace_id: request.namespace_id,
        scope: scope.clone(),
        asset: asset.clone(),
        terms: RuleTerms { starts_at: terms.starts_at.or(Some(now)), ..terms.clone() },
        created_by: request.actor.clone(),
        created_at: now,
        updated_by: request.actor.clone(),
        updated_at: now,
        deleted_at: None,
        version: 1,
    }
}

/// From when on a rule grants after a change: what is past is granted only if it is asked for, so one that is switched
/// on again does not make up for the time between.
fn starts_at(
    before: Option<&GrantRule>,
    after: &GrantRule,
    changes: &[TermChange],
) -> Option<Timestamp> {
    let now = after.updated_at;
    let is_asked_for = changes.iter().any(|change| matches!(change, TermChange::StartsAt(_)));
    let was_off = before.is_some_and(|before| !before.terms.is_active);
    match (after.terms.starts_at, is_asked_for) {
        (None, true) => Some(now),
        (starts_at, false) if was_off && after.terms.is_active => starts_at.max(Some(now)),
        (starts_at, _) => starts_at,
    }
}

/// The rule with the marks of a change, if it may be changed.
fn changed(
    before: Option<&GrantRule>,
    request: &RuleRequest,
    expected_version: Option<i64>,
    now: Timestamp,
) -> Result<GrantRule, RuleRejection> {
    let rule = request.rule_id;
    let before = before.ok_or(RuleRejection::RuleNotFound { rule })?;
    if before.deleted_at.is_some() {
        return Err(RuleRejection::RuleDeleted { rule });
    }
    let version = before.version;
    if expected_version.is_some_and(|expected| expected != version) {
        return Err(RuleRejection::StaleVersion { version });
    }
    Ok(GrantRule {
        updated_by: request.actor.clone(),
        // The clock of another server may have been ahead.
        updated_at: now.max(before.updated_at),
        version: version + 1,
        ..before.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Amount, NamespaceName, PlanId, Scale, SpanUnit, SubscriptionId};

    const NOW: Timestamp = Timestamp::from_micros(1_000_000);

    fn terms() -> RuleTerms {
        RuleTerms {
            name: RuleName::parse("monthly credits").unwrap(),
            amount: Amount::parse("100", Scale::MAX).unwrap().positive().unwrap(),
            cadence: Cadence::Recurring(CalendarSpan::MONTH),
            expiry: ExpirySettings::Never,
            priority: Priority::DEFAULT,
            category: Category::adjustment(),
            cost_basis: CostBasis::ZERO,
            applies_to: BTreeSet::new(),
            metadata: Metadata::default(),
            starts_at: None,
            ends_at: None,
            is_active: true,
            stage: Stage::default(),
            proration: Proration::default(),
            catch_up: CatchUp::default(),
            plan_change: PlanChange::default(),
            on_cancel: OnCancel::default(),
            rollover: Rollover::default(),
            ahead_micros: 0,
        }
    }

    fn plan() -> RuleScope {
        RuleScope::Plan(PlanId::parse("pro").unwrap())
    }

    fn create(scope: RuleScope) -> RuleCommand {
        let asset = AssetCode::parse("credits").unwrap();
        RuleCommand::Create(Box::new(NewRule { scope, asset, terms: terms() }))
    }

    fn request(command: RuleCommand) -> RuleRequest {
        let namespace_id = NamespaceId::of(&NamespaceName::parse("default").unwrap());
        let key = IdempotencyKey::parse("made").unwrap();
        let rule_id = RuleId::of(namespace_id, &key);
        let (actor, reason) = (Actor::parse("ann").unwrap(), Reason::parse("launch").unwrap());
        let metadata = Metadata::default();
        let fingerprint = Fingerprint::of_rule(rule_id, &command, &actor, &reason, &metadata);
        let validate_only = false;
        RuleRequest {
            namespace_id,
            rule_id,
            command,
            key,
            fingerprint,
            actor,
            reason,
            metadata,
            validate_only,
        }
    }

    fn made(scope: RuleScope) -> GrantRule {
        change_rule(None, &request(create(scope)), NOW).unwrap().after
    }

    fn update(changes: Vec<TermChange>, expected_version: Option<i64>) -> RuleRequest {
        request(RuleCommand::Update { changes, expected_version })
    }

    fn billing_cycle(cycle_count: u32) -> AskedExpiry {
        let cycle_count = NonZeroU32::new(cycle_count);
        AskedExpiry::BillingCycle { reset_at_period_end: true, cycle_count }
    }

    #[test]
    fn a_change_tells_the_rule_before_and_after_it() {
        let before = made(plan());
        assert_eq!((before.version, before.created_at, before.updated_at), (1, NOW, NOW));
        let request = update(vec![TermChange::IsActive(false)], Some(1));
        let later = NOW.plus_micros(5);
        let change = change_rule(Some(&before), &request, later).unwrap();
        assert_eq!(before.terms.starts_at, Some(NOW));
        let terms = RuleTerms { is_active: false, ..before.terms.clone() };
        let after = GrantRule { terms, updated_at: later, version: 2, ..before.clone() };
        assert_eq!(change.kind, RuleChangeKind::Updated);
        assert_eq!((change.before, change.after), (Some(before), after));
        assert_eq!(change.recorded_at, later);
    }

    #[test]
    fn what_is_past_is_granted_only_if_it_is_asked_for() {
        let off = change_rule(
            Some(&made(plan())),
            &update(vec![TermChange::IsActive(false)], None),
            NOW.plus_micros(5),
        );
        let off = off.unwrap().after;
        assert_eq!(off.terms.starts_at, Some(NOW));
        let later = NOW.plus_micros(10);
        let start_after = |changes: Vec<TermChange>| {
            change_rule(Some(&off), &update(changes, None), later).unwrap().after.terms.starts_at
        };
        let earlier = Some(NOW.plus_micros(-9));
        assert_eq!(start_after(vec![TermChange::IsActive(true)]), Some(later));
        let asked = vec![TermChange::IsActive(true), TermChange::StartsAt(earlier)];
        assert_eq!(start_after(asked), earlier);
        assert_eq!(start_after(vec![TermChange::StartsAt(None)]), Some(later));
        assert_eq!(start_after(vec![]), Some(NOW));
    }

    #[test]
    fn time_never_runs_backwards_within_a_rule() {
        let before = made(plan());
        let request = update(vec![TermChange::IsActive(false)], None);
        let change = change_rule(Some(&before), &request, NOW.plus_micros(-5)).unwrap();
        assert_eq!(change.recorded_at, NOW);
    }

    #[test]
    fn an_old_version_is_stale_and_a_deleted_rule_stays_as_it_is() {
        let before = made(plan());
        let stale = change_rule(Some(&before), &update(vec![], Some(2)), NOW);
        assert_eq!(stale, Err(RuleRejection::StaleVersion { version: 1 }));
        let delete = request(RuleCommand::Delete { expected_version: Some(1) });
        let deleted = change_rule(Some(&before), &delete, NOW).unwrap().after;
        assert_eq!((deleted.deleted_at, deleted.version), (Some(NOW), 2));
        assert_eq!(deleted.terms, before.terms);
        for again in [delete, update(vec![], None)] {
            let refused = change_rule(Some(&deleted), &again, NOW);
            assert_eq!(refused, Err(RuleRejection::RuleDeleted { rule: before.id }));
            let unknown = change_rule(None, &again, NOW);
            assert_eq!(unknown, Err(RuleRejection::RuleNotFound { rule: before.id }));
        }
    }

    #[test]
    fn a_rule_of_a_plan_says_how_many_billing_periods_its_grants_live() {
        let asked = |count| vec![TermChange::Expiry(billing_cycle(count))];
        let refused = change_rule(Some(&made(plan())), &update(asked(0), None), NOW);
        assert_eq!(refused, Err(RuleRejection::CycleCountMissing(CycleCountMissing)));
        let settings = |cycle_count| ExpirySettings::BillingCycle {
            reset_at_period_end: true,
            cycle_count: NonZeroU32::new(cycle_count).unwrap(),
        };
        let subscription = RuleScope::Subscription(SubscriptionId::parse("sub_1").unwrap());
        for (scope, asked_count, cycle_count) in [(subscription, 0, 1), (plan(), 2, 2)] {
            let change = change_rule(Some(&made(scope)), &update(asked(asked_count), None), NOW);
            assert_eq!(change.unwrap().after.terms.expiry, settings(cycle_count));
        }
    }

    #[test]
    fn a_rule_ends_after_it_starts() {
        let window = |start, end| {
            let (start, end) = (Timestamp::from_micros(start), Timestamp::from_micros(end));
            update(vec![TermChange::StartsAt(Some(start)), TermChange::EndsAt(Some(end))], None)
        };
        let rule = made(plan());
        assert!(change_rule(Some(&rule), &window(1, 2), NOW).is_ok());
        let refused = change_rule(Some(&rule), &window(2, 2), NOW);
        assert_eq!(refused, Err(RuleRejection::EndsBeforeItStarts(EndsBeforeItStarts)));
    }

    #[test]
    fn each_term_is_another_request() {
        let days = |count| AskedExpiry::Duration(CalendarSpan::new(SpanUnit::Day, count).unwrap());
        let commands = [
            create(plan()),
            create(RuleScope::Plan(PlanId::parse("free").unwrap())),
            create(RuleScope::Subscription(SubscriptionId::parse("pro").unwrap())),
            RuleCommand::Delete { expected_version: None },
            RuleCommand::Delete { expected_version: Some(1) },
        ];
        let updates = [
            vec![TermChange::StartsAt(None)],
            vec![TermChange::StartsAt(Some(NOW))],
            vec![TermChange::EndsAt(None)],
            vec![TermChange::EndsAt(Some(NOW))],
            vec![TermChange::Expiry(AskedExpiry::Never)],
            vec![TermChange::Expiry(days(30))],
            vec![TermChange::Expiry(days(31))],
            vec![TermChange::Expiry(billing_cycle(2))],
            vec![TermChange::IsActive(true)],
            vec![TermChange::IsActive(false)],
            vec![TermChange::Cadence(Cadence::OneTime)],
            vec![TermChange::Cadence(Cadence::Recurring(CalendarSpan::MONTH))],
            vec![TermChange::AppliesTo(BTreeSet::new())],
            vec![TermChange::Metadata(Metadata::default())],
            vec![TermChange::Ahead { micros: 1 }],
        ];
        let update = |changes| RuleCommand::Update { changes, expected_version: None };
        let all: Vec<_> = commands
            .into_iter()
            .chain(updates.map(update))
            .map(|command| request(command).fingerprint)
            .collect();
        for (index, one) in all.iter().enumerate() {
            assert!(all[index + 1..].iter().all(|other| other != one), "{index}");
        }
    }

    /// Keys are kept for years: a fingerprint that changes turns a retry into a conflict.
    #[test]
    fn a_fingerprint_never_changes() {
        assert_eq!(
            request(create(plan())).fingerprint.as_bytes()[..8],
            [235, 89, 63, 125, 196, 175, 55, 0]
        );
    }
}
