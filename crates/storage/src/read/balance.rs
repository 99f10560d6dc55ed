//! The balance of a wallet at any instant, as it is or was known.

use deadpool_postgres::Client;
use purse_domain::{Balances, Sequence, Timestamp, WalletName, WalletState, balances_at};

use super::Unanswerable;
use crate::{
    Storage, StorageError,
    load::supplied,
    row::{Columns, Instant},
};

/// The number of the last of the entries up to $3 that was recorded by $4; 0: none was. It is found by halving
/// the sequence, along which `recorded_at` never falls, so no index over time is needed.
///
/// Here and below, a look-up that depends on another row is a lateral one with a limit, or compares with a
/// scalar: as a plain join, a plan that was made on an empty table reads the wallet's whole ledger for it.
macro_rules! last_recorded {
    () => {
        "WITH RECURSIVE search (low, high) AS (
            SELECT 0::BIGINT,
                $3::BIGINT + 1
            UNION ALL
            SELECT CASE WHEN m.recorded_at <= $4 THEN m.sequence ELSE s.low END,
                CASE WHEN m.recorded_at <= $4 THEN s.high ELSE m.sequence END
            FROM search AS s
            CROSS JOIN LATERAL (
                SELECT e.sequence,
                    e.recorded_at
                FROM entries AS e
                WHERE e.account_id = $1 AND e.wallet_id = $2
                    AND e.sequence = (s.low + s.high) / 2
                LIMIT 1
            ) AS m
            WHERE s.high - s.low > 1
        ),
        last AS (
            SELECT max(low) AS sequence
            FROM search
        )"
    };
}

pub(super) use last_recorded;

/// A wallet's balances at a past instant, as the entries up to $3 tell it: those after the last entry that was
/// recorded by then, corrected by the few that were recorded later and count earlier.
const PAST: &str = concat!(
    last_recorded!(),
    ",
    steps AS (
        SELECT e.available_after AS available,
            e.held_after AS held,
            e.debt_after AS debt,
            e.scheduled_after AS scheduled
        FROM entries AS e
        WHERE e.account_id = $1 AND e.wallet_id = $2
            AND e.sequence = (SELECT l.sequence FROM last AS l)
        UNION ALL
        SELECT e.available_after - COALESCE(p.available_after, 0),
            e.held_after - COALESCE(p.held_after, 0),
            e.debt_after - COALESCE(p.debt_after, 0),
            e.scheduled_after - COALESCE(p.scheduled_after, 0)
        FROM entries AS e
        LEFT JOIN LATERAL (
            SELECT b.available_after,
                b.held_after,
                b.debt_after,
                b.scheduled_after
            FROM entries AS b
            WHERE b.account_id = $1 AND b.wallet_id = $2 AND b.sequence = e.sequence - 1
            LIMIT 1
        ) AS p ON TRUE
        WHERE e.account_id = $1 AND e.wallet_id = $2 AND e.effective_at <= $4
            AND e.effective_at < e.recorded_at
            AND e.sequence > (SELECT l.sequence FROM last AS l) AND e.sequence <= $3
    )
    SELECT COALESCE(sum(available), 0) AS available,
        COALESCE(sum(held), 0) AS held,
        COALESCE(sum(debt), 0) AS debt,
        COALESCE(sum(scheduled), 0) AS scheduled
    FROM steps"
);

/// The first of the entries up to $3 that a command appended after $4. What time alone did in between was to come
/// anyhow, so it is no news.
const FIRST_NEWS: &str = concat!(
    last_recorded!(),
    "
    SELECT e.sequence,
        e.recorded_at
    FROM entries AS e
    WHERE e.account_id = $1 AND e.wallet_id = $2
        AND e.sequence > (SELECT l.sequence FROM last AS l) AND e.sequence <= $3
        AND e.transaction_id IS NOT NULL
    ORDER BY e.sequence
    LIMIT 1"
);

/// Which balance of a wallet to tell.
#[derive(Debug, Clone)]
pub struct BalanceQuery {
    /// The wallet.
    pub wallet: WalletName,
    /// The instant, past or future; `None`: `known_at` or, without that, now.
    pub at: Option<Timestamp>,
    /// Only what was recorded by then counts, and what time alone does; `None`: all.
    pub known_at: Option<Timestamp>,
}

/// Balances and the instant that they are for.
#[derive(Debug, Clone, Copy)]
pub struct BalanceAt {
    /// The instant.
    pub at: Timestamp,
    /// The balances.
    pub balances: Balances,
}

impl Storage {
    /// A wallet's balances at an instant, as they are known now or were known at an earlier one.
    ///
    /// The current balance is one look-up by primary key unless something has become due since the last
    /// entry. Only a forecast of the past, `at` after `known_at` with other commands in between, reads the
    /// entries from the first one on.
    pub async fn balance(
        &self,
        query: &BalanceQuery,
    ) -> Result<Result<BalanceAt, Unanswerable>, StorageError> {
        let BalanceQuery { wallet: name, at, known_at } = query;
        let clock = self.clock().now();
        let client = self.reader().await?;
        let Some(state) = super::wallet(&client, name).await? else {
            return Ok(Err(Unanswerable::WalletNotFound));
        };
        drop(client);
        let now = clock.max(state.head.recorded_at);
        if known_at.is_some_and(|known_at| known_at > now) {
            return Ok(Err(Unanswerable::KnownAtAhead { now }));
        }
        let at = at.or(*known_at).unwrap_or(now);
        let all_is_known = known_at.is_none_or(|known_at| known_at >= state.head.recorded_at);
        if all_is_known && is_as_of_the_head(&state, at) {
            return Ok(Ok(BalanceAt { at, balances: state.head.balances }));
        }

        let snapshot = self.snapshot().await?;
        let client = snapshot.client()?;
        let Some(mut state) = super::wallet(client, name).await? else {
            snapshot.end().await?;
            return Ok(Err(Unanswerable::WalletNotFound));
        };
        let balances = match first_news(client, &state, *known_at).await? {
            None => as_known_now(client, &mut state, at).await?,
            Some(News { sequence, recorded_at }) => {
                let last = Sequence(sequence.0 - 1);
                // All that was due by then was booked just before the news.
                if at <= recorded_at {
                    past(client, &state, last, at).await?
                } else {
                    let mut then = super::fold::state_after(client, &state, last).await?;
                    settled_balances(client, &mut then, at).await?
                }
            }
        };
        snapshot.end().await?;
        Ok(Ok(BalanceAt { at, balances }))
    }
}

/// The first entry that was not to come anyhow at an instant.
struct News {
    sequence: Sequence,
    recorded_at: Timestamp,
}

fn is_as_of_the_head(state: &WalletState, at: Timestamp) -> bool {
    at >= state.head.recorded_at && state.head.next_due_at.is_none_or(|due_at| at < due_at)
}

async fn first_news(
    client: &Client,
    state: &WalletState,
    known_at: Option<Timestamp>,
) -> Result<Option<News>, StorageError> {
    let Some(known_at) = known_at.filter(|known_at| *known_at < state.head.recorded_at) else {
        return Ok(None);
    };
    let name = &state.settings.name;
    let statement = client.prepare_cached(FIRST_NEWS).await?;
    let (account, wallet) = (name.account_id.uuid(), name.wallet_id.uuid());
    let last = state.head.last_sequence.0;
    let row = client.query_opt(&statement, &[&account, &wallet, &last, &Instant(known_at)]).await?;
    row.map(|row| {
        let mut columns = Columns::of(&row);
        Ok(News { sequence: Sequence(columns.take()?), recorded_at: columns.instant()? })
    })
    .transpose()
}

/// The balances at any instant, as it is known now.
pub(super) async fn as_known_now(
    client: &Client,
    state: &mut WalletState,
    at: Timestamp,
) -> Result<Balances, StorageError> {
    if at < state.head.recorded_at {
        past(client, state, state.head.last_sequence, at).await
    } else {
        settled_balances(client, state, at).await
    }
}

/// The balances at an instant from a state's last transaction on.
async fn settled_balances(
    client: &Client,
    state: &mut WalletState,
    at: Timestamp,
) -> Result<Balances, StorageError> {
    supplied(client, state, |state| balances_at(state, at)).await
}

/// The balances at an instant before the last transaction, as the entries up to `last` tell it.
async fn past(
    client: &Client,
    state: &WalletState,
    last: Sequence,
    at: Timestamp,
) -> Result<Balances, StorageError> {
    let name = &state.settings.name;
    let statement = client.prepare_cached(PAST).await?;
    let (account, wallet) = (name.account_id.uuid(), name.wallet_id.uuid());
    let row = client.query_one(&statement, &[&account, &wallet, &last.0, &Instant(at)]).await?;
    let mut sums = Columns::of(&row);
    let (available, held, debt, scheduled) =
        (sums.take()?, sums.take()?, sums.take()?, sums.take()?);
    Balances::of_sums(available, held, debt, scheduled)
        .ok_or_else(|| StorageError::Corrupt(format!("the balance at {at} is none")))
}
