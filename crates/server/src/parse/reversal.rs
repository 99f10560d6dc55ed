//! Requests to reverse.

use purse_domain::{
    Command, ExpiredPolicy, GracePeriod, Request, ReverseSpend, Scale, TransactionId,
};
use purse_proto::v1;
use tonic::Status;
use uuid::Uuid;

use super::{Fields, Write, micros};
use crate::auth::Caller;

/// A request to reverse a spend, and what it says of grants that have ended. `scale` is the asset's; `None`:
/// there is no such asset.
pub fn reverse_spend(
    caller: &Caller,
    message: v1::ReverseSpendRequest,
    scale: Option<Scale>,
) -> Result<(Request, ExpiredPolicy), Status> {
    let v1::ReverseSpendRequest {
        account,
        asset,
        transaction_id,
        amount,
        expired_policy,
        grace_period,
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
    } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let transaction = transaction(&mut fields, &transaction_id);
    let amount = fields.optional_amount(&amount, scale);
    let expired_policy = self::expired_policy(&mut fields, expired_policy, grace_period);
    let command = (|| {
        Some(Command::ReverseSpend(ReverseSpend {
            transaction: transaction?,
            amount: amount?,
            expired_policy: expired_policy?,
        }))
    })();
    let request = Write { idempotency_key, actor, reason, metadata, validate_only }.request_in(
        (&asset, scale),
        fields,
        caller,
        wallet,
        command,
    )?;
    // Without a policy there was no command.
    Ok((request, expired_policy.unwrap_or_default()))
}

fn transaction(fields: &mut Fields, id: &str) -> Option<TransactionId> {
    if id.is_empty() {
        fields.note("transaction_id", "is missing");
        return None;
    }
    let parsed = Uuid::parse_str(id).map_err(|_| "is no UUID");
    fields.check("transaction_id", parsed).map(TransactionId::from_uuid)
}

fn expired_policy(
    fields: &mut Fields,
    policy: i32,
    grace_period: Option<prost_types::Duration>,
) -> Option<ExpiredPolicy> {
    let Ok(policy) = v1::ExpiredPolicy::try_from(policy) else {
        fields.note("expired_policy", "is no known value");
        return None;
    };
    match (policy, grace_period) {
        (v1::ExpiredPolicy::Grace, Some(period)) => fields
            .check("grace_period", GracePeriod::from_micros(micros(period)))
            .map(ExpiredPolicy::Grace),
        (v1::ExpiredPolicy::Grace, None) => {
            fields.note("grace_period", "is missing, and GRACE needs it");
            None
        }
        (_, Some(_)) => {
            fields.note("grace_period", "goes with GRACE only");
            None
        }
        (v1::ExpiredPolicy::Reissue, None) => Some(ExpiredPolicy::Reissue),
        (v1::ExpiredPolicy::Unspecified | v1::ExpiredPolicy::RestoreThenExpire, None) => {
            Some(ExpiredPolicy::RestoreThenExpire)
        }
    }
}
