//! A subscription's events as JSON, in its row.

use std::collections::BTreeSet;

use purse_domain::{
    AddonId, CalendarSpan, CyclePeriod, PlanId, SpanUnit, Subscription, SubscriptionEvent,
    SubscriptionEventKind, SubscriptionState, SubscriptionStatus, TimeZone, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::StorageError;

/// An event. Names are short, because there are many.
#[derive(Debug, Serialize, Deserialize)]
struct EventJson {
    version: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<i64>,
    kind: u8,
    at: i64,
    heard: i64,
    status: u8,
    plan: String,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    addons: BTreeSet<String>,
    started: i64,
    period: (i64, i64),
    anchor: i64,
    span: (u8, u32),
    zone: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trial_end: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<i64>,
}

/// The events for the row.
pub(super) fn json(subscription: &Subscription) -> Result<serde_json::Value, StorageError> {
    let events: Vec<EventJson> = subscription.events().iter().map(EventJson::of).collect();
    serde_json::to_value(events).map_err(|_| corrupt())
}

/// The events of a row.
pub(super) fn subscription(history: serde_json::Value) -> Result<Subscription, StorageError> {
    let events: Vec<EventJson> = serde_json::from_value(history).map_err(|_| corrupt())?;
    let events = events.into_iter().map(EventJson::event).collect::<Result<_, _>>()?;
    Ok(Subscription::of(events))
}

impl EventJson {
    fn of(event: &SubscriptionEvent) -> Self {
        let SubscriptionEvent { version, previous_version, kind, effective_at, state, recorded_at } =
            event;
        let SubscriptionState {
            status,
            plan,
            addons,
            started_at,
            period,
            anchor_at,
            billing_span,
            zone,
            trial_ends_at,
            ends_at,
        } = state;
        Self {
            version: *version,
            previous: *previous_version,
            kind: kind_code(*kind),
            at: effective_at.micros(),
            heard: recorded_at.micros(),
            status: status_code(*status),
            plan: plan.as_str().to_owned(),
            addons: addons.iter().map(|addon| addon.as_str().to_owned()).collect(),
            started: started_at.micros(),
            period: (period.start.micros(), period.end.micros()),
            anchor: anchor_at.micros(),
            span: (unit_code(billing_span.unit()), billing_span.count()),
            zone: zone.name().to_owned(),
            trial_end: trial_ends_at.map(Timestamp::micros),
            end: ends_at.map(Timestamp::micros),
        }
    }

    fn event(self) -> Result<SubscriptionEvent, StorageError> {
        let at = Timestamp::from_micros;
        let (unit, count) = self.span;
        let billing_span = CalendarSpan::new(unit_of(unit)?, count).map_err(|_| corrupt())?;
        let state = SubscriptionState {
            status: status_of(self.status)?,
            plan: PlanId::from_stored(self.plan),
            addons: self.addons.into_iter().map(AddonId::from_stored).collect(),
            started_at: at(self.started),
            period: CyclePeriod { start: at(self.period.0), end: at(self.period.1) },
            anchor_at: at(self.anchor),
            billing_span,
            zone: TimeZone::parse(&self.zone).map_err(|_| corrupt())?,
            trial_ends_at: self.trial_end.map(at),
            ends_at: self.end.map(at),
        };
        Ok(SubscriptionEvent {
            version: self.version,
            previous_version: self.previous,
            kind: kind_of(self.kind)?,
            effective_at: at(self.at),
            state,
            recorded_at: at(self.heard),
        })
    }
}

fn corrupt() -> StorageError {
    StorageError::Corrupt("a subscription's history".to_owned())
}

fn kind_code(kind: SubscriptionEventKind) -> u8 {
    match kind {
        SubscriptionEventKind::Started => 1,
        SubscriptionEventKind::TrialStarted => 2,
        SubscriptionEventKind::Renewed => 3,
        SubscriptionEventKind::PlanChanged => 4,
        SubscriptionEventKind::BillingDateChanged => 5,
        SubscriptionEventKind::Paused => 6,
        SubscriptionEventKind::Resumed => 7,
        SubscriptionEventKind::Cancelled => 8,
    }
}

fn kind_of(code: u8) -> Result<SubscriptionEventKind, StorageError> {
    match code {
        1 => Ok(SubscriptionEventKind::Started),
        2 => Ok(SubscriptionEventKind::TrialStarted),
        3 => Ok(SubscriptionEventKind::Renewed),
        4 => Ok(SubscriptionEventKind::PlanChanged),
        5 => Ok(SubscriptionEventKind::BillingDateChanged),
        6 => Ok(SubscriptionEventKind::Paused),
        7 => Ok(SubscriptionEventKind::Resumed),
        8 => Ok(SubscriptionEventKind::Cancelled),
        _ => Err(corrupt()),
    }
}

fn status_code(status: SubscriptionStatus) -> u8 {
    match status {
        SubscriptionStatus::Trialing => 1,
        SubscriptionStatus::Active => 2,
        SubscriptionStatus::Paused => 3,
        SubscriptionStatus::Cancelled => 4,
    }
}

fn status_of(code: u8) -> Result<SubscriptionStatus, StorageError> {
    match code {
        1 => Ok(SubscriptionStatus::Trialing),
        2 => Ok(SubscriptionStatus::Active),
        3 => Ok(SubscriptionStatus::Paused),
        4 => Ok(SubscriptionStatus::Cancelled),
        _ => Err(corrupt()),
    }
}

fn unit_code(unit: SpanUnit) -> u8 {
    match unit {
        SpanUnit::Day => 1,
        SpanUnit::Week => 2,
        SpanUnit::Month => 3,
        SpanUnit::Quarter => 4,
        SpanUnit::HalfYear => 5,
        SpanUnit::Year => 6,
    }
}

fn unit_of(code: u8) -> Result<SpanUnit, StorageError> {
    match code {
        1 => Ok(SpanUnit::Day),
        2 => Ok(SpanUnit::Week),
        3 => Ok(SpanUnit::Month),
        4 => Ok(SpanUnit::Quarter),
        5 => Ok(SpanUnit::HalfYear),
        6 => Ok(SpanUnit::Year),
        _ => Err(corrupt()),
    }
}
