//! Events, of one wallet by number, or of many in an order in which none is ever skipped.
//!
//! A number that counts the events of many wallets would be taken before its transaction commits, and a reader
//! that is past it would never see it. So each event has the number of the database transaction that wrote it, and
//! readers hold back whatever is not below the oldest transaction that still runs: what they have read is whole.

use std::{fmt, str::FromStr};

use deadpool_postgres::Client;
use purse_domain::{
    AccountId, AccountName, AssetCode, Event, EventSequence, NamespaceId, Sequence, TransactionId,
    WalletName,
};
use thiserror::Error;
use uuid::Uuid;

use crate::{
    Storage, StorageError,
    event_data::EventData,
    row::{Columns, Xid},
};

/// The columns of [`event`], in any statement that reads an event `e`.
macro_rules! event_columns {
    () => {
        "e.event_sequence,
         e.kind,
         e.data::TEXT AS data,
         e.effective_at,
         e.recorded_at,
         e.entry_sequence"
    };
}
pub(super) use event_columns;

/// Those of one wallet. Its transactions wait for each other, so number n + 1 is never there before n.
const OF_WALLET: &str = concat!(
    "SELECT ",
    event_columns!(),
    ",
         e.transaction_id
      FROM events AS e
      WHERE e.account_id = $1 AND e.wallet_id = $2 AND e.event_sequence > $3
      ORDER BY e.event_sequence
      LIMIT $4"
);

/// Up to where the events of many wallets are whole, and on which database: the numbers of transactions mean
/// nothing on another one.
macro_rules! horizon {
    () => {
        "SELECT pg_snapshot_xmin(pg_current_snapshot()) AS whole_below,
             c.system_identifier
         FROM pg_control_system() AS c"
    };
}

/// Those of many wallets, after a place. There is one row at least.
macro_rules! of_many {
    ($which:literal) => {
        concat!(
            "SELECT h.whole_below,
                 h.system_identifier,",
            event_columns!(),
            ",
                 e.transaction_id,
                 e.stream_xid,
                 e.account_id,
                 e.wallet_id,
                 w.account,
                 w.asset
             FROM (",
            horizon!(),
            ") AS h
             LEFT JOIN LATERAL (
                 SELECT *
                 FROM events
                 WHERE ",
            $which,
            " = $1 AND stream_xid < h.whole_below
                     AND (stream_xid, account_id, wallet_id, event_sequence) > ($2, $3, $4, $5)
                 ORDER BY stream_xid, account_id, wallet_id, event_sequence
                 LIMIT $6
             ) AS e ON TRUE
             LEFT JOIN LATERAL (
                 SELECT account,
                     asset
                 FROM wallets
                 WHERE account_id = e.account_id AND wallet_id = e.wallet_id
                 LIMIT 1
             ) AS w ON TRUE
             ORDER BY e.stream_xid, e.account_id, e.wallet_id, e.event_sequence"
        )
    };
}

const OF_ACCOUNT: &str = of_many!("account_id");
const OF_NAMESPACE: &str = of_many!("namespace_id");
const HORIZON: &str = horizon!();

/// Whose events to read.
#[derive(Debug, Clone)]
pub enum EventScope {
    /// A wallet's.
    Wallet(WalletName),
    /// Those of all wallets of an account.
    Account(AccountId),
    /// Those of all wallets of a namespace.
    Namespace(NamespaceId),
}

/// A place up to which events have been read. As a text it is what readers resume by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventPosition {
    /// After an event of a wallet.
    OfWallet(EventSequence),
    /// After a place among the events of many wallets.
    OfMany {
        /// The database on which that is.
        database: i64,
        /// The number of the transaction that wrote the event; the rest of the place is within that.
        transaction: u64,
        /// The account.
        account: Uuid,
        /// The wallet.
        wallet: Uuid,
        /// The event.
        event: EventSequence,
    },
}

impl EventPosition {
    /// Before whatever a transaction wrote.
    fn before(database: i64, Xid(transaction): Xid) -> Self {
        let event = EventSequence(0);
        let (account, wallet) = (Uuid::nil(), Uuid::nil());
        Self::OfMany { database, transaction, account, wallet, event }
    }
}

impl fmt::Display for EventPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfWallet(event) => write!(f, "{}", event.0),
            Self::OfMany { database, transaction, account, wallet, event } => {
                write!(f, "{database} {transaction} {account} {wallet} {}", event.0)
            }
        }
    }
}

/// A text is no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is no position")]
pub struct NoPosition;

impl FromStr for EventPosition {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let parse = || {
            let parts: Vec<&str> = text.split(' ').collect();
            Some(match parts.as_slice() {
                [event] => Self::OfWallet(EventSequence(event.parse().ok()?)),
                [database, transaction, account, wallet, event] => Self::OfMany {
                    database: database.parse().ok()?,
                    transaction: transaction.parse().ok()?,
                    account: account.parse().ok()?,
                    wallet: wallet.parse().ok()?,
                    event: EventSequence(event.parse().ok()?),
                },
                _ => return None,
            })
        };
        parse().ok_or(NoPosition)
    }
}

/// An event with whose it is.
#[derive(Debug, Clone)]
pub struct EventRecord {
    /// The holder.
    pub account: AccountName,
    /// What is counted.
    pub asset: AssetCode,
    /// The event.
    pub event: Event,
    /// Its transaction; `None`: time alone did it.
    pub transaction_id: Option<TransactionId>,
    /// Right after it.
    pub position: EventPosition,
}

/// A run of events.
#[derive(Debug, Clone)]
pub struct EventPage {
    /// The events, in order.
    pub records: Vec<EventRecord>,
    /// Nothing that comes later will be before this.
    pub position: EventPosition,
    /// More may follow already.
    pub is_full: bool,
}

/// Why events cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventsUnreadable {
    /// There is no such wallet.
    WalletNotFound,
    /// The position is of another database, or of other wallets.
    OtherPosition,
}

impl Storage {
    /// The events after a position, or from the first one on.
    pub async fn events(
        &self,
        scope: &EventScope,
        after: Option<EventPosition>,
        most: i64,
    ) -> Result<Result<EventPage, EventsUnreadable>, StorageError> {
        let client = self.reader().await?;
        match scope {
            EventScope::Wallet(name) => of_wallet(&client, name, after, most).await,
            EventScope::Account(account) => {
                of_many(&client, OF_ACCOUNT, account.uuid(), after, most).await
            }
            EventScope::Namespace(namespace) => {
                of_many(&client, OF_NAMESPACE, namespace.uuid(), after, most).await
            }
        }
    }

    /// A position before all that will be written from now on. What was written a moment ago may follow it.
    pub async fn events_end(
        &self,
        scope: &EventScope,
    ) -> Result<Result<EventPosition, EventsUnreadable>, StorageError> {
        let client = self.reader().await?;
        match scope {
            EventScope::Wallet(name) => {
                let wallet = super::wallet(&client, name).await?;
                let end = wallet.map(|state| EventPosition::OfWallet(state.head.last_event));
                Ok(end.ok_or(EventsUnreadable::WalletNotFound))
            }
            EventScope::Account(_) | EventScope::Namespace(_) => {
                let statement = client.prepare_cached(HORIZON).await?;
                let row = client.query_one(&statement, &[]).await?;
                let (database, whole_below) = horizon(&mut Columns::of(&row))?;
                Ok(Ok(EventPosition::before(database, whole_below)))
            }
        }
    }
}

async fn of_wallet(
    client: &Client,
    name: &WalletName,
    after: Option<EventPosition>,
    most: i64,
) -> Result<Result<EventPage, EventsUnreadable>, StorageError> {
    let last = match after {
        None if super::wallet(client, name).await?.is_none() => {
            return Ok(Err(EventsUnreadable::WalletNotFound));
        }
        None => EventSequence(0),
        Some(EventPosition::OfWallet(event)) => event,
        Some(EventPosition::OfMany { .. }) => return Ok(Err(EventsUnreadable::OtherPosition)),
    };
    let statement = client.prepare_cached(OF_WALLET).await?;
    let (account, wallet) = (name.account_id.uuid(), name.wallet_id.uuid());
    let rows = client.query(&statement, &[&account, &wallet, &last.0, &most]).await?;
    let records = rows.iter().map(|row| {
        let mut columns = Columns::of(row);
        let event = event(&mut columns)?;
        Ok(EventRecord {
            account: name.account.clone(),
            asset: name.asset.clone(),
            position: EventPosition::OfWallet(event.sequence),
            event,
            transaction_id: transaction_id(&mut columns)?,
        })
    });
    let records = records.collect::<Result<Vec<_>, StorageError>>()?;
    let position = records.last().map_or(EventPosition::OfWallet(last), |last| last.position);
    Ok(Ok(EventPage { is_full: is_full(&records, most), records, position }))
}

async fn of_many(
    client: &Client,
    sql: &str,
    whose: Uuid,
    after: Option<EventPosition>,
    most: i64,
) -> Result<Result<EventPage, EventsUnreadable>, StorageError> {
    let (from, transaction, account, wallet, event) = match after {
        None => (None, 0, Uuid::nil(), Uuid::nil(), EventSequence(0)),
        Some(EventPosition::OfMany { database, transaction, account, wallet, event }) => {
            (Some(database), transaction, account, wallet, event)
        }
        Some(EventPosition::OfWallet(_)) => return Ok(Err(EventsUnreadable::OtherPosition)),
    };
    let statement = client.prepare_cached(sql).await?;
    let rows = client
        .query(&statement, &[&whose, &Xid(transaction), &account, &wallet, &event.0, &most])
        .await?;
    let mut records = Vec::with_capacity(rows.len());
    let mut position = None;
    for row in &rows {
        let mut columns = Columns::of(row);
        let (database, whole_below) = horizon(&mut columns)?;
        if from.is_some_and(|from| from != database) {
            return Ok(Err(EventsUnreadable::OtherPosition));
        }
        // A snapshot is never older than the one before it was, unless another server answers.
        position = Some(EventPosition::before(database, Xid(whole_below.0.max(transaction))));
        if !columns.is_null::<i64>()? {
            records.push(record(&mut columns, database)?);
        }
    }
    // Without an event there is a row all the same: the horizon.
    let is_full = is_full(&records, most);
    let last = records.last().filter(|_| is_full).map(|last: &EventRecord| last.position);
    let position = last.or(position).ok_or_else(|| corrupt("a horizon"))?;
    Ok(Ok(EventPage { records, position, is_full }))
}

fn is_full(records: &[EventRecord], most: i64) -> bool {
    i64::try_from(records.len()).is_ok_and(|count| count == most)
}

fn horizon(columns: &mut Columns<'_>) -> Result<(i64, Xid), StorageError> {
    let whole_below = columns.take()?;
    Ok((columns.take()?, whole_below))
}

fn record(columns: &mut Columns<'_>, database: i64) -> Result<EventRecord, StorageError> {
    let event = event(columns)?;
    let transaction_id = transaction_id(columns)?;
    let Xid(transaction) = columns.take()?;
    let (account, wallet) = (columns.take()?, columns.take()?);
    let place = event.sequence;
    let position = EventPosition::OfMany { database, transaction, account, wallet, event: place };
    Ok(EventRecord {
        account: AccountName::from_stored(columns.take()?),
        asset: AssetCode::from_stored(columns.take()?),
        event,
        transaction_id,
        position,
    })
}

fn transaction_id(columns: &mut Columns<'_>) -> Result<Option<TransactionId>, StorageError> {
    Ok(columns.take::<Option<Uuid>>()?.map(TransactionId::from_uuid))
}

/// An event from its columns.
pub(super) fn event(columns: &mut Columns<'_>) -> Result<Event, StorageError> {
    let sequence = EventSequence(columns.take()?);
    let kind = columns.take()?;
    let data: EventData =
        serde_json::from_str(columns.take()?).map_err(|_| corrupt("the figures of an event"))?;
    Ok(Event {
        sequence,
        occurrence: data.occurrence(kind)?,
        effective_at: columns.instant()?,
        recorded_at: columns.instant()?,
        entry: columns.take::<Option<i64>>()?.map(Sequence),
    })
}

fn corrupt(what: &str) -> StorageError {
    StorageError::Corrupt(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_is_written() {
        let many = EventPosition::OfMany {
            database: -7,
            transaction: u64::MAX,
            account: Uuid::from_u128(1),
            wallet: Uuid::from_u128(2),
            event: EventSequence(3),
        };
        for position in [many, EventPosition::OfWallet(EventSequence(42))] {
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        for text in ["", "a", "1 2", "1 2 3 4 5"] {
            assert_eq!(text.parse::<EventPosition>(), Err(NoPosition), "{text:?}");
        }
    }
}
