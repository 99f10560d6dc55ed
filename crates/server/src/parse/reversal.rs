//! Requests to reverse and to revoke.

use purse_domain::{
    Amount, Command, ExpiredPolicy, FundingRef, Request, ReverseSpend, RevokeFunding, Scale,
};
use purse_proto::v1;
use tonic::Status;

use super::{Fields, Write};
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
        commit_token,
    } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let transaction = fields.transaction_id(&transaction_id);
    let amount = fields.optional_amount(&amount, scale);
    let expired_policy = self::expired_policy(&mut fields, expired_policy, grace_period);
    let command = (|| {
        Some(Command::ReverseSpend(ReverseSpend {
            transaction: transaction?,
            amount: amount?,
            expired_policy: expired_policy?,
        }))
    })();
    let request = Write { idempotency_key, actor, reason, metadata, validate_only, commit_token }
        .request_in((&asset, scale), fields, caller, wallet, command)?;
    // Without a policy there was no command.
    Ok((request, expired_policy.unwrap_or_default()))
}

/// A request to revoke funding. `scale` is the asset's; `None`: there is no such asset.
pub fn revoke_funding(
    caller: &Caller,
    message: v1::RevokeFundingRequest,
    scale: Option<Scale>,
) -> Result<Request, Status> {
    let v1::RevokeFundingRequest {
        account,
        asset,
        funding_ref,
        cumulative_amount,
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
        commit_token,
    } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let funding_ref = fields.check("funding_ref", FundingRef::parse(&funding_ref));
    let amount = Amount::parse(&cumulative_amount, scale.unwrap_or(Scale::MAX));
    let cumulative_amount = fields.check("cumulative_amount", amount);
    let command = (|| {
        Some(Command::RevokeFunding(RevokeFunding {
            funding_ref: funding_ref?,
            cumulative_amount: cumulative_amount?,
        }))
    })();
    Write { idempotency_key, actor, reason, metadata, validate_only, commit_token }.request_in(
        (&asset, scale),
        fields,
        caller,
        wallet,
        command,
    )
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
        (v1::ExpiredPolicy::Grace, Some(period)) => {
            fields.check("grace_period", super::period(period)).map(ExpiredPolicy::Grace)
        }
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
