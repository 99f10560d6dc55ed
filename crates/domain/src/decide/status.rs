//! Freezing, unfreezing and closing a wallet, and what it may do then.

use super::Stop;
use crate::{
    Allocation, Balances, CloseWallet, Command, Coverage, DrawdownKey, EntryKind, Missing,
    Rejection, Rest, WalletSettings, WalletStatus, draft::Draft,
};

/// Whether a wallet of this status may do that. A capture may: what it takes was set aside before, and promised. What
/// it spends beyond that is refused where it is spent.
pub(super) fn check(status: WalletStatus, command: &Command) -> Result<(), Rejection> {
    match status {
        WalletStatus::Active => Ok(()),
        // Time goes on.
        WalletStatus::Closed if *command == Command::Settle => Ok(()),
        WalletStatus::Closed => Err(Rejection::WalletClosed),
        WalletStatus::Frozen => match command {
            Command::Spend(_) | Command::CreateHold(_) | Command::Transfer(_) => {
                Err(Rejection::WalletFrozen)
            }
            Command::CreateWallet(_)
            | Command::UpdateWallet(_)
            | Command::Grant(_)
            | Command::CarryOver(_)
            | Command::VoidGrant(_)
            | Command::ExpireGrant(_)
            | Command::ChangeGrantExpiry(_)
            | Command::CaptureHold(_)
            | Command::ReleaseHold(_)
            | Command::ExtendHold(..)
            | Command::ReverseSpend(_)
            | Command::RevokeFunding(_)
            | Command::Receive(_)
            | Command::PurchasePack(_)
            | Command::FreezeWallet
            | Command::UnfreezeWallet
            | Command::DeclineTopUp(_)
            | Command::CloseWallet(_)
            | Command::Settle => Ok(()),
        },
    }
}

/// Lets nothing be taken, or again.
pub(super) fn set(draft: &Draft<'_>, status: WalletStatus) -> WalletSettings {
    let before = &draft.state().settings;
    if before.status == status {
        return WalletSettings::clone(before);
    }
    WalletSettings {
        status,
        updated_at: draft.now,
        version: before.version + 1,
        ..WalletSettings::clone(before)
    }
}

/// Closes a wallet that is empty, or of which the rest is voided.
pub(super) fn close(draft: &mut Draft<'_>, close: CloseWallet) -> Result<WalletSettings, Stop> {
    let Balances { available, held, debt, scheduled } = draft.head.balances;
    let is_empty = [available, held, debt, scheduled].iter().all(|part| part.is_zero());
    let may_be_voided = close.rest == Rest::Void && held.is_zero() && debt.is_zero();
    if !is_empty && !may_be_voided {
        return Err(Rejection::WalletNotEmpty { available, held, debt, scheduled }.into());
    }
    if !is_empty && draft.coverage() != Coverage::Complete {
        return Err(Missing::AllOpen.into());
    }
    let left: Vec<(DrawdownKey, Allocation)> = draft
        .grants()
        .filter(|(_, grant)| !grant.parts.available.is_zero())
        .map(|(key, grant)| {
            (key, Allocation { grant: grant.number, amount: grant.parts.available })
        })
        .collect();
    if !left.is_empty() {
        draft.book(EntryKind::Voided, draft.now, &left);
    }
    Ok(set(draft, WalletStatus::Closed))
}
