//! Putting credits in a wallet. What it owes is repaid first.

use super::Stop;
use crate::{
    Allocation, Amount, CarryOver, EntryKind, GrantTerms, NewGrant, Rejection, Timestamp, Window,
    debt::repay, draft::Draft,
};

/// Makes a grant. One whose window has not begun is scheduled and does not change the balance yet.
pub(super) fn grant(draft: &mut Draft<'_>, new: &NewGrant) -> Result<(), Stop> {
    let NewGrant {
        amount,
        effective_at,
        expires_at,
        priority,
        category,
        cost_basis,
        applies_to,
        funding_ref,
    } = new;
    let now = draft.now;
    let effective_at = effective_at.unwrap_or(now);
    let granted_window = window(effective_at, *expires_at, now)?;
    check_room(draft, amount.get())?;
    let terms = GrantTerms {
        amount: *amount,
        granted_window,
        priority: *priority,
        category: category.clone(),
        cost_basis: *cost_basis,
        applies_to: applies_to.clone(),
        funding_ref: funding_ref.clone(),
    };
    let key = draft.add_grant(terms);
    repay(draft, &key, now)?;
    Ok(())
}

/// Makes a grant of what another one of this wallet had left at its end, as far as the cap lets it. That is no loss any
/// more, so late usage cannot have it a second time.
pub(super) fn carry_over(draft: &mut Draft<'_>, carry: CarryOver) -> Result<(), Stop> {
    let CarryOver { grant: number, cap, effective_at, expires_at } = carry;
    let now = draft.now;
    let (place, from) = draft.grant(number).ok_or(Rejection::GrantNotFound { grant: number })?;
    // One that somebody ended before its time has nothing left.
    let ended_at = from.expired_at.filter(|ended_at| from.window.expires_at() == Some(*ended_at));
    let ended_at = ended_at.ok_or(Rejection::GrantEnded { grant: number })?;
    let scale = draft.state().settings.scale;
    let carried = cap.of(from.lost, from.terms.amount.get(), scale);
    let amount = carried.positive().ok_or(Rejection::GrantEnded { grant: number })?;
    let granted_window = window(effective_at, Some(expires_at), now)?;
    let terms = GrantTerms { amount, granted_window, ..GrantTerms::clone(&from.terms) };
    check_room(draft, carried)?;
    let part = [(place, Allocation { grant: number, amount: carried })];
    draft.book(EntryKind::ExpiryReversed, ended_at, &part);
    draft.book(EntryKind::Voided, ended_at, &part);
    let key = draft.add_grant(terms);
    repay(draft, &key, now)?;
    Ok(())
}

/// Whether the wallet may hold so much more.
pub(super) fn check_room(draft: &Draft<'_>, more: Amount) -> Result<(), Rejection> {
    if (draft.head.balances.held_in_all() + more).is_over_cap() {
        return Err(Rejection::BalanceLimitExceeded);
    }
    Ok(())
}

/// A window that ends ahead of now, if it ends at all.
pub(super) fn window(
    effective_at: Timestamp,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<Window, Rejection> {
    if expires_at.is_some_and(|expires_at| expires_at <= now) {
        return Err(Rejection::ExpiresAtNotAhead { now });
    }
    Window::new(effective_at, expires_at)
        .map_err(|_| Rejection::WindowEndsBeforeItStarts { effective_at })
}
