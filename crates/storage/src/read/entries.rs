//! The ledger of a wallet, page by page.

use purse_domain::{
    AccountName, Actor, Entry, EntryKind, IdempotencyKey, Metadata, OperationName, Reason,
    Sequence, TransactionId, WalletName,
};
use uuid::Uuid;

use crate::{
    Storage, StorageError,
    replay::{entry, entry_columns},
    row::{self, Columns},
};

/// The two directions differ in the comparison and the order only.
macro_rules! page {
    ($comparison:literal, $direction:literal) => {
        concat!(
            "SELECT ",
            entry_columns!(),
            ",
                 e.transaction_id,
                 t.idempotency_key,
                 t.operation,
                 t.actor,
                 t.reason,
                 t.metadata::TEXT AS metadata,
                 t.counterparty
             FROM entries AS e
             LEFT JOIN transactions AS t
             ON t.account_id = e.account_id AND t.transaction_id = e.transaction_id
                 AND t.wallet_id = e.wallet_id
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
    /// Its transaction's key.
    pub key: Option<IdempotencyKey>,
    /// What the spend paid for.
    pub operation: Option<OperationName>,
    /// Who asked; `None`: nobody.
    pub actor: Option<Actor>,
    /// Why.
    pub reason: Option<Reason>,
    /// The caller's own data.
    pub metadata: Metadata,
    /// The account at the other end of a transfer.
    pub counterparty: Option<AccountName>,
}

impl Storage {
    /// Entries of a wallet; `None`: no such wallet.
    pub async fn list_entries(
        &self,
        query: &EntryQuery,
    ) -> Result<Option<Vec<EntryRecord>>, StorageError> {
        let EntryQuery { wallet, newest_first, kinds, after, most } = query;
        let client = self.reader().await?;
        let (account, id) = (wallet.account_id.uuid(), wallet.wallet_id.uuid());
        let (sql, start) = if *newest_first { (NEWEST_FIRST, i64::MAX) } else { (OLDEST_FIRST, 0) };
        let after = after.map_or(start, |Sequence(sequence)| sequence);
        let codes: Vec<i16> = kinds.iter().map(|kind| row::entry_kind_code(*kind)).collect();
        let kinds = (!codes.is_empty()).then_some(codes);
        if super::wallet(&client, wallet).await?.is_none() {
            return Ok(None);
        }
        let statement = client.prepare_cached(sql).await?;
        let rows = client.query(&statement, &[&account, &id, &after, &kinds, most]).await?;
        let records = rows.iter().map(|row| record(&mut Columns::of(row)));
        records.collect::<Result<Vec<_>, _>>().map(Some)
    }
}

fn record(columns: &mut Columns<'_>) -> Result<EntryRecord, StorageError> {
    Ok(EntryRecord {
        entry: entry(columns)?,
        transaction_id: columns.take::<Option<Uuid>>()?.map(TransactionId::from_uuid),
        key: columns.take::<Option<String>>()?.map(IdempotencyKey::from_stored),
        operation: columns.take::<Option<String>>()?.map(OperationName::from_stored),
        actor: columns.take::<Option<String>>()?.map(Actor::from_stored),
        reason: columns.take::<Option<String>>()?.map(Reason::from_stored),
        metadata: columns.metadata()?,
        counterparty: columns.take::<Option<String>>()?.map(AccountName::from_stored),
    })
}
