//! Subscriptions: what their events say, put together.
//!
//! An event carries the whole state of a subscription since some instant, and a version. A [`Subscription`] is the set of
//! events that are known of it, so the order in which they come, and how often, does not matter: the highest version is
//! the state, and the others say what was before it. What is granted follows from that by [`crate::schedule`].

use std::collections::BTreeSet;

use crate::{
    AccountId, AccountName, AddonId, CalendarSpan, Cycle, CyclePeriod, NamespaceId, PlanId,
    SubscriptionId, TimeZone, Timestamp,
};

/// Most events that are kept of a subscription: five years of monthly renewals. What lies before them is not
/// looked at again.
pub const MOST_EVENTS: usize = 64;

/// Whose subscription it is, and which.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionName {
    /// The tenant's environment.
    pub namespace_id: NamespaceId,
    /// The subscriber's id.
    pub account_id: AccountId,
    /// The subscriber.
    pub account: AccountName,
    /// The subscription, unique within the account.
    pub id: SubscriptionId,
}

impl SubscriptionName {
    /// Names a subscription of an account.
    pub fn new(namespace_id: NamespaceId, account: AccountName, id: SubscriptionId) -> Self {
        Self { namespace_id, account_id: AccountId::of(namespace_id, &account), account, id }
    }
}

/// Where a subscription is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionStatus {
    /// In its trial.
    Trialing,
    /// Paid for.
    Active,
    /// It grants nothing for now.
    Paused,
    /// It has ended.
    Cancelled,
}

/// The whole state of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionState {
    /// Where it is in its life.
    pub status: SubscriptionStatus,
    /// What it is to.
    pub plan: PlanId,
    /// What it has besides.
    pub addons: BTreeSet<AddonId>,
    /// When it began.
    pub started_at: Timestamp,
    /// The billing period that the event speaks of. What comes after it is a guess that it goes on like this.
    pub period: CyclePeriod,
    /// A bound of its billing periods, on the day that they begin on.
    pub anchor_at: Timestamp,
    /// How long a billing period is.
    pub billing_span: CalendarSpan,
    /// Whose clocks count.
    pub zone: TimeZone,
    /// When its trial ends, if it has one.
    pub trial_ends_at: Option<Timestamp>,
    /// When it ends, if that is known.
    pub ends_at: Option<Timestamp>,
}

impl SubscriptionState {
    /// Periods of a length, from the anchor on.
    pub fn cycle(&self, span: CalendarSpan) -> Cycle {
        Cycle { anchor_at: self.anchor_at, span, zone: self.zone }
    }

    /// Its billing periods.
    pub fn billing(&self) -> Cycle {
        self.cycle(self.billing_span)
    }
}

/// What happened to a subscription. What follows from it is told by the states before and after; this says only
/// whether there was something before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionEventKind {
    /// It began, paid for.
    Started,
    /// It began with a trial.
    TrialStarted,
    /// Another billing period began.
    Renewed,
    /// It is to another plan, or has other add-ons.
    PlanChanged,
    /// Its billing periods begin elsewhere.
    BillingDateChanged,
    /// It grants nothing for now.
    Paused,
    /// It goes on.
    Resumed,
    /// It ends.
    Cancelled,
}

impl SubscriptionEventKind {
    /// Whether it begins a period, so that what was before it changes nothing of what it grants.
    pub fn stands_alone(self) -> bool {
        match self {
            Self::Started | Self::TrialStarted | Self::Renewed => true,
            Self::PlanChanged
            | Self::BillingDateChanged
            | Self::Paused
            | Self::Resumed
            | Self::Cancelled => false,
        }
    }
}

/// An event of a subscription: the whole state from an instant on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionEvent {
    /// 1 or more; of two events the higher one is right.
    pub version: i64,
    /// The version before it, if the sender says so.
    pub previous_version: Option<i64>,
    /// What happened.
    pub kind: SubscriptionEventKind,
    /// Since when this is so, or from when on.
    pub effective_at: Timestamp,
    /// How it is.
    pub state: SubscriptionState,
    /// When it was heard first.
    pub recorded_at: Timestamp,
}

/// What becomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It is the state now.
    Newest,
    /// A newer one was known; it says what was before.
    Older,
    /// It was known.
    Known,
    /// Another event of this version was known.
    Contradicts,
    /// It is older than all that is kept.
    Forgotten,
}

/// All that is known of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subscription {
    /// Its events, by version.
    events: Vec<SubscriptionEvent>,
}

/// A stretch of a subscription's life in one state: half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch<'s> {
    /// Its first instant.
    pub from: Timestamp,
    /// The first instant after it; `None`: it goes on.
    pub until: Option<Timestamp>,
    /// The event that said so.
    pub event: &'s SubscriptionEvent,
    /// Since when all is known that led to it: from there on no event is missing, as far as they say which one came before
    /// them.
    pub known_since: Timestamp,
}

impl Stretch<'_> {
    /// How it is.
    pub fn state(&self) -> &SubscriptionState {
        &self.event.state
    }

    /// When the subscription itself ended in it, if it did.
    pub fn subscription_end(&self) -> Option<Timestamp> {
        let state = self.state();
        match state.status {
            SubscriptionStatus::Cancelled => Some(self.from),
            SubscriptionStatus::Trialing
            | SubscriptionStatus::Active
            | SubscriptionStatus::Paused => state.ends_at.filter(|_| self.until == state.ends_at),
        }
    }
}

/// What ended a trial that ran at an instant, if that was by another one, and before its time.
pub fn trial_ended_by<'s>(
    stretches: &'s [Stretch<'s>],
    at: Timestamp,
    by: Timestamp,
) -> Option<&'s Stretch<'s>> {
    let is_trial = |it: &Stretch<'_>| it.state().status == SubscriptionStatus::Trialing;
    let is_then = |it: &Stretch<'_>| it.from <= at && it.until.is_none_or(|until| at < until);
    let place = stretches.iter().position(|it| is_trial(it) && is_then(it))?;
    // One that was extended goes on.
    let follows = |pair: &[Stretch<'_>]| is_trial(&pair[1]) && pair[0].until == Some(pair[1].from);
    let more = stretches[place..].windows(2).take_while(|pair| follows(pair)).count();
    let last = stretches[place + more];
    let next = stretches.get(place + more + 1)?;
    let is_early = last.event.ends_at().is_none_or(|ends_at| next.from < ends_at);
    (is_early && next.from <= by).then_some(next)
}

impl Subscription {
    /// Takes events that were heard before, in any order.
    pub fn of(mut events: Vec<SubscriptionEvent>) -> Self {
        events.sort_by_key(|event| event.version);
        Self { events }
    }

    /// Its events, by version.
    pub fn events(&self) -> &[SubscriptionEvent] {
        &self.events
    }

    /// The event that says how it is.
    pub fn newest(&self) -> Option<&SubscriptionEvent> {
        self.events.last()
    }

    /// From when on an event, once it is heard, may change what is granted: if it only says that all goes on as it was, from its
    /// billing period on; otherwise ever, because the periods of rules may be longer than those.
    pub fn may_change_from(&self, event: &SubscriptionEvent) -> Timestamp {
        let goes_on = self.newest().is_some_and(|newest| {
            let same = SubscriptionState { period: newest.state.period, ..event.state.clone() };
            newest.version < event.version && newest.from() <= event.from() && newest.state == same
        });
        let from = event.from().min(event.state.period.start);
        if goes_on { from } else { from.min(event.state.started_at) }
    }

    /// Hears of an event.
    pub fn hear(&mut self, event: SubscriptionEvent) -> Heard {
        match self.events.binary_search_by_key(&event.version, |known| known.version) {
            Ok(place) if self.events[place].says(&event) => Heard::Known,
            Ok(_) => Heard::Contradicts,
            Err(0) if self.events.len() >= MOST_EVENTS => Heard::Forgotten,
            Err(place) => {
                let is_newest = place == self.events.len();
                self.events.insert(place, event);
                if self.events.len() > MOST_EVENTS {
                    self.events.remove(0);
                }
                if is_newest { Heard::Newest } else { Heard::Older }
            }
        }
    }

    /// Its life, stretch by stretch, as far as it is known. What an event says holds from its instant on, whatever
    /// lower versions say of the time after.
    pub fn stretches(&self) -> Vec<Stretch<'_>> {
        let mut stretches: Vec<Stretch<'_>> = Vec::with_capacity(self.events.len() + 1);
        let is_known =
            |version| self.events.binary_search_by_key(&version, |it| it.version).is_ok();
        let mut known_since = Timestamp::LAST;
        for event in &self.events {
            let from = event.from();
            known_since = if from <= event.state.started_at {
                Timestamp::FIRST
            } else if event.previous_version.is_none_or(is_known) {
                known_since.min(from)
            } else {
                from
            };
            while stretches.last().is_some_and(|before| before.from >= from) {
                stretches.pop();
            }
            if let Some(before) = stretches.last_mut() {
                let ends_at = before.until.map_or(from, |until| until.min(from));
                before.until = Some(ends_at);
            }
            stretches.push(Stretch { from, until: event.ends_at(), event, known_since });
        }
        stretches
    }

    /// From when on applications have to be known, if periods that ended by `done_until` are dealt with: of one that ends, all
    /// are, because a rule may let its credits expire then.
    pub fn looks_back_to(&self, done_until: Timestamp) -> Timestamp {
        let ends = self.events.iter().any(|event| {
            event.state.ends_at.is_some() || event.state.status == SubscriptionStatus::Cancelled
        });
        if ends { Timestamp::FIRST } else { done_until }
    }

    /// Whether there may have been events that are kept no longer: then what was before the first one is not looked at.
    pub fn is_cut(&self) -> bool {
        self.events.len() >= MOST_EVENTS
    }
}

impl SubscriptionEvent {
    /// Whether both say the same; when it was heard does not matter.
    fn says(&self, other: &Self) -> bool {
        let recorded_at = self.recorded_at;
        *self == Self { recorded_at, ..other.clone() }
    }

    /// The instant from which it speaks: a beginning speaks of all the time since then.
    fn from(&self) -> Timestamp {
        match self.kind {
            SubscriptionEventKind::Started | SubscriptionEventKind::TrialStarted => {
                self.effective_at.min(self.state.started_at)
            }
            SubscriptionEventKind::Renewed
            | SubscriptionEventKind::PlanChanged
            | SubscriptionEventKind::BillingDateChanged
            | SubscriptionEventKind::Paused
            | SubscriptionEventKind::Resumed
            | SubscriptionEventKind::Cancelled => self.effective_at,
        }
    }

    /// Whether the subscription has ended by then, if nothing is heard after it.
    pub fn has_ended(&self, now: Timestamp) -> bool {
        match self.state.status {
            SubscriptionStatus::Cancelled => self.effective_at <= now,
            SubscriptionStatus::Trialing
            | SubscriptionStatus::Active
            | SubscriptionStatus::Paused => self.ends_at().is_some_and(|ends_at| ends_at <= now),
        }
    }

    /// When what it says ends by itself.
    fn ends_at(&self) -> Option<Timestamp> {
        match self.state.status {
            SubscriptionStatus::Trialing => {
                let (trial, end) = (self.state.trial_ends_at, self.state.ends_at);
                [trial, end].into_iter().flatten().min()
            }
            SubscriptionStatus::Active | SubscriptionStatus::Paused => self.state.ends_at,
            SubscriptionStatus::Cancelled => None,
        }
    }
}
