//! Spends the rows and keeps the tally.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;
use indicatif::ProgressBar;
use purse_client::{
    Client, Error,
    v1::{ErrorReason, SpendResponse},
};
use rust_decimal::Decimal;
use tokio::time::Instant;

use super::{
    callers,
    patience::Patience,
    plan::Plan,
    trace::{Row, Trace},
};
use crate::exit::Failure;

/// How many failed rows are described; the others are counted.
const DESCRIBED: usize = 5;
/// The longest latency that is told apart: one hour.
const MAX_MICROS: u64 = 3_600_000_000;

/// A row that was paid for.
#[derive(Debug, Clone)]
pub struct Spent {
    /// The spend's key.
    pub key: String,
    /// What it cost.
    pub amount: Decimal,
    /// The transaction that paid for it.
    pub transaction_id: String,
}

/// What became of the rows.
pub struct Tally {
    /// Spends that were written by this run.
    pub accepted: u64,
    /// Spends that an earlier run had written.
    pub replayed: u64,
    /// Spends that their account had too little for.
    pub refused: u64,
    /// Rows that cost nothing.
    pub free: u64,
    /// Rows that failed otherwise.
    pub failed: u64,
    /// The first of the failures, for people.
    pub failures: Vec<String>,
    /// Microseconds from a row's first call to its answer.
    pub latency: Histogram<u64>,
    /// For each account the rows that were paid for.
    pub spent: Vec<Vec<Spent>>,
}

impl Tally {
    fn new(accounts: u64) -> Self {
        Self {
            accepted: 0,
            replayed: 0,
            refused: 0,
            free: 0,
            failed: 0,
            failures: Vec::new(),
            latency: Histogram::new_with_bounds(1, MAX_MICROS, 3).expect("these bounds are valid"),
            spent: (0..accounts).map(|_| Vec::new()).collect(),
        }
    }

    /// Spends that the service answered.
    pub fn answered(&self) -> u64 {
        self.accepted + self.replayed + self.refused + self.failed
    }
}

/// What the callers share.
pub struct Spending {
    client: Client,
    plan: Arc<Plan>,
    patience: Arc<Patience>,
    progress: ProgressBar,
    tally: Mutex<Tally>,
}

/// Spends all rows. Answers the tally and how long it took.
pub async fn all(
    spending: Arc<Spending>,
    trace: Trace,
    callers: usize,
) -> Result<(Tally, Duration), Failure> {
    let began = Instant::now();
    let shared = Arc::clone(&spending);
    let outcome = callers::each(callers, trace, move |row| {
        let spending = Arc::clone(&shared);
        async move { spending.row(&row?).await }
    })
    .await;
    let elapsed = began.elapsed();
    spending.progress.finish_and_clear();
    outcome?;
    let plan = Arc::clone(&spending.plan);
    let tally = std::mem::replace(&mut *spending.tally(), Tally::new(plan.accounts));
    Ok((tally, elapsed))
}

impl Spending {
    /// Nothing spent so far.
    pub fn new(
        client: Client,
        plan: Arc<Plan>,
        patience: Arc<Patience>,
        progress: ProgressBar,
    ) -> Self {
        let tally = Mutex::new(Tally::new(plan.accounts));
        Self { client, plan, patience, progress, tally }
    }

    async fn row(&self, row: &Row) -> Result<(), Failure> {
        let price = self.plan.prices.of(row);
        if price.is_zero() {
            self.tally().free += 1;
            self.progress.inc(1);
            return Ok(());
        }
        let request = self.plan.spend(row, price);
        let began = Instant::now();
        let outcome = self.patience.call(|| self.client.spend(request.clone())).await;
        let latency = began.elapsed();
        self.count(row, price, outcome, latency)?;
        self.progress.inc(1);
        Ok(())
    }

    fn count(
        &self,
        row: &Row,
        price: Decimal,
        outcome: Result<SpendResponse, Error>,
        latency: Duration,
    ) -> Result<(), Failure> {
        let mut tally = self.tally();
        match outcome {
            Ok(answer) => {
                if answer.replayed {
                    tally.replayed += 1;
                } else {
                    tally.accepted += 1;
                }
                let transaction_id = answer.transaction.unwrap_or_default().transaction_id;
                let spent = Spent { key: self.plan.key(row), amount: price, transaction_id };
                let index = usize::try_from(self.plan.account_index(row)).unwrap_or(usize::MAX);
                tally.spent[index].push(spent);
            }
            Err(error) if error.reason() == Some(ErrorReason::InsufficientCredits) => {
                tally.refused += 1;
            }
            Err(error) if error.is_temporary() => {
                let stopped = format!(
                    "stopped after {} rows, because the service stays away",
                    tally.answered() + tally.free
                );
                let advice = "Run the same command again to finish: nothing is spent twice.";
                return Err(Failure::Stopped { stopped, error, advice });
            }
            Err(error) => {
                tally.failed += 1;
                if tally.failures.len() < DESCRIBED {
                    tally.failures.push(format!("row {}: {}", row.number, error.problem()));
                }
            }
        }
        let micros = u64::try_from(latency.as_micros()).unwrap_or(MAX_MICROS);
        tally.latency.saturating_record(micros);
        Ok(())
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
