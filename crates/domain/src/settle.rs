//! Settle: book what time alone has done since the wallet's last entry.
//!
//! Every command is decided on a settled draft, and every read settles without writing, so a balance is
//! exact at each microsecond whether or not anything has been booked (design, section 3, "Settle").

use std::{cmp::Reverse, sync::Arc};

use crate::{
    Allocation, Balances, Counts, Coverage, DrawdownKey, Entry, EntryKind, GrantNumber, Head, Hold,
    HoldNumber, Missing, Period, Step, Timestamp, WalletState, debt::repay, draft::Draft,
    hold::move_out,
};

/// What time does, in the order in which it happens at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// A hold ends.
    Deadline(HoldNumber),
    /// What a grant has left expires.
    Expiry(GrantNumber, DrawdownKey),
    /// What was scheduled becomes available.
    Activation(GrantNumber, DrawdownKey),
    /// What a grant has left is announced to expire, by a lead.
    Announcement(GrantNumber, Reverse<Period>, DrawdownKey),
}

/// Books what is due by the draft's instant, in order of its own instant, each instant as a step of its own.
pub fn settle(draft: &mut Draft<'_>) -> Result<(), Missing> {
    let now = draft.now;
    if draft.head.next_due_at.is_none_or(|due_at| due_at > now) {
        return Ok(());
    }
    let not_held = match draft.coverage() {
        Coverage::Complete => None,
        Coverage::Partial { next_due_at, .. } => next_due_at,
    };
    if not_held.is_some_and(|due_at| due_at <= now) {
        return Err(Missing::DueBy(now));
    }

    let settled_to = draft.state().head.recorded_at;
    let mut due: Vec<(Timestamp, Due)> = Vec::new();
    let deadlines = draft.holds().filter(|hold| hold.is_open() && hold.expires_at <= now);
    due.extend(deadlines.map(|hold| (hold.expires_at, Due::Deadline(hold.number))));
    for (key, grant) in draft.grants() {
        // One that is held may get something back before it expires.
        if !grant.is_open() {
            continue;
        }
        let window = grant.window;
        if !grant.activated && window.has_begun(now) {
            due.push((window.effective_at(), Due::Activation(grant.number, key)));
        }
        if let Some(expires_at) = window.expires_at().filter(|expires_at| *expires_at <= now) {
            due.push((expires_at, Due::Expiry(grant.number, key)));
        }
        // Those that were due by the last transaction were made by then.
        let announcements = draft.leads().announcements(grant);
        let announcements = announcements.filter(|(at, _)| settled_to < *at && *at <= now);
        due.extend(
            announcements
                .map(|(at, lead)| (at, Due::Announcement(grant.number, Reverse(lead), key))),
        );
    }
    due.sort_unstable();
    for at_once in due.chunk_by(|(a, _), (b, _)| a == b) {
        let instant = at_once[0].0;
        for (at, due) in at_once {
            match due {
                Due::Deadline(hold) => lapse(draft, *hold, *at),
                Due::Expiry(_, key) => book_rest(draft, EntryKind::Expired, key, *at),
                Due::Activation(_, key) => {
                    book_rest(draft, EntryKind::Activated, key, *at);
                    repay(draft, key, *at)?;
                }
                Due::Announcement(_, Reverse(lead), key) => {
                    draft.end_step(*at);
                    draft.announce(key, *lead, *at);
                }
            }
        }
        draft.end_step(instant);
    }
    let grants = draft.grants().filter_map(|(_, grant)| draft.due_at(grant));
    let holds = draft.holds().filter(|hold| hold.is_open()).map(|hold| hold.expires_at);
    draft.head.next_due_at = grants.chain(holds).chain(not_held).min();
    Ok(())
}

/// Books what a grant has available, unless that is nothing by now.
fn book_rest(draft: &mut Draft<'_>, kind: EntryKind, key: &DrawdownKey, at: Timestamp) {
    let Some(grant) = draft.held(key).filter(|grant| !grant.parts.available.is_zero()) else {
        return;
    };
    let allocation = Allocation { grant: grant.number, amount: grant.parts.available };
    draft.book(kind, at, &[(*key, allocation)]);
}

/// Ends a hold at its deadline.
fn lapse(draft: &mut Draft<'_>, number: HoldNumber, at: Timestamp) {
    if let Some(held) = draft.held_hold(number).map(Hold::held) {
        move_out(draft, number, EntryKind::HoldExpired, held, at);
    }
}

/// A wallet's balances at an instant from its last transaction on, if nothing but time happens until then.
pub fn balances_at(state: &WalletState, at: Timestamp) -> Result<Balances, Missing> {
    let mut draft = Draft::new(state, at);
    settle(&mut draft)?;
    Ok(draft.head.balances)
}

/// The entries that time alone makes up to an instant, in order of time.
pub fn due(state: &WalletState, until: Timestamp) -> Result<Vec<Entry>, Missing> {
    let mut draft = Draft::new(state, until);
    settle(&mut draft)?;
    Ok(draft.entries)
}

/// What becomes of a wallet's balances up to an instant, if nothing but time happens: a step for each thing
/// that is due.
pub fn forecast(state: &WalletState, until: Timestamp) -> Result<Vec<Step>, Missing> {
    let due = due(state, until)?.into_iter();
    Ok(due.map(|entry| Step { at: entry.effective_at, balances: entry.after }).collect())
}

/// The state as it is once what is due by `at` is booked: for reads, which do not write it.
pub fn settled(state: &WalletState, at: Timestamp) -> Result<WalletState, Missing> {
    let mut draft = Draft::new(state, at);
    settle(&mut draft)?;
    let Draft { head, changed, changed_debts, changed_holds, .. } = draft;
    let Head { recorded_at, revision, .. } = state.head;
    let head = Head { recorded_at, revision, ..head };
    let mut grants = state.grants.clone();
    grants.extend(changed);
    let mut holds = state.holds.clone();
    holds.extend(changed_holds);
    let mut debts = state.debts.clone();
    debts.extend(changed_debts);
    let mut settled = WalletState {
        settings: Arc::clone(&state.settings),
        head,
        grants,
        holds,
        moved: state.moved.clone(),
        coverage: state.coverage,
        debts,
        has_all_debts: state.has_all_debts,
        spends: state.spends.clone(),
        // Holds may have ended.
        counts: Counts::default(),
        fundings: state.fundings.clone(),
    };
    settled.drop_closed_debts();
    Ok(settled)
}
