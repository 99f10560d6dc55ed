//! Wallets: new ones, the heads of those that moved, and changed settings.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use postgres_types::ToSql;
use purse_domain::{
    AccountId, Balances, Decision, Head, TransactionId, WalletId, WalletName, WalletSettings,
    WalletState,
};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::together::Row;
use crate::row::{self, Instant, LimitsJson, MetadataJson, TopUpJson};

/// The wallets of a batch as they are at its end.
#[derive(Debug, Default)]
pub(super) struct Wallets {
    touched: BTreeMap<(AccountId, WalletId), Touched>,
    /// The last transactions on some of them, which another batch is still writing.
    unwritten: HashMap<WalletId, TransactionId>,
}

#[derive(Debug)]
struct Touched {
    is_new: bool,
    has_new_settings: bool,
    /// The revision that its row has, unless another server has written to it meanwhile.
    found: i64,
    /// The last transaction on it; `None`: time alone did it all.
    transaction: Option<TransactionId>,
    after: (Arc<WalletSettings>, Head),
}

impl Wallets {
    /// The revision that a wallet's row has, unless another server has written to it meanwhile; `None`: nothing touches it.
    pub(super) fn found(&self, name: &WalletName) -> Option<i64> {
        self.touched.get(&(name.account_id, name.wallet_id)).map(|touched| touched.found)
    }

    /// The last transaction on a wallet, if another batch is still writing it.
    pub(super) fn builds_on(&self, wallet: WalletId) -> Option<TransactionId> {
        self.unwritten.get(&wallet).copied()
    }

    /// What was decided builds on transactions that another batch is still writing.
    pub(super) fn build_on(&mut self, unwritten: HashMap<WalletId, TransactionId>) {
        self.unwritten = unwritten;
    }

    /// The last transaction on each.
    pub(super) fn transactions(&self) -> HashMap<WalletId, TransactionId> {
        let touched = self.touched.iter();
        touched.filter_map(|((_, id), touched)| Some((*id, touched.transaction?))).collect()
    }

    pub(super) fn add(
        &mut self,
        existed: bool,
        decision: &Decision,
        transaction: Option<TransactionId>,
        after: &WalletState,
    ) {
        let name = &after.settings.name;
        let after = (Arc::clone(&after.settings), after.head);
        let has_new_settings = existed && decision.settings.is_some();
        self.touched
            .entry((name.account_id, name.wallet_id))
            .and_modify(|touched| {
                touched.after = after.clone();
                touched.transaction = transaction.or(touched.transaction);
                touched.has_new_settings |= has_new_settings;
            })
            .or_insert_with(|| Touched {
                is_new: !existed,
                has_new_settings,
                found: decision.head.revision - 1,
                transaction,
                after: after.clone(),
            });
    }

    /// As rows: the heads of those that were there before, new ones, and changed settings.
    pub(super) fn rows(&self) -> (Vec<WalletHead>, Vec<WalletRow>, Vec<SettingsChange>) {
        let (mut heads, mut new, mut changed) = (Vec::new(), Vec::new(), Vec::new());
        for ((_, id), touched) in &self.touched {
            let Touched { is_new, has_new_settings, found, transaction: _, after } = touched;
            let (settings, head) = after;
            if *is_new {
                new.push(WalletRow::new(settings, head));
            } else {
                heads.push(WalletHead::new(settings, *found, self.builds_on(*id), head));
                if *has_new_settings {
                    changed.push(SettingsChange::new(settings));
                }
            }
        }
        (heads, new, changed)
    }
}

/// The head of a wallet that was there before. A wallet whose revision is not the one that it was decided on
/// gets none, which the column refuses: the statement fails, and with it the batch.
///
/// It may have been decided on what another batch was to leave that was still being written. If that has failed, somebody
/// else may have given the wallet the same revision; so the last transaction of that batch on it must be there too.
#[derive(Debug, ToSql)]
#[postgres(name = "wallet_head")]
pub(super) struct WalletHead {
    account_id: Uuid,
    wallet_id: Uuid,
    available: Decimal,
    held: Decimal,
    debt: Decimal,
    scheduled: Decimal,
    last_sequence: i64,
    last_grant_number: i32,
    next_due_at: Option<Instant>,
    recorded_at: Instant,
    found: i64,
    revision: i64,
    last_hold_number: i32,
    last_hash: Vec<u8>,
    last_event: i64,
    lows: i32,
    top_up_outstanding: Option<i64>,
    top_ups_asked_at: Option<Vec<Instant>>,
    builds_on: Option<Uuid>,
}

impl Row for WalletHead {
    const STATEMENT: &'static str = concat!(
        "UPDATE wallets AS w
        SET available = r.available,
            held = r.held,
            debt = r.debt,
            scheduled = r.scheduled,
            last_sequence = r.last_sequence,
            last_grant_number = r.last_grant_number,
            last_hold_number = r.last_hold_number,
            last_hash = r.last_hash,
            last_event = r.last_event,
            lows = r.lows,
            top_up_outstanding = r.top_up_outstanding,
            top_ups_asked_at = r.top_ups_asked_at,
            next_due_at = r.next_due_at,
            recorded_at = r.recorded_at,
            revision = CASE WHEN w.revision = r.found AND ",
        what_it_builds_on_is_there!(),
        " THEN r.revision END
        FROM unnest($1::wallet_head[]) AS r
        WHERE w.account_id = r.account_id AND w.wallet_id = r.wallet_id"
    );
}

impl WalletHead {
    fn new(
        settings: &WalletSettings,
        found: i64,
        builds_on: Option<TransactionId>,
        head: &Head,
    ) -> Self {
        let Head {
            balances: Balances { available, held, debt, scheduled },
            last_sequence,
            last_hash,
            last_grant_number,
            last_hold_number,
            last_event,
            lows,
            top_ups,
            next_due_at,
            recorded_at,
            revision,
        } = head;
        Self {
            account_id: settings.name.account_id.uuid(),
            wallet_id: settings.name.wallet_id.uuid(),
            available: available.decimal(),
            held: held.decimal(),
            debt: debt.decimal(),
            scheduled: scheduled.decimal(),
            last_sequence: last_sequence.0,
            last_grant_number: last_grant_number.0,
            next_due_at: next_due_at.map(Instant),
            recorded_at: Instant(*recorded_at),
            found,
            revision: *revision,
            last_hold_number: last_hold_number.0,
            last_hash: last_hash.as_bytes().to_vec(),
            last_event: last_event.0,
            lows: lows.bits(),
            top_up_outstanding: top_ups.outstanding().map(|request| request.0),
            top_ups_asked_at: row::asked_at_array(top_ups),
            builds_on: builds_on.map(TransactionId::uuid),
        }
    }
}

/// A row of `wallets`.
#[derive(Debug, ToSql)]
#[postgres(name = "wallet_row")]
pub(super) struct WalletRow {
    account_id: Uuid,
    wallet_id: Uuid,
    namespace_id: Uuid,
    account: String,
    asset: String,
    scale: i16,
    drawdown_policy: i16,
    metadata: Option<MetadataJson>,
    created_at: Instant,
    updated_at: Instant,
    version: i64,
    available: Decimal,
    held: Decimal,
    debt: Decimal,
    scheduled: Decimal,
    last_sequence: i64,
    last_grant_number: i32,
    next_due_at: Option<Instant>,
    recorded_at: Instant,
    revision: i64,
    overdraft_limit: Decimal,
    last_hold_number: i32,
    last_hash: Vec<u8>,
    low_balance_thresholds: Option<Vec<Decimal>>,
    expiring_soon_leads: Option<Vec<i64>>,
    last_event: i64,
    lows: i32,
    status: i16,
    spend_limits: Option<LimitsJson>,
    top_up: Option<TopUpJson>,
    top_up_outstanding: Option<i64>,
    top_ups_asked_at: Option<Vec<Instant>>,
}

impl Row for WalletRow {
    const STATEMENT: &'static str = "
        INSERT INTO wallets (account_id, wallet_id, namespace_id, account, asset, scale,
            drawdown_policy, metadata, created_at, updated_at, version, available, held, debt,
            scheduled, last_sequence, last_grant_number, next_due_at, recorded_at, revision,
            overdraft_limit, last_hold_number, last_hash, low_balance_thresholds,
            expiring_soon_leads, last_event, lows, status, spend_limits, top_up,
            top_up_outstanding, top_ups_asked_at)
        SELECT r.* FROM unnest($1::wallet_row[]) AS r";
}

impl WalletRow {
    fn new(settings: &WalletSettings, head: &Head) -> Self {
        let WalletSettings {
            name,
            scale,
            drawdown_policy,
            overdraft_limit,
            low_balance_thresholds,
            expiring_soon_leads,
            spend_limits,
            top_up,
            metadata,
            status,
            created_at,
            updated_at,
            version,
        } = settings;
        let Head {
            balances: Balances { available, held, debt, scheduled },
            last_sequence,
            last_hash,
            last_grant_number,
            last_hold_number,
            last_event,
            lows,
            top_ups,
            next_due_at,
            recorded_at,
            revision,
        } = head;
        Self {
            account_id: name.account_id.uuid(),
            wallet_id: name.wallet_id.uuid(),
            namespace_id: name.namespace_id.uuid(),
            account: name.account.as_str().to_owned(),
            asset: name.asset.as_str().to_owned(),
            scale: i16::from(scale.places()),
            drawdown_policy: row::policy_code(*drawdown_policy),
            metadata: row::metadata_json(metadata),
            created_at: Instant(*created_at),
            updated_at: Instant(*updated_at),
            version: *version,
            available: available.decimal(),
            held: held.decimal(),
            debt: debt.decimal(),
            scheduled: scheduled.decimal(),
            last_sequence: last_sequence.0,
            last_grant_number: last_grant_number.0,
            next_due_at: next_due_at.map(Instant),
            recorded_at: Instant(*recorded_at),
            revision: *revision,
            overdraft_limit: overdraft_limit.decimal(),
            last_hold_number: last_hold_number.0,
            last_hash: last_hash.as_bytes().to_vec(),
            low_balance_thresholds: row::thresholds_array(low_balance_thresholds),
            expiring_soon_leads: row::leads_array(expiring_soon_leads),
            last_event: last_event.0,
            lows: lows.bits(),
            status: row::wallet_status_code(*status),
            spend_limits: row::limits_json(spend_limits),
            top_up: row::top_up_json(top_up.as_ref()),
            top_up_outstanding: top_ups.outstanding().map(|request| request.0),
            top_ups_asked_at: row::asked_at_array(top_ups),
        }
    }
}

/// Settings of a wallet that was there before.
#[derive(Debug, ToSql)]
#[postgres(name = "wallet_settings")]
pub(super) struct SettingsChange {
    account_id: Uuid,
    wallet_id: Uuid,
    drawdown_policy: i16,
    metadata: Option<MetadataJson>,
    updated_at: Instant,
    version: i64,
    overdraft_limit: Decimal,
    low_balance_thresholds: Option<Vec<Decimal>>,
    expiring_soon_leads: Option<Vec<i64>>,
    status: i16,
    spend_limits: Option<LimitsJson>,
    top_up: Option<TopUpJson>,
}

impl Row for SettingsChange {
    const STATEMENT: &'static str = "
        UPDATE wallets AS w
        SET drawdown_policy = r.drawdown_policy,
            overdraft_limit = r.overdraft_limit,
            low_balance_thresholds = r.low_balance_thresholds,
            expiring_soon_leads = r.expiring_soon_leads,
            spend_limits = r.spend_limits,
            top_up = r.top_up,
            metadata = r.metadata,
            updated_at = r.updated_at,
            version = r.version,
            status = r.status
        FROM unnest($1::wallet_settings[]) AS r
        WHERE w.account_id = r.account_id AND w.wallet_id = r.wallet_id";
}

impl SettingsChange {
    fn new(settings: &WalletSettings) -> Self {
        Self {
            account_id: settings.name.account_id.uuid(),
            wallet_id: settings.name.wallet_id.uuid(),
            drawdown_policy: row::policy_code(settings.drawdown_policy),
            metadata: row::metadata_json(&settings.metadata),
            updated_at: Instant(settings.updated_at),
            version: settings.version,
            overdraft_limit: settings.overdraft_limit.decimal(),
            low_balance_thresholds: row::thresholds_array(&settings.low_balance_thresholds),
            expiring_soon_leads: row::leads_array(&settings.expiring_soon_leads),
            status: row::wallet_status_code(settings.status),
            spend_limits: row::limits_json(&settings.spend_limits),
            top_up: row::top_up_json(settings.top_up.as_ref()),
        }
    }
}
