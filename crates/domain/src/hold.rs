//! Holds: credits set aside for a later capture.
//!
//! A hold pins slices of grants, in drawdown order. A pinned slice outlives its grant's expiry until the
//! hold's deadline; when it comes back and its grant has ended meanwhile, it expires at that instant
//! (design, section 3, "Holds"). Capture, release and deadline meet on the hold, so exactly one wins.

use crate::{
    Allocation, Amount, EntryKind, HoldNumber, OperationName, Timestamp,
    draft::{Booking, Draft},
    give_back::{give_back, placed},
};

/// What became of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldStatus {
    /// Something is still set aside.
    Open,
    /// It was captured, and what was not was released.
    Captured,
    /// All of it was released.
    Released,
    /// Something was left at the deadline.
    Expired,
}

/// Credits set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The hold's number within its wallet.
    pub number: HoldNumber,
    /// What it is for.
    pub operation: Option<OperationName>,
    /// How much was set aside: the sum of what follows and of the slices (invariant 4).
    pub amount: Amount,
    /// What was captured of it.
    pub captured: Amount,
    /// What was given back by a release or a final capture.
    pub released: Amount,
    /// What was given back at the deadline.
    pub lapsed: Amount,
    /// What is still set aside of which grant, in drawdown order.
    pub slices: Vec<Allocation>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The deadline: at this instant it ends by itself.
    pub expires_at: Timestamp,
}

impl Hold {
    /// What is still set aside.
    pub fn held(&self) -> Amount {
        self.slices.iter().map(|slice| slice.amount).sum()
    }

    /// Whether it can still be captured, released or extended.
    pub fn is_open(&self) -> bool {
        !self.slices.is_empty()
    }

    /// What became of it.
    pub fn status(&self) -> HoldStatus {
        if self.is_open() {
            HoldStatus::Open
        } else if !self.lapsed.is_zero() {
            HoldStatus::Expired
        } else if !self.captured.is_zero() {
            HoldStatus::Captured
        } else {
            HoldStatus::Released
        }
    }

    /// The first slices of it, up to an amount.
    fn first(&self, amount: Amount) -> Vec<Allocation> {
        let mut left = amount;
        let mut first = Vec::new();
        for slice in &self.slices {
            let part = slice.amount.min(left);
            if part.is_zero() {
                break;
            }
            left = left - part;
            first.push(Allocation { amount: part, ..*slice });
        }
        first
    }

    /// A hold of nothing yet.
    pub fn made(
        number: HoldNumber,
        operation: Option<OperationName>,
        created_at: Timestamp,
        expires_at: Timestamp,
    ) -> Self {
        Self {
            number,
            operation,
            amount: Amount::ZERO,
            captured: Amount::ZERO,
            released: Amount::ZERO,
            lapsed: Amount::ZERO,
            slices: Vec::new(),
            created_at,
            expires_at,
        }
    }

    /// Moves what an entry about it moved. What expired afterwards is the grants' affair.
    pub fn book(&mut self, kind: EntryKind, allocations: &[Allocation]) {
        let amount = allocations.iter().map(|part| part.amount).sum();
        let sum = match kind {
            EntryKind::Held => {
                self.slices = allocations.to_vec();
                self.amount = amount;
                return;
            }
            EntryKind::Captured => &mut self.captured,
            EntryKind::Released => &mut self.released,
            EntryKind::HoldExpired => &mut self.lapsed,
            EntryKind::Granted
            | EntryKind::Activated
            | EntryKind::Expired
            | EntryKind::Spent
            | EntryKind::Voided
            | EntryKind::ExpiryReversed
            | EntryKind::Repaid
            | EntryKind::Reversed
            | EntryKind::Revoked
            | EntryKind::RevocationReversed
            | EntryKind::TransferredOut
            | EntryKind::TransferredIn
            | EntryKind::ExpiryChanged => return,
        };
        *sum = *sum + amount;
        for part in allocations {
            if let Some(slice) = self.slices.iter_mut().find(|slice| slice.grant == part.grant) {
                slice.amount = slice.amount - part.amount;
            }
        }
        self.slices.retain(|slice| !slice.amount.is_zero());
    }
}

/// Moves the first slices of a hold, up to an amount: captures them or, for every other kind, gives them back.
/// What goes back to a grant that has ended expires at once.
pub(crate) fn move_out(
    draft: &mut Draft<'_>,
    number: HoldNumber,
    kind: EntryKind,
    amount: Amount,
    at: Timestamp,
) {
    let Some(hold) = draft.held_hold(number) else { return };
    let taken = hold.first(amount);
    if taken.is_empty() {
        return;
    }
    let places = placed(draft, &taken);
    let booking = Booking { hold: Some(number), ..Booking::of(kind, at, &places) };
    if kind == EntryKind::Captured {
        draft.append(booking);
    } else {
        give_back(draft, booking, |_| None);
    }
}
