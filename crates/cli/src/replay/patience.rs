//! Waits while the service is away, and knows when that has been too long.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use purse_client::Error;
use tokio::time::{Instant, sleep};

/// Between calls to a service that is away. The client's own tries come on top, with jitter.
const PAUSE: Duration = Duration::from_millis(200);

/// How long the service may be away. One for all callers: what counts is the time since the last answer
/// to any of them, so a service that never comes back stops the replay once and not once per row.
#[derive(Debug)]
pub struct Patience {
    limit: Duration,
    last_answer: Mutex<Instant>,
}

impl Patience {
    /// Patience from now on.
    pub fn new(limit: Duration) -> Self {
        Self { limit, last_answer: Mutex::new(Instant::now()) }
    }

    /// Makes a call again and again, each time with the same request, until the service answers it or has
    /// been away for too long. Only answers that the service will not change its mind about are returned,
    /// and the last error when patience is over.
    pub async fn call<R, C, F>(&self, call: C) -> Result<R, Error>
    where
        C: Fn() -> F,
        F: Future<Output = Result<R, Error>>,
    {
        loop {
            let outcome = call().await;
            match &outcome {
                Err(error) if error.is_temporary() => {
                    if self.is_over() {
                        return outcome;
                    }
                    sleep(PAUSE).await;
                }
                Ok(_) | Err(_) => {
                    self.answered();
                    return outcome;
                }
            }
        }
    }

    fn answered(&self) {
        *self.last_answer.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn is_over(&self) -> bool {
        let last_answer = *self.last_answer.lock().unwrap_or_else(PoisonError::into_inner);
        last_answer.elapsed() >= self.limit
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn away() -> Error {
        Error::Unreachable { endpoint: String::new(), cause: String::new(), attempts: 3 }
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_comes_back_is_waited_for() {
        let calls = AtomicU32::new(0);
        let answer = Patience::new(Duration::from_mins(1))
            .call(|| async {
                let call = calls.fetch_add(1, Ordering::Relaxed);
                if call < 100 { Err(away()) } else { Ok(call) }
            })
            .await;
        assert_eq!(answer, Ok(100));
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_stays_away_is_given_up() {
        let began = Instant::now();
        let patience = Patience::new(Duration::from_mins(1));
        let answer: Result<(), Error> = patience.call(|| async { Err(away()) }).await;
        assert_eq!(answer, Err(away()));
        assert!(began.elapsed() < Duration::from_mins(2));
        // The next caller does not wait all over again.
        let again: Result<(), Error> = patience.call(|| async { Err(away()) }).await;
        assert_eq!(again, Err(away()));
        assert!(began.elapsed() < Duration::from_mins(2));
    }
}
