//! How many requests may wait in a lane: about as many as it gets through in the time that a caller is let wait.
//!
//! A number alone would be wrong for every machine but one: what is 25 ms of work here is a second there, or when the
//! database is slow. Who is refused at once can go elsewhere, or come again when there is room.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a request should wait at most before its batch. Its batch, its answer and its turns on a processor come on
/// top, several times as much under an overload.
const LONGEST_WAIT: Duration = Duration::from_millis(25);
/// Most requests that wait whatever the pace, so that memory is bounded too.
pub const MOST_WAITING: usize = 8_192;
/// So many requests are a full batch: beyond this a larger one gains little and waits longer. One may wait whatever the
/// pace, so that some hundreds of callers, or events of subscriptions that come together, are no overload where all is slow.
pub const LARGEST_BATCH: usize = 256;
/// A batch should take so small a part of the longest wait: who has waited for one waits for his own as well.
const BATCHES_IN_WAIT: usize = 3;

/// The requests that wait in a lane, and how many more may.
#[derive(Debug)]
pub struct Backlog {
    places: Arc<Semaphore>,
    /// As many as the lane gets through in the longest wait. Its task alone changes it.
    most: AtomicUsize,
}

impl Default for Backlog {
    /// Until a lane has run full batches, nothing is known of its pace.
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(MOST_WAITING)),
            most: AtomicUsize::new(MOST_WAITING),
        }
    }
}

impl Backlog {
    /// Places for requests that come together, to be given back when the lane takes them; `None`: too many wait.
    pub fn places(&self, requests: usize) -> Option<OwnedSemaphorePermit> {
        let waiting = MOST_WAITING - self.places.available_permits();
        if waiting >= self.most.load(Ordering::Relaxed) {
            return None;
        }
        Arc::clone(&self.places).try_acquire_many_owned(u32::try_from(requests).ok()?).ok()
    }

    /// How many requests the lane should take at once.
    pub fn batch(&self) -> usize {
        let most = self.most.load(Ordering::Relaxed);
        (most / BATCHES_IN_WAIT).min(LARGEST_BATCH)
    }

    /// The lane has run a batch. Small ones say nothing: most of their time is what every batch takes.
    pub fn ran(&self, requests: usize, took: Duration) {
        if requests < self.batch() / 2 {
            return;
        }
        let pace = LONGEST_WAIT.as_nanos() * requests as u128 / took.as_nanos().max(1);
        let now = usize::try_from(pace).unwrap_or(MOST_WAITING);
        let before = self.most.load(Ordering::Relaxed);
        let mean = (3 * before + now.min(MOST_WAITING)) / 4;
        self.most.store(mean.max(LARGEST_BATCH), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn let_in(backlog: &Backlog) -> Vec<OwnedSemaphorePermit> {
        std::iter::from_fn(|| backlog.places(1)).collect()
    }

    fn with_pace(requests: usize, took: Duration) -> Backlog {
        let backlog = Backlog::default();
        for _ in 0..50 {
            backlog.ran(requests, took);
        }
        backlog
    }

    #[test]
    fn as_many_wait_as_are_run_in_the_longest_wait() {
        let backlog = with_pace(256, Duration::from_millis(8));
        let waiting = let_in(&backlog).len();
        assert!((800..=804).contains(&waiting), "{waiting}");
        assert_eq!(backlog.batch(), LARGEST_BATCH);
    }

    #[test]
    fn where_a_full_batch_takes_long_batches_are_smaller() {
        let backlog = with_pace(192, Duration::from_millis(10));
        assert!((160..=162).contains(&backlog.batch()), "{}", backlog.batch());
    }

    #[test]
    fn a_full_batch_may_always_wait_and_memory_is_bounded() {
        let slow = with_pace(256, Duration::from_secs(20));
        assert_eq!(slow.batch(), LARGEST_BATCH / BATCHES_IN_WAIT);
        assert_eq!(let_in(&slow).len(), LARGEST_BATCH);
        assert_eq!(let_in(&with_pace(256, Duration::from_micros(1))).len(), MOST_WAITING);
    }

    #[test]
    fn small_batches_say_nothing_of_the_pace() {
        assert_eq!(let_in(&with_pace(1, Duration::from_millis(20))).len(), MOST_WAITING);
    }

    #[test]
    fn places_come_back_and_what_comes_together_is_let_in_whole() {
        let backlog = with_pace(256, Duration::from_secs(20));
        let waiting = let_in(&backlog);
        assert!(backlog.places(1).is_none());
        drop(waiting);
        let together = backlog.places(1_000).expect("nothing waits");
        assert!(backlog.places(1).is_none());
        drop(together);
        assert!(backlog.places(1).is_some());
        assert!(backlog.places(MOST_WAITING + 1).is_none(), "more than ever fits");
    }
}
