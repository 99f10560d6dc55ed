//! Reversing a spend: what it took goes back, the last first.
//!
//! In the opposite order of allocation: what it still owes is forgiven, then what grants have repaid of that
//! goes back to them, then what it drew goes back to the grants that it drew. The sum of the reversals never
//! exceeds the spend (invariant 4).

use super::Stop;
use crate::{
    Allocation, Amount, DebtPart, DrawdownKey, EntryKind, PositiveAmount, Rejection, ReverseSpend,
    SpendRecord, TransactionId,
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

    let (forgiven, given_back) = undo(draft, spend, required);
    let now = draft.now;
    let reversal = Booking {
        debts: forgiven,
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

/// Takes `required` off the spend from its end: what is forgiven, and what goes back to which grant.
fn undo(
    draft: &Draft<'_>,
    spend: &SpendRecord,
    required: Amount,
) -> (Vec<DebtPart>, Vec<(DrawdownKey, Allocation)>) {
    let debt = draft.debt(spend.entry);
    let owed = debt.map_or(Amount::ZERO, |debt| debt.left);
    let repaid = debt.map_or(Amount::ZERO, |debt| debt.repaid.iter().map(|part| part.amount).sum());
    // All that was ever undone of the debt is neither owed nor repaid any more.
    let drawn_undone = spend.reversed - (spend.debt - owed - repaid);

    let forgiven = owed.min(required);
    let given_back = repaid.min(required - forgiven);
    let mut parts = debt.cloned().map_or_else(Vec::new, |mut debt| debt.give_back(given_back));
    parts.extend(last_first(&spend.allocations, drawn_undone, required - forgiven - given_back));
    let parts = placed(draft, &parts);
    let forgiven = [DebtPart { entry: spend.entry, amount: forgiven }];
    (forgiven.into_iter().filter(|part| !part.amount.is_zero()).collect(), parts)
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
