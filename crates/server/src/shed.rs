//! Refusing what comes faster than the processors can take it up.
//!
//! A lane knows how long a write will wait for its batch. This is about the wait before that, of every call: for its turn
//! on a processor. Where more comes than can even be looked at, whatever is taken up makes the rest wait longer, until
//! every answer is late; a refusal costs a fraction of a spend, so refusing the latest makes room for the others.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// A call that has waited longer for its turn is refused, while calls usually wait half of that.
const LONGEST_TURN: Duration = Duration::from_millis(5);
/// What is usual moves towards a longer wait by so small a part of the difference. Under an overload waits grow fast, and a
/// thousand of a tenth of a second tell; at some thousands of calls a second, a process that is stopped for a tenth of a
/// second refuses nobody.
const CALLS_TO_NOTICE: u64 = 32_768;
/// And so much faster towards a shorter one: some thousand calls that are taken up at once end an overload. So what is usual
/// is below the mean wait: a few calls in time keep it low.
const CALLS_TO_FORGET: u64 = 2_048;

/// How long calls usually wait for their turn. Calls that ask at once may miss each other, which it bears.
#[derive(Debug, Default)]
pub struct Turns {
    usual_nanos: AtomicU64,
}

impl Turns {
    /// Whether the call that has waited this long, and whose turn it is now, is to be refused.
    pub fn refuses(&self, waited: Duration) -> bool {
        let waited_nanos = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
        let before = self.usual_nanos.load(Ordering::Relaxed);
        let longer = waited_nanos.saturating_sub(before) / CALLS_TO_NOTICE;
        let shorter = before.saturating_sub(waited_nanos) / CALLS_TO_FORGET;
        let usual = before + longer - shorter;
        self.usual_nanos.store(usual, Ordering::Relaxed);
        waited > LONGEST_TURN && Duration::from_nanos(usual) > LONGEST_TURN / 2
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
        assert!((9_100..9_200).contains(&late), "{late}");
        assert_eq!(refused(&turns, 1, 6), 1, "late, as the others");
        assert_eq!(refused(&turns, 10_000, 1), 0);
        assert_eq!(refused(&turns, 500, 50), 0, "a burst");
    }

    #[test]
    fn a_pause_and_turns_that_are_short_enough_refuse_nobody() {
        let turns = Turns::default();
        assert_eq!(refused(&turns, 40_000, 1), 0);
        // A tenth of a second in which six thousand a second came.
        let paused = (0..100).rev().map(|waited_millis| refused(&turns, 6, waited_millis));
        assert_eq!(paused.sum::<usize>(), 0);
        assert_eq!(refused(&turns, 40_000, 4), 0, "late, and none of them too late");
    }
}
