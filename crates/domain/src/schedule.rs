//! The schedule: which grants a subscription should have by its rules, and what is to be done about each.
//!
//! A pure function of what is known of the subscription, its rules, what was applied so far, and an instant. The job
//! that applies what is due, reconciliation, lists and simulations ask it alike. An application is one rule for one period;
//! (subscription, rule, start of the period) names it, and it happens once at most (design, section 3, "Cycles").
//!
//! * A rule grants for each period that begins while it is in force.
//! * If it comes into force within a period, it grants for that one too: in part or whole as its proration says at the
//!   beginning of a subscription, and after a change of plan what it grants beyond what was granted for the period already.
//! * If only the billing date moves, it goes on with the next period of the new dates.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Amount, Application, ApplicationId, ApplicationState, AssetCode, Awaited, Billing, Cadence,
    CatchUp, Cycle, CyclePeriod, GrantRule, KeptApplication, PlanChange, PlanId, RuleId, RuleScope,
    Scale, Skipped, Stage, Stretch, Subscription, SubscriptionId, SubscriptionStatus, Timestamp,
    rule::part_of,
};

/// Most periods that are looked at in one stretch of one rule: a year of days, and some. What is older was missed.
const MOST_PERIODS: i64 = 400;

/// What is known, and what follows from it is asked.
#[derive(Debug, Clone, Copy)]
pub struct Known<'k> {
    /// The subscription's name.
    pub id: &'k SubscriptionId,
    /// What its events say.
    pub subscription: &'k Subscription,
    /// The rules of its plans and add-ons, and its own.
    pub rules: &'k [GrantRule],
    /// What was applied so far, or tried.
    pub kept: &'k [KeptApplication],
    /// The scales of assets, where they are known.
    pub scales: &'k BTreeMap<AssetCode, Scale>,
    /// Periods that ended by then were dealt with, and are not looked at.
    pub since: Timestamp,
    /// How long what is not known is waited for, in microseconds.
    pub patience_micros: i64,
}

/// A rule in force during a stretch.
#[derive(Clone, Copy)]
struct InForce<'k> {
    rule: &'k GrantRule,
    stretch: Stretch<'k>,
    /// Its periods.
    cycle: Cycle,
    /// How it came into force, if it was not before.
    entered: Option<Entered>,
    /// Whether what was before is known.
    is_certain: bool,
}

/// How a rule comes into force.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entered {
    /// The subscription began, or was converted, or goes on, or has an add-on more.
    Anew,
    /// It came from another plan.
    FromPlan,
}

/// An application before it is known what it amounts to.
struct Candidate<'k> {
    of: InForce<'k>,
    period: CyclePeriod,
    effective_at: Timestamp,
}

/// How far ahead a schedule looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Horizon {
    /// What is due, and of each rule the next one.
    Next,
    /// Whatever counts by then.
    Until(Timestamp),
}

/// All applications until `horizon`, in order of the instants from which they count, with what has become of each by `now`.
pub fn schedule(known: &Known<'_>, now: Timestamp, horizon: Horizon) -> Vec<Application> {
    let stretches = known.subscription.stretches();
    let mut candidates = Vec::new();
    for rule in known.rules {
        for of in in_force(known, &stretches, rule) {
            add_candidates(&mut candidates, known, of, (now, horizon));
        }
    }
    candidates.sort_by_key(|candidate| (candidate.effective_at, candidate.of.rule.id));
    let mut seen = BTreeSet::new();
    let mut granted = Granted::of(known);
    let mut applications = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let id = ApplicationId { rule: candidate.of.rule.id, period_start: candidate.period.start };
        if seen.insert(id) {
            applications.push(application(known, &mut granted, &candidate, id, now));
        }
    }
    applications
}

/// From when on periods are to be looked at again: what ended before is dealt with.
pub fn undone_since(applications: &[Application], now: Timestamp) -> Timestamp {
    let undone = applications.iter().filter(|application| match &application.state {
        ApplicationState::Pending
        | ApplicationState::Waiting { .. }
        | ApplicationState::Due
        | ApplicationState::Failed(_) => true,
        ApplicationState::Applied(_)
        | ApplicationState::Skipped(_)
        | ApplicationState::Cancelled => application.period.contains(now),
    });
    let undone = undone.filter(|application| application.period != CyclePeriod::ALWAYS);
    undone.map(|application| application.period.start).fold(now, Timestamp::min)
}

/// When the schedule may look otherwise than now, if nobody says anything: the next instant at which something is due.
pub fn next_due_at(applications: &[Application]) -> Option<Timestamp> {
    let due = applications.iter().filter_map(|application| match &application.state {
        ApplicationState::Pending | ApplicationState::Due => Some(application.due_at),
        ApplicationState::Waiting { until, .. } => Some(*until),
        ApplicationState::Failed(failed) => failed.next_attempt_at,
        ApplicationState::Applied(_)
        | ApplicationState::Skipped(_)
        | ApplicationState::Cancelled => None,
    });
    due.min()
}

/// The stretches in which a rule is in force.
fn in_force<'k>(
    known: &Known<'k>,
    stretches: &[Stretch<'k>],
    rule: &'k GrantRule,
) -> Vec<InForce<'k>> {
    let mut found: Vec<InForce<'k>> = Vec::new();
    for (place, stretch) in stretches.iter().enumerate() {
        if !is_in_force(known.id, rule, stretch) {
            continue;
        }
        let before = place.checked_sub(1).map(|place| &stretches[place]);
        // One that ended by itself before this one began leaves a gap.
        let before = before.filter(|before| before.until == Some(stretch.from));
        let entered = match before {
            Some(before) if is_in_force(known.id, rule, before) => None,
            Some(before) if is_plans(rule) && is_paid(before) && is_paid(stretch) => {
                Some(Entered::FromPlan)
            }
            Some(_) | None => Some(Entered::Anew),
        };
        let span = match rule.terms.cadence {
            Cadence::Recurring(span) => span,
            Cadence::OneTime => stretch.state().billing_span,
        };
        let cycle = stretch.state().cycle(span);
        let is_certain = known.subscription.knows_before(stretches, place);
        found.push(InForce { rule, stretch: *stretch, cycle, entered, is_certain });
    }
    found
}

fn is_plans(rule: &GrantRule) -> bool {
    matches!(rule.scope, RuleScope::Plan(_))
}

fn is_paid(stretch: &Stretch<'_>) -> bool {
    stretch.state().status == SubscriptionStatus::Active
}

pub(crate) fn is_in_force(id: &SubscriptionId, rule: &GrantRule, stretch: &Stretch<'_>) -> bool {
    let state = stretch.state();
    let in_stage = match state.status {
        SubscriptionStatus::Trialing => rule.terms.stage != Stage::Paid,
        SubscriptionStatus::Active => rule.terms.stage != Stage::Trial,
        SubscriptionStatus::Paused | SubscriptionStatus::Cancelled => false,
    };
    let in_scope = match &rule.scope {
        RuleScope::Plan(plan) => *plan == state.plan,
        RuleScope::Subscription(of) => of == id,
        RuleScope::Addon(addon) => state.addons.contains(addon),
    };
    in_stage && in_scope
}

/// Adds the periods of a stretch for which a rule grants.
fn add_candidates<'k>(
    candidates: &mut Vec<Candidate<'k>>,
    known: &Known<'_>,
    of: InForce<'k>,
    (now, horizon): (Timestamp, Horizon),
) {
    let Stretch { from, until, event: _ } = of.stretch;
    let next = || {
        let number = of.cycle.number_of(now.plus_micros(of.rule.terms.ahead_micros).max(from));
        of.cycle.bound(number + 1)
    };
    let horizon = match horizon {
        Horizon::Next => next(),
        Horizon::Until(until) => until,
    };
    if from > horizon {
        return;
    }
    if of.rule.terms.cadence == Cadence::OneTime {
        if of.rule.grants_from(from) {
            candidates.push(Candidate { of, period: CyclePeriod::ALWAYS, effective_at: from });
        }
        return;
    }
    let last = until.map_or(horizon, |until| horizon.min(until.plus_micros(-1)));
    let last = of.cycle.number_of(last);
    let first = of.cycle.number_of(from.max(known.since));
    // A rule of days that nobody looked at for years grants the latest ones.
    let bound = of.cycle.number_of(now.max(from)) - MOST_PERIODS;
    for number in first.max(bound)..=last {
        let period = of.cycle.period(number);
        let is_done = period.end <= known.since || period.start == period.end;
        if is_done || !of.rule.grants_from(period.start) {
            continue;
        }
        if period.start >= from {
            candidates.push(Candidate { of, period, effective_at: period.start });
        } else if of.entered.is_some() {
            candidates.push(Candidate { of, period, effective_at: from });
        }
    }
}

/// What the rules of plans granted for periods, so far.
struct Granted<'k> {
    kept: BTreeMap<ApplicationId, &'k KeptApplication>,
    /// The plan of each rule of one that grants again and again.
    plans: BTreeMap<RuleId, (&'k PlanId, &'k AssetCode)>,
    /// What was granted, and for which period.
    amounts: BTreeMap<ApplicationId, (CyclePeriod, Amount)>,
    /// What rules that came into force within a period have counted already of what was granted before.
    absorbed: BTreeMap<(Timestamp, &'k AssetCode), Amount>,
}

impl<'k> Granted<'k> {
    fn of(known: &Known<'k>) -> Self {
        let plans = known.rules.iter().filter_map(|rule| match (&rule.scope, rule.terms.cadence) {
            (RuleScope::Plan(plan), Cadence::Recurring(_)) => Some((rule.id, (plan, &rule.asset))),
            _ => None,
        });
        let amounts = known.kept.iter().filter_map(|kept| {
            let applied = kept.state.applied()?;
            Some((kept.id, (kept.period, applied.amount)))
        });
        Self {
            kept: known.kept.iter().map(|kept| (kept.id, kept)).collect(),
            plans: plans.collect(),
            amounts: amounts.collect(),
            absorbed: BTreeMap::new(),
        }
    }

    /// What other plans than this one granted of an asset for a period: of a period that lies in it only in part, that
    /// part.
    fn by_other_plans(
        &self,
        plan: &PlanId,
        asset: &AssetCode,
        period: CyclePeriod,
        scale: Scale,
    ) -> Amount {
        let parts = self.amounts.iter().filter_map(|(id, (of, amount))| {
            let (other, granted) = self.plans.get(&id.rule)?;
            if *other == plan || *granted != asset {
                return None;
            }
            let both = of.end.min(period.end).micros() - of.start.max(period.start).micros();
            (both > 0).then(|| part_of(*amount, both, of.micros(), scale))
        });
        parts.sum()
    }
}

/// What a candidate amounts to, and what has become of it.
fn application<'k>(
    known: &Known<'k>,
    granted: &mut Granted<'k>,
    candidate: &Candidate<'k>,
    id: ApplicationId,
    now: Timestamp,
) -> Application {
    let Candidate { of, period, effective_at } = candidate;
    let rule = of.rule;
    let scale = known.scales.get(&rule.asset).copied().unwrap_or(Scale::MAX);
    let is_partial = period.start < *effective_at && rule.terms.cadence != Cadence::OneTime;
    let mut amount = prorated(candidate, is_partial, scale);
    let mut skipped = (amount.is_zero()).then_some(Skipped::NothingLeft);
    if is_partial
        && of.entered == Some(Entered::FromPlan)
        && let RuleScope::Plan(plan) = &rule.scope
        && !granted.kept.contains_key(&id)
    {
        match rule.terms.plan_change {
            PlanChange::Full => {}
            PlanChange::NextPeriod => skipped = Some(Skipped::AlreadyGranted),
            PlanChange::TopUp => {
                let before = granted.by_other_plans(plan, &rule.asset, *period, scale);
                let absorbed = granted.absorbed.entry((of.stretch.from, &rule.asset)).or_default();
                let counted = amount.min(before - before.min(*absorbed));
                *absorbed = *absorbed + counted;
                amount = amount - counted;
                if amount.is_zero() {
                    skipped = skipped.or(Some(Skipped::AlreadyGranted));
                }
            }
        }
    }
    let expires_at = expires_at(candidate, *effective_at);
    let due_at =
        effective_at.plus_micros(-rule.terms.ahead_micros).max(of.stretch.event.recorded_at);
    let due_at = if is_partial { due_at.max(*effective_at) } else { due_at };
    let first_heard = known.subscription.events().iter().map(|event| event.recorded_at).min();
    let is_missed = match rule.terms.catch_up {
        CatchUp::All => false,
        CatchUp::Latest => period.end <= now,
        CatchUp::None => first_heard.is_some_and(|first| *effective_at < first),
    };
    let waits_until = of.stretch.event.recorded_at.plus_micros(known.patience_micros);
    let event = of.stretch.event;
    // Whoever tells of a period that is over has more to tell: of the next ones, too.
    let is_guess = rule.terms.cadence != Cadence::OneTime
        && event.state.period.end <= *effective_at
        && *effective_at <= event.recorded_at;
    let awaited = match (is_guess, is_partial && !of.is_certain) {
        (_, true) => Some(Awaited::Earlier),
        (true, false) => Some(Awaited::Later),
        (false, false) => None,
    };
    let kept = granted.kept.get(&id).map(|kept| &kept.state);
    let state = if let Some(applied) = kept.and_then(ApplicationState::applied) {
        ApplicationState::Applied(applied.clone())
    } else if expires_at.is_some_and(|expires_at| expires_at <= now) {
        ApplicationState::Skipped(Skipped::ExpiredOnArrival)
    } else if is_missed {
        ApplicationState::Skipped(Skipped::Missed)
    } else if let Some(awaited) = awaited.filter(|_| now < waits_until) {
        ApplicationState::Waiting { awaited, until: waits_until }
    } else if let Some(skipped) = skipped {
        ApplicationState::Skipped(skipped)
    } else if let Some(failed) = kept.and_then(ApplicationState::failed)
        && failed.next_attempt_at.is_none_or(|next| now < next)
    {
        ApplicationState::Failed(failed.clone())
    } else if due_at > now {
        ApplicationState::Pending
    } else {
        ApplicationState::Due
    };
    if let Some(applied) = state.applied() {
        amount = applied.amount;
    }
    if !matches!(state, ApplicationState::Skipped(_) | ApplicationState::Cancelled) {
        granted.amounts.insert(id, (*period, amount));
    }
    let (effective_at, asset) = (*effective_at, rule.asset.clone());
    Application { id, period: *period, due_at, asset, amount, effective_at, expires_at, state }
}

/// The rule's amount, or its part for a period that is granted in part; rounded down, because rules may be made before
/// their asset.
fn prorated(candidate: &Candidate<'_>, is_partial: bool, scale: Scale) -> Amount {
    let Candidate { of, period, effective_at } = candidate;
    let (amount, proration) = (of.rule.terms.amount.get(), of.rule.terms.proration);
    if of.rule.terms.cadence == Cadence::OneTime {
        return amount.rounded_down(scale);
    }
    let from = if is_partial && of.entered == Some(Entered::Anew) && proration.of_first() {
        *effective_at
    } else {
        period.start
    };
    let ends_at = of.stretch.state().ends_at.filter(|_| proration.of_last());
    let until = ends_at.map_or(period.end, |ends_at| ends_at.clamp(from, period.end));
    part_of(amount, until.micros() - from.micros(), period.micros(), scale)
}

/// When it expires: what was granted in a trial ends with it.
fn expires_at(candidate: &Candidate<'_>, effective_at: Timestamp) -> Option<Timestamp> {
    let state = candidate.of.stretch.state();
    let billing = Billing { cycle: state.billing() };
    let expires_at = candidate.of.rule.terms.expiry.expires_at(effective_at, &billing);
    match state.status {
        SubscriptionStatus::Trialing => {
            [expires_at, state.trial_ends_at].into_iter().flatten().min()
        }
        SubscriptionStatus::Active | SubscriptionStatus::Paused | SubscriptionStatus::Cancelled => {
            expires_at
        }
    }
}
