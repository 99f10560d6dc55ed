//! Grants as they are now.

use purse_domain::{
    Actor, Category, Grant, GrantNumber, Metadata, Reason, TransactionId, WalletName,
};
use tokio_postgres::Row;

use crate::{
    Storage, StorageError,
    row::{self, Columns, grant_columns},
};

const GRANTS: &str = concat!(
    "SELECT ",
    grant_columns!(),
    ",
         g.transaction_id,
         t.actor,
         t.reason,
         t.metadata::TEXT AS metadata
      FROM grants AS g
      JOIN transactions AS t
      ON t.account_id = g.account_id AND t.transaction_id = g.transaction_id
          AND t.wallet_id = g.wallet_id
      WHERE g.account_id = $1 AND g.wallet_id = $2 AND g.grant_number > $3
          AND ($4::TEXT IS NULL OR g.category = $4)
          AND (NOT $5::BOOLEAN OR g.open)
      ORDER BY g.grant_number
      LIMIT $6"
);

/// Which grants of a wallet to list.
#[derive(Debug, Clone)]
pub struct GrantQuery {
    /// The wallet.
    pub wallet: WalletName,
    /// Only of this category.
    pub category: Option<Category>,
    /// Only those that are scheduled or active.
    pub open_only: bool,
    /// Only those with a higher number.
    pub after: GrantNumber,
    /// At most this many.
    pub most: i64,
}

/// A grant with the transaction that made it.
#[derive(Debug, Clone)]
pub struct GrantRecord {
    /// The grant as it is now.
    pub grant: Grant,
    /// The transaction that made it.
    pub transaction_id: TransactionId,
    /// Who made it.
    pub actor: Actor,
    /// Why.
    pub reason: Reason,
    /// The caller's own data.
    pub metadata: Metadata,
}

/// A page of grants.
#[derive(Debug, Clone)]
pub struct GrantPage {
    /// The grants, by number.
    pub records: Vec<GrantRecord>,
    /// More may follow after this number.
    pub more_after: Option<GrantNumber>,
}

impl Storage {
    /// Grants of a wallet by number, as they are now; `None`: no such wallet. What has become due since the
    /// last entry is counted, so with `open_only` fewer may come than were read.
    pub async fn list_grants(&self, query: &GrantQuery) -> Result<Option<GrantPage>, StorageError> {
        let snapshot = self.snapshot().await?;
        let client = snapshot.client()?;
        let Some(state) = super::wallet(client, &query.wallet).await? else {
            snapshot.end().await?;
            return Ok(None);
        };
        let statement = client.prepare_cached(GRANTS).await?;
        let category = query.category.as_ref().map(Category::as_str);
        let rows = client
            .query(
                &statement,
                &[
                    &query.wallet.account_id.uuid(),
                    &query.wallet.wallet_id.uuid(),
                    &query.after.0,
                    &category,
                    &query.open_only,
                    &query.most,
                ],
            )
            .await?;
        let now = self.settled(client, state).await?;
        snapshot.end().await?;
        let mut records = rows.iter().map(record).collect::<Result<Vec<_>, _>>()?;
        let full = i64::try_from(records.len()).is_ok_and(|count| count == query.most);
        let more_after = records.last().filter(|_| full).map(|record| record.grant.number);
        for record in &mut records {
            let number = record.grant.number;
            if let Some(grant) = now.grants.values().find(|grant| grant.number == number) {
                record.grant = grant.clone();
            }
        }
        records.retain(|record| !query.open_only || record.grant.is_open());
        Ok(Some(GrantPage { records, more_after }))
    }
}

fn record(row: &Row) -> Result<GrantRecord, StorageError> {
    let mut columns = Columns::of(row);
    Ok(GrantRecord {
        grant: row::grant(&mut columns)?,
        transaction_id: TransactionId::from_uuid(columns.take()?),
        actor: Actor::from_stored(columns.take()?),
        reason: Reason::from_stored(columns.take()?),
        metadata: columns.metadata()?,
    })
}
