//! The report: a table for people, the same figures as JSON.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::{
    check::{Check, FailedCalls},
    figures::{SUMMARY_COLUMNS, Summary, grouped, hundredths, ratio_hundredths},
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
    /// How long it took to make the large wallet; absent if it was found.
    pub large_made_in_seconds: Option<u64>,
    pub large: Growth,
    /// Of the small wallet that was spent from most.
    pub small: Growth,
    pub workloads: Vec<WorkloadReport>,
    /// Calls that failed.
    pub failures: Vec<FailedCalls>,
    pub check: Check,
}

/// What a wallet held before the run and after it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Growth {
    pub grants: u64,
    pub entries_before: u64,
    pub entries_after: u64,
}

/// One workload, on small wallets and on the large one. All rates are calls per second.
#[derive(Debug, Serialize)]
pub struct WorkloadReport {
    pub workload: &'static str,
    pub small: Summary,
    pub large: Summary,
    /// The large one's latency by the small ones', in hundredths: 150 is one and a half times as long.
    pub p50_ratio_hundredths: Option<u64>,
    pub p99_ratio_hundredths: Option<u64>,
    /// What the project wants the first of them to be at most; absent: nothing in particular.
    pub target_hundredths: Option<u64>,
}

impl WorkloadReport {
    pub fn new(
        workload: &'static str,
        target_hundredths: Option<u64>,
        small: Summary,
        large: Summary,
    ) -> Self {
        let (short, long) = (&small.percentiles, &large.percentiles);
        Self {
            workload,
            p50_ratio_hundredths: ratio_hundredths(long.p50_micros, short.p50_micros),
            p99_ratio_hundredths: ratio_hundredths(long.p99_micros, short.p99_micros),
            target_hundredths,
            small,
            large,
        }
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { grants, entries_before, entries_after } = self;
        let (before, after) = (grouped(*entries_before), grouped(*entries_after));
        write!(formatter, "{} open grants, {before} to {after} entries", grouped(*grants))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            load,
            machine,
            postgres,
            large_made_in_seconds,
            large,
            small,
            workloads,
            failures,
            check,
        } = self;
        writeln!(formatter, "\n{load}\n{machine}\nPostgreSQL: {postgres}")?;
        write!(formatter, "large: {large}")?;
        match large_made_in_seconds {
            Some(seconds) => writeln!(formatter, ", made in {seconds} s")?,
            None => writeln!(formatter, ", found")?,
        }
        writeln!(formatter, "small: {small}\n\n{}\n", table(workloads))?;
        for workload in workloads {
            let ratio = |ratio: Option<u64>| ratio.map_or_else(|| "?".to_owned(), hundredths);
            let (p50, p99) = (workload.p50_ratio_hundredths, workload.p99_ratio_hundredths);
            let (name, p50, p99) = (workload.workload, ratio(p50), ratio(p99));
            write!(formatter, "{name}: large takes {p50} times as long as small, {p99} at p99")?;
            match workload.target_hundredths {
                Some(target) => writeln!(formatter, " (target {})", hundredths(target))?,
                None => writeln!(formatter)?,
            }
        }
        for failed in failures {
            writeln!(formatter, "{failed}")?;
        }
        writeln!(formatter, "{check}")
    }
}

fn table(workloads: &[WorkloadReport]) -> Table {
    let mut table = Table::new();
    let header = ["workload", "wallet"].into_iter().chain(SUMMARY_COLUMNS);
    table.load_style(presets::ASCII_MARKDOWN).set_header(header);
    for WorkloadReport { workload, small, large, .. } in workloads {
        for (wallet, summary) in [("small", small), ("large", large)] {
            let names = [*workload, wallet].map(str::to_owned);
            table.add_row(names.into_iter().chain(summary.cells()));
        }
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
