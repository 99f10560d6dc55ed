//! A timeline: the balances of a wallet as a step function over a range, in a bounded number of points.
//!
//! Steps are pushed in order of time, as many as there are; hardly more than were asked for are ever held.

use thiserror::Error;

use crate::{Balances, Timestamp};

/// Instants from `start` on and before `end`; none, if they are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    start: Timestamp,
    end: Timestamp,
}

/// The range ends before it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must not be before start")]
pub struct TimeRangeError;

impl TimeRange {
    /// A range that does not end before it starts.
    pub fn new(start: Timestamp, end: Timestamp) -> Result<Self, TimeRangeError> {
        if end < start { Err(TimeRangeError) } else { Ok(Self { start, end }) }
    }

    /// The first instant inside.
    pub fn start(self) -> Timestamp {
        self.start
    }

    /// The first instant after it.
    pub fn end(self) -> Timestamp {
        self.end
    }

    /// The last instant inside; before `start` if there is none.
    pub fn last(self) -> Timestamp {
        self.end.plus_micros(-1)
    }

    /// Which of so many equal parts of the range an instant lies in, from 0 on.
    fn slot(self, at: Timestamp, slots: usize) -> i128 {
        let micros =
            |from: Timestamp, to: Timestamp| i128::from(to.micros()) - i128::from(from.micros());
        // A number of points is small; whatever it is, the product fits.
        let slots = i128::from(u32::try_from(slots).unwrap_or(u32::MAX));
        micros(self.start, at) * slots / micros(self.start, self.end).max(1)
    }
}

/// A wallet's balances from an instant on, until the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The instant.
    pub at: Timestamp,
    /// The balances.
    pub balances: Balances,
}

/// A step function in the making.
#[derive(Debug, Clone)]
pub struct Timeline {
    range: TimeRange,
    most: usize,
    thinned: bool,
    /// The first is at the start of the range, the last is the last that there was.
    steps: Vec<Step>,
    /// What was pushed last: more may happen at the same instant.
    pending: Option<Step>,
}

impl Timeline {
    /// Begins with the balances at the start of the range. There is at least this one point.
    pub fn new(range: TimeRange, most: usize, at_start: Balances) -> Self {
        let first = Step { at: range.start, balances: at_start };
        Self { range, most, thinned: false, steps: vec![first], pending: None }
    }

    /// Adds a step after the start and before the end of the range, not before the one pushed last. Of several at
    /// one instant the last counts.
    pub fn push(&mut self, step: Step) {
        if let Some(before) = self.pending.filter(|pending| pending.at != step.at) {
            self.keep(before);
        }
        self.pending = Some(step);
    }

    /// The steps, and whether there were more of them.
    pub fn finish(mut self) -> (Vec<Step>, bool) {
        if let Some(last) = self.pending.take() {
            self.keep(last);
        }
        (self.steps, self.thinned)
    }

    fn keep(&mut self, step: Step) {
        if self.steps.last().is_some_and(|last| last.balances == step.balances) {
            return;
        }
        if self.thinned {
            self.keep_thinly(step);
            return;
        }
        self.steps.push(step);
        if self.steps.len() > self.most {
            self.thinned = true;
            let steps = std::mem::take(&mut self.steps);
            let mut steps = steps.into_iter();
            self.steps.extend(steps.next());
            steps.for_each(|step| self.keep_thinly(step));
        }
    }

    /// Keeps the last step of each of equal slots of the range, one slot for each point but the first. So a point
    /// says exactly what there is at the end of its slot, and the last step stays.
    fn keep_thinly(&mut self, step: Step) {
        let slots = self.most.saturating_sub(1);
        if slots == 0 {
            return;
        }
        let slot = self.range.slot(step.at, slots);
        let is_same_slot = |last: &Step| self.range.slot(last.at, slots) == slot;
        if self.steps.len() > 1 && self.steps.last().is_some_and(is_same_slot) {
            self.steps.pop();
        }
        self.steps.push(step);
    }
}
