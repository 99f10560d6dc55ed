//! A large wallet and small ones, through the API alone: making and filling them, and reading what they are.

use std::sync::Arc;

use prost_types::Timestamp;
use purse_proto::v1::{
    BatchGrantRequest, BatchMode, BatchSpendRequest, Entry, EntryOrder, GrantRequest, ItemError,
    ListEntriesRequest, SpendRequest, batch_grant_result, batch_spend_result,
    grant_service_client::GrantServiceClient, wallet_service_client::WalletServiceClient,
};
use rust_decimal::Decimal;

use crate::{
    api::{
        AMOUNT, ASSET, ApiError, FIRST_EXPIRY_SECONDS, GRANT_AMOUNT, balance, failed, is_there,
        open,
    },
    connection::Connection,
    seeds::{Seed, Seeds},
    workers::each,
};

/// Entries of a small wallet, grants among them.
const SMALL_ENTRIES: u64 = 10;
pub const SMALL_GRANTS: u64 = 5;

/// Each grant expires on an hour of its own.
const HOUR_SECONDS: i64 = 3_600;

/// As many items as a batch call takes.
const MOST_ITEMS: u64 = 1_000;
/// Calls in flight while the large wallet is filled: a lane that has all of one to do refuses the next.
const BATCHES: usize = 1;
/// Calls in flight while small wallets are made or added up.
const WORKERS: usize = 64;
/// Decides the keys that the large wallet is filled with, so that filling it again changes nothing.
const FILLING: u64 = 1;

/// The wallets of one run, by the names of their accounts.
#[derive(Debug)]
pub struct Wallets {
    connections: Vec<Connection>,
    entries: u64,
    grants: u64,
    /// The large one, alone.
    pub large: Arc<[String]>,
    /// A small one that is only read, alone.
    pub still: Arc<[String]>,
    /// Those that are spent from.
    pub small: Arc<[String]>,
    /// Its wallet is there once the large one is complete.
    complete: String,
}

/// What a wallet's ledger holds.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// How many entries.
    pub entries: u64,
    /// An instant halfway between the first one and the last.
    pub middle: Timestamp,
}

impl Wallets {
    /// Names the wallets; does not make them. The small ones are others in each run.
    pub fn new(
        connections: Vec<Connection>,
        (entries, grants): (u64, u64),
        small_wallets: u64,
        run: u64,
    ) -> Self {
        let name = |what: &str| format!("bench:{entries}e:{grants}g:{what}");
        let small = |wallet: u64| format!("bench:small:{run:016x}:{wallet:05}");
        Self {
            connections,
            entries,
            grants,
            large: [name("large")].into(),
            still: [small(0)].into(),
            small: (1..=small_wallets).map(small).collect(),
            complete: name("complete"),
        }
    }

    /// Makes the large wallet, unless it is there.
    pub async fn make_large(&self) -> Result<bool, ApiError> {
        let first = self.connections[0].clone();
        if is_there(first.clone(), &self.complete).await? {
            return Ok(false);
        }
        let account = &self.large[0];
        open(first.clone(), account).await?;
        self.fill(account, "grants", self.grants, grant_batch).await?;
        self.fill(account, "spends", self.entries - self.grants, spend_batch).await?;
        open(first, &self.complete).await?;
        Ok(true)
    }

    /// Makes the small wallets.
    pub async fn make_small(&self) -> Result<(), ApiError> {
        let all = self.still.iter().chain(self.small.iter()).cloned().collect();
        let make = |connection: Connection, account: String| async move {
            open(connection.clone(), &account).await?;
            grant_batch(connection.clone(), (account.clone(), (0, SMALL_GRANTS))).await?;
            spend_batch(connection, (account, (0, SMALL_ENTRIES - SMALL_GRANTS))).await
        };
        each(&self.connections, WORKERS, "wallets", all, make).await.map(|_| ())
    }

    /// Appends `count` entries to a wallet by batches.
    async fn fill<W, F>(
        &self,
        account: &str,
        what: &'static str,
        count: u64,
        append: W,
    ) -> Result<(), ApiError>
    where
        W: Fn(Connection, (String, (u64, u64))) -> F + Clone + Send + 'static,
        F: Future<Output = Result<(), ApiError>> + Send,
    {
        let batches = (0..count.div_ceil(MOST_ITEMS)).map(|batch| {
            let first = batch * MOST_ITEMS;
            (account.to_owned(), (first, (first + MOST_ITEMS).min(count)))
        });
        each(&self.connections, BATCHES, what, batches.collect(), append).await.map(|_| ())
    }

    /// The sum of all balances that spends change.
    pub async fn total(&self) -> Result<Decimal, ApiError> {
        let all = self.large.iter().chain(self.small.iter()).cloned().collect();
        let all = each(&self.connections, WORKERS, "balances", all, balance).await?;
        Ok(all.into_iter().sum())
    }

    /// What an account's ledger holds.
    pub async fn extent(&self, account: &str) -> Result<Extent, ApiError> {
        let first = self.one_entry(account, EntryOrder::OldestFirst).await?;
        let last = self.one_entry(account, EntryOrder::NewestFirst).await?;
        let instant = |entry: &Entry| entry.recorded_at.unwrap_or_default();
        let (from, to) = (instant(&first), instant(&last));
        Ok(Extent {
            entries: u64::try_from(last.sequence).unwrap_or_default(),
            middle: between(from, to),
        })
    }

    async fn one_entry(&self, account: &str, order: EntryOrder) -> Result<Entry, ApiError> {
        let request = ListEntriesRequest {
            account: account.to_owned(),
            asset: ASSET.to_owned(),
            order: order.into(),
            page_size: 1,
            ..ListEntriesRequest::default()
        };
        let mut client = WalletServiceClient::new(self.connections[0].clone());
        let answer = client.list_entries(request).await.map_err(failed("ListEntries", account))?;
        Ok(answer.into_inner().entries.pop().unwrap_or_default())
    }
}

/// Halfway between two instants, to the microsecond, which is what Purse counts in.
fn between(from: Timestamp, to: Timestamp) -> Timestamp {
    let micros = |instant: Timestamp| {
        i128::from(instant.seconds) * 1_000_000 + i128::from(instant.nanos) / 1_000
    };
    let middle = i128::midpoint(micros(from), micros(to));
    let (seconds, micros) = (middle.div_euclid(1_000_000), middle.rem_euclid(1_000_000));
    Timestamp {
        seconds: i64::try_from(seconds).unwrap_or_default(),
        nanos: i32::try_from(micros * 1_000).unwrap_or_default(),
    }
}

/// Like the keys that are measured, so that the index over keys is as it will be.
fn filling(what: u64) -> Seed {
    Seeds::new(FILLING, Some(what)).next_caller()
}

/// Grants of numbers `from` up to `to`. Later ones expire earlier, so that the order in which they are drawn is
/// not the one in which they were made.
async fn grant_batch(
    connection: Connection,
    (account, (from, to)): (String, (u64, u64)),
) -> Result<(), ApiError> {
    let keys = filling(1);
    let requests = (from..to).map(|grant| GrantRequest {
        account: account.clone(),
        asset: ASSET.to_owned(),
        amount: GRANT_AMOUNT.to_string(),
        expires_at: Some(Timestamp {
            seconds: FIRST_EXPIRY_SECONDS - HOUR_SECONDS * i64::try_from(grant).unwrap_or_default(),
            nanos: 0,
        }),
        idempotency_key: keys.key(grant),
        ..GrantRequest::default()
    });
    let mode = BatchMode::EachOnItsOwn.into();
    let request = BatchGrantRequest { requests: requests.collect(), mode };
    let answer = GrantServiceClient::new(connection).batch_grant(request).await;
    let answer = answer.map_err(failed("BatchGrant", &account))?.into_inner();
    for result in answer.results {
        if let Some(batch_grant_result::Outcome::Error(error)) = result.outcome {
            return Err(refused("BatchGrant", account, error));
        }
    }
    Ok(())
}

async fn spend_batch(
    connection: Connection,
    (account, (from, to)): (String, (u64, u64)),
) -> Result<(), ApiError> {
    let keys = filling(2);
    let requests = (from..to).map(|spend| SpendRequest {
        account: account.clone(),
        asset: ASSET.to_owned(),
        amount: AMOUNT.to_string(),
        idempotency_key: keys.key(spend),
        ..SpendRequest::default()
    });
    let mode = BatchMode::EachOnItsOwn.into();
    let request = BatchSpendRequest { requests: requests.collect(), mode };
    let answer = WalletServiceClient::new(connection).batch_spend(request).await;
    let answer = answer.map_err(failed("BatchSpend", &account))?.into_inner();
    for result in answer.results {
        if let Some(batch_spend_result::Outcome::Error(error)) = result.outcome {
            return Err(refused("BatchSpend", account, error));
        }
    }
    Ok(())
}

fn refused(call: &'static str, account: String, error: ItemError) -> ApiError {
    ApiError::Item { call, account, reason: error.reason }
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use super::between;

    #[test]
    fn halfway_is_halfway() {
        let at = |seconds, nanos| Timestamp { seconds, nanos };
        assert_eq!(between(at(10, 0), at(11, 0)), at(10, 500_000_000));
        assert_eq!(between(at(10, 900_000_000), at(12, 300_000_000)), at(11, 600_000_000));
        assert_eq!(between(at(7, 1_000), at(7, 1_000)), at(7, 1_000));
    }
}
