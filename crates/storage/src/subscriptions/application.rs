//! Rows of `applications`.

use purse_domain::{
    Amount, ApplicationId, ApplicationState, Applied, AssetCode, CyclePeriod, Failed, GrantNumber,
    KeptApplication, RuleId, SubscriptionName, TakenBack, TransactionId, Window,
};
use rust_decimal::Decimal;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::{
    StorageError,
    row::{Columns, Instant},
};

const APPLIED: i16 = 1;
const FAILED: i16 = 2;
const CANCELLED: i16 = 3;

/// The columns of an application `a` that [`kept`] reads.
macro_rules! application_columns {
    () => {
        "a.rule_id,
         a.period_start,
         a.period_end,
         a.asset,
         a.state,
         a.amount,
         a.grant_number,
         a.transaction_id,
         a.recorded_at,
         a.closed,
         a.attempts,
         a.next_attempt_at,
         a.failure,
         a.granted_from,
         a.granted_until,
         a.times_taken_back,
         a.used"
    };
}
pub(super) use application_columns;

/// Those that matter from an instant on, as [`KeptApplication::matters_from`] says.
pub(super) const KEPT: &str = concat!(
    "SELECT a.account_id,
         a.subscription_id,
         ",
    application_columns!(),
    " FROM unnest($1::UUID[], $2::TEXT[], $3::TIMESTAMPTZ[])
         AS k (account_id, subscription_id, since)
      JOIN applications AS a
      ON a.account_id = k.account_id AND a.subscription_id = k.subscription_id
          AND (k.since <= a.period_end OR NOT a.closed AND k.since <= a.granted_until)"
);

pub(super) const WRITE: &str = "
    INSERT INTO applications AS a
    SELECT r.* FROM unnest($1::application_row[]) AS r
    ON CONFLICT (account_id, subscription_id, rule_id, period_start) DO UPDATE
    SET state = EXCLUDED.state,
        amount = EXCLUDED.amount,
        grant_number = EXCLUDED.grant_number,
        transaction_id = EXCLUDED.transaction_id,
        recorded_at = EXCLUDED.recorded_at,
        closed = EXCLUDED.closed,
        attempts = EXCLUDED.attempts,
        next_attempt_at = EXCLUDED.next_attempt_at,
        failure = EXCLUDED.failure,
        granted_from = EXCLUDED.granted_from,
        granted_until = EXCLUDED.granted_until,
        times_taken_back = EXCLUDED.times_taken_back,
        used = EXCLUDED.used
    WHERE a.times_taken_back <= EXCLUDED.times_taken_back
        AND (a.state <> 1 OR EXCLUDED.state <> 2)";

/// A row to write.
#[derive(Debug, ToSql)]
#[postgres(name = "application_row")]
pub(super) struct ApplicationRow {
    account_id: Uuid,
    subscription_id: String,
    rule_id: Uuid,
    period_start: Instant,
    period_end: Instant,
    namespace_id: Uuid,
    asset: String,
    state: i16,
    amount: Decimal,
    grant_number: Option<i32>,
    transaction_id: Option<Uuid>,
    recorded_at: Instant,
    closed: bool,
    attempts: i32,
    next_attempt_at: Option<Instant>,
    failure: Option<String>,
    granted_from: Option<Instant>,
    granted_until: Option<Instant>,
    times_taken_back: i32,
    used: Decimal,
}

impl ApplicationRow {
    pub(super) fn of(
        name: &SubscriptionName,
        kept: &KeptApplication,
    ) -> Result<Self, StorageError> {
        let KeptApplication { id, period, asset, recorded_at, taken_back, state } = kept;
        let row = Self {
            account_id: name.account_id.uuid(),
            subscription_id: name.id.as_str().to_owned(),
            rule_id: id.rule.uuid(),
            period_start: Instant(id.period_start),
            period_end: Instant(period.end),
            namespace_id: name.namespace_id.uuid(),
            asset: asset.as_str().to_owned(),
            state: FAILED,
            amount: Decimal::ZERO,
            grant_number: None,
            transaction_id: None,
            recorded_at: Instant(*recorded_at),
            closed: false,
            attempts: 0,
            next_attempt_at: None,
            failure: None,
            granted_from: None,
            granted_until: None,
            times_taken_back: i32::try_from(taken_back.times).unwrap_or(i32::MAX),
            used: taken_back.used.decimal(),
        };
        match state {
            ApplicationState::Applied(Applied {
                amount,
                grant,
                transaction,
                window,
                is_closed,
            }) => Ok(Self {
                state: APPLIED,
                amount: amount.decimal(),
                grant_number: Some(grant.0),
                transaction_id: Some(transaction.uuid()),
                granted_from: Some(Instant(window.effective_at())),
                granted_until: window.expires_at().map(Instant),
                closed: *is_closed,
                ..row
            }),
            ApplicationState::Cancelled => Ok(Self { state: CANCELLED, ..row }),
            ApplicationState::Failed(Failed { attempts, next_attempt_at, reason }) => Ok(Self {
                attempts: i32::try_from(*attempts).unwrap_or(i32::MAX),
                next_attempt_at: next_attempt_at.map(Instant),
                failure: Some(reason.clone()),
                ..row
            }),
            ApplicationState::Pending
            | ApplicationState::Waiting { .. }
            | ApplicationState::Due
            | ApplicationState::Skipped(_) => {
                Err(StorageError::Corrupt("an application that was not tried".to_owned()))
            }
        }
    }
}

/// Reads an application.
pub(super) fn kept(columns: &mut Columns<'_>) -> Result<KeptApplication, StorageError> {
    let rule = RuleId::from_uuid(columns.take()?);
    let (start, end) = (columns.instant()?, columns.instant()?);
    let asset = AssetCode::from_stored(columns.take()?);
    let state: i16 = columns.take()?;
    let amount: Amount = columns.amount()?;
    let grant = columns.take::<Option<i32>>()?.map(GrantNumber);
    let transaction = columns.take::<Option<Uuid>>()?.map(TransactionId::from_uuid);
    let recorded_at = columns.instant()?;
    let is_closed = columns.take()?;
    let attempts: i32 = columns.take()?;
    let next_attempt_at = columns.instant_or_never()?;
    let failure: Option<String> = columns.take()?;
    let from = columns.instant_or_never()?;
    let until = columns.instant_or_never()?;
    let window = from.and_then(|from| Window::new(from, until).ok());
    let times: i32 = columns.take()?;
    let used: Amount = columns.amount()?;
    let taken_back = TakenBack { times: u32::try_from(times).unwrap_or(0), used };
    let state = match (state, grant, transaction, window) {
        (APPLIED, Some(grant), Some(transaction), Some(window)) => {
            ApplicationState::Applied(Applied { amount, grant, transaction, window, is_closed })
        }
        (CANCELLED, ..) => ApplicationState::Cancelled,
        (FAILED, ..) => ApplicationState::Failed(Failed {
            attempts: u32::try_from(attempts).unwrap_or(0),
            next_attempt_at,
            reason: failure.unwrap_or_default(),
        }),
        _ => return Err(StorageError::Corrupt("an application's state".to_owned())),
    };
    let id = ApplicationId { rule, period_start: start };
    let period = CyclePeriod { start, end };
    Ok(KeptApplication { id, period, asset, recorded_at, taken_back, state })
}
