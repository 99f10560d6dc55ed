//! Verify: what is kept beside a ledger against what its entries say.
//!
//! [`Fold`] finds what is wrong within the entries, and names the first. Here the result is compared with
//! the wallet as it is kept: its row, its grants, its holds, its debts.

use thiserror::Error;

use crate::{
    Amount, Debt, EntryHash, Event, EventSequence, Fold, FoldError, Grant, GrantNumber, Hold,
    HoldNumber, Recount, Sequence, Tally, Timestamp, WalletState,
};

/// What is wrong with a wallet: the first thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Discrepancy {
    /// An entry does not follow from those before it.
    #[error(transparent)]
    Entry(#[from] FoldError),
    /// The wallet's row differs.
    #[error("the wallet's {what} is kept as {kept}, its entries say {said}")]
    Head {
        /// Which figure.
        what: &'static str,
        /// As it is kept.
        kept: String,
        /// As the entries say.
        said: String,
    },
    /// The wallet's row would let time pass unnoticed.
    #[error("time changes the wallet at {due}, its row says {kept}")]
    DueTooLate {
        /// The first instant at which time changes something.
        due: String,
        /// What is kept.
        kept: String,
    },
    /// A grant differs, or is not there, or is not in the entries.
    #[error("grant {0} is kept otherwise than its entries say")]
    Grant(GrantNumber),
    /// A hold differs.
    #[error("hold {0} is kept otherwise than its entries say")]
    Hold(HoldNumber),
    /// An event differs, or is not there, or is not in the entries.
    #[error("event {} is kept otherwise than its entries say", .0.0)]
    Event(EventSequence),
    /// A debt differs.
    #[error("the debt of entry {0} is kept otherwise than its entries say")]
    Debt(Sequence),
    /// The legs of a transfer do not sum to zero (invariant 5).
    #[error("entry {0} is of a transfer whose other leg moved something else")]
    Transfer(Sequence),
    /// What limits count differs.
    #[error("what limits count from {0} on is kept otherwise than its entries say")]
    Spending(Timestamp),
}

impl Discrepancy {
    /// The first entry that is wrong, if it is one.
    pub fn entry(&self) -> Option<Sequence> {
        match self {
            Self::Entry(error) => Some(error.entry()),
            Self::Debt(entry) | Self::Transfer(entry) => Some(*entry),
            Self::Head { .. }
            | Self::DueTooLate { .. }
            | Self::Grant(_)
            | Self::Hold(_)
            | Self::Event(_)
            | Self::Spending(_) => None,
        }
    }
}

/// Compares an event as it is kept with what the entries say. They do not say when an announcement was written,
/// but that was not before it counts.
pub fn verify_event(kept: &Event, said: &Event) -> Result<(), Discrepancy> {
    let recorded_at = match said.entry {
        Some(_) => said.recorded_at,
        None => kept.recorded_at.max(said.effective_at),
    };
    if *kept == (Event { recorded_at, ..said.clone() }) {
        Ok(())
    } else {
        Err(Discrepancy::Event(said.sequence))
    }
}

/// Compares a whole ledger, its events, and the last of its hashes, with the wallet as it is kept: all of its
/// grants and holds, open and ended, and all open debts.
pub fn verify(
    fold: Fold,
    events: &Recount,
    last_hash: EntryHash,
    kept: &WalletState,
) -> Result<(), Discrepancy> {
    let deadline =
        |hold| kept.holds.get(&hold).map_or(kept.head.recorded_at, |hold| hold.expires_at);
    let said = fold.settled_to(kept.head.recorded_at).into_state(deadline);
    let heads = [
        ("balances", format!("{:?}", kept.head.balances), format!("{:?}", said.head.balances)),
        ("last hash", format!("{:?}", kept.head.last_hash), format!("{last_hash:?}")),
        ("last event", kept.head.last_event.0.to_string(), events.last().0.to_string()),
        ("lows", kept.head.lows.bits().to_string(), events.lows().bits().to_string()),
        ("top-ups", format!("{:?}", kept.head.top_ups), format!("{:?}", events.top_ups())),
        ("last entry", kept.head.last_sequence.to_string(), said.head.last_sequence.to_string()),
        (
            "last grant",
            kept.head.last_grant_number.to_string(),
            said.head.last_grant_number.to_string(),
        ),
        (
            "last hold",
            kept.head.last_hold_number.to_string(),
            said.head.last_hold_number.to_string(),
        ),
    ];
    for (what, kept, said) in heads {
        if kept != said {
            return Err(Discrepancy::Head { what, kept, said });
        }
    }
    let by_number = |state: &WalletState| -> Vec<Grant> {
        let mut grants: Vec<Grant> = state.grants.values().cloned().collect();
        grants.sort_by_key(|grant| grant.number);
        grants
    };
    let (kept_grants, said_grants) = (by_number(kept), by_number(&said));
    if let Some(grant) = differs(&kept_grants, &said_grants, |grant| grant.number) {
        return Err(Discrepancy::Grant(grant));
    }
    // A moved deadline is no entry, so only what was moved in and out of a hold is compared.
    let holds = |state: &WalletState| -> Vec<Hold> {
        let same = |hold: &Hold| Hold { expires_at: hold.created_at, ..hold.clone() };
        state.holds.values().map(same).collect()
    };
    if let Some(hold) = differs(&holds(kept), &holds(&said), |hold| hold.number) {
        return Err(Discrepancy::Hold(hold));
    }
    // Those that are settled may be kept for a reversal; the fold drops them.
    let debts = |state: &WalletState| -> Vec<Debt> {
        state.debts.values().filter(|debt| !debt.left.is_zero()).cloned().collect()
    };
    if let Some(entry) = differs(&debts(kept), &debts(&said), |debt| debt.entry) {
        return Err(Discrepancy::Debt(entry));
    }
    match (said.head.next_due_at, kept.head.next_due_at) {
        (Some(due), kept) if kept.is_none_or(|kept| kept > due) => Err(Discrepancy::DueTooLate {
            due: due.to_string(),
            kept: kept.map_or_else(|| "never".to_owned(), |kept| kept.to_string()),
        }),
        _ => Ok(()),
    }
}

/// Compares what was sent and what was received by a transfer, in both of its wallets (invariant 5). `entry` is the
/// verified wallet's.
pub fn verify_transfer(entry: Sequence, sent: Amount, received: Amount) -> Result<(), Discrepancy> {
    if sent == received { Ok(()) } else { Err(Discrepancy::Transfer(entry)) }
}

/// Compares what limits count by the entries with what is kept of it. What lies before `from` no limit asks for.
pub fn verify_spending(said: &Tally, kept: &Tally, from: Timestamp) -> Result<(), Discrepancy> {
    match said.difference(kept, from) {
        Some((_, start)) => Err(Discrepancy::Spending(start)),
        None => Ok(()),
    }
}

/// The first of two lists, each in order of its keys, that the other has not or has otherwise.
fn differs<T: PartialEq, K: Ord + Copy>(a: &[T], b: &[T], key: impl Fn(&T) -> K) -> Option<K> {
    let longer = a.len().max(b.len());
    let first = (0..longer).find(|index| a.get(*index) != b.get(*index))?;
    [a.get(first), b.get(first)].into_iter().flatten().map(key).min()
}
