//! Reads. They never lock and never write: what time has done since the last entry is worked out by the
//! same `settle` that writes book.

pub(crate) mod balance;
mod cost;
mod due;
mod entries;
mod events;
mod expiry;
mod explain;
mod fold;
mod grants;
mod holds;
mod report;
mod spend_limits;
mod timeline;
mod transfers;
mod verify;
mod wallets;

pub use balance::{BalanceAt, BalanceQuery};
pub use cost::CostQuery;
pub use due::{DuePage, DuePosition, DueQuery};
pub use entries::{EntryFilter, EntryPage, EntryQuery, EntryRecord};
pub use events::{EventPage, EventPosition, EventRecord, EventScope, EventsUnreadable};
pub use expiry::ExpiryQuery;
pub use explain::{ComposedBalance, ExplainedTransaction};
pub use grants::{GrantPage, GrantQuery, GrantRecord};
pub use holds::{HoldPage, HoldQuery, HoldRecord};
pub use report::{NoReport, ReportPage, ReportedWallets};
pub use spend_limits::{SpendLimitQuery, SpendLimitRecord, SpendLimitsAt};
pub use timeline::{TimelineQuery, TimelineRecord};
pub use verify::Verification;
pub use wallets::WalletQuery;

use deadpool_postgres::Client;
use purse_domain::{Timestamp, TransactionId, WalletName, WalletState, settle::settled};

use crate::{
    Storage, StorageError,
    load::{state, supplied},
    row::{Columns, head_columns, settings_columns},
};

const WALLET: &str = concat!(
    "SELECT ",
    settings_columns!(),
    ",",
    head_columns!(),
    " FROM wallets AS w
      WHERE w.account_id = $1 AND w.wallet_id = $2"
);

/// Why a read has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswerable {
    /// There is no such wallet.
    WalletNotFound,
    /// The wallet has no such transaction.
    TransactionNotFound {
        /// The one that was asked for.
        transaction: TransactionId,
    },
    /// Nobody knows yet what will be known then.
    KnownAtAhead {
        /// The present instant.
        now: Timestamp,
    },
    /// The range ends before it starts.
    RangeInverted {
        /// Its start, as asked for or by default.
        start: Timestamp,
        /// Its end, as asked for or by default.
        end: Timestamp,
    },
}

/// A wallet's row, with no grant held.
async fn wallet(client: &Client, name: &WalletName) -> Result<Option<WalletState>, StorageError> {
    let statement = client.prepare_cached(WALLET).await?;
    let row =
        client.query_opt(&statement, &[&name.account_id.uuid(), &name.wallet_id.uuid()]).await?;
    row.map(|row| state(&mut Columns::of(&row), name.clone())).transpose()
}

impl Storage {
    /// A wallet's state with what is due by now booked, for an answer only.
    async fn settled(
        &self,
        client: &Client,
        mut state: WalletState,
    ) -> Result<WalletState, StorageError> {
        let now = self.clock().now();
        supplied(client, &mut state, |state| settled(state, now)).await
    }

    /// A reader in a transaction with one snapshot, for reads of several statements. Dropping it puts the
    /// connection back; the transaction ends with the guard's rollback.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot, StorageError> {
        let client = self.reader().await?;
        client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        Ok(Snapshot { client: Some(client) })
    }
}

/// A connection in a read-only transaction. If it is dropped before [`Snapshot::end`], so is the
/// connection.
pub(crate) struct Snapshot {
    client: Option<Client>,
}

impl Snapshot {
    /// The connection.
    pub(crate) fn client(&self) -> Result<&Client, StorageError> {
        self.client.as_ref().ok_or_else(|| StorageError::Corrupt("a snapshot has ended".to_owned()))
    }

    pub(crate) async fn end(mut self) -> Result<(), StorageError> {
        let Some(client) = self.client.take() else { return Ok(()) };
        let ended = client.batch_execute("COMMIT").await;
        if ended.is_err() {
            drop(Client::take(client));
        }
        Ok(ended?)
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            drop(Client::take(client));
        }
    }
}
