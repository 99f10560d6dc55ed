//! Fold: a wallet's state from its entries alone, and the terms of the grants that they name.
//!
//! A wallet is the fold of its ledger, and here that is done. What a kind of entry moves is not said here:
//! each entry is booked by the very function that appended it, so a new kind needs nothing in this file.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use thiserror::Error;

use crate::{
    Allocation, AssetCode, Balances, Counts, Coverage, Debt, DrawdownKey, Entry, Grant,
    GrantNumber, GrantTerms, Head, Hold, HoldNumber, OperationName, Sequence, Timestamp,
    WalletSettings, WalletState,
};

/// A ledger as far as it was read.
#[derive(Debug, Clone)]
pub struct Fold {
    settings: Arc<WalletSettings>,
    head: Head,
    grants: BTreeMap<GrantNumber, Grant>,
    debts: BTreeMap<Sequence, Debt>,
    holds: BTreeMap<HoldNumber, Hold>,
}

/// Why entries are no ledger.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FoldError {
    /// The sequence has a gap (invariant 2).
    #[error("entry {sequence} follows entry {last}")]
    OutOfSequence {
        /// The entry.
        sequence: Sequence,
        /// The one before it.
        last: Sequence,
    },
    /// An entry names a grant whose terms are not known.
    #[error("entry {sequence} names grant {grant}, which has no terms")]
    UnknownGrant {
        /// The entry.
        sequence: Sequence,
        /// The grant.
        grant: GrantNumber,
    },
    /// An entry does not begin with the balance that the one before it left (invariant 2).
    #[error("entry {sequence} begins with another balance than the entry before it left")]
    OtherBalanceBefore {
        /// The entry.
        sequence: Sequence,
    },
    /// What an entry moves does not lead to the balances that it has (invariant 2).
    #[error("entry {sequence} has other balances than the entries up to it make: {folded:?}")]
    OtherBalances {
        /// The entry.
        sequence: Sequence,
        /// What the entries up to it make.
        folded: Box<Balances>,
    },
    /// An entry's allocations and debt do not sum to its amount (invariant 3).
    #[error("entry {sequence} has allocations and debt that do not sum to its amount")]
    OtherSum {
        /// The entry.
        sequence: Sequence,
    },
    /// An entry takes more from a grant than it has (invariant 1).
    #[error("entry {sequence} takes more from grant {grant} than there is")]
    TakesTooMuch {
        /// The entry.
        sequence: Sequence,
        /// The grant.
        grant: GrantNumber,
    },
    /// An entry changes the expiry of a grant that ends otherwise, or has something else left.
    #[error("entry {sequence} changes an expiry of grant {grant} that it does not have")]
    OtherExpiry {
        /// The entry.
        sequence: Sequence,
        /// The grant.
        grant: GrantNumber,
    },
    /// An entry has another hash than its content and the entry before it make: it was changed.
    #[error("entry {sequence} was changed: it has another hash than its content makes")]
    OtherHash {
        /// The entry.
        sequence: Sequence,
    },
    /// An entry is dated after it was recorded, or was recorded before the one before it.
    #[error("entry {sequence} is out of time")]
    OutOfTime {
        /// The entry.
        sequence: Sequence,
    },
}

impl FoldError {
    /// The first entry that is wrong.
    pub fn entry(&self) -> Sequence {
        match self {
            Self::OutOfSequence { sequence, .. }
            | Self::UnknownGrant { sequence, .. }
            | Self::OtherBalanceBefore { sequence }
            | Self::OtherBalances { sequence, .. }
            | Self::OtherSum { sequence }
            | Self::TakesTooMuch { sequence, .. }
            | Self::OtherExpiry { sequence, .. }
            | Self::OtherHash { sequence }
            | Self::OutOfTime { sequence } => *sequence,
        }
    }
}

impl Fold {
    /// A wallet without entries.
    pub fn opened(settings: Arc<WalletSettings>) -> Self {
        let WalletState { head, .. } = WalletState::opened(WalletSettings::clone(&settings));
        Self {
            settings,
            head,
            grants: BTreeMap::new(),
            debts: BTreeMap::new(),
            holds: BTreeMap::new(),
        }
    }

    /// Books the next entry, of a transaction that was for `operation`. The first entry that names a grant or
    /// a debt is the one that made it. After an error the fold is of no use.
    pub fn book(
        &mut self,
        entry: &Entry,
        operation: Option<&OperationName>,
        terms: &BTreeMap<GrantNumber, Arc<GrantTerms>>,
    ) -> Result<(), FoldError> {
        let Self { settings: _, head, grants, debts, holds } = self;
        let sequence = entry.sequence;
        if sequence != head.last_sequence.next() {
            return Err(FoldError::OutOfSequence { sequence, last: head.last_sequence });
        }
        if entry.balance_before != head.balances.balance() {
            return Err(FoldError::OtherBalanceBefore { sequence });
        }
        if entry.effective_at > entry.recorded_at || entry.recorded_at < head.recorded_at {
            return Err(FoldError::OutOfTime { sequence });
        }
        if !entry.sums_up() {
            return Err(FoldError::OtherSum { sequence });
        }
        for Allocation { grant: number, amount } in &entry.allocations {
            if !grants.contains_key(number) {
                let unknown = FoldError::UnknownGrant { sequence, grant: *number };
                let terms = Arc::clone(terms.get(number).ok_or(unknown)?);
                grants.insert(*number, Grant::made(*number, terms, entry.recorded_at));
                head.last_grant_number = head.last_grant_number.max(*number);
            }
            if let Some(grant) = grants.get_mut(number) {
                let when = (entry.effective_at, entry.hold.is_some() || entry.about.is_some());
                let left = grant.parts.available + grant.parts.held;
                entry.kind.book(*amount, when, grant, &mut head.balances);
                if let Some(change) = entry.expiry
                    && !(grant.change_expiry(change) && *amount == left)
                {
                    return Err(FoldError::OtherExpiry { sequence, grant: *number });
                }
                if grant.parts.is_overdrawn() {
                    return Err(FoldError::TakesTooMuch { sequence, grant: *number });
                }
            }
        }
        for (index, part) in entry.debts.iter().enumerate() {
            let debt = debts
                .entry(part.entry)
                .or_insert_with(|| Debt::made(part.entry, operation.cloned()));
            let repaying = entry.allocations.get(index).copied();
            entry.kind.book_debt(part.amount, repaying, debt, &mut head.balances);
        }
        if let Some(debt) = entry.about.and_then(|undone| debts.get_mut(&undone)) {
            debt.undo(entry.kind, &entry.allocations);
        }
        if let Some(number) = entry.hold {
            head.last_hold_number = head.last_hold_number.max(number);
            holds
                .entry(number)
                .or_insert_with(|| {
                    Hold::made(number, operation.cloned(), entry.recorded_at, entry.recorded_at)
                })
                .book(entry.kind, &entry.allocations);
        }
        if entry.after != head.balances {
            let folded = Box::new(head.balances);
            return Err(FoldError::OtherBalances { sequence, folded });
        }
        head.last_sequence = sequence;
        head.recorded_at = entry.recorded_at;
        Ok(())
    }

    /// The grants so far, open and ended, by number.
    pub fn grants(&self) -> &BTreeMap<GrantNumber, Grant> {
        &self.grants
    }

    /// The debts so far, open and settled, by the entries that made them.
    pub fn debts(&self) -> &BTreeMap<Sequence, Debt> {
        &self.debts
    }

    /// What its wallet counts.
    pub fn asset(&self) -> &AssetCode {
        &self.settings.name.asset
    }

    /// The number of the last grant so far.
    pub fn last_grant_number(&self) -> GrantNumber {
        self.head.last_grant_number
    }

    /// Time has passed until then, and has left no entry.
    #[must_use]
    pub fn settled_to(mut self, at: Timestamp) -> Self {
        self.head.recorded_at = self.head.recorded_at.max(at);
        self
    }

    /// The state after the entries so far, with all grants, open and ended. Its revision and, if a transaction
    /// without entries came last, its `recorded_at` are behind, and it knows no events: entries do not tell
    /// them. So it is for reads; nothing may be decided on it. The deadlines of holds are not in the ledger either: `deadline` says those
    /// of the open ones.
    pub fn into_state(self, deadline: impl Fn(HoldNumber) -> Timestamp) -> WalletState {
        let Self { settings, head, grants, mut debts, mut holds } = self;
        for hold in holds.values_mut().filter(|hold| hold.is_open()) {
            hold.expires_at = deadline(hold.number);
        }
        debts.retain(|_, debt| !debt.left.is_zero());
        let open = holds.values().filter(|hold| hold.is_open());
        let deadlines = open.map(|hold| hold.expires_at);
        let due = grants
            .values()
            .filter_map(|grant| grant.due_at(&settings.expiring_soon_leads, head.recorded_at));
        let next_due_at = due.chain(deadlines).min();
        let place = |grant: Grant| (DrawdownKey::of(settings.drawdown_policy, &grant), grant);
        WalletState {
            grants: grants.into_values().map(place).collect(),
            head: Head { next_due_at, ..head },
            holds,
            moved: BTreeSet::new(),
            coverage: Coverage::Complete,
            debts,
            has_all_debts: true,
            spends: BTreeMap::new(),
            counts: Counts::default(),
            fundings: BTreeMap::new(),
            settings,
        }
    }
}
