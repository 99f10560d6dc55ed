//! Requests about spend limits.

use purse_domain::{
    Actor, Amount, CalendarUnit, Command, LimitChange, LimitName, LimitWindow, OperationName,
    Request, RollingSpan, Scale, Share, SpendLimit, TextError, TimeZone, UpdateWallet,
};
use purse_proto::v1;
use purse_storage::SpendLimitQuery;
use tonic::Status;

use super::{Fields, Write, micros};
use crate::auth::Caller;

/// A request to set a limit. `scale` is the asset's; `None`: there is no such asset.
pub fn set_spend_limit(
    caller: &Caller,
    message: v1::SetSpendLimitRequest,
    scale: Option<Scale>,
) -> Result<Request, Status> {
    let v1::SetSpendLimitRequest {
        account,
        asset,
        limit,
        etag,
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
    } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    if limit.is_none() {
        fields.note("limit", "is missing");
    }
    let limit = limit.and_then(|limit| spend_limit(&mut fields, limit, scale));
    let expected_version = fields.etag(&etag);
    let command = limit
        .zip(expected_version)
        .map(|(limit, version)| change(LimitChange::Set(limit), version));
    Write { idempotency_key, actor, reason, metadata, validate_only, commit_token: String::new() }
        .request_in((&asset, scale), fields, caller, wallet, command)
}

/// A request to remove a limit.
pub fn delete_spend_limit(
    caller: &Caller,
    message: v1::DeleteSpendLimitRequest,
) -> Result<Request, Status> {
    let v1::DeleteSpendLimitRequest {
        account,
        asset,
        name,
        etag,
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
    } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let name = fields.check("name", LimitName::parse(&name));
    let expected_version = fields.etag(&etag);
    let command = name
        .zip(expected_version)
        .map(|(name, version)| change(LimitChange::Delete(name), version));
    Write { idempotency_key, actor, reason, metadata, validate_only, commit_token: String::new() }
        .request(fields, caller, wallet, command)
}

fn change(change: LimitChange, expected_version: Option<i64>) -> Command {
    Command::UpdateWallet(UpdateWallet {
        spend_limit: Some(change),
        expected_version,
        ..UpdateWallet::default()
    })
}

/// Which limits to list, and whose usage.
pub fn list_spend_limits(
    caller: &Caller,
    message: v1::ListSpendLimitsRequest,
) -> Result<SpendLimitQuery, Status> {
    let v1::ListSpendLimitsRequest { account, asset, actor, operation } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let actor = fields.check_optional("actor", named(&actor, Actor::parse));
    let operation = fields.operation(&operation);
    let query =
        (|| Some(SpendLimitQuery { wallet: wallet?, actor: actor?, operation: operation? }))();
    fields.finish(query)
}

fn spend_limit(
    fields: &mut Fields,
    limit: v1::SpendLimit,
    scale: Option<Scale>,
) -> Option<SpendLimit> {
    let v1::SpendLimit { name, amount, actor, each_actor, operation, each_operation, window } =
        limit;
    let name = fields.check("limit.name", LimitName::parse(&name));
    let amount = Amount::parse(&amount, scale.unwrap_or(Scale::MAX));
    let amount = fields.check("limit.amount", amount);
    let actor =
        share(fields, ["limit.actor", "limit.each_actor"], each_actor, named(&actor, Actor::parse));
    let operation = share(
        fields,
        ["limit.operation", "limit.each_operation"],
        each_operation,
        named(&operation, OperationName::parse),
    );
    let window = self::window(fields, window);
    Some(SpendLimit {
        name: name?,
        amount: amount?,
        actor: actor?,
        operation: operation?,
        window: window?,
    })
}

fn named<T>(
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, TextError>,
) -> Option<Result<T, TextError>> {
    (!name.is_empty()).then(|| parse(name))
}

fn share<T>(
    fields: &mut Fields,
    [one, each]: [&'static str; 2],
    is_each: bool,
    name: Option<Result<T, TextError>>,
) -> Option<Share<T>> {
    match (fields.check_optional(one, name)?, is_each) {
        (Some(_), true) => {
            fields.note(each, format!("does not go with {one}"));
            None
        }
        (Some(name), false) => Some(Share::Only(name)),
        (None, true) => Some(Share::Each),
        (None, false) => Some(Share::All),
    }
}

fn window(fields: &mut Fields, window: Option<v1::spend_limit::Window>) -> Option<LimitWindow> {
    match window {
        None => {
            fields.note("limit.window", "is missing: rolling or calendar");
            None
        }
        Some(v1::spend_limit::Window::Rolling(length)) => {
            rolling_window(fields, "limit.rolling", length)
        }
        Some(v1::spend_limit::Window::Calendar(calendar)) => {
            let names =
                CalendarFields { unit: "limit.calendar.unit", zone: "limit.calendar.time_zone" };
            calendar_window(fields, &names, &calendar)
        }
    }
}

/// A window of a length.
pub(super) fn rolling_window(
    fields: &mut Fields,
    field: &'static str,
    length: prost_types::Duration,
) -> Option<LimitWindow> {
    let span = RollingSpan::from_micros(micros(length));
    fields.check(field, span).map(LimitWindow::Rolling)
}

/// What the fields of a calendar window are called.
pub(super) struct CalendarFields {
    pub(super) unit: &'static str,
    pub(super) zone: &'static str,
}

/// A window of the calendar.
pub(super) fn calendar_window(
    fields: &mut Fields,
    names: &CalendarFields,
    calendar: &v1::CalendarWindow,
) -> Option<LimitWindow> {
    let v1::CalendarWindow { unit, time_zone } = calendar;
    let unit = match v1::CalendarUnit::try_from(*unit) {
        Ok(v1::CalendarUnit::Day) => Ok(CalendarUnit::Day),
        Ok(v1::CalendarUnit::Week) => Ok(CalendarUnit::Week),
        Ok(v1::CalendarUnit::Month) => Ok(CalendarUnit::Month),
        Ok(v1::CalendarUnit::Year) => Ok(CalendarUnit::Year),
        Ok(v1::CalendarUnit::Unspecified) => Err("is missing"),
        Err(_) => Err("is no known value"),
    };
    let unit = fields.check(names.unit, unit);
    let zone = if time_zone.is_empty() { Ok(TimeZone::UTC) } else { TimeZone::parse(time_zone) };
    let zone = fields.check(names.zone, zone);
    Some(LimitWindow::Calendar(unit?, zone?))
}
