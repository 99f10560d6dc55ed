//! The report: a table for people, the same figures as JSON.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::{
    check::{Check, FailedCalls},
    figures::{Summary, grouped, hundredths, milliseconds, ratio_hundredths},
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
    pub workloads: Vec<WorkloadReport>,
    /// Calls to Purse that failed.
    pub failures: Vec<FailedCalls>,
    /// Absent if Purse was not measured.
    pub check: Option<Check>,
    /// The spends that pgbench counted, which its wallets confirm; absent if it did not run.
    pub naive_spends: Option<u64>,
}

/// One workload, both sides. All rates are spends per second.
#[derive(Debug, Serialize)]
pub struct WorkloadReport {
    pub workload: &'static str,
    pub purse: Option<Summary>,
    pub naive: Option<Summary>,
    /// Purse's median by the naive side's, in hundredths: 250 is two and a half times as fast.
    pub ratio_hundredths: Option<u64>,
    /// What the project wants to reach.
    pub target_hundredths: u64,
}

impl WorkloadReport {
    pub fn new(
        workload: &'static str,
        target_hundredths: u64,
        purse: Option<Summary>,
        naive: Option<Summary>,
    ) -> Self {
        let ratio_hundredths = match (&purse, &naive) {
            (Some(purse), Some(naive)) => ratio_hundredths(purse.median, naive.median),
            (Some(_) | None, None) | (None, Some(_)) => None,
        };
        Self { workload, purse, naive, ratio_hundredths, target_hundredths }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { load, machine, postgres, workloads, failures, check, naive_spends } = self;
        writeln!(formatter, "\n{load}")?;
        writeln!(formatter, "{machine}")?;
        writeln!(formatter, "PostgreSQL: {postgres}\n")?;
        writeln!(formatter, "{}\n", table(workloads))?;
        for workload in workloads {
            if let Some(ratio) = workload.ratio_hundredths {
                writeln!(
                    formatter,
                    "{}: Purse makes {} times as many spends as the naive transaction (target {})",
                    workload.workload,
                    hundredths(ratio),
                    hundredths(workload.target_hundredths)
                )?;
            }
        }
        for failed in failures {
            writeln!(formatter, "{failed}")?;
        }
        if let Some(check) = check {
            writeln!(formatter, "{check}")?;
        }
        if let Some(spends) = naive_spends {
            writeln!(formatter, "check: {} naive spends counted and booked", grouped(*spends))?;
        }
        Ok(())
    }
}

fn table(workloads: &[WorkloadReport]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header([
        "workload", "side", "min/s", "median/s", "max/s", "p50 ms", "p95 ms", "p99 ms",
    ]);
    for workload in workloads {
        for (side, summary) in [("purse", &workload.purse), ("naive", &workload.naive)] {
            let Some(summary) = summary else { continue };
            table.add_row([
                workload.workload.to_owned(),
                side.to_owned(),
                grouped(summary.min),
                grouped(summary.median),
                grouped(summary.max),
                milliseconds(summary.percentiles.p50_micros),
                milliseconds(summary.percentiles.p95_micros),
                milliseconds(summary.percentiles.p99_micros),
            ]);
        }
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
