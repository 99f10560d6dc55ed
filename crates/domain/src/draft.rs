//! The draft of a decision: a wallet's state with the entries so far on top of it.
//!
//! The state itself is never changed, so a rejection leaves no trace. [`Draft::book`] is the one way to
//! append an entry: it numbers it, moves the amounts in grants and balances, and keeps invariants 1 to 3.

use std::collections::BTreeMap;

use crate::{
    Allocation, Amount, Coverage, Debt, DebtMove, DebtPart, DrawdownKey, Entry, EntryKind, Grant,
    GrantNumber, GrantTerms, Head, OperationName, Sequence, Timestamp, WalletState,
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
    /// The debts that they made or changed, as they are now; those that are repaid included.
    pub changed_debts: BTreeMap<Sequence, Debt>,
    /// The grants that they made.
    pub new_grants: Vec<GrantNumber>,
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
            changed_debts: BTreeMap::new(),
            new_grants: Vec::new(),
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

    /// The grants as they are now: in drawdown order, then those that this command made.
    pub fn grants(&self) -> impl Iterator<Item = (DrawdownKey, &Grant)> {
        self.state
            .grants
            .iter()
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
        self.changed.get(key).or_else(|| self.state.grants.get(key))
    }

    /// The grant of a number, if it is held.
    pub fn grant(&self, number: GrantNumber) -> Option<(DrawdownKey, &Grant)> {
        self.grants().find(|(_, grant)| grant.number == number)
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

    /// Takes back so much of what was repaid of an entry's debt, the last first, for the grants that it came
    /// from.
    pub fn take_repaid(&mut self, entry: Sequence, most: Amount) -> Vec<Allocation> {
        let Some(mut debt) = self.debt(entry).cloned() else { return Vec::new() };
        let given = debt.give_back(most);
        if !given.is_empty() {
            self.changed_debts.insert(entry, debt);
        }
        given
    }

    /// What may still be spent without a grant.
    pub fn overdraft_left(&self) -> Amount {
        let (limit, debt) = (self.state.settings.overdraft_limit, self.head.balances.debt);
        if debt < limit { limit - debt } else { Amount::ZERO }
    }

    /// Adds a new grant and books it. It counts from `effective_at` if that is past: late usage of that time
    /// may draw it, and a spend must not count before the grant that it draws.
    pub fn add_grant(&mut self, terms: GrantTerms) -> DrawdownKey {
        let grant = Grant::made(self.head.last_grant_number.next(), terms, self.now);
        let key = DrawdownKey::of(self.state.settings.drawdown_policy, &grant);
        let allocation = Allocation { grant: grant.number, amount: grant.parts.available };
        self.head.last_grant_number = grant.number;
        self.new_grants.push(grant.number);
        self.head.next_due_at = earliest(self.head.next_due_at, grant.due_at());
        let counts_from = grant.terms.window.effective_at().min(self.now);
        self.changed.insert(key, grant);
        self.book(EntryKind::Granted, counts_from, &[(key, allocation)]);
        key
    }

    /// Appends an entry. Each allocation names a held grant by its place.
    pub fn book(
        &mut self,
        kind: EntryKind,
        effective_at: Timestamp,
        allocations: &[(DrawdownKey, Allocation)],
    ) {
        self.book_with_debt(kind, effective_at, allocations, Vec::new());
    }

    /// Appends an entry that undoes another, as of now: credits go back to grants, and debts are forgiven.
    pub fn book_undoing(
        &mut self,
        kind: EntryKind,
        about: Sequence,
        allocations: &[(DrawdownKey, Allocation)],
        debts: Vec<DebtPart>,
    ) {
        self.append(kind, self.now, allocations, debts, Some(about));
        for (key, _) in allocations {
            let now = self.now;
            // What has ended is due at once, and for its command to end again.
            let due_at =
                self.held(key).filter(|grant| !grant.has_ended(now)).and_then(Grant::due_at);
            self.head.next_due_at = earliest(self.head.next_due_at, due_at);
        }
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
        if debt.is_zero() {
            return self.book(kind, effective_at, allocations);
        }
        let entry = self.head.last_sequence.next();
        let operation = operation.cloned();
        let made = Debt { entry, operation, left: Amount::ZERO, repaid: Vec::new() };
        self.changed_debts.insert(entry, made);
        let debts = vec![DebtPart { entry, amount: debt }];
        self.book_with_debt(kind, effective_at, allocations, debts);
    }

    /// Appends an entry that moves debt too. Each debt is held.
    pub fn book_with_debt(
        &mut self,
        kind: EntryKind,
        effective_at: Timestamp,
        allocations: &[(DrawdownKey, Allocation)],
        debts: Vec<DebtPart>,
    ) {
        self.append(kind, effective_at, allocations, debts, None);
    }

    fn append(
        &mut self,
        kind: EntryKind,
        effective_at: Timestamp,
        allocations: &[(DrawdownKey, Allocation)],
        debts: Vec<DebtPart>,
        about: Option<Sequence>,
    ) {
        let balance_before = self.head.balances.balance();
        for (key, allocation) in allocations {
            let Some(mut grant) =
                self.changed.remove(key).or_else(|| self.state.grants.get(key).cloned())
            else {
                debug_assert!(false, "grant {} is not held", allocation.grant);
                continue;
            };
            self.head.balances.book(kind, allocation.amount, grant.activated);
            grant.book(kind, allocation.amount, effective_at);
            self.changed.insert(*key, grant);
        }
        for (index, part) in debts.iter().enumerate() {
            self.head.balances.book_debt(kind, part.amount);
            let Some(mut debt) = self
                .changed_debts
                .remove(&part.entry)
                .or_else(|| self.state.debts.get(&part.entry).cloned())
            else {
                debug_assert!(false, "the debt of entry {:?} is not held", part.entry);
                continue;
            };
            debt.book(kind, part.amount, allocations.get(index).map(|(_, repaying)| *repaying));
            self.changed_debts.insert(part.entry, debt);
        }
        self.head.last_sequence = self.head.last_sequence.next();
        let allocated = allocations.iter().map(|(_, allocation)| allocation.amount);
        let counts = kind.debt_move() != DebtMove::Repays;
        let debt = debts.iter().filter(|_| counts).map(|part| part.amount);
        self.entries.push(Entry {
            sequence: self.head.last_sequence,
            kind,
            amount: allocated.chain(debt).sum(),
            balance_before,
            after: self.head.balances,
            effective_at,
            recorded_at: self.now,
            allocations: allocations.iter().map(|(_, allocation)| *allocation).collect(),
            debts,
            about,
        });
    }
}

/// The earlier of two instants, either of which may be never.
pub fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.into_iter().chain(b).min()
}
