//! Recount: the events of a ledger once more, from its entries and from the settings of their time.
//!
//! Events are made while a command is decided. Here the same rules walk the ledger afterwards, so that verifying
//! can compare. Only when an announcement was written is not in the entries.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, VecDeque},
};

use crate::{
    Entry, Event, EventSequence, ExpiryChange, Fold, Grant, GrantNumber, LeadTimes, Lows, Movement,
    Occurrence, Period, Sequence, Thresholds, Timestamp, TopUpRule, TopUps, ToppedStep,
    TransactionId, WalletSettings,
};

/// What a wallet wanted to be told of from a transaction on.
#[derive(Debug, Clone)]
pub struct NoticesFrom {
    /// The wallet's last entry after the transaction.
    pub after: Sequence,
    /// When it was recorded.
    pub at: Timestamp,
    /// The amounts below which the balance was low.
    pub low_balance_thresholds: Thresholds,
    /// How long before a grant expired it was announced.
    pub expiring_soon_leads: LeadTimes,
    /// When it asked for more credits.
    pub top_up: Option<TopUpRule>,
    /// Whether it did ask: a frozen wallet does not.
    pub asks: bool,
    /// What it had asked for was declined.
    pub declines: bool,
}

impl NoticesFrom {
    /// From a transaction on that left these settings; `declines` says that it declined a top-up.
    pub fn of(settings: &WalletSettings, after: Sequence, at: Timestamp, declines: bool) -> Self {
        Self {
            after,
            at,
            low_balance_thresholds: settings.low_balance_thresholds.clone(),
            expiring_soon_leads: settings.expiring_soon_leads.clone(),
            top_up: settings.top_up,
            asks: settings.asking_rule().is_some(),
            declines,
        }
    }
}

/// A ledger's events as far as it was read.
#[derive(Debug)]
pub struct Recount {
    /// Entries up to this one are from before there were events.
    since: Sequence,
    thresholds: Thresholds,
    leads: LeadTimes,
    /// Later settings, in order.
    later: VecDeque<NoticesFrom>,
    lows: Lows,
    /// The rule by which it asks.
    asking_rule: Option<TopUpRule>,
    top_ups: TopUps,
    last: EventSequence,
    step: Option<Step>,
    /// What is to be announced, in order.
    pending: BTreeSet<(Timestamp, GrantNumber, Reverse<Period>)>,
    events: Vec<Event>,
}

/// The entries of a step so far.
#[derive(Debug, Clone, Copy)]
struct Step {
    owner: Option<TransactionId>,
    at: Timestamp,
    recorded_at: Timestamp,
    movement: Movement,
    /// The last grant before it.
    grants_before: GrantNumber,
    /// The grant whose end it changes.
    expiry: Option<(GrantNumber, ExpiryChange)>,
}

impl Recount {
    /// Of a wallet whose events begin after entry `since`, and its settings from its opening on, in order.
    pub fn new(since: Sequence, settings: Vec<NoticesFrom>) -> Self {
        Self {
            since,
            thresholds: Thresholds::default(),
            leads: LeadTimes::default(),
            later: settings.into(),
            lows: Lows::NONE,
            asking_rule: None,
            top_ups: TopUps::NONE,
            last: EventSequence(0),
            step: None,
            pending: BTreeSet::new(),
            events: Vec::new(),
        }
    }

    /// Takes the next entry, before `fold` does; `owner` is none of what time alone did.
    pub fn add(&mut self, fold: &Fold, entry: &Entry, owner: Option<TransactionId>) {
        let at = entry.effective_at;
        if let Some(step) = self.step.as_mut()
            && step.owner == owner
            && (owner.is_some() || step.at == at)
        {
            step.movement.add(entry);
            return;
        }
        self.end_step(fold);
        self.change_settings(fold, entry.sequence);
        // What time does at one instant comes before what is announced then.
        let settled_to = if owner.is_some() { entry.recorded_at } else { at.plus_micros(-1) };
        self.announce(fold, settled_to);
        self.step = Some(Step {
            owner,
            at,
            recorded_at: entry.recorded_at,
            movement: Movement::of(entry),
            grants_before: fold.last_grant_number(),
            expiry: entry.allocations.first().map(|part| part.grant).zip(entry.expiry),
        });
    }

    /// Ends at the wallet's last transaction, after the last entry.
    pub fn finish(&mut self, fold: &Fold, until: Timestamp) {
        self.end_step(fold);
        self.change_settings(fold, Sequence(i64::MAX));
        self.announce(fold, until);
    }

    /// The events since this was asked the last time.
    pub fn take(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// The number of the last event.
    pub fn last(&self) -> EventSequence {
        self.last
    }

    /// From where the balance has fallen and not come back to.
    pub fn lows(&self) -> Lows {
        self.lows
    }

    /// What was asked for while the balance was low.
    pub fn top_ups(&self) -> TopUps {
        self.top_ups
    }

    fn end_step(&mut self, fold: &Fold) {
        let Some(step) = self.step.take() else { return };
        let Step { owner, at: instant, recorded_at, movement, grants_before, expiry } = step;
        let (entry, at) = movement.last;
        if entry > self.since {
            for occurrence in self.lows.cross(&self.thresholds, movement.balance) {
                self.happened(occurrence, at, recorded_at, Some(entry));
            }
        }
        let made = || fold.grants().values().filter(|grant| grant.number > grants_before);
        let is_answer = |request| {
            let reference = Some(TopUps::reference(fold.asset(), request));
            made().any(|grant| grant.terms.funding_ref == reference)
        };
        let instant = if owner.is_some() { recorded_at } else { instant };
        let Movement { balance, takes_back, .. } = movement;
        let topped = ToppedStep { balance, takes_back, at: instant };
        let rule = self.asking_rule;
        let asked = self.top_ups.after_step(rule.as_ref(), topped, self.last.next(), is_answer);
        if let Some(occurrence) = asked {
            self.happened(occurrence, instant, recorded_at, Some(entry));
        }
        self.await_grants(made());
        if let Some((number, change)) = expiry
            && let Some(grant) = fold.grants().get(&number)
        {
            self.pending.retain(|(_, pending, _)| *pending != number);
            let ahead = self.leads.announcements(grant).filter(|(at, _)| *at > recorded_at);
            let overtaken = self.leads.overtaken(grant, change, recorded_at);
            let due = ahead.chain(overtaken.map(|lead| (recorded_at, lead)));
            self.pending.extend(due.map(|(at, lead)| (at, number, Reverse(lead))));
        }
        if owner.is_some() {
            self.announce(fold, recorded_at);
        }
    }

    /// Adds what is to be announced of grants.
    fn await_grants<'a>(&mut self, grants: impl Iterator<Item = &'a Grant>) {
        for grant in grants {
            let announcements = self.leads.announcements(grant);
            let pending = announcements.map(|(at, lead)| (at, grant.number, Reverse(lead)));
            self.pending.extend(pending);
        }
    }

    /// Follows the settings that changed before an entry.
    fn change_settings(&mut self, fold: &Fold, next: Sequence) {
        while let Some(change) = self.later.pop_front_if(|change| change.after < next) {
            let NoticesFrom { after: _, at, low_balance_thresholds, expiring_soon_leads, .. } =
                change;
            self.top_ups = self.top_ups.carried(change.top_up.as_ref());
            if change.declines {
                self.top_ups = self.top_ups.answered();
            }
            self.asking_rule = change.top_up.filter(|_| change.asks);
            self.announce(fold, at);
            self.lows = self.lows.carried(&self.thresholds, &low_balance_thresholds);
            self.thresholds = low_balance_thresholds;
            if self.leads != expiring_soon_leads {
                self.leads = expiring_soon_leads;
                self.pending.clear();
                self.await_grants(fold.grants().values());
                self.pending.retain(|(due_at, _, _)| *due_at > at);
            }
        }
    }

    /// Announces what is due by an instant.
    fn announce(&mut self, fold: &Fold, until: Timestamp) {
        while let Some((at, number, Reverse(lead))) = self.pending.first().copied()
            && at <= until
        {
            self.pending.pop_first();
            let soon =
                fold.grants().get(&number).and_then(|grant| Occurrence::expiring_soon(grant, lead));
            if let Some(soon) = soon {
                self.happened(soon, at, at, None);
            }
        }
    }

    fn happened(
        &mut self,
        occurrence: Occurrence,
        effective_at: Timestamp,
        recorded_at: Timestamp,
        entry: Option<Sequence>,
    ) {
        self.last = self.last.next();
        self.events.push(Event {
            sequence: self.last,
            occurrence,
            effective_at,
            recorded_at,
            entry,
        });
    }
}
