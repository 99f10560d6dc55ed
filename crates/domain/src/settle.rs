//! Settle: book what time alone has done since the wallet's last entry.
//!
//! Every command is decided on a settled draft, and every read settles without writing, so a balance is
//! exact at each microsecond whether or not anything has been booked (design, section 3, "Settle").

use std::sync::Arc;

use crate::{
    Allocation, Balances, Coverage, DrawdownKey, EntryKind, Head, Missing, Timestamp, WalletState,
    debt::repay,
    draft::{Draft, earliest},
};

/// What time does to a grant, in the order in which it happens at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// What is left expires.
    Expiry,
    /// What was scheduled becomes available.
    Activation,
}

/// Books what is due by the draft's instant, in order of its own instant.
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

    let mut due: Vec<(Timestamp, Due, crate::GrantNumber, DrawdownKey)> = Vec::new();
    for (key, grant) in draft.grants() {
        if grant.parts.available.is_zero() {
            continue;
        }
        let window = grant.terms.window;
        if !grant.activated && window.has_begun(now) {
            due.push((window.effective_at(), Due::Activation, grant.number, key));
        }
        if let Some(expires_at) = window.expires_at().filter(|expires_at| *expires_at <= now) {
            due.push((expires_at, Due::Expiry, grant.number, key));
        }
    }
    due.sort_unstable();
    for (at, due, number, key) in due {
        let Some(grant) = draft.held(&key) else { continue };
        let kind = match due {
            Due::Expiry => EntryKind::Expired,
            Due::Activation => EntryKind::Activated,
        };
        if grant.parts.available.is_zero() {
            continue;
        }
        let allocation = Allocation { grant: number, amount: grant.parts.available };
        draft.book(kind, at, &[(key, allocation)]);
        match due {
            Due::Expiry => {}
            Due::Activation => repay(draft, &key, at)?,
        }
    }
    draft.head.next_due_at =
        draft.grants().fold(not_held, |next, (_, grant)| earliest(next, grant.due_at()));
    Ok(())
}

/// A wallet's balances at an instant from its last transaction on, if nothing but time happens until then.
pub fn balances_at(state: &WalletState, at: Timestamp) -> Result<Balances, Missing> {
    let mut draft = Draft::new(state, at);
    settle(&mut draft)?;
    Ok(draft.head.balances)
}

/// The state as it is once what is due by `at` is booked: for reads, which do not write it.
pub fn settled(state: &WalletState, at: Timestamp) -> Result<WalletState, Missing> {
    let mut draft = Draft::new(state, at);
    settle(&mut draft)?;
    let Draft { head, changed, changed_debts, .. } = draft;
    let Head { recorded_at, revision, .. } = state.head;
    let head = Head { recorded_at, revision, ..head };
    let mut grants = state.grants.clone();
    grants.extend(changed);
    let mut debts = state.debts.clone();
    debts.extend(changed_debts);
    let mut settled = WalletState {
        settings: Arc::clone(&state.settings),
        head,
        grants,
        coverage: state.coverage,
        debts,
        has_all_debts: state.has_all_debts,
        spends: state.spends.clone(),
    };
    settled.drop_closed_debts();
    Ok(settled)
}
