//! Keys that were used before, and the transactions that they stand for, as they were first answered.

use std::collections::HashMap;

use purse_domain::{
    Actor, Allocation, Balances, Entry, Fingerprint, Grant, GrantNumber, IdempotencyKey,
    OperationName, Reason, Sequence, SignedAmount, Transaction, TransactionId, WalletName,
};
use tokio_postgres::{Client, Row};

use crate::{
    StorageError,
    row::{self, SettingsSnapshot, column, grant_columns},
};

/// The transactions that used any of the keys.
pub(crate) const USED_KEYS: &str = "
    SELECT t.account_id,
        t.transaction_id,
        t.wallet_id,
        t.kind,
        t.idempotency_key,
        t.fingerprint,
        t.operation,
        t.actor,
        t.reason,
        t.metadata::TEXT AS metadata,
        t.drawdown_policy,
        t.policy_version,
        t.recorded_at,
        t.first_sequence,
        t.last_sequence,
        t.grant_number,
        t.settings::TEXT AS settings
    FROM unnest($1::UUID[], $2::TEXT[]) AS k (account_id, idempotency_key)
    JOIN transactions AS t
    ON t.account_id = k.account_id AND t.idempotency_key = k.idempotency_key";

const ENTRIES: &str = "
    SELECT e.sequence,
        e.kind,
        e.amount,
        e.balance_before,
        e.available_after,
        e.held_after,
        e.debt_after,
        e.scheduled_after,
        e.effective_at,
        e.recorded_at
    FROM entries AS e
    WHERE e.account_id = $1 AND e.wallet_id = $2 AND e.sequence BETWEEN $3 AND $4
    ORDER BY e.sequence";

const ALLOCATIONS: &str = "
    SELECT a.sequence,
        a.grant_number,
        a.amount
    FROM allocations AS a
    WHERE a.account_id = $1 AND a.wallet_id = $2 AND a.sequence BETWEEN $3 AND $4
    ORDER BY a.sequence, a.ordinal";

const GRANT: &str = concat!(
    "SELECT ",
    grant_columns!(),
    " FROM grants AS g
      WHERE g.account_id = $1 AND g.wallet_id = $2 AND g.grant_number = $3"
);

/// A key that was used before.
#[derive(Debug)]
pub(crate) struct UsedKey {
    /// The transaction that used it.
    pub(crate) transaction_id: TransactionId,
    /// What it stands for.
    pub(crate) fingerprint: Fingerprint,
    row: Row,
}

impl UsedKey {
    pub(crate) fn read(row: Row) -> Result<Self, StorageError> {
        let fingerprint = Fingerprint::from_stored(column(&row, "fingerprint")?)
            .ok_or_else(|| StorageError::Corrupt("a fingerprint".to_owned()))?;
        let transaction_id = TransactionId::from_uuid(column(&row, "transaction_id")?);
        Ok(Self { transaction_id, fingerprint, row })
    }

    /// The transaction as it was first answered. What it is read from never changes.
    pub(crate) async fn transaction(
        &self,
        client: &Client,
        name: &WalletName,
    ) -> Result<Transaction, StorageError> {
        let Self { transaction_id, fingerprint, row } = self;
        let first: Option<i64> = column(row, "first_sequence")?;
        let last: Option<i64> = column(row, "last_sequence")?;
        let entries = match first.zip(last) {
            Some((first, last)) => entries(client, name, Sequence(first), Sequence(last)).await?,
            None => Vec::new(),
        };
        let grant = match column::<Option<i32>>(row, "grant_number")? {
            Some(number) => Some(grant_as_made(client, name, GrantNumber(number)).await?),
            None => None,
        };
        let settings = column::<Option<&str>>(row, "settings")?
            .map(|json| SettingsSnapshot::parse(json, name.clone()))
            .transpose()?;
        Ok(Transaction {
            id: *transaction_id,
            kind: row::transaction_kind(column(row, "kind")?)?,
            key: IdempotencyKey::from_stored(column(row, "idempotency_key")?),
            fingerprint: *fingerprint,
            operation: column::<Option<String>>(row, "operation")?.map(OperationName::from_stored),
            actor: Actor::from_stored(column(row, "actor")?),
            reason: Reason::from_stored(column(row, "reason")?),
            metadata: row::metadata(row, "metadata")?,
            drawdown_policy: row::policy(column(row, "drawdown_policy")?)?,
            policy_version: column(row, "policy_version")?,
            recorded_at: row::instant(row, "recorded_at")?,
            balances: entries.last().map_or(Balances::ZERO, |entry| entry.after),
            entries,
            settings,
            grant,
        })
    }
}

/// Entries `first` to `last` of a wallet, with their allocations.
async fn entries(
    client: &Client,
    name: &WalletName,
    first: Sequence,
    last: Sequence,
) -> Result<Vec<Entry>, StorageError> {
    let (account, wallet) = (name.account_id.uuid(), name.wallet_id.uuid());
    let range: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
        [&account, &wallet, &first.0, &last.0];
    let mut allocations = allocations_by_entry(&client.query(ALLOCATIONS, &range).await?)?;
    let rows = client.query(ENTRIES, &range).await?;
    rows.iter().map(|row| entry(row, &mut allocations)).collect()
}

/// Rows of sequence, grant and amount, by entry.
pub(crate) fn allocations_by_entry(
    rows: &[Row],
) -> Result<HashMap<Sequence, Vec<Allocation>>, StorageError> {
    let mut by_entry: HashMap<Sequence, Vec<Allocation>> = HashMap::new();
    for row in rows {
        let sequence = Sequence(column(row, "sequence")?);
        let grant = GrantNumber(column(row, "grant_number")?);
        let amount = row::amount(row, "amount")?;
        by_entry.entry(sequence).or_default().push(Allocation { grant, amount });
    }
    Ok(by_entry)
}

pub(crate) fn entry(
    row: &Row,
    allocations: &mut HashMap<Sequence, Vec<Allocation>>,
) -> Result<Entry, StorageError> {
    let sequence = Sequence(column(row, "sequence")?);
    Ok(Entry {
        sequence,
        kind: row::entry_kind(column(row, "kind")?)?,
        amount: row::amount(row, "amount")?,
        balance_before: SignedAmount::from_stored(column(row, "balance_before")?),
        after: Balances {
            available: row::amount(row, "available_after")?,
            held: row::amount(row, "held_after")?,
            debt: row::amount(row, "debt_after")?,
            scheduled: row::amount(row, "scheduled_after")?,
        },
        effective_at: row::instant(row, "effective_at")?,
        recorded_at: row::instant(row, "recorded_at")?,
        allocations: allocations.remove(&sequence).unwrap_or_default(),
    })
}

async fn grant_as_made(
    client: &Client,
    name: &WalletName,
    number: GrantNumber,
) -> Result<Grant, StorageError> {
    let (account, wallet) = (name.account_id.uuid(), name.wallet_id.uuid());
    let row = client.query_one(GRANT, &[&account, &wallet, &number.0]).await?;
    let now = row::grant(&row)?;
    Ok(Grant::made(now.number, now.terms, now.granted_at))
}
