//! Whether what callers were told is what the balances say, and which calls failed.

use std::fmt;

use rust_decimal::Decimal;
use serde::Serialize;
use thiserror::Error;

use crate::{
    api::AMOUNT,
    figures::grouped,
    load::{FailureCount, Failures},
};

/// What callers were told against what the balances say, over the whole run.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Check {
    /// Spends that were acknowledged.
    pub acknowledged: u64,
    /// Spends that were not; they may have happened.
    pub failed: u64,
    /// What the wallets lost, in spends.
    #[serde(serialize_with = "as_text")]
    pub booked: Decimal,
}

/// A spend that was acknowledged is not booked, or more is booked than was asked for.
#[derive(Debug, Error)]
#[error(
    "the balances say that {} was spent, {} spends were acknowledged and {} failed",
    .0.booked, .0.acknowledged, .0.failed
)]
pub struct Mismatch(Check);

impl Check {
    /// After a run that took the balances from `before` to `after`.
    pub fn new(acknowledged: u64, failed: u64, before: Decimal, after: Decimal) -> Self {
        let booked = (before - after) / Decimal::from(AMOUNT);
        Self { acknowledged, failed, booked: booked.normalize() }
    }

    /// A call that failed may have been booked all the same: its answer may be what got lost. More than that, or
    /// an acknowledged spend that is not booked, is an error of Purse.
    pub fn verdict(self) -> Result<(), Mismatch> {
        let Self { acknowledged, failed, booked } = self;
        if booked >= acknowledged.into() && booked <= (acknowledged + failed).into() {
            return Ok(());
        }
        Err(Mismatch(self))
    }
}

fn as_text<S: serde::Serializer>(value: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

impl fmt::Display for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acknowledged, failed, booked } = self;
        let (acknowledged, failed) = (grouped(*acknowledged), grouped(*failed));
        write!(
            formatter,
            "check: {acknowledged} spends acknowledged, {failed} failed; the balances say {booked}"
        )
    }
}

/// How often calls failed with one code.
#[derive(Debug, Serialize)]
pub struct FailedCalls {
    pub code: String,
    pub count: u64,
    pub first_message: String,
}

impl FailedCalls {
    /// One for each code.
    pub fn of(failures: Failures) -> Vec<Self> {
        let counts = failures.into_counts();
        counts
            .map(|(code, FailureCount { count, first_message })| Self {
                code,
                count,
                first_message,
            })
            .collect()
    }
}

impl fmt::Display for FailedCalls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, count, first_message } = self;
        write!(formatter, "{} calls to Purse failed with {code}: {first_message}", grouped(*count))
    }
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::Check;

    #[test]
    fn acknowledged_spends_must_be_booked_and_others_only_if_they_failed() {
        for (acknowledged, failed, booked, accepted) in [
            (100, 0, 100, true),
            (100, 0, 99, false),
            (100, 0, 101, false),
            (100, 2, 102, true),
            (100, 2, 103, false),
        ] {
            let before = Decimal::from(1_000);
            let check = Check::new(acknowledged, failed, before, before - Decimal::from(booked));
            assert_eq!(check.verdict().is_ok(), accepted, "{check:?}");
        }
    }
}
