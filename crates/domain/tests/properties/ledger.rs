//! A wallet in memory with all of its entries.

use std::collections::BTreeSet;

use purse_domain::{
    Amount, Balances, Decision, Entry, Grant, SignedAmount, SpendRecord, Timestamp, Verdict,
    WalletState, decide,
    draft::Draft,
    settle::{settle, settled},
};

use crate::program::{Action, START, request, settings, transaction};

/// A wallet whose state holds all of its grants, open and ended, all its transactions, and its whole ledger.
#[derive(Debug, Clone)]
pub struct Ledger {
    /// The wallet as the next command finds it.
    pub state: WalletState,
    /// All entries.
    pub entries: Vec<Entry>,
    writes: u32,
}

impl Ledger {
    /// A wallet that was just opened.
    pub fn opened() -> Self {
        Self { state: WalletState::opened(settings()), entries: Vec::new(), writes: 0 }
    }

    /// Decides an action and, if it is accepted, writes it.
    pub fn run(&mut self, action: &Action, clock: Timestamp) -> Verdict {
        let verdict = decide(Some(&self.state), &request(action, clock), clock);
        if let Verdict::Accepted(decision) = &verdict {
            self.write(decision);
        }
        verdict
    }

    fn write(&mut self, decision: &Decision) {
        self.state.apply(decision);
        self.entries.extend_from_slice(&decision.entries);
        self.writes += 1;
        let spend = SpendRecord::of(decision.own_entries());
        self.state.spends.insert(transaction(self.writes), spend);
    }

    /// Does what a sweeper does: books what is due by `at`.
    pub fn sweep(&mut self, at: Timestamp) {
        let mut draft = Draft::new(&self.state, at);
        settle(&mut draft).expect("all grants are held");
        let Draft { head, entries, .. } = draft;
        self.entries.extend(entries);
        self.state = settled(&self.state, at).expect("all grants are held");
        assert_eq!(self.state.head.balances, head.balances);
        assert_eq!(self.state.head.next_due_at, head.next_due_at);
    }

    /// The grants by number.
    pub fn grants(&self) -> Vec<&Grant> {
        let mut grants: Vec<&Grant> = self.state.grants.values().collect();
        grants.sort_by_key(|grant| grant.number);
        grants
    }

    /// Each instant at which something begins or ends, and a microsecond on either side.
    pub fn boundaries(&self) -> BTreeSet<Timestamp> {
        let windows = self.state.grants.values().map(|grant| grant.terms.window);
        windows
            .flat_map(|window| [Some(window.effective_at()), window.expires_at()])
            .flatten()
            .chain(self.entries.iter().flat_map(|entry| [entry.effective_at, entry.recorded_at]))
            .chain([START])
            .flat_map(|at| [-1, 0, 1].map(|micros| at.plus_micros(micros)))
            .collect()
    }

    /// What the entries say today about an instant that is not after the last one: the sum of what those that
    /// count by then did.
    pub fn past(&self, at: Timestamp) -> Totals {
        let mut before = Totals::of(&Balances::ZERO);
        let mut sum = Totals::of(&Balances::ZERO);
        for entry in &self.entries {
            let after = Totals::of(&entry.after);
            if entry.effective_at <= at {
                sum = sum.plus(&after).minus(&before);
            }
            before = after;
        }
        sum
    }
}

/// Balances that arithmetic may have driven below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// In effective grants.
    pub available: SignedAmount,
    /// Not effective yet.
    pub scheduled: SignedAmount,
    /// In holds.
    pub held: SignedAmount,
    /// Owed.
    pub debt: SignedAmount,
}

impl Totals {
    /// Of a wallet's balances.
    pub fn of(balances: &Balances) -> Self {
        let Balances { available, held, debt, scheduled } = *balances;
        let [available, held, debt, scheduled] =
            [available, held, debt, scheduled].map(Amount::signed);
        Self { available, scheduled, held, debt }
    }

    fn plus(&self, other: &Self) -> Self {
        Self {
            available: self.available + other.available,
            scheduled: self.scheduled + other.scheduled,
            held: self.held + other.held,
            debt: self.debt + other.debt,
        }
    }

    fn minus(&self, other: &Self) -> Self {
        Self {
            available: self.available - other.available,
            scheduled: self.scheduled - other.scheduled,
            held: self.held - other.held,
            debt: self.debt - other.debt,
        }
    }
}
