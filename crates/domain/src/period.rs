//! Lengths of time that a caller gives: a grace, a lead.

use std::fmt;

use thiserror::Error;

/// 36,525 days, a hundred years: more than any courtesy, and no instant overflows.
const MOST_MICROS: i64 = 36_525 * 86_400 * 1_000_000;

/// A length of time: a microsecond to a hundred years.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(i64);

/// Why a duration is no period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PeriodError {
    /// Nothing, or less.
    #[error("must be at least a microsecond")]
    NotPositive,
    /// More than a hundred years.
    #[error("must not be longer than 36525 days")]
    TooLong,
}

impl Period {
    /// A period of so many microseconds.
    pub fn from_micros(micros: i64) -> Result<Self, PeriodError> {
        if micros <= 0 {
            Err(PeriodError::NotPositive)
        } else if micros > MOST_MICROS {
            Err(PeriodError::TooLong)
        } else {
            Ok(Self(micros))
        }
    }

    /// Its microseconds.
    pub fn micros(self) -> i64 {
        self.0
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} µs", self.0)
    }
}
