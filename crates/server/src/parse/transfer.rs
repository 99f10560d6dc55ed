//! Requests to move credits to another wallet.

use purse_domain::{
    AccountName, AssetCode, Command, ExpirationPolicy, Request, Scale, Timestamp, Transfer,
    WalletName,
};
use purse_proto::v1;
use tonic::Status;

use super::{Fields, Write};
use crate::auth::Caller;

/// A request to transfer. `scale` is the asset's; `None`: there is no such asset.
pub fn transfer(
    caller: &Caller,
    message: v1::TransferRequest,
    scale: Option<Scale>,
) -> Result<Request, Status> {
    let v1::TransferRequest {
        account,
        asset,
        to_account,
        to_asset,
        amount,
        expiration_policy,
        expires_at,
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
        commit_token,
    } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let to = receiver(&mut fields, wallet.as_ref(), &to_account, &to_asset);
    let amount = fields.amount(&amount, scale);
    let has_date = expires_at.is_some();
    let expires_at = fields.instant("expires_at", expires_at).flatten();
    let expiration_policy =
        self::expiration_policy(&mut fields, expiration_policy, has_date, expires_at);
    let command = (|| {
        Some(Command::Transfer(Transfer {
            to: to?,
            amount: amount?,
            expiration_policy: expiration_policy?,
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

/// The wallet at the other end: another one, of the sender's asset.
fn receiver(
    fields: &mut Fields,
    from: Option<&WalletName>,
    account: &str,
    asset: &str,
) -> Option<WalletName> {
    let account = fields.check("to_account", AccountName::parse(account));
    let asset = (!asset.is_empty()).then(|| AssetCode::parse(asset));
    let asset = fields.check_optional("to_asset", asset);
    let (from, account, asset) = (from?, account?, asset?);
    if asset.is_some_and(|asset| asset != from.asset) {
        fields.note("to_asset", "must be asset: one asset is not changed into another");
        return None;
    }
    let to = WalletName::new(from.namespace_id, account, from.asset.clone());
    if to == *from {
        fields.note("to_account", "must be another account");
        return None;
    }
    Some(to)
}

fn expiration_policy(
    fields: &mut Fields,
    policy: i32,
    has_date: bool,
    expires_at: Option<Timestamp>,
) -> Option<ExpirationPolicy> {
    let Ok(policy) = v1::ExpirationPolicy::try_from(policy) else {
        fields.note("expiration_policy", "is no known value");
        return None;
    };
    match policy {
        v1::ExpirationPolicy::Fixed if !has_date => {
            fields.note("expires_at", "is missing, and FIXED needs it");
            None
        }
        v1::ExpirationPolicy::Preserve | v1::ExpirationPolicy::None if has_date => {
            fields.note("expires_at", "goes with FIXED only");
            None
        }
        v1::ExpirationPolicy::None => Some(ExpirationPolicy::None),
        v1::ExpirationPolicy::Unspecified if !has_date => Some(ExpirationPolicy::Preserve),
        v1::ExpirationPolicy::Preserve => Some(ExpirationPolicy::Preserve),
        v1::ExpirationPolicy::Unspecified | v1::ExpirationPolicy::Fixed => {
            expires_at.map(ExpirationPolicy::Fixed)
        }
    }
}
