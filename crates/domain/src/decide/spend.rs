//! Taking credits: all or nothing, in drawdown order. What no grant covers is debt, up to the overdraft limit.

use super::{
    Stop,
    limits::{self, Asked},
};
use crate::{
    Actor, Amount, Coverage, DrawdownKey, EntryKind, Missing, Rejection, Spend, Timestamp,
    draft::Draft,
    drawing::{Drawing, Purpose, Usage},
};

/// How far back usage is still charged: 72 hours, so that a weekend's backlog is.
pub const LATE_WINDOW_MICROS: i64 = 72 * 60 * 60 * 1_000_000;

/// Spends from what is available now or, for late usage, from what was valid when it happened. It counts towards
/// the limits of `actor`, and can be waited for `until` then.
pub(super) fn spend(
    draft: &mut Draft<'_>,
    spend: &Spend,
    actor: &Actor,
    until: Option<Timestamp>,
) -> Result<(), Stop> {
    let Spend { amount, operation, occurred_at } = spend;
    let now = draft.now;
    if let Some(occurred_at) = *occurred_at {
        check_occurrence(occurred_at, now)?;
    }
    let late = occurred_at.filter(|occurred_at| *occurred_at < now);
    let usage = Usage { purpose: Purpose::Operation(operation.as_ref()), now, late };
    let amount = amount.amount().map_err(Rejection::from)?.get();
    let mut drawing = draw_live(draft, amount, &usage)?;

    let live = drawing.taken.len();
    if late.is_some() {
        for (key, grant) in draft.grants() {
            if drawing.left.is_zero() {
                break;
            }
            if let Ok(lost) = usage.lost(grant) {
                drawing.take(key, grant.number, lost);
            }
        }
    }

    let overdraft_left = draft.overdraft_left();
    if drawing.left > overdraft_left {
        let (available, required) = (amount - drawing.left, amount);
        return Err(Rejection::InsufficientCredits { available, overdraft_left, required }.into());
    }

    let operation = operation.as_ref();
    limits::check(draft, &Asked { amount, actor, operation, occurred_at: *occurred_at, until })?;

    let Drawing { taken, left: debt } = drawing;
    for (key, allocation) in &taken[live..] {
        let lost_at = draft.grant(allocation.grant).and_then(|(_, grant)| grant.expired_at);
        let part = [(*key, *allocation)];
        draft.book(EntryKind::ExpiryReversed, lost_at.unwrap_or(now), &part);
    }
    let counts_from = late.unwrap_or(now);
    draft.book_on_credit(EntryKind::Spent, counts_from, &taken, debt, operation);
    Ok(())
}

/// Draws what is available, in drawdown order, and says what is left uncovered.
pub(super) fn draw_live(
    draft: &Draft<'_>,
    amount: Amount,
    usage: &Usage<'_>,
) -> Result<Drawing, Missing> {
    let mut drawing = Drawing::of(amount);
    let drawn_to = match draft.coverage() {
        Coverage::Complete => None,
        Coverage::Partial { drawn_to, .. } => Some(drawn_to),
    };

    for (key, grant) in draft.grants() {
        // Past what is covered, an earlier grant may not be held: stop and ask for more.
        if drawn_to.is_some_and(|drawn_to| drawn_to.is_none_or(|drawn_to| key > drawn_to)) {
            break;
        }
        if let Ok(available) = usage.drawable(grant) {
            drawing.take(key, grant.number, available);
        }
        if drawing.left.is_zero() {
            break;
        }
    }
    if !drawing.left.is_zero() && drawn_to.is_some_and(|to| to != Some(DrawdownKey::LAST)) {
        return Err(Missing::MoreInOrder);
    }
    Ok(drawing)
}

fn check_occurrence(occurred_at: Timestamp, now: Timestamp) -> Result<(), Rejection> {
    let oldest = now.plus_micros(-LATE_WINDOW_MICROS);
    if occurred_at > now {
        Err(Rejection::OccurredAtAhead { now })
    } else if occurred_at < oldest {
        Err(Rejection::OccurredAtTooOld { oldest })
    } else {
        Ok(())
    }
}
