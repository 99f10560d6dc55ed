//! Taking credits: all or nothing, in drawdown order. What no grant covers is debt, up to the overdraft limit.

use super::{
    Stop,
    limits::{self, Asked},
};
use crate::{
    Actor, Allocation, Amount, Coverage, DrawdownKey, EntryKind, Grant, Missing, OperationName,
    Rejection, Spend, Timestamp, draft::Draft,
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
    let mut drawing = draw_live(draft, amount.get(), operation.as_ref(), late)?;

    let live = drawing.taken.len();
    if let Some(occurred_at) = late {
        for (key, grant) in draft.grants() {
            if drawing.left.is_zero() {
                break;
            }
            if was_lost_since(grant, operation.as_ref(), occurred_at) {
                drawing.take(key, grant, grant.lost);
            }
        }
    }

    let overdraft_left = draft.overdraft_left();
    if drawing.left > overdraft_left {
        let available = amount.get() - drawing.left;
        let required = amount.get();
        return Err(Rejection::InsufficientCredits { available, overdraft_left, required }.into());
    }

    let (amount, operation) = (amount.get(), operation.as_ref());
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
    operation: Option<&OperationName>,
    late: Option<Timestamp>,
) -> Result<Drawing, Missing> {
    let mut drawing = Drawing { left: amount, taken: Vec::new() };
    let drawn_to = match draft.coverage() {
        Coverage::Complete => None,
        Coverage::Partial { drawn_to, .. } => Some(drawn_to),
    };

    for (key, grant) in draft.grants() {
        // Past what is covered, an earlier grant may not be held: stop and ask for more.
        if drawn_to.is_some_and(|drawn_to| drawn_to.is_none_or(|drawn_to| key > drawn_to)) {
            break;
        }
        if is_spendable(grant, operation, late) {
            drawing.take(key, grant, grant.parts.available);
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

/// What was drawn so far.
pub(super) struct Drawing {
    /// What is still uncovered.
    pub(super) left: Amount,
    /// How much of which grant.
    pub(super) taken: Vec<(DrawdownKey, Allocation)>,
}

impl Drawing {
    fn take(&mut self, key: DrawdownKey, grant: &Grant, most: Amount) {
        let amount = most.min(self.left);
        self.left = self.left - amount;
        self.taken.push((key, Allocation { grant: grant.number, amount }));
    }
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

/// Whether a spend may draw what the grant has available. Late usage draws only grants that were
/// effective when it happened.
fn is_spendable(grant: &Grant, operation: Option<&OperationName>, late: Option<Timestamp>) -> bool {
    grant.activated
        && !grant.parts.available.is_zero()
        && grant.applies_to(operation)
        && late.is_none_or(|occurred_at| grant.terms.window.has_begun(occurred_at))
}

/// Whether the grant was valid at `occurred_at` and has lost credits to expiry since.
fn was_lost_since(
    grant: &Grant,
    operation: Option<&OperationName>,
    occurred_at: Timestamp,
) -> bool {
    !grant.lost.is_zero()
        && grant.applies_to(operation)
        && grant.terms.window.has_begun(occurred_at)
        && grant.expired_at.is_some_and(|expired_at| expired_at > occurred_at)
}
