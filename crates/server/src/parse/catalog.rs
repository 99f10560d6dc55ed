//! Requests about operations and their prices, and what all requests about the catalog have in common.

use purse_domain::{
    Actor, AssetCode, CatalogChange, Command, Fingerprint, IdempotencyKey, Metadata, OperationName,
    PositiveAmount, Price, PricePart, PriceTerms, Quantities, QuantityName, Reason, Request,
    Rounding, RoundingMode, Scale, Spend, UnitPrice,
};
use purse_proto::v1;
use purse_storage::{CatalogName, CatalogQuery};
use tonic::Status;

use super::Fields;
use crate::{auth::Caller, page, status, terms::Terms};

/// A change of something of the catalog.
#[derive(Debug)]
pub struct CatalogEdit<T> {
    /// Of what.
    pub name: CatalogName,
    /// What it is to become.
    pub change: CatalogChange<T>,
    /// Write nothing.
    pub validate_only: bool,
}

/// A request for an operation to have a price.
pub fn set_operation(
    caller: &Caller,
    message: v1::SetOperationRequest,
) -> Result<CatalogEdit<Price>, Status> {
    let v1::SetOperationRequest { asset, operation, price, etag, actor, reason, validate_only } =
        message;
    let mut fields = Fields::default();
    let name = operation_name(&mut fields, caller, &asset, &operation);
    if price.is_none() {
        fields.note("price", "is missing");
    }
    let price = price.and_then(|price| self::price(&mut fields, price));
    let change = price
        .and_then(|price| change(&mut fields, caller, (Some(price), &etag), (&actor, &reason)));
    let parts = name.zip(change);
    let (name, change) = fields.finish(parts)?;
    Ok(CatalogEdit { name, change, validate_only })
}

/// A request for an operation to have no price.
pub fn delete_operation(
    caller: &Caller,
    message: v1::DeleteOperationRequest,
) -> Result<CatalogEdit<Price>, Status> {
    let v1::DeleteOperationRequest { asset, operation, etag, actor, reason, validate_only } =
        message;
    let mut fields = Fields::default();
    let name = operation_name(&mut fields, caller, &asset, &operation);
    let change = change(&mut fields, caller, (None, &etag), (&actor, &reason));
    let parts = name.zip(change);
    let (name, change) = fields.finish(parts)?;
    Ok(CatalogEdit { name, change, validate_only })
}

/// The operation that a request names.
pub fn get_operation(
    caller: &Caller,
    message: v1::GetOperationRequest,
) -> Result<CatalogName, Status> {
    let v1::GetOperationRequest { asset, operation } = message;
    let mut fields = Fields::default();
    let name = operation_name(&mut fields, caller, &asset, &operation);
    fields.finish(name)
}

/// Which operations to list, and the query for the next page's token.
pub fn list_operations(
    caller: &Caller,
    message: v1::ListOperationsRequest,
) -> Result<(CatalogQuery, page::Query), Status> {
    let (page_size, page_token) = (message.page_size, message.page_token.clone());
    let message = v1::ListOperationsRequest { page_size: 0, page_token: String::new(), ..message };
    let query = page::Query::of("ListOperations", &message);
    let v1::ListOperationsRequest { asset, page_size: _, page_token: _ } = message;
    let mut fields = Fields::default();
    let asset = (!asset.is_empty()).then(|| AssetCode::parse(&asset));
    let asset = fields.check_optional("asset", asset);
    let most = fields.take(page::size(page_size));
    let after = after_name(&mut fields, &query, &page_token);
    let namespace_id = caller.namespace_id;
    let parsed =
        (|| Some(CatalogQuery { namespace_id, asset: asset?, after: after?, most: most? }))();
    Ok((fields.finish(parsed)?, query))
}

/// Which versions to list.
#[derive(Debug)]
pub struct VersionsQuery {
    /// Of what.
    pub name: CatalogName,
    /// Only those after this one.
    pub after: i64,
    /// At most this many.
    pub most: i64,
}

/// Which versions of an operation to list, and the query for the next page's token.
pub fn list_operation_changes(
    caller: &Caller,
    message: v1::ListOperationChangesRequest,
) -> Result<(VersionsQuery, page::Query), Status> {
    let (page_size, page_token) = (message.page_size, message.page_token.clone());
    let message =
        v1::ListOperationChangesRequest { page_size: 0, page_token: String::new(), ..message };
    let query = page::Query::of("ListOperationChanges", &message);
    let v1::ListOperationChangesRequest { asset, operation, page_size: _, page_token: _ } = message;
    let mut fields = Fields::default();
    let name = operation_name(&mut fields, caller, &asset, &operation);
    let most = fields.take(page::size(page_size));
    let after = fields.after(&query, &page_token).map(i64::from);
    let parsed = (|| Some(VersionsQuery { name: name?, after: after?, most: most? }))();
    Ok((fields.finish(parsed)?, query))
}

/// What to estimate.
#[derive(Debug)]
pub struct Estimate {
    /// Of which operation.
    pub operation: OperationName,
    /// Of how much.
    pub quantities: Quantities,
    /// In an asset of this scale.
    pub scale: Scale,
}

/// What to estimate. `scale` is the asset's; `None`: there is no such asset.
pub fn estimate_cost(
    message: v1::EstimateCostRequest,
    scale: Option<Scale>,
) -> Result<Estimate, Status> {
    let v1::EstimateCostRequest { asset, operation, quantities } = message;
    let mut fields = Fields::default();
    fields.check("asset", AssetCode::parse(&asset));
    let operation = fields.check("operation", OperationName::parse(&operation));
    let quantities = fields.check("quantities", Quantities::parse(&quantities));
    let (operation, quantities) = fields.finish(operation.zip(quantities))?;
    let scale = scale.ok_or_else(|| status::asset_not_found(&asset.trim().to_lowercase()))?;
    Ok(Estimate { operation, quantities, scale })
}

/// The spend that a wallet could pay or not, as a preview.
pub fn can_afford(
    caller: &Caller,
    message: v1::CanAffordRequest,
    terms: &Terms,
) -> Result<Request, Status> {
    let v1::CanAffordRequest { account, asset, amount, operation, quantities, actor } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let operation = fields.operation(&operation);
    let amount = fields.charge(&amount, &quantities, operation.as_ref(), terms);
    let asked = fields.check("actor", Actor::parse(&actor));
    let parts = (|| {
        let spend = Spend { amount: amount?, operation: operation?, occurred_at: None };
        Some((wallet?, Command::Spend(spend), asked?))
    })();
    let (wallet, command, asked) = fields.finish(parts)?;
    if terms.scale.is_none() {
        return Err(status::asset_not_found(wallet.asset.as_str()));
    }
    let (reason, metadata) = (Reason::from_stored(String::new()), Metadata::default());
    let fingerprint = Fingerprint::of(&wallet, &command, &asked, &reason, &metadata);
    let actor = if asked.as_str().is_empty() { caller.name.clone() } else { asked };
    Ok(Request {
        wallet,
        command,
        key: Some(IdempotencyKey::of_nothing()),
        fingerprint,
        actor,
        reason,
        metadata,
        validate_only: true,
        commit_token: None,
    })
}

fn operation_name(
    fields: &mut Fields,
    caller: &Caller,
    asset: &str,
    operation: &str,
) -> Option<CatalogName> {
    let asset = fields.check("asset", AssetCode::parse(asset));
    let name = fields.check("operation", OperationName::parse(operation));
    Some(catalog_name(caller, asset?, name?.as_str()))
}

/// What is sold under a name in the caller's namespace.
pub(super) fn catalog_name(caller: &Caller, asset: AssetCode, name: &str) -> CatalogName {
    CatalogName { namespace_id: caller.namespace_id, asset, name: name.to_owned() }
}

/// The asset and name that a page begins after; `Some(None)`: at the first.
#[expect(clippy::option_option, reason = "wrong, absent and present are three cases")]
pub(super) fn after_name(
    fields: &mut Fields,
    query: &page::Query,
    page_token: &str,
) -> Option<Option<(String, String)>> {
    let Some(cursor) = fields.take(query.cursor(page_token))? else { return Some(None) };
    let parts = cursor.split_once('\n');
    let parts = parts.map(|(asset, name)| (asset.to_owned(), name.to_owned()));
    fields.check("page_token", parts.ok_or("is not a token that this service gave")).map(Some)
}

/// What something of the catalog is to become, and on which condition.
pub(super) fn change<T>(
    fields: &mut Fields,
    caller: &Caller,
    (definition, etag): (Option<T>, &str),
    (actor, reason): (&str, &str),
) -> Option<CatalogChange<T>> {
    let expected_version = fields.etag(etag);
    let asked = fields.check("actor", Actor::parse(actor));
    let reason = fields.check("reason", Reason::parse(reason));
    let asked = asked?;
    let actor = if asked.as_str().is_empty() { caller.name.clone() } else { asked };
    Some(CatalogChange { definition, expected_version: expected_version?, actor, reason: reason? })
}

fn price(fields: &mut Fields, price: v1::Price) -> Option<Price> {
    let v1::Price { parts, rounding, step, minimum, maximum } = price;
    let count = parts.len();
    let parts = parts.into_iter().map(|part| self::part(fields, part)).collect::<Vec<_>>();
    let parts: Option<Vec<PricePart>> = parts.into_iter().collect();
    let mode =
        mode(fields, "price.rounding", rounding).map(|mode| mode.unwrap_or(RoundingMode::Up));
    let step = optional_amount(fields, "price.step", &step);
    let minimum = optional_amount(fields, "price.minimum", &minimum);
    let maximum = optional_amount(fields, "price.maximum", &maximum);
    let terms = PriceTerms {
        parts: parts?,
        mode: mode?,
        step: step?,
        minimum: minimum?,
        maximum: maximum?,
    };
    let field = if (1..=purse_domain::price::MOST_PARTS).contains(&count) {
        "price.maximum"
    } else {
        "price.parts"
    };
    fields.check(field, Price::new(terms))
}

fn part(fields: &mut Fields, v1::PricePart { part }: v1::PricePart) -> Option<PricePart> {
    match part {
        None => {
            fields.note("price.parts", "has one that is missing: fixed or per_unit");
            None
        }
        Some(v1::price_part::Part::Fixed(price)) => {
            fields.check("price.parts.fixed", UnitPrice::parse(&price)).map(PricePart::Fixed)
        }
        Some(v1::price_part::Part::PerUnit(per_unit)) => self::per_unit(fields, &per_unit),
    }
}

fn per_unit(fields: &mut Fields, per_unit: &v1::PerUnitPrice) -> Option<PricePart> {
    let v1::PerUnitPrice { quantity, unit_price, rounding, step } = per_unit;
    let quantity = fields.check("price.parts.per_unit.quantity", QuantityName::parse(quantity));
    let unit_price = fields.check("price.parts.per_unit.unit_price", UnitPrice::parse(unit_price));
    let mode = mode(fields, "price.parts.per_unit.rounding", *rounding);
    let field = "price.parts.per_unit.step";
    if mode == Some(None) && !step.is_empty() {
        fields.note(field, "goes with rounding only");
        return None;
    }
    let step = if step.is_empty() { "1" } else { step };
    let step = fields.check(field, PositiveAmount::parse(step, Scale::MAX));
    let rounding = match (mode?, step?) {
        (None, _) => None,
        (Some(mode), step) => Some(Rounding { mode, step }),
    };
    Some(PricePart::PerUnit { quantity: quantity?, unit_price: unit_price?, rounding })
}

#[expect(clippy::option_option, reason = "wrong, absent and present are three cases")]
fn mode(fields: &mut Fields, field: &'static str, mode: i32) -> Option<Option<RoundingMode>> {
    match v1::RoundingMode::try_from(mode) {
        Ok(v1::RoundingMode::Unspecified) => Some(None),
        Ok(v1::RoundingMode::Up) => Some(Some(RoundingMode::Up)),
        Ok(v1::RoundingMode::Down) => Some(Some(RoundingMode::Down)),
        Ok(v1::RoundingMode::HalfUp) => Some(Some(RoundingMode::HalfUp)),
        Ok(v1::RoundingMode::HalfDown) => Some(Some(RoundingMode::HalfDown)),
        Ok(v1::RoundingMode::HalfEven) => Some(Some(RoundingMode::HalfEven)),
        Err(_) => {
            fields.note(field, "is no known value");
            None
        }
    }
}

#[expect(clippy::option_option, reason = "wrong, absent and present are three cases")]
fn optional_amount(
    fields: &mut Fields,
    field: &'static str,
    amount: &str,
) -> Option<Option<PositiveAmount>> {
    let amount = (!amount.is_empty()).then(|| PositiveAmount::parse(amount, Scale::MAX));
    fields.check_optional(field, amount)
}
