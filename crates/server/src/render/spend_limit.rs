//! Spend limits, and how much of them is used.

use purse_domain::{
    CalendarUnit, LimitUsage, LimitWindow, RollingSpan, Share, SignedAmount, SpendLimit, TimeZone,
};
use purse_proto::v1;
use purse_storage::{SpendLimitRecord, SpendLimitsAt};

use super::instant;

const MICROS_PER_SECOND: i64 = 1_000_000;

/// A limit.
pub fn spend_limit(limit: &SpendLimit) -> v1::SpendLimit {
    let SpendLimit { name, amount, actor, operation, window } = limit;
    let (actor, each_actor) = share(actor);
    let (operation, each_operation) = share(operation);
    v1::SpendLimit {
        name: name.to_string(),
        amount: amount.to_string(),
        actor,
        each_actor,
        operation,
        each_operation,
        window: Some(match window {
            LimitWindow::Rolling(span) => v1::spend_limit::Window::Rolling(duration(*span)),
            LimitWindow::Calendar(unit, zone) => {
                v1::spend_limit::Window::Calendar(calendar_window(*unit, *zone))
            }
        }),
    }
}

/// The limits of a wallet with what is used of them.
pub fn spend_limits(found: &SpendLimitsAt) -> v1::ListSpendLimitsResponse {
    let SpendLimitsAt { at, records } = found;
    v1::ListSpendLimitsResponse {
        limits: records.iter().map(usage).collect(),
        at: Some(instant(*at)),
    }
}

fn usage(record: &SpendLimitRecord) -> v1::SpendLimitUsage {
    let SpendLimitRecord { limit, usage } = record;
    let rendered = Some(spend_limit(limit));
    let Some(LimitUsage { spent, held, window_start, frees_at }) = usage else {
        return v1::SpendLimitUsage { limit: rendered, ..Default::default() };
    };
    let used = *spent + *held;
    let left: SignedAmount = limit.amount.signed() - used.signed();
    v1::SpendLimitUsage {
        limit: rendered,
        used: used.to_string(),
        spent: spent.to_string(),
        held: held.to_string(),
        left: left.or_nothing().to_string(),
        window_start: Some(instant(*window_start)),
        frees_at: frees_at.map(instant),
    }
}

fn share<T: ToString>(share: &Share<T>) -> (String, bool) {
    match share {
        Share::All => (String::new(), false),
        Share::Only(one) => (one.to_string(), false),
        Share::Each => (String::new(), true),
    }
}

/// A window of the calendar.
pub(super) fn calendar_window(unit: CalendarUnit, zone: TimeZone) -> v1::CalendarWindow {
    v1::CalendarWindow { unit: calendar_unit(unit).into(), time_zone: zone.to_string() }
}

/// The length of a rolling window.
pub(super) fn duration(span: RollingSpan) -> prost_types::Duration {
    let micros = span.micros();
    let nanos = i32::try_from(micros % MICROS_PER_SECOND * 1_000).unwrap_or(0);
    prost_types::Duration { seconds: micros / MICROS_PER_SECOND, nanos }
}

fn calendar_unit(unit: CalendarUnit) -> v1::CalendarUnit {
    match unit {
        CalendarUnit::Day => v1::CalendarUnit::Day,
        CalendarUnit::Week => v1::CalendarUnit::Week,
        CalendarUnit::Month => v1::CalendarUnit::Month,
        CalendarUnit::Year => v1::CalendarUnit::Year,
    }
}
