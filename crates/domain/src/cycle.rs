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
