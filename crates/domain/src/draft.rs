//! The draft of a decision: a wallet's state with the entries so far on top of it.
//!
//! The state itself is never changed, so a rejection leaves no trace. [`Draft::book`] is the one way to
//! append an entry: it numbers it, moves the amounts in grants and balances, and keeps invariants 1 to 3.
//! [`Draft::end_step`] and [`Draft::announce`] are the only ways to append an event.

use std::collections::BTreeMap;

use crate::{
    Allocation, Amount, Coverage, Debt, DebtMove, DebtPart, DrawdownKey, Entry, EntryKind, Event,
    ExpiryChange, FundingRef, Grant, GrantNumber, GrantTerms, Head, Hold, HoldNumber, LeadTimes,
    Movement, Occurrence, OperationName, Period, Sequence, Timestamp, TopUps, ToppedStep,
    WalletState,
};

/// A state and what a command has changed of it so far.
#[derive(Debug)]
pub struct Draft<'a> {
    state: &'a WalletState,
    /// The one instant at which the command is decided.
    pub now: Timestamp,
    /// The head after the entries so far.
    pub head: Head,
    /// The entries so far.
    pub entries: Vec<Entry>,
    /// The grants that they changed, as they are now.
    pub changed: BTreeMap<DrawdownKey, Grant>,
    /// The places that grants have left for others.
    pub vacated: Vec<DrawdownKey>,
    /// The debts that they made or changed, as they are now; those that are repaid included.
    pub changed_debts: BTreeMap<Sequence, Debt>,
    /// The holds that are new or changed, as they are now.
    pub changed_holds: BTreeMap<HoldNumber, Hold>,
    /// The grants that they made.
    pub new_grants: Vec<GrantNumber>,
    /// The events so far.
    pub events: Vec<Event>,
    /// The number of entries whose step has ended.
    noted: usize,
    /// The number of new grants whose step has ended.
    noted_grants: usize,
}

/// An entry to append. Each allocation names a grant by its place; grants and debts must be there.
#[derive(Debug)]
pub struct Booking<'a> {
    /// What it does.
    pub kind: EntryKind,
    /// The instant at which it counts.
    pub effective_at: Timestamp,
    /// How much of which grant.
    pub allocations: &'a [(DrawdownKey, Allocation)],
    /// How much of which debt.
    pub debts: Vec<DebtPart>,
    /// The hold that it is about.
    pub hold: Option<HoldNumber>,
    /// The entry that it undoes, or whose credits it ends because they came back too late.
    pub about: Option<Sequence>,
    /// The change of its grants' expiry.
    pub expiry: Option<ExpiryChange>,
}

impl<'a> Booking<'a> {
    /// An entry about grants alone.
    pub fn of(
        kind: EntryKind,
        effective_at: Timestamp,
        allocations: &'a [(DrawdownKey, Allocation)],
    ) -> Self {
        let debts = Vec::new();
        Self { kind, effective_at, allocations, debts, hold: None, about: None, expiry: None }
    }
}

impl<'a> Draft<'a> {
    /// Starts from a state at `clock`, or at the wallet's last transaction if the clock is behind it.
    pub fn new(state: &'a WalletState, clock: Timestamp) -> Self {
        let now = clock.max(state.head.recorded_at);
        let head = Head { recorded_at: now, revision: state.head.revision + 1, ..state.head };
        Self {
            state,
            now,
            head,
            entries: Vec::new(),
            changed: BTreeMap::new(),
            vacated: Vec::new(),
            changed_debts: BTreeMap::new(),
            changed_holds: BTreeMap::new(),
            new_grants: Vec::new(),
            events: Vec::new(),
            noted: 0,
            noted_grants: 0,
        }
    }

    /// The wallet before the command.
    pub fn state(&self) -> &'a WalletState {
        self.state
    }

    /// Which open grants are held.
    pub fn coverage(&self) -> Coverage {
        self.state.coverage
    }

    /// The grants as they are now: in drawdown order, then those that this command made or moved.
    pub fn grants(&self) -> impl Iterator<Item = (DrawdownKey, &Grant)> {
        self.state
            .grants
            .iter()
            .filter(|(key, _)| !self.vacated.contains(key))
            .map(|(key, grant)| (*key, self.changed.get(key).unwrap_or(grant)))
            .chain(
                self.changed
                    .iter()
                    .filter(|(key, _)| !self.state.grants.contains_key(*key))
                    .map(|(key, grant)| (*key, grant)),
            )
    }

    /// The grant at a place, if it is held.
    pub fn held(&self, key: &DrawdownKey) -> Option<&Grant> {
        let before = || self.state.grants.get(key).filter(|_| !self.vacated.contains(key));
        self.changed.get(key).or_else(before)
    }

    /// The grant of a number, if it is held.
    pub fn grant(&self, number: GrantNumber) -> Option<(DrawdownKey, &Grant)> {
        self.grants().find(|(_, grant)| grant.number == number)
    }

    /// The holds as they are now.
    pub fn holds(&self) -> impl Iterator<Item = &Hold> {
        let before = self.state.holds.iter();
        before.map(|(number, hold)| self.changed_holds.get(number).unwrap_or(hold)).chain(
            self.changed_holds
                .iter()
                .filter(|(number, _)| !self.state.holds.contains_key(*number))
                .map(|(_, hold)| hold),
        )
    }

    /// A hold, if it is here.
    pub fn held_hold(&self, number: HoldNumber) -> Option<&Hold> {
        self.changed_holds.get(&number).or_else(|| self.state.holds.get(&number))
    }

    /// Time alone may change something at this instant too.
    pub fn becomes_due(&mut self, at: Option<Timestamp>) {
        self.head.next_due_at = earliest(self.head.next_due_at, at);
    }

    /// How long before they expire grants are announced.
    pub fn leads(&self) -> &'a LeadTimes {
        &self.state.settings.expiring_soon_leads
    }

    /// The next instant at which time alone does something with a grant.
    pub fn due_at(&self, grant: &Grant) -> Option<Timestamp> {
        grant.due_at(self.leads(), self.now)
    }

    /// The debts as they are now, oldest first; `None`: those of the state are not held.
    pub fn debts(&self) -> Option<Vec<&Debt>> {
        if !self.state.has_all_debts {
            return None;
        }
        let before = self.state.debts.iter();
        let mut debts: BTreeMap<Sequence, &Debt> = before.map(|(at, debt)| (*at, debt)).collect();
        debts.extend(self.changed_debts.iter().map(|(at, debt)| (*at, debt)));
        Some(debts.into_values().collect())
    }

    /// The debt of an entry, if it is held.
    pub fn debt(&self, entry: Sequence) -> Option<&Debt> {
        self.changed_debts.get(&entry).or_else(|| self.state.debts.get(&entry))
    }

    /// What may still be spent without a grant.
    pub fn overdraft_left(&self) -> Amount {
        let (limit, debt) = (self.state.settings.overdraft_limit, self.head.balances.debt);
        if debt < limit { limit - debt } else { Amount::ZERO }
    }

    /// Adds a new grant and books it. It counts from `effective_at` if that is past: late usage of that time
    /// may draw it, and a spend must not count before the grant that it draws.
    pub fn add_grant(&mut self, terms: GrantTerms) -> DrawdownKey {
        let counts_from = terms.granted_window.effective_at().min(self.now);
        self.make_grant(EntryKind::Granted, counts_from, terms)
    }

    /// Adds a grant that another wallet sent. It counts from now, whenever its window began.
    pub fn receive_grant(&mut self, terms: GrantTerms) -> DrawdownKey {
        self.make_grant(EntryKind::TransferredIn, self.now, terms)
    }

    fn make_grant(
        &mut self,
        kind: EntryKind,
        counts_from: Timestamp,
        terms: GrantTerms,
    ) -> DrawdownKey {
        let grant = Grant::made(self.head.last_grant_number.next(), terms, self.now);
        let key = DrawdownKey::of(self.state.settings.drawdown_policy, &grant);
        let allocation = Allocation { grant: grant.number, amount: grant.parts.available };
        self.head.last_grant_number = grant.number;
        self.new_grants.push(grant.number);
        self.becomes_due(self.due_at(&grant));
        self.changed.insert(key, grant);
        self.book(kind, counts_from, &[(key, allocation)]);
        key
    }

    /// Moves the end of a grant's window, and with it the grant to another place in the order.
    pub fn change_expiry(&mut self, key: &DrawdownKey, to: Option<Timestamp>) {
        let Some(grant) = self.held(key) else { return };
        let change = ExpiryChange { from: grant.window.expires_at(), to };
        let amount = grant.parts.available + grant.parts.held;
        let allocations = [(*key, Allocation { grant: grant.number, amount })];
        let booking = Booking::of(EntryKind::ExpiryChanged, self.now, &allocations);
        self.append(Booking { expiry: Some(change), ..booking });
        if let Some(grant) = self.changed.remove(key) {
            self.vacated.push(*key);
            self.becomes_due(self.due_at(&grant));
            let place = DrawdownKey::of(self.state.settings.drawdown_policy, &grant);
            self.changed.insert(place, grant);
        }
    }

    /// Appends an entry. Each allocation names a held grant by its place.
    pub fn book(
        &mut self,
        kind: EntryKind,
        effective_at: Timestamp,
        allocations: &[(DrawdownKey, Allocation)],
    ) {
        self.append(Booking::of(kind, effective_at, allocations));
    }

    /// Appends an entry that takes credits and leaves `debt` of what `operation` asked for uncovered.
    pub fn book_on_credit(
        &mut self,
        kind: EntryKind,
        effective_at: Timestamp,
        allocations: &[(DrawdownKey, Allocation)],
        debt: Amount,
        operation: Option<&OperationName>,
    ) {
        self.append_on_credit(Booking::of(kind, effective_at, allocations), debt, operation);
    }

    /// Appends an entry that leaves `debt` of what it takes uncovered, as [`book_on_credit`](Self::book_on_credit).
    pub fn append_on_credit(
        &mut self,
        booking: Booking<'_>,
        debt: Amount,
        operation: Option<&OperationName>,
    ) {
        if debt.is_zero() {
            return self.append(booking);
        }
        let entry = self.head.last_sequence.next();
        self.changed_debts.insert(entry, Debt::made(entry, operation.cloned()));
        let debts = vec![DebtPart { entry, amount: debt }];
        self.append(Booking { debts, ..booking });
    }

    /// Ends a step: all that time did at one instant, or all that the command did, at its instant. What the entries
    /// since the step before have crossed becomes events, and so does asking for more.
    pub fn end_step(&mut self, instant: Timestamp) {
        let movement = Movement::over(&self.entries[self.noted..]);
        self.noted = self.entries.len();
        let Some(Movement { balance, last: (entry, at), takes_back }) = movement else { return };
        let thresholds = &self.state.settings.low_balance_thresholds;
        for occurrence in self.head.lows.cross(thresholds, balance) {
            self.happened(occurrence, at, Some(entry));
        }
        let settings = &self.state.settings;
        let made = &self.new_grants[self.noted_grants..];
        let funded_by = |reference: FundingRef| {
            let made = made.iter().filter_map(|number| self.grant(*number));
            made.into_iter().any(|(_, grant)| grant.terms.funding_ref.as_ref() == Some(&reference))
        };
        let is_answer = |request| funded_by(TopUps::reference(&settings.name.asset, request));
        let mut top_ups = self.head.top_ups;
        let step = ToppedStep { balance, takes_back, at: instant };
        let next = self.head.last_event.next();
        let asked = top_ups.after_step(settings.asking_rule(), step, next, is_answer);
        self.head.top_ups = top_ups;
        self.noted_grants = self.new_grants.len();
        if let Some(occurrence) = asked {
            self.happened(occurrence, instant, Some(entry));
        }
    }

    /// Announces that what a grant has available expires soon, unless that is nothing by now.
    pub fn announce(&mut self, key: &DrawdownKey, lead: Period, at: Timestamp) {
        let Some(grant) = self.held(key).cloned() else { return };
        let Some(soon) = Occurrence::expiring_soon(&grant, lead) else { return };
        // It is due at another instant now.
        self.changed.insert(*key, grant);
        self.happened(soon, at, None);
    }

    fn happened(&mut self, occurrence: Occurrence, at: Timestamp, entry: Option<Sequence>) {
        self.head.last_event = self.head.last_event.next();
        self.events.push(Event {
            sequence: self.head.last_event,
            occurrence,
            effective_at: at,
            recorded_at: self.now,
            entry,
        });
    }

    /// Appends an entry.
    pub fn append(&mut self, booking: Booking<'_>) {
        let Booking { kind, effective_at, allocations, debts, hold, about, expiry } = booking;
        let balance_before = self.head.balances.balance();
        for (key, allocation) in allocations {
            let Some(mut grant) =
                self.changed.remove(key).or_else(|| self.state.grants.get(key).cloned())
            else {
                debug_assert!(false, "grant {} is not held", allocation.grant);
                continue;
            };
            let when = (effective_at, hold.is_some() || about.is_some());
            kind.book(allocation.amount, when, &mut grant, &mut self.head.balances);
            let can_end_then = expiry.is_none_or(|change| grant.change_expiry(change));
            debug_assert!(can_end_then, "{expiry:?}: {grant:?}");
            debug_assert!(!grant.parts.is_overdrawn(), "{kind:?} of {allocation:?}: {grant:?}");
            self.changed.insert(*key, grant);
        }
        for (index, part) in debts.iter().enumerate() {
            let Some(mut debt) = self
                .changed_debts
                .remove(&part.entry)
                .or_else(|| self.state.debts.get(&part.entry).cloned())
            else {
                debug_assert!(false, "the debt of entry {:?} is not held", part.entry);
                continue;
            };
            let repaying = allocations.get(index).map(|(_, repaying)| *repaying);
            kind.book_debt(part.amount, repaying, &mut debt, &mut self.head.balances);
            self.changed_debts.insert(part.entry, debt);
        }
        let allocated: Vec<Allocation> =
            allocations.iter().map(|(_, allocation)| *allocation).collect();
        if let Some(undone) = about
            && let Some(mut debt) = self.debt(undone).cloned()
            && debt.undo(kind, &allocated)
        {
            self.changed_debts.insert(undone, debt);
        }
        if let Some(number) = hold
            && let Some(mut held) = self.held_hold(number).cloned()
        {
            held.book(kind, &allocated);
            self.changed_holds.insert(number, held);
        }
        self.head.last_sequence = self.head.last_sequence.next();
        let moved = allocated.iter().map(|allocation| allocation.amount);
        let counts = kind.debt_move() != DebtMove::Repays;
        let owed = debts.iter().filter(|_| counts).map(|part| part.amount);
        self.entries.push(Entry {
            sequence: self.head.last_sequence,
            kind,
            amount: moved.chain(owed).sum(),
            balance_before,
            after: self.head.balances,
            effective_at,
            recorded_at: self.now,
            allocations: allocated,
            debts,
            hold,
            about,
            expiry,
        });
    }
}

/// The earlier of two instants, either of which may be never.
pub fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.into_iter().chain(b).min()
}
