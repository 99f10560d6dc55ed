//! Instants: UTC, to the microsecond, as PostgreSQL keeps them.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use thiserror::Error;

/// 0001-01-01T00:00:00Z, the first instant of a protobuf Timestamp.
const MIN_SECONDS: i64 = -62_135_596_800;
/// 9999-12-31T23:59:59Z, the last second of a protobuf Timestamp.
const MAX_SECONDS: i64 = 253_402_300_799;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// An instant from year 1 to 9999, in microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why a pair of figures is no instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TimestampError {
    /// Before year 1 or after year 9999.
    #[error("must lie between year 1 and year 9999")]
    OutOfRange,
    /// Nanoseconds below 0 or above 999,999,999.
    #[error("must have nanos from 0 to 999,999,999")]
    BadNanos,
    /// The text is no RFC 3339 instant.
    #[error("must be an instant such as 2026-01-31T00:00:00Z")]
    Malformed,
}

impl Timestamp {
    /// The first instant there is.
    pub const FIRST: Self = Self(MIN_SECONDS * MICROS_PER_SECOND);
    /// The last whole second there is.
    pub const LAST: Self = Self(MAX_SECONDS * MICROS_PER_SECOND);

    /// From seconds and nanoseconds since 1970; what is finer than a microsecond is cut off.
    pub fn from_parts(seconds: i64, nanos: i32) -> Result<Self, TimestampError> {
        if !(0..1_000_000_000).contains(&nanos) {
            return Err(TimestampError::BadNanos);
        }
        if !(MIN_SECONDS..=MAX_SECONDS).contains(&seconds) {
            return Err(TimestampError::OutOfRange);
        }
        Ok(Self(seconds * MICROS_PER_SECOND + i64::from(nanos / 1_000)))
    }

    /// From microseconds since 1970 that PostgreSQL or a clock gave.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Parses RFC 3339.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        let parsed = DateTime::parse_from_rfc3339(text).map_err(|_| TimestampError::Malformed)?;
        let micros = parsed.timestamp_micros();
        Self::from_parts(
            micros.div_euclid(MICROS_PER_SECOND),
            i32::try_from(micros.rem_euclid(MICROS_PER_SECOND) * 1_000).unwrap_or(-1),
        )
    }

    /// Microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Seconds since 1970, rounded down, and the nanoseconds that are left.
    pub fn parts(self) -> (i64, i32) {
        let micros = self.0.rem_euclid(MICROS_PER_SECOND);
        (self.0.div_euclid(MICROS_PER_SECOND), i32::try_from(micros * 1_000).unwrap_or(0))
    }

    /// This much later, or earlier if negative.
    #[must_use]
    pub const fn plus_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::<Utc>::from_timestamp_micros(self.0) {
            Some(instant) => f.write_str(&instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            None => write!(f, "{} µs since 1970", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_cut_to_the_microsecond() {
        let instant = Timestamp::from_parts(-1, 999_999_999).unwrap();
        assert_eq!(instant.micros(), -1);
        assert_eq!(instant.parts(), (-1, 999_999_000));
        assert_eq!(instant.to_string(), "1969-12-31T23:59:59.999999Z");
        assert_eq!(Timestamp::parse("1969-12-31T23:59:59.999999999Z"), Ok(instant));
    }

    #[test]
    fn instants_outside_of_protobufs_range_are_refused() {
        assert_eq!(Timestamp::from_parts(MAX_SECONDS + 1, 0), Err(TimestampError::OutOfRange));
        assert_eq!(Timestamp::from_parts(MIN_SECONDS - 1, 0), Err(TimestampError::OutOfRange));
        assert_eq!(Timestamp::from_parts(0, -1), Err(TimestampError::BadNanos));
        assert_eq!(Timestamp::from_parts(0, 1_000_000_000), Err(TimestampError::BadNanos));
    }
}
