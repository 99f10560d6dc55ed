//! What a replay tells at its end.

use std::{collections::BTreeMap, time::Duration};

use rust_decimal::Decimal;
use serde::Serialize;

use super::{
    check::{Discrepancy, Totals},
    plan::Plan,
    spending::Tally,
};
use crate::table::{self, Column};

/// What a replay tells at its end. Amounts are decimal strings.
#[derive(Debug, Serialize)]
pub struct Summary {
    trace: String,
    asset: String,
    rows: u64,
    accepted: u64,
    replayed: u64,
    refused_for_lack_of_credits: u64,
    free: u64,
    failed: u64,
    failures: Vec<String>,
    spent: String,
    spent_by_category: BTreeMap<String, String>,
    elapsed_ms: u64,
    spends_per_second: u64,
    latency_micros: Latency,
    ledger: LedgerCheck,
}

#[derive(Debug, Serialize)]
struct Latency {
    p50: u64,
    p95: u64,
    p99: u64,
}

/// What the check of the ledgers found.
#[derive(Debug, Serialize)]
pub struct LedgerCheck {
    adds_up: bool,
    accounts: u64,
    entries: u64,
    grants: u64,
    discrepancies: Vec<String>,
}

impl LedgerCheck {
    /// What the check of all accounts found.
    pub fn new(accounts: u64, totals: &Totals, discrepancies: &[Discrepancy]) -> Self {
        Self {
            adds_up: discrepancies.is_empty(),
            accounts,
            entries: totals.entries,
            grants: totals.grants,
            discrepancies: discrepancies.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Summary {
    /// Sums a replay up.
    pub fn new(
        rows: u64,
        plan: &Plan,
        tally: &Tally,
        elapsed: Duration,
        totals: &Totals,
        ledger: LedgerCheck,
    ) -> Self {
        let spent: Decimal = tally.spent.iter().flatten().map(|spent| spent.amount).sum();
        let by_category = &totals.spent_by_category;
        let elapsed_micros = elapsed.as_micros().max(1);
        let per_second = u128::from(tally.answered()) * 1_000_000 / elapsed_micros;
        let latency = |quantile| tally.latency.value_at_quantile(quantile);
        Self {
            trace: plan.trace.clone(),
            asset: plan.asset.clone(),
            rows,
            accepted: tally.accepted,
            replayed: tally.replayed,
            refused_for_lack_of_credits: tally.refused,
            free: tally.free,
            failed: tally.failed,
            failures: tally.failures.clone(),
            spent: spent.normalize().to_string(),
            spent_by_category: by_category
                .iter()
                .map(|(category, spent)| (category.clone(), spent.normalize().to_string()))
                .collect(),
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            spends_per_second: u64::try_from(per_second).unwrap_or(u64::MAX),
            latency_micros: Latency { p50: latency(0.5), p95: latency(0.95), p99: latency(0.99) },
            ledger,
        }
    }

    /// Whether nothing failed and every ledger adds up.
    pub fn is_good(&self) -> bool {
        self.failed == 0 && self.ledger.adds_up
    }

    /// The summary for programs.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a summary has a JSON form")
    }

    /// The summary for people.
    pub fn table(&self) -> String {
        let columns = [Column::Word("rows of"), Column::Figure(""), Column::Text("")];
        let count = |name: &str, count: u64, note: &str| {
            vec![name.to_owned(), count.to_string(), note.to_owned()]
        };
        let rows = table::rows(
            &columns,
            [
                count(&self.trace, self.rows, ""),
                count("  accepted", self.accepted, "written by this run"),
                count("  replayed", self.replayed, "written by an earlier run"),
                count("  refused", self.refused_for_lack_of_credits, "for lack of credits"),
                count("  free", self.free, "cost nothing"),
                count("  failed", self.failed, ""),
            ],
        );
        let columns = [Column::Text("spent"), Column::Figure(""), Column::Text("")];
        let amount = |name: &str, amount: &str, asset: &str| {
            vec![name.to_owned(), amount.to_owned(), asset.to_owned()]
        };
        let mut amounts = vec![amount("in all", &self.spent, &self.asset)];
        for (category, spent) in &self.spent_by_category {
            amounts.push(amount(&format!("  from {category}"), spent, ""));
        }
        let spent = table::rows(&columns, amounts);

        let Latency { p50, p95, p99 } = self.latency_micros;
        let speed = format!(
            "{} spends per second; latency p50 {} ms, p95 {} ms, p99 {} ms; {} s in all",
            self.spends_per_second,
            thousandths(p50),
            thousandths(p95),
            thousandths(p99),
            thousandths(self.elapsed_ms),
        );
        let mut text = format!("{rows}\n\n{spent}\n\n{speed}\n{}", self.ledger.line());
        for line in self.failures.iter().chain(&self.ledger.discrepancies) {
            text.push_str("\n  ");
            text.push_str(line);
        }
        text
    }
}

impl LedgerCheck {
    fn line(&self) -> String {
        let Self { adds_up, accounts, entries, grants, discrepancies } = self;
        if *adds_up {
            format!("The ledger adds up: {accounts} accounts, {entries} entries, {grants} grants.")
        } else {
            let wrong = discrepancies.len();
            format!("THE LEDGER DOES NOT ADD UP: {wrong} of {accounts} accounts are wrong.")
        }
    }
}

/// Thousandths as a decimal: 1234 is 1.234.
fn thousandths(count: u64) -> String {
    format!("{}.{:03}", count / 1_000, count % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousandths_are_decimals() {
        assert_eq!(thousandths(1_234), "1.234");
        assert_eq!(thousandths(7), "0.007");
    }
}
