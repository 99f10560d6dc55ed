//! Top-ups: asking whoever bills for more credits while the balance is low.
//!
//! A request is an event of the transaction that took the balance below the threshold, or left it there. There is at
//! most one that is not answered, and so many within a window at most. Deciding and recounting call the same
//! [`TopUps::after_step`].

use crate::{
    AssetCode, Crossing, EventSequence, FundingRef, LimitWindow, Occurrence, PositiveAmount,
    Timestamp,
};

/// Most requests that a window allows: as many instants are kept with each wallet that has a rule.
pub const MOST_REQUESTS: usize = 10;

/// How many requests: 1 to 10.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestCount(u8);

impl RequestCount {
    /// `None` if it is none, or too many.
    pub fn new(count: i32) -> Option<Self> {
        let count = u8::try_from(count).ok().map(Self)?;
        (1..=MOST_REQUESTS).contains(&usize::from(count.0)).then_some(count)
    }

    /// The number.
    pub fn get(self) -> u8 {
        self.0
    }
}

/// When a wallet asks for more, and for how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopUpRule {
    /// Below this balance.
    pub threshold: PositiveAmount,
    /// For so much.
    pub amount: PositiveAmount,
    /// So many times at most,
    pub most: RequestCount,
    /// within this window.
    pub window: LimitWindow,
}

/// A change of a wallet's rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopUpChange {
    /// This one, whatever there was.
    Set(TopUpRule),
    /// None. What was asked for is not awaited any more.
    Delete,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopUps {
    /// The request that is not answered yet.
    outstanding: Option<EventSequence>,
    /// When it was asked the last times, the last time first. It stays when the rule changes, so that no window is
    /// passed that way.
    asked_at: [Option<Timestamp>; MOST_REQUESTS],
}

/// A step, as far as top-ups look at it.
#[derive(Debug, Clone, Copy)]
pub struct ToppedStep {
    /// The balance before and after.
    pub balance: Crossing,
    /// It takes back what was granted: a void or a revocation. Whoever was refunded is not asked to pay again.
    pub takes_back: bool,
    /// The instant at which time did it, or the command was decided.
    pub at: Timestamp,
}

impl TopUps {
    /// Nothing was asked for.
    pub const NONE: Self = Self { outstanding: None, asked_at: [None; MOST_REQUESTS] };

    /// Takes what was stored, the last time first; `None` if it is too much.
    pub fn from_stored(outstanding: Option<i64>, asked_at: &[Timestamp]) -> Option<Self> {
        let mut stored = Self { outstanding: outstanding.map(EventSequence), ..Self::NONE };
        if asked_at.len() > MOST_REQUESTS {
            return None;
        }
        for (place, at) in stored.asked_at.iter_mut().zip(asked_at) {
            *place = Some(*at);
        }
        Some(stored)
    }

    /// The request that is not answered yet.
    pub fn outstanding(&self) -> Option<EventSequence> {
        self.outstanding
    }

    /// When it was asked the last times, the last time first.
    pub fn asked_at(&self) -> impl Iterator<Item = Timestamp> {
        self.asked_at.into_iter().flatten()
    }

    /// What a request is known by, unique within its account.
    pub fn reference(asset: &AssetCode, request: EventSequence) -> FundingRef {
        FundingRef::from_stored(format!("top-up:{asset}:{}", request.0))
    }

    /// The same under another rule.
    #[must_use]
    pub fn carried(self, rule: Option<&TopUpRule>) -> Self {
        Self { outstanding: self.outstanding.filter(|_| rule.is_some()), ..self }
    }

    /// Nothing is awaited any more.
    #[must_use]
    pub fn answered(self) -> Self {
        Self { outstanding: None, ..self }
    }

    /// How often it was asked in the window that contains an instant.
    pub fn used(&self, window: LimitWindow, at: Timestamp) -> usize {
        let start = window.start(at);
        self.asked_at().filter(|asked_at| *asked_at >= start).count()
    }

    /// Ends a step: whether it was an answer, and whether more is to be asked for now, as event `next`.
    pub fn after_step(
        &mut self,
        rule: Option<&TopUpRule>,
        step: ToppedStep,
        next: EventSequence,
        is_answer: impl FnOnce(EventSequence) -> bool,
    ) -> Option<Occurrence> {
        if self.outstanding.is_some_and(is_answer) {
            self.outstanding = None;
        }
        let rule = rule?;
        let TopUpRule { threshold, amount, most, window } = *rule;
        let ToppedStep { balance, takes_back, at } = step;
        let is_low = balance.after < threshold.get().signed();
        let may_ask = self.outstanding.is_none() && self.used(window, at) < usize::from(most.get());
        if !is_low || takes_back || !may_ask {
            return None;
        }
        self.outstanding = Some(next);
        self.asked_at.rotate_right(1);
        self.asked_at[0] = Some(at);
        Some(Occurrence::TopUpRequested { threshold, amount, balance })
    }
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::*;
    use crate::{RollingSpan, Scale, SignedAmount};

    fn rule(most: i32) -> TopUpRule {
        let amount = |text| PositiveAmount::parse(text, Scale::MAX).unwrap();
        TopUpRule {
            threshold: amount("100"),
            amount: amount("500"),
            most: RequestCount::new(most).unwrap(),
            window: LimitWindow::Rolling(RollingSpan::from_micros(10).unwrap()),
        }
    }

    fn step(before: i64, after: i64, at: i64) -> ToppedStep {
        let [before, after] =
            [before, after].map(|balance| SignedAmount::from_stored(Decimal::from(balance)));
        let balance = Crossing { before, after };
        ToppedStep { balance, takes_back: false, at: Timestamp::from_micros(at) }
    }

    fn asks(top_ups: &mut TopUps, rule: &TopUpRule, step: ToppedStep, next: i64) -> bool {
        let asked = top_ups.after_step(Some(rule), step, EventSequence(next), |_| false);
        asked.is_some()
    }

    #[test]
    fn one_request_at_a_time_is_awaited() {
        let (mut top_ups, rule) = (TopUps::NONE, rule(10));
        assert!(!asks(&mut top_ups, &rule, step(150, 100, 1), 1));
        assert!(asks(&mut top_ups, &rule, step(100, 99, 2), 1));
        assert!(!asks(&mut top_ups, &rule, step(99, 98, 3), 2));
        let answer = |request| request == EventSequence(1);
        let all = top_ups.after_step(Some(&rule), step(98, 598, 4), EventSequence(2), answer);
        assert!(all.is_none() && top_ups.outstanding().is_none());
        // What is too little is answered by asking again.
        assert!(asks(&mut top_ups, &rule, step(598, 1, 5), 2));
        let answer = |request| request == EventSequence(2);
        let part = top_ups.after_step(Some(&rule), step(1, 51, 6), EventSequence(3), answer);
        assert!(part.is_some());
        assert_eq!(top_ups.outstanding(), Some(EventSequence(3)));
    }

    #[test]
    fn a_window_holds_so_many_requests_whatever_the_rule_was_before() {
        let (mut top_ups, rule) = (TopUps::NONE, rule(2));
        for (at, asked) in [(1, true), (5, true), (6, false), (10, false), (11, true), (12, false)]
        {
            top_ups = top_ups.answered();
            assert_eq!(asks(&mut top_ups, &rule, step(50, 40, at), at), asked, "{at}");
        }
        top_ups = top_ups.carried(None).carried(Some(&rule));
        assert!(!asks(&mut top_ups, &rule, step(50, 40, 13), 13));
        assert_eq!(top_ups.asked_at().count(), 3);
    }

    #[test]
    fn what_is_taken_back_is_not_asked_for() {
        let (mut top_ups, rule) = (TopUps::NONE, rule(10));
        let refund = ToppedStep { takes_back: true, ..step(500, 0, 1) };
        assert!(!asks(&mut top_ups, &rule, refund, 1));
        assert!(asks(&mut top_ups, &rule, step(0, -1, 2), 1));
        assert_eq!(RequestCount::new(0), None);
        assert_eq!(RequestCount::new(11), None);
    }
}
