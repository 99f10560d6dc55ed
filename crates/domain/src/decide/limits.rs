//! Checking what is asked for against the wallet's spend limits.

use super::{LATE_WINDOW_MICROS, Stop};
use crate::{
    Actor, Amount, Command, Counted, Missing, OperationName, Origin, Rejection, Request,
    SignedAmount, SpendRecord, Timestamp, draft::Draft, room::Room,
};

/// Credits that are asked for, as far as limits look at them.
pub(super) struct Asked<'a> {
    /// How much.
    pub(super) amount: Amount,
    /// Whose limits they count towards.
    pub(super) actor: &'a Actor,
    /// What for.
    pub(super) operation: Option<&'a OperationName>,
    /// When they count, if not whenever they are asked for.
    pub(super) occurred_at: Option<Timestamp>,
    /// From when on waiting does not help, whatever the limits say.
    pub(super) until: Option<Timestamp>,
}

/// Refuses credits that do not fit in every limit. Of several limits in the way it names the one that frees last:
/// then they fit in all.
pub(super) fn check(draft: &Draft<'_>, asked: &Asked<'_>) -> Result<(), Stop> {
    let limits = &draft.state().settings.spend_limits;
    if limits.is_empty() {
        return Ok(());
    }
    let Asked { amount: required, actor, operation, occurred_at, until } = *asked;
    let origin = Origin { actor: actor.clone(), operation: operation.cloned() };
    let captured = draft
        .entries
        .iter()
        .filter_map(|entry| Counted::of(entry.kind, entry.amount, entry.effective_at, &origin));
    let captured = captured.map(|counted| counted.amount).sum::<SignedAmount>().or_nothing();
    let too_late = occurred_at.map(|at| at.plus_micros(LATE_WINDOW_MICROS + 1)).or(until);
    let now = draft.now;
    let mut last: Option<(Option<Timestamp>, Rejection)> = None;
    for limit in limits.iter() {
        let Some(spender) = limit.spender(&origin) else { continue };
        let room = Room::of(draft.state(), limit, spender, now, &draft.changed_holds, captured)?;
        let Some(excess) = room.excess(required, occurred_at)? else { continue };
        let in_time = |at: &Timestamp| too_late.is_none_or(|too_late| *at < too_late);
        let frees_at = excess.frees_at.filter(in_time);
        let is_later = |(last, _): &(Option<Timestamp>, Rejection)| match (*last, frees_at) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(last), Some(frees_at)) => frees_at > last,
        };
        if last.as_ref().is_none_or(is_later) {
            let (limit, allowed) = (limit.name.clone(), limit.amount);
            let used = excess.used;
            let rejection =
                Rejection::SpendLimitExceeded { limit, used, allowed, required, frees_at, now };
            last = Some((frees_at, rejection));
        }
    }
    last.map_or(Ok(()), |(_, rejection)| Err(rejection.into()))
}

/// What a decision counts. Nothing in a wallet without limits: nobody needs to know.
pub(super) fn counted(draft: &Draft<'_>, request: &Request) -> Result<Vec<Counted>, Missing> {
    let state = draft.state();
    if state.settings.spend_limits.is_empty() {
        return Ok(Vec::new());
    }
    let (origin, undone_at) = match &request.command {
        Command::Spend(spend) => {
            let (actor, operation) = (request.actor.clone(), spend.operation.clone());
            (Origin { actor, operation }, None)
        }
        Command::CaptureHold(capture) => match state.counts.origin_of(capture.hold)? {
            Some(origin) => (origin.clone(), None),
            None => return Ok(Vec::new()),
        },
        Command::ReverseSpend(reverse) => match state.spends.get(&reverse.transaction) {
            Some(Some(SpendRecord { origin: Some(origin), effective_at, .. })) => {
                (origin.clone(), Some(*effective_at))
            }
            Some(Some(SpendRecord { origin: None, .. }) | None) | None => return Ok(Vec::new()),
        },
        // Whoever loads the open holds afterwards finds them as they were before.
        Command::CreateHold(_) | Command::ReleaseHold(_) | Command::ExtendHold(..) => {
            return state.counts.open_holds().map(|_| Vec::new());
        }
        Command::CreateWallet(_)
        | Command::UpdateWallet(_)
        | Command::Grant(_)
        | Command::CarryOver(_)
        | Command::VoidGrant(_)
        | Command::ExpireGrant(_)
        | Command::ChangeGrantExpiry(_)
        | Command::RevokeFunding(_)
        | Command::Transfer(_)
        | Command::Receive(_)
        | Command::PurchasePack(_)
        | Command::FreezeWallet
        | Command::UnfreezeWallet
        | Command::DeclineTopUp(_)
        | Command::CloseWallet(_)
        | Command::Settle => return Ok(Vec::new()),
    };
    let counted = draft.entries.iter().filter_map(|entry| {
        let at = undone_at.unwrap_or(entry.effective_at);
        Counted::of(entry.kind, entry.amount, at, &origin)
    });
    Ok(counted.collect())
}
