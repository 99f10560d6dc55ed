//! Requests about top-ups.

use purse_domain::{
    Command, FundingRef, LimitWindow, PositiveAmount, Request, RequestCount, Scale, TopUpChange,
    TopUpRule, UpdateWallet, WalletName,
};
use purse_proto::v1;
use tonic::Status;

use super::{
    Fields, Write,
    spend_limit::{CalendarFields, calendar_window, rolling_window},
};
use crate::auth::Caller;

/// A request to set a rule. `scale` is the asset's; `None`: there is no such asset.
pub fn set_top_up_rule(
    caller: &Caller,
    message: v1::SetTopUpRuleRequest,
    scale: Option<Scale>,
) -> Result<Request, Status> {
    let v1::SetTopUpRuleRequest {
        account,
        asset,
        rule,
        etag,
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
    } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    if rule.is_none() {
        fields.note("rule", "is missing");
    }
    let rule = rule.and_then(|rule| self::rule(&mut fields, rule, scale));
    let version = fields.etag(&etag);
    let command = rule.zip(version).map(|(rule, version)| change(TopUpChange::Set(rule), version));
    Write { idempotency_key, actor, reason, metadata, validate_only, commit_token: String::new() }
        .request_in((&asset, scale), fields, caller, wallet, command)
}

/// A request to remove the rule.
pub fn delete_top_up_rule(
    caller: &Caller,
    message: v1::DeleteTopUpRuleRequest,
) -> Result<Request, Status> {
    let v1::DeleteTopUpRuleRequest {
        account,
        asset,
        etag,
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
    } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let command = fields.etag(&etag).map(|version| change(TopUpChange::Delete, version));
    Write { idempotency_key, actor, reason, metadata, validate_only, commit_token: String::new() }
        .request(fields, caller, wallet, command)
}

/// A request to decline a top-up.
pub fn decline_top_up(
    caller: &Caller,
    message: v1::DeclineTopUpRequest,
) -> Result<Request, Status> {
    let v1::DeclineTopUpRequest {
        account,
        asset,
        reference,
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
    } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let reference = fields.check("reference", FundingRef::parse(&reference));
    let command = reference.map(Command::DeclineTopUp);
    Write { idempotency_key, actor, reason, metadata, validate_only, commit_token: String::new() }
        .request(fields, caller, wallet, command)
}

/// The wallet that a request names.
pub fn get_top_ups(caller: &Caller, message: v1::GetTopUpsRequest) -> Result<WalletName, Status> {
    let v1::GetTopUpsRequest { account, asset } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    fields.finish(wallet)
}

fn change(change: TopUpChange, expected_version: Option<i64>) -> Command {
    Command::UpdateWallet(UpdateWallet {
        top_up: Some(change),
        expected_version,
        ..UpdateWallet::default()
    })
}

fn rule(fields: &mut Fields, rule: v1::TopUpRule, scale: Option<Scale>) -> Option<TopUpRule> {
    let v1::TopUpRule { threshold, amount, most_requests, window } = rule;
    let scale = scale.unwrap_or(Scale::MAX);
    let threshold = fields.check("rule.threshold", PositiveAmount::parse(&threshold, scale));
    let amount = fields.check("rule.amount", PositiveAmount::parse(&amount, scale));
    let most = RequestCount::new(most_requests);
    let most = fields.check("rule.most_requests", most.ok_or("must be 1 to 10"));
    let window = self::window(fields, window);
    Some(TopUpRule { threshold: threshold?, amount: amount?, most: most?, window: window? })
}

fn window(fields: &mut Fields, window: Option<v1::top_up_rule::Window>) -> Option<LimitWindow> {
    match window {
        None => {
            fields.note("rule.window", "is missing: rolling or calendar");
            None
        }
        Some(v1::top_up_rule::Window::Rolling(length)) => {
            rolling_window(fields, "rule.rolling", length)
        }
        Some(v1::top_up_rule::Window::Calendar(calendar)) => {
            let names =
                CalendarFields { unit: "rule.calendar.unit", zone: "rule.calendar.time_zone" };
            calendar_window(fields, &names, &calendar)
        }
    }
}
