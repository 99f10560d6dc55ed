//! Requests about subscriptions.

use std::collections::BTreeSet;

use purse_domain::{
    AccountName, AddonId, ApplicationId, CalendarSpan, Cycle, CyclePeriod, KeptApplication, PlanId,
    RuleId, SourceEventId, SourceName, SpanUnit, SubscriptionEvent, SubscriptionEventKind,
    SubscriptionId, SubscriptionName, SubscriptionState, SubscriptionStatus, TimeZone, Timestamp,
};
use purse_proto::v1;
use purse_storage::subscriptions::FailedQuery;
use tonic::Status;
use uuid::Uuid;

use super::Fields;
use crate::{auth::Caller, page};

/// Most add-ons of a subscription.
const MOST_ADDONS: usize = 32;
/// An event, and where it comes from.
#[derive(Debug)]
pub struct SourcedEvent {
    /// Of which subscription.
    pub name: SubscriptionName,
    /// What happened.
    pub event: SubscriptionEvent,
    /// The system that sent it.
    pub source: SourceName,
}

/// An event. When it is recorded is for whoever keeps it.
pub fn subscription_event(
    caller: &Caller,
    event: Option<v1::SubscriptionEvent>,
) -> Result<SourcedEvent, Status> {
    let mut fields = Fields::default();
    let Some(event) = event else {
        fields.note("event", "is missing");
        return fields.finish(None);
    };
    let v1::SubscriptionEvent {
        event_id,
        source,
        account,
        subscription_id,
        version,
        previous_version,
        kind,
        effective_at,
        state,
    } = event;
    fields.check("event.event_id", SourceEventId::parse(&event_id));
    let source = fields.check("event.source", SourceName::parse(&source));
    let account = fields.check("event.account", AccountName::parse(&account));
    let id = fields.check("event.subscription_id", SubscriptionId::parse(&subscription_id));
    if version < 1 {
        fields.note("event.version", "must be 1 or more");
    }
    if previous_version.is_some_and(|previous| previous >= version) {
        fields.note("event.previous_version", "must be lower than version");
    }
    if previous_version.is_some_and(|previous| previous < 0) {
        fields.note("event.previous_version", "must not be negative; 0 says that there was none");
    }
    // 0 says that there was none before.
    let previous_version = previous_version.filter(|previous| *previous > 0);
    let kind = event_kind(&mut fields, kind);
    let effective_at = fields.required_instant("event.effective_at", effective_at);
    if state.is_none() {
        fields.note("event.state", "is missing");
    }
    let state = state.and_then(|state| self::state(&mut fields, state, effective_at));
    let parsed = (|| {
        let name = SubscriptionName::new(caller.namespace_id, account?, id?);
        let (kind, effective_at, state) = (kind?, effective_at?, state?);
        let recorded_at = effective_at;
        let event =
            SubscriptionEvent { version, previous_version, kind, effective_at, state, recorded_at };
        Some(SourcedEvent { name, event, source: source? })
    })();
    fields.finish(parsed)
}

fn event_kind(fields: &mut Fields, kind: i32) -> Option<SubscriptionEventKind> {
    use v1::SubscriptionEventKind as Kind;
    match Kind::try_from(kind).unwrap_or_default() {
        Kind::Unspecified => {
            fields.note("event.kind", "is not known");
            None
        }
        Kind::Started => Some(SubscriptionEventKind::Started),
        Kind::TrialStarted => Some(SubscriptionEventKind::TrialStarted),
        Kind::Renewed => Some(SubscriptionEventKind::Renewed),
        Kind::PlanChanged => Some(SubscriptionEventKind::PlanChanged),
        Kind::BillingDateChanged => Some(SubscriptionEventKind::BillingDateChanged),
        Kind::Paused => Some(SubscriptionEventKind::Paused),
        Kind::Resumed => Some(SubscriptionEventKind::Resumed),
        Kind::Cancelled => Some(SubscriptionEventKind::Cancelled),
    }
}

fn state(
    fields: &mut Fields,
    state: v1::SubscriptionState,
    effective_at: Option<Timestamp>,
) -> Option<SubscriptionState> {
    let v1::SubscriptionState {
        status,
        plan_id,
        addon_ids,
        started_at,
        current_period_start,
        current_period_end,
        billing_period,
        billing_period_count,
        anchor_at,
        time_zone,
        trial_ends_at,
        ends_at,
    } = state;
    let status = self::status(fields, status);
    let plan = fields.check("event.state.plan_id", PlanId::parse(&plan_id));
    if addon_ids.len() > MOST_ADDONS {
        fields.note("event.state.addon_ids", format!("must be at most {MOST_ADDONS}"));
    }
    let addons: Option<BTreeSet<AddonId>> = addon_ids
        .iter()
        .map(|addon| fields.check("event.state.addon_ids", AddonId::parse(addon)))
        .collect();
    let started_at = fields.required_instant("event.state.started_at", started_at);
    let start = fields.instant("event.state.current_period_start", current_period_start);
    let end = fields.instant("event.state.current_period_end", current_period_end);
    let span = billing_span(fields, billing_period, billing_period_count);
    let anchor_at = fields.instant("event.state.anchor_at", anchor_at);
    let zone = match time_zone.as_str() {
        "" => Some(TimeZone::UTC),
        name => fields.check("event.state.time_zone", TimeZone::parse(name)),
    };
    let trial_ends_at = fields.instant("event.state.trial_ends_at", trial_ends_at);
    if status == Some(SubscriptionStatus::Trialing) && trial_ends_at == Some(None) {
        fields.note("event.state.trial_ends_at", "is missing; a trial has an end");
    }
    if let (Some(started_at), Some(Some(trial_ends_at))) = (started_at, trial_ends_at)
        && trial_ends_at < started_at
    {
        fields.note("event.state.trial_ends_at", "must not be before started_at");
    }
    let ends_at = fields.instant("event.state.ends_at", ends_at);
    if let (Some(started_at), Some(Some(ends_at))) = (started_at, ends_at)
        && ends_at < started_at
    {
        fields.note("event.state.ends_at", "must not be before started_at");
    }
    let period = match (start?, end?) {
        (Some(start), Some(end)) if end <= start => {
            fields.note("event.state.current_period_end", "must be after current_period_start");
            return None;
        }
        (Some(start), Some(end)) => Some(CyclePeriod { start, end }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            let problem = "goes with current_period_start, and that with it";
            fields.note("event.state.current_period_end", problem);
            return None;
        }
    };
    let (billing_span, zone, started_at) = (span?, zone?, started_at?);
    let from_start = Cycle { anchor_at: started_at, span: billing_span, zone };
    let anchor_at = anchor_at?.unwrap_or_else(|| match period {
        Some(period) if from_start.period_of(period.start).start != period.start => period.start,
        Some(_) | None => started_at,
    });
    let cycle = Cycle { anchor_at, span: billing_span, zone };
    let period = period.unwrap_or(cycle.period_of(effective_at?));
    Some(SubscriptionState {
        status: status?,
        plan: plan?,
        addons: addons?,
        started_at,
        period,
        anchor_at,
        billing_span,
        zone,
        trial_ends_at: trial_ends_at?,
        ends_at: ends_at?,
    })
}

fn status(fields: &mut Fields, status: i32) -> Option<SubscriptionStatus> {
    use v1::SubscriptionStatus as Status;
    match Status::try_from(status).unwrap_or_default() {
        Status::Unspecified => {
            fields.note("event.state.status", "is not known");
            None
        }
        Status::Trialing => Some(SubscriptionStatus::Trialing),
        Status::Active => Some(SubscriptionStatus::Active),
        Status::Paused => Some(SubscriptionStatus::Paused),
        Status::Cancelled => Some(SubscriptionStatus::Cancelled),
    }
}

fn billing_span(fields: &mut Fields, period: i32, count: i32) -> Option<CalendarSpan> {
    use v1::BillingPeriod as Period;
    let unit = match Period::try_from(period) {
        Ok(Period::Unspecified | Period::Monthly) => SpanUnit::Month,
        Ok(Period::Daily) => SpanUnit::Day,
        Ok(Period::Weekly) => SpanUnit::Week,
        Ok(Period::Quarterly) => SpanUnit::Quarter,
        Ok(Period::HalfYearly) => SpanUnit::HalfYear,
        Ok(Period::Annual) => SpanUnit::Year,
        Err(_) => {
            fields.note("event.state.billing_period", "is not known");
            return None;
        }
    };
    let count = if count == 0 { 1 } else { count };
    let Ok(count) = u32::try_from(count) else {
        fields.note("event.state.billing_period_count", "must not be negative");
        return None;
    };
    fields.check("event.state.billing_period_count", CalendarSpan::new(unit, count))
}

/// The source of a stream.
pub fn stream_source(message: v1::GetStreamPositionRequest) -> Result<SourceName, Status> {
    let v1::GetStreamPositionRequest { source } = message;
    let mut fields = Fields::default();
    let source = fields.check("source", SourceName::parse(&source));
    fields.finish(source)
}

/// A subscription.
pub fn get_subscription(
    caller: &Caller,
    message: v1::GetSubscriptionRequest,
) -> Result<SubscriptionName, Status> {
    let v1::GetSubscriptionRequest { account, subscription_id } = message;
    let mut fields = Fields::default();
    let name = name(&mut fields, caller, &account, &subscription_id);
    fields.finish(name)
}

/// A subscription, and until when its applications are listed.
pub fn list_applications(
    caller: &Caller,
    message: v1::ListApplicationsRequest,
) -> Result<(SubscriptionName, Option<Timestamp>), Status> {
    let v1::ListApplicationsRequest { account, subscription_id, until } = message;
    let mut fields = Fields::default();
    let name = name(&mut fields, caller, &account, &subscription_id);
    let until = fields.instant("until", until);
    fields.finish(name.zip(until))
}

/// A page of failures.
pub fn list_failed_applications(
    caller: &Caller,
    message: v1::ListFailedApplicationsRequest,
) -> Result<(FailedQuery, page::Query), Status> {
    let v1::ListFailedApplicationsRequest { page_size, page_token } = message;
    let query =
        page::Query::of("ListFailedApplications", &v1::ListFailedApplicationsRequest::default());
    let mut fields = Fields::default();
    let most = fields.take(page::size(page_size));
    let cursor = fields.take(query.cursor(&page_token)).flatten();
    let after = cursor.map(|cursor| failed_cursor(caller, &cursor).ok_or("is not one of ours"));
    let after = fields.check_optional("page_token", after);
    let namespace_id = caller.namespace_id;
    let parsed = (|| Some(FailedQuery { namespace_id, after: after?, most: most? }))();
    Ok((fields.finish(parsed)?, query))
}

/// The place of a failure in the list, as a cursor.
pub fn failed_place(name: &SubscriptionName, kept: &KeptApplication) -> String {
    let ApplicationId { rule, period_start } = kept.id;
    // Names have no control characters.
    format!("{}\n{}\n{rule}\n{}", name.account, name.id, period_start.micros())
}

fn failed_cursor(caller: &Caller, cursor: &str) -> Option<(SubscriptionName, ApplicationId)> {
    let mut parts = cursor.split('\n');
    let account = AccountName::parse(parts.next()?).ok()?;
    let id = SubscriptionId::parse(parts.next()?).ok()?;
    let rule = RuleId::from_uuid(Uuid::parse_str(parts.next()?).ok()?);
    let period_start = Timestamp::from_micros(parts.next()?.parse().ok()?);
    let name = SubscriptionName::new(caller.namespace_id, account, id);
    Some((name, ApplicationId { rule, period_start }))
}

/// An application that is to be tried once more.
pub fn retry_application(
    caller: &Caller,
    message: v1::RetryApplicationRequest,
) -> Result<(SubscriptionName, ApplicationId), Status> {
    let v1::RetryApplicationRequest { account, subscription_id, rule_id, period_start } = message;
    let mut fields = Fields::default();
    let name = name(&mut fields, caller, &account, &subscription_id);
    let rule = fields.check("rule_id", Uuid::parse_str(&rule_id).map_err(|_| "is no UUID"));
    let period_start = fields.instant("period_start", period_start);
    // Of a rule that grants once.
    let period_start = period_start.map(|start| start.unwrap_or(Timestamp::FIRST));
    let id = rule
        .zip(period_start)
        .map(|(rule, period_start)| ApplicationId { rule: RuleId::from_uuid(rule), period_start });
    fields.finish(name.zip(id))
}

/// A subscription, as of when it is looked at, and whether what is missing is brought about.
pub fn reconcile_subscription(
    caller: &Caller,
    message: v1::ReconcileSubscriptionRequest,
) -> Result<(SubscriptionName, Option<Timestamp>, bool), Status> {
    let v1::ReconcileSubscriptionRequest { account, subscription_id, as_of, apply } = message;
    let mut fields = Fields::default();
    let name = name(&mut fields, caller, &account, &subscription_id);
    let as_of = fields.instant("as_of", as_of);
    if apply && as_of.flatten().is_some() {
        fields
            .note("as_of", "does not go with apply: what is brought about is what is missing now");
    }
    fields.finish((|| Some((name?, as_of?, apply)))())
}

fn name(
    fields: &mut Fields,
    caller: &Caller,
    account: &str,
    subscription_id: &str,
) -> Option<SubscriptionName> {
    let account = fields.check("account", AccountName::parse(account));
    let id = fields.check("subscription_id", SubscriptionId::parse(subscription_id));
    Some(SubscriptionName::new(caller.namespace_id, account?, id?))
}
