//! Loading what a decision lacked, of one wallet.

use deadpool_postgres::Client;
use purse_domain::{Coverage, DrawdownKey, Missing, WalletState};
use tokio_postgres::{Row, types::ToSql};

use super::ALL;
use crate::{
    StorageError,
    row::{self, Columns, Instant, debt_columns, grant_columns, hold_columns},
    spending::{Wanted, find_open_holds, find_sums},
};

// What is read in the order of an index is asked for as `FIRST_GRANTS` says.

const MORE_GRANTS: &str = concat!(
    "SELECT ",
    grant_columns!(),
    " FROM grants AS g
      WHERE (g.account_id, g.wallet_id, g.drawdown_key) > ($1, $2, $3)
          AND (g.account_id, g.wallet_id) <= ($1, $2)
          AND g.open
      ORDER BY g.account_id, g.wallet_id, g.drawdown_key
      LIMIT $4"
);

const DUE_GRANTS: &str = concat!(
    "SELECT ",
    grant_columns!(),
    " FROM grants AS g
      WHERE (g.account_id, g.wallet_id) >= ($1, $2)
          AND (g.account_id, g.wallet_id, g.due_at) <= ($1, $2, $3)
          AND g.open AND g.due_at IS NOT NULL
      ORDER BY g.account_id, g.wallet_id, g.due_at
      LIMIT $4"
);

const NEXT_DUE: &str = "
    SELECT LEAST(
        (SELECT g.due_at
         FROM grants AS g
         WHERE (g.account_id, g.wallet_id, g.due_at) > ($1, $2, $3)
             AND (g.account_id, g.wallet_id) <= ($1, $2)
             AND g.open AND g.due_at IS NOT NULL
         ORDER BY g.account_id, g.wallet_id, g.due_at
         LIMIT 1),
        (SELECT h.expires_at
         FROM holds AS h
         WHERE (h.account_id, h.wallet_id, h.expires_at) > ($1, $2, $3)
             AND (h.account_id, h.wallet_id) <= ($1, $2)
             AND h.held > 0
         ORDER BY h.account_id, h.wallet_id, h.expires_at
         LIMIT 1)
    ) AS due_at";

const DUE_HOLDS: &str = concat!(
    "SELECT ",
    hold_columns!(),
    " FROM holds AS h
      WHERE (h.account_id, h.wallet_id) >= ($1, $2)
          AND (h.account_id, h.wallet_id, h.expires_at) <= ($1, $2, $3)
          AND h.held > 0
      ORDER BY h.account_id, h.wallet_id, h.expires_at
      LIMIT $4"
);

const OPEN_HOLDS: &str = concat!(
    "SELECT ",
    hold_columns!(),
    " FROM holds AS h
      WHERE (h.account_id, h.wallet_id) >= ($1, $2)
          AND (h.account_id, h.wallet_id) <= ($1, $2)
          AND h.held > 0
      ORDER BY h.account_id, h.wallet_id, h.expires_at
      LIMIT $3"
);

/// Grants of a wallet by number, one by one: asked for `= ANY`, PostgreSQL may as well look at all of the wallet.
pub(crate) const NUMBERED_GRANTS: &str = concat!(
    "SELECT ",
    grant_columns!(),
    " FROM unnest($3::INTEGER[]) AS k (grant_number)
      CROSS JOIN LATERAL (
          SELECT *
          FROM grants
          WHERE account_id = $1 AND wallet_id = $2 AND grant_number = k.grant_number
          LIMIT 1
      ) AS g"
);

const OPEN_GRANTS: &str = concat!(
    "SELECT ",
    grant_columns!(),
    " FROM grants AS g
      WHERE (g.account_id, g.wallet_id) >= ($1, $2)
          AND (g.account_id, g.wallet_id) <= ($1, $2)
          AND g.open
      ORDER BY g.account_id, g.wallet_id, g.drawdown_key
      LIMIT $3"
);

const OPEN_DEBTS: &str = concat!(
    "SELECT ",
    debt_columns!(),
    " FROM debts AS d
      WHERE d.account_id = $1 AND d.wallet_id = $2 AND d.owed > 0"
);

/// A hold by its number.
pub(crate) const HOLD: &str = concat!(
    "SELECT ",
    hold_columns!(),
    " FROM holds AS h
      WHERE h.account_id = $1 AND h.wallet_id = $2 AND h.hold_number = $3"
);

/// Each further step is this large: a wallet of ten thousand grants is walked in a few steps.
const FURTHER_GRANTS: i64 = 256;

/// Loads what a decision lacked.
pub(crate) async fn load_missing(
    client: &Client,
    state: &mut WalletState,
    missing: &Missing,
) -> Result<(), StorageError> {
    let account = state.settings.name.account_id.uuid();
    let wallet = state.settings.name.wallet_id.uuid();
    match missing {
        Missing::AllOpen => {
            for row in query_cached(client, OPEN_GRANTS, &[&account, &wallet, &ALL]).await? {
                state.hold_loaded(row::grant(&mut Columns::of(&row))?);
            }
            let holds = query_cached(client, OPEN_HOLDS, &[&account, &wallet, &ALL]).await?;
            hold_with_pinned(client, state, &holds).await?;
            state.coverage = Coverage::Complete;
        }
        Missing::Hold(number) => {
            let hold = query_cached(client, HOLD, &[&account, &wallet, &number.0]).await?;
            hold_with_pinned(client, state, &hold).await?;
        }
        Missing::MoreInOrder => {
            let (drawn_to, next_due_at) = match state.coverage {
                Coverage::Complete => return Ok(()),
                Coverage::Partial { drawn_to, next_due_at } => (drawn_to, next_due_at),
            };
            let after = drawn_to.as_ref().map_or(&[][..], DrawdownKey::as_bytes);
            let rows =
                query_cached(client, MORE_GRANTS, &[&account, &wallet, &after, &FURTHER_GRANTS])
                    .await?;
            let mut furthest = drawn_to;
            for row in &rows {
                furthest =
                    furthest.max(Some(state.hold_loaded(row::grant(&mut Columns::of(row))?)));
            }
            let all = i64::try_from(rows.len()).is_ok_and(|count| count < FURTHER_GRANTS);
            state.coverage = if all {
                all_grants(state)
            } else {
                Coverage::Partial { drawn_to: furthest, next_due_at }
            };
        }
        Missing::Debts => {
            let rows = query_cached(client, OPEN_DEBTS, &[&account, &wallet]).await?;
            for row in &rows {
                let debt = row::debt(&mut Columns::of(row))?;
                // What this batch has changed already is not in the database yet.
                state.debts.entry(debt.entry).or_insert(debt);
            }
            state.has_all_debts = true;
        }
        Missing::Spending(unknown) => {
            let scans = state.counts.scans_of(unknown);
            let (wallet, spender) = (state.settings.name.clone(), unknown.spender.clone());
            let wanted = Wanted { wallet, spender, scans };
            for (wanted, found) in find_sums(client, vec![wanted]).await? {
                state.counts.load(&wanted.spender, &wanted.scans, &found);
            }
        }
        Missing::OpenHolds => {
            let name = state.settings.name.clone();
            let holds = find_open_holds(client, &[&name]).await?.remove(&name.wallet_id);
            state.counts.load_open_holds(holds.unwrap_or_default());
        }
        Missing::DueBy(at) => {
            // Of each wallet that a sweeper settles: prepared once, and one round trip.
            let due_grants = client.prepare_cached(DUE_GRANTS).await?;
            let due_holds = client.prepare_cached(DUE_HOLDS).await?;
            let next_due = client.prepare_cached(NEXT_DUE).await?;
            let at = Instant(*at);
            let due: [&(dyn ToSql + Sync); 4] = [&account, &wallet, &at, &ALL];
            let after: [&(dyn ToSql + Sync); 3] = [&account, &wallet, &at];
            let (grants, holds, next) = tokio::join!(
                biased;
                client.query(&due_grants, &due),
                client.query(&due_holds, &due),
                client.query_one(&next_due, &after),
            );
            let (grants, holds, next) = (grants?, holds?, next?);
            for row in &grants {
                state.hold_loaded(row::grant(&mut Columns::of(row))?);
            }
            hold_with_pinned(client, state, &holds).await?;
            if let Coverage::Partial { next_due_at, .. } = &mut state.coverage {
                *next_due_at = Columns::of(&next).instant_or_never()?;
            }
        }
    }
    Ok(())
}

/// Rows of a statement that is prepared once for a connection.
async fn query_cached(
    client: &Client,
    statement: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, StorageError> {
    let statement = client.prepare_cached(statement).await?;
    Ok(client.query(&statement, parameters).await?)
}

/// Asks a wallet's state something, and loads what is lacking until it can answer.
pub(crate) async fn supplied<T>(
    client: &Client,
    state: &mut WalletState,
    ask: impl Fn(&WalletState) -> Result<T, Missing>,
) -> Result<T, StorageError> {
    loop {
        match ask(state) {
            Ok(answer) => return Ok(answer),
            Err(missing) => load_missing(client, state, &missing).await?,
        }
    }
}

/// All open grants are held. Holds are not, unless there is none.
pub(super) fn all_grants(state: &WalletState) -> Coverage {
    if state.head.balances.held.is_zero() {
        return Coverage::Complete;
    }
    Coverage::all_grants(match state.coverage {
        Coverage::Partial { next_due_at, .. } => next_due_at,
        Coverage::Complete => state.head.next_due_at,
    })
}

/// Adds holds that were read, with the grants that they pin.
async fn hold_with_pinned(
    client: &Client,
    state: &mut WalletState,
    rows: &[Row],
) -> Result<(), StorageError> {
    let mut pinned: Vec<i32> = Vec::new();
    for row in rows {
        let hold = row::hold(&mut Columns::of(row))?;
        pinned.extend(hold.slices.iter().map(|slice| slice.grant.0));
        state.holds.entry(hold.number).or_insert(hold);
    }
    if pinned.is_empty() {
        return Ok(());
    }
    let account = state.settings.name.account_id.uuid();
    let wallet = state.settings.name.wallet_id.uuid();
    for row in query_cached(client, NUMBERED_GRANTS, &[&account, &wallet, &pinned]).await? {
        state.hold_loaded(row::grant(&mut Columns::of(&row))?);
    }
    Ok(())
}
