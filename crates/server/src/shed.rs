//! Refusing what comes faster than the processors can take it up.
//!
//! A lane knows how long a write will wait for its batch. This is about the wait before that, of every call: for its turn
//! on a processor. Where more comes than can even be looked at, whatever is taken up makes the rest wait longer, until
//! every answer is late; a refusal costs a fraction of a spend, so refusing the latest makes room for the others.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// A call that has waited longer for its turn is refused, if calls have waited half of that on average.
const LONGEST_TURN: Duration = Duration::from_millis(10);
/// Of that average, one call makes so small a part. Under an overload calls wait several times as long, and a few hundred of
/// them tell; a burst, or a process that is stopped for a tenth of a second, refuses nobody.
const CALLS_IN_MEAN: u64 = 8_192;

/// How long calls wait for their turn, on average over the last ones. Calls that ask at once may miss each other, which
/// an average bears.
#[derive(Debug, Default)]
pub struct Turns {
    mean_nanos: AtomicU64,
}

impl Turns {
    /// Whether the call that has waited this long, and whose turn it is now, is to be refused.
    pub fn refuses(&self, waited: Duration) -> bool {
        let waited_nanos = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
        let before = self.mean_nanos.load(Ordering::Relaxed);
        let mean = before - before / CALLS_IN_MEAN + waited_nanos / CALLS_IN_MEAN;
        self.mean_nanos.store(mean, Ordering::Relaxed);
        waited > LONGEST_TURN && Duration::from_nanos(mean) > LONGEST_TURN / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets calls come that wait for so long; how many are refused.
    fn refused(turns: &Turns, calls: usize, waited_millis: u64) -> usize {
        let waited = Duration::from_millis(waited_millis);
        (0..calls).filter(|_| turns.refuses(waited)).count()
    }

    #[test]
    fn calls_that_wait_too_long_are_refused_until_they_do_not() {
        let turns = Turns::default();
        let late = refused(&turns, 10_000, 100);
        assert!((9_500..9_600).contains(&late), "{late}");
        assert_eq!(refused(&turns, 40_000, 1), 0);
        assert_eq!(refused(&turns, 500, 50), 0, "a burst");
    }

    #[test]
    fn a_pause_and_turns_that_are_short_enough_refuse_nobody() {
        let turns = Turns::default();
        assert_eq!(refused(&turns, 40_000, 1), 0);
        // A tenth of a second in which six thousand a second came.
        let paused = (0..100).rev().map(|waited_millis| refused(&turns, 6, waited_millis));
        assert_eq!(paused.sum::<usize>(), 0);
        assert_eq!(refused(&turns, 40_000, 9), 0, "late, and none of them too late");
    }
}
