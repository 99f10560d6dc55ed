//! Requests to freeze, unfreeze and close wallets.

use purse_domain::{CloseWallet, Command, Request, Rest};
use purse_proto::v1;
use tonic::Status;

use super::{Fields, Write};
use crate::auth::Caller;

/// A request to freeze.
pub fn freeze_wallet(caller: &Caller, message: v1::FreezeWalletRequest) -> Result<Request, Status> {
    let v1::FreezeWalletRequest {
        account,
        asset,
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
    } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let write = Write {
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
        commit_token: String::new(),
    };
    write.request(fields, caller, wallet, Some(Command::FreezeWallet))
}

/// A request to unfreeze.
pub fn unfreeze_wallet(
    caller: &Caller,
    message: v1::UnfreezeWalletRequest,
) -> Result<Request, Status> {
    let v1::UnfreezeWalletRequest {
        account,
        asset,
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
    } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let write = Write {
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
        commit_token: String::new(),
    };
    write.request(fields, caller, wallet, Some(Command::UnfreezeWallet))
}

/// A request to close.
pub fn close_wallet(caller: &Caller, message: v1::CloseWalletRequest) -> Result<Request, Status> {
    let v1::CloseWalletRequest {
        account,
        asset,
        rest,
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
        commit_token,
    } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let rest = match v1::ClosingRest::try_from(rest) {
        Ok(v1::ClosingRest::Unspecified | v1::ClosingRest::Refuse) => Some(Rest::Refuse),
        Ok(v1::ClosingRest::Void) => Some(Rest::Void),
        Err(_) => {
            fields.note("rest", "is no known value");
            None
        }
    };
    let write = Write { idempotency_key, actor, reason, metadata, validate_only, commit_token };
    write.request(
        fields,
        caller,
        wallet,
        rest.map(|rest| Command::CloseWallet(CloseWallet { rest })),
    )
}
