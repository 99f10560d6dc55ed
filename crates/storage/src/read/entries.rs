//! The ledger of a wallet, page by page.

use deadpool_postgres::Client;
use purse_domain::{
    AccountName, Actor, Category, Entry, EntryKind, IdempotencyKey, Metadata, OperationName,
    Reason, Sequence, Timestamp, TransactionId, WalletName, WalletState,
};
use uuid::Uuid;

use super::timeline::last_recorded_by;
use crate::{
    Storage, StorageError,
    replay::{entry, entry_columns},
    row::{self, Columns, Instant},
};

/// The entries from $3 to $4 that pass the filters, each of which is off if it is NULL. The directions differ in
/// the order only.
///
/// What belongs to an entry is looked up beside it, by laterals with a limit: as joins, a plan that was made on an
/// empty table could begin with the account's transactions, or the wallet's grants.
macro_rules! page {
    ($direction:literal) => {
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
                 t.counterparty,
                 c.categories
             FROM entries AS e
             LEFT JOIN LATERAL (
                 SELECT idempotency_key,
                     operation,
                     actor,
                     reason,
                     metadata,
                     counterparty
                 FROM transactions
                 WHERE account_id = $1 AND transaction_id = e.transaction_id AND wallet_id = $2
                 LIMIT 1
             ) AS t ON TRUE
             CROSS JOIN LATERAL (
                 SELECT ARRAY(
                     SELECT g.category
                     FROM unnest(e.grant_numbers) WITH ORDINALITY AS n (grant_number, place)
                     CROSS JOIN LATERAL (
                         SELECT category
                         FROM grants
                         WHERE account_id = $1 AND wallet_id = $2
                             AND grant_number = n.grant_number
                         LIMIT 1
                     ) AS g
                     ORDER BY n.place
                 ) AS categories
             ) AS c
             WHERE e.account_id = $1 AND e.wallet_id = $2 AND e.sequence BETWEEN $3 AND $4
                 AND ($5::SMALLINT[] IS NULL OR e.kind = ANY ($5))
                 AND ($6::TIMESTAMPTZ IS NULL OR e.effective_at >= $6)
                 AND ($7::TIMESTAMPTZ IS NULL OR e.effective_at < $7)
                 AND ($8::TEXT IS NULL OR t.actor = $8)
                 AND ($9::TEXT IS NULL OR t.operation = $9)
                 AND ($10::TEXT IS NULL OR t.metadata ? $10)
                 AND ($11::TEXT IS NULL OR t.metadata ->> $10 = $11)
                 AND ($12::TEXT IS NULL OR $12 = ANY (c.categories))
             ORDER BY e.sequence ",
            $direction,
            " LIMIT $13"
        )
    };
}

const OLDEST_FIRST: &str = page!("ASC");
const NEWEST_FIRST: &str = page!("DESC");

const RANGE_OF_TRANSACTION: &str = "
    SELECT t.first_sequence,
        t.last_sequence
    FROM transactions AS t
    WHERE t.account_id = $1 AND t.wallet_id = $2 AND t.transaction_id = $3";

/// Entries that are looked at for one page: some tens of milliseconds, however few of them pass the filters.
const MOST_SCANNED: i64 = 5_000;

/// Which entries of a wallet to list.
#[derive(Debug, Clone)]
pub struct EntryQuery {
    /// The wallet.
    pub wallet: WalletName,
    /// Falling sequence instead of rising.
    pub newest_first: bool,
    /// Only those that pass.
    pub filter: EntryFilter,
    /// Only those past this one, in the direction of the list; `None`: from its start.
    pub after: Option<Sequence>,
    /// At most this many.
    pub most: i64,
}

/// What an entry must be to be listed; `None` and empty: anything.
#[derive(Debug, Clone, Default)]
pub struct EntryFilter {
    /// Of one of these kinds.
    pub kinds: Vec<EntryKind>,
    /// About a grant of this category.
    pub category: Option<Category>,
    /// Counting from this instant on.
    pub effective_start: Option<Timestamp>,
    /// Counting before this instant.
    pub effective_end: Option<Timestamp>,
    /// Written from this instant on.
    pub recorded_start: Option<Timestamp>,
    /// Written before this instant.
    pub recorded_end: Option<Timestamp>,
    /// Asked for by this one.
    pub actor: Option<Actor>,
    /// For this operation.
    pub operation: Option<OperationName>,
    /// Of this transaction.
    pub transaction: Option<TransactionId>,
    /// With this key in the metadata and, if one is given, this value there.
    pub metadata: Option<(String, Option<String>)>,
}

/// A page of entries.
#[derive(Debug, Clone)]
pub struct EntryPage {
    /// The entries, in the order of the list.
    pub records: Vec<EntryRecord>,
    /// More may follow after this one.
    pub more_after: Option<Sequence>,
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
    /// The categories of the grants of its allocations, one for one.
    pub categories: Vec<Category>,
}

impl Storage {
    /// Entries of a wallet that pass a filter; `None`: no such wallet. For one page [`MOST_SCANNED`] entries are looked
    /// at, at most, so fewer may come than were asked for, though more follow.
    pub async fn list_entries(
        &self,
        query: &EntryQuery,
    ) -> Result<Option<EntryPage>, StorageError> {
        let EntryQuery { wallet, newest_first, filter, after, most } = query;
        let client = self.reader().await?;
        let Some(state) = super::wallet(&client, wallet).await? else { return Ok(None) };
        // Entries that are written from here on belong to a later list.
        let Some((first, last)) = range(&client, &state, filter).await? else {
            return Ok(Some(EntryPage { records: Vec::new(), more_after: None }));
        };
        // The sequence has no gap, so what is looked at is so many numbers. A cursor is whatever a caller sent.
        let further = MOST_SCANNED - 1;
        let (sql, from, to) = if *newest_first {
            let to = after.map_or(last, |Sequence(after)| last.min(after.saturating_sub(1)));
            (NEWEST_FIRST, first.max(to.saturating_sub(further)), to)
        } else {
            let from = after.map_or(first, |Sequence(after)| first.max(after.saturating_add(1)));
            (OLDEST_FIRST, from, last.min(from.saturating_add(further)))
        };
        let records = scan(&client, sql, query, (from, to)).await?;
        let full = i64::try_from(records.len()).is_ok_and(|count| count == *most);
        let looked_at = if *newest_first { from } else { to };
        let reached = match records.last() {
            Some(last) if full => last.entry.sequence.0,
            Some(_) | None => looked_at,
        };
        let more = if *newest_first { reached > first } else { reached < last };
        let more_after = more.then_some(Sequence(reached));
        Ok(Some(EntryPage { records, more_after }))
    }
}

/// The first and the last entry that a filter can pass, by what is known without looking at entries; `None`: none can.
async fn range(
    client: &Client,
    state: &WalletState,
    filter: &EntryFilter,
) -> Result<Option<(i64, i64)>, StorageError> {
    let (mut first, mut last) = (1, state.head.last_sequence.0);
    // No entry is dated ahead, so what counts from an instant on was written from then on.
    for start in [filter.recorded_start, filter.effective_start].into_iter().flatten() {
        let before = last_recorded_by(client, state, start.plus_micros(-1)).await?;
        first = first.max(before + 1);
    }
    if let Some(end) = filter.recorded_end {
        last = last.min(last_recorded_by(client, state, end.plus_micros(-1)).await?);
    }
    if let Some(transaction) = filter.transaction {
        let name = &state.settings.name;
        let (account, wallet) = (name.account_id.uuid(), name.wallet_id.uuid());
        let statement = client.prepare_cached(RANGE_OF_TRANSACTION).await?;
        let row = client.query_opt(&statement, &[&account, &wallet, &transaction.uuid()]).await?;
        let Some(row) = row else { return Ok(None) };
        let mut columns = Columns::of(&row);
        let own = columns.take::<Option<i64>>()?.zip(columns.take()?);
        let Some((from, to)) = own else { return Ok(None) };
        (first, last) = (first.max(from), last.min(to));
    }
    Ok((first <= last).then_some((first, last)))
}

/// Looks at entries `from` to `to`.
async fn scan(
    client: &Client,
    sql: &str,
    query: &EntryQuery,
    (from, to): (i64, i64),
) -> Result<Vec<EntryRecord>, StorageError> {
    let EntryQuery { wallet, newest_first: _, filter, after: _, most } = query;
    let EntryFilter {
        kinds,
        category,
        effective_start,
        effective_end,
        recorded_start: _,
        recorded_end: _,
        actor,
        operation,
        transaction: _,
        metadata,
    } = filter;
    let codes: Vec<i16> = kinds.iter().map(|kind| row::entry_kind_code(*kind)).collect();
    let kinds = (!codes.is_empty()).then_some(codes);
    let (effective_start, effective_end) =
        (effective_start.map(Instant), effective_end.map(Instant));
    let actor = actor.as_ref().map(Actor::as_str);
    let operation = operation.as_ref().map(OperationName::as_str);
    let metadata_key = metadata.as_ref().map(|(key, _)| key);
    let metadata_value = metadata.as_ref().and_then(|(_, value)| value.as_ref());
    let category = category.as_ref().map(Category::as_str);
    let statement = client.prepare_cached(sql).await?;
    let rows = client
        .query(
            &statement,
            &[
                &wallet.account_id.uuid(),
                &wallet.wallet_id.uuid(),
                &from,
                &to,
                &kinds,
                &effective_start,
                &effective_end,
                &actor,
                &operation,
                &metadata_key,
                &metadata_value,
                &category,
                most,
            ],
        )
        .await?;
    rows.iter().map(|row| record(&mut Columns::of(row))).collect()
}

fn record(columns: &mut Columns<'_>) -> Result<EntryRecord, StorageError> {
    let record = EntryRecord {
        entry: entry(columns)?,
        transaction_id: columns.take::<Option<Uuid>>()?.map(TransactionId::from_uuid),
        key: columns.take::<Option<String>>()?.map(IdempotencyKey::from_stored),
        operation: columns.take::<Option<String>>()?.map(OperationName::from_stored),
        actor: columns.take::<Option<String>>()?.map(Actor::from_stored),
        reason: columns.take::<Option<String>>()?.map(Reason::from_stored),
        metadata: columns.metadata()?,
        counterparty: columns.take::<Option<String>>()?.map(AccountName::from_stored),
        categories: columns.take::<Vec<String>>()?.into_iter().map(Category::from_stored).collect(),
    };
    if record.categories.len() != record.entry.allocations.len() {
        let sequence = record.entry.sequence;
        return Err(StorageError::Corrupt(format!("a grant of entry {sequence} is lost")));
    }
    Ok(record)
}
