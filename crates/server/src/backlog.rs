//! How many requests a lane may have: about as many as it gets through in the time that a caller is let wait.
//!
//! A number alone would be wrong for every machine but one: what is 40 ms of work here is a second there, or when the
//! database is slow. Who is refused at once can go elsewhere, or come again when there is room.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a request should be in a lane at most, its batch included. Its answer and its turns on a processor come on
/// top, several times as much under an overload; and what comes together is let in whole, however much it is.
const LONGEST_STAY: Duration = Duration::from_millis(40);
/// Most requests in a lane whatever the pace, so that memory is bounded too.
pub const MOST_IN_LANE: usize = 8_192;
/// So many requests are a full batch: beyond this a larger one gains little and waits longer. One may be in a lane whatever
/// the pace, so that some hundreds of callers are no overload where all is slow.
pub const LARGEST_BATCH: usize = 256;
/// A batch should take so small a part of the longest stay: two may be under way, and who comes meanwhile waits for the next.
const BATCHES_IN_STAY: usize = 4;
/// But so many requests are worth a batch whatever it takes: where its own price is high, smaller ones take longer in all.
const LEAST_FULL: usize = LARGEST_BATCH / 2;

/// What asks for places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// A request, of which nothing has been done yet.
    New,
    /// What follows from something that is recorded already. Who sends it bounds it.
    Begun,
}

/// The requests in a lane, waiting or under way, and how many more may come.
#[derive(Debug)]
pub struct Backlog {
    places: Arc<Semaphore>,
    /// As many as the lane gets through in the longest stay. Its task alone changes it.
    most: AtomicUsize,
}

impl Default for Backlog {
    /// Until a lane has run full batches, nothing is known of its pace.
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(MOST_IN_LANE)),
            most: AtomicUsize::new(MOST_IN_LANE),
        }
    }
}

impl Backlog {
    /// Places for requests that come together, to be given back with their answers; `None`: the lane has too many. Work that
    /// has begun is refused only where memory ends.
    pub fn places(&self, requests: usize, work: Work) -> Option<OwnedSemaphorePermit> {
        let in_lane = MOST_IN_LANE - self.places.available_permits();
        if work == Work::New && in_lane >= self.most.load(Ordering::Relaxed) {
            return None;
        }
        Arc::clone(&self.places).try_acquire_many_owned(u32::try_from(requests).ok()?).ok()
    }

    /// How many requests the lane should take at once.
    pub fn batch(&self) -> usize {
        let most = self.most.load(Ordering::Relaxed);
        (most / BATCHES_IN_STAY).clamp(LEAST_FULL, LARGEST_BATCH)
    }

    /// The lane has run a batch. That a small one took long says nothing: most of its time is what every batch takes.
    pub fn ran(&self, requests: usize, took: Duration) {
        let pace = LONGEST_STAY.as_nanos() * requests as u128 / took.as_nanos().max(1);
        let now = usize::try_from(pace).unwrap_or(MOST_IN_LANE).min(MOST_IN_LANE);
        let before = self.most.load(Ordering::Relaxed);
        if now < before && requests < self.batch() / 2 {
            return;
        }
        let mean = (3 * before + now) / 4;
        self.most.store(mean.max(LARGEST_BATCH), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn let_in(backlog: &Backlog) -> Vec<OwnedSemaphorePermit> {
        std::iter::from_fn(|| backlog.places(1, Work::New)).collect()
    }

    fn with_pace(requests: usize, took: Duration) -> Backlog {
        let backlog = Backlog::default();
        for _ in 0..50 {
            backlog.ran(requests, took);
        }
        backlog
    }

    #[test]
    fn as_many_are_let_in_as_are_run_in_the_longest_stay() {
        let backlog = with_pace(256, Duration::from_millis(8));
        let in_lane = let_in(&backlog).len();
        assert!((1_280..=1_284).contains(&in_lane), "{in_lane}");
        assert_eq!(backlog.batch(), LARGEST_BATCH);
    }

    #[test]
    fn where_a_full_batch_takes_long_batches_are_smaller() {
        let backlog = with_pace(192, Duration::from_millis(10));
        assert!((192..=193).contains(&backlog.batch()), "{}", backlog.batch());
    }

    #[test]
    fn a_full_batch_is_always_let_in_and_memory_is_bounded() {
        let slow = with_pace(256, Duration::from_secs(20));
        assert_eq!(slow.batch(), LEAST_FULL);
        assert_eq!(let_in(&slow).len(), LARGEST_BATCH);
        assert_eq!(let_in(&with_pace(256, Duration::from_micros(1))).len(), MOST_IN_LANE);
    }

    #[test]
    fn a_small_batch_tells_that_a_lane_is_fast_and_not_that_it_is_slow() {
        assert_eq!(let_in(&with_pace(1, Duration::from_millis(20))).len(), MOST_IN_LANE);
        let backlog = with_pace(256, Duration::from_secs(20));
        backlog.ran(20, Duration::from_micros(400));
        assert_eq!(let_in(&backlog).len(), (3 * 256 + 2_000) / 4);
    }

    #[test]
    fn what_has_begun_is_let_in_until_memory_ends() {
        let backlog = with_pace(256, Duration::from_secs(20));
        let new = let_in(&backlog);
        let begun = std::iter::from_fn(|| backlog.places(1, Work::Begun)).collect::<Vec<_>>();
        assert_eq!(new.len() + begun.len(), MOST_IN_LANE);
    }

    #[test]
    fn places_come_back_and_what_comes_together_is_let_in_whole() {
        let backlog = with_pace(256, Duration::from_secs(20));
        let waiting = let_in(&backlog);
        assert!(backlog.places(1, Work::New).is_none());
        drop(waiting);
        let together = backlog.places(1_000, Work::New).expect("nothing waits");
        assert!(backlog.places(1, Work::New).is_none());
        drop(together);
        assert!(backlog.places(1, Work::New).is_some());
        assert!(backlog.places(MOST_IN_LANE + 1, Work::New).is_none(), "more than ever fits");
    }
}
