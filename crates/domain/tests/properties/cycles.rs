//! Cycles and expiries of rules, held against a calendar that is walked day by day.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use chrono::{
    DateTime, Datelike as _, Days, NaiveDate, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _,
};
use chrono_tz::Tz;
use proptest::prelude::*;
use purse_domain::{Billing, CalendarSpan, Cycle, ExpirySettings, SpanUnit, TimeZone, Timestamp};

const MINUTE: i64 = 60_000_000;

/// Zones that have had all sorts of changes since 1975: an hour, half of one, two, at midnight, twice a year around
/// Ramadan, to the other side of the date line.
const ZONES: [&str; 13] = [
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Europe/Dublin",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "America/Sao_Paulo",
    "America/Havana",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Antarctica/Troll",
    "Pacific/Apia",
    "Pacific/Kwajalein",
];

const UNITS: [SpanUnit; 6] = [
    SpanUnit::Day,
    SpanUnit::Week,
    SpanUnit::Month,
    SpanUnit::Quarter,
    SpanUnit::HalfYear,
    SpanUnit::Year,
];

fn shown(zone: Tz, at: Timestamp) -> NaiveDateTime {
    let at = DateTime::from_timestamp_micros(at.micros()).unwrap();
    at.with_timezone(&zone).naive_local()
}

/// The first minute at which the clocks show this or later: where they skip it, where they go on; where they show it
/// twice, the first. Minute by minute, unless nothing changes for a day before and after.
fn first_showing(zone: Tz, target: NaiveDateTime) -> Timestamp {
    let offset = |days| {
        let near = target + TimeDelta::days(days);
        zone.offset_from_utc_datetime(&near).fix().local_minus_utc()
    };
    let target_micros = target.and_utc().timestamp_micros();
    if [-2, -1, 0, 1, 2].iter().all(|days| offset(*days) == offset(-2)) {
        return Timestamp::from_micros(target_micros - i64::from(offset(0)) * 1_000_000);
    }
    let minutes = (-36 * 60..=36 * 60).map(|minute| target_micros + minute * MINUTE);
    let mut minutes = minutes.map(Timestamp::from_micros);
    minutes.find(|minute| shown(zone, *minute) >= target).unwrap()
}

/// Whether a date is so many spans of a unit from another: asked of each day in turn.
struct Walk {
    from: NaiveDate,
    unit: SpanUnit,
    count: u32,
    days: i64,
}

impl Walk {
    fn ends_a_span(&self, date: NaiveDate) -> bool {
        let months = match self.unit {
            SpanUnit::Day => return self.days % i64::from(self.count) == 0,
            SpanUnit::Week => return self.days % (7 * i64::from(self.count)) == 0,
            SpanUnit::Month => 1,
            SpanUnit::Quarter => 3,
            SpanUnit::HalfYear => 6,
            SpanUnit::Year => 12,
        };
        let month_of = |date: NaiveDate| date.year() * 12 + date.month0().cast_signed();
        let apart = month_of(date) - month_of(self.from);
        let is_last = (date + Days::new(1)).day() == 1;
        let is_day = date.day() == self.from.day() || is_last && date.day() < self.from.day();
        is_day && apart % (months * self.count.cast_signed()) == 0
    }
}

/// The bounds of a cycle for so many days before its anchor and after it, by number, with the date that each is of.
fn slow_bounds(cycle: &Cycle, zone: Tz, days: i64) -> Vec<(i64, Timestamp, NaiveDateTime)> {
    let anchor = shown(zone, cycle.anchor_at);
    let mut bounds = vec![(0, cycle.anchor_at, anchor)];
    for step in [1, -1] {
        let (mut date, mut number) = (anchor.date(), 0);
        let (unit, count) = (cycle.span.unit(), cycle.span.count());
        let mut walk = Walk { from: anchor.date(), unit, count, days: 0 };
        while walk.days < days {
            date += TimeDelta::days(step);
            walk.days += 1;
            if walk.ends_a_span(date) {
                number += step;
                let local = date.and_time(anchor.time());
                bounds.push((number, first_showing(zone, local), local));
            }
        }
    }
    bounds.sort_by_key(|(number, _, _)| *number);
    bounds
}

fn slow_after(zone: Tz, at: Timestamp, span: CalendarSpan) -> Timestamp {
    let local = shown(zone, at);
    let mut date = local.date();
    let mut walk = Walk { from: date, unit: span.unit(), count: span.count(), days: 0 };
    loop {
        date = date + Days::new(1);
        walk.days += 1;
        if walk.ends_a_span(date) {
            return first_showing(zone, date.and_time(local.time()));
        }
    }
}

fn slow_expiry(
    settings: ExpirySettings,
    at: Timestamp,
    zone: Tz,
    bounds: &[(i64, Timestamp, NaiveDateTime)],
) -> Option<Timestamp> {
    match settings {
        ExpirySettings::Never => None,
        ExpirySettings::Duration(span) => Some(slow_after(zone, at, span)),
        ExpirySettings::BillingCycle { reset_at_period_end, cycle_count } => {
            let ends = bounds.iter().map(|(_, bound, _)| *bound).filter(|bound| *bound > at);
            let end = ends.take(cycle_count.get() as usize).last().unwrap();
            Some(end.plus_micros(if reset_at_period_end { 0 } else { 1_000_000 }))
        }
    }
}

/// Anchors of days 29 to 31 as often as all others, by the clocks of the zone, from 1998 to 2003.
fn local() -> impl Strategy<Value = NaiveDateTime> {
    let day = prop_oneof![1_u32..=28, 29_u32..=31];
    let minute = prop_oneof![Just(0), 0_i64..24 * 60];
    (1998..=2003, 1_u32..=12, day, minute).prop_map(|(year, month, day, minute)| {
        let date = (1..=day).rev().find_map(|day| NaiveDate::from_ymd_opt(year, month, day));
        date.unwrap().and_hms_opt(0, 0, 0).unwrap() + TimeDelta::minutes(minute)
    })
}

fn span() -> impl Strategy<Value = CalendarSpan> {
    (0..UNITS.len(), 1_u32..=4)
        .prop_map(|(unit, count)| CalendarSpan::new(UNITS[unit], count).unwrap())
}

/// A zone, as the slow model and as the domain know it, and a cycle in it.
fn cycle() -> impl Strategy<Value = (Tz, Cycle)> {
    (0..ZONES.len(), local(), span()).prop_map(|(name, local, span)| {
        let zone: Tz = ZONES[name].parse().unwrap();
        let anchor_at = first_showing(zone, local);
        (zone, Cycle { anchor_at, span, zone: TimeZone::parse(ZONES[name]).unwrap() })
    })
}

fn settings() -> impl Strategy<Value = ExpirySettings> {
    prop_oneof![
        1 => Just(ExpirySettings::Never),
        4 => span().prop_map(ExpirySettings::Duration),
        4 => (any::<bool>(), 1_u32..=3).prop_map(|(reset_at_period_end, cycle_count)| {
            let cycle_count = cycle_count.try_into().unwrap();
            ExpirySettings::BillingCycle { reset_at_period_end, cycle_count }
        }),
    ]
}

proptest! {
    #![proptest_config(super::cases(32))]

    /// Over 50 years, half of them before the anchor.
    #[test]
    fn bounds_are_those_of_a_calendar_walked_day_by_day((zone, cycle) in cycle()) {
        let bounds = slow_bounds(&cycle, zone, 25 * 365);
        for (number, bound, _) in &bounds {
            prop_assert_eq!(cycle.bound(*number), *bound, "number {}", number);
        }
        for pair in bounds.windows(2) {
            let ((number, start, local), (_, end, _)) = (pair[0], pair[1]);
            // A date that the zone leaves out has no instant, and its period is empty.
            let is_left_out = shown(zone, start).date() != local.date();
            prop_assert!(start < end || is_left_out && start == end, "{} to {}", start, end);
            if start < end {
                prop_assert_eq!(cycle.number_of(start), number);
                prop_assert_eq!(cycle.number_of(end.plus_micros(-1)), number);
                prop_assert_eq!(cycle.period_of(start).start, start);
                prop_assert_eq!(cycle.period_of(start).end, end);
            }
        }
    }

    #[test]
    fn a_span_ends_where_a_calendar_walked_day_by_day_says(
        (zone, cycle) in cycle(),
        minutes in 0_i64..25 * 365 * 24 * 60,
    ) {
        let at = cycle.anchor_at.plus_micros(minutes * MINUTE);
        let end = cycle.span.after(at, cycle.zone);
        prop_assert_eq!(end, slow_after(zone, at, cycle.span));
        prop_assert!(at < end);
    }

    /// Grants of one cycle that expire by another one: the calculator's three answers about all of them.
    #[test]
    fn expiries_are_those_of_a_calendar_walked_day_by_day(
        (zone, billing) in cycle(),
        grants in span(),
        settings in settings(),
        since_anchor in 0_i64..500 * 24 * 60,
        (minutes, at_an_expiry) in (0_i64..900 * 24 * 60, any::<bool>()),
    ) {
        let bounds = slow_bounds(&billing, zone, 30 * 365);
        let grants = Cycle { span: grants, ..billing };
        let billing = Billing { cycle: billing };
        let first = grants.anchor_at.plus_micros(since_anchor * MINUTE);
        let later = slow_bounds(&grants, zone, 10 * 365).into_iter().map(|(_, bound, _)| bound);
        let effective: Vec<_> =
            [first].into_iter().chain(later.filter(|bound| *bound > first)).collect();
        let expiries: Vec<_> = effective
            .iter()
            .map(|at| slow_expiry(settings, *at, zone, &bounds))
            .collect();
        let mut now = first.plus_micros(minutes * MINUTE);
        if at_an_expiry {
            // The last microsecond before an expiry, where rules about time go wrong.
            let next = expiries.iter().flatten().find(|expiry| **expiry > now);
            now = next.map_or(now, |next| next.plus_micros(-1));
        }
        for (at, expiry) in effective.iter().zip(&expiries) {
            prop_assert_eq!(settings.expires_at(*at, &billing), *expiry, "from {}", at);
            let is_expired = expiry.is_some_and(|expiry| expiry <= now);
            prop_assert_eq!(settings.is_expired(*at, &billing, now), is_expired);
            prop_assert!(expiry.is_none_or(|expiry| expiry > *at));
        }
        let next = expiries.iter().flatten().filter(|expiry| **expiry > now).min();
        prop_assert_eq!(settings.next_expires_at(&grants, first, &billing, now), next.copied());
    }
}
