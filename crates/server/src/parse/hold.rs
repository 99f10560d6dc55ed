//! Requests about holds.

use purse_domain::{
    CaptureHold, Command, CreateHold, Excess, Fingerprint, Group, HoldNumber, ReleaseHold, Request,
    Scale, WalletName,
};
use purse_proto::v1;
use purse_storage::HoldQuery;
use tonic::Status;

use super::{Fields, Write};
use crate::{auth::Caller, page, status, terms::Terms};

/// Most wallets of one transaction: they are locked together.
pub const MOST_LEGS: usize = 64;
/// The fields of a leg; the others are the request's own.
const LEG_FIELDS: [&str; 5] = ["account", "asset", "amount", "operation", "quantities"];

/// A request to set credits aside.
pub fn create_hold(
    caller: &Caller,
    message: v1::CreateHoldRequest,
    terms: &Terms,
) -> Result<Request, Status> {
    let v1::CreateHoldRequest {
        account,
        asset,
        amount,
        operation,
        expires_at,
        quantities,
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
        commit_token,
    } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let operation = fields.operation(&operation);
    let amount = fields.charge(&amount, &quantities, operation.as_ref(), terms);
    let expires_at = fields.required_instant("expires_at", expires_at);
    let command = (|| {
        Some(Command::CreateHold(CreateHold {
            amount: amount?,
            operation: operation?,
            expires_at: expires_at?,
        }))
    })();
    Write { idempotency_key, actor, reason, metadata, validate_only, commit_token }.request_in(
        (&asset, terms.scale),
        fields,
        caller,
        wallet,
        command,
    )
}

/// A request to set credits aside in several wallets, by the terms of each leg.
pub fn create_holds(
    caller: &Caller,
    message: v1::CreateHoldsRequest,
    terms: &[Terms],
) -> Result<Group, Status> {
    let v1::CreateHoldsRequest {
        legs,
        expires_at,
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
        commit_token,
    } = message;
    if !(1..=MOST_LEGS).contains(&legs.len()) {
        return Err(status::invalid_field("legs", format!("must be 1 to {MOST_LEGS}")));
    }
    let mut requests: Vec<Request> = Vec::with_capacity(legs.len());
    for (index, (leg, terms)) in legs.into_iter().zip(terms).enumerate() {
        let v1::HoldLeg { account, asset, amount, operation, quantities } = leg;
        let message = v1::CreateHoldRequest {
            account,
            asset,
            amount,
            operation,
            expires_at,
            quantities,
            idempotency_key: idempotency_key.clone(),
            actor: actor.clone(),
            reason: reason.clone(),
            metadata: metadata.clone(),
            validate_only,
            commit_token: commit_token.clone(),
        };
        let request = create_hold(caller, message, terms)
            .map_err(|refused| located_in_leg(&refused, index))?;
        if let Some(other) = requests.iter().position(|other| other.wallet == request.wallet) {
            let problem = format!("is the wallet of legs[{other}]");
            let refused = status::invalid_field("account", problem);
            return Err(located_in_leg(&refused, index));
        }
        requests.push(request);
    }
    let fingerprints: Vec<Fingerprint> = requests.iter().map(|leg| leg.fingerprint).collect();
    let fingerprint = Fingerprint::of_legs(&fingerprints);
    let mut is_first = true;
    let legs = requests.into_iter().map(|leg| {
        let leg = Request { fingerprint, ..leg };
        if std::mem::take(&mut is_first) {
            return leg;
        }
        Request { key: None, commit_token: None, ..leg }
    });
    // There is one, and it has the key.
    Group::new(legs.collect()).ok_or_else(status::unanswered)
}

/// A wrong field of a leg, or of the request itself.
pub fn located_in_leg(refused: &Status, index: usize) -> Status {
    status::located(refused, "legs", index, |field| LEG_FIELDS.contains(&field))
}

/// A request to capture.
pub fn capture_hold(
    caller: &Caller,
    message: v1::CaptureHoldRequest,
    scale: Option<Scale>,
) -> Result<Request, Status> {
    let v1::CaptureHoldRequest {
        account,
        asset,
        hold_number,
        amount,
        excess,
        r#final: is_final,
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
        commit_token,
    } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let hold = fields.hold_number(hold_number);
    let amount = fields.amount(&amount, scale);
    let excess = match v1::ExcessPolicy::try_from(excess) {
        Ok(v1::ExcessPolicy::Unspecified | v1::ExcessPolicy::Reject) => Some(Excess::Reject),
        Ok(v1::ExcessPolicy::Cap) => Some(Excess::Cap),
        Ok(v1::ExcessPolicy::Extend) => Some(Excess::Extend),
        Err(_) => {
            fields.note("excess", "is no known value");
            None
        }
    };
    let command = (|| {
        Some(Command::CaptureHold(CaptureHold {
            hold: hold?,
            amount: amount?,
            excess: excess?,
            is_final,
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

/// A request to release.
pub fn release_hold(
    caller: &Caller,
    message: v1::ReleaseHoldRequest,
    scale: Option<Scale>,
) -> Result<Request, Status> {
    let v1::ReleaseHoldRequest {
        account,
        asset,
        hold_number,
        amount,
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
        commit_token,
    } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let hold = fields.hold_number(hold_number);
    let amount = fields.optional_amount(&amount, scale);
    let command = (|| Some(Command::ReleaseHold(ReleaseHold { hold: hold?, amount: amount? })))();
    Write { idempotency_key, actor, reason, metadata, validate_only, commit_token }.request_in(
        (&asset, scale),
        fields,
        caller,
        wallet,
        command,
    )
}

/// A request to move a deadline.
pub fn extend_hold(caller: &Caller, message: v1::ExtendHoldRequest) -> Result<Request, Status> {
    let v1::ExtendHoldRequest {
        account,
        asset,
        hold_number,
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
    let hold = fields.hold_number(hold_number);
    let expires_at = fields.required_instant("expires_at", expires_at);
    let command = hold.zip(expires_at).map(|(hold, at)| Command::ExtendHold(hold, at));
    Write { idempotency_key, actor, reason, metadata, validate_only, commit_token }
        .request(fields, caller, wallet, command)
}

/// The hold that a request names.
pub fn get_hold(
    caller: &Caller,
    message: v1::GetHoldRequest,
) -> Result<(WalletName, HoldNumber), Status> {
    let v1::GetHoldRequest { account, asset, hold_number } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let number = fields.hold_number(hold_number);
    fields.finish(wallet.zip(number))
}

/// Which holds to list, and the query for the next page's token.
pub fn list_holds(
    caller: &Caller,
    message: v1::ListHoldsRequest,
) -> Result<(HoldQuery, page::Query), Status> {
    let (page_size, page_token) = (message.page_size, message.page_token.clone());
    let message = v1::ListHoldsRequest { page_size: 0, page_token: String::new(), ..message };
    let query = page::Query::of("ListHolds", &message);
    let v1::ListHoldsRequest { account, asset, open_only, page_size: _, page_token: _ } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let most = fields.take(page::size(page_size));
    let after = fields.after(&query, &page_token).map(HoldNumber);
    let parsed = (|| Some(HoldQuery { wallet: wallet?, open_only, after: after?, most: most? }))();
    Ok((fields.finish(parsed)?, query))
}
