//! The report: a table for people, the same figures as JSON.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use rust_decimal::Decimal;
use serde::Serialize;

use crate::{
    figures::{Summary, ratio_hundredths},
    load::FailureCount,
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
    pub failures: Vec<Failures>,
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

/// How often calls failed with one code.
#[derive(Debug, Serialize)]
pub struct Failures {
    pub code: String,
    pub count: u64,
    pub first_message: String,
}

impl From<(String, FailureCount)> for Failures {
    fn from((code, FailureCount { count, first_message }): (String, FailureCount)) -> Self {
        Self { code, count, first_message }
    }
}

/// What callers were told against what the balances say, over the whole run.
#[derive(Debug, Serialize)]
pub struct Check {
    /// Spends that were acknowledged.
    pub acknowledged: u64,
    /// Spends that were not; they may have happened.
    pub failed: u64,
    /// What the wallets lost, in spends.
    #[serde(serialize_with = "as_text")]
    pub booked: Decimal,
}

fn as_text<S: serde::Serializer>(value: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { load, machine, postgres, workloads, failures, check, naive_spends } = self;
        writeln!(formatter, "\n{load}")?;
        let Machine { processors, busy_percent_before } = machine;
        if let Some(percent) = busy_percent_before {
            writeln!(formatter, "{processors} processors, {percent} % busy before the run")?;
        } else {
            writeln!(formatter, "{processors} processors")?;
        }
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
        for Failures { code, count, first_message } in failures {
            writeln!(
                formatter,
                "{} calls to Purse failed with {code}: {first_message}",
                grouped(*count)
            )?;
        }
        if let Some(Check { acknowledged, failed, booked }) = check {
            writeln!(
                formatter,
                "check: {} spends acknowledged, {} failed; the balances say {booked}",
                grouped(*acknowledged),
                grouped(*failed)
            )?;
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

/// `12345` as `12,345`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `438` as `4.38`.
fn hundredths(number: u64) -> String {
    format!("{}.{:02}", number / 100, number % 100)
}

/// Microseconds as milliseconds with two decimal places.
fn milliseconds(micros: u64) -> String {
    hundredths((micros + 5) / 10)
}

#[cfg(test)]
mod tests {
    use super::{grouped, hundredths, milliseconds};

    #[test]
    fn figures_are_printed_for_people() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(hundredths(1_504), "15.04");
        assert_eq!(milliseconds(4_756), "4.76");
        assert_eq!(milliseconds(4), "0.00");
    }
}
