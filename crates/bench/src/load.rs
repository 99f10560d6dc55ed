//! The closed loop: a fixed number of callers, each of which calls again as soon as it is answered.
//!
//! Knows nothing about what is called. Work per call is kept to two clock readings and one entry in
//! a histogram, because the load shares the processors with what it measures.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use thiserror::Error;
use tokio::task::{JoinError, JoinSet};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::figures::{Latencies, Round};

/// How long calls in flight at the end of the window may take to be answered.
pub const STRAGGLERS_SECONDS: u64 = 30;

/// One of the callers.
pub trait Caller: Send + 'static {
    /// Makes one call and waits for its answer.
    fn call(&mut self) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// A call that was not acknowledged.
#[derive(Debug)]
pub struct Failure {
    /// What failures are counted by: the status code.
    pub code: String,
    /// What the server said.
    pub message: String,
    /// Refused before any work, with word of when to come again: `RESOURCE_EXHAUSTED` with `RetryInfo`.
    pub refused: bool,
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let refused = status.code() == Code::ResourceExhausted
            && status.get_details_retry_info().is_some_and(|retry| retry.retry_delay.is_some());
        Self { code: format!("{:?}", status.code()), message: status.message().to_owned(), refused }
    }
}

/// How often one code was answered.
#[derive(Debug, Default)]
pub struct FailureCount {
    pub count: u64,
    /// What the server said the first time.
    pub first_message: String,
}

/// Calls that failed, by code.
#[derive(Debug, Default)]
pub struct Failures(BTreeMap<String, FailureCount>);

impl Failures {
    /// Counts what failed with one code.
    pub fn count(&mut self, code: String, count: u64, message: String) {
        let failure =
            self.0.entry(code).or_insert_with(|| FailureCount { count: 0, first_message: message });
        failure.count += count;
    }

    /// Adds what failed elsewhere.
    pub fn add(&mut self, other: Self) {
        for (code, FailureCount { count, first_message }) in other.0 {
            self.count(code, count, first_message);
        }
    }

    /// How many calls failed.
    pub fn total(&self) -> u64 {
        self.0.values().map(|failure| failure.count).sum()
    }

    /// By code.
    pub fn into_counts(self) -> impl Iterator<Item = (String, FailureCount)> {
        self.0.into_iter()
    }
}

/// When to measure.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub warm_up_seconds: u64,
    pub measured_seconds: u64,
}

/// What the callers saw.
#[derive(Debug)]
pub struct Tally {
    /// Of the calls acknowledged inside the measured window.
    latencies: Latencies,
    /// Calls acknowledged at any time, warm-up and stragglers included.
    pub acknowledged: u64,
    /// Calls that failed at any time.
    pub failures: Failures,
}

/// Why a loop came to no result.
#[derive(Debug, Error)]
pub enum LoadError {
    #[error("calls were still unanswered {STRAGGLERS_SECONDS} s after the end of the window")]
    Unanswered,
    #[error("a caller stopped")]
    Caller(#[from] JoinError),
    #[error("no call was acknowledged in the measured window{}", first_failure(.0))]
    NothingAcknowledged(Box<Tally>),
}

fn first_failure(tally: &Tally) -> String {
    tally.failures.0.iter().next().map_or_else(String::new, |(code, failure)| {
        format!("; {} times {code}: {}", failure.count, failure.first_message)
    })
}

/// Lets all callers call until the window has passed.
pub async fn closed_loop<C: Caller>(callers: Vec<C>, window: Window) -> Result<Tally, LoadError> {
    let starts_at = Instant::now() + Duration::from_secs(window.warm_up_seconds);
    let ends_at = starts_at + Duration::from_secs(window.measured_seconds);
    let mut tasks = JoinSet::new();
    for caller in callers {
        tasks.spawn(call_until(caller, starts_at, ends_at));
    }

    let mut total = Tally::new();
    let gives_up_at = ends_at + Duration::from_secs(STRAGGLERS_SECONDS);
    while let Some(tally) = tokio::time::timeout_at(gives_up_at.into(), tasks.join_next())
        .await
        .map_err(|_| LoadError::Unanswered)?
    {
        total.add(tally?);
    }
    if total.latencies.count() == 0 {
        return Err(LoadError::NothingAcknowledged(Box::new(total)));
    }
    Ok(total)
}

async fn call_until<C: Caller>(mut caller: C, starts_at: Instant, ends_at: Instant) -> Tally {
    let mut tally = Tally::new();
    let mut begun_at = Instant::now();
    while begun_at < ends_at {
        let outcome = caller.call().await;
        let answered_at = Instant::now();
        match outcome {
            Ok(()) => {
                tally.acknowledged += 1;
                if answered_at >= starts_at && answered_at < ends_at {
                    let latency = answered_at.duration_since(begun_at);
                    tally.latencies.record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
                }
            }
            Err(Failure { code, message, refused: _ }) => tally.failures.count(code, 1, message),
        }
        begun_at = answered_at;
    }
    tally
}

impl Tally {
    fn new() -> Self {
        Self { latencies: Latencies::new(), acknowledged: 0, failures: Failures::default() }
    }

    fn add(&mut self, other: Self) {
        let Self { latencies, acknowledged, failures } = other;
        self.latencies.add(&latencies);
        self.acknowledged += acknowledged;
        self.failures.add(failures);
    }

    /// The figures of the measured window.
    pub fn round(&self, window: Window) -> Round {
        Round {
            calls_per_second: self.latencies.count() / window.measured_seconds,
            latencies: self.latencies.clone(),
        }
    }
}
