//! Our side's callers: who spends from which wallet, and with which key.

use std::sync::Arc;

use purse_proto::v1::{SpendRequest, wallet_service_client::WalletServiceClient};
use tonic::transport::Channel;

use super::wallets::Wallets;
use crate::{
    api::{AMOUNT, ASSET, acknowledged},
    load::{Caller, Failure},
    seeds::{Seed, Seeds},
};

/// What the spends pay for, as in the naive side's entries.
const OPERATION: &str = "usage";

/// Spends one credit per call from a wallet chosen by chance.
#[derive(Debug)]
pub struct Spender {
    client: WalletServiceClient<Channel>,
    accounts: Arc<[String]>,
    seed: Seed,
    calls: u64,
}

/// Callers that spend, spread evenly over the connections.
pub fn spenders(wallets: &Wallets, hot: bool, callers: u32, seeds: &mut Seeds) -> Vec<Spender> {
    let accounts = if hot { &wallets.hot } else { &wallets.many };
    (0..callers)
        .zip(wallets.channels.iter().cycle())
        .map(|(_, channel)| Spender {
            client: WalletServiceClient::new(channel.clone()),
            accounts: Arc::clone(accounts),
            seed: seeds.next_caller(),
            calls: 0,
        })
        .collect()
}

impl Caller for Spender {
    async fn call(&mut self) -> Result<(), Failure> {
        self.calls += 1;
        let request = SpendRequest {
            account: self.seed.choose(self.calls, &self.accounts).clone(),
            asset: ASSET.to_owned(),
            amount: AMOUNT.to_string(),
            operation: OPERATION.to_owned(),
            idempotency_key: self.seed.key(self.calls),
            ..SpendRequest::default()
        };
        acknowledged(self.client.spend(request).await)
    }
}
