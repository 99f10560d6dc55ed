//! A wallet as it was after one of its entries, rebuilt from the first entry on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use deadpool_postgres::Client;
use purse_domain::{
    Entry, Fold, FoldError, Grant, GrantNumber, GrantTerms, HoldNumber, OperationName, Sequence,
    Timestamp, WalletState,
};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    StorageError,
    replay::{entry, entry_columns},
    row::{self, Columns, grant_columns},
};

const ENTRIES: &str = concat!(
    "SELECT ",
    entry_columns!(),
    ",
         (
             SELECT t.operation
             FROM transactions AS t
             WHERE t.account_id = $1 AND t.transaction_id = e.transaction_id
         ) AS operation
      FROM entries AS e
      WHERE e.account_id = $1 AND e.wallet_id = $2 AND e.sequence > $3 AND e.sequence <= $4
      ORDER BY e.sequence
      LIMIT $5"
);

const GRANTS: &str = concat!(
    "SELECT ",
    grant_columns!(),
    " FROM grants AS g
      WHERE g.account_id = $1 AND g.wallet_id = $2 AND g.grant_number = ANY ($3)"
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
    let fold = fold(client, now, last).await?;
    let fold = fold.map_err(|error| StorageError::Corrupt(error.to_string()))?;
    let deadlines = deadlines(client, (name.account_id.uuid(), name.wallet_id.uuid())).await?;
    // An entry names no hold that there is not.
    Ok(fold.into_state(|hold| deadlines.get(&hold).copied().unwrap_or(now.head.recorded_at)))
}

/// The ledger up to entry `last`, or what is wrong with it.
pub(super) async fn fold(
    client: &Client,
    now: &WalletState,
    last: Sequence,
) -> Result<Result<Fold, FoldError>, StorageError> {
    let name = &now.settings.name;
    let (account, wallet) = (name.account_id.uuid(), name.wallet_id.uuid());
    let statement = client.prepare_cached(ENTRIES).await?;
    let mut fold = Fold::opened(Arc::clone(&now.settings));
    let mut terms = BTreeMap::new();
    let mut after = Sequence(0);
    while after < last {
        let rows = client.query(&statement, &[&account, &wallet, &after.0, &last.0, &PAGE]).await?;
        let entries: Vec<(Entry, Option<OperationName>)> =
            rows.iter().map(entry_for).collect::<Result<_, _>>()?;
        add_terms(client, (account, wallet), &entries, &mut terms).await?;
        for (entry, operation) in &entries {
            if let Err(error) = fold.book(entry, operation.as_ref(), &terms) {
                return Ok(Err(error));
            }
        }
        after = match entries.last() {
            Some((entry, _)) => entry.sequence,
            None => return Ok(Err(FoldError::OutOfSequence { sequence: last, last: after })),
        };
    }
    Ok(Ok(fold))
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

/// An entry, and what its transaction was for.
fn entry_for(row: &Row) -> Result<(Entry, Option<OperationName>), StorageError> {
    let mut columns = Columns::of(row);
    let entry = entry(&mut columns)?;
    Ok((entry, columns.take::<Option<String>>()?.map(OperationName::from_stored)))
}

/// Adds the terms of the grants that entries name and that are not there yet.
async fn add_terms(
    client: &Client,
    (account, wallet): (Uuid, Uuid),
    entries: &[(Entry, Option<OperationName>)],
    terms: &mut BTreeMap<GrantNumber, Arc<GrantTerms>>,
) -> Result<(), StorageError> {
    let named = entries.iter().flat_map(|(entry, _)| &entry.allocations).map(|part| part.grant);
    let new: BTreeSet<GrantNumber> = named.filter(|grant| !terms.contains_key(grant)).collect();
    if new.is_empty() {
        return Ok(());
    }
    let numbers: Vec<i32> = new.into_iter().map(|grant| grant.0).collect();
    let statement = client.prepare_cached(GRANTS).await?;
    for row in client.query(&statement, &[&account, &wallet, &numbers]).await? {
        let Grant { number, terms: found, .. } = row::grant(&mut Columns::of(&row))?;
        terms.insert(number, found);
    }
    Ok(())
}
