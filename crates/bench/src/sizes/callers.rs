//! Who asks what of which wallet.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use prost_types::Timestamp;
use purse_proto::v1::{
    GetBalanceRequest, SpendRequest, wallet_service_client::WalletServiceClient,
};

use crate::{
    api::{AMOUNT, ASSET, acknowledged},
    connection::Connection,
    load::{Caller, Failure},
    seeds::{Seed, Seeds},
};

/// So often all callers spend from one wallet before they go on to the next: it stays small, and few enough of
/// its spends are the first one to show in the 99th percentile.
const SPENDS_PER_WALLET: u64 = 500;

/// Wallets that callers use one after another, and over again.
#[derive(Debug, Clone)]
pub struct Turns {
    accounts: Arc<[String]>,
    calls: Arc<AtomicU64>,
}

impl Turns {
    pub fn new(accounts: &Arc<[String]>) -> Self {
        Self { accounts: Arc::clone(accounts), calls: Arc::default() }
    }

    fn account(&self) -> &String {
        let count = u64::try_from(self.accounts.len()).unwrap_or(u64::MAX);
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let index = call / SPENDS_PER_WALLET % count;
        &self.accounts[usize::try_from(index).unwrap_or(0)]
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Asked {
    /// The balance; `None`: now.
    Balance(Option<Timestamp>),
    /// A spend.
    Spend,
}

/// Asks the same again and again.
#[derive(Debug)]
pub struct Asker {
    /// One for each server, which are asked in turn.
    clients: Vec<WalletServiceClient<Connection>>,
    wallets: Turns,
    asked: Asked,
    seed: Seed,
    calls: u64,
}

/// Callers, spread evenly over the connections. `servers` are the connections to each.
pub fn askers(
    servers: &[&[Connection]],
    wallets: &Turns,
    asked: Asked,
    callers: u32,
    seeds: &mut Seeds,
) -> Vec<Asker> {
    let mut connections: Vec<_> =
        servers.iter().map(|connections| connections.iter().cycle().cloned()).collect();
    (0..callers)
        .map(|_| Asker {
            clients: connections
                .iter_mut()
                .filter_map(Iterator::next)
                .map(WalletServiceClient::new)
                .collect(),
            wallets: wallets.clone(),
            asked,
            seed: seeds.next_caller(),
            calls: 0,
        })
        .collect()
}

impl Caller for Asker {
    async fn call(&mut self) -> Result<(), Failure> {
        self.calls += 1;
        self.clients.rotate_left(1);
        let client = &mut self.clients[0];
        let (account, asset) = (self.wallets.account().clone(), ASSET.to_owned());
        match self.asked {
            Asked::Balance(at) => {
                let request = GetBalanceRequest { account, asset, at, known_at: None };
                Ok(client.get_balance(request).await.map(|_| ())?)
            }
            Asked::Spend => {
                let request = SpendRequest {
                    account,
                    asset,
                    amount: AMOUNT.to_string(),
                    idempotency_key: self.seed.key(self.calls),
                    ..SpendRequest::default()
                };
                acknowledged(client.spend(request).await)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SPENDS_PER_WALLET, Turns};

    #[test]
    fn wallets_are_used_one_after_another_and_over_again() {
        let turns = Turns::new(&["a".to_owned(), "b".to_owned()].into());
        let used: Vec<String> =
            (0..3 * SPENDS_PER_WALLET).map(|_| turns.account().clone()).collect();
        let mut spells = used.chunk_by(|one, next| one == next);
        for name in ["a", "b", "a"] {
            let spell = spells.next().unwrap_or_default();
            assert_eq!((spell[0].as_str(), spell.len()), (name, 500));
        }
    }
}
