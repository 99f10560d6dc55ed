//! What spend limits count, in the database: sums of what was spent along time, open holds, and the entries that
//! both come from. Only wallets with limits have sums.

use std::collections::{BTreeMap, HashMap};

use deadpool_postgres::Client;
use purse_domain::{
    Actor, Counted, EntryKind, HoldNumber, OpenHold, OperationName, Origin, Scan, Sequence,
    SignedAmount, Spender, Sum, Tally, Timestamp, WalletId, WalletName, WalletState, Width,
};
use uuid::Uuid;

use crate::{
    StorageError,
    read::balance::last_recorded,
    row::{self, Columns, Instant},
};

/// Each scan is a range of the primary key.
const SUMS: &str = "
    SELECT k.ordinal,
        s.starts_at,
        s.amount
    FROM unnest($1::UUID[], $2::UUID[], $3::TEXT[], $4::TEXT[], $5::SMALLINT[],
        $6::TIMESTAMPTZ[], $7::TIMESTAMPTZ[])
        WITH ORDINALITY
        AS k (account_id, wallet_id, actor, operation, width, first_start, end_of_starts, ordinal)
    CROSS JOIN LATERAL (
        SELECT starts_at,
            amount
        FROM spending
        WHERE account_id = k.account_id AND wallet_id = k.wallet_id AND actor = k.actor
            AND operation = k.operation AND width = k.width
            AND starts_at >= k.first_start AND starts_at < k.end_of_starts
    ) AS s";

const OPEN_HOLDS: &str = "
    SELECT k.wallet_id,
        h.hold_number,
        t.actor,
        h.operation,
        h.held,
        h.expires_at
    FROM unnest($1::UUID[], $2::UUID[]) AS k (account_id, wallet_id)
    JOIN holds AS h
    ON h.account_id = k.account_id AND h.wallet_id = k.wallet_id AND h.held > 0
    CROSS JOIN LATERAL (
        SELECT actor
        FROM transactions
        WHERE account_id = k.account_id AND transaction_id = h.transaction_id
            AND wallet_id = k.wallet_id
        LIMIT 1
    ) AS t";

/// The last entry of those up to $3 that was recorded by $4.
const LAST_RECORDED: &str = concat!(
    last_recorded!(),
    "
    SELECT sequence
    FROM last"
);

/// Entries that count, from the one after $3 on, each with whose it is: of what comes of a hold, whoever made the hold;
/// of a reversal, whoever spent. Of a reversal, the spend says when it counts; what undoes anything else is none.
const COUNTING: &str = "
    SELECT e.sequence,
        e.kind,
        e.amount,
        COALESCE(u.effective_at, e.effective_at) AS effective_at,
        COALESCE(m.actor, s.actor, t.actor) AS actor,
        COALESCE(s.operation, t.operation) AS operation
    FROM entries AS e
    CROSS JOIN LATERAL (
        SELECT actor,
            operation,
            hold_number
        FROM transactions
        WHERE account_id = $1 AND transaction_id = e.transaction_id AND wallet_id = $2
        LIMIT 1
    ) AS t
    LEFT JOIN LATERAL (
        SELECT effective_at,
            transaction_id
        FROM entries
        WHERE account_id = $1 AND wallet_id = $2 AND sequence = e.about AND kind = $8
        LIMIT 1
    ) AS u ON TRUE
    LEFT JOIN LATERAL (
        SELECT actor,
            operation
        FROM transactions
        WHERE account_id = $1 AND transaction_id = u.transaction_id AND wallet_id = $2
        LIMIT 1
    ) AS s ON TRUE
    LEFT JOIN LATERAL (
        SELECT transaction_id
        FROM holds
        WHERE account_id = $1 AND wallet_id = $2 AND hold_number = t.hold_number
        LIMIT 1
    ) AS h ON TRUE
    LEFT JOIN LATERAL (
        SELECT actor
        FROM transactions
        WHERE account_id = $1 AND transaction_id = h.transaction_id AND wallet_id = $2
        LIMIT 1
    ) AS m ON TRUE
    WHERE e.account_id = $1 AND e.wallet_id = $2 AND e.sequence > $3 AND e.sequence <= $4
        AND (e.kind = ANY ($5) OR e.kind = $7 AND u.effective_at IS NOT NULL)
    ORDER BY e.sequence
    LIMIT $6";

const ALL_SUMS: &str = "
    SELECT s.actor,
        s.operation,
        s.width,
        s.starts_at,
        s.amount
    FROM spending AS s
    WHERE s.account_id = $1 AND s.wallet_id = $2";

/// Entries that are counted at once.
const PAGE: i64 = 5_000;

/// Sums to look up.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) wallet: WalletName,
    pub(crate) spender: Spender,
    pub(crate) scans: Vec<Scan>,
}

/// Looks up sums, all in one statement.
pub(crate) async fn find_sums(
    client: &Client,
    wanted: Vec<Wanted>,
) -> Result<Vec<(Wanted, Vec<Sum>)>, StorageError> {
    let (mut accounts, mut wallets) = (Vec::new(), Vec::new());
    let (mut actors, mut operations, mut widths) = (Vec::new(), Vec::new(), Vec::new());
    let (mut first, mut end) = (Vec::new(), Vec::new());
    let mut scanned: Vec<(usize, Width)> = Vec::new();
    for (index, Wanted { wallet, spender, scans }) in wanted.iter().enumerate() {
        let (actor, operation) = row::spender_columns(spender);
        for Scan { width, from, to } in scans {
            accounts.push(wallet.account_id.uuid());
            wallets.push(wallet.wallet_id.uuid());
            actors.push(actor.clone());
            operations.push(operation.clone());
            widths.push(width.exponent());
            first.push(Instant(*from));
            end.push(Instant(*to));
            scanned.push((index, *width));
        }
    }
    let mut found: Vec<Vec<Sum>> = wanted.iter().map(|_| Vec::new()).collect();
    let statement = client.prepare_cached(SUMS).await?;
    let rows = client
        .query(&statement, &[&accounts, &wallets, &actors, &operations, &widths, &first, &end])
        .await?;
    for row in rows {
        let mut columns = Columns::of(&row);
        let ordinal: i64 = columns.take()?;
        let scan = usize::try_from(ordinal - 1).ok().and_then(|scan| scanned.get(scan));
        let start = columns.instant()?;
        let amount = SignedAmount::from_stored(columns.take()?);
        if let Some((index, width)) = scan {
            found[*index].push(Sum { width: *width, start, amount });
        }
    }
    Ok(wanted.into_iter().zip(found).collect())
}

/// Looks up all open holds of wallets.
pub(crate) async fn find_open_holds(
    client: &Client,
    wallets: &[&WalletName],
) -> Result<HashMap<WalletId, BTreeMap<HoldNumber, OpenHold>>, StorageError> {
    let accounts: Vec<Uuid> = wallets.iter().map(|name| name.account_id.uuid()).collect();
    let ids: Vec<Uuid> = wallets.iter().map(|name| name.wallet_id.uuid()).collect();
    let mut found: HashMap<WalletId, BTreeMap<HoldNumber, OpenHold>> = HashMap::new();
    let statement = client.prepare_cached(OPEN_HOLDS).await?;
    for row in client.query(&statement, &[&accounts, &ids]).await? {
        let mut columns = Columns::of(&row);
        let wallet = WalletId::from_uuid(columns.take()?);
        let number = HoldNumber(columns.take()?);
        let actor = Actor::from_stored(columns.take()?);
        let operation = columns.take::<Option<String>>()?.map(OperationName::from_stored);
        let origin = Origin { actor, operation };
        let (held, expires_at) = (columns.amount()?, columns.instant()?);
        found.entry(wallet).or_default().insert(number, OpenHold { origin, held, expires_at });
    }
    Ok(found)
}

/// Reads what a wallet's entries count that were recorded from an instant on, page by page.
pub(crate) struct Counting {
    account: Uuid,
    wallet: Uuid,
    after: Sequence,
    last: Sequence,
}

impl Counting {
    /// What counts at `since` or later was recorded then or later.
    pub(crate) async fn since(
        client: &Client,
        state: &WalletState,
        since: Timestamp,
    ) -> Result<Self, StorageError> {
        let name = &state.settings.name;
        let (account, wallet) = (name.account_id.uuid(), name.wallet_id.uuid());
        let last = state.head.last_sequence;
        let before = Instant(since.plus_micros(-1));
        let row = client.query_one(LAST_RECORDED, &[&account, &wallet, &last.0, &before]).await?;
        Ok(Self { account, wallet, after: Sequence(Columns::of(&row).take()?), last })
    }

    /// The next page; `None`: there is none.
    pub(crate) async fn next(
        &mut self,
        client: &Client,
    ) -> Result<Option<Vec<Counted>>, StorageError> {
        let kinds = [EntryKind::Spent, EntryKind::Captured].map(row::entry_kind_code).to_vec();
        let [reversed, spent] = [EntryKind::Reversed, EntryKind::Spent].map(row::entry_kind_code);
        let Self { account, wallet, after, last } = self;
        let statement = client.prepare_cached(COUNTING).await?;
        let rows = client
            .query(
                &statement,
                &[account, wallet, &after.0, &last.0, &kinds, &PAGE, &reversed, &spent],
            )
            .await?;
        let mut page = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut columns = Columns::of(row);
            *after = Sequence(columns.take()?);
            let kind = row::entry_kind(columns.take()?)?;
            let (amount, at) = (columns.amount()?, columns.instant()?);
            let actor = Actor::from_stored(columns.take()?);
            let operation = columns.take::<Option<String>>()?.map(OperationName::from_stored);
            page.extend(Counted::of(kind, amount, at, &Origin { actor, operation }));
        }
        Ok((!rows.is_empty()).then_some(page))
    }
}

/// The tally of a wallet as it is kept.
pub(crate) async fn kept_tally(client: &Client, name: &WalletName) -> Result<Tally, StorageError> {
    let mut tally = Tally::default();
    let of_wallet = [name.account_id.uuid(), name.wallet_id.uuid()];
    for row in client.query(ALL_SUMS, &[&of_wallet[0], &of_wallet[1]]).await? {
        let mut columns = Columns::of(&row);
        let spender = row::spender(columns.take()?, columns.take()?)?;
        let width = Width::of_exponent(columns.take()?)
            .ok_or_else(|| StorageError::Corrupt("the width of a sum".to_owned()))?;
        let start = columns.instant()?;
        tally.put(spender, width, start, SignedAmount::from_stored(columns.take()?));
    }
    Ok(tally)
}
