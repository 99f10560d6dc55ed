//! Giving credits back to the grants that they were taken from: by a hold, by a reversal, by a smaller revocation.

use crate::{
    Allocation, DrawdownKey, EntryKind, Grant, GrantTerms, PositiveAmount, Window,
    draft::{Booking, Draft},
};

/// Appends an entry that gives credits back. What belongs to a grant that has ended expires at once, unless
/// `anew` has a window for a new grant of it. Says where there is more to spend now.
pub(crate) fn give_back(
    draft: &mut Draft<'_>,
    booking: Booking<'_>,
    anew: impl Fn(&Grant) -> Option<Window>,
) -> Vec<DrawdownKey> {
    let Booking { effective_at, allocations, hold, about, .. } = booking;
    draft.append(booking);
    let mut has_more = Vec::new();
    for part @ (key, allocation) in allocations {
        let Some(grant) = draft.held(key) else { continue };
        // It was empty when its time began, so nothing was booked then.
        if !grant.activated && grant.window.has_begun(effective_at) {
            draft.book(EntryKind::Activated, effective_at, std::slice::from_ref(part));
        }
        let Some(grant) = draft.held(key) else { continue };
        if !grant.has_ended(effective_at) {
            draft.becomes_due(draft.due_at(grant));
            has_more.push(*key);
            continue;
        }
        let terms = anew(grant).and_then(|window| terms_of(grant, *allocation, window));
        // Voided if it lives on: it is no loss.
        let kind = if terms.is_some() { EntryKind::Voided } else { EntryKind::Expired };
        let ended = std::slice::from_ref(part);
        draft.append(Booking { hold, about, ..Booking::of(kind, effective_at, ended) });
        has_more.extend(terms.map(|terms| draft.add_grant(terms)));
    }
    has_more
}

/// The places of the grants that parts go back to, all of which are held.
pub(crate) fn placed(draft: &Draft<'_>, parts: &[Allocation]) -> Vec<(DrawdownKey, Allocation)> {
    let place = |part: &Allocation| draft.grant(part.grant).map(|(key, _)| (key, *part));
    let placed: Vec<_> = parts.iter().filter_map(place).collect();
    debug_assert_eq!(placed.len(), parts.len(), "not all grants are held");
    placed
}

fn terms_of(ended: &Grant, part: Allocation, window: Window) -> Option<GrantTerms> {
    let amount = PositiveAmount::from_stored(part.amount)?;
    Some(GrantTerms { amount, granted_window: window, ..GrantTerms::clone(&ended.terms) })
}
