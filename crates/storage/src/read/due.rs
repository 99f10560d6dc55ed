//! Wallets of which something is due: what a sweeper settles.

use purse_domain::{AccountName, AssetCode, NamespaceId, Timestamp, WalletName};
use uuid::Uuid;

use crate::{
    Storage, StorageError,
    row::{Columns, Instant},
};

/// By index `wallets_due`, as `FIRST_GRANTS` in `load.rs` says.
macro_rules! due {
    () => {
        "FROM wallets AS w
         WHERE (w.namespace_id, w.next_due_at, w.account_id, w.wallet_id) > ($1, $3, $4, $5)
             AND (w.namespace_id, w.next_due_at) <= ($1, $2)
             AND w.next_due_at IS NOT NULL
         ORDER BY w.namespace_id, w.next_due_at, w.account_id, w.wallet_id
         LIMIT $6"
    };
}

const DUE: &str = concat!(
    "SELECT w.account,
         w.asset,
         w.next_due_at ",
    due!()
);

const COUNT: &str = concat!("SELECT count(*) FROM (SELECT 1 ", due!(), ") AS d");

const NAMESPACES: &str = "
    SELECT DISTINCT a.namespace_id
    FROM assets AS a
    ORDER BY a.namespace_id";

/// A place among the due wallets of a namespace: by when they were due, then by ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DuePosition {
    due_at: Timestamp,
    account: Uuid,
    wallet: Uuid,
}

impl DuePosition {
    /// Before the first one.
    pub const START: Self = Self {
        // Before everything that a wallet could have seen, and a date that PostgreSQL knows.
        due_at: Timestamp::from_micros(-62_135_596_800_000_000),
        account: Uuid::nil(),
        wallet: Uuid::nil(),
    };
}

/// Which due wallets to find.
#[derive(Debug, Clone, Copy)]
pub struct DueQuery {
    /// The namespace.
    pub namespace_id: NamespaceId,
    /// Only those after this place.
    pub after: DuePosition,
    /// At most this many.
    pub most: i64,
}

/// Wallets of which something is due, longest due first.
#[derive(Debug, Clone)]
pub struct DuePage {
    /// The instant by which.
    pub now: Timestamp,
    /// The wallets.
    pub wallets: Vec<WalletName>,
    /// When the first of them was due.
    pub oldest_due_at: Option<Timestamp>,
    /// The place after the last of them, if there may be more.
    pub more_after: Option<DuePosition>,
}

impl Storage {
    /// A page of the wallets of a namespace that are due by now. Whether something is, their rows say: it may turn
    /// out that nothing comes of it.
    pub async fn due_wallets(&self, query: &DueQuery) -> Result<DuePage, StorageError> {
        let DueQuery { namespace_id, after, most } = query;
        let now = self.clock().now();
        let client = self.reader().await?;
        let statement = client.prepare_cached(DUE).await?;
        let DuePosition { due_at, account, wallet } = after;
        let rows = client
            .query(
                &statement,
                &[&namespace_id.uuid(), &Instant(now), &Instant(*due_at), account, wallet, most],
            )
            .await?;
        let mut wallets = Vec::with_capacity(rows.len());
        let (mut oldest_due_at, mut last) = (None, *after);
        for row in &rows {
            let mut columns = Columns::of(row);
            let account = AccountName::from_stored(columns.take()?);
            let asset = AssetCode::from_stored(columns.take()?);
            let due_at = columns.instant()?;
            let name = WalletName::new(*namespace_id, account, asset);
            oldest_due_at = oldest_due_at.or(Some(due_at));
            let (account, wallet) = (name.account_id.uuid(), name.wallet_id.uuid());
            last = DuePosition { due_at, account, wallet };
            wallets.push(name);
        }
        let is_full = i64::try_from(rows.len()).is_ok_and(|found| found >= *most);
        Ok(DuePage { now, wallets, oldest_due_at, more_after: is_full.then_some(last) })
    }

    /// How many wallets of a namespace are due by now, counted up to `most`.
    pub async fn count_due_wallets(
        &self,
        namespace_id: NamespaceId,
        most: i64,
    ) -> Result<i64, StorageError> {
        let now = self.clock().now();
        let client = self.reader().await?;
        let statement = client.prepare_cached(COUNT).await?;
        let DuePosition { due_at, account, wallet } = DuePosition::START;
        let row = client
            .query_one(
                &statement,
                &[&namespace_id.uuid(), &Instant(now), &Instant(due_at), &account, &wallet, &most],
            )
            .await?;
        Columns::of(&row).take()
    }

    /// All namespaces that have wallets.
    pub async fn namespaces(&self) -> Result<Vec<NamespaceId>, StorageError> {
        let client = self.reader().await?;
        let statement = client.prepare_cached(NAMESPACES).await?;
        let rows = client.query(&statement, &[]).await?;
        rows.iter().map(|row| Ok(NamespaceId::from_uuid(Columns::of(row).take()?))).collect()
    }
}
