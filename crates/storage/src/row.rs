//! How domain values and columns correspond.
//!
//! Codes of enums are for ever. A row that the domain cannot hold is [`StorageError::Corrupt`], never a
//! panic.

use std::{collections::BTreeMap, error::Error};

use bytes::{BufMut as _, BytesMut};
use purse_domain::{
    Amount, Balances, Category, CostBasis, DrawdownPolicy, EntryKind, Grant, GrantNumber,
    GrantParts, GrantTerms, Head, Metadata, OperationName, PositiveAmount, Priority, Scale,
    Sequence, Timestamp, TransactionKind, WalletName, WalletSettings, Window,
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tokio_postgres::{
    Row,
    types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked},
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

/// Reads a column and says which one if it does not fit.
pub(crate) fn column<'a, T: FromSql<'a>>(row: &'a Row, name: &str) -> Result<T, StorageError> {
    row.try_get(name).map_err(|error| {
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        StorageError::Corrupt(format!("column {name}: {error} {cause}"))
    })
}

pub(crate) fn instant(row: &Row, name: &str) -> Result<Timestamp, StorageError> {
    column::<Instant>(row, name).map(|Instant(at)| at)
}

pub(crate) fn instant_or_never(row: &Row, name: &str) -> Result<Option<Timestamp>, StorageError> {
    Ok(column::<Option<Instant>>(row, name)?.map(|Instant(at)| at))
}

pub(crate) fn amount(row: &Row, name: &str) -> Result<Amount, StorageError> {
    let stored: Decimal = column(row, name)?;
    Amount::from_stored(stored)
        .ok_or_else(|| StorageError::Corrupt(format!("column {name}: {stored} is no amount")))
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

/// Metadata as JSON text; nothing for none, which costs no byte.
pub(crate) fn metadata_json(metadata: &Metadata) -> Option<String> {
    let map = metadata.as_map();
    (!map.is_empty()).then(|| serde_json::json!(map).to_string())
}

/// Metadata that a statement selected as `::TEXT`.
pub(crate) fn metadata(row: &Row, name: &str) -> Result<Metadata, StorageError> {
    let Some(text) = column::<Option<String>>(row, name)? else {
        return Ok(Metadata::default());
    };
    let map: BTreeMap<String, String> =
        serde_json::from_str(&text).map_err(|_| corrupt("metadata is no map of strings"))?;
    Ok(Metadata::from_stored(map))
}

/// The columns of [`settings`], in any statement that reads a wallet `w`.
macro_rules! settings_columns {
    () => {
        "w.scale,
         w.drawdown_policy,
         w.metadata::TEXT AS metadata,
         w.created_at,
         w.updated_at,
         w.version"
    };
}
pub(crate) use settings_columns;

pub(crate) fn settings(row: &Row, name: WalletName) -> Result<WalletSettings, StorageError> {
    Ok(WalletSettings {
        name,
        scale: scale(column(row, "scale")?)?,
        drawdown_policy: policy(column(row, "drawdown_policy")?)?,
        metadata: metadata(row, "metadata")?,
        created_at: instant(row, "created_at")?,
        updated_at: instant(row, "updated_at")?,
        version: column(row, "version")?,
    })
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
         w.last_grant_number,
         w.next_due_at,
         w.recorded_at"
    };
}
pub(crate) use head_columns;

pub(crate) fn head(row: &Row) -> Result<Head, StorageError> {
    Ok(Head {
        balances: Balances {
            available: amount(row, "available")?,
            held: amount(row, "held")?,
            debt: amount(row, "debt")?,
            scheduled: amount(row, "scheduled")?,
        },
        last_sequence: Sequence(column(row, "last_sequence")?),
        last_grant_number: GrantNumber(column(row, "last_grant_number")?),
        next_due_at: instant_or_never(row, "next_due_at")?,
        recorded_at: instant(row, "recorded_at")?,
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
         g.priority,
         g.category,
         g.cost_basis,
         g.applies_to,
         g.activated,
         g.expired_at,
         g.available,
         g.held,
         g.consumed,
         g.expired,
         g.voided,
         g.revoked,
         g.transferred_out"
    };
}
pub(crate) use grant_columns;

pub(crate) fn grant(row: &Row) -> Result<Grant, StorageError> {
    let window = Window::new(instant(row, "effective_at")?, instant_or_never(row, "expires_at")?)
        .map_err(|_| corrupt("a grant's window is empty"))?;
    let applies_to: Vec<String> = column(row, "applies_to")?;
    Ok(Grant {
        number: GrantNumber(column(row, "grant_number")?),
        terms: GrantTerms {
            amount: PositiveAmount::from_stored(amount(row, "amount")?)
                .ok_or_else(|| corrupt("a grant of nothing"))?,
            window,
            priority: Priority::new(column(row, "priority")?)
                .ok_or_else(|| corrupt("a grant's priority"))?,
            category: Category::from_stored(column(row, "category")?),
            cost_basis: CostBasis::from_stored(column(row, "cost_basis")?),
            applies_to: applies_to.into_iter().map(OperationName::from_stored).collect(),
        },
        granted_at: instant(row, "granted_at")?,
        activated: column(row, "activated")?,
        expired_at: instant_or_never(row, "expired_at")?,
        parts: GrantParts {
            available: amount(row, "available")?,
            held: amount(row, "held")?,
            consumed: amount(row, "consumed")?,
            expired: amount(row, "expired")?,
            voided: amount(row, "voided")?,
            revoked: amount(row, "revoked")?,
            transferred_out: amount(row, "transferred_out")?,
        },
    })
}

/// A wallet's settings after a transaction, as kept with it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SettingsSnapshot {
    scale: u8,
    drawdown_policy: i16,
    metadata: BTreeMap<String, String>,
    created_at_micros: i64,
    updated_at_micros: i64,
    version: i64,
}

impl SettingsSnapshot {
    pub(crate) fn json(settings: &WalletSettings) -> String {
        let snapshot = Self {
            scale: settings.scale.places(),
            drawdown_policy: policy_code(settings.drawdown_policy),
            metadata: settings.metadata.as_map().clone(),
            created_at_micros: settings.created_at.micros(),
            updated_at_micros: settings.updated_at.micros(),
            version: settings.version,
        };
        serde_json::json!(snapshot).to_string()
    }

    pub(crate) fn parse(json: &str, name: WalletName) -> Result<WalletSettings, StorageError> {
        let Self {
            scale,
            drawdown_policy,
            metadata,
            created_at_micros,
            updated_at_micros,
            version,
        } = serde_json::from_str(json).map_err(|_| corrupt("a snapshot of settings"))?;
        Ok(WalletSettings {
            name,
            scale: self::scale(i16::from(scale))?,
            drawdown_policy: policy(drawdown_policy)?,
            metadata: Metadata::from_stored(metadata),
            created_at: Timestamp::from_micros(created_at_micros),
            updated_at: Timestamp::from_micros(updated_at_micros),
            version,
        })
    }
}
