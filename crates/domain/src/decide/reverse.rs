//! Reversing a spend: what it took goes back, the last first.
//!
//! In the opposite order of allocation: what it still owes is forgiven, then what grants have repaid of that
//! goes back to them, then what it drew goes back to the grants that it drew. The sum of the reversals never
//! exceeds the spend (invariant 4).

use super::Stop;
use crate::{
    DebtPart, EntryKind, PositiveAmount, Rejection, ReverseSpend, SpendRecord, TransactionId,
    debt::repay,
    draft::{Booking, Draft},
    give_back::{give_back, placed},
};

/// Gives back `amount` of the spend, or all that is left of it.
pub(super) fn reverse(
    draft: &mut Draft<'_>,
    reverse: &ReverseSpend,
) -> Result<(TransactionId, SpendRecord), Stop> {
    let ReverseSpend { transaction, amount, expired_policy } = reverse;
    let transaction = *transaction;
    let spend = match draft.state().spends.get(&transaction) {
        None => return Err(Rejection::TransactionNotFound { transaction }.into()),
        Some(None) => return Err(Rejection::TransactionNotReversible { transaction }.into()),
        Some(Some(spend)) => spend,
    };
    let amount = amount.map(PositiveAmount::get);
    let left = spend.amount - spend.reversed;
    let required = amount.unwrap_or(left);
    if left.is_zero() {
        return Err(Rejection::NothingLeftToReverse { required: amount }.into());
    }
    if required > left {
        return Err(Rejection::ReversalExceedsSpend { left, required }.into());
    }

    let undone = spend.undo(draft.debt(spend.entry), required);
    let given_back = placed(draft, &undone.given_back());
    let forgiven = DebtPart { entry: spend.entry, amount: undone.forgiven };
    let now = draft.now;
    let reversal = Booking {
        debts: if forgiven.amount.is_zero() { Vec::new() } else { vec![forgiven] },
        about: Some(spend.entry),
        ..Booking::of(EntryKind::Reversed, now, &given_back)
    };
    let has_more = give_back(draft, reversal, |ended| expired_policy.window(ended, spend, now));
    if draft.head.balances.held_in_all().is_over_cap() {
        return Err(Rejection::BalanceLimitExceeded.into());
    }
    for key in has_more {
        repay(draft, &key, now)?;
    }
    Ok((transaction, SpendRecord { reversed: spend.reversed + required, ..spend.clone() }))
}
