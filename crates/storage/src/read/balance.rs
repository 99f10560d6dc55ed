//! The balance of a wallet at any instant.

use deadpool_postgres::Client;
use purse_domain::{Balances, Timestamp, WalletName, WalletState, balances_at};

use crate::{
    Storage, StorageError,
    load::load_missing,
    row::{Columns, Instant},
};

/// A wallet's balances at a past instant: those after the last entry that was recorded by then, corrected by
/// the few that were recorded later and count earlier. The last entry is found by halving the sequence,
/// along which `recorded_at` never falls, so no index over time is needed.
const PAST: &str = "
    WITH RECURSIVE search (low, high) AS (
        SELECT 0::BIGINT,
            $3::BIGINT + 1
        UNION ALL
        SELECT CASE WHEN e.recorded_at <= $4 THEN e.sequence ELSE s.low END,
            CASE WHEN e.recorded_at <= $4 THEN s.high ELSE e.sequence END
        FROM search AS s
        JOIN entries AS e
        ON e.account_id = $1 AND e.wallet_id = $2 AND e.sequence = (s.low + s.high) / 2
        WHERE s.high - s.low > 1
    ),
    last AS (
        SELECT max(low) AS sequence
        FROM search
    ),
    steps AS (
        SELECT e.available_after AS available,
            e.held_after AS held,
            e.debt_after AS debt,
            e.scheduled_after AS scheduled
        FROM last AS l
        JOIN entries AS e
        ON e.account_id = $1 AND e.wallet_id = $2 AND e.sequence = l.sequence
        UNION ALL
        SELECT e.available_after - COALESCE(p.available_after, 0),
            e.held_after - COALESCE(p.held_after, 0),
            e.debt_after - COALESCE(p.debt_after, 0),
            e.scheduled_after - COALESCE(p.scheduled_after, 0)
        FROM last AS l
        JOIN entries AS e
        ON e.account_id = $1 AND e.wallet_id = $2 AND e.effective_at <= $4
            AND e.effective_at < e.recorded_at AND e.sequence > l.sequence AND e.sequence <= $3
        LEFT JOIN entries AS p
        ON p.account_id = $1 AND p.wallet_id = $2 AND p.sequence = e.sequence - 1
    )
    SELECT COALESCE(sum(available), 0) AS available,
        COALESCE(sum(held), 0) AS held,
        COALESCE(sum(debt), 0) AS debt,
        COALESCE(sum(scheduled), 0) AS scheduled
    FROM steps";

/// Balances and the instant that they are for.
#[derive(Debug, Clone, Copy)]
pub struct BalanceAt {
    /// The instant.
    pub at: Timestamp,
    /// The balances.
    pub balances: Balances,
}

impl Storage {
    /// A wallet's balances at an instant, past or future; `None`: now. `Ok(None)`: no such wallet.
    ///
    /// The current balance is one look-up by primary key unless something has become due since the last
    /// entry.
    pub async fn balance(
        &self,
        name: &WalletName,
        at: Option<Timestamp>,
    ) -> Result<Option<BalanceAt>, StorageError> {
        let clock = self.clock().now();
        let client = self.reader().await?;
        let Some(state) = super::wallet(&client, name).await? else { return Ok(None) };
        drop(client);
        let at = at.unwrap_or_else(|| clock.max(state.head.recorded_at));
        if is_as_of_the_head(&state, at) {
            return Ok(Some(BalanceAt { at, balances: state.head.balances }));
        }

        let snapshot = self.snapshot().await?;
        let client = snapshot.client()?;
        let Some(mut state) = super::wallet(client, name).await? else { return Ok(None) };
        let balances = if at < state.head.recorded_at {
            past(client, &state, at).await?
        } else {
            loop {
                match balances_at(&state, at) {
                    Ok(balances) => break balances,
                    Err(missing) => load_missing(client, &mut state, missing).await?,
                }
            }
        };
        snapshot.end().await?;
        Ok(Some(BalanceAt { at, balances }))
    }
}

fn is_as_of_the_head(state: &WalletState, at: Timestamp) -> bool {
    at >= state.head.recorded_at && state.head.next_due_at.is_none_or(|due_at| at < due_at)
}

async fn past(
    client: &Client,
    state: &WalletState,
    at: Timestamp,
) -> Result<Balances, StorageError> {
    let name = &state.settings.name;
    let statement = client.prepare_cached(PAST).await?;
    let row = client
        .query_one(
            &statement,
            &[
                &name.account_id.uuid(),
                &name.wallet_id.uuid(),
                &state.head.last_sequence.0,
                &Instant(at),
            ],
        )
        .await?;
    let mut sums = Columns::of(&row);
    let (available, held, debt, scheduled) =
        (sums.take()?, sums.take()?, sums.take()?, sums.take()?);
    Balances::of_sums(available, held, debt, scheduled)
        .ok_or_else(|| StorageError::Corrupt(format!("the balance at {at} is none")))
}
