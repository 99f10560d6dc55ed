//! Letting a grant end at another instant than it was granted until.
//!
//! Only what lies ahead is changed: the old end and the new one are both after now. So at each past instant the
//! same grants were valid as before, for late usage as for past balances, and nobody has to ask what a window once
//! was (`ARCHITECTURE.md`, "Decisions").

use super::grant::window;
use crate::{ChangeGrantExpiry, Rejection, draft::Draft};

/// Moves the end of a grant that still has something. The end that it has already changes nothing.
pub(super) fn change(draft: &mut Draft<'_>, change: ChangeGrantExpiry) -> Result<(), Rejection> {
    let ChangeGrantExpiry { grant: number, expires_at } = change;
    let now = draft.now;
    let (key, grant) = draft.grant(number).ok_or(Rejection::GrantNotFound { grant: number })?;
    if !grant.is_open() || grant.has_ended(now) {
        return Err(Rejection::GrantEnded { grant: number });
    }
    if window(grant.window.effective_at(), expires_at, now)? != grant.window {
        draft.change_expiry(&key, expires_at);
    }
    Ok(())
}
