//! How much of a limit is used, when that frees, and whether a request fits.
//!
//! What counts at an instant is what was spent in the window that it belongs to and, for the present one, what open
//! holds still set aside. Late usage must fit in every window that contains it, those that are past included; of
//! these only what was spent counts, because what is held now will be captured now or later.
//!
//! Sums are as coarse as a question allows. Where they are too coarse the answer is the part of time to load finer,
//! and never an estimate.

use std::collections::BTreeMap;

use crate::{
    Amount, Hold, HoldNumber, LimitWindow, Missing, SignedAmount, SpendLimit, Spender, Timestamp,
    WalletState,
    counts::Unknown,
    sums::{Piece, Span, Sums},
};

/// One limit of one spender, as a request at an instant finds it.
#[derive(Debug)]
pub(crate) struct Room<'a> {
    spender: Spender,
    window: LimitWindow,
    allowed: Amount,
    sums: Option<&'a Sums>,
    /// Captured by the request itself, and so spent whenever it is asked for.
    captured: Amount,
    /// What open holds set aside, and until when.
    held: Vec<(Timestamp, Amount)>,
    now: Timestamp,
}

/// What a request finds used, if it does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Excess {
    /// What counts already.
    pub(crate) used: Amount,
    /// The first instant at which the request fits, if nothing else is spent; `None`: it never does.
    pub(crate) frees_at: Option<Timestamp>,
}

/// How much of a limit is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitUsage {
    /// Spent in the window.
    pub spent: Amount,
    /// Set aside by open holds.
    pub held: Amount,
    /// The first instant that counts.
    pub window_start: Timestamp,
    /// The first instant at which less is used, if nothing happens; `None`: nothing is used.
    pub frees_at: Option<Timestamp>,
}

/// How much of a limit a spender uses at an instant from the wallet's last transaction on.
pub fn limit_usage(
    state: &WalletState,
    limit: &SpendLimit,
    spender: Spender,
    now: Timestamp,
) -> Result<LimitUsage, Missing> {
    Room::of(state, limit, spender, now, &BTreeMap::new(), Amount::ZERO)?.usage()
}

impl<'a> Room<'a> {
    /// The open holds are those of the state, as far as they are the spender's, and as `changed` by the request,
    /// which `captured` so much of them.
    pub(crate) fn of(
        state: &'a WalletState,
        limit: &SpendLimit,
        spender: Spender,
        now: Timestamp,
        changed: &BTreeMap<HoldNumber, Hold>,
        captured: Amount,
    ) -> Result<Self, Missing> {
        let open = state.counts.open_holds()?.iter();
        let held = open
            .filter(|(_, open)| spender.covers(&open.origin))
            .map(|(number, open)| match changed.get(number) {
                Some(hold) => (hold.expires_at, hold.held()),
                None => (open.expires_at, open.held),
            })
            // At its deadline a hold is over.
            .filter(|(expires_at, held)| *expires_at > now && !held.is_zero())
            .collect();
        let sums = state.counts.sums(&spender);
        let (window, allowed) = (limit.window, limit.amount);
        Ok(Self { spender, window, allowed, sums, captured, held, now })
    }

    /// Whether a request fits that counts whenever it is asked for or, for usage that has happened, at that instant.
    pub(crate) fn excess(
        &self,
        required: Amount,
        occurred_at: Option<Timestamp>,
    ) -> Result<Option<Excess>, Missing> {
        let excess = match occurred_at {
            None => self.excess_now(required),
            Some(at) => self.excess_at(at, required),
        };
        excess.map_err(|span| self.unknown(span))
    }

    fn usage(&self) -> Result<LimitUsage, Missing> {
        let usage = || {
            let pieces = self.pieces()?;
            let (spent, held) = (Self::spent(&pieces), self.held());
            let is_used = !(spent + held).is_zero();
            let freed = is_used.then(|| self.when_freed(&pieces, Amount::SMALLEST));
            let window_start = self.window.start(self.now);
            Ok(LimitUsage { spent, held, window_start, frees_at: freed.transpose()? })
        };
        usage().map_err(|span| self.unknown(span))
    }

    fn excess_now(&self, required: Amount) -> Result<Option<Excess>, Span> {
        let pieces = self.pieces()?;
        let used = Self::spent(&pieces) + self.captured + self.held();
        if used + required <= self.allowed {
            return Ok(None);
        }
        let frees_at = if self.captured + required > self.allowed {
            None
        } else {
            Some(self.when_freed(&pieces, used + required - self.allowed)?)
        };
        Ok(Some(Excess { used, frees_at }))
    }

    fn excess_at(&self, at: Timestamp, required: Amount) -> Result<Option<Excess>, Span> {
        let never = |used| Ok(Some(Excess { used, frees_at: None }));
        let fits = |used: Amount| used + required <= self.allowed;
        let over_at = self.window.end(at);
        let excess = match self.window {
            LimitWindow::Rolling(_) if at == self.now => None,
            LimitWindow::Rolling(_) => self.rolling_excess(at, over_at.min(self.now), fits)?,
            LimitWindow::Calendar(..) if over_at > self.now => None,
            LimitWindow::Calendar(..) => self.past_excess(at, over_at, fits)?,
        };
        if let Some(used) = excess {
            return never(used);
        }
        if over_at <= self.now {
            return Ok(None);
        }
        let pieces = self.pieces()?;
        let spent = Self::spent(&pieces);
        let used = spent + self.held();
        if fits(used) {
            return Ok(None);
        }
        if !fits(spent) {
            return never(used);
        }
        // What is held now is in its way: until less is used, or the window has moved on.
        let freed = self.when_freed(&pieces, used + required - self.allowed)?;
        Ok(Some(Excess { used, frees_at: Some(freed.min(over_at)) }))
    }

    /// What was spent in the window that `at` belongs to, which is past, if the request does not fit in it.
    fn past_excess(
        &self,
        at: Timestamp,
        end: Timestamp,
        fits: impl Fn(Amount) -> bool,
    ) -> Result<Option<Amount>, Span> {
        let pieces = self.pieces_from(self.window.start(at))?;
        let within = pieces.iter().filter(|piece| piece.first < end);
        let used = within.clone().map(|piece| piece.amount).sum::<SignedAmount>().or_nothing();
        if fits(used) {
            return Ok(None);
        }
        match within.filter(|piece| piece.last >= end).find_map(Piece::span) {
            Some(span) => Err(span),
            None => Ok(Some(used)),
        }
    }

    /// What was spent in the first rolling window that contains `at`, ends before `end`, and in which the request does
    /// not fit.
    fn rolling_excess(
        &self,
        at: Timestamp,
        end: Timestamp,
        fits: impl Fn(Amount) -> bool,
    ) -> Result<Option<Amount>, Span> {
        let excess = |used: SignedAmount| Some(used.or_nothing()).filter(|used| !fits(*used));
        let pieces = self.pieces_from(self.window.start(at))?;
        let (begun, arriving): (Vec<Piece>, Vec<Piece>) =
            pieces.iter().filter(|piece| piece.first < end).partition(|piece| piece.first <= at);
        if let Some(span) = begun.iter().filter(|piece| piece.last > at).find_map(Piece::span) {
            return Err(span);
        }
        let mut used = begun.iter().map(|piece| piece.amount).sum();
        if let Some(used) = excess(used) {
            return Ok(Some(used));
        }
        // What arrives counts as soon as it may have arrived, what leaves until it must have left.
        let mut leaving = pieces.iter().peekable();
        for piece in arriving {
            let has_left = |left: &&Piece| self.window.end(left.last) <= piece.first;
            while let Some(left) = leaving.next_if(has_left) {
                used = used - left.amount;
            }
            used = used + piece.amount;
            let Some(found) = excess(used) else { continue };
            if piece.span().is_some() {
                // With all that comes after it, rather than piece by piece.
                return Err(Span { from: piece.first, to: end });
            }
            let is_leaving = |left: &&&Piece| self.window.end(left.first) <= piece.first;
            return match leaving.peek().filter(is_leaving).and_then(|left| left.span()) {
                Some(span) => Err(span),
                None => Ok(Some(found)),
            };
        }
        Ok(None)
    }

    /// The first instant at which so much less is used, if nothing happens.
    fn when_freed(&self, pieces: &[Piece], need: Amount) -> Result<Timestamp, Span> {
        let end = |at| self.window.end(at);
        let spent = pieces.iter().map(|piece| Leaving {
            from: end(piece.first),
            to: end(piece.last),
            amount: piece.amount,
            span: piece.span(),
        });
        let held = self.held.iter().map(|(at, held)| Leaving {
            from: *at,
            to: *at,
            amount: held.signed(),
            span: None,
        });
        let mut leaving: Vec<Leaving> = spent.chain(held).collect();
        leaving.sort_by_key(|part| part.from);
        let mut freed = SignedAmount::ZERO;
        let enough = leaving.iter().find(|part| {
            freed = freed + part.amount;
            freed >= need.signed()
        });
        let at = enough.map_or_else(|| end(self.now), |part| part.from);
        // What leaves bit by bit around that instant may not have left by then.
        match leaving.iter().filter(|part| part.from <= at && at < part.to).find_map(|p| p.span) {
            Some(span) => Err(span),
            None => Ok(at),
        }
    }

    fn pieces(&self) -> Result<Vec<Piece>, Span> {
        self.pieces_from(self.window.start(self.now))
    }

    fn pieces_from(&self, from: Timestamp) -> Result<Vec<Piece>, Span> {
        self.sums.map_or(Err(Span { from, to: from }), |sums| sums.pieces_from(from))
    }

    fn spent(pieces: &[Piece]) -> Amount {
        pieces.iter().map(|piece| piece.amount).sum::<SignedAmount>().or_nothing()
    }

    fn held(&self) -> Amount {
        self.held.iter().map(|(_, held)| *held).sum()
    }

    fn unknown(&self, span: Span) -> Missing {
        Missing::Spending(Box::new(Unknown { spender: self.spender.clone(), span }))
    }
}

/// A part of what is used, and when it stops to count: bit by bit, if it was spent so.
struct Leaving {
    from: Timestamp,
    to: Timestamp,
    amount: SignedAmount,
    span: Option<Span>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        RollingSpan, Whose,
        sums::tests::{FAR, find, spent},
    };

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn amount(figure: i64) -> Amount {
        Amount::from_stored(figure.into()).unwrap()
    }

    /// A rolling limit, and all that was ever spent and is held.
    #[derive(Debug)]
    struct Slow {
        span: i64,
        allowed: i64,
        spent: Vec<(i64, i64)>,
        held: Vec<(i64, i64)>,
    }

    impl Slow {
        fn spent(&self, at: i64) -> i64 {
            let counts = |when: i64| at - self.span < when && when <= at;
            self.spent.iter().filter(|(when, _)| counts(*when)).map(|(_, figure)| figure).sum()
        }

        /// What is used in the first window that the request does not fit in.
        fn excess(&self, required: i64, occurred_at: Option<i64>, now: i64) -> Option<i64> {
            let from = occurred_at.unwrap_or(now);
            let over_at = from + self.span;
            let mut past: Vec<i64> = self.spent.iter().map(|(when, _)| *when).collect();
            past.push(from);
            past.retain(|when| from <= *when && *when < now.min(over_at));
            past.sort_unstable();
            let held = self.held.iter().filter(|(until, _)| *until > now);
            let held: i64 = held.map(|(_, figure)| figure).sum();
            let present = (over_at > now).then(|| self.spent(now) + held);
            let used = past.into_iter().map(|when| self.spent(when)).chain(present);
            used.into_iter().find(|used| used + required > self.allowed)
        }

        fn frees_at(&self, required: i64, occurred_at: Option<i64>, now: i64) -> Option<i64> {
            let leaving = self.spent.iter().map(|(when, _)| when + self.span);
            let held = self.held.iter().map(|(until, _)| *until);
            let over_at = occurred_at.map(|at| at + self.span);
            let mut instants: Vec<i64> = leaving.chain(held).chain(over_at).collect();
            instants.retain(|at| *at > now);
            instants.sort_unstable();
            instants.into_iter().find(|at| self.excess(required, occurred_at, *at).is_none())
        }
    }

    /// What the request finds, and after how many loads.
    fn find_excess(
        slow: &Slow,
        required: i64,
        occurred_at: Option<i64>,
        now: i64,
    ) -> (Option<Excess>, u32) {
        let mut sums = Sums::unloaded();
        let mut loads = 0;
        loop {
            let room = Room {
                spender: Spender { actor: Whose::All, operation: Whose::All },
                window: LimitWindow::Rolling(RollingSpan::from_micros(slow.span).unwrap()),
                allowed: amount(slow.allowed),
                sums: Some(&sums),
                captured: Amount::ZERO,
                held: slow.held.iter().map(|(until, held)| (at(*until), amount(*held))).collect(),
                now: at(now),
            };
            match room.excess(amount(required), occurred_at.map(at)) {
                Ok(found) => return (found, loads),
                Err(Missing::Spending(unknown)) => {
                    let scans = sums.scans_of(unknown.span);
                    assert!(!scans.is_empty(), "{unknown:?} is as fine as it can be");
                    sums.load(&scans, &find(&slow.spent, &scans));
                    loads += 1;
                }
                Err(missing) => panic!("{missing:?}"),
            }
        }
    }

    #[test]
    fn what_leaves_while_usage_arrives_does_not_count_with_it() {
        let first = 1 << 22;
        let span = 1 << 23;
        // The first 50 have left when the last arrive, the second have not: all within about a second.
        let spent = vec![(first, 50), (first + 10, 50), (first + span + 5, 50)];
        let mut slow = Slow { span, allowed: 120, spent, held: Vec::new() };
        let (late, now) = (first + span - 9, first + span + 100);
        assert_eq!(find_excess(&slow, 20, Some(late), now).0, None);
        slow.allowed = 119;
        let excess = Excess { used: amount(100), frees_at: None };
        assert_eq!(find_excess(&slow, 20, Some(late), now).0, Some(excess));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_048, failure_persistence: None, ..Default::default() })]

        #[test]
        fn a_request_finds_what_a_slow_model_finds(
            spent in spent(),
            echoes in proptest::collection::vec(
                (any::<proptest::sample::Index>(), -9_i64..9, 1_i64..100),
                0..12,
            ),
            held in proptest::collection::vec((1_i64..1 << 30, 1_i64..60), 0..4),
            span in prop_oneof![1_i64..8, 1_i64..1 << 21, 1_i64..1 << 30, 1_i64..1 << 38],
            allowed in 0_i64..400,
            required in 1_i64..120,
            when in any::<proptest::sample::Index>(),
            later in prop_oneof![Just(0_i64), 0_i64..4, 0_i64..1 << 21, 0_i64..1 << 37],
            occurred in any::<Option<bool>>(),
            is_long in any::<bool>(),
        ) {
            // Some arrive while others leave.
            let mut spent = spent;
            for (index, off, figure) in echoes {
                if spent.is_empty() {
                    break;
                }
                spent.push((index.get(&spent).0 + span + off, figure));
                spent.push((index.get(&spent).0 + off.abs(), figure));
            }
            let mut instants: Vec<i64> = spent.iter().map(|(when, _)| *when).collect();
            instants.push(FAR / 2);
            instants.sort_unstable();
            let occurred_at = *when.get(&instants);
            let now = occurred_at + if is_long { span + later } else { later };
            let occurred_at = occurred.map(|early| occurred_at - i64::from(early));
            let slow = Slow {
                span,
                allowed,
                // Nothing is spent ahead of now.
                spent: spent.into_iter().filter(|(when, _)| *when <= now).collect(),
                held: held.into_iter().map(|(after, figure)| (now + after, figure)).collect(),
            };
            let used = slow.excess(required, occurred_at, now);
            let expected = used.map(|used| Excess {
                used: amount(used),
                frees_at: slow.frees_at(required, occurred_at, now).map(at),
            });

            let (found, loads) = find_excess(&slow, required, occurred_at, now);
            prop_assert_eq!(found, expected);
            prop_assert!(loads < 64, "{} loads", loads);
        }
    }
}
