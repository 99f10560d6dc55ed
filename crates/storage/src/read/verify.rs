//! Verifying a wallet: everything that is kept about it, recomputed from its entries.

use std::collections::BTreeMap;

use deadpool_postgres::Client;
use purse_domain::{
    Coverage, Discrepancy, EventSequence, GrantNumber, HoldNumber, Missing, NoticesFrom, Recount,
    Sequence, Tally, Timestamp, TransactionKind, WalletName, WalletState, Width, verify,
    verify_event, verify_spending,
};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::{
    events::{event, event_columns},
    fold::fold,
    transfers::verify_transfers,
};
use crate::{
    Storage, StorageError,
    load::load_missing,
    row::{self, Columns, SettingsSnapshot, grant_columns, hold_columns},
    spending::{Counting, kept_tally},
};

const GRANTS: &str = concat!(
    "SELECT ",
    grant_columns!(),
    " FROM grants AS g
      WHERE g.account_id = $1 AND g.wallet_id = $2"
);

const HOLDS: &str = concat!(
    "SELECT ",
    hold_columns!(),
    " FROM holds AS h
      WHERE h.account_id = $1 AND h.wallet_id = $2"
);

/// What a wallet's settings were after each transaction that was about them.
const SETTINGS: &str = "
    SELECT t.after_sequence,
        t.recorded_at,
        t.kind,
        t.settings::TEXT AS settings
    FROM transactions AS t
    WHERE t.account_id = $1 AND t.wallet_id = $2 AND t.settings IS NOT NULL";

const EVENTS_SINCE: &str = "
    SELECT w.events_since
    FROM wallets AS w
    WHERE w.account_id = $1 AND w.wallet_id = $2";

/// A run of events, by number.
const EVENTS: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM events AS e
      WHERE e.account_id = $1 AND e.wallet_id = $2 AND e.event_sequence BETWEEN $3 AND $4
      ORDER BY e.event_sequence"
);

const FIRST_EVENT_AFTER: &str = "
    SELECT e.event_sequence
    FROM events AS e
    WHERE e.account_id = $1 AND e.wallet_id = $2 AND e.event_sequence > $3
    ORDER BY e.event_sequence
    LIMIT 1";

/// What a verification looked at, and what it found.
#[derive(Debug, Clone)]
pub struct Verification {
    /// As of when.
    pub recorded_at: Timestamp,
    /// How many entries there are.
    pub entries: Sequence,
    /// How many grants.
    pub grants: GrantNumber,
    /// How many holds.
    pub holds: HoldNumber,
    /// What is wrong; `None`: nothing.
    pub discrepancy: Option<Discrepancy>,
}

impl Storage {
    /// Recomputes a wallet from its entries, in one snapshot; `None`: no such wallet.
    pub async fn verify_wallet(
        &self,
        name: &WalletName,
    ) -> Result<Option<Verification>, StorageError> {
        let snapshot = self.snapshot().await?;
        let client = snapshot.client()?;
        let Some(mut kept) = super::wallet(client, name).await? else {
            snapshot.end().await?;
            return Ok(None);
        };
        load_all(client, &mut kept).await?;
        let mut events = EventCheck::begin(client, name).await?;
        let folded = fold(client, &kept, kept.head.last_sequence, Some(&mut events)).await?;
        let found = match folded {
            Err(error) => Err(Discrepancy::from(error)),
            Ok((fold, last_hash)) => {
                events.recount.finish(&fold, kept.head.recorded_at);
                events.end(client).await?;
                let EventCheck { recount, wrong, .. } = &events;
                verify(fold, recount, last_hash, &kept).and(wrong.clone().map_or(Ok(()), Err))
            }
        };
        let found = found.and(spending(client, &kept).await?);
        let found = found.and(verify_transfers(client, name).await?);
        snapshot.end().await?;
        Ok(Some(Verification {
            recorded_at: kept.head.recorded_at,
            entries: kept.head.last_sequence,
            grants: kept.head.last_grant_number,
            holds: kept.head.last_hold_number,
            discrepancy: found.err(),
        }))
    }
}

/// A wallet's events while its entries are read: those that are kept against those that the entries say.
pub(super) struct EventCheck {
    account: Uuid,
    wallet: Uuid,
    pub(super) recount: Recount,
    /// The first thing that was found.
    wrong: Option<Discrepancy>,
}

impl EventCheck {
    async fn begin(client: &Client, name: &WalletName) -> Result<Self, StorageError> {
        let (account, wallet) = (name.account_id.uuid(), name.wallet_id.uuid());
        let statement = client.prepare_cached(SETTINGS).await?;
        let rows = client.query(&statement, &[&account, &wallet]).await?;
        let mut changes = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut columns = Columns::of(row);
            let (after, at) = (Sequence(columns.take()?), columns.instant()?);
            let declines = row::transaction_kind(columns.take()?)? == TransactionKind::DeclineTopUp;
            let settings = SettingsSnapshot::parse(columns.take()?, name.clone())?;
            changes.push((settings.version, NoticesFrom::of(&settings, after, at, declines)));
        }
        changes.sort_by_key(|(version, from)| (*version, from.after, from.at));
        let notices = changes.into_iter().map(|(_, from)| from).collect();
        let statement = client.prepare_cached(EVENTS_SINCE).await?;
        let row = client.query_one(&statement, &[&account, &wallet]).await?;
        let since = Sequence(Columns::of(&row).take()?);
        Ok(Self { account, wallet, recount: Recount::new(since, notices), wrong: None })
    }

    /// Compares the events that the entries read since the last time say.
    pub(super) async fn compare(&mut self, client: &Client) -> Result<(), StorageError> {
        let said = self.recount.take();
        let (Some(first), Some(last), None) = (said.first(), said.last(), &self.wrong) else {
            return Ok(());
        };
        let statement = client.prepare_cached(EVENTS).await?;
        let rows = client
            .query(&statement, &[&self.account, &self.wallet, &first.sequence.0, &last.sequence.0])
            .await?;
        for (index, said) in said.iter().enumerate() {
            let kept = match rows.get(index) {
                None => Err(Discrepancy::Event(said.sequence)),
                Some(row) => verify_event(&event(&mut Columns::of(row))?, said),
            };
            if let Err(wrong) = kept {
                self.wrong = Some(wrong);
                return Ok(());
            }
        }
        Ok(())
    }

    /// Compares the last ones, and looks for any that the entries do not say.
    async fn end(&mut self, client: &Client) -> Result<(), StorageError> {
        self.compare(client).await?;
        let statement = client.prepare_cached(FIRST_EVENT_AFTER).await?;
        let last = self.recount.last().0;
        let beyond = client.query_opt(&statement, &[&self.account, &self.wallet, &last]).await?;
        if let (Some(row), None) = (&beyond, &self.wrong) {
            self.wrong = Some(Discrepancy::Event(EventSequence(Columns::of(row).take()?)));
        }
        Ok(())
    }
}

/// Loads everything that is kept about a wallet.
async fn load_all(client: &Client, kept: &mut WalletState) -> Result<(), StorageError> {
    let name = &kept.settings.name;
    let (account, wallet) = (name.account_id.uuid(), name.wallet_id.uuid());
    let of_wallet: [&(dyn ToSql + Sync); 2] = [&account, &wallet];
    let statement = client.prepare_cached(GRANTS).await?;
    for row in client.query(&statement, &of_wallet).await? {
        kept.hold_loaded(row::grant(&mut Columns::of(&row))?);
    }
    let statement = client.prepare_cached(HOLDS).await?;
    let mut holds = BTreeMap::new();
    for row in client.query(&statement, &of_wallet).await? {
        let hold = row::hold(&mut Columns::of(&row))?;
        holds.insert(hold.number, hold);
    }
    kept.holds = holds;
    load_missing(client, kept, &Missing::Debts).await?;
    kept.coverage = Coverage::Complete;
    Ok(())
}

/// What limits count by the entries against what is kept of it, from the first instant on that they may ask for.
async fn spending(
    client: &Client,
    kept: &WalletState,
) -> Result<Result<(), Discrepancy>, StorageError> {
    let limits = &kept.settings.spend_limits;
    let Some(since) = limits.counts_from(kept.head.recorded_at) else { return Ok(Ok(())) };
    let since = Width::Day.start_of(since);
    let mut said = Tally::default();
    let mut counting = Counting::since(client, kept, since).await?;
    while let Some(page) = counting.next(client).await? {
        for counted in page.iter().filter(|counted| counted.at >= since) {
            said.add(limits, counted);
        }
    }
    let kept = kept_tally(client, &kept.settings.name).await?;
    Ok(verify_spending(&said, &kept, since))
}
