//! Requests of the `GrantService`.

use std::collections::BTreeSet;

use purse_domain::{
    Category, ChangeGrantExpiry, Command, CostBasis, FundingRef, GrantNumber, NewGrant,
    OperationName, Priority, Request, Scale, WalletName, Window,
};
use purse_proto::v1;
use purse_storage::GrantQuery;
use tonic::Status;

use super::{Fields, Write};
use crate::{auth::Caller, page};

/// Most operations that a grant may be restricted to: its place in the drawdown order counts them.
const MOST_OPERATIONS: usize = 64;

/// A request to grant. `scale` is the asset's; `None`: there is no such asset.
pub fn grant(
    caller: &Caller,
    message: v1::GrantRequest,
    scale: Option<Scale>,
) -> Result<Request, Status> {
    let v1::GrantRequest {
        account,
        asset,
        amount,
        effective_at,
        expires_at,
        priority,
        category,
        cost_basis,
        applies_to,
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
        commit_token,
        funding_ref,
    } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let amount = fields.amount(&amount, scale);
    let effective_at = fields.instant("effective_at", effective_at);
    let expires_at = fields.instant("expires_at", expires_at);
    if let (Some(Some(effective_at)), Some(expires_at)) = (effective_at, expires_at) {
        fields.check("expires_at", Window::new(effective_at, expires_at));
    }
    let priority = self::priority(&mut fields, "priority", priority);
    let category = self::category(&mut fields, "category", &category);
    let cost_basis = self::cost_basis(&mut fields, "cost_basis", &cost_basis);
    let applies_to = operations(&mut fields, "applies_to", &applies_to);
    let funding_ref = (!funding_ref.is_empty()).then(|| FundingRef::parse(&funding_ref));
    let funding_ref = fields.check_optional("funding_ref", funding_ref);
    let command = (|| {
        Some(Command::Grant(NewGrant {
            amount: amount?,
            effective_at: effective_at?,
            expires_at: expires_at?,
            priority: priority?,
            category: category?,
            cost_basis: cost_basis?,
            applies_to: applies_to?,
            funding_ref: funding_ref?,
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

/// A request to void a grant.
pub fn void_grant(caller: &Caller, message: v1::VoidGrantRequest) -> Result<Request, Status> {
    let v1::VoidGrantRequest {
        account,
        asset,
        grant_number,
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
        commit_token,
    } = message;
    let write = Write { idempotency_key, actor, reason, metadata, validate_only, commit_token };
    end_grant(caller, (&account, &asset, grant_number), write, Command::VoidGrant)
}

/// A request to let a grant expire now.
pub fn expire_grant(caller: &Caller, message: v1::ExpireGrantRequest) -> Result<Request, Status> {
    let v1::ExpireGrantRequest {
        account,
        asset,
        grant_number,
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
        commit_token,
    } = message;
    let write = Write { idempotency_key, actor, reason, metadata, validate_only, commit_token };
    end_grant(caller, (&account, &asset, grant_number), write, Command::ExpireGrant)
}

fn end_grant(
    caller: &Caller,
    (account, asset, number): (&str, &str, i32),
    write: Write,
    command: fn(GrantNumber) -> Command,
) -> Result<Request, Status> {
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, account, asset);
    let number = fields.grant_number(number);
    write.request(fields, caller, wallet, number.map(command))
}

/// A request to change a grant's expiry.
pub fn change_grant_expiry(
    caller: &Caller,
    message: v1::ChangeGrantExpiryRequest,
) -> Result<Request, Status> {
    let v1::ChangeGrantExpiryRequest {
        account,
        asset,
        grant_number,
        expires_at,
        never,
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
        commit_token,
    } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let grant = fields.grant_number(grant_number);
    match (expires_at, never) {
        // Left out by mistake it would be for ever.
        (None, false) => {
            fields.note("expires_at", "is missing; set never if it is not to expire");
        }
        (Some(_), true) => fields.note("never", "must not be set beside expires_at"),
        (Some(_), false) | (None, true) => {}
    }
    let expires_at = fields.instant("expires_at", expires_at);
    let command = grant.zip(expires_at).map(|(grant, expires_at)| {
        Command::ChangeGrantExpiry(ChangeGrantExpiry { grant, expires_at })
    });
    Write { idempotency_key, actor, reason, metadata, validate_only, commit_token }
        .request(fields, caller, wallet, command)
}

/// The grant that a request names.
pub fn get_grant(
    caller: &Caller,
    message: v1::GetGrantRequest,
) -> Result<(WalletName, GrantNumber), Status> {
    let v1::GetGrantRequest { account, asset, grant_number } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let number = fields.grant_number(grant_number);
    fields.finish(wallet.zip(number))
}

/// Which grants to list, and the query for the next page's token.
pub fn list_grants(
    caller: &Caller,
    message: v1::ListGrantsRequest,
) -> Result<(GrantQuery, page::Query), Status> {
    let (page_size, page_token) = (message.page_size, message.page_token.clone());
    let message = v1::ListGrantsRequest { page_size: 0, page_token: String::new(), ..message };
    let query = page::Query::of("ListGrants", &message);
    let v1::ListGrantsRequest { account, asset, category, open_only, page_size: _, page_token: _ } =
        message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let category = (!category.is_empty()).then(|| Category::parse(&category));
    let category = fields.check_optional("category", category);
    let most = fields.take(page::size(page_size));
    let after = fields.after(&query, &page_token).map(GrantNumber);
    let parsed = (|| {
        Some(GrantQuery {
            wallet: wallet?,
            category: category?,
            open_only,
            after: after?,
            most: most?,
        })
    })();
    Ok((fields.finish(parsed)?, query))
}

/// Lower is drawn first.
pub(super) fn priority(
    fields: &mut Fields,
    field: &'static str,
    priority: Option<i32>,
) -> Option<Priority> {
    match priority {
        None => Some(Priority::DEFAULT),
        Some(priority) => {
            let priority = Priority::new(priority).ok_or("must be −1,000,000 to 1,000,000");
            fields.check(field, priority)
        }
    }
}

/// What kind of credits they are.
pub(super) fn category(
    fields: &mut Fields,
    field: &'static str,
    category: &str,
) -> Option<Category> {
    if category.is_empty() {
        return Some(Category::adjustment());
    }
    fields.check(field, Category::parse(category))
}

/// What one credit cost.
pub(super) fn cost_basis(
    fields: &mut Fields,
    field: &'static str,
    cost_basis: &str,
) -> Option<CostBasis> {
    if cost_basis.is_empty() {
        return Some(CostBasis::ZERO);
    }
    fields.check(field, CostBasis::parse(cost_basis))
}

/// The only operations that may draw a grant.
pub(super) fn operations(
    fields: &mut Fields,
    field: &'static str,
    names: &[String],
) -> Option<BTreeSet<OperationName>> {
    if names.len() > MOST_OPERATIONS {
        fields.note(field, format!("has more than {MOST_OPERATIONS} operations"));
        return None;
    }
    let parsed: Result<BTreeSet<OperationName>, _> =
        names.iter().map(|name| OperationName::parse(name)).collect();
    fields.check(field, parsed)
}
