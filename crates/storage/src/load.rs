//! Loading what a batch needs: its wallets, locked in id order, the first grants that they draw, and the
//! keys that were used before.
//!
//! All statements are sent at once. The lock comes first and each statement has its own snapshot (READ
//! COMMITTED), so the others see everything that was committed before the lock was had.

mod fundings;
mod missing;
mod spends;

pub(crate) use missing::{HOLD, NUMBERED_GRANTS, load_missing, supplied};

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use deadpool_postgres::Client;
use purse_domain::{
    AccountId, AssetCode, Command, Coverage, DrawdownKey, FundingRef, GrantNumber, Group,
    HoldNumber, NamespaceId, Request, Scale, Timestamp, TransactionId, WalletId, WalletName,
    WalletState, decide::LATE_WINDOW_MICROS,
};
use tokio_postgres::{Row, Statement, types::ToSql};
use uuid::Uuid;

use crate::{
    StorageError,
    replay::UsedKey,
    row::{self, Columns, Instant, grant_columns, head_columns, hold_columns, settings_columns},
};

const LOCK_WALLETS: &str = concat!(
    "SELECT w.account_id,
         w.wallet_id,",
    settings_columns!(),
    ",",
    head_columns!(),
    " FROM unnest($1::UUID[], $2::UUID[]) AS k (account_id, wallet_id)
      JOIN wallets AS w ON w.account_id = k.account_id AND w.wallet_id = k.wallet_id
      ORDER BY w.account_id, w.wallet_id
      FOR NO KEY UPDATE OF w"
);

const FIRST_GRANTS: &str = concat!(
    "SELECT k.wallet_id,",
    grant_columns!(),
    " FROM unnest($1::UUID[], $2::UUID[], $3::BIGINT[]) AS k (account_id, wallet_id, most)
      CROSS JOIN LATERAL (
          SELECT *
          FROM grants
          WHERE account_id = k.account_id AND wallet_id = k.wallet_id AND open
          ORDER BY drawdown_key
          LIMIT k.most
      ) AS g"
);

const NAMED_GRANTS: &str = concat!(
    "SELECT k.wallet_id,",
    grant_columns!(),
    " FROM unnest($1::UUID[], $2::UUID[], $3::INTEGER[]) AS k (account_id, wallet_id, grant_number)
      JOIN grants AS g
      ON g.account_id = k.account_id AND g.wallet_id = k.wallet_id AND g.grant_number = k.grant_number"
);

const LOST_GRANTS: &str = concat!(
    "SELECT k.wallet_id,",
    grant_columns!(),
    " FROM unnest($1::UUID[], $2::UUID[], $3::TIMESTAMPTZ[]) AS k (account_id, wallet_id, since)
      JOIN grants AS g
      ON g.account_id = k.account_id AND g.wallet_id = k.wallet_id AND g.expired_at > k.since"
);

const ASSETS: &str = "
    SELECT a.namespace_id,
        a.asset,
        a.scale
    FROM unnest($1::UUID[], $2::TEXT[]) AS k (namespace_id, asset)
    JOIN assets AS a ON a.namespace_id = k.namespace_id AND a.asset = k.asset";

const HOLDS: &str = concat!(
    "SELECT k.wallet_id,",
    hold_columns!(),
    " FROM unnest($1::UUID[], $2::UUID[], $3::INTEGER[]) AS k (account_id, wallet_id, hold_number)
      JOIN holds AS h
      ON h.account_id = k.account_id AND h.wallet_id = k.wallet_id AND h.hold_number = k.hold_number"
);

/// A spend seldom empties a grant, so the first one suffices nearly always; a spend that needs more asks for
/// more.
const GRANTS_PER_SPEND: i64 = 1;
/// Of several spends on one wallet, few empty a grant.
const SPENDS_PER_FURTHER_GRANT: i64 = 8;
/// What a batch works on.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// The wallets that exist.
    pub(crate) wallets: HashMap<WalletId, WalletState>,
    /// The keys that were used before.
    pub(crate) keys: HashMap<(AccountId, String), UsedKey>,
    /// The assets that wallets are to be created of, as far as they exist.
    pub(crate) assets: HashMap<(NamespaceId, AssetCode), Scale>,
}

/// What the requests on one wallet need of it.
struct Need<'a> {
    name: &'a WalletName,
    spends: i64,
    named: HashSet<GrantNumber>,
    holds: HashSet<HoldNumber>,
    reversed: HashSet<TransactionId>,
    revoked: HashSet<&'a FundingRef>,
    late_since: Option<Timestamp>,
}

impl<'a> Need<'a> {
    /// The wallet alone.
    fn of(name: &'a WalletName) -> Self {
        Self {
            name,
            spends: 0,
            named: HashSet::new(),
            holds: HashSet::new(),
            reversed: HashSet::new(),
            revoked: HashSet::new(),
            late_since: None,
        }
    }

    /// How many grants to read in drawdown order.
    fn first_grants(&self) -> i64 {
        if self.spends == 0 { 0 } else { GRANTS_PER_SPEND + self.spends / SPENDS_PER_FURTHER_GRANT }
    }
}

/// Opens a transaction on `client` and loads what the groups need.
///
/// `clock` is what the clock says: usage from longer ago than is charged looks at nothing that was lost.
pub(crate) async fn load(
    client: &Client,
    groups: &[&Group],
    clock: Timestamp,
) -> Result<Loaded, StorageError> {
    let oldest = clock.plus_micros(-LATE_WINDOW_MICROS);
    let requests: Vec<&Request> = groups.iter().flat_map(|group| group.requests()).collect();
    // In id order, which is the lock order of every writer.
    let mut needs: BTreeMap<(AccountId, WalletId), Need<'_>> = BTreeMap::new();
    for request in &requests {
        let others = request.wallets().skip(1);
        for name in others {
            needs.entry((name.account_id, name.wallet_id)).or_insert_with(|| Need::of(name));
        }
        let name = &request.wallet;
        let id = (name.account_id, name.wallet_id);
        let need = needs.entry(id).or_insert_with(|| Need::of(name));
        need.spends += i64::from(request.command.draws());
        need.named.extend(request.command.grant_number());
        need.holds.extend(request.command.hold_number());
        need.reversed.extend(request.command.reverses());
        need.revoked.extend(request.command.revokes());
        need.late_since = need.late_since.into_iter().chain(request.command.occurred_at()).min();
        need.late_since = need.late_since.map(|since| since.max(oldest));
    }

    let accounts: Vec<Uuid> = needs.keys().map(|(account, _)| account.uuid()).collect();
    let wallets: Vec<Uuid> = needs.keys().map(|(_, wallet)| wallet.uuid()).collect();
    let most: Vec<i64> = needs.values().map(Need::first_grants).collect();
    let keyed = requests.iter().filter_map(|request| {
        let key = request.key.as_ref()?;
        Some((request.wallet.account_id.uuid(), key.as_str()))
    });
    let (key_accounts, keys): (Vec<Uuid>, Vec<&str>) = keyed.unzip();

    let (lock, first, used) = prepare_three(client).await?;
    let locked: [&(dyn ToSql + Sync); 2] = [&accounts, &wallets];
    let drawn: [&(dyn ToSql + Sync); 3] = [&accounts, &wallets, &most];
    let known: [&(dyn ToSql + Sync); 2] = [&key_accounts, &keys];
    let (begun, wallet_rows, grant_rows, key_rows) = tokio::join!(
        biased;
        client.batch_execute("BEGIN"),
        client.query(&lock, &locked),
        client.query(&first, &drawn),
        client.query(&used, &known),
    );
    begun?;

    let mut loaded = Loaded::default();
    for row in wallet_rows? {
        let mut columns = Columns::of(&row);
        let account = AccountId::from_uuid(columns.take()?);
        let wallet = WalletId::from_uuid(columns.take()?);
        if let Some(need) = needs.get(&(account, wallet)) {
            loaded.wallets.insert(wallet, state(&mut columns, need.name.clone())?);
        }
    }
    hold_first_grants(&mut loaded.wallets, &grant_rows?, &needs)?;
    for row in key_rows? {
        let used = UsedKey::read(row)?;
        loaded.keys.insert((used.account_id, used.key.clone()), used);
    }

    spends::load(client, &mut loaded.wallets, &needs).await?;
    fundings::load(client, &mut loaded.wallets, &needs).await?;
    name_grants(&loaded.wallets, &mut needs);
    load_holds(client, &mut loaded.wallets, &mut needs).await?;
    load_named(client, &mut loaded.wallets, &needs).await?;
    load_lost(client, &mut loaded.wallets, &needs).await?;
    load_assets(client, &mut loaded.assets, &requests).await?;
    Ok(loaded)
}

async fn prepare_three(client: &Client) -> Result<(Statement, Statement, Statement), StorageError> {
    Ok((
        client.prepare_cached(LOCK_WALLETS).await?,
        client.prepare_cached(FIRST_GRANTS).await?,
        client.prepare_cached(crate::replay::USED_KEYS).await?,
    ))
}

/// A wallet's state from its row, with no grant held yet.
pub(crate) fn state(
    columns: &mut Columns<'_>,
    name: WalletName,
) -> Result<WalletState, StorageError> {
    let settings = Arc::new(row::settings(columns, name)?);
    let head = row::head(columns)?;
    Ok(WalletState {
        settings,
        head,
        grants: BTreeMap::new(),
        holds: BTreeMap::new(),
        moved: BTreeSet::new(),
        coverage: Coverage::Partial { drawn_to: None, next_due_at: head.next_due_at },
        debts: BTreeMap::new(),
        has_all_debts: head.balances.debt.is_zero(),
        spends: BTreeMap::new(),
        fundings: BTreeMap::new(),
    })
}

fn hold_first_grants(
    wallets: &mut HashMap<WalletId, WalletState>,
    rows: &[Row],
    needs: &BTreeMap<(AccountId, WalletId), Need<'_>>,
) -> Result<(), StorageError> {
    let mut last: HashMap<WalletId, (i64, Option<DrawdownKey>)> = HashMap::new();
    for row in rows {
        let mut columns = Columns::of(row);
        let id = WalletId::from_uuid(columns.take()?);
        if let Some(state) = wallets.get_mut(&id) {
            let key = state.hold_loaded(row::grant(&mut columns)?);
            let (held, drawn_to) = last.entry(id).or_default();
            *held += 1;
            *drawn_to = (*drawn_to).max(Some(key));
        }
    }
    for need in needs.values() {
        let Some(state) = wallets.get_mut(&need.name.wallet_id) else { continue };
        let (held, drawn_to) = last.remove(&need.name.wallet_id).unwrap_or_default();
        state.coverage = if need.first_grants() > held {
            missing::all_grants(state)
        } else {
            Coverage::Partial { drawn_to, next_due_at: state.head.next_due_at }
        };
    }
    Ok(())
}

/// The grants that what is undone goes back to: those that a spend drew, and those that repaid a debt.
fn name_grants(
    wallets: &HashMap<WalletId, WalletState>,
    needs: &mut BTreeMap<(AccountId, WalletId), Need<'_>>,
) {
    for need in needs.values_mut() {
        let Some(state) = wallets.get(&need.name.wallet_id) else { continue };
        let drawn = state.spends.values().flatten().flat_map(|spend| &spend.allocations);
        let repaid = state.debts.values().flat_map(|debt| &debt.repaid);
        need.named.extend(drawn.chain(repaid).map(|part| part.grant));
    }
}

/// The holds that are named. The grants that they pin are named from here on.
async fn load_holds(
    client: &Client,
    wallets: &mut HashMap<WalletId, WalletState>,
    needs: &mut BTreeMap<(AccountId, WalletId), Need<'_>>,
) -> Result<(), StorageError> {
    let named: Vec<(&WalletName, HoldNumber)> = needs
        .values()
        .flat_map(|need| need.holds.iter().map(|number| (need.name, *number)))
        .collect();
    if named.is_empty() {
        return Ok(());
    }
    let (accounts, ids) = ids_of(&named);
    let numbers: Vec<i32> = named.iter().map(|(_, number)| number.0).collect();
    let statement = client.prepare_cached(HOLDS).await?;
    for row in client.query(&statement, &[&accounts, &ids, &numbers]).await? {
        let mut columns = Columns::of(&row);
        let id = WalletId::from_uuid(columns.take()?);
        let Some(state) = wallets.get_mut(&id) else { continue };
        let hold = row::hold(&mut columns)?;
        if let Some(need) = needs.get_mut(&(state.settings.name.account_id, id)) {
            need.named.extend(hold.slices.iter().map(|slice| slice.grant));
        }
        state.holds.insert(hold.number, hold);
    }
    Ok(())
}

/// The accounts and wallets of what is asked for, each as a column of keys.
fn ids_of<T>(asked: &[(&WalletName, T)]) -> (Vec<Uuid>, Vec<Uuid>) {
    asked.iter().map(|(name, _)| (name.account_id.uuid(), name.wallet_id.uuid())).unzip()
}

async fn load_named(
    client: &Client,
    wallets: &mut HashMap<WalletId, WalletState>,
    needs: &BTreeMap<(AccountId, WalletId), Need<'_>>,
) -> Result<(), StorageError> {
    let named: Vec<(&WalletName, GrantNumber)> = needs
        .values()
        .flat_map(|need| need.named.iter().map(|number| (need.name, *number)))
        .collect();
    if named.is_empty() {
        return Ok(());
    }
    let (accounts, ids) = ids_of(&named);
    let numbers: Vec<i32> = named.iter().map(|(_, number)| number.0).collect();
    let statement = client.prepare_cached(NAMED_GRANTS).await?;
    hold_all(wallets, &client.query(&statement, &[&accounts, &ids, &numbers]).await?)
}

async fn load_lost(
    client: &Client,
    wallets: &mut HashMap<WalletId, WalletState>,
    needs: &BTreeMap<(AccountId, WalletId), Need<'_>>,
) -> Result<(), StorageError> {
    let late: Vec<(&WalletName, Timestamp)> =
        needs.values().filter_map(|need| Some((need.name, need.late_since?))).collect();
    if late.is_empty() {
        return Ok(());
    }
    let (accounts, ids) = ids_of(&late);
    let since: Vec<Instant> = late.iter().map(|(_, since)| Instant(*since)).collect();
    let statement = client.prepare_cached(LOST_GRANTS).await?;
    hold_all(wallets, &client.query(&statement, &[&accounts, &ids, &since]).await?)
}

fn hold_all(
    wallets: &mut HashMap<WalletId, WalletState>,
    rows: &[Row],
) -> Result<(), StorageError> {
    for row in rows {
        let mut columns = Columns::of(row);
        let id = WalletId::from_uuid(columns.take()?);
        if let Some(state) = wallets.get_mut(&id) {
            state.hold_loaded(row::grant(&mut columns)?);
        }
    }
    Ok(())
}

async fn load_assets(
    client: &Client,
    assets: &mut HashMap<(NamespaceId, AssetCode), Scale>,
    requests: &[&Request],
) -> Result<(), StorageError> {
    let created: Vec<&WalletName> = requests
        .iter()
        .filter(|request| matches!(request.command, Command::CreateWallet(_)))
        .map(|request| &request.wallet)
        .collect();
    if created.is_empty() {
        return Ok(());
    }
    let namespaces: Vec<Uuid> = created.iter().map(|name| name.namespace_id.uuid()).collect();
    let codes: Vec<&str> = created.iter().map(|name| name.asset.as_str()).collect();
    let statement = client.prepare_cached(ASSETS).await?;
    for row in client.query(&statement, &[&namespaces, &codes]).await? {
        let mut columns = Columns::of(&row);
        let namespace = NamespaceId::from_uuid(columns.take()?);
        let asset = AssetCode::from_stored(columns.take()?);
        assets.insert((namespace, asset), row::scale(columns.take()?)?);
    }
    Ok(())
}
