//! Revoking funding: taking back what was granted on a payment that was refunded or charged back.
//!
//! The request says how much has been refunded in all, so the same request twice changes nothing. What is revoked
//! now is what the funding's grants have had taken, and what revocations left as debt.

use super::Stop;
use crate::{
    Allocation, Amount, DebtPart, DrawdownKey, EntryKind, FundingRecord, FundingRef, Grant,
    Rejection, RevokeFunding, Sequence,
    debt::repay,
    draft::{Booking, Draft},
    drawing::{Drawing, available},
    give_back::{give_back, placed},
};

/// Revokes more of the funding, or less, so that `cumulative_amount` of it is revoked.
pub(super) fn revoke(draft: &mut Draft<'_>, revoke: &RevokeFunding) -> Result<(), Stop> {
    let RevokeFunding { funding_ref, cumulative_amount } = revoke;
    let funding = draft.state().fundings.get(funding_ref);
    let Some((funding, entry)) = funding.and_then(|funding| Some((funding, funding.entry?))) else {
        return Err(Rejection::FundingNotFound { funding_ref: funding_ref.clone() }.into());
    };
    if *cumulative_amount > funding.funded {
        return Err(Rejection::RevocationExceedsFunding { funded: funding.funded }.into());
    }
    let taken: Amount = grants_of(draft, funding_ref).map(|(_, grant)| grant.parts.revoked).sum();
    let revoked = taken + owed_or_repaid(draft, funding);
    if *cumulative_amount > revoked {
        take(draft, funding_ref, entry, *cumulative_amount - revoked);
        Ok(())
    } else {
        take_less(draft, funding_ref, funding, entry, revoked - *cumulative_amount)
    }
}

/// The grants of a funding, in drawdown order. All are held.
fn grants_of<'a>(
    draft: &'a Draft<'_>,
    funding_ref: &'a FundingRef,
) -> impl Iterator<Item = (DrawdownKey, &'a Grant)> {
    draft.grants().filter(move |(_, grant)| grant.terms.funding_ref.as_ref() == Some(funding_ref))
}

/// What revocations left as debt and did not take back: owed still, or repaid.
fn owed_or_repaid(draft: &Draft<'_>, funding: &FundingRecord) -> Amount {
    let debts = funding.debts.iter().filter_map(|entry| draft.debt(*entry));
    debts.map(|debt| debt.left + debt.repaid.iter().map(|part| part.amount).sum()).sum()
}

/// Takes what the grants have left and is not held, in drawdown order. The rest is owed, whatever the limit.
fn take(draft: &mut Draft<'_>, funding_ref: &FundingRef, about: Sequence, amount: Amount) {
    let mut drawing = Drawing::of(amount);
    for (key, grant) in grants_of(draft, funding_ref) {
        if let Ok(available) = available(grant) {
            drawing.take(key, grant.number, available);
        }
    }
    let Drawing { taken, left: debt } = drawing;
    let revocation =
        Booking { about: Some(about), ..Booking::of(EntryKind::Revoked, draft.now, &taken) };
    draft.append_on_credit(revocation, debt, None);
}

/// Forgives what is still owed, gives what was repaid back to the grants that repaid it, and then what was
/// taken back to the funding's grants: the last first.
fn take_less(
    draft: &mut Draft<'_>,
    funding_ref: &FundingRef,
    funding: &FundingRecord,
    about: Sequence,
    amount: Amount,
) -> Result<(), Stop> {
    let now = draft.now;
    let mut left = amount;
    let mut forgiven = Vec::new();
    for entry in funding.debts.iter().rev() {
        let owed = draft.debt(*entry).map_or(Amount::ZERO, |debt| debt.left);
        let amount = owed.min(left);
        if !amount.is_zero() {
            left = left - amount;
            forgiven.push(DebtPart { entry: *entry, amount });
        }
    }
    let mut repaid = Vec::new();
    for entry in funding.debts.iter().rev() {
        let debt = draft.debt(*entry).cloned();
        let parts = debt.map_or_else(Vec::new, |mut debt| debt.give_back(left));
        left = left - parts.iter().map(|part| part.amount).sum();
        if !parts.is_empty() {
            repaid.push((*entry, placed(draft, &parts)));
        }
    }
    let mut taken = Vec::new();
    let grants: Vec<_> = grants_of(draft, funding_ref).collect();
    for (key, grant) in grants.into_iter().rev() {
        let amount = grant.parts.revoked.min(left);
        if !amount.is_zero() {
            left = left - amount;
            taken.push((key, Allocation { grant: grant.number, amount }));
        }
    }

    let mut has_more = Vec::new();
    if !forgiven.is_empty() || !taken.is_empty() {
        let restoring = Booking::of(EntryKind::RevocationReversed, now, &taken);
        let restoring = Booking { debts: forgiven, about: Some(about), ..restoring };
        has_more.extend(give_back(draft, restoring, |_| None));
    }
    for (entry, parts) in repaid {
        let restoring = Booking::of(EntryKind::Reversed, now, &parts);
        has_more.extend(give_back(draft, Booking { about: Some(entry), ..restoring }, |_| None));
    }
    if draft.head.balances.held_in_all().is_over_cap() {
        return Err(Rejection::BalanceLimitExceeded.into());
    }
    for key in has_more {
        repay(draft, &key, now)?;
    }
    Ok(())
}
