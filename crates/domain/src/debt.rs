//! Debt: the part of a spend that no grant covered, and how later grants repay it.
//!
//! Each debt belongs to the entry that made it. A grant that becomes effective repays the debts that it is
//! eligible for, oldest first (design, section 3, "Settle"), and so does one that gets credits back. What
//! has been repaid stays repaid: when the grant expires, only what it has left does, and no debt comes back.

use crate::{
    Allocation, Amount, DebtMove, DrawdownKey, EntryKind, Grant, Missing, OperationName,
    PassedOver, Sequence, Timestamp,
    draft::{Booking, Draft},
};

/// What one entry left uncovered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debt {
    /// The entry that made it.
    pub entry: Sequence,
    /// What the credits were taken for: a grant repays only what it could have paid.
    pub operation: Option<OperationName>,
    /// What is still owed.
    pub left: Amount,
    /// Which grants have repaid how much, in this order, and not been given it back.
    pub repaid: Vec<Allocation>,
}

/// How much of which debt an entry made, repaid or forgave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DebtPart {
    /// The entry that made the debt.
    pub entry: Sequence,
    /// How much; greater than zero.
    pub amount: Amount,
}

impl Debt {
    /// A debt of which nothing is booked yet.
    pub fn made(entry: Sequence, operation: Option<OperationName>) -> Self {
        Self { entry, operation, left: Amount::ZERO, repaid: Vec::new() }
    }

    /// Moves an entry's share of it; `repaying` is the share of a grant that it came from, if any.
    pub fn book(&mut self, kind: EntryKind, amount: Amount, repaying: Option<Allocation>) {
        match kind.debt_move() {
            DebtMove::Makes => self.left = self.left + amount,
            DebtMove::Repays => {
                self.left = self.left - amount;
                self.repaid.extend(repaying);
            }
            DebtMove::Forgives => self.left = self.left - amount,
        }
    }

    /// Takes back what an entry that undoes the one that made it gives back: what was repaid comes first. Says
    /// whether that was anything.
    pub fn undo(&mut self, kind: EntryKind, allocations: &[Allocation]) -> bool {
        kind.debt_move() == DebtMove::Forgives
            && !self.give_back(allocations.iter().map(|part| part.amount).sum()).is_empty()
    }

    /// Takes back up to so much of what was repaid, the last first, and says whose that was.
    pub fn give_back(&mut self, most: Amount) -> Vec<Allocation> {
        let mut left = most;
        let mut given = Vec::new();
        while !left.is_zero()
            && let Some(last) = self.repaid.last_mut()
        {
            let amount = last.amount.min(left);
            left = left - amount;
            last.amount = last.amount - amount;
            given.push(Allocation { grant: last.grant, amount });
            if last.amount.is_zero() {
                self.repaid.pop();
            }
        }
        given
    }
}

/// What a grant repays of each open debt with what it has available, or why nothing.
pub(crate) fn repayments<'d>(
    grant: &Grant,
    debts: impl IntoIterator<Item = &'d Debt>,
) -> Vec<(&'d Debt, Result<Amount, PassedOver>)> {
    let mut left = grant.parts.available;
    let open = debts.into_iter().filter(|debt| !debt.left.is_zero());
    open.map(|debt| {
        let repaid = if !grant.applies_to(debt.operation.as_ref()) {
            Err(PassedOver::OtherOperations)
        } else if left.is_zero() {
            Err(PassedOver::NothingLeft)
        } else {
            let amount = debt.left.min(left);
            left = left - amount;
            Ok(amount)
        };
        (debt, repaid)
    })
    .collect()
}

/// Lets a grant that is effective, or got credits back, at `at` repay what it can.
pub(crate) fn repay(
    draft: &mut Draft<'_>,
    key: &DrawdownKey,
    at: Timestamp,
) -> Result<(), Missing> {
    if draft.head.balances.debt.is_zero() {
        return Ok(());
    }
    let debts = draft.debts().ok_or(Missing::Debts)?;
    let Some(grant) = draft.held(key).filter(|grant| grant.activated) else { return Ok(()) };
    let number = grant.number;
    let repaid = repayments(grant, debts);
    let part = |(debt, repaid): (&Debt, Result<Amount, PassedOver>)| {
        repaid.ok().map(|amount| DebtPart { entry: debt.entry, amount })
    };
    let parts: Vec<DebtPart> = repaid.into_iter().filter_map(part).collect();
    if !parts.is_empty() {
        let allocations =
            parts.iter().map(|part| Allocation { grant: number, amount: part.amount });
        let allocations: Vec<_> = allocations.map(|allocation| (*key, allocation)).collect();
        draft.append(Booking { debts: parts, ..Booking::of(EntryKind::Repaid, at, &allocations) });
    }
    Ok(())
}
