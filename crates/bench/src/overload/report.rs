//! The report: what was kept up, what was refused, and how soon all was well again.

use std::fmt;

use serde::Serialize;

use crate::{
    check::{Check, FailedCalls},
    figures::{Percentiles, grouped, met, milliseconds},
    machine::Machine,
    open_loop::{LATE_MICROS, PhaseTally, SLICE_MICROS, Slice},
    plot::{Chart, Line, Scale},
};

/// What the project wants to reach: printed beside the figures, not enforced.
const TARGET_PERCENT: u64 = 80;
const TARGET_P99_MICROS: u64 = LATE_MICROS;
const TARGET_RECOVERY_MICROS: u64 = 1_000_000;

/// Everything that a run found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The load in words.
    pub load: String,
    #[serde(flatten)]
    pub machine: Machine,
    /// PostgreSQL's version and the settings that decide speed.
    pub postgres: String,
    /// Spends per second of callers who wait.
    pub peak_per_second: u64,
    /// At half of the peak.
    pub before: Calm,
    pub during: During,
    /// At half of the peak again.
    pub after: Calm,
    /// All of it, each a tenth of a second.
    pub slices: Vec<Slice>,
    /// Calls that failed, refused ones included.
    pub failures: Vec<FailedCalls>,
    pub check: Check,
}

/// At half of the peak.
#[derive(Debug, Serialize)]
pub struct Calm {
    pub due: u64,
    pub accepted: Percentiles,
    /// Calls without a good answer.
    pub refused: u64,
    pub failed: u64,
    /// When the last call was due that was refused, failed or was answered late; absent: all was well at once.
    pub last_bad_micros: Option<u64>,
}

impl From<&PhaseTally> for Calm {
    fn from(tally: &PhaseTally) -> Self {
        Self {
            due: tally.due,
            accepted: tally.accepted.percentiles(),
            refused: tally.refused.count(),
            failed: tally.failed,
            last_bad_micros: tally.last_bad_micros,
        }
    }
}

/// Under the overload.
#[derive(Debug, Serialize)]
pub struct During {
    pub due_per_second: u64,
    /// How long after they were due calls were made: the share of the bench itself in what follows.
    pub made_late: Percentiles,
    /// Acknowledged in time.
    pub good_per_second: u64,
    pub good_percent_of_peak: u64,
    pub accepted: u64,
    pub accepted_latency: Percentiles,
    /// With `RESOURCE_EXHAUSTED` and `RetryInfo`.
    pub refused: u64,
    pub refused_latency: Percentiles,
    /// Otherwise.
    pub failed: u64,
}

impl During {
    pub fn new(tally: &PhaseTally, peak: u64, seconds: u64) -> Self {
        let good_per_second = tally.good_answers / seconds.max(1);
        Self {
            due_per_second: tally.due / seconds.max(1),
            made_late: tally.made.percentiles(),
            good_per_second,
            good_percent_of_peak: good_per_second * 100 / peak.max(1),
            accepted: tally.accepted.count(),
            accepted_latency: tally.accepted.percentiles(),
            refused: tally.refused.count(),
            refused_latency: tally.refused.percentiles(),
            failed: tally.failed,
        }
    }
}

impl Report {
    /// What was due and what was answered, over time.
    pub fn chart(&self) -> Chart {
        let line = |name: &str, figure: fn(&Slice) -> u64| Line {
            name: name.to_owned(),
            points: (0..)
                .zip(self.slices.iter().map(|slice| figure(slice) * per_second()))
                .collect(),
        };
        let slices = u64::try_from(self.slices.len()).unwrap_or_default();
        let every = 2 * per_second();
        Chart {
            title: "Overload".to_owned(),
            across: "seconds",
            up: "calls per second",
            scale: Scale::Linear,
            marks: (0..=slices / every)
                .map(|mark| (mark * every, (mark * every / per_second()).to_string()))
                .collect(),
            lines: vec![
                line("due", |slice| slice.due),
                line("good answers", |slice| slice.good),
                line("refused", |slice| slice.refused),
                line("late or failed", |slice| slice.other),
            ],
        }
    }
}

/// Slices in a second.
fn per_second() -> u64 {
    1_000_000 / SLICE_MICROS
}

impl fmt::Display for Calm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { due, accepted, refused, failed, last_bad_micros: _ } = self;
        write!(
            formatter,
            "{} due, {refused} refused, {failed} failed; accepted: p50 {} ms, p99 {} ms",
            grouped(*due),
            milliseconds(accepted.p50_micros),
            milliseconds(accepted.p99_micros)
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { load, machine, postgres, peak_per_second, before, during, after, .. } = self;
        let During { due_per_second, good_per_second, good_percent_of_peak: percent, .. } = during;
        writeln!(out, "\n{load}\n{machine}\nPostgreSQL: {postgres}\n")?;
        writeln!(out, "peak: {} spends/s", grouped(*peak_per_second))?;
        writeln!(out, "half of it, before: {before}")?;
        writeln!(
            out,
            "overload: {} spends/s due, {} good answers/s, {percent} % of the peak (target {TARGET_PERCENT} %: {})",
            grouped(*due_per_second),
            grouped(*good_per_second),
            met(*percent >= TARGET_PERCENT)
        )?;
        writeln!(
            out,
            "  calls were made after they were due: p50 {} ms, p99 {} ms later",
            milliseconds(during.made_late.p50_micros),
            milliseconds(during.made_late.p99_micros)
        )?;
        let p99 = during.accepted_latency.p99_micros;
        writeln!(
            out,
            "  {} accepted: p50 {} ms, p99 {} ms (target below {} ms: {})",
            grouped(during.accepted),
            milliseconds(during.accepted_latency.p50_micros),
            milliseconds(p99),
            milliseconds(TARGET_P99_MICROS),
            met(p99 < TARGET_P99_MICROS)
        )?;
        writeln!(
            out,
            "  {} refused with RESOURCE_EXHAUSTED and RetryInfo: p50 {} ms, p99 {} ms",
            grouped(during.refused),
            milliseconds(during.refused_latency.p50_micros),
            milliseconds(during.refused_latency.p99_micros)
        )?;
        writeln!(
            out,
            "  {} failed otherwise (target 0: {})",
            grouped(during.failed),
            met(during.failed == 0)
        )?;
        writeln!(out, "half of the peak, after: {after}")?;
        let recovery = after.last_bad_micros.unwrap_or_default();
        writeln!(
            out,
            "recovery: {} ms after the load went, the last call was due that got no good answer within {} ms (target {} ms: {})",
            milliseconds(recovery),
            milliseconds(LATE_MICROS),
            milliseconds(TARGET_RECOVERY_MICROS),
            met(recovery <= TARGET_RECOVERY_MICROS)
        )?;
        for failed in &self.failures {
            writeln!(out, "{failed}")?;
        }
        writeln!(out, "{}", self.check)
    }
}
