//! Setting credits aside, capturing them, giving them back.

use super::{
    Stop,
    limits::{self, Asked},
    spend,
};
use crate::{
    Actor, Amount, CaptureHold, CreateHold, EntryKind, Excess, Hold, HoldNumber, HoldStatus,
    Missing, Origin, PositiveAmount, Rejection, ReleaseHold, Spend, Timestamp, WalletStatus,
    draft::{Booking, Draft},
    drawing::{Purpose, Usage},
    hold::move_out,
};

/// Sets credits aside, all or nothing, from what is available; an overdraft is not held. Of a wallet with limits it
/// also says for whom.
pub(super) fn create(
    draft: &mut Draft<'_>,
    create: &CreateHold,
    actor: &Actor,
) -> Result<(HoldNumber, Option<Origin>), Stop> {
    let CreateHold { amount, operation, expires_at } = create;
    let now = draft.now;
    if *expires_at <= now {
        return Err(Rejection::ExpiresAtNotAhead { now }.into());
    }
    let usage = Usage { purpose: Purpose::Operation(operation.as_ref()), now, late: None };
    let amount = amount.amount().map_err(Rejection::from)?.get();
    let drawn = spend::draw_live(draft, amount, &usage)?;
    if !drawn.left.is_zero() {
        let (available, overdraft_left, required) = (amount - drawn.left, Amount::ZERO, amount);
        return Err(Rejection::InsufficientCredits { available, overdraft_left, required }.into());
    }
    let asked = Asked {
        amount,
        actor,
        operation: operation.as_ref(),
        occurred_at: None,
        until: Some(*expires_at),
    };
    limits::check(draft, &asked)?;
    let number = draft.head.last_hold_number.next();
    draft.head.last_hold_number = number;
    draft.changed_holds.insert(number, Hold::made(number, operation.clone(), now, *expires_at));
    draft.becomes_due(Some(*expires_at));
    draft.append(Booking { hold: Some(number), ..Booking::of(EntryKind::Held, now, &drawn.taken) });
    let is_limited = !draft.state().settings.spend_limits.is_empty();
    let origin = || Origin { actor: actor.clone(), operation: operation.clone() };
    Ok((number, is_limited.then(origin)))
}

/// Captures part or all of a hold. What is asked beyond it is refused, left out, or spent. All of it counts towards
/// the limits of whoever made the hold: the hold was checked against those.
pub(super) fn capture(
    draft: &mut Draft<'_>,
    capture: &CaptureHold,
    actor: &Actor,
) -> Result<(), Stop> {
    let CaptureHold { hold: number, amount, excess, is_final } = capture;
    let now = draft.now;
    let found = open(draft, *number)?;
    let (held, operation, until) = (found.held(), found.operation.clone(), found.expires_at);
    let beyond = if amount.get() > held { amount.get() - held } else { Amount::ZERO };
    if !beyond.is_zero() && *excess == Excess::Reject {
        let required = amount.get();
        return Err(Rejection::CaptureExceedsHold { hold: *number, held, required }.into());
    }
    move_out(draft, *number, EntryKind::Captured, amount.get().min(held), now);
    if let (Excess::Extend, Some(amount)) = (excess, beyond.positive()) {
        let state = draft.state();
        if state.settings.status == WalletStatus::Frozen {
            return Err(Rejection::WalletFrozen.into());
        }
        let made_by = if state.settings.spend_limits.is_empty() {
            None
        } else {
            state.counts.origin_of(*number)?.map(|origin| &origin.actor)
        };
        let spend = Spend { amount: amount.into(), operation, occurred_at: None };
        spend::spend(draft, &spend, made_by.unwrap_or(actor), Some(until))?;
    }
    if *is_final {
        move_out(draft, *number, EntryKind::Released, held, now);
    }
    Ok(())
}

/// Gives back part or all of what is left of a hold.
pub(super) fn release(draft: &mut Draft<'_>, release: &ReleaseHold) -> Result<(), Stop> {
    let ReleaseHold { hold: number, amount } = release;
    let (now, held) = (draft.now, open(draft, *number)?.held());
    let amount = amount.map_or(held, PositiveAmount::get);
    if amount > held {
        let required = amount;
        return Err(Rejection::ReleaseExceedsHold { hold: *number, held, required }.into());
    }
    move_out(draft, *number, EntryKind::Released, amount, now);
    Ok(())
}

/// Moves the deadline of a hold, to a later or an earlier instant that is still ahead.
pub(super) fn set_deadline(
    draft: &mut Draft<'_>,
    number: HoldNumber,
    expires_at: Timestamp,
) -> Result<(), Stop> {
    let now = draft.now;
    let mut hold = open(draft, number)?.clone();
    if expires_at <= now {
        return Err(Rejection::ExpiresAtNotAhead { now }.into());
    }
    hold.expires_at = expires_at;
    draft.changed_holds.insert(number, hold);
    draft.becomes_due(Some(expires_at));
    Ok(())
}

/// The hold, if it is open. A hold that is there and not loaded, or one of whose grants is not, is missing.
fn open<'d>(draft: &'d Draft<'_>, number: HoldNumber) -> Result<&'d Hold, Stop> {
    if number > draft.head.last_hold_number || number.0 < 1 {
        return Err(Rejection::HoldNotFound { hold: number }.into());
    }
    let hold = draft.held_hold(number).ok_or(Missing::Hold(number))?;
    match hold.status() {
        HoldStatus::Open if hold.slices.iter().all(|slice| draft.grant(slice.grant).is_some()) => {
            Ok(hold)
        }
        HoldStatus::Open => Err(Missing::Hold(number).into()),
        HoldStatus::Expired => {
            let expires_at = hold.expires_at;
            Err(Rejection::HoldExpired { hold: number, expires_at }.into())
        }
        HoldStatus::Captured | HoldStatus::Released => {
            Err(Rejection::HoldClosed { hold: number }.into())
        }
    }
}
