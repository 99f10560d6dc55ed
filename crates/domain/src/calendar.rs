//! The calendar: when a local day, week, month or year begins in a time zone. Pure; the IANA database comes
//! with the build.
//!
//! A local date begins at the first instant at which the clocks of the zone show its midnight or later:
//!
//! * if clocks skip midnight, it begins where they go on;
//! * if midnight comes twice, it begins with the first one, and what is repeated of the evening before belongs
//!   to the new date;
//! * a date that a zone leaves out has no instant.
//!
//! So the periods of a unit follow each other without gap and overlap, and a day may have 23, 24 or 25 hours.

use std::fmt;

use chrono::{
    DateTime, Datelike as _, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeZone as _, Utc,
};
use chrono_tz::{GapInfo, Tz};
use thiserror::Error;

use crate::Timestamp;

/// 0001-01-02T00:00:00Z: the calendar has dates on both sides of it in every zone.
const FIRST: Timestamp = Timestamp::from_micros(-62_135_510_400_000_000);
/// 9999-12-30T00:00:00Z, likewise.
const LAST: Timestamp = Timestamp::from_micros(253_402_128_000_000_000);

/// A time zone of the IANA database.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TimeZone(Tz);

/// There is no time zone of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be a time zone such as UTC or Europe/Berlin")]
pub struct UnknownTimeZone;

impl TimeZone {
    /// The zone whose days are those of UTC.
    pub const UTC: Self = Self(Tz::UTC);

    /// The zone of a name.
    pub fn parse(name: &str) -> Result<Self, UnknownTimeZone> {
        name.parse().map(Self).map_err(|_| UnknownTimeZone)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The date that an instant belongs to.
    pub fn date_of(self, at: Timestamp) -> NaiveDate {
        let shown = self.shown_at(at).date();
        // Of a repeated evening the clocks show the date before.
        let next = day_after(shown);
        if self.start_of(next) <= at { next } else { shown }
    }

    /// The first instant of a date or, if the zone leaves it out, of the next one.
    pub fn start_of(self, date: NaiveDate) -> Timestamp {
        self.instant_of(date.and_time(NaiveTime::MIN))
    }

    /// The first instant at which the clocks show this or, if they skip it, the one where they go on.
    pub(crate) fn instant_of(self, shown: NaiveDateTime) -> Timestamp {
        let instant = self.0.from_local_datetime(&shown).earliest().or_else(|| {
            let gap = GapInfo::new(&shown, &self.0)?;
            gap.end
        });
        // Every gap of the database ends.
        let instant =
            instant.map_or_else(|| shown.and_utc(), |instant| instant.with_timezone(&Utc));
        Timestamp::from_micros(instant.timestamp_micros())
    }

    /// The period of a unit that contains an instant.
    pub fn period_of(self, unit: CalendarUnit, at: Timestamp) -> CalendarPeriod {
        let at = at.clamp(FIRST, LAST);
        let first = unit.first_date(self.date_of(at));
        CalendarPeriod {
            start: self.start_of(first),
            end: self.start_of(unit.next_first_date(first)),
        }
    }

    /// What the clocks of the zone show.
    pub(crate) fn shown_at(self, at: Timestamp) -> NaiveDateTime {
        let at = DateTime::<Utc>::from_timestamp_micros(at.clamp(FIRST, LAST).micros());
        at.unwrap_or_default().with_timezone(&self.0).naive_local()
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a calendar is divided into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CalendarUnit {
    /// From midnight to midnight.
    Day,
    /// From Monday to Sunday.
    Week,
    /// From the first of a month on.
    Month,
    /// From the first of January on.
    Year,
}

impl CalendarUnit {
    /// The first date of the period that contains a date.
    pub fn first_date(self, date: NaiveDate) -> NaiveDate {
        match self {
            Self::Day => date,
            Self::Week => {
                let since_monday = u64::from(date.weekday().num_days_from_monday());
                date.checked_sub_days(Days::new(since_monday)).unwrap_or(date)
            }
            Self::Month => date.with_day(1).unwrap_or(date),
            Self::Year => date.with_ordinal(1).unwrap_or(date),
        }
    }

    /// The first date of the period after the one that begins with `first`.
    pub fn next_first_date(self, first: NaiveDate) -> NaiveDate {
        match self {
            Self::Day => day_after(first),
            Self::Week => first.checked_add_days(Days::new(7)).unwrap_or(first),
            Self::Month => first.checked_add_months(Months::new(1)).unwrap_or(first),
            Self::Year => first.checked_add_months(Months::new(12)).unwrap_or(first),
        }
    }
}

fn day_after(date: NaiveDate) -> NaiveDate {
    date.succ_opt().unwrap_or(date)
}

/// A day, week, month or year of a zone: half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CalendarPeriod {
    /// The first instant inside.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
}

#[cfg(test)]
mod tests {
    use chrono_tz::TZ_VARIANTS;
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600_000_000;
    const MINUTE: i64 = 60_000_000;

    fn zone(name: &str) -> TimeZone {
        TimeZone::parse(name).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn period(name: &str, unit: CalendarUnit, instant: &str) -> (String, String) {
        let CalendarPeriod { start, end } = zone(name).period_of(unit, at(instant));
        (start.to_string(), end.to_string())
    }

    fn hours(name: &str, instant: &str) -> i64 {
        let CalendarPeriod { start, end } = zone(name).period_of(CalendarUnit::Day, at(instant));
        (end.micros() - start.micros()) / HOUR
    }

    fn pair(start: &str, end: &str) -> (String, String) {
        (start.to_owned(), end.to_owned())
    }

    #[test]
    fn a_day_has_23_to_25_hours() {
        assert_eq!(hours("America/New_York", "2026-03-08T12:00:00Z"), 23);
        assert_eq!(hours("America/New_York", "2026-11-01T12:00:00Z"), 25);
        assert_eq!(hours("America/New_York", "2026-06-01T12:00:00Z"), 24);
        assert_eq!(hours("UTC", "2026-03-08T12:00:00Z"), 24);
    }

    #[test]
    fn periods_are_half_open_and_local() {
        let (day, berlin) = (CalendarUnit::Day, "Europe/Berlin");
        let first = pair("2026-01-30T23:00:00Z", "2026-01-31T23:00:00Z");
        assert_eq!(period(berlin, day, "2026-01-31T22:59:59.999999Z"), first);
        let second = pair("2026-01-31T23:00:00Z", "2026-02-01T23:00:00Z");
        assert_eq!(period(berlin, day, "2026-01-31T23:00:00Z"), second);
        assert_eq!(
            period(berlin, CalendarUnit::Month, "2026-03-31T12:00:00Z"),
            pair("2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z")
        );
        assert_eq!(
            period("UTC", CalendarUnit::Year, "2024-02-29T12:00:00Z"),
            pair("2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z")
        );
    }

    #[test]
    fn weeks_begin_on_monday_and_cross_years() {
        let week = pair("2025-12-29T00:00:00Z", "2026-01-05T00:00:00Z");
        for instant in ["2025-12-29T00:00:00Z", "2026-01-01T10:00:00Z", "2026-01-04T23:59:59Z"] {
            assert_eq!(period("UTC", CalendarUnit::Week, instant), week);
        }
    }

    #[test]
    fn a_day_whose_midnight_is_skipped_begins_where_clocks_go_on() {
        // Clocks went from 00:00 to 01:00.
        let day = pair("2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z");
        assert_eq!(period("America/Sao_Paulo", CalendarUnit::Day, "2018-11-04T12:00:00Z"), day);
    }

    #[test]
    fn a_day_whose_midnight_comes_twice_begins_with_the_first() {
        // Clocks went from 01:00 back to 00:00.
        let day = pair("2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z");
        assert_eq!(period("America/Havana", CalendarUnit::Day, "2026-11-01T05:30:00Z"), day);
        // Clocks went from 00:01 back to 23:01: all of the evening that is repeated is the new day's.
        let day = pair("2006-10-29T02:30:00Z", "2006-10-30T03:30:00Z");
        for instant in ["2006-10-29T02:30:00Z", "2006-10-29T02:31:00Z", "2006-10-29T03:29:59Z"] {
            assert_eq!(period("America/St_Johns", CalendarUnit::Day, instant), day, "{instant}");
        }
    }

    #[test]
    fn a_date_that_a_zone_left_out_has_no_instant() {
        let apia = zone("Pacific/Apia");
        let date = |day| NaiveDate::from_ymd_opt(2011, 12, day).unwrap();
        assert_eq!(apia.start_of(date(30)), apia.start_of(date(31)));
        assert_eq!(apia.date_of(apia.start_of(date(30))), date(31));
        assert_eq!(apia.date_of(apia.start_of(date(30)).plus_micros(-1)), date(29));
    }

    #[test]
    fn names_are_those_of_the_iana_database() {
        assert_eq!(zone("Europe/Berlin").name(), "Europe/Berlin");
        for name in ["", "Berlin", "europe/berlin", "+01:00"] {
            assert_eq!(TimeZone::parse(name), Err(UnknownTimeZone), "{name}");
        }
    }

    #[test]
    fn no_instant_is_too_far() {
        for micros in [i64::MIN, i64::MAX] {
            for unit in UNITS {
                let at = Timestamp::from_micros(micros);
                let CalendarPeriod { start, end } = zone("Pacific/Kiritimati").period_of(unit, at);
                assert!(start < end, "{unit:?}");
            }
        }
    }

    const UNITS: [CalendarUnit; 4] =
        [CalendarUnit::Day, CalendarUnit::Week, CalendarUnit::Month, CalendarUnit::Year];

    /// The first minute around a UTC midnight at which the clocks show a date or a later one.
    fn slow_start_of(zone: TimeZone, date: NaiveDate) -> Timestamp {
        let midnight = date.and_time(NaiveTime::MIN).and_utc().timestamp_micros();
        let minutes = (-27 * 60..=27 * 60).map(|minute| midnight + minute * MINUTE);
        let mut minutes = minutes.map(Timestamp::from_micros);
        minutes.find(|minute| zone.shown_at(*minute).date() >= date).unwrap()
    }

    /// A unit's period day by day: back to the first date that begins one, and on to the next.
    fn slow_period_of(zone: TimeZone, unit: CalendarUnit, at: Timestamp) -> CalendarPeriod {
        let begins = |date: NaiveDate| match unit {
            CalendarUnit::Day => true,
            CalendarUnit::Week => date.weekday() == chrono::Weekday::Mon,
            CalendarUnit::Month => date.day() == 1,
            CalendarUnit::Year => date.day() == 1 && date.month() == 1,
        };
        let mut date = zone.shown_at(at).date().succ_opt().unwrap();
        while !begins(date) || slow_start_of(zone, date) > at {
            date = date.pred_opt().unwrap();
        }
        let start = slow_start_of(zone, date);
        loop {
            date = date.succ_opt().unwrap();
            if begins(date) && slow_start_of(zone, date) > at {
                return CalendarPeriod { start, end: slow_start_of(zone, date) };
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

        // From 1973 on all offsets are whole minutes; until then Liberia's was not.
        #[test]
        fn a_date_begins_where_the_clocks_show_it_first(
            zone in 0..TZ_VARIANTS.len(),
            day in 0_u64..20_000,
        ) {
            let zone = TimeZone(TZ_VARIANTS[zone]);
            let date = NaiveDate::from_ymd_opt(1973, 1, 1).unwrap() + Days::new(day);
            prop_assert_eq!(zone.start_of(date), slow_start_of(zone, date));
        }

        #[test]
        fn a_period_contains_its_instants_and_ends_where_the_next_begins(
            zone in 0..TZ_VARIANTS.len(),
            unit in 0..UNITS.len(),
            minute in 94_694_400_i64 / 60..2_000_000_000 / 60,
        ) {
            let (zone, unit) = (TimeZone(TZ_VARIANTS[zone]), UNITS[unit]);
            let at = Timestamp::from_micros(minute * MINUTE);
            let period = zone.period_of(unit, at);
            prop_assert!(period.start <= at && at < period.end, "{period:?}");
            prop_assert_eq!(zone.period_of(unit, period.end).start, period.end);
            prop_assert_eq!(zone.period_of(unit, period.start.plus_micros(-1)).end, period.start);
            prop_assert_eq!(zone.period_of(unit, period.start), period);
        }
    }

    /// Every change of the clocks of a few zones that have had all sorts of them, minute by minute around it.
    #[test]
    fn around_changes_of_the_clocks_periods_are_those_of_a_day_by_day_model() {
        for (name, changed) in [
            ("America/New_York", "2026-03-08T07:00:00Z"),
            ("America/New_York", "2026-11-01T06:00:00Z"),
            ("America/Sao_Paulo", "2018-11-04T03:00:00Z"),
            ("America/Sao_Paulo", "2018-02-18T02:00:00Z"),
            ("America/Havana", "2026-11-01T05:00:00Z"),
            ("America/St_Johns", "2006-10-29T02:31:00Z"),
            ("America/St_Johns", "2006-04-02T03:31:00Z"),
            ("Pacific/Apia", "2011-12-30T10:00:00Z"),
            ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
            ("Africa/Cairo", "2024-04-25T22:00:00Z"),
            ("Asia/Kathmandu", "1985-12-31T18:30:00Z"),
        ] {
            let zone = zone(name);
            for minute in (-90..=90).step_by(15).chain(-2..=2) {
                for micros in [-1, 0] {
                    let at = at(changed).plus_micros(minute * MINUTE + micros);
                    for unit in [CalendarUnit::Day, CalendarUnit::Week] {
                        let expected = slow_period_of(zone, unit, at);
                        assert_eq!(zone.period_of(unit, at), expected, "{name} {unit:?} {at}");
                    }
                }
            }
        }
    }
}
