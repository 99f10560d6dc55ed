//! Our side's callers: who spends from which wallet, and with which key.

use std::sync::Arc;

use purse_proto::v1::{SpendRequest, wallet_service_client::WalletServiceClient};

use crate::{
    api::{AMOUNT, ASSET, acknowledged},
    connection::Connection,
    load::{Caller, Failure},
    seeds::{Seed, Seeds},
    spread::{Accounts, Spread},
    wallets::Wallets,
};

/// What the spends pay for, as in the naive side's entries.
const OPERATION: &str = "usage";

/// Spends one credit per call from a wallet chosen by chance.
#[derive(Debug)]
pub struct Spender {
    client: WalletServiceClient<Connection>,
    accounts: Arc<Accounts>,
    seed: Seed,
    calls: u64,
}

/// Callers that spend, as many as are taken, spread evenly over the connections.
pub fn spenders(
    wallets: &Wallets,
    spread: Spread,
    seeds: &mut Seeds,
) -> impl Iterator<Item = Spender> + Send + use<> {
    let accounts = Arc::new(spread.accounts(wallets));
    let connections = wallets.connections.clone();
    let mut seeds = seeds.branch();
    connections.into_iter().cycle().map(move |connection| Spender {
        client: WalletServiceClient::new(connection),
        accounts: Arc::clone(&accounts),
        seed: seeds.next_caller(),
        calls: 0,
    })
}

impl Caller for Spender {
    async fn call(&mut self) -> Result<(), Failure> {
        self.calls += 1;
        let request = SpendRequest {
            account: self.accounts.choose(self.seed, self.calls).clone(),
            asset: ASSET.to_owned(),
            amount: AMOUNT.to_string(),
            operation: OPERATION.to_owned(),
            idempotency_key: self.seed.key(self.calls),
            ..SpendRequest::default()
        };
        acknowledged(self.client.spend(request).await)
    }
}
