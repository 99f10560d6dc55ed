//! A wallet: its settings, the head of its ledger, and the grants that matter for the next command.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use rust_decimal::Decimal;

use crate::{
    Amount, Counts, Debt, DebtMove, Decision, DrawdownKey, DrawdownPolicy, EntryHash, EntryKind,
    EventSequence, FundingRecord, FundingRef, Grant, GrantNumber, Hold, HoldNumber, LeadTimes,
    Lows, Metadata, Scale, Sequence, SignedAmount, SpendLimits, SpendRecord, Thresholds, Timestamp,
    TopUpRule, TopUps, TransactionId, Unknown, WalletName, draft::earliest,
};

/// Most figures that are kept of what a wallet's limits count: those of a few hundred spends.
const MOST_FIGURES: usize = 256;
/// What may happen to a wallet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WalletStatus {
    /// Everything.
    #[default]
    Active,
    /// Nothing that takes credits, but captures of what was set aside before. Credits may come in and come back, and
    /// time goes on.
    Frozen,
    /// Nothing, for ever.
    Closed,
}

/// A wallet's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletSettings {
    /// Its name and ids.
    pub name: WalletName,
    /// The asset's number of decimal places.
    pub scale: Scale,
    /// The order in which its grants are drawn.
    pub drawdown_policy: DrawdownPolicy,
    /// How far its balance may fall below zero by spends.
    pub overdraft_limit: Amount,
    /// The amounts below which its balance is low.
    pub low_balance_thresholds: Thresholds,
    /// How long before a grant expires it is announced.
    pub expiring_soon_leads: LeadTimes,
    /// How much may be spent, by whom, what for, and within which window.
    pub spend_limits: SpendLimits,
    /// When it asks for more credits.
    pub top_up: Option<TopUpRule>,
    /// The caller's own data.
    pub metadata: Metadata,
    /// Whether credits may be taken, or anything happen at all.
    pub status: WalletStatus,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When these settings last changed.
    pub updated_at: Timestamp,
    /// 1, 2, 3, … with each change of these settings.
    pub version: i64,
}

impl WalletSettings {
    /// When the wallet asks for more; `None`: not at all, or not as it is.
    pub fn asking_rule(&self) -> Option<&TopUpRule> {
        self.top_up.as_ref().filter(|_| self.status == WalletStatus::Active)
    }
}

/// The balances of a wallet at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balances {
    /// In effective, unexpired grants, not held.
    pub available: Amount,
    /// Set aside by open holds.
    pub held: Amount,
    /// The part of spends that no grant covered.
    pub debt: Amount,
    /// Granted, not effective yet.
    pub scheduled: Amount,
}

impl Balances {
    /// An empty wallet.
    pub const ZERO: Self = Self {
        available: Amount::ZERO,
        held: Amount::ZERO,
        debt: Amount::ZERO,
        scheduled: Amount::ZERO,
    };

    /// From sums over the ledger up to a past instant. Late usage may draw what was set aside or spent when it
    /// happened and has come back since, so that by then more was used than was there: that part is shown as
    /// debt, and the balance is right. `None` for sums that no ledger has.
    pub fn of_sums(
        available: Decimal,
        held: Decimal,
        debt: Decimal,
        scheduled: Decimal,
    ) -> Option<Self> {
        let short = (-available).max(Decimal::ZERO);
        Some(Self {
            available: Amount::from_stored(available + short)?,
            held: Amount::from_stored(held)?,
            debt: Amount::from_stored(debt + short)?,
            scheduled: Amount::from_stored(scheduled)?,
        })
    }

    /// Available minus debt: what entries show before and after.
    pub fn balance(&self) -> SignedAmount {
        self.available.signed() - self.debt.signed()
    }

    /// Everything that the wallet's grants still hold.
    pub fn held_in_all(&self) -> Amount {
        self.available + self.held + self.scheduled
    }

    /// Moves an entry's share of a grant between the balances. `activated` is the grant's before the
    /// entry. What each kind moves is decided here and nowhere else.
    pub fn book(&mut self, kind: EntryKind, amount: Amount, activated: bool) {
        let part = if activated { &mut self.available } else { &mut self.scheduled };
        match kind {
            EntryKind::Granted
            | EntryKind::ExpiryReversed
            | EntryKind::Reversed
            | EntryKind::RevocationReversed
            | EntryKind::TransferredIn => {
                *part = *part + amount;
            }
            EntryKind::Expired
            | EntryKind::Spent
            | EntryKind::Voided
            | EntryKind::Repaid
            | EntryKind::Revoked
            | EntryKind::TransferredOut => {
                *part = *part - amount;
            }
            EntryKind::Held => {
                self.available = self.available - amount;
                self.held = self.held + amount;
            }
            EntryKind::ExpiryChanged => {}
            EntryKind::Captured => self.held = self.held - amount,
            EntryKind::Released | EntryKind::HoldExpired => {
                self.held = self.held - amount;
                self.available = self.available + amount;
            }
            EntryKind::Activated => {
                self.scheduled = self.scheduled - amount;
                self.available = self.available + amount;
            }
        }
    }

    /// Moves an entry's share of a debt.
    pub fn book_debt(&mut self, kind: EntryKind, amount: Amount) {
        self.debt = match kind.debt_move() {
            DebtMove::Makes => self.debt + amount,
            DebtMove::Repays | DebtMove::Forgives => self.debt - amount,
        };
    }
}

/// The head of a wallet's ledger: what its row keeps as of its last entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The balances after the last entry.
    pub balances: Balances,
    /// The last entry's number; 0 before the first.
    pub last_sequence: Sequence,
    /// The last entry's hash.
    pub last_hash: EntryHash,
    /// The last grant's number; 0 before the first.
    pub last_grant_number: GrantNumber,
    /// The last hold's number; 0 before the first.
    pub last_hold_number: HoldNumber,
    /// The last event's number; 0 before the first.
    pub last_event: EventSequence,
    /// From where the balance has fallen and not come back to.
    pub lows: Lows,
    /// What was asked for while the balance was low.
    pub top_ups: TopUps,
    /// No later than the earliest instant at which time alone does something: changes the balances, so that
    /// reads before it need nothing else, or announces that a grant expires soon. It may lie too early after
    /// the grant that set it was used up, never too late.
    pub next_due_at: Option<Timestamp>,
    /// When the last transaction was recorded; time never runs backwards from here, and what was due by then
    /// is booked.
    pub recorded_at: Timestamp,
    /// How many transactions the wallet has seen. Two states of a wallet with one revision are one state.
    pub revision: i64,
}

/// Which of the wallet's open grants and holds a [`WalletState`] has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// All of them.
    Complete,
    /// Those up to a place in the drawdown order, and whatever else was loaded for a reason.
    Partial {
        /// Every open grant up to this place is held; `None`: not even the first.
        drawn_to: Option<DrawdownKey>,
        /// No grant and no hold that is not there becomes due before this instant; `None`: none ever.
        next_due_at: Option<Timestamp>,
    },
}

impl Coverage {
    /// All open grants, and perhaps not all holds.
    pub fn all_grants(next_due_at: Option<Timestamp>) -> Self {
        Self::Partial { drawn_to: Some(DrawdownKey::LAST), next_due_at }
    }
}

/// What a decision lacks because the state covers too little. Load it and decide again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// The grants and holds that are due by this instant, with the grants of those holds.
    DueBy(Timestamp),
    /// More grants in drawdown order.
    MoreInOrder,
    /// All open grants and holds.
    AllOpen,
    /// A hold, with the grants that it pins.
    Hold(HoldNumber),
    /// All open debts.
    Debts,
    /// What a spender spent, for a limit: not here, or not in parts that are fine enough.
    Spending(Box<Unknown>),
    /// All open holds, as far as limits count them.
    OpenHolds,
}

/// A wallet as the next command finds it.
#[derive(Debug, Clone)]
pub struct WalletState {
    /// Its settings.
    pub settings: Arc<WalletSettings>,
    /// The head of its ledger.
    pub head: Head,
    /// The grants that are held, in drawdown order: open ones as `coverage` says, and ended ones that a
    /// command may be about.
    pub grants: BTreeMap<DrawdownKey, Grant>,
    /// The holds that are here: open ones as `coverage` says, and ended ones that a command may be about.
    pub holds: BTreeMap<HoldNumber, Hold>,
    /// The grants that have another place than they were loaded with: the database still has the old one.
    pub moved: BTreeSet<GrantNumber>,
    /// Which open grants and holds are here.
    pub coverage: Coverage,
    /// The open debts that are held, and those of the spends and fundings that are.
    pub debts: BTreeMap<Sequence, Debt>,
    /// Whether those are all open ones.
    pub has_all_debts: bool,
    /// The transactions that are to be reversed, as far as the wallet has them; `None`: it is no spend.
    pub spends: BTreeMap<TransactionId, Option<SpendRecord>>,
    /// What its limits count.
    pub counts: Counts,
    /// The fundings that are to be revoked, with all of their grants held; one that is not known has funded
    /// nothing.
    pub fundings: BTreeMap<FundingRef, FundingRecord>,
}

impl WalletState {
    /// A wallet that was just opened.
    pub fn opened(settings: WalletSettings) -> Self {
        let head = Head {
            balances: Balances::ZERO,
            last_sequence: Sequence(0),
            last_hash: EntryHash::START,
            last_grant_number: GrantNumber(0),
            last_hold_number: HoldNumber(0),
            last_event: EventSequence(0),
            lows: Lows::NONE,
            top_ups: TopUps::NONE,
            next_due_at: None,
            recorded_at: settings.created_at,
            revision: 1,
        };
        Self {
            settings: Arc::new(settings),
            head,
            grants: BTreeMap::new(),
            holds: BTreeMap::new(),
            moved: BTreeSet::new(),
            coverage: Coverage::Complete,
            debts: BTreeMap::new(),
            has_all_debts: true,
            spends: BTreeMap::new(),
            counts: Counts::without_holds(),
            fundings: BTreeMap::new(),
        }
    }

    /// The next instant at which time alone does something with a grant of this wallet.
    pub fn due_at(&self, grant: &Grant) -> Option<Timestamp> {
        grant.due_at(&self.settings.expiring_soon_leads, self.head.recorded_at)
    }

    /// Adds a grant that was loaded, unless it is held already: what is held may have changed since. Says the place
    /// that it was loaded with.
    pub fn hold_loaded(&mut self, grant: Grant) -> DrawdownKey {
        let key = DrawdownKey::of(self.settings.drawdown_policy, &grant);
        let is_elsewhere = self.moved.contains(&grant.number)
            && self.grants.values().any(|held| held.number == grant.number);
        if !is_elsewhere {
            self.grants.entry(key).or_insert(grant);
        }
        key
    }

    /// The state after an accepted command: the one the next command sees. `None` if there is still no wallet.
    pub fn after(before: Option<&Self>, decision: &Decision) -> Option<Self> {
        let opened = || decision.settings.clone().map(Self::opened);
        let mut state = before.cloned().or_else(opened)?;
        state.apply(decision);
        Some(state)
    }

    /// Makes this the state after an accepted command.
    pub fn apply(&mut self, decision: &Decision) {
        self.head = decision.head;
        for key in &decision.vacated {
            self.moved.extend(self.grants.remove(key).map(|grant| grant.number));
        }
        for (key, grant) in &decision.grants {
            self.grants.insert(*key, grant.clone());
        }
        self.holds.extend(decision.holds.clone());
        self.counts.apply(decision);
        if let Some((id, spend)) = &decision.reversed {
            self.spends.insert(*id, Some(spend.clone()));
        }
        for (funding_ref, funding) in &mut self.fundings {
            funding.apply(funding_ref, decision);
        }
        self.debts.extend(decision.debts.clone());
        self.drop_closed_debts();
        if let Some(settings) = &decision.settings {
            if settings.drawdown_policy != self.settings.drawdown_policy {
                self.reorder(settings.drawdown_policy);
            }
            self.settings = Arc::new(settings.clone());
        }
    }

    /// Lets go of the debts that are settled. A reversal needs them still: it gives back what was repaid.
    pub(crate) fn drop_closed_debts(&mut self) {
        let (spends, fundings) = (&self.spends, &self.fundings);
        let is_held = |entry: Sequence| {
            spends.values().flatten().any(|spend| spend.entry == entry)
                || fundings.values().any(|funding| funding.debts.contains(&entry))
        };
        self.debts.retain(|entry, debt| !debt.left.is_zero() || is_held(*entry));
    }

    /// Lets go of what the next command hardly needs: spends, fundings, ended grants, open ones after the
    /// first `most`, and the debts if there are more than that.
    pub fn trim(&mut self, most: usize) {
        self.spends.clear();
        self.counts.trim(MOST_FIGURES);
        self.fundings.clear();
        self.moved.clear();
        self.drop_closed_debts();
        if self.debts.len() > most {
            self.debts.clear();
            self.has_all_debts = false;
        }
        self.grants.retain(|_, grant| grant.is_open());
        self.holds.retain(|_, hold| hold.is_open());
        if self.grants.len() <= most && self.holds.len() <= most {
            return;
        }
        let dropped = match self.grants.keys().nth(most).copied() {
            Some(first) => self.grants.split_off(&first),
            None => BTreeMap::new(),
        };
        // A hold is of no use without the grants that it pins.
        let holds = std::mem::take(&mut self.holds);
        let due = dropped.values().filter_map(|grant| self.due_at(grant));
        let dropped_due = due.chain(holds.values().map(|hold| hold.expires_at)).min();
        let last = if dropped.is_empty() {
            Some(DrawdownKey::LAST)
        } else {
            self.grants.keys().next_back().copied()
        };
        self.coverage = match self.coverage {
            Coverage::Complete => Coverage::Partial { drawn_to: last, next_due_at: dropped_due },
            Coverage::Partial { drawn_to, next_due_at } => Coverage::Partial {
                drawn_to: drawn_to.min(last),
                next_due_at: earliest(next_due_at, dropped_due),
            },
        };
    }

    /// A change of policy is decided over all open grants, so the coverage stays complete.
    fn reorder(&mut self, policy: DrawdownPolicy) {
        let grants = std::mem::take(&mut self.grants);
        self.grants =
            grants.into_values().map(|grant| (DrawdownKey::of(policy, &grant), grant)).collect();
    }
}
