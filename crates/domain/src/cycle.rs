//! Cycles: periods that follow each other from an anchor on, in a time zone.
//!
//! Every bound is worked out from the anchor and never from the bound before it, so the anchor's day is kept:
//! 31 January, 29 February, 31 March (design, section 3, "Cycles"). Periods are half-open and follow each other
//! without gap and overlap; a local time that clocks skip is where they go on, one that comes twice is the first.

use std::{fmt, num::NonZeroU32};

use chrono::{Days, Months, NaiveDateTime};
use thiserror::Error;

use crate::{TimeZone, Timestamp};

/// The longest span: a hundred years. Whatever is longer is a mistake, and "never" is said otherwise.
const MOST_DAYS: u32 = 36_525;
const MOST_MONTHS: u32 = 1_200;

/// What time is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SpanUnit {
    /// A day by the clocks of the zone: of 23, 24 or 25 hours.
    Day,
    /// Seven days.
    Week,
    /// To the same day of the next month, or its last.
    Month,
    /// Three months.
    Quarter,
    /// Six months.
    HalfYear,
    /// Twelve months.
    Year,
}

/// How many days or months a unit has.
#[derive(Debug, Clone, Copy)]
enum Measure {
    Days(u32),
    Months(u32),
}

impl SpanUnit {
    fn measure(self) -> Measure {
        match self {
            Self::Day => Measure::Days(1),
            Self::Week => Measure::Days(7),
            Self::Month => Measure::Months(1),
            Self::Quarter => Measure::Months(3),
            Self::HalfYear => Measure::Months(6),
            Self::Year => Measure::Months(12),
        }
    }
}

/// A length of time by the calendar: three months, two weeks. How long it is in seconds depends on when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CalendarSpan {
    unit: SpanUnit,
    count: NonZeroU32,
}

/// Why a number of units is no length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CalendarSpanError {
    /// Nothing.
    #[error("must be greater than 0")]
    Nothing,
    /// Longer than a hundred years.
    #[error("must be at most a hundred years")]
    TooLong,
}

impl CalendarSpan {
    /// One month.
    pub const MONTH: Self = Self { unit: SpanUnit::Month, count: NonZeroU32::MIN };

    /// So many units: at least one, and a hundred years at most.
    pub fn new(unit: SpanUnit, count: u32) -> Result<Self, CalendarSpanError> {
        let count = NonZeroU32::new(count).ok_or(CalendarSpanError::Nothing)?;
        let (length, most) = match unit.measure() {
            Measure::Days(days) => (count.get().saturating_mul(days), MOST_DAYS),
            Measure::Months(months) => (count.get().saturating_mul(months), MOST_MONTHS),
        };
        if length > most { Err(CalendarSpanError::TooLong) } else { Ok(Self { unit, count }) }
    }

    /// What it is counted in.
    pub fn unit(self) -> SpanUnit {
        self.unit
    }

    /// How many units.
    pub fn count(self) -> u32 {
        self.count.get()
    }

    /// The instant that lies this long after another one, by the clocks of a zone.
    pub fn after(self, at: Timestamp, zone: TimeZone) -> Timestamp {
        Cycle { anchor_at: at, span: self, zone }.bound(1)
    }

    /// Local time `times` spans after another; `None` beyond the calendar.
    fn times_after(self, local: NaiveDateTime, times: i64) -> Option<NaiveDateTime> {
        let length =
            |of: u32| times.unsigned_abs().checked_mul(u64::from(self.count()) * u64::from(of));
        match self.unit.measure() {
            Measure::Days(days) => {
                let days = Days::new(length(days)?);
                if times < 0 { local.checked_sub_days(days) } else { local.checked_add_days(days) }
            }
            Measure::Months(months) => {
                let months = Months::new(u32::try_from(length(months)?).ok()?);
                if times < 0 {
                    local.checked_sub_months(months)
                } else {
                    local.checked_add_months(months)
                }
            }
        }
    }

    /// About how many microseconds it takes: as a first guess of which period an instant lies in.
    fn about_micros(self) -> i64 {
        const DAY: i64 = 86_400_000_000;
        /// A twelfth of 365.2425 days.
        const MONTH: i64 = 2_629_746_000_000;
        let count = i64::from(self.count());
        match self.unit.measure() {
            Measure::Days(days) => count * i64::from(days) * DAY,
            Measure::Months(months) => count * i64::from(months) * MONTH,
        }
    }
}

impl fmt::Display for CalendarSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            SpanUnit::Day => "day",
            SpanUnit::Week => "week",
            SpanUnit::Month => "month",
            SpanUnit::Quarter => "quarter",
            SpanUnit::HalfYear => "half-year",
            SpanUnit::Year => "year",
        };
        write!(f, "{} {unit}{}", self.count, if self.count.get() == 1 { "" } else { "s" })
    }
}

/// Periods of one length that follow each other from an anchor on, and lie before it likewise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cycle {
    /// Where a period begins; its day and its time of day are those of every bound.
    pub anchor_at: Timestamp,
    /// How long each is.
    pub span: CalendarSpan,
    /// Whose clocks count.
    pub zone: TimeZone,
}

/// One period of a cycle: half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CyclePeriod {
    /// Its first instant.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
}

impl CyclePeriod {
    /// All time: the period of what happens once.
    pub const ALWAYS: Self = Self { start: Timestamp::FIRST, end: Timestamp::LAST };

    /// Whether an instant lies in it.
    pub fn contains(self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }

    /// How long it is, in microseconds.
    pub fn micros(self) -> i64 {
        self.end.micros() - self.start.micros()
    }
}

impl Cycle {
    /// Where the period of this number begins; the one that begins at the anchor has number 0. Beyond the years that
    /// a timestamp has it is the last instant there is, or the first.
    pub fn bound(&self, number: i64) -> Timestamp {
        if number == 0 {
            return self.anchor_at;
        }
        let local = self.zone.shown_at(self.anchor_at);
        match self.span.times_after(local, number) {
            Some(local) => self.zone.instant_of(local).clamp(Timestamp::FIRST, Timestamp::LAST),
            None if number < 0 => Timestamp::FIRST,
            None => Timestamp::LAST,
        }
    }

    /// The period of this number.
    pub fn period(&self, number: i64) -> CyclePeriod {
        CyclePeriod { start: self.bound(number), end: self.bound(number + 1) }
    }

    /// The number of the period that contains an instant.
    pub fn number_of(&self, at: Timestamp) -> i64 {
        let since = at.micros() - self.anchor_at.micros();
        let mut number = since.div_euclid(self.span.about_micros());
        // The guess is off by a few: months differ in length, and zones shift.
        while self.bound(number) > at {
            number -= 1;
        }
        while self.bound(number + 1) <= at && self.bound(number + 1) < Timestamp::LAST {
            number += 1;
        }
        number
    }

    /// The period that contains an instant.
    pub fn period_of(&self, at: Timestamp) -> CyclePeriod {
        self.period(self.number_of(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn cycle(anchor: &str, unit: SpanUnit, count: u32) -> Cycle {
        let span = CalendarSpan::new(unit, count).unwrap();
        Cycle { anchor_at: at(anchor), span, zone: TimeZone::UTC }
    }

    #[test]
    fn a_bound_keeps_the_day_of_the_anchor() {
        for (anchor, unit, count, number, expected) in [
            ("2024-01-31T00:00:00Z", SpanUnit::Month, 1, 1, "2024-02-29T00:00:00Z"),
            ("2023-12-31T00:00:00Z", SpanUnit::Month, 2, 1, "2024-02-29T00:00:00Z"),
            ("2024-12-31T00:00:00Z", SpanUnit::Month, 2, 1, "2025-02-28T00:00:00Z"),
            ("2026-01-31T00:00:00Z", SpanUnit::Month, 1, 2, "2026-03-31T00:00:00Z"),
            ("2024-02-29T00:00:00Z", SpanUnit::Month, 1, 1, "2024-03-29T00:00:00Z"),
            ("2020-02-29T00:00:00Z", SpanUnit::Year, 1, 3, "2023-02-28T00:00:00Z"),
            ("2020-02-29T00:00:00Z", SpanUnit::Year, 1, 4, "2024-02-29T00:00:00Z"),
            ("2025-11-30T00:00:00Z", SpanUnit::Quarter, 1, 1, "2026-02-28T00:00:00Z"),
            ("2025-11-30T00:00:00Z", SpanUnit::Quarter, 1, 2, "2026-05-30T00:00:00Z"),
            ("2025-08-31T00:00:00Z", SpanUnit::HalfYear, 1, 1, "2026-02-28T00:00:00Z"),
            ("2026-03-31T00:00:00Z", SpanUnit::Month, 1, -1, "2026-02-28T00:00:00Z"),
            ("2026-01-01T12:30:00Z", SpanUnit::Week, 2, 1, "2026-01-15T12:30:00Z"),
            ("2026-01-01T12:30:00Z", SpanUnit::Day, 1, 0, "2026-01-01T12:30:00Z"),
        ] {
            let bound = cycle(anchor, unit, count).bound(number);
            assert_eq!(bound, at(expected), "{anchor}, {number} times {count} {unit:?}");
        }
    }

    #[test]
    fn a_period_begins_with_its_first_instant_and_ends_before_the_next() {
        let cycle = cycle("2026-01-31T00:00:00Z", SpanUnit::Month, 1);
        for (instant, number) in [
            ("2026-01-30T23:59:59.999999Z", -1),
            ("2026-01-31T00:00:00Z", 0),
            ("2026-02-27T23:59:59.999999Z", 0),
            ("2026-02-28T00:00:00Z", 1),
            ("2026-03-30T23:59:59.999999Z", 1),
            ("2026-03-31T00:00:00Z", 2),
        ] {
            assert_eq!(cycle.number_of(at(instant)), number, "{instant}");
            assert!(cycle.period_of(at(instant)).contains(at(instant)), "{instant}");
        }
        assert_eq!(cycle.period(0).micros(), 28 * 86_400_000_000);
    }

    #[test]
    fn a_local_day_has_23_to_25_hours() {
        let zone = TimeZone::parse("America/New_York").unwrap();
        let span = CalendarSpan::new(SpanUnit::Day, 1).unwrap();
        let cycle = Cycle { anchor_at: at("2026-01-01T05:00:00Z"), span, zone };
        for (instant, hours) in [
            ("2026-03-08T12:00:00Z", 23),
            ("2026-11-01T12:00:00Z", 25),
            ("2026-06-01T12:00:00Z", 24),
        ] {
            let micros = cycle.period_of(at(instant)).micros();
            assert_eq!(micros, hours * 3_600_000_000, "{instant}");
        }
    }

    #[test]
    fn a_span_is_one_unit_at_least_and_a_hundred_years_at_most() {
        assert_eq!(CalendarSpan::new(SpanUnit::Day, 0), Err(CalendarSpanError::Nothing));
        for (unit, most) in [
            (SpanUnit::Day, 36_525),
            (SpanUnit::Week, 5_217),
            (SpanUnit::Month, 1_200),
            (SpanUnit::Quarter, 400),
            (SpanUnit::HalfYear, 200),
            (SpanUnit::Year, 100),
        ] {
            assert_eq!(CalendarSpan::new(unit, most).map(CalendarSpan::count), Ok(most));
            let longer = CalendarSpan::new(unit, most + 1);
            assert_eq!(longer, Err(CalendarSpanError::TooLong), "{unit:?}");
            assert_eq!(CalendarSpan::new(unit, u32::MAX), Err(CalendarSpanError::TooLong));
        }
    }

    #[test]
    fn no_instant_is_too_far() {
        let ends = [Timestamp::FIRST, at("2026-01-31T00:00:00Z"), Timestamp::LAST];
        let zones = ["UTC", "Pacific/Kiritimati", "Pacific/Niue"];
        for (unit, count) in [(SpanUnit::Day, 1), (SpanUnit::Month, 1), (SpanUnit::Year, 100)] {
            for (anchor_at, zone) in ends.iter().flat_map(|end| zones.map(|zone| (*end, zone))) {
                let zone = TimeZone::parse(zone).unwrap();
                let span = CalendarSpan::new(unit, count).unwrap();
                let cycle = Cycle { anchor_at, span, zone };
                for instant in ends {
                    let bound = cycle.bound(cycle.number_of(instant));
                    assert!(bound <= instant, "{cycle:?} at {instant}");
                }
                assert_eq!(cycle.bound(i64::MAX), Timestamp::LAST);
                assert_eq!(cycle.bound(i64::MIN), Timestamp::FIRST);
            }
        }
    }
}
