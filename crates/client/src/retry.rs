//! When a call is tried again. Knows nothing of what is called: a call always sends the same request, and
//! with it the same idempotency key, so a second try can do no harm.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use purse_proto::v1::ErrorReason;
use tokio::time::Instant;
use tonic::Code;

use crate::Error;

/// How often and how soon a call is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many times a call is sent at most, the first time included: 3 by default. 1 never retries.
    pub max_attempts: u32,
    /// The wait before the second try; it doubles with each further one. 100 ms by default.
    pub first_backoff: Duration,
    /// The longest wait that doubling leads to: 2 s by default.
    pub max_backoff: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            first_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
        }
    }
}

impl RetryPolicy {
    /// A policy that sends each call once.
    pub fn never() -> Self {
        Self { max_attempts: 1, ..Self::default() }
    }

    /// How long to wait before sending again what failed `attempts` times; `None` to give up.
    ///
    /// UNAVAILABLE is retried (AIP-194), which is also what a lost connection counts as.
    /// `RESOURCE_EXHAUSTED` is retried if the service says when, and never sooner than that; but not what a spend
    /// limit refuses, which is for the caller to decide. No wait goes past the deadline.
    pub(crate) fn wait(
        &self,
        error: &Error,
        attempts: u32,
        deadline: Instant,
        jitter: &Jitter,
    ) -> Option<Duration> {
        let at_least = match error {
            Error::Unreachable { .. } => Duration::ZERO,
            Error::Refused(refusal) if refusal.reason == Some(ErrorReason::SpendLimitExceeded) => {
                return None;
            }
            Error::Refused(refusal) => match (refusal.code, refusal.retry_after) {
                (Code::Unavailable, retry_after) => retry_after.unwrap_or_default(),
                (Code::ResourceExhausted, Some(retry_after)) => retry_after,
                _ => return None,
            },
            Error::DeadlineExceeded { .. } => return None,
        };
        if attempts >= self.max_attempts {
            return None;
        }
        let wait = at_least.saturating_add(jitter.spread(self.backoff(attempts)));
        (wait < deadline.saturating_duration_since(Instant::now())).then_some(wait)
    }

    fn backoff(&self, attempts: u32) -> Duration {
        // 2^20 times any first wait is past any longest one.
        let doublings = attempts.saturating_sub(1).min(20);
        self.first_backoff.saturating_mul(1 << doublings).min(self.max_backoff)
    }
}

/// Spreads the waits of many callers, so that they do not come back all at once.
#[derive(Debug)]
pub(crate) struct Jitter(Mutex<fastrand::Rng>);

impl Jitter {
    pub(crate) fn new(seed: Option<u64>) -> Self {
        Self(Mutex::new(seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed)))
    }

    /// Between half of the wait and all of it.
    fn spread(&self, wait: Duration) -> Duration {
        let micros = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        let mut random = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Duration::from_micros(random.u64(micros / 2..=micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost() -> Error {
        Error::Unreachable { endpoint: String::new(), cause: String::new(), attempts: 1 }
    }

    #[test]
    fn waits_double_up_to_the_longest_and_keep_half_at_least() {
        let policy = RetryPolicy { max_attempts: 99, ..RetryPolicy::default() };
        let deadline = Instant::now() + Duration::from_hours(1);
        let jitter = Jitter::new(Some(7));
        for (attempts, longest) in
            [(1, 100), (2, 200), (3, 400), (5, 1_600), (6, 2_000), (90, 2_000)]
        {
            let wait = policy.wait(&lost(), attempts, deadline, &jitter).unwrap().as_millis();
            assert!((longest / 2..=longest).contains(&wait), "{attempts}: {wait} ms");
        }
    }

    #[test]
    fn a_wait_that_passes_the_deadline_gives_up() {
        let deadline = Instant::now() + Duration::from_millis(10);
        assert_eq!(RetryPolicy::default().wait(&lost(), 1, deadline, &Jitter::new(Some(7))), None);
    }

    #[test]
    fn one_attempt_never_waits() {
        let deadline = Instant::now() + Duration::from_hours(1);
        assert_eq!(RetryPolicy::never().wait(&lost(), 1, deadline, &Jitter::new(Some(7))), None);
    }
}
