//! Subscriptions and applications.

use purse_domain::{
    Answered, Application, ApplicationState, Applied, Awaited, Heard, KeptApplication, Purpose,
    Skipped, SpanUnit, SubscriptionState, SubscriptionStatus, Timestamp,
};
use purse_proto::v1;
use purse_storage::subscriptions::{FailedApplication, FailedQuery, SubscriptionRecord};
use tonic::Status;

use super::{instant, item_error};
use crate::{page, parse, status, subscriptions::BroughtAbout};

/// What became of an event; an error if it was refused.
pub fn event_outcome(brought: &BroughtAbout) -> Result<v1::EventOutcome, Status> {
    let waits = |application: &Application| {
        matches!(application.state, ApplicationState::Waiting { awaited: Awaited::Earlier, .. })
    };
    match brought.heard {
        Some(Heard::Newest) if brought.applications.iter().any(waits) => {
            Ok(v1::EventOutcome::Deferred)
        }
        Some(Heard::Newest) | None => Ok(v1::EventOutcome::Applied),
        Some(Heard::Older | Heard::Forgotten) => Ok(v1::EventOutcome::Stale),
        Some(Heard::Known) => Ok(v1::EventOutcome::Duplicate),
        Some(Heard::Contradicts) => Err(status::version_contradicted()),
    }
}

/// The applications that were granted upon something.
pub fn applied(brought: &BroughtAbout) -> Vec<v1::Application> {
    let made =
        brought.done.iter().filter_map(|done| match (&done.action.purpose, &done.answered) {
            (Purpose::Apply, Answered::Granted(applied)) => Some((&done.action, applied)),
            (Purpose::Apply | Purpose::Close(_) | Purpose::TakeBack(_), _) => None,
        });
    let made = made.map(|(action, applied)| {
        let id = action.application;
        let at_hand = brought.applications.iter().find(|application| application.id == id);
        // One of a period that is over is no longer at hand.
        at_hand.map_or_else(
            || {
                kept_application(&KeptApplication {
                    id,
                    period: action.period,
                    asset: action.asset.clone(),
                    recorded_at: applied.window.effective_at(),
                    taken_back: action.taken_back,
                    state: ApplicationState::Applied(applied.clone()),
                })
            },
            application,
        )
    });
    made.collect()
}

/// The acknowledgement of an event; an error if it cannot be acknowledged, and must be sent again.
pub fn acknowledgement(
    event_id: &str,
    brought: Result<BroughtAbout, Status>,
) -> Result<v1::StreamSubscriptionEventsResponse, Status> {
    let event_id = event_id.to_owned();
    let outcome = brought.and_then(|brought| Ok((event_outcome(&brought)?, applied(&brought))));
    match outcome {
        Ok((outcome, applied)) => Ok(v1::StreamSubscriptionEventsResponse {
            event_id,
            outcome: outcome.into(),
            applied,
            error: None,
        }),
        Err(refused) if status::is_final(&refused) => Ok(v1::StreamSubscriptionEventsResponse {
            event_id,
            outcome: v1::EventOutcome::Rejected.into(),
            applied: Vec::new(),
            error: Some(item_error(&refused)),
        }),
        Err(refused) => Err(refused),
    }
}

/// A subscription as its events say it is.
pub fn subscription(record: &SubscriptionRecord) -> v1::GetSubscriptionResponse {
    let newest = record.subscription.newest();
    v1::GetSubscriptionResponse {
        version: newest.map_or(0, |event| event.version),
        state: newest.map(|event| state(&event.state)),
        effective_at: newest.map(|event| instant(event.effective_at)),
        next_due_at: record.next_due_at.map(instant),
        updated_at: Some(instant(record.updated_at)),
    }
}

fn state(state: &SubscriptionState) -> v1::SubscriptionState {
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
    let status = match status {
        SubscriptionStatus::Trialing => v1::SubscriptionStatus::Trialing,
        SubscriptionStatus::Active => v1::SubscriptionStatus::Active,
        SubscriptionStatus::Paused => v1::SubscriptionStatus::Paused,
        SubscriptionStatus::Cancelled => v1::SubscriptionStatus::Cancelled,
    };
    let billing_period = match billing_span.unit() {
        SpanUnit::Day => v1::BillingPeriod::Daily,
        SpanUnit::Week => v1::BillingPeriod::Weekly,
        SpanUnit::Month => v1::BillingPeriod::Monthly,
        SpanUnit::Quarter => v1::BillingPeriod::Quarterly,
        SpanUnit::HalfYear => v1::BillingPeriod::HalfYearly,
        SpanUnit::Year => v1::BillingPeriod::Annual,
    };
    v1::SubscriptionState {
        status: status.into(),
        plan_id: plan.to_string(),
        addon_ids: addons.iter().map(ToString::to_string).collect(),
        started_at: Some(instant(*started_at)),
        current_period_start: Some(instant(period.start)),
        current_period_end: Some(instant(period.end)),
        billing_period: billing_period.into(),
        // At most a hundred years of days.
        billing_period_count: i32::try_from(billing_span.count()).unwrap_or(i32::MAX),
        anchor_at: Some(instant(*anchor_at)),
        time_zone: zone.name().to_owned(),
        trial_ends_at: trial_ends_at.map(instant),
        ends_at: ends_at.map(instant),
    }
}

/// An application of a schedule.
pub fn application(application: &Application) -> v1::Application {
    let Application { id, period, due_at, asset, amount, effective_at, expires_at, state } =
        application;
    let due_at = if let ApplicationState::Waiting { until, .. } = state { *until } else { *due_at };
    v1::Application {
        rule_id: id.rule.to_string(),
        period_start: bound(id.period_start),
        period_end: bound(period.end),
        asset: asset.to_string(),
        amount: amount.to_string(),
        effective_at: Some(instant(*effective_at)),
        expires_at: expires_at.map(instant),
        due_at: Some(instant(due_at)),
        ..fate(state)
    }
}

/// An application as far as it is kept.
fn kept_application(kept: &KeptApplication) -> v1::Application {
    let KeptApplication { id, period, asset, recorded_at: _, taken_back: _, state } = kept;
    let amount = state.applied().map(|applied| applied.amount.to_string()).unwrap_or_default();
    let window = state.applied().map(|applied| applied.window);
    v1::Application {
        rule_id: id.rule.to_string(),
        period_start: bound(id.period_start),
        period_end: bound(period.end),
        asset: asset.to_string(),
        amount,
        effective_at: window.map(|window| instant(window.effective_at())),
        expires_at: window.and_then(purse_domain::Window::expires_at).map(instant),
        ..fate(state)
    }
}

/// A bound of a period; `None`: it has none, as what happens once.
fn bound(at: Timestamp) -> Option<prost_types::Timestamp> {
    (Timestamp::FIRST < at && at < Timestamp::LAST).then(|| instant(at))
}

/// What has become of an application, and nothing else.
fn fate(state: &ApplicationState) -> v1::Application {
    let of = |state: v1::ApplicationState, reason: &str| v1::Application {
        state: state.into(),
        reason: reason.to_owned(),
        ..Default::default()
    };
    match state {
        ApplicationState::Pending | ApplicationState::Due => of(v1::ApplicationState::Pending, ""),
        ApplicationState::Waiting { .. } => of(v1::ApplicationState::Deferred, ""),
        ApplicationState::Applied(Applied { grant, transaction, .. }) => v1::Application {
            grant_number: grant.0,
            transaction_id: transaction.to_string(),
            ..of(v1::ApplicationState::Applied, "")
        },
        ApplicationState::Failed(failed) => v1::Application {
            attempts: i32::try_from(failed.attempts).unwrap_or(i32::MAX),
            next_attempt_at: failed.next_attempt_at.map(instant),
            ..of(v1::ApplicationState::Failed, &failed.reason)
        },
        ApplicationState::Skipped(why) => {
            let why = match why {
                Skipped::ExpiredOnArrival => "EXPIRED_ON_ARRIVAL",
                Skipped::AlreadyGranted => "ALREADY_GRANTED",
                Skipped::Missed => "MISSED",
                Skipped::NothingLeft => "NOTHING_LEFT",
            };
            of(v1::ApplicationState::Skipped, why)
        }
        ApplicationState::Cancelled => of(v1::ApplicationState::Cancelled, ""),
    }
}

/// A page of failures.
pub fn failed_applications(
    found: &[FailedApplication],
    query: &FailedQuery,
    page: &page::Query,
) -> v1::ListFailedApplicationsResponse {
    let is_full = i64::try_from(found.len()).is_ok_and(|found| found >= query.most);
    let last = found.last().filter(|_| is_full);
    let next = last.map(|last| page.token(&parse::failed_place(&last.name, &last.kept)));
    let applications = found.iter().map(|failed| v1::FailedApplication {
        account: failed.name.account.to_string(),
        subscription_id: failed.name.id.to_string(),
        application: Some(kept_application(&failed.kept)),
    });
    v1::ListFailedApplicationsResponse {
        applications: applications.collect(),
        next_page_token: next.unwrap_or_default(),
    }
}
