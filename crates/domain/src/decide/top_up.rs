//! Declining a request for a top-up.

use crate::{FundingRef, Rejection, TopUps, WalletSettings, draft::Draft};

/// Awaits a request no more. The wallet may ask again, within its window, when its balance is still low after what
/// happens next.
pub(super) fn decline(
    draft: &mut Draft<'_>,
    reference: &FundingRef,
) -> Result<WalletSettings, Rejection> {
    let settings = &draft.state().settings;
    let outstanding = draft.head.top_ups.outstanding();
    let is_it = outstanding
        .is_some_and(|request| TopUps::reference(&settings.name.asset, request) == *reference);
    if !is_it {
        return Err(Rejection::TopUpNotOutstanding { reference: reference.clone() });
    }
    draft.head.top_ups = draft.head.top_ups.answered();
    Ok(WalletSettings::clone(settings))
}
