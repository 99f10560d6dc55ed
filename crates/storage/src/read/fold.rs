//! A wallet's ledger from its first entry on, and the wallet rebuilt from it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use deadpool_postgres::Client;
use purse_domain::{
    Chain, Entry, EntryHash, Fingerprint, Fold, FoldError, Grant, GrantNumber, GrantTerms,
    HoldNumber, IdempotencyKey, OperationName, Owner, Sequence, Timestamp, TransactionId,
    WalletName, WalletState,
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
          WHERE account_id = $1 AND transaction_id = e.transaction_id AND wallet_id = $2
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

/// The terms of grants.
pub(super) type Terms = BTreeMap<GrantNumber, Arc<GrantTerms>>;

/// The wallet right after entry `last`, with all grants that it had then. `now` is the wallet as it is.
pub(super) async fn state_after(
    client: &Client,
    now: &WalletState,
    last: Sequence,
) -> Result<WalletState, StorageError> {
    let folded = fold(client, now, last, None).await?;
    let (fold, _) = folded.map_err(|error| StorageError::Corrupt(error.to_string()))?;
    let deadlines = deadlines(client, now).await?;
    Ok(fold.into_state(|hold| deadlines.of(hold)))
}

/// The ledger up to entry `last` and its last hash, or what is wrong with it. Along the way `events` are compared
/// with what the entries say.
pub(super) async fn fold(
    client: &Client,
    now: &WalletState,
    last: Sequence,
    mut events: Option<&mut EventCheck>,
) -> Result<Result<(Fold, EntryHash), FoldError>, StorageError> {
    let mut fold = Fold::opened(Arc::clone(&now.settings));
    let mut pages = Pages::of(client, now, last);
    loop {
        let read = pages.read(|line, terms| {
            if let Some(events) = &mut events {
                events.recount.add(&fold, &line.entry, line.transaction);
            }
            fold.book(&line.entry, line.operation.as_ref(), terms)
        });
        let more = match read.await? {
            Ok(more) => more,
            Err(error) => return Ok(Err(error)),
        };
        if let Some(events) = &mut events {
            events.compare(client).await?;
        }
        if !more {
            return Ok(Ok((fold, pages.chain.last())));
        }
    }
}

/// Reads the ledger up to entry `last`, a page at a time, and hands on each entry with what its transaction was for
/// and the terms of the grants so far. Answers the last hash and all the terms, or what is wrong.
pub(super) async fn walk(
    client: &Client,
    now: &WalletState,
    last: Sequence,
    mut book: impl FnMut(&Entry, Option<&OperationName>, &Terms) -> Result<(), FoldError>,
) -> Result<Result<(EntryHash, Terms), FoldError>, StorageError> {
    let mut pages = Pages::of(client, now, last);
    loop {
        let read = pages.read(|line, terms| book(&line.entry, line.operation.as_ref(), terms));
        match read.await? {
            Ok(true) => {}
            Ok(false) => return Ok(Ok((pages.chain.last(), pages.terms))),
            Err(error) => return Ok(Err(error)),
        }
    }
}

/// A ledger while it is read, from its first entry on.
struct Pages<'a> {
    client: &'a Client,
    name: &'a WalletName,
    last: Sequence,
    after: Sequence,
    chain: Chain,
    terms: Terms,
}

impl<'a> Pages<'a> {
    fn of(client: &'a Client, now: &'a WalletState, last: Sequence) -> Self {
        let (chain, terms) = (Chain::default(), Terms::new());
        Self { client, name: &now.settings.name, last, after: Sequence(0), chain, terms }
    }

    /// Reads the next page and hands on each of its lines with the terms of the grants so far. Answers whether there
    /// are more, or what is wrong.
    async fn read(
        &mut self,
        mut book: impl FnMut(&Line, &Terms) -> Result<(), FoldError>,
    ) -> Result<Result<bool, FoldError>, StorageError> {
        let Self { client, name, last, after, chain, terms } = self;
        if *after >= *last {
            return Ok(Ok(false));
        }
        let (account, wallet) = (name.account_id.uuid(), name.wallet_id.uuid());
        let statement = client.prepare_cached(ENTRIES).await?;
        let rows = client.query(&statement, &[&account, &wallet, &after.0, &last.0, &PAGE]).await?;
        let lines: Vec<Line> = rows.iter().map(Line::read).collect::<Result<_, _>>()?;
        add_terms(client, (account, wallet), &lines, terms).await?;
        for line in &lines {
            let Line { entry, owner, hash, .. } = line;
            let owner =
                owner.as_ref().map(|(key, fingerprint)| Owner { key: key.as_ref(), fingerprint });
            let terms_of = |number| terms.get(&number).map(|terms| &**terms);
            let sequence = entry.sequence;
            let follows = sequence == after.next();
            if follows && !chain.check(name.wallet_id, entry, owner, terms_of, *hash) {
                return Ok(Err(FoldError::OtherHash { sequence }));
            }
            if let Err(error) = book(line, terms) {
                return Ok(Err(error));
            }
            *after = sequence;
        }
        if lines.is_empty() {
            return Ok(Err(FoldError::OutOfSequence { sequence: *last, last: *after }));
        }
        Ok(Ok(*after < *last))
    }
}

/// The deadlines of holds as they are now: one that was moved since counts as if it had always been there.
pub(super) struct Deadlines {
    holds: BTreeMap<HoldNumber, Timestamp>,
    /// Of a hold that there is not; no entry names one.
    none: Timestamp,
}

impl Deadlines {
    pub(super) fn of(&self, hold: HoldNumber) -> Timestamp {
        self.holds.get(&hold).copied().unwrap_or(self.none)
    }
}

/// Reads the deadlines of a wallet's holds.
pub(super) async fn deadlines(
    client: &Client,
    now: &WalletState,
) -> Result<Deadlines, StorageError> {
    let name = &now.settings.name;
    let statement = client.prepare_cached(DEADLINES).await?;
    let rows = client.query(&statement, &[&name.account_id.uuid(), &name.wallet_id.uuid()]).await?;
    let holds = rows.iter().map(|row| {
        let mut columns = Columns::of(row);
        Ok((HoldNumber(columns.take()?), columns.instant()?))
    });
    let holds = holds.collect::<Result<_, StorageError>>()?;
    Ok(Deadlines { holds, none: now.head.recorded_at })
}

/// An entry with what its hash covers of its transaction.
struct Line {
    entry: Entry,
    operation: Option<OperationName>,
    owner: Option<(Option<IdempotencyKey>, Fingerprint)>,
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
        let owner = fingerprint.map(|of| (key, of));
        Ok(Self { entry, operation, owner, hash, transaction })
    }
}

/// Adds the terms of the grants that entries name and that are not there yet.
async fn add_terms(
    client: &Client,
    (account, wallet): (Uuid, Uuid),
    entries: &[Line],
    terms: &mut Terms,
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
