//! Holds as they are now.

use purse_domain::{Hold, HoldNumber, TransactionId, WalletName};
use tokio_postgres::Row;

use crate::{
    Storage, StorageError,
    row::{self, Columns, hold_columns},
};

const HOLDS: &str = concat!(
    "SELECT ",
    hold_columns!(),
    ",
         h.transaction_id
      FROM holds AS h
      WHERE h.account_id = $1 AND h.wallet_id = $2 AND h.hold_number > $3
          AND (NOT $4::BOOLEAN OR h.held > 0)
      ORDER BY h.hold_number
      LIMIT $5"
);

/// Which holds of a wallet to list.
#[derive(Debug, Clone)]
pub struct HoldQuery {
    /// The wallet.
    pub wallet: WalletName,
    /// Only those that are open.
    pub open_only: bool,
    /// Only those with a higher number.
    pub after: HoldNumber,
    /// At most this many.
    pub most: i64,
}

/// A hold with the transaction that made it.
#[derive(Debug, Clone)]
pub struct HoldRecord {
    /// The hold as it is now.
    pub hold: Hold,
    /// The transaction that made it.
    pub transaction_id: TransactionId,
}

/// A page of holds.
#[derive(Debug, Clone)]
pub struct HoldPage {
    /// The holds, by number.
    pub records: Vec<HoldRecord>,
    /// More may follow after this number.
    pub more_after: Option<HoldNumber>,
}

impl Storage {
    /// Holds of a wallet by number, as they are now; `None`: no such wallet. Those whose deadline has passed
    /// count as ended, booked or not, so with `open_only` fewer may come than were read.
    pub async fn list_holds(&self, query: &HoldQuery) -> Result<Option<HoldPage>, StorageError> {
        let snapshot = self.snapshot().await?;
        let client = snapshot.client()?;
        let Some(state) = super::wallet(client, &query.wallet).await? else {
            snapshot.end().await?;
            return Ok(None);
        };
        let statement = client.prepare_cached(HOLDS).await?;
        let (account, wallet) = (query.wallet.account_id.uuid(), query.wallet.wallet_id.uuid());
        let rows = client
            .query(&statement, &[&account, &wallet, &query.after.0, &query.open_only, &query.most])
            .await?;
        let now = self.settled(client, state).await?;
        snapshot.end().await?;
        let mut records = rows.iter().map(record).collect::<Result<Vec<_>, _>>()?;
        let full = i64::try_from(records.len()).is_ok_and(|count| count == query.most);
        let more_after = records.last().filter(|_| full).map(|record| record.hold.number);
        for record in &mut records {
            if let Some(hold) = now.holds.get(&record.hold.number) {
                record.hold = hold.clone();
            }
        }
        records.retain(|record| !query.open_only || record.hold.is_open());
        Ok(Some(HoldPage { records, more_after }))
    }
}

fn record(row: &Row) -> Result<HoldRecord, StorageError> {
    let mut columns = Columns::of(row);
    Ok(HoldRecord {
        hold: row::hold(&mut columns)?,
        transaction_id: TransactionId::from_uuid(columns.take()?),
    })
}
