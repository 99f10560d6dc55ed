//! What spend limits will ask for, of all wallets of a batch at once. What is lacking all the same is loaded when a
//! decision says so.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use deadpool_postgres::Client;
use purse_domain::{
    Command, Origin, Request, Spender, Timestamp, WalletId, WalletName, WalletState,
};

use crate::{
    StorageError,
    spending::{Wanted, find_open_holds, find_sums},
};

/// Loads it, if any of the wallets has limits.
pub(super) async fn load(
    client: &Client,
    wallets: &mut HashMap<WalletId, WalletState>,
    requests: &[&Request],
    now: Timestamp,
) -> Result<(), StorageError> {
    let mut edges: BTreeMap<(WalletId, Spender), BTreeSet<Timestamp>> = BTreeMap::new();
    let mut with_holds: BTreeMap<WalletId, &WalletName> = BTreeMap::new();
    for request in requests {
        let id = request.wallet.wallet_id;
        let Some(state) = wallets.get(&id) else { continue };
        let limits = &state.settings.spend_limits;
        if limits.is_empty() {
            continue;
        }
        if !state.head.balances.held.is_zero() {
            with_holds.insert(id, &request.wallet);
        }
        if let Some((origin, at)) = taken(request, now.max(state.head.recorded_at)) {
            for (spender, edge) in limits.edges(&origin, at) {
                edges.entry((id, spender)).or_default().insert(edge);
            }
        }
    }
    let wanted = edges.into_iter().filter_map(|((id, spender), edges)| {
        let state = wallets.get(&id)?;
        let scans = state.counts.scans_from(&spender, edges);
        Some(Wanted { wallet: state.settings.name.clone(), spender, scans })
    });
    let wanted: Vec<Wanted> = wanted.collect();
    if !wanted.is_empty() {
        for (Wanted { wallet, spender, scans }, found) in find_sums(client, wanted).await? {
            if let Some(state) = wallets.get_mut(&wallet.wallet_id) {
                state.counts.load(&spender, &scans, &found);
            }
        }
    }
    if !with_holds.is_empty() {
        let names: Vec<&WalletName> = with_holds.values().copied().collect();
        let mut found = find_open_holds(client, &names).await?;
        for id in with_holds.keys() {
            if let Some(state) = wallets.get_mut(id) {
                state.counts.load_open_holds(found.remove(id).unwrap_or_default());
            }
        }
    }
    Ok(())
}

/// Whose credits a request takes, what for, and when that counts. Who made a hold is not known yet, so what a capture
/// asks for beyond it is left to the decision.
fn taken(request: &Request, now: Timestamp) -> Option<(Origin, Timestamp)> {
    let (operation, at) = match &request.command {
        Command::Spend(spend) => (&spend.operation, spend.occurred_at.unwrap_or(now)),
        Command::CreateHold(hold) => (&hold.operation, now),
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
        | Command::Transfer(_)
        | Command::Receive(_)
        | Command::PurchasePack(_)
        | Command::FreezeWallet
        | Command::UnfreezeWallet
        | Command::DeclineTopUp(_)
        | Command::CloseWallet(_)
        | Command::Settle => return None,
    };
    let actor = request.actor.clone();
    Some((Origin { actor, operation: operation.clone() }, at))
}
