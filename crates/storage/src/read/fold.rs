//! A wallet as it was after one of its entries, rebuilt from the first entry on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use deadpool_postgres::Client;
use purse_domain::{
    Chain, Entry, EntryHash, Fingerprint, Fold, FoldError, Grant, GrantNumber, GrantTerms,
    HoldNumber, IdempotencyKey, OperationName, Owner, Sequence, Timestamp, TransactionId,
    WalletState,
};
use tokio_postgres::Row;
use uuid::Uuid;

use super::verify::EventCheck;
use crate::{
    StorageError,
    load::NUMBERED_GRANTS,
    replay::{entry, entry_columns},
    row::{self, Columns},
};

const ENTRIES: &str = concat!(
    "SELECT ",
    entry_columns!(),
    ",
         t.operation,
         t.idempotency_key,
         t.fingerprint,
         e.hash,
         e.transaction_id
      FROM entries AS e
      LEFT JOIN LATERAL (
          SELECT *
          FROM transactions
          WHERE account_id = $1 AND transaction_id = e.transaction_id
          LIMIT 1
      ) AS t ON true
      WHERE e.account_id = $1 AND e.wallet_id = $2 AND e.sequence > $3 AND e.sequence <= $4
      ORDER BY e.sequence
      LIMIT $5"
);

const DEADLINES: &str = "
    SELECT h.hold_number,
        h.expires_at
    FROM holds AS h
    WHERE h.account_id = $1 AND h.wallet_id = $2";

/// Entries that are in memory at once. The grants that they name stay, as they do in the state.
const PAGE: i64 = 1_000;

/// The wallet right after entry `last`, with all grants that it had then. `now` is the wallet as it is.
pub(super) async fn state_after(
    client: &Client,
    now: &WalletState,
    last: Sequence,
) -> Result<WalletState, StorageError> {
    let name = &now.settings.name;
    let folded = fold(client, now, last, None).await?;
    let (fold, _) = folded.map_err(|error| StorageError::Corrupt(error.to_string()))?;
    let deadlines = deadlines(client, (name.account_id.uuid(), name.wallet_id.uuid())).await?;
    // An entry names no hold that there is not.
    Ok(fold.into_state(|hold| deadlines.get(&hold).copied().unwrap_or(now.head.recorded_at)))
}

/// The ledger up to entry `last` and its last hash, or what is wrong with it. `events` sees each entry first.
pub(super) async fn fold(
    client: &Client,
    now: &WalletState,
    last: Sequence,
    mut events: Option<&mut EventCheck>,
) -> Result<Result<(Fold, EntryHash), FoldError>, StorageError> {
    let name = &now.settings.name;
    let (account, wallet) = (name.account_id.uuid(), name.wallet_id.uuid());
    let statement = client.prepare_cached(ENTRIES).await?;
    let mut fold = Fold::opened(Arc::clone(&now.settings));
    let mut chain = Chain::default();
    let mut terms: BTreeMap<GrantNumber, Arc<GrantTerms>> = BTreeMap::new();
    let mut after = Sequence(0);
    while after < last {
        let rows = client.query(&statement, &[&account, &wallet, &after.0, &last.0, &PAGE]).await?;
        let entries: Vec<Line> = rows.iter().map(Line::read).collect::<Result<_, _>>()?;
        add_terms(client, (account, wallet), &entries, &mut terms).await?;
        for Line { entry, operation, owner, hash, transaction } in &entries {
            let owner = owner.as_ref().map(|(key, fingerprint)| Owner { key, fingerprint });
            let terms_of = |number| terms.get(&number).map(|terms| &**terms);
            let sequence = entry.sequence;
            let follows = sequence == after.next();
            if follows && !chain.check(name.wallet_id, entry, owner, terms_of, *hash) {
                return Ok(Err(FoldError::OtherHash { sequence }));
            }
            if let Some(events) = &mut events {
                events.recount.add(&fold, entry, *transaction);
            }
            if let Err(error) = fold.book(entry, operation.as_ref(), &terms) {
                return Ok(Err(error));
            }
            after = sequence;
        }
        if let Some(events) = &mut events {
            events.compare(client).await?;
        }
        if entries.is_empty() {
            return Ok(Err(FoldError::OutOfSequence { sequence: last, last: after }));
        }
    }
    Ok(Ok((fold, chain.last())))
}

/// The deadlines of holds as they are now: one that was moved since counts as if it had always been there.
async fn deadlines(
    client: &Client,
    (account, wallet): (Uuid, Uuid),
) -> Result<BTreeMap<HoldNumber, Timestamp>, StorageError> {
    let statement = client.prepare_cached(DEADLINES).await?;
    let rows = client.query(&statement, &[&account, &wallet]).await?;
    rows.iter()
        .map(|row| {
            let mut columns = Columns::of(row);
            Ok((HoldNumber(columns.take()?), columns.instant()?))
        })
        .collect()
}

/// An entry with what its hash covers of its transaction.
struct Line {
    entry: Entry,
    operation: Option<OperationName>,
    owner: Option<(IdempotencyKey, Fingerprint)>,
    hash: Option<EntryHash>,
    transaction: Option<TransactionId>,
}

impl Line {
    fn read(row: &Row) -> Result<Self, StorageError> {
        let mut columns = Columns::of(row);
        let entry = entry(&mut columns)?;
        let operation = columns.take::<Option<String>>()?.map(OperationName::from_stored);
        let key = columns.take::<Option<String>>()?.map(IdempotencyKey::from_stored);
        let fingerprint = columns.take::<Option<&[u8]>>()?.and_then(Fingerprint::from_stored);
        let hash = columns.take::<Option<&[u8]>>()?.and_then(EntryHash::from_stored);
        let transaction = columns.take::<Option<Uuid>>()?.map(TransactionId::from_uuid);
        Ok(Self { entry, operation, owner: key.zip(fingerprint), hash, transaction })
    }
}

/// Adds the terms of the grants that entries name and that are not there yet.
async fn add_terms(
    client: &Client,
    (account, wallet): (Uuid, Uuid),
    entries: &[Line],
    terms: &mut BTreeMap<GrantNumber, Arc<GrantTerms>>,
) -> Result<(), StorageError> {
    let named = entries.iter().flat_map(|line| &line.entry.allocations).map(|part| part.grant);
    let new: BTreeSet<GrantNumber> = named.filter(|grant| !terms.contains_key(grant)).collect();
    if new.is_empty() {
        return Ok(());
    }
    let numbers: Vec<i32> = new.into_iter().map(|grant| grant.0).collect();
    let statement = client.prepare_cached(NUMBERED_GRANTS).await?;
    for row in client.query(&statement, &[&account, &wallet, &numbers]).await? {
        let Grant { number, terms: found, .. } = row::grant(&mut Columns::of(&row))?;
        terms.insert(number, found);
    }
    Ok(())
}
