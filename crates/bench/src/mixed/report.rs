//! The report: each operation's latencies.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::caller::{Operation, Seen};
use crate::{
    check::{Check, FailedCalls},
    figures::{Percentiles, Summary, grouped, milliseconds},
    machine::Machine,
};

/// Everything that a run found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The load in words.
    pub load: String,
    #[serde(flatten)]
    pub machine: Machine,
    /// PostgreSQL's version and the settings that decide speed.
    pub postgres: String,
    /// All operations, in a closed loop.
    pub summary: Summary,
    pub operations: Vec<OperationReport>,
    /// Operations that were due per second in an open loop.
    pub half_per_second: u64,
    /// Then, from when they were due.
    pub half: Percentiles,
    /// Calls that failed.
    pub failures: Vec<FailedCalls>,
    pub check: Check,
}

/// One operation, in the closed loop.
#[derive(Debug, Serialize)]
pub struct OperationReport {
    pub operation: &'static str,
    pub percent: u64,
    pub count: u64,
    #[serde(flatten)]
    pub percentiles: Percentiles,
}

/// All operations that were seen.
pub fn operations(seen: &Seen) -> Vec<OperationReport> {
    let report = |operation: Operation| {
        let latencies = seen.latencies(operation);
        OperationReport {
            operation: operation.name(),
            percent: operation.percent(),
            count: latencies.count(),
            percentiles: latencies.percentiles(),
        }
    };
    Operation::ALL.map(report).into()
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { load, machine, postgres, summary, operations, half, .. } = self;
        writeln!(out, "\n{load}\n{machine}\nPostgreSQL: {postgres}\n")?;
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN).set_header([
            "operation",
            "share",
            "count",
            "p50 ms",
            "p95 ms",
            "p99 ms",
            "max ms",
        ]);
        for OperationReport { operation, percent, count, percentiles } in operations {
            table.add_row([
                (*operation).to_owned(),
                format!("{percent} %"),
                grouped(*count),
                milliseconds(percentiles.p50_micros),
                milliseconds(percentiles.p95_micros),
                milliseconds(percentiles.p99_micros),
                milliseconds(percentiles.max_micros),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(out, "{table}\n")?;
        writeln!(
            out,
            "all together: {} operations/s (from {} to {})",
            grouped(summary.median),
            grouped(summary.min),
            grouped(summary.max)
        )?;
        writeln!(
            out,
            "at half of that, {} due per second: p50 {} ms, p99 {} ms from when they were due",
            grouped(self.half_per_second),
            milliseconds(half.p50_micros),
            milliseconds(half.p99_micros)
        )?;
        for failed in &self.failures {
            writeln!(out, "{failed}")?;
        }
        writeln!(out, "{}", self.check)
    }
}
