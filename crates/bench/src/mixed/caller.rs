//! A caller who asks for now this, now that, by chance.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use prost_types::Timestamp;
use purse_proto::v1::{
    CaptureHoldRequest, CreateHoldRequest, EntryOrder, GetBalanceRequest, GrantRequest,
    ListEntriesRequest, SpendRequest, grant_service_client::GrantServiceClient,
    wallet_service_client::WalletServiceClient,
};

use crate::{
    api::{AMOUNT, ASSET, FIRST_EXPIRY_SECONDS, acknowledged},
    connection::Connection,
    figures::Latencies,
    load::{Caller, Failure},
    seeds::{Seed, Seeds},
    wallets::Wallets,
};

/// Entries of a page.
const PAGE: i32 = 50;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A spend of one credit.
    Spend,
    /// The balance now.
    Balance,
    /// A grant of one credit.
    Grant,
    /// A hold of one credit, and its capture: two calls.
    Hold,
    /// The newest entries.
    Entries,
}

impl Operation {
    pub const ALL: [Self; 5] = [Self::Spend, Self::Balance, Self::Grant, Self::Hold, Self::Entries];

    /// What it is called in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spend => "spend",
            Self::Balance => "balance",
            Self::Grant => "grant",
            Self::Hold => "hold and capture",
            Self::Entries => "entries",
        }
    }

    /// How many of a hundred are this.
    pub fn percent(self) -> u64 {
        match self {
            Self::Spend => 60,
            Self::Balance => 25,
            Self::Grant | Self::Hold | Self::Entries => 5,
        }
    }

    /// One by chance: `drawn` is below a hundred.
    fn of(drawn: u64) -> Self {
        let mut below = 0;
        let drawn_one = |operation: &Self| {
            below += operation.percent();
            drawn < below
        };
        Self::ALL.into_iter().find(drawn_one).unwrap_or(Self::Spend)
    }
}

/// How long each operation took; those that were acknowledged.
#[derive(Debug, Clone, Default)]
pub struct Seen(Arc<[Mutex<Option<Latencies>>; 5]>);

impl Seen {
    fn record(&self, operation: Operation, micros: u64) {
        let mut latencies =
            self.0[operation as usize].lock().unwrap_or_else(PoisonError::into_inner);
        latencies.get_or_insert_with(Latencies::new).record(micros);
    }

    /// Of one operation.
    pub fn latencies(&self, operation: Operation) -> Latencies {
        let latencies = self.0[operation as usize].lock().unwrap_or_else(PoisonError::into_inner);
        latencies.clone().unwrap_or_else(Latencies::new)
    }

    /// Credits that were taken.
    pub fn spent(&self) -> u64 {
        let times = |operation| self.latencies(operation).count();
        AMOUNT * (times(Operation::Spend) + times(Operation::Hold))
    }

    /// Credits that were granted.
    pub fn granted(&self) -> u64 {
        AMOUNT * self.latencies(Operation::Grant).count()
    }
}

/// Asks for one after another.
#[derive(Debug)]
pub struct MixedCaller {
    wallets: WalletServiceClient<Connection>,
    grants: GrantServiceClient<Connection>,
    accounts: Arc<[String]>,
    seed: Seed,
    calls: u64,
    seen: Seen,
}

/// Callers, as many as are taken, spread evenly over the connections.
pub fn callers(
    wallets: &Wallets,
    seeds: &mut Seeds,
    seen: &Seen,
) -> impl Iterator<Item = MixedCaller> + Send + use<> {
    let (accounts, connections) = (Arc::clone(&wallets.many), wallets.connections.clone());
    let (mut seeds, seen) = (seeds.branch(), seen.clone());
    connections.into_iter().cycle().map(move |connection| MixedCaller {
        wallets: WalletServiceClient::new(connection.clone()),
        grants: GrantServiceClient::new(connection),
        accounts: Arc::clone(&accounts),
        seed: seeds.next_caller(),
        calls: 0,
        seen: seen.clone(),
    })
}

impl Caller for MixedCaller {
    async fn call(&mut self) -> Result<(), Failure> {
        self.calls += 1;
        let operation = Operation::of(self.seed.draw(self.calls, 100));
        let begun_at = Instant::now();
        self.ask(operation).await?;
        let micros = u64::try_from(begun_at.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.seen.record(operation, micros);
        Ok(())
    }
}

impl MixedCaller {
    async fn ask(&mut self, operation: Operation) -> Result<(), Failure> {
        let account = self.seed.choose(self.calls, &self.accounts).clone();
        let (asset, amount) = (ASSET.to_owned(), AMOUNT.to_string());
        let idempotency_key = self.seed.key(self.calls);
        match operation {
            Operation::Spend => {
                let request =
                    SpendRequest { account, asset, amount, idempotency_key, ..Default::default() };
                acknowledged(self.wallets.spend(request).await)
            }
            Operation::Balance => {
                let request = GetBalanceRequest { account, asset, ..Default::default() };
                Ok(self.wallets.get_balance(request).await.map(|_| ())?)
            }
            Operation::Grant => {
                let request = GrantRequest {
                    account,
                    asset,
                    amount,
                    // Drawn before all others, so that grants do not pile up.
                    expires_at: Some(Timestamp { seconds: FIRST_EXPIRY_SECONDS, nanos: 0 }),
                    idempotency_key,
                    ..Default::default()
                };
                Ok(self.grants.grant(request).await.map(|_| ())?)
            }
            Operation::Hold => self.hold(account, asset, amount, idempotency_key).await,
            Operation::Entries => {
                let request = ListEntriesRequest {
                    account,
                    asset,
                    order: EntryOrder::NewestFirst.into(),
                    page_size: PAGE,
                    ..Default::default()
                };
                Ok(self.wallets.list_entries(request).await.map(|_| ())?)
            }
        }
    }

    async fn hold(
        &mut self,
        account: String,
        asset: String,
        amount: String,
        key: String,
    ) -> Result<(), Failure> {
        let request = CreateHoldRequest {
            account: account.clone(),
            asset: asset.clone(),
            amount: amount.clone(),
            expires_at: Some(Timestamp { seconds: FIRST_EXPIRY_SECONDS, nanos: 0 }),
            idempotency_key: format!("{key}/hold"),
            ..Default::default()
        };
        let held = self.wallets.create_hold(request).await?.into_inner();
        let request = CaptureHoldRequest {
            account,
            asset,
            hold_number: held.hold.map_or(0, |hold| hold.hold_number),
            amount,
            r#final: true,
            idempotency_key: format!("{key}/capture"),
            ..Default::default()
        };
        Ok(self.wallets.capture_hold(request).await.map(|_| ())?)
    }
}

#[cfg(test)]
mod tests {
    use super::Operation;

    #[test]
    fn of_a_hundred_operations_each_has_its_share() {
        let drawn: Vec<Operation> = (0..100).map(Operation::of).collect();
        for operation in Operation::ALL {
            let count = drawn.iter().filter(|drawn| **drawn == operation).count();
            assert_eq!(u64::try_from(count).ok(), Some(operation.percent()), "{operation:?}");
        }
    }
}
