//! The report: a table for people, the same figures as JSON.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::{
    check::{Check, FailedCalls},
    figures::{
        CURVE_NAMES, Latencies, Percentiles, SUMMARY_COLUMNS, Summary, grouped, hundredths, met,
        milliseconds, ratio_hundredths,
    },
    machine::Machine,
    naive::Script,
    plot::{Chart, Line, Scale},
    spread::Spread,
};

/// What our side is called.
pub const OURS: &str = "purse";

/// What our side without any work is called.
pub const HEALTH_CHECKS: &str = "health checks";

/// Everything that a run found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The load in words.
    pub load: String,
    #[serde(flatten)]
    pub machine: Machine,
    /// PostgreSQL's version and the settings that decide speed.
    pub postgres: String,
    /// Calls to Purse that need neither a lane nor the database; none if Purse was not measured.
    pub health_checks: Vec<SideReport>,
    pub workloads: Vec<WorkloadReport>,
    /// Calls to Purse that failed.
    pub failures: Vec<FailedCalls>,
    /// Absent if Purse was not measured.
    pub check: Option<Check>,
    /// The spends that pgbench counted, which its wallets confirm; absent if it did not run.
    pub naive_spends: Option<u64>,
}

/// One workload, all sides. All rates are spends per second.
#[derive(Debug, Serialize)]
pub struct WorkloadReport {
    pub workload: &'static str,
    pub sides: Vec<SideReport>,
    pub ratios: Vec<Ratio>,
    /// Each side at half of its best median.
    pub halves: Vec<Half>,
}

/// A side with so many callers at once.
#[derive(Debug, Serialize)]
pub struct SideReport {
    pub side: &'static str,
    /// Callers of Purse; clients of pgbench.
    pub callers: u32,
    #[serde(flatten)]
    pub summary: Summary,
}

/// Purse with so many callers beside another side: medians, in hundredths. 250 is two and a half times as fast.
#[derive(Debug, Serialize)]
pub struct Ratio {
    pub callers: u32,
    pub beside: &'static str,
    pub beside_clients: u32,
    pub hundredths: u64,
    /// What the project wants to reach, if it has set itself something.
    pub target_hundredths: Option<u64>,
}

/// A side in an open loop at half of what it can do.
#[derive(Debug, Serialize)]
pub struct Half {
    pub side: &'static str,
    /// Spends per second that were due.
    pub due: u64,
    /// Spends per second that were made.
    pub made: u64,
    #[serde(flatten)]
    pub percentiles: Percentiles,
    /// The latencies at the quantiles of a plot.
    pub curve_micros: Vec<u64>,
}

impl Half {
    pub fn new(side: &'static str, due: u64, latencies: &Latencies, seconds: u64) -> Self {
        Self {
            side,
            due,
            made: latencies.count() / seconds.max(1),
            percentiles: latencies.percentiles(),
            curve_micros: latencies.curve(),
        }
    }
}

impl WorkloadReport {
    pub fn new(spread: Spread, sides: Vec<SideReport>, halves: Vec<Half>) -> Self {
        let mut ratios = Vec::new();
        for purse in sides.iter().filter(|side| side.side == OURS) {
            for other in sides.iter().filter(|side| side.side != OURS) {
                let hundredths = ratio_hundredths(purse.summary.median, other.summary.median);
                ratios.extend(hundredths.map(|hundredths| {
                    Ratio {
                        callers: purse.callers,
                        beside: other.side,
                        beside_clients: other.callers,
                        hundredths,
                        target_hundredths: spread
                            .target_hundredths(purse.callers)
                            .filter(|_| other.side == Script::Naive.name()),
                    }
                }));
            }
        }
        Self { workload: spread.name(), sides, ratios, halves }
    }
}

impl Report {
    /// The latencies of all sides at half of their best, by how many spends had a lower one.
    pub fn chart(&self) -> Chart {
        let marks = (0..).zip(CURVE_NAMES.map(ToOwned::to_owned)).collect();
        let halves = self.workloads.iter().flat_map(|workload| {
            workload.halves.iter().map(|half| Line {
                name: format!("{}: {}", workload.workload, half.side),
                points: (0..).zip(half.curve_micros.iter().copied()).collect(),
            })
        });
        Chart {
            title: "At half of what each side can do".to_owned(),
            across: "percent of spends",
            up: "µs at most",
            scale: Scale::Logarithmic,
            marks,
            lines: halves.collect(),
        }
    }
}

impl fmt::Display for WorkloadReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workload, sides: _, ratios, halves } = self;
        for Ratio { callers, beside, beside_clients, hundredths: ratio, target_hundredths } in
            ratios
        {
            write!(
                formatter,
                "{workload}: {callers} callers of Purse make {} times as many spends as {beside} with \
                 {beside_clients} clients",
                hundredths(*ratio)
            )?;
            match target_hundredths {
                Some(target) => {
                    writeln!(
                        formatter,
                        " (target {}: {})",
                        hundredths(*target),
                        met(ratio >= target)
                    )?;
                }
                None => writeln!(formatter)?,
            }
        }
        for Half { side, due, made, percentiles, .. } in halves {
            writeln!(
                formatter,
                "{workload}: {side} at half of its best, {} of {} due per second: p50 {} ms, p99 {} ms",
                grouped(*made),
                grouped(*due),
                milliseconds(percentiles.p50_micros),
                milliseconds(percentiles.p99_micros)
            )?;
        }
        if let [ours, theirs] = halves.as_slice() {
            let lower = ours.percentiles.p99_micros < theirs.percentiles.p99_micros;
            writeln!(
                formatter,
                "{workload}: p99 of Purse below that of {}: {}",
                theirs.side,
                met(lower)
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            load,
            machine,
            postgres,
            health_checks,
            workloads,
            failures,
            check,
            naive_spends,
        } = self;
        writeln!(formatter, "\n{load}")?;
        writeln!(formatter, "{machine}")?;
        writeln!(formatter, "PostgreSQL: {postgres}\n")?;
        writeln!(formatter, "{}\n", table(health_checks, workloads))?;
        for workload in workloads {
            writeln!(formatter, "{workload}")?;
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

fn table(health_checks: &[SideReport], workloads: &[WorkloadReport]) -> Table {
    let mut table = Table::new();
    let header = ["workload", "side", "callers"].into_iter().chain(SUMMARY_COLUMNS);
    table.load_style(presets::ASCII_MARKDOWN).set_header(header);
    let of_workloads = workloads
        .iter()
        .flat_map(|workload| workload.sides.iter().map(|side| (workload.workload, side)));
    let without_work = health_checks.iter().map(|checks| ("none", checks));
    for (workload, SideReport { side, callers, summary }) in without_work.chain(of_workloads) {
        let names = [workload.to_owned(), (*side).to_owned(), callers.to_string()];
        table.add_row(names.into_iter().chain(summary.cells()));
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
