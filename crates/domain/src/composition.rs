//! Composition: what a balance is made of, at any instant.
//!
//! A balance is a sum twice over: of what each grant and each debt has in it, and of what each kind of entry did
//! to it. Both are taken from the same entries, those that count by the instant, moved by the very function that
//! appended them; so they cannot differ.

use std::{collections::BTreeMap, ops::Add, sync::Arc};

use thiserror::Error;

use crate::{
    Allocation, Amount, Balances, DrawdownKey, Entry, EntryKind, Fold, FoldError, GrantNumber,
    GrantTerms, HoldNumber, Missing, OperationName, Sequence, SignedAmount, Timestamp,
    WalletSettings, Window, settle::due,
};

/// What a wallet's balances at an instant are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composition {
    /// The balances.
    pub balances: Balances,
    /// What late usage had drawn by then of credits that were held or spent at the time and came back later. It is
    /// missing in the shares of those grants, and shown as debt (see [`Balances::of_sums`]).
    pub shortfall: SignedAmount,
    /// What each grant has in it, in drawdown order; those with nothing are not listed.
    pub grants: Vec<GrantShare>,
    /// What each debt has in it, oldest first; settled ones are not listed.
    pub debts: Vec<DebtShare>,
    /// What each kind of entry did, in the order in which they first came.
    pub kinds: Vec<KindShare>,
}

/// What a grant has in a balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantShare {
    /// The grant.
    pub number: GrantNumber,
    /// Its terms.
    pub terms: Arc<GrantTerms>,
    /// When it can be spent, by what is known now.
    pub window: Window,
    /// Its figures.
    pub figures: Figures,
}

/// What a debt has in a balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebtShare {
    /// The entry that made it.
    pub entry: Sequence,
    /// What that was for.
    pub operation: Option<OperationName>,
    /// What was owed of it.
    pub owed: SignedAmount,
}

/// What all entries of a kind did to a balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindShare {
    /// The kind.
    pub kind: EntryKind,
    /// How many there were.
    pub entries: u64,
    /// What they did together.
    pub figures: Figures,
}

/// A part of the balances of a wallet. Each figure may be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Of what is available.
    pub available: SignedAmount,
    /// Of what is held.
    pub held: SignedAmount,
    /// Of what is owed.
    pub debt: SignedAmount,
    /// Of what is scheduled.
    pub scheduled: SignedAmount,
}

impl Figures {
    /// Nothing.
    pub const ZERO: Self = Self {
        available: SignedAmount::ZERO,
        held: SignedAmount::ZERO,
        debt: SignedAmount::ZERO,
        scheduled: SignedAmount::ZERO,
    };

    /// Available minus debt.
    pub fn balance(&self) -> SignedAmount {
        self.available - self.debt
    }

    /// What a change does to balances of nothing.
    fn of(change: impl FnOnce(&mut Balances)) -> Self {
        let mut balances = Balances::ZERO;
        change(&mut balances);
        let Balances { available, held, debt, scheduled } = balances;
        let [available, held, debt, scheduled] =
            [available, held, debt, scheduled].map(Amount::signed);
        Self { available, held, debt, scheduled }
    }
}

impl Add for Figures {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            available: self.available + other.available,
            held: self.held + other.held,
            debt: self.debt + other.debt,
            scheduled: self.scheduled + other.scheduled,
        }
    }
}

/// Why there is no composition.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ComposeError {
    /// The entries are no ledger.
    #[error(transparent)]
    NoLedger(#[from] FoldError),
    /// A fold lacks nothing, so this is a defect.
    #[error("a wallet that was folded lacks {0:?}")]
    Lacking(Missing),
    /// The entries sum to what no wallet has.
    #[error("the entries that count at {at} sum to no balances")]
    NoBalances {
        /// The instant.
        at: Timestamp,
    },
}

/// A ledger that is read from its first entry on, and what it makes of a balance.
#[derive(Debug)]
pub struct Composer {
    at: Timestamp,
    fold: Fold,
    settings: Arc<WalletSettings>,
    grants: BTreeMap<GrantNumber, Figures>,
    debts: BTreeMap<Sequence, Figures>,
    kinds: Vec<KindShare>,
}

impl Composer {
    /// Before the first entry; the balance is the one at `at`.
    pub fn new(settings: Arc<WalletSettings>, at: Timestamp) -> Self {
        let fold = Fold::opened(Arc::clone(&settings));
        let (grants, debts) = (BTreeMap::new(), BTreeMap::new());
        Self { at, fold, settings, grants, debts, kinds: Vec::new() }
    }

    /// Books the next entry of the ledger, as [`Fold::book`]. It counts if that is by the instant.
    pub fn book(
        &mut self,
        entry: &Entry,
        operation: Option<&OperationName>,
        terms: &BTreeMap<GrantNumber, Arc<GrantTerms>>,
    ) -> Result<(), FoldError> {
        let activated: Vec<Option<bool>> = entry
            .allocations
            .iter()
            .map(|part| self.fold.grants().get(&part.grant).map(|grant| grant.activated))
            .collect();
        self.fold.book(entry, operation, terms)?;
        if entry.effective_at > self.at {
            return Ok(());
        }
        let mut sum = Figures::ZERO;
        for (Allocation { grant: number, amount }, activated) in
            entry.allocations.iter().zip(activated)
        {
            let Some(grant) = self.fold.grants().get(number) else { continue };
            // One that the entry made is as it was made.
            let activated = activated.unwrap_or(grant.activated);
            let moved = Figures::of(|balances| balances.book(entry.kind, *amount, activated));
            add(&mut self.grants, *number, moved);
            sum = sum + moved;
        }
        for part in &entry.debts {
            let moved = Figures::of(|balances| balances.book_debt(entry.kind, part.amount));
            add(&mut self.debts, part.entry, moved);
            sum = sum + moved;
        }
        match self.kinds.iter_mut().find(|share| share.kind == entry.kind) {
            Some(share) => {
                share.entries += 1;
                share.figures = share.figures + sum;
            }
            None => self.kinds.push(KindShare { kind: entry.kind, entries: 1, figures: sum }),
        }
        Ok(())
    }

    /// The composition, once all entries are booked. What time alone does from the last one on counts too;
    /// `deadline` is that of each open hold.
    pub fn compose(
        mut self,
        deadline: impl Fn(HoldNumber) -> Timestamp,
    ) -> Result<Composition, ComposeError> {
        let state = self.fold.clone().into_state(deadline);
        for entry in due(&state, self.at).map_err(ComposeError::Lacking)? {
            self.book(&entry, None, &BTreeMap::new())?;
        }
        let Self { at, fold, settings, grants, debts, kinds } = self;
        let sum = kinds.iter().fold(Figures::ZERO, |sum, share| sum + share.figures);
        let Figures { available, held, debt, scheduled } = sum;
        let [available, held, debt, scheduled] =
            [available, held, debt, scheduled].map(SignedAmount::decimal);
        let balances = Balances::of_sums(available, held, debt, scheduled);
        let balances = balances.ok_or(ComposeError::NoBalances { at })?;

        let share = |(number, figures): (GrantNumber, Figures)| {
            let grant = fold.grants().get(&number)?;
            let key = DrawdownKey::of(settings.drawdown_policy, grant);
            let (terms, window) = (Arc::clone(&grant.terms), grant.window);
            Some((key, GrantShare { number, terms, window, figures }))
        };
        let something = |figures: &Figures| *figures != Figures::ZERO;
        let grants = grants.into_iter().filter(|(_, figures)| something(figures));
        let grants: BTreeMap<DrawdownKey, GrantShare> = grants.filter_map(share).collect();
        let owed = |(entry, figures): (Sequence, Figures)| DebtShare {
            entry,
            operation: fold.debts().get(&entry).and_then(|debt| debt.operation.clone()),
            owed: figures.debt,
        };
        let debts = debts.into_iter().filter(|(_, figures)| something(figures));
        Ok(Composition {
            balances,
            shortfall: balances.debt.signed() - sum.debt,
            grants: grants.into_values().collect(),
            debts: debts.map(owed).collect(),
            kinds,
        })
    }
}

fn add<K: Ord>(shares: &mut BTreeMap<K, Figures>, key: K, moved: Figures) {
    let share = shares.entry(key).or_insert(Figures::ZERO);
    *share = *share + moved;
}
