//! Keys that were used before, and the transactions that they stand for, as they were first answered.

use std::{collections::BTreeSet, sync::Arc};

use deadpool_postgres::Client;
use purse_domain::{
    AccountId, AccountName, Actor, Allocation, Balances, DebtPart, Entry, EntryKind, ExpiryChange,
    Fingerprint, Grant, GrantNumber, GrantTerms, Hold, HoldNumber, IdempotencyKey, OperationName,
    Reason, Request, Sequence, SignedAmount, Timestamp, Transaction, TransactionId,
    TransactionKind, WalletName,
};
use rust_decimal::Decimal;
use tokio_postgres::Row;

use crate::{
    StorageError,
    load::HOLD,
    row::{
        self, Columns, Expiry, PricingSnapshot, PurchaseSnapshot, SettingsSnapshot, grant_columns,
    },
};

/// The columns of a transaction `t`.
macro_rules! transaction_columns {
    () => {
        "t.account_id,
         t.idempotency_key,
         t.transaction_id,
         t.fingerprint,
         t.kind,
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
         t.settings::TEXT AS settings,
         t.hold_number,
         t.hold_expires_at,
         t.after_sequence,
         t.counterparty,
         t.pricing::TEXT AS pricing,
         t.purchase::TEXT AS purchase"
    };
}

/// The transactions that used any of the keys.
pub(crate) const USED_KEYS: &str = concat!(
    "SELECT ",
    transaction_columns!(),
    " FROM unnest($1::UUID[], $2::TEXT[]) AS k (account_id, idempotency_key)
      JOIN transactions AS t
      ON t.account_id = k.account_id AND t.idempotency_key = k.idempotency_key"
);

const LEG: &str = concat!(
    "SELECT ",
    transaction_columns!(),
    " FROM transactions AS t
      WHERE t.account_id = $1 AND t.transaction_id = $2 AND t.wallet_id = $3"
);

const GRANT: &str = concat!(
    "SELECT ",
    grant_columns!(),
    " FROM grants AS g
      WHERE g.account_id = $1 AND g.wallet_id = $2 AND g.grant_number = $3"
);

/// A key that was used before.
#[derive(Debug)]
pub(crate) struct UsedKey {
    /// The account that used it.
    pub(crate) account_id: AccountId,
    /// The key.
    pub(crate) key: String,
    /// The transaction that used it.
    pub(crate) transaction_id: TransactionId,
    /// What it stands for.
    pub(crate) fingerprint: Fingerprint,
    row: Row,
}

impl UsedKey {
    pub(crate) fn read(row: Row) -> Result<Self, StorageError> {
        let mut columns = Columns::of(&row);
        let account_id = AccountId::from_uuid(columns.take()?);
        let key = columns.take()?;
        let transaction_id = TransactionId::from_uuid(columns.take()?);
        let fingerprint = row::fingerprint(columns.take()?)?;
        Ok(Self { account_id, key, transaction_id, fingerprint, row })
    }

    /// The legs of the transaction as they were first answered, in the wallets that were asked for. What they
    /// are read from never changes.
    pub(crate) async fn legs(
        &self,
        client: &Client,
        asked: &[Request],
    ) -> Result<Vec<Arc<Transaction>>, StorageError> {
        let mut legs = vec![Arc::new(transaction(client, &self.row, &asked[0].wallet).await?)];
        for name in asked.iter().flat_map(Request::wallets).skip(1) {
            let leg = find_transaction(client, name, self.transaction_id).await?;
            let missing = || StorageError::Corrupt("a transaction lacks a leg".to_owned());
            legs.push(Arc::new(leg.ok_or_else(missing)?));
        }
        Ok(legs)
    }
}

/// A leg of a transaction, the one in this wallet, as it was first answered.
pub(crate) async fn find_transaction(
    client: &Client,
    name: &WalletName,
    id: TransactionId,
) -> Result<Option<Transaction>, StorageError> {
    let (account, wallet) = (name.account_id.uuid(), name.wallet_id.uuid());
    let statement = client.prepare_cached(LEG).await?;
    match client.query_opt(&statement, &[&account, &id.uuid(), &wallet]).await? {
        Some(row) => transaction(client, &row, name).await.map(Some),
        None => Ok(None),
    }
}

/// A leg of a transaction as it was first answered.
async fn transaction(
    client: &Client,
    row: &Row,
    name: &WalletName,
) -> Result<Transaction, StorageError> {
    let mut columns = Columns::of(row);
    columns.take::<uuid::Uuid>()?;
    let key = columns.take::<Option<String>>()?;
    let id = TransactionId::from_uuid(columns.take()?);
    let fingerprint = row::fingerprint(columns.take()?)?;
    let kind = row::transaction_kind(columns.take()?)?;
    let operation = columns.take::<Option<String>>()?.map(OperationName::from_stored);
    let actor = Actor::from_stored(columns.take()?);
    let reason = Reason::from_stored(columns.take()?);
    let metadata = columns.metadata()?;
    let drawdown_policy = row::policy(columns.take()?)?;
    let policy_version = columns.take()?;
    let recorded_at = columns.instant()?;
    let range = columns.take::<Option<i64>>()?.zip(columns.take()?);
    let number = columns.take::<Option<i32>>()?;
    let settings = columns.take::<Option<&str>>()?;
    let hold = columns.take::<Option<i32>>()?.zip(columns.instant_or_never()?);
    let after_sequence = Sequence(columns.take()?);
    let counterparty = columns.take::<Option<String>>()?.map(AccountName::from_stored);
    let pricing = columns.take::<Option<&str>>()?;
    let purchase = columns.take::<Option<&str>>()?;
    let entries = match range {
        Some((first, last)) => entries(client, name, Sequence(first), Sequence(last)).await?,
        None => Vec::new(),
    };
    let mut grants = Vec::new();
    for number in numbers_of_made(kind, &entries, number) {
        grants.push(grant_as_made(client, name, number, &entries).await?);
    }
    let hold = match hold {
        Some((number, expires_at)) => {
            let number = HoldNumber(number);
            Some(hold_as_of(client, name, number, after_sequence, expires_at).await?)
        }
        None => None,
    };
    Ok(Transaction {
        id,
        wallet: name.clone(),
        kind,
        key: key.map(IdempotencyKey::from_stored),
        fingerprint,
        counterparty,
        operation,
        pricing: pricing.map(PricingSnapshot::parse).transpose()?,
        purchase: purchase.map(PurchaseSnapshot::parse).transpose()?,
        actor,
        reason,
        metadata,
        drawdown_policy,
        policy_version,
        recorded_at,
        balances: match entries.last() {
            Some(last) if last.sequence == after_sequence => last.after,
            Some(_) | None => balances_after(client, name, after_sequence).await?,
        },
        after_sequence,
        entries,
        settings: settings.map(|json| SettingsSnapshot::parse(json, name.clone())).transpose()?,
        grants,
        hold,
    })
}

/// Entries `first` to `last` of a wallet, with their allocations.
async fn entries(
    client: &Client,
    name: &WalletName,
    first: Sequence,
    last: Sequence,
) -> Result<Vec<Entry>, StorageError> {
    let (account, wallet) = (name.account_id.uuid(), name.wallet_id.uuid());
    let statement = client.prepare_cached(ENTRIES).await?;
    let rows = client.query(&statement, &[&account, &wallet, &first.0, &last.0]).await?;
    rows.iter().map(|row| entry(&mut Columns::of(row))).collect()
}

/// The columns of [`entry`], in any statement that reads an entry `e`.
macro_rules! entry_columns {
    () => {
        "e.sequence,
         e.kind,
         e.amount,
         e.balance_before,
         e.available_after,
         e.held_after,
         e.debt_after,
         e.scheduled_after,
         e.effective_at,
         e.recorded_at,
         e.grant_numbers,
         e.grant_amounts,
         e.debt_entries,
         e.debt_amounts,
         e.hold_number,
         e.about,
         e.expires_at_before,
         e.expires_at_after"
    };
}
pub(crate) use entry_columns;

const ENTRIES: &str = concat!(
    "SELECT ",
    entry_columns!(),
    " FROM entries AS e
      WHERE e.account_id = $1 AND e.wallet_id = $2 AND e.sequence BETWEEN $3 AND $4
      ORDER BY e.sequence"
);

/// They are found by the hold. `+ 0` keeps their numbers out of it: by these, all entries of the wallet would have to
/// be looked at.
const ENTRIES_OF_HOLD: &str = concat!(
    "SELECT ",
    entry_columns!(),
    " FROM entries AS e
      WHERE e.account_id = $1 AND e.wallet_id = $2 AND e.hold_number = $3 AND e.sequence + 0 <= $4
      ORDER BY e.sequence + 0"
);

pub(crate) fn entry(columns: &mut Columns<'_>) -> Result<Entry, StorageError> {
    Ok(Entry {
        sequence: Sequence(columns.take()?),
        kind: row::entry_kind(columns.take()?)?,
        amount: columns.amount()?,
        balance_before: SignedAmount::from_stored(columns.take()?),
        after: row::balances(columns)?,
        effective_at: columns.instant()?,
        recorded_at: columns.instant()?,
        allocations: allocations(columns)?,
        debts: debts(columns)?,
        hold: columns.take::<Option<i32>>()?.map(HoldNumber),
        about: columns.take::<Option<i64>>()?.map(Sequence),
        expiry: expiry(columns)?,
    })
}

fn allocations(columns: &mut Columns<'_>) -> Result<Vec<Allocation>, StorageError> {
    row::allocations(columns.take()?, columns.take()?)
}

fn expiry(columns: &mut Columns<'_>) -> Result<Option<ExpiryChange>, StorageError> {
    let (from, to) = (columns.take::<Option<Expiry>>()?, columns.take::<Option<Expiry>>()?);
    Ok(from.zip(to).map(|(Expiry(from), Expiry(to))| ExpiryChange { from, to }))
}

fn debts(columns: &mut Columns<'_>) -> Result<Vec<DebtPart>, StorageError> {
    let entries: Vec<i64> = columns.take::<Option<_>>()?.unwrap_or_default();
    let amounts: Vec<Decimal> = columns.take::<Option<_>>()?.unwrap_or_default();
    let parts = entries.into_iter().zip(amounts);
    parts
        .map(|(entry, amount)| {
            Ok(DebtPart { entry: Sequence(entry), amount: row::amount(amount)? })
        })
        .collect()
}

/// The grants that a command was to make: the one that its row names, those that it received, or those of a purchase.
fn numbers_of_made(
    kind: TransactionKind,
    entries: &[Entry],
    named: Option<i32>,
) -> BTreeSet<GrantNumber> {
    let made = entries.iter().filter(|entry| match entry.kind {
        EntryKind::TransferredIn => true,
        // A reversal grants anew, too, and was not asked for that.
        EntryKind::Granted => kind == TransactionKind::PurchasePack,
        EntryKind::Activated
        | EntryKind::Expired
        | EntryKind::Spent
        | EntryKind::Voided
        | EntryKind::ExpiryReversed
        | EntryKind::Repaid
        | EntryKind::Held
        | EntryKind::Captured
        | EntryKind::Released
        | EntryKind::HoldExpired
        | EntryKind::Reversed
        | EntryKind::Revoked
        | EntryKind::RevocationReversed
        | EntryKind::TransferredOut
        | EntryKind::ExpiryChanged => false,
    });
    let made = made.flat_map(|entry| &entry.allocations).map(|part| part.grant);
    made.chain(named.map(GrantNumber)).collect()
}

/// A grant as the transaction that made it left it: it may have repaid debt at once.
async fn grant_as_made(
    client: &Client,
    name: &WalletName,
    number: GrantNumber,
    entries: &[Entry],
) -> Result<Grant, StorageError> {
    let (account, wallet) = (name.account_id.uuid(), name.wallet_id.uuid());
    let statement = client.prepare_cached(GRANT).await?;
    let row = client.query_one(&statement, &[&account, &wallet, &number.0]).await?;
    let now = row::grant(&mut Columns::of(&row))?;
    let mut made = Grant::made(now.number, GrantTerms::clone(&now.terms), now.granted_at);
    for entry in entries {
        for part in entry.allocations.iter().filter(|part| part.grant == number) {
            made.book(entry.kind, part.amount, entry.effective_at);
        }
    }
    Ok(made)
}

/// A hold as a transaction left it: what its entries up to then did to it.
async fn hold_as_of(
    client: &Client,
    name: &WalletName,
    number: HoldNumber,
    last: Sequence,
    expires_at: Timestamp,
) -> Result<Hold, StorageError> {
    let (account, wallet) = (name.account_id.uuid(), name.wallet_id.uuid());
    let statement = client.prepare_cached(HOLD).await?;
    let row = client.query_one(&statement, &[&account, &wallet, &number.0]).await?;
    let now = row::hold(&mut Columns::of(&row))?;
    let mut hold = Hold::made(number, now.operation, now.created_at, expires_at);
    let statement = client.prepare_cached(ENTRIES_OF_HOLD).await?;
    let rows = client.query(&statement, &[&account, &wallet, &number.0, &last.0]).await?;
    for row in &rows {
        let entry = entry(&mut Columns::of(row))?;
        hold.book(entry.kind, &entry.allocations);
    }
    Ok(hold)
}

/// The balances after an entry; none before the first.
async fn balances_after(
    client: &Client,
    name: &WalletName,
    sequence: Sequence,
) -> Result<Balances, StorageError> {
    let entries = entries(client, name, sequence, sequence).await?;
    Ok(entries.first().map_or(Balances::ZERO, |entry| entry.after))
}
