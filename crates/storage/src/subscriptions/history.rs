//! A subscription's events as JSON, in its row.

use std::collections::BTreeSet;

use purse_domain::{
    AddonId, CalendarSpan, CyclePeriod, PlanId, Subscription, SubscriptionEvent,
    SubscriptionEventKind, SubscriptionState, SubscriptionStatus, TimeZone, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::{
    StorageError,
    words::{UnitWord, words},
};

words!(KindWord for SubscriptionEventKind: Started, TrialStarted, Renewed, PlanChanged, BillingDateChanged, Paused, Resumed, Cancelled);
words!(StatusWord for SubscriptionStatus: Trialing, Active, Paused, Cancelled);

/// An event. Names are short, because there are many.
#[derive(Debug, Serialize, Deserialize)]
struct EventJson {
    version: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<i64>,
    kind: KindWord,
    at: i64,
    heard: i64,
    status: StatusWord,
    plan: String,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    addons: BTreeSet<String>,
    started: i64,
    period: (i64, i64),
    anchor: i64,
    span: (UnitWord, u32),
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
            kind: (*kind).into(),
            at: effective_at.micros(),
            heard: recorded_at.micros(),
            status: (*status).into(),
            plan: plan.as_str().to_owned(),
            addons: addons.iter().map(|addon| addon.as_str().to_owned()).collect(),
            started: started_at.micros(),
            period: (period.start.micros(), period.end.micros()),
            anchor: anchor_at.micros(),
            span: (billing_span.unit().into(), billing_span.count()),
            zone: zone.name().to_owned(),
            trial_end: trial_ends_at.map(Timestamp::micros),
            end: ends_at.map(Timestamp::micros),
        }
    }

    fn event(self) -> Result<SubscriptionEvent, StorageError> {
        let at = Timestamp::from_micros;
        let (unit, count) = self.span;
        let billing_span = CalendarSpan::new(unit.into(), count).map_err(|_| corrupt())?;
        let state = SubscriptionState {
            status: self.status.into(),
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
            kind: self.kind.into(),
            effective_at: at(self.at),
            state,
            recorded_at: at(self.heard),
        })
    }
}

fn corrupt() -> StorageError {
    StorageError::Corrupt("a subscription's history".to_owned())
}
