//! Reversals: what is known of a spend that is to be reversed, what becomes of credits whose grant has
//! ended, and what an answer says of each slice.

use crate::{
    Allocation, Amount, Debt, Entry, EntryKind, Grant, GrantNumber, Period, Sequence, Timestamp,
    TransactionKind, Window,
};

/// What becomes of credits that come back to a grant that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExpiredPolicy {
    /// They expire again at once.
    #[default]
    RestoreThenExpire,
    /// They move to a new grant with the life that the old one had left when it was spent.
    Reissue,
    /// They move to a new grant that lives so long.
    Grace(Period),
}

impl ExpiredPolicy {
    /// The window of a new grant for credits of `ended` that `spend` drew; `None`: there is none, they expire.
    pub fn window(self, ended: &Grant, spend: &SpendRecord, now: Timestamp) -> Option<Window> {
        let life = match self {
            Self::RestoreThenExpire => return None,
            Self::Grace(period) => period.micros(),
            Self::Reissue => {
                // A grant that repaid the spend's debt may have begun after it.
                let spent_at = spend.effective_at.max(ended.window.effective_at());
                ended.ends_at()?.micros() - spent_at.micros()
            }
        };
        // None is left to usage that is charged after the end, from credits that had come back by then.
        Window::new(now, Some(now.plus_micros(life))).ok()
    }
}

/// A spend, and how much of it has been reversed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendRecord {
    /// Its entry.
    pub entry: Sequence,
    /// What it took.
    pub amount: Amount,
    /// When it counts.
    pub effective_at: Timestamp,
    /// How much of which grant it drew, in this order.
    pub allocations: Vec<Allocation>,
    /// What it left uncovered. What became of that is with the wallet's debts.
    pub debt: Amount,
    /// What earlier reversals gave back.
    pub reversed: Amount,
}

impl SpendRecord {
    /// The spend of a transaction of this kind with these entries, not reversed so far; `None`: it is no spend.
    /// What a capture spends beyond its hold is part of the capture.
    pub fn of(kind: TransactionKind, entries: &[Entry]) -> Option<Self> {
        if kind != TransactionKind::Spend {
            return None;
        }
        let spent = entries.iter().find(|entry| entry.kind == EntryKind::Spent)?;
        let Entry { sequence, amount, effective_at, allocations, debts, .. } = spent;
        Some(Self {
            entry: *sequence,
            amount: *amount,
            effective_at: *effective_at,
            allocations: allocations.clone(),
            debt: debts.iter().map(|part| part.amount).sum(),
            reversed: Amount::ZERO,
        })
    }

    /// Takes `required` off the spend from its end: what it still owes is forgiven, then what grants have repaid
    /// of its `debt` goes back to them, then what it drew, the last first.
    pub fn undo(&self, debt: Option<&Debt>, required: Amount) -> Undone {
        let owed = debt.map_or(Amount::ZERO, |debt| debt.left);
        let repaid =
            debt.map_or(Amount::ZERO, |debt| debt.repaid.iter().map(|part| part.amount).sum());
        // All that was ever undone of the debt is neither owed nor repaid any more.
        let drawn_undone = self.reversed - (self.debt - owed - repaid);

        let forgiven = owed.min(required);
        let given_back = repaid.min(required - forgiven);
        Undone {
            forgiven,
            repaid: debt.cloned().map_or_else(Vec::new, |mut debt| debt.give_back(given_back)),
            drawn: last_first(&self.allocations, drawn_undone, required - forgiven - given_back),
        }
    }
}

/// What a reversal undoes of a spend, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undone {
    /// It was owed, and is not any more.
    pub forgiven: Amount,
    /// What goes back to grants that had repaid debt.
    pub repaid: Vec<Allocation>,
    /// What goes back to grants that were drawn.
    pub drawn: Vec<Allocation>,
}

impl Undone {
    /// All that goes back to grants.
    pub fn given_back(&self) -> Vec<Allocation> {
        [&self.repaid[..], &self.drawn].concat()
    }
}

/// Up to `most` of the parts from the last on, after `skipped` of them.
fn last_first(parts: &[Allocation], skipped: Amount, most: Amount) -> Vec<Allocation> {
    let (mut skip, mut left) = (skipped, most);
    let mut taken = Vec::new();
    for part in parts.iter().rev() {
        let gone = part.amount.min(skip);
        skip = skip - gone;
        let amount = (part.amount - gone).min(left);
        left = left - amount;
        if !amount.is_zero() {
            taken.push(Allocation { grant: part.grant, amount });
        }
    }
    taken
}

/// What became of a slice of a reversed spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SliceOutcome {
    /// It is back in its grant.
    Restored,
    /// It came back and expired at once, because its grant had ended.
    RestoredAndExpired,
    /// It is in a new grant, with the life that the old one had left.
    Reissued(GrantNumber),
    /// It is in a new grant that lives as long as the request said.
    Graced(GrantNumber),
    /// It was owed, and is not any more.
    DebtForgiven,
}

/// A slice of a reversed spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// The grant that it came from; `None`: it was owed.
    pub grant: Option<GrantNumber>,
    /// How much.
    pub amount: Amount,
    /// What became of it.
    pub outcome: SliceOutcome,
}

/// The slices of a reversal, from its entries and the policy that was asked for. So a replay says of them what
/// the first answer said.
pub fn slices(policy: ExpiredPolicy, entries: &[Entry]) -> Vec<Slice> {
    let Some((first, rest)) = entries.split_first() else { return Vec::new() };
    let forgiven = first.debts.iter().map(|part| Slice {
        grant: None,
        amount: part.amount,
        outcome: SliceOutcome::DebtForgiven,
    });
    let mut rest = rest.iter().peekable();
    let restored = first.allocations.iter().map(|allocation| {
        // Of a grant that has ended, each slice is followed up by an entry of its own, in the same order.
        let ends = |entry: &&Entry| {
            matches!(entry.kind, EntryKind::Expired | EntryKind::Voided)
                && entry.allocations == [*allocation]
        };
        let outcome = match rest.next_if(ends) {
            None => SliceOutcome::Restored,
            Some(_) => match rest.next_if(|entry| entry.kind == EntryKind::Granted) {
                None => SliceOutcome::RestoredAndExpired,
                Some(granted) => anew(policy, granted),
            },
        };
        Slice { grant: Some(allocation.grant), amount: allocation.amount, outcome }
    });
    forgiven.chain(restored).collect()
}

fn anew(policy: ExpiredPolicy, granted: &Entry) -> SliceOutcome {
    let number = granted.allocations.first().map_or(GrantNumber(0), |part| part.grant);
    match policy {
        ExpiredPolicy::Grace(_) => SliceOutcome::Graced(number),
        ExpiredPolicy::Reissue | ExpiredPolicy::RestoreThenExpire => SliceOutcome::Reissued(number),
    }
}
