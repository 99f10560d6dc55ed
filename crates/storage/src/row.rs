//! How domain values and columns correspond.
//!
//! Codes of enums are for ever. A row that the domain cannot hold is [`StorageError::Corrupt`], never a
//! panic.

mod limits;
mod pack;
mod price;

pub(crate) use limits::{LimitSnapshot, LimitsJson, limits_json, spender, spender_columns};
pub(crate) use pack::{PackSnapshot, PurchaseSnapshot};
pub(crate) use price::{PriceSnapshot, PricingSnapshot};

use std::{collections::BTreeMap, error::Error, sync::Arc};

use bytes::{BufMut as _, BytesMut};
use purse_domain::{
    Allocation, Amount, Balances, Category, CostBasis, Debt, DrawdownPolicy, EntryHash, EntryKind,
    EventSequence, Fingerprint, FundingRef, Grant, GrantNumber, GrantParts, GrantTerms, Head, Hold,
    HoldNumber, LeadTimes, Lows, Metadata, OperationName, Period, PositiveAmount, Priority, Scale,
    Sequence, Thresholds, Timestamp, TransactionKind, WalletName, WalletSettings, WalletStatus,
    Window,
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tokio_postgres::{
    Row,
    types::{FromSql, IsNull, Json, ToSql, Type, accepts, to_sql_checked},
};

use crate::StorageError;

/// 2000-01-01T00:00:00Z, where PostgreSQL counts from.
const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;

/// An instant as TIMESTAMPTZ, without a detour over a calendar.
#[derive(Debug, Clone, Copy)]
pub struct Instant(pub Timestamp);

impl<'a> FromSql<'a> for Instant {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let micros = i64::from_be_bytes(raw.try_into()?);
        Ok(Self(Timestamp::from_micros(micros.saturating_add(POSTGRES_EPOCH_MICROS))))
    }

    accepts!(TIMESTAMPTZ);
}

impl ToSql for Instant {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_i64(self.0.micros() - POSTGRES_EPOCH_MICROS);
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

/// The end of a window as TIMESTAMPTZ where NULL says something else: never is infinity.
#[derive(Debug, Clone, Copy)]
pub struct Expiry(pub Option<Timestamp>);

/// PostgreSQL's infinity.
const INFINITY: i64 = i64::MAX;

impl<'a> FromSql<'a> for Expiry {
    fn from_sql(column: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let is_never = i64::from_be_bytes(raw.try_into()?) == INFINITY;
        let Instant(at) = Instant::from_sql(column, raw)?;
        Ok(Self((!is_never).then_some(at)))
    }

    accepts!(TIMESTAMPTZ);
}

impl ToSql for Expiry {
    fn to_sql(
        &self,
        column: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self.0 {
            Some(at) => return Instant(at).to_sql(column, out),
            None => out.put_i64(INFINITY),
        }
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

/// Reads a row's columns one after another, in the order in which the statement selects them. By name would
/// compare names for each column of each row, which shows in a profile.
pub(crate) struct Columns<'a> {
    row: &'a Row,
    next: usize,
}

impl<'a> Columns<'a> {
    /// From the first column on.
    pub(crate) fn of(row: &'a Row) -> Self {
        Self { row, next: 0 }
    }

    /// From a later column on.
    pub(crate) fn starting_at(row: &'a Row, next: usize) -> Self {
        Self { row, next }
    }

    /// The next column.
    pub(crate) fn take<T: FromSql<'a>>(&mut self) -> Result<T, StorageError> {
        let index = self.next;
        self.next += 1;
        self.row.try_get(index).map_err(|error| {
            let name = self.row.columns().get(index).map_or("none", |column| column.name());
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            StorageError::Corrupt(format!("column {name}: {error} {cause}"))
        })
    }

    /// Whether the next column, which stays the next, is NULL: the row of an outer join that is not there.
    pub(crate) fn is_null<T: FromSql<'a>>(&self) -> Result<bool, StorageError> {
        Ok(Self::starting_at(self.row, self.next).take::<Option<T>>()?.is_none())
    }

    pub(crate) fn instant(&mut self) -> Result<Timestamp, StorageError> {
        self.take::<Instant>().map(|Instant(at)| at)
    }

    pub(crate) fn instant_or_never(&mut self) -> Result<Option<Timestamp>, StorageError> {
        Ok(self.take::<Option<Instant>>()?.map(|Instant(at)| at))
    }

    pub(crate) fn amount(&mut self) -> Result<Amount, StorageError> {
        amount(self.take()?)
    }

    /// Metadata that the statement selects as `::TEXT`.
    pub(crate) fn metadata(&mut self) -> Result<Metadata, StorageError> {
        let Some(text) = self.take::<Option<&str>>()? else { return Ok(Metadata::default()) };
        let map: BTreeMap<String, String> =
            serde_json::from_str(text).map_err(|_| corrupt("metadata is no map of strings"))?;
        Ok(Metadata::from_stored(map))
    }
}

pub(crate) fn amount(stored: Decimal) -> Result<Amount, StorageError> {
    Amount::from_stored(stored)
        .ok_or_else(|| StorageError::Corrupt(format!("{stored} is no amount")))
}

/// Allocations as they are kept: two arrays.
pub(crate) fn allocations(
    grants: Vec<i32>,
    amounts: Vec<Decimal>,
) -> Result<Vec<Allocation>, StorageError> {
    let parts = grants.into_iter().zip(amounts);
    parts
        .map(|(grant, part)| Ok(Allocation { grant: GrantNumber(grant), amount: amount(part)? }))
        .collect()
}

fn corrupt(what: &str) -> StorageError {
    StorageError::Corrupt(what.to_owned())
}

/// The code of an entry's kind.
pub(crate) fn entry_kind_code(kind: EntryKind) -> i16 {
    match kind {
        EntryKind::Granted => 1,
        EntryKind::Activated => 2,
        EntryKind::Expired => 3,
        EntryKind::Spent => 4,
        EntryKind::Voided => 5,
        EntryKind::ExpiryReversed => 6,
        EntryKind::Repaid => 7,
        EntryKind::Held => 11,
        EntryKind::Captured => 12,
        EntryKind::Released => 13,
        EntryKind::HoldExpired => 14,
        EntryKind::Reversed => 8,
        EntryKind::Revoked => 9,
        EntryKind::RevocationReversed => 10,
        EntryKind::TransferredOut => 15,
        EntryKind::TransferredIn => 16,
        EntryKind::ExpiryChanged => 17,
    }
}

pub(crate) fn entry_kind(code: i16) -> Result<EntryKind, StorageError> {
    match code {
        1 => Ok(EntryKind::Granted),
        2 => Ok(EntryKind::Activated),
        3 => Ok(EntryKind::Expired),
        4 => Ok(EntryKind::Spent),
        5 => Ok(EntryKind::Voided),
        6 => Ok(EntryKind::ExpiryReversed),
        7 => Ok(EntryKind::Repaid),
        11 => Ok(EntryKind::Held),
        12 => Ok(EntryKind::Captured),
        13 => Ok(EntryKind::Released),
        14 => Ok(EntryKind::HoldExpired),
        8 => Ok(EntryKind::Reversed),
        9 => Ok(EntryKind::Revoked),
        10 => Ok(EntryKind::RevocationReversed),
        15 => Ok(EntryKind::TransferredOut),
        16 => Ok(EntryKind::TransferredIn),
        17 => Ok(EntryKind::ExpiryChanged),
        other => Err(StorageError::Corrupt(format!("entry kind {other}"))),
    }
}

/// The code of a transaction's kind.
pub(crate) fn transaction_kind_code(kind: TransactionKind) -> i16 {
    match kind {
        TransactionKind::CreateWallet => 1,
        TransactionKind::UpdateWallet => 2,
        TransactionKind::Grant => 3,
        TransactionKind::Spend => 4,
        TransactionKind::VoidGrant => 5,
        TransactionKind::ExpireGrant => 6,
        TransactionKind::CreateHold => 9,
        TransactionKind::CaptureHold => 10,
        TransactionKind::ReleaseHold => 11,
        TransactionKind::ExtendHold => 12,
        TransactionKind::ReverseSpend => 7,
        TransactionKind::RevokeFunding => 8,
        TransactionKind::Transfer => 13,
        TransactionKind::FreezeWallet => 14,
        TransactionKind::UnfreezeWallet => 15,
        TransactionKind::PurchasePack => 18,
        TransactionKind::CloseWallet => 16,
        TransactionKind::ChangeGrantExpiry => 17,
    }
}

pub(crate) fn transaction_kind(code: i16) -> Result<TransactionKind, StorageError> {
    match code {
        1 => Ok(TransactionKind::CreateWallet),
        2 => Ok(TransactionKind::UpdateWallet),
        3 => Ok(TransactionKind::Grant),
        4 => Ok(TransactionKind::Spend),
        5 => Ok(TransactionKind::VoidGrant),
        6 => Ok(TransactionKind::ExpireGrant),
        9 => Ok(TransactionKind::CreateHold),
        10 => Ok(TransactionKind::CaptureHold),
        11 => Ok(TransactionKind::ReleaseHold),
        12 => Ok(TransactionKind::ExtendHold),
        7 => Ok(TransactionKind::ReverseSpend),
        8 => Ok(TransactionKind::RevokeFunding),
        13 => Ok(TransactionKind::Transfer),
        14 => Ok(TransactionKind::FreezeWallet),
        15 => Ok(TransactionKind::UnfreezeWallet),
        16 => Ok(TransactionKind::CloseWallet),
        18 => Ok(TransactionKind::PurchasePack),
        17 => Ok(TransactionKind::ChangeGrantExpiry),
        other => Err(StorageError::Corrupt(format!("transaction kind {other}"))),
    }
}

/// The code of a drawdown policy.
pub(crate) fn policy_code(policy: DrawdownPolicy) -> i16 {
    match policy {
        DrawdownPolicy::ExpiryFirst => 1,
        DrawdownPolicy::OldestFirst => 2,
    }
}

pub(crate) fn policy(code: i16) -> Result<DrawdownPolicy, StorageError> {
    match code {
        1 => Ok(DrawdownPolicy::ExpiryFirst),
        2 => Ok(DrawdownPolicy::OldestFirst),
        other => Err(StorageError::Corrupt(format!("drawdown policy {other}"))),
    }
}

/// Metadata as JSON.
pub(crate) type MetadataJson = Json<BTreeMap<String, String>>;

/// The number of a database transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Xid(pub u64);

impl<'a> FromSql<'a> for Xid {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(u64::from_be_bytes(raw.try_into()?)))
    }

    accepts!(XID8);
}

impl ToSql for Xid {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_u64(self.0);
        Ok(IsNull::No)
    }

    accepts!(XID8);
    to_sql_checked!();
}

/// Nothing for none, which costs no byte.
pub(crate) fn fingerprint(stored: &[u8]) -> Result<Fingerprint, StorageError> {
    Fingerprint::from_stored(stored).ok_or_else(|| corrupt("a fingerprint"))
}

pub(crate) fn metadata_json(metadata: &Metadata) -> Option<MetadataJson> {
    let map = metadata.as_map();
    (!map.is_empty()).then(|| Json(map.clone()))
}

/// The columns of [`settings`], in any statement that reads a wallet `w`.
macro_rules! settings_columns {
    () => {
        "w.scale,
         w.drawdown_policy,
         w.overdraft_limit,
         w.low_balance_thresholds,
         w.expiring_soon_leads,
         w.spend_limits::TEXT AS spend_limits,
         w.metadata::TEXT AS metadata,
         w.created_at,
         w.updated_at,
         w.version,
         w.status"
    };
}
pub(crate) use settings_columns;

pub(crate) fn settings(
    columns: &mut Columns<'_>,
    name: WalletName,
) -> Result<WalletSettings, StorageError> {
    Ok(WalletSettings {
        name,
        scale: scale(columns.take()?)?,
        drawdown_policy: policy(columns.take()?)?,
        overdraft_limit: columns.amount()?,
        low_balance_thresholds: thresholds(columns.take::<Option<_>>()?.unwrap_or_default())?,
        expiring_soon_leads: leads(columns.take::<Option<_>>()?.unwrap_or_default())?,
        spend_limits: limits::parse(columns.take()?)?,
        metadata: columns.metadata()?,
        created_at: columns.instant()?,
        updated_at: columns.instant()?,
        version: columns.take()?,
        status: wallet_status(columns.take()?)?,
    })
}

fn thresholds(amounts: Vec<Decimal>) -> Result<Thresholds, StorageError> {
    let amounts = amounts.into_iter().map(|stored| {
        PositiveAmount::from_stored(amount(stored)?)
            .ok_or_else(|| corrupt("a threshold of nothing"))
    });
    Thresholds::new(amounts.collect::<Result<_, _>>()?).map_err(|_| corrupt("thresholds"))
}

fn leads(micros: Vec<i64>) -> Result<LeadTimes, StorageError> {
    let periods = micros.into_iter().map(Period::from_micros).collect::<Result<_, _>>();
    let leads = periods.map(LeadTimes::new).map_err(|_| corrupt("a lead"))?;
    leads.map_err(|_| corrupt("leads"))
}

/// Nothing for none, which is what most wallets have.
pub(crate) fn thresholds_array(thresholds: &Thresholds) -> Option<Vec<Decimal>> {
    let amounts = thresholds.as_slice();
    (!amounts.is_empty()).then(|| amounts.iter().map(|amount| amount.get().decimal()).collect())
}

/// Microseconds; nothing for none.
pub(crate) fn leads_array(leads: &LeadTimes) -> Option<Vec<i64>> {
    let periods = leads.as_slice();
    (!periods.is_empty()).then(|| periods.iter().map(|period| period.micros()).collect())
}

pub(crate) fn wallet_status_code(status: WalletStatus) -> i16 {
    match status {
        WalletStatus::Active => 1,
        WalletStatus::Frozen => 2,
        WalletStatus::Closed => 3,
    }
}

pub(crate) fn wallet_status(code: i16) -> Result<WalletStatus, StorageError> {
    match code {
        1 => Ok(WalletStatus::Active),
        2 => Ok(WalletStatus::Frozen),
        3 => Ok(WalletStatus::Closed),
        _ => Err(corrupt("a wallet's status")),
    }
}

pub(crate) fn scale(places: i16) -> Result<Scale, StorageError> {
    Scale::new(i32::from(places)).ok_or_else(|| corrupt("scale"))
}

/// The columns of [`head`], in any statement that reads a wallet `w`.
macro_rules! head_columns {
    () => {
        "w.available,
         w.held,
         w.debt,
         w.scheduled,
         w.last_sequence,
         w.last_hash,
         w.last_grant_number,
         w.last_hold_number,
         w.last_event,
         w.lows,
         w.next_due_at,
         w.recorded_at,
         w.revision"
    };
}
pub(crate) use head_columns;

pub(crate) fn head(columns: &mut Columns<'_>) -> Result<Head, StorageError> {
    Ok(Head {
        balances: balances(columns)?,
        last_sequence: Sequence(columns.take()?),
        last_hash: EntryHash::from_stored(columns.take()?).ok_or_else(|| corrupt("a hash"))?,
        last_grant_number: GrantNumber(columns.take()?),
        last_hold_number: HoldNumber(columns.take()?),
        last_event: EventSequence(columns.take()?),
        lows: Lows::from_stored(columns.take()?).ok_or_else(|| corrupt("lows"))?,
        next_due_at: columns.instant_or_never()?,
        recorded_at: columns.instant()?,
        revision: columns.take()?,
    })
}

/// Available, held, debt and scheduled.
pub(crate) fn balances(columns: &mut Columns<'_>) -> Result<Balances, StorageError> {
    Ok(Balances {
        available: columns.amount()?,
        held: columns.amount()?,
        debt: columns.amount()?,
        scheduled: columns.amount()?,
    })
}

/// The columns of [`grant`], in any statement that reads a grant `g`.
macro_rules! grant_columns {
    () => {
        "g.grant_number,
         g.granted_at,
         g.amount,
         g.effective_at,
         g.expires_at,
         g.granted_expires_at,
         g.priority,
         g.category,
         g.cost_basis,
         g.applies_to,
         g.funding_ref,
         g.activated,
         g.expired_at,
         g.available,
         g.held,
         g.consumed,
         g.expired,
         g.voided,
         g.revoked,
         g.transferred_out,
         g.transferred_in,
         g.lost"
    };
}
pub(crate) use grant_columns;

pub(crate) fn grant(columns: &mut Columns<'_>) -> Result<Grant, StorageError> {
    let number = GrantNumber(columns.take()?);
    let granted_at = columns.instant()?;
    let amount = PositiveAmount::from_stored(columns.amount()?)
        .ok_or_else(|| corrupt("a grant of nothing"))?;
    let is_empty = |_| corrupt("a grant's window is empty");
    let window = Window::new(columns.instant()?, columns.instant_or_never()?).map_err(is_empty)?;
    let granted_window = match columns.take::<Option<Expiry>>()? {
        None => window,
        Some(Expiry(expires_at)) => window.ending(expires_at).map_err(is_empty)?,
    };
    let priority = Priority::new(columns.take()?).ok_or_else(|| corrupt("a grant's priority"))?;
    let category = Category::from_stored(columns.take()?);
    let cost_basis = CostBasis::from_stored(columns.take()?);
    let applies_to: Vec<String> = columns.take()?;
    let applies_to = applies_to.into_iter().map(OperationName::from_stored).collect();
    let funding_ref = columns.take::<Option<String>>()?.map(FundingRef::from_stored);
    let terms = GrantTerms {
        amount,
        granted_window,
        priority,
        category,
        cost_basis,
        applies_to,
        funding_ref,
    };
    Ok(Grant {
        number,
        terms: Arc::new(terms),
        window,
        granted_at,
        activated: columns.take()?,
        expired_at: columns.instant_or_never()?,
        parts: GrantParts {
            available: columns.amount()?,
            held: columns.amount()?,
            consumed: columns.amount()?,
            expired: columns.amount()?,
            voided: columns.amount()?,
            revoked: columns.amount()?,
            transferred_out: columns.amount()?,
        },
        transferred_in: columns.take()?,
        lost: columns.amount()?,
    })
}

/// The columns of [`hold`], in any statement that reads a hold `h`.
macro_rules! hold_columns {
    () => {
        "h.hold_number,
         h.operation,
         h.amount,
         h.captured,
         h.released,
         h.lapsed,
         h.slice_grants,
         h.slice_amounts,
         h.created_at,
         h.expires_at"
    };
}
pub(crate) use hold_columns;

pub(crate) fn hold(columns: &mut Columns<'_>) -> Result<Hold, StorageError> {
    Ok(Hold {
        number: HoldNumber(columns.take()?),
        operation: columns.take::<Option<String>>()?.map(OperationName::from_stored),
        amount: columns.amount()?,
        captured: columns.amount()?,
        released: columns.amount()?,
        lapsed: columns.amount()?,
        slices: allocations(columns.take()?, columns.take()?)?,
        created_at: columns.instant()?,
        expires_at: columns.instant()?,
    })
}

/// The columns of [`debt`], in any statement that reads a debt `d`.
macro_rules! debt_columns {
    () => {
        "d.entry,
         d.operation,
         d.owed,
         d.repaid_grants,
         d.repaid_amounts"
    };
}
pub(crate) use debt_columns;

pub(crate) fn debt(columns: &mut Columns<'_>) -> Result<Debt, StorageError> {
    Ok(Debt {
        entry: Sequence(columns.take()?),
        operation: columns.take::<Option<String>>()?.map(OperationName::from_stored),
        left: columns.amount()?,
        repaid: allocations(columns.take()?, columns.take()?)?,
    })
}

/// A wallet's settings after a transaction, as kept with it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SettingsSnapshot {
    scale: u8,
    drawdown_policy: i16,
    /// Absent before there were overdrafts.
    #[serde(default)]
    overdraft_limit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    low_balance_thresholds: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expiring_soon_lead_micros: Option<Vec<i64>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    spend_limits: Vec<LimitSnapshot>,
    metadata: BTreeMap<String, String>,
    created_at_micros: i64,
    updated_at_micros: i64,
    version: i64,
    /// Absent before wallets could be frozen.
    #[serde(default)]
    status: Option<i16>,
}

impl SettingsSnapshot {
    pub(crate) fn of(settings: &WalletSettings) -> Self {
        Self {
            scale: settings.scale.places(),
            drawdown_policy: policy_code(settings.drawdown_policy),
            overdraft_limit: Some(settings.overdraft_limit.to_string()),
            low_balance_thresholds: thresholds_array(&settings.low_balance_thresholds)
                .map(|amounts| amounts.iter().map(ToString::to_string).collect()),
            expiring_soon_lead_micros: leads_array(&settings.expiring_soon_leads),
            spend_limits: limits::snapshots(&settings.spend_limits),
            metadata: settings.metadata.as_map().clone(),
            created_at_micros: settings.created_at.micros(),
            updated_at_micros: settings.updated_at.micros(),
            version: settings.version,
            status: Some(wallet_status_code(settings.status)),
        }
    }

    pub(crate) fn parse(json: &str, name: WalletName) -> Result<WalletSettings, StorageError> {
        let Self {
            scale,
            drawdown_policy,
            overdraft_limit,
            low_balance_thresholds,
            expiring_soon_lead_micros,
            spend_limits,
            metadata,
            created_at_micros,
            updated_at_micros,
            version,
            status,
        } = serde_json::from_str(json).map_err(|_| corrupt("a snapshot of settings"))?;
        let overdraft_limit = overdraft_limit.map_or(Ok(Decimal::ZERO), |limit| limit.parse());
        let amounts = low_balance_thresholds.unwrap_or_default();
        let amounts = amounts.iter().map(|amount| amount.parse()).collect::<Result<_, _>>();
        let amounts = amounts.map_err(|_| corrupt("a snapshot of settings"))?;
        Ok(WalletSettings {
            name,
            scale: self::scale(i16::from(scale))?,
            drawdown_policy: policy(drawdown_policy)?,
            overdraft_limit: amount(
                overdraft_limit.map_err(|_| corrupt("a snapshot of settings"))?,
            )?,
            low_balance_thresholds: thresholds(amounts)?,
            expiring_soon_leads: leads(expiring_soon_lead_micros.unwrap_or_default())?,
            spend_limits: limits::of_snapshots(spend_limits)?,
            metadata: Metadata::from_stored(metadata),
            created_at: Timestamp::from_micros(created_at_micros),
            updated_at: Timestamp::from_micros(updated_at_micros),
            version,
            status: status.map_or(Ok(WalletStatus::Active), wallet_status)?,
        })
    }
}
