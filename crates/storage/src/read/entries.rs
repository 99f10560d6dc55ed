//! The ledger of a wallet, page by page.

use purse_domain::{
    Actor, Entry, EntryKind, Metadata, OperationName, Reason, Sequence, TransactionId, WalletName,
};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    Storage, StorageError,
    replay::{allocations_by_entry, entry},
    row::{self, column},
};

/// The two directions differ in the comparison and the order only.
macro_rules! page {
    ($comparison:literal, $direction:literal) => {
        concat!(
            "SELECT e.sequence,
                 e.kind,
                 e.amount,
                 e.balance_before,
                 e.available_after,
                 e.held_after,
                 e.debt_after,
                 e.scheduled_after,
                 e.effective_at,
                 e.recorded_at,
                 e.transaction_id,
                 t.operation,
                 t.actor,
                 t.reason,
                 t.metadata::TEXT AS metadata
             FROM entries AS e
             LEFT JOIN transactions AS t
             ON t.account_id = e.account_id AND t.transaction_id = e.transaction_id
             WHERE e.account_id = $1 AND e.wallet_id = $2 AND e.sequence ",
            $comparison,
            " $3
                 AND ($4::SMALLINT[] IS NULL OR e.kind = ANY ($4))
             ORDER BY e.sequence ",
            $direction,
            " LIMIT $5"
        )
    };
}

const OLDEST_FIRST: &str = page!(">", "ASC");
const NEWEST_FIRST: &str = page!("<", "DESC");

const ALLOCATIONS: &str = "
    SELECT a.sequence,
        a.grant_number,
        a.amount
    FROM unnest($3::BIGINT[]) AS k (sequence)
    JOIN allocations AS a
    ON a.account_id = $1 AND a.wallet_id = $2 AND a.sequence = k.sequence
    ORDER BY a.sequence, a.ordinal";

/// Which entries of a wallet to list.
#[derive(Debug, Clone)]
pub struct EntryQuery {
    /// The wallet.
    pub wallet: WalletName,
    /// Falling sequence instead of rising.
    pub newest_first: bool,
    /// Only these kinds; empty: all.
    pub kinds: Vec<EntryKind>,
    /// Only those past this one, in the direction of the list; `None`: from its start.
    pub after: Option<Sequence>,
    /// At most this many.
    pub most: i64,
}

/// An entry with what its transaction says.
#[derive(Debug, Clone)]
pub struct EntryRecord {
    /// The entry.
    pub entry: Entry,
    /// Its transaction; `None`: time alone did it.
    pub transaction_id: Option<TransactionId>,
    /// What the spend paid for.
    pub operation: Option<OperationName>,
    /// Who asked; `None`: nobody.
    pub actor: Option<Actor>,
    /// Why.
    pub reason: Option<Reason>,
    /// The caller's own data.
    pub metadata: Metadata,
}

impl Storage {
    /// Entries of a wallet. A wallet that does not exist has none.
    pub async fn list_entries(&self, query: &EntryQuery) -> Result<Vec<EntryRecord>, StorageError> {
        let EntryQuery { wallet, newest_first, kinds, after, most } = query;
        let client = self.reader().await?;
        let (account, id) = (wallet.account_id.uuid(), wallet.wallet_id.uuid());
        let (sql, start) = if *newest_first { (NEWEST_FIRST, i64::MAX) } else { (OLDEST_FIRST, 0) };
        let after = after.map_or(start, |Sequence(sequence)| sequence);
        let codes: Vec<i16> = kinds.iter().map(|kind| row::entry_kind_code(*kind)).collect();
        let kinds = (!codes.is_empty()).then_some(codes);
        let statement = client.prepare_cached(sql).await?;
        let rows = client.query(&statement, &[&account, &id, &after, &kinds, most]).await?;

        let sequences =
            rows.iter().map(|row| column(row, "sequence")).collect::<Result<Vec<i64>, _>>()?;
        let statement = client.prepare_cached(ALLOCATIONS).await?;
        let allocations = client.query(&statement, &[&account, &id, &sequences]).await?;
        let mut allocations = allocations_by_entry(&allocations)?;
        rows.iter().map(|row| record(row, entry(row, &mut allocations)?)).collect()
    }
}

fn record(row: &Row, entry: Entry) -> Result<EntryRecord, StorageError> {
    Ok(EntryRecord {
        entry,
        transaction_id: column::<Option<Uuid>>(row, "transaction_id")?
            .map(TransactionId::from_uuid),
        operation: column::<Option<String>>(row, "operation")?.map(OperationName::from_stored),
        actor: column::<Option<String>>(row, "actor")?.map(Actor::from_stored),
        reason: column::<Option<String>>(row, "reason")?.map(Reason::from_stored),
        metadata: row::metadata(row, "metadata")?,
    })
}
