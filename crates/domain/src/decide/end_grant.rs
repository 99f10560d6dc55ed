//! Ending a grant before its time: what it has left, and is not held, is voided or expires now.

use crate::{Allocation, EntryKind, GrantNumber, Rejection, draft::Draft};

/// Voids what is left, of a scheduled grant too.
pub(super) fn void(draft: &mut Draft<'_>, number: GrantNumber) -> Result<(), Rejection> {
    end(draft, number, EntryKind::Voided)
}

/// Lets what is left expire now. A grant that is not effective yet cannot expire.
pub(super) fn expire(draft: &mut Draft<'_>, number: GrantNumber) -> Result<(), Rejection> {
    if let Some((_, grant)) = draft.grant(number)
        && !grant.activated
        && grant.is_open()
    {
        let effective_at = grant.window.effective_at();
        return Err(Rejection::GrantNotEffective { grant: number, effective_at });
    }
    end(draft, number, EntryKind::Expired)
}

fn end(draft: &mut Draft<'_>, number: GrantNumber, kind: EntryKind) -> Result<(), Rejection> {
    let (key, grant) = draft.grant(number).ok_or(Rejection::GrantNotFound { grant: number })?;
    if grant.parts.available.is_zero() {
        return Err(Rejection::GrantEnded { grant: number });
    }
    let allocation = Allocation { grant: number, amount: grant.parts.available };
    draft.book(kind, draft.now, &[(key, allocation)]);
    Ok(())
}
