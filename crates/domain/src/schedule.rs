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

mod amount;

use std::collections::{BTreeMap, BTreeSet};

use self::amount::{Granted, HowMuch};
use crate::{
    Application, ApplicationId, ApplicationState, AssetCode, Awaited, Billing, Cadence, CatchUp,
    Cycle, CyclePeriod, GrantRule, KeptApplication, RuleScope, Scale, Skipped, Stage, Stretch,
    Subscription, SubscriptionId, SubscriptionStatus, Timestamp,
};

/// Most periods that are looked at in one stretch of one rule: a year of days, and some. What is older was missed.
const MOST_PERIODS: i64 = 400;
/// How long what is not known yet is waited for, unless somebody says otherwise: an hour.
pub const PATIENCE_MICROS: i64 = 3_600_000_000;

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
    /// Since when the subscription was paid for without a break, whatever its plan.
    paid_since: Timestamp,
    /// Whether the subscription is older than all that is known of it.
    is_older: bool,
    /// Whether the subscription ends with the stretch.
    ends: bool,
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
    /// Whether it would be, but for the end of the subscription or of the rule.
    is_cancelled: bool,
}

impl Candidate<'_> {
    fn id(&self) -> ApplicationId {
        ApplicationId { rule: self.of.rule.id, period_start: self.period.start }
    }

    /// Whether its period had begun before the rule came into force.
    fn is_partial(&self) -> bool {
        self.period.start < self.effective_at && self.of.rule.terms.cadence != Cadence::OneTime
    }
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
    // What goes on after all is no more cancelled.
    candidates.sort_by_key(|it| (it.is_cancelled, it.effective_at, it.of.rule.id));
    let mut seen = BTreeSet::new();
    let mut granted = Granted::of(known);
    let mut applications = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        if seen.insert(candidate.id()) {
            applications.push(application(known, &mut granted, &candidate, now));
        }
    }
    let others = known.kept.iter().filter(|kept| !seen.contains(&kept.id));
    applications.extend(others.filter_map(|kept| no_more(kept, horizon)));
    applications.sort_by_key(|application| (application.effective_at, application.id.rule));
    applications
}

/// One that was tried, and that nothing calls for any more.
fn no_more(kept: &KeptApplication, horizon: Horizon) -> Option<Application> {
    let (expires_at, state) = match &kept.state {
        ApplicationState::Applied(applied) => (applied.window.expires_at(), kept.state.clone()),
        ApplicationState::Pending
        | ApplicationState::Waiting { .. }
        | ApplicationState::Due
        | ApplicationState::Failed(_)
        | ApplicationState::Skipped(_)
        | ApplicationState::Cancelled => (None, ApplicationState::Cancelled),
    };
    let effective_at = match kept.state.applied() {
        Some(applied) => applied.window.effective_at(),
        None if kept.period == CyclePeriod::ALWAYS => kept.recorded_at,
        None => kept.period.start,
    };
    let is_asked_for = match horizon {
        Horizon::Next => true,
        Horizon::Until(until) => effective_at <= until,
    };
    is_asked_for.then(|| Application {
        id: kept.id,
        period: kept.period,
        due_at: effective_at,
        asset: kept.asset.clone(),
        amount: kept.granted(),
        effective_at,
        expires_at,
        state,
    })
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
    let mut paid_since = None;
    for (place, stretch) in stretches.iter().enumerate() {
        let before = place.checked_sub(1).map(|place| &stretches[place]);
        // One that ended by itself before this one began leaves a gap.
        let before = before.filter(|before| before.until == Some(stretch.from));
        if before.is_none_or(|before| !is_paid(before)) {
            paid_since = None;
        }
        let paid_since = *paid_since.get_or_insert(stretch.from);
        if !is_in_force(known.id, rule, stretch) {
            continue;
        }
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
        let after = stretches.get(place + 1).filter(|after| stretch.until == Some(after.from));
        found.push(InForce {
            rule,
            stretch: *stretch,
            cycle: stretch.state().cycle(span),
            entered,
            paid_since,
            is_older: place == 0 && stretch.state().started_at < stretch.from,
            ends: stretch.until.is_some()
                && after.is_none_or(|after| after.subscription_end() == Some(after.from)),
        });
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
    let Stretch { from, until, event, .. } = of.stretch;
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
    let is_cut = of.is_older && known.subscription.is_cut();
    let mut add = |period: CyclePeriod, effective_at: Timestamp, is_cancelled: bool| {
        candidates.push(Candidate { of, period, effective_at, is_cancelled });
    };
    if of.rule.terms.cadence == Cadence::OneTime {
        // A renewal says how a subscription that began long ago goes on.
        let is_beginning = !(of.is_older && event.kind.stands_alone());
        let effective_at = if is_beginning { from } else { event.state.started_at };
        if of.entered.is_some() && of.rule.grants_from(effective_at) && !is_cut {
            add(CyclePeriod::ALWAYS, effective_at, false);
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
        let is_entered = from <= period.start || (of.entered.is_some() && !is_cut);
        let effective_at = from.max(period.start);
        if !is_done && is_entered && of.rule.grants_from(effective_at) {
            add(period, effective_at, false);
        }
    }
    let mut cancel = |period: CyclePeriod| {
        if known.since < period.end && period.start <= horizon {
            add(period, period.start, true);
        }
    };
    if let Some(until) = until.filter(|_| of.ends) {
        // What the billing period that it ended in would still have seen, and what would have come with the next one.
        let billed = event.state.billing().period_of(until.plus_micros(-1)).end;
        for number in last + 1..=of.cycle.number_of(billed.min(horizon)) {
            let period = of.cycle.period(number);
            if until <= period.start && of.rule.grants_from(period.start) {
                cancel(period);
            }
        }
    }
    if let Some(deleted_at) = of.rule.deleted_at.filter(|deleted_at| from <= *deleted_at) {
        let period = of.cycle.period(of.cycle.number_of(deleted_at.plus_micros(-1)) + 1);
        if until.is_none_or(|until| period.start < until) {
            cancel(period);
        }
    }
}

/// What a candidate amounts to, and what has become of it.
fn application<'k>(
    known: &Known<'k>,
    granted: &mut Granted<'k>,
    candidate: &Candidate<'k>,
    now: Timestamp,
) -> Application {
    let Candidate { of, period, effective_at, .. } = candidate;
    let rule = of.rule;
    let how_much = granted.how_much(known, candidate);
    let expires_at = expires_at(candidate, *effective_at);
    let due_at = due_at(candidate);
    let state = state(known, granted, candidate, (&how_much, expires_at, due_at), now);
    let applied = state.applied().map(|applied| (applied.amount, applied.window));
    let amount = applied.map_or(how_much.amount, |(amount, _)| amount);
    if !matches!(state, ApplicationState::Skipped(_) | ApplicationState::Cancelled) {
        let waits = matches!(state, ApplicationState::Waiting { awaited: Awaited::Earlier, .. });
        granted.count(candidate, amount, waits);
    }
    // What was applied is told as it was.
    let effective_at = applied.map_or(*effective_at, |(_, window)| window.effective_at());
    let expires_at = applied.map_or(expires_at, |(_, window)| window.expires_at());
    let (id, period, asset) = (candidate.id(), *period, rule.asset.clone());
    Application { id, period, due_at, asset, amount, effective_at, expires_at, state }
}

/// When it is to be applied: never before it was heard of, and what begins within a period not ahead of that.
fn due_at(candidate: &Candidate<'_>) -> Timestamp {
    let Candidate { of, effective_at, .. } = candidate;
    let due_at =
        effective_at.plus_micros(-of.rule.terms.ahead_micros).max(of.stretch.event.recorded_at);
    if candidate.is_partial() { due_at.max(*effective_at) } else { due_at }
}

/// What has become of it.
fn state(
    known: &Known<'_>,
    granted: &Granted<'_>,
    candidate: &Candidate<'_>,
    (how_much, expires_at, due_at): (&HowMuch, Option<Timestamp>, Timestamp),
    now: Timestamp,
) -> ApplicationState {
    let kept = granted.kept(candidate.id()).map(|kept| &kept.state);
    let waits_until = candidate.of.stretch.event.recorded_at.plus_micros(known.patience_micros);
    if let Some(applied) = kept.and_then(ApplicationState::applied) {
        ApplicationState::Applied(applied.clone())
    } else if candidate.is_cancelled {
        ApplicationState::Cancelled
    } else if expires_at.is_some_and(|expires_at| expires_at <= now) {
        ApplicationState::Skipped(Skipped::ExpiredOnArrival)
    } else if is_missed(known, candidate, now) {
        ApplicationState::Skipped(Skipped::Missed)
    } else if let Some(awaited) = awaited(known, candidate, how_much).filter(|_| now < waits_until)
    {
        ApplicationState::Waiting { awaited, until: waits_until }
    } else if let Some(skipped) = how_much.skipped {
        ApplicationState::Skipped(skipped)
    } else if let Some(failed) = kept.and_then(ApplicationState::failed)
        && failed.next_attempt_at.is_none_or(|next| now < next)
    {
        ApplicationState::Failed(failed.clone())
    } else if due_at > now {
        ApplicationState::Pending
    } else {
        ApplicationState::Due
    }
}

/// Whether it is too late for it, as the rule says.
fn is_missed(known: &Known<'_>, candidate: &Candidate<'_>, now: Timestamp) -> bool {
    match candidate.of.rule.terms.catch_up {
        CatchUp::All => false,
        CatchUp::Latest => candidate.period.end <= now,
        CatchUp::None => {
            // News takes its time.
            let latest = candidate.effective_at.plus_micros(known.patience_micros);
            let first = known.subscription.events().iter().map(|event| event.recorded_at).min();
            first.is_some_and(|first| latest < first)
        }
    }
}

/// Since when a period that is granted in part depends on what was granted: since the beginning of all periods that it
/// shares a time with.
fn depends_since(known: &Known<'_>, candidate: &Candidate<'_>) -> Timestamp {
    let Candidate { of, period, .. } = candidate;
    let spans = known.rules.iter().filter_map(|rule| match rule.terms.cadence {
        Cadence::Recurring(span) if rule.asset == of.rule.asset => Some(span),
        Cadence::Recurring(_) | Cadence::OneTime => None,
    });
    let starts = spans.map(|span| of.stretch.state().cycle(span).period_of(period.start).start);
    starts.fold(period.start, Timestamp::min)
}

/// Which event has to be known before it is known what it amounts to.
fn awaited(known: &Known<'_>, candidate: &Candidate<'_>, how_much: &HowMuch) -> Option<Awaited> {
    let Candidate { of, effective_at, .. } = candidate;
    let event = of.stretch.event;
    if of.rule.terms.cadence == Cadence::OneTime {
        let is_from_the_beginning = of.stretch.known_since <= event.state.started_at;
        return (!is_from_the_beginning).then_some(Awaited::Earlier);
    }
    if how_much.waits
        || candidate.is_partial() && depends_since(known, candidate) < of.stretch.known_since
    {
        return Some(Awaited::Earlier);
    }
    // Whoever tells of a period that is over has more to tell: of the next ones, too.
    let is_guess = event.state.period.end <= *effective_at && *effective_at <= event.recorded_at;
    is_guess.then_some(Awaited::Later)
}

/// When it expires: what is granted for a trial ends with it.
fn expires_at(candidate: &Candidate<'_>, effective_at: Timestamp) -> Option<Timestamp> {
    let state = candidate.of.stretch.state();
    let billing = Billing { cycle: state.billing() };
    let expires_at = candidate.of.rule.terms.expiry.expires_at(effective_at, &billing);
    match candidate.of.rule.terms.stage {
        Stage::Trial => [expires_at, state.trial_ends_at].into_iter().flatten().min(),
        Stage::Paid | Stage::Any => expires_at,
    }
}
