//! What was spent, as far as a limit counts it: which entries count, for whom, and when.
//!
//! A spend counts at the instant that it is for, late usage too; a capture counts when it is made. Both count in
//! full, what they left as debt included. A reversal takes back at the instant of the spend. All that comes of a
//! hold counts for whoever made it. Nothing else counts: credits that expire, are voided, revoked or moved to
//! another wallet are not spent.

use crate::{Actor, Amount, EntryKind, OperationName, SignedAmount, Timestamp};

/// Who took credits, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Who asked for them; of what comes of a hold, for the hold.
    pub actor: Actor,
    /// What they pay for.
    pub operation: Option<OperationName>,
}

/// One of a kind, or all of them together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose<T> {
    /// All of them.
    All,
    /// This one.
    One(T),
}

impl<T: PartialEq> Whose<T> {
    fn covers(&self, one: &T) -> bool {
        match self {
            Self::All => true,
            Self::One(this) => this == one,
        }
    }
}

/// Whose spending is counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spender {
    /// Who.
    pub actor: Whose<Actor>,
    /// On which operation; `One(None)`: on none.
    pub operation: Whose<Option<OperationName>>,
}

impl Spender {
    /// Whether what was taken like this is the spender's.
    pub fn covers(&self, origin: &Origin) -> bool {
        self.actor.covers(&origin.actor) && self.operation.covers(&origin.operation)
    }
}

/// What an entry counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// For whom, and what for.
    pub origin: Origin,
    /// At which instant.
    pub at: Timestamp,
    /// How much; negative if it takes back.
    pub amount: SignedAmount,
}

impl Counted {
    /// What an entry of this kind counts, if anything. `at` is when it counts or, if it undoes a spend, when that
    /// counts. What undoes anything else counts nothing, and is not asked for here.
    pub fn of(kind: EntryKind, amount: Amount, at: Timestamp, origin: &Origin) -> Option<Self> {
        let amount = match kind {
            EntryKind::Spent | EntryKind::Captured => amount.signed(),
            EntryKind::Reversed => SignedAmount::ZERO - amount.signed(),
            EntryKind::Granted
            | EntryKind::Activated
            | EntryKind::Expired
            | EntryKind::Voided
            | EntryKind::ExpiryReversed
            | EntryKind::Repaid
            | EntryKind::Held
            | EntryKind::Released
            | EntryKind::HoldExpired
            | EntryKind::Revoked
            | EntryKind::RevocationReversed
            | EntryKind::TransferredOut
            | EntryKind::TransferredIn
            | EntryKind::ExpiryChanged => return None,
        };
        Some(Self { origin: origin.clone(), at, amount })
    }
}
