//! Moving credits between wallets of an asset: the sender draws them as a spend does, and the receiver gets one
//! grant for each set of terms among what was drawn (design, section 3, "Transfer").

use std::collections::HashMap;

use super::{Stop, grant, spend::draw_live};
use crate::{
    Amount, Category, CostBasis, EntryKind, ExpirationPolicy, GrantTerms, PositiveAmount, Priority,
    Receive, Rejection, Timestamp, Transfer, Window,
    debt::repay,
    draft::Draft,
    drawing::{Purpose, Usage},
};

/// Takes the credits out and says as which grants they arrive, in drawdown order. What the sender overdraws
/// arrives as a grant that never expires, behind the others.
pub(super) fn send(draft: &mut Draft<'_>, transfer: &Transfer) -> Result<Vec<GrantTerms>, Stop> {
    let Transfer { to: _, amount, expiration_policy } = transfer;
    let now = draft.now;
    if let ExpirationPolicy::Fixed(expires_at) = expiration_policy
        && *expires_at <= now
    {
        return Err(Rejection::ExpiresAtNotAhead { now }.into());
    }
    let usage = Usage { purpose: Purpose::Transfer, now, late: None };
    let drawn = draw_live(draft, amount.get(), &usage)?;
    let overdraft_left = draft.overdraft_left();
    if drawn.left > overdraft_left {
        let (available, required) = (amount.get() - drawn.left, amount.get());
        return Err(Rejection::InsufficientCredits { available, overdraft_left, required }.into());
    }
    let mut sent: Vec<GrantTerms> = Vec::new();
    // By all that two grants may differ in but their amount: of many grants, each is compared with none.
    let mut places: HashMap<GrantTerms, usize> = HashMap::new();
    for (key, part) in &drawn.taken {
        let Some(grant) = draft.held(key) else { continue };
        let granted_window = window_there(grant.window, *expiration_policy, now);
        let Some(amount) = part.amount.positive() else { continue };
        // Whoever bought them answers for a refund, wherever the credits are.
        let terms = GrantTerms {
            amount,
            granted_window,
            funding_ref: None,
            ..GrantTerms::clone(&grant.terms)
        };
        let place = *places
            .entry(GrantTerms { amount: transfer.amount, ..terms.clone() })
            .or_insert(sent.len());
        match sent.get_mut(place) {
            Some(alike) => alike.amount = alike.amount.plus(amount),
            None => sent.push(terms),
        }
    }
    sent.extend(drawn.left.positive().map(|amount| overdrawn(amount, now)));
    draft.book_on_credit(EntryKind::TransferredOut, now, &drawn.taken, drawn.left, None);
    Ok(sent)
}

/// Takes the credits in. They repay what the wallet owes, as a new grant does.
pub(super) fn receive(draft: &mut Draft<'_>, receive: &Receive) -> Result<(), Stop> {
    let Receive { from: _, grants } = receive;
    let amount: Amount = grants.iter().map(|terms| terms.amount.get()).sum();
    grant::check_room(draft, amount)?;
    for terms in grants {
        let key = draft.receive_grant(terms.clone());
        repay(draft, &key, draft.now)?;
    }
    Ok(())
}

/// The window of what was drawn from a grant with this one.
fn window_there(window: Window, expiration_policy: ExpirationPolicy, now: Timestamp) -> Window {
    match expiration_policy {
        ExpirationPolicy::Preserve => window,
        ExpirationPolicy::None => Window::from(now),
        // Checked above to lie ahead.
        ExpirationPolicy::Fixed(expires_at) => {
            Window::new(now, Some(expires_at)).unwrap_or_else(|_| Window::from(now))
        }
    }
}

fn overdrawn(amount: PositiveAmount, now: Timestamp) -> GrantTerms {
    GrantTerms {
        amount,
        granted_window: Window::from(now),
        priority: Priority::DEFAULT,
        category: Category::adjustment(),
        cost_basis: CostBasis::ZERO,
        applies_to: std::collections::BTreeSet::new(),
        funding_ref: None,
    }
}
