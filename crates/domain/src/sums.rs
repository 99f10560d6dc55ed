//! What a spender spent along time, as sums over spans of it: coarse where that suffices, to the microsecond where
//! a window begins or ends.
//!
//! Time is cut into spans of four widths, each 256 of the one below but for the finest, the single instant. Whoever
//! keeps the sums adds what is spent to one span of each width. A window is then the sum of a few hundred spans at
//! most, however many spends it holds. What is loaded of that is here, with what was decided since; a question that
//! needs a span in finer parts is answered by [`Span`], the part of time to load finer.

use std::collections::{BTreeMap, BTreeSet};

use crate::{SignedAmount, Timestamp};

/// The width of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Width {
    /// A microsecond: 2^0.
    Instant,
    /// About a second: 2^20 microseconds.
    Second,
    /// About four and a half minutes: 2^28 microseconds.
    Minutes,
    /// About nineteen hours: 2^36 microseconds.
    Day,
}

impl Width {
    /// From the coarsest to the finest.
    pub const ALL: [Self; 4] = [Self::Day, Self::Minutes, Self::Second, Self::Instant];

    /// How many microseconds, as a power of two.
    pub fn exponent(self) -> i16 {
        match self {
            Self::Instant => 0,
            Self::Second => 20,
            Self::Minutes => 28,
            Self::Day => 36,
        }
    }

    /// The width of an exponent, if there is one.
    pub fn of_exponent(exponent: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|width| width.exponent() == exponent)
    }

    fn micros(self) -> i64 {
        1 << self.exponent()
    }

    /// The start of the span that contains an instant.
    pub fn start_of(self, at: Timestamp) -> Timestamp {
        Timestamp::from_micros(at.micros() & !(self.micros() - 1))
    }

    fn finer(self) -> Option<Self> {
        match self {
            Self::Instant => None,
            Self::Second => Some(Self::Instant),
            Self::Minutes => Some(Self::Second),
            Self::Day => Some(Self::Minutes),
        }
    }

    /// The span that contains an instant, in parts of the next width.
    fn scan_around(self, at: Timestamp) -> Option<Scan> {
        let from = self.start_of(at);
        Some(Scan { width: self.finer()?, from, to: from.plus_micros(self.micros()) })
    }
}

/// A part of time, half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
}

/// All sums of a width that start in a part of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scan {
    /// The width.
    pub width: Width,
    /// The first start.
    pub from: Timestamp,
    /// The first instant that is no start any more.
    pub to: Timestamp,
}

/// What was spent in a span; only those are kept in which something was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// How wide the span is.
    pub width: Width,
    /// Its first instant.
    pub start: Timestamp,
    /// How much.
    pub amount: SignedAmount,
}

impl Sum {
    fn last(&self) -> Timestamp {
        self.start.plus_micros(self.width.micros() - 1)
    }
}

/// What a spender spent, as far as it was loaded, with what was decided since.
#[derive(Debug, Clone)]
pub struct Sums {
    /// From this instant on all is here.
    since: Timestamp,
    /// Spans that do not overlap, by their start.
    loaded: BTreeMap<Timestamp, Sum>,
    /// What was decided since.
    recent: BTreeMap<Timestamp, SignedAmount>,
}

/// What was spent from one instant to another, both included. At no instant less than nothing was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
    pub(crate) amount: SignedAmount,
}

impl Piece {
    /// The part of time to load finer, if the piece is more than an instant.
    pub(crate) fn span(&self) -> Option<Span> {
        let to = self.last.plus_micros(1);
        (self.first < self.last).then_some(Span { from: self.first, to })
    }
}

impl Sums {
    /// Nothing is loaded yet.
    pub(crate) fn unloaded() -> Self {
        let since = Timestamp::from_micros(i64::MAX);
        Self { since, loaded: BTreeMap::new(), recent: BTreeMap::new() }
    }

    /// How many figures are here.
    pub(crate) fn len(&self) -> usize {
        self.loaded.len() + self.recent.len()
    }

    /// Adds what was decided.
    pub(crate) fn add(&mut self, at: Timestamp, amount: SignedAmount) {
        let sum = self.recent.entry(at).or_insert(SignedAmount::ZERO);
        *sum = *sum + amount;
    }

    /// What to load, so that windows may begin at these instants.
    pub(crate) fn scans_from(&self, edges: impl IntoIterator<Item = Timestamp>) -> BTreeSet<Scan> {
        let edges: BTreeSet<Timestamp> =
            edges.into_iter().filter(|edge| *edge < self.since).collect();
        let Some(first) = edges.first() else { return BTreeSet::new() };
        let to = self.since;
        let coarse = Scan { width: Width::Day, from: Width::Day.start_of(*first), to };
        let around = |edge: &Timestamp| Width::ALL.map(|width| width.scan_around(*edge));
        edges.iter().flat_map(around).flatten().chain([coarse]).collect()
    }

    /// What to load, so that a part of time is here in finer parts than it is.
    pub(crate) fn scans_of(&self, span: Span) -> BTreeSet<Scan> {
        if span.from < self.since {
            return self.scans_from([span.from]);
        }
        let overlapping = self.loaded.range(..span.to).rev().map(|(_, sum)| *sum);
        let overlapping = overlapping.take_while(|sum| sum.last() >= span.from);
        overlapping.filter_map(|sum| sum.width.scan_around(sum.start)).collect()
    }

    /// Takes what was found by scans, in whichever order.
    pub(crate) fn load(&mut self, scans: &BTreeSet<Scan>, found: &[Sum]) {
        // Each scan's sums take the place of the coarser ones, so the coarsest go first.
        for scan in scans.iter().rev() {
            if scan.width == Width::Day {
                self.since = self.since.min(scan.from);
            }
            let replaced: Vec<Timestamp> = self
                .loaded
                .range(scan.from..scan.to)
                .filter(|(_, sum)| sum.width > scan.width)
                .map(|(start, _)| *start)
                .collect();
            for start in replaced {
                self.loaded.remove(&start);
            }
            let within = found.iter().filter(|sum| sum.width == scan.width);
            for sum in within.filter(|sum| scan.from <= sum.start && sum.start < scan.to) {
                self.loaded.insert(sum.start, *sum);
            }
        }
    }

    /// What was spent from an instant on, in order of time.
    pub(crate) fn pieces_from(&self, from: Timestamp) -> Result<Vec<Piece>, Span> {
        if from < self.since {
            return Err(Span { from, to: from });
        }
        let before = self.loaded.range(..from).next_back().map(|(_, sum)| *sum);
        let cut = before.filter(|sum| sum.last() >= from);
        let start = cut.map_or(from, |sum| sum.start);
        let mut pieces: BTreeMap<Timestamp, Piece> = self
            .loaded
            .range(start..)
            .map(|(start, sum)| {
                (*start, Piece { first: *start, last: sum.last(), amount: sum.amount })
            })
            .collect();
        for (at, amount) in self.recent.range(start..) {
            let containing = pieces.range_mut(..=at).next_back().map(|(_, piece)| piece);
            match containing.filter(|piece| piece.last >= *at) {
                Some(piece) => piece.amount = piece.amount + *amount,
                None => {
                    pieces.insert(*at, Piece { first: *at, last: *at, amount: *amount });
                }
            }
        }
        pieces.retain(|_, piece| piece.amount != SignedAmount::ZERO);
        match pieces.first_key_value() {
            // It is cut by the edge.
            Some((first, piece)) if *first < from => {
                Err(Span { from: piece.first, to: piece.last.plus_micros(1) })
            }
            Some(_) | None => Ok(pieces.into_values().collect()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn amount(figure: i64) -> SignedAmount {
        SignedAmount::from_stored(figure.into())
    }

    /// What a store answers that knows what was spent when.
    pub(crate) fn find(spent: &[(i64, i64)], scans: &BTreeSet<Scan>) -> Vec<Sum> {
        let mut found: BTreeMap<(Width, Timestamp), SignedAmount> = BTreeMap::new();
        for scan in scans {
            let mut sums: BTreeMap<Timestamp, SignedAmount> = BTreeMap::new();
            for (micros, figure) in spent {
                let start = scan.width.start_of(at(*micros));
                if scan.from <= start && start < scan.to {
                    let sum = sums.entry(start).or_insert(SignedAmount::ZERO);
                    *sum = *sum + amount(*figure);
                }
            }
            found.extend(sums.into_iter().map(|(start, sum)| ((scan.width, start), sum)));
        }
        found.into_iter().map(|((width, start), amount)| Sum { width, start, amount }).collect()
    }

    /// Loads whatever is lacking, and says how often.
    fn sum_from(sums: &mut Sums, spent: &[(i64, i64)], from: Timestamp) -> (SignedAmount, u32) {
        let mut loads = 0;
        loop {
            match sums.pieces_from(from) {
                Ok(pieces) => return (pieces.iter().map(|piece| piece.amount).sum(), loads),
                Err(span) => {
                    let scans = sums.scans_of(span);
                    assert!(!scans.is_empty(), "{span:?} is as fine as it can be");
                    sums.load(&scans, &find(spent, &scans));
                    loads += 1;
                }
            }
        }
    }

    #[test]
    fn spans_contain_their_instants_on_both_sides_of_1970() {
        for micros in [-1, 0, 1, -(1 << 36), (1 << 36) - 1, 1_767_225_600_123_456] {
            for width in Width::ALL {
                let start = width.start_of(at(micros)).micros();
                assert!(start <= micros && micros < start + width.micros(), "{micros} {width:?}");
                assert_eq!(start.rem_euclid(width.micros()), 0);
            }
        }
    }

    pub(crate) const FAR: i64 = 1 << 42;

    pub(crate) fn spent() -> impl Strategy<Value = Vec<(i64, i64)>> {
        // Clusters: some share an instant, a second, some minutes, a day, and some share nothing.
        let near = prop_oneof![0_i64..4, 0_i64..1 << 21, 0_i64..1 << 29, 0_i64..1 << 37, 0..FAR];
        proptest::collection::vec((near, 1_i64..100), 0..30)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

        #[test]
        fn a_sum_from_any_instant_is_exact_after_few_loads(
            spent in spent(),
            recent in spent(),
            edges in proptest::collection::vec((any::<proptest::sample::Index>(), -1_i64..=1), 1..6),
            known in any::<bool>(),
        ) {
            let mut sums = Sums::unloaded();
            let edges: Vec<i64> = edges
                .iter()
                .filter(|_| !spent.is_empty())
                .map(|(index, off)| index.get(&spent).0 + off)
                .collect();
            if known {
                let scans = sums.scans_from(edges.iter().map(|edge| at(*edge)));
                sums.load(&scans, &find(&spent, &scans));
            }
            for (micros, figure) in &recent {
                sums.add(at(*micros), amount(*figure));
            }
            for edge in edges {
                let counts = spent.iter().chain(&recent).filter(|(micros, _)| *micros >= edge);
                let expected = amount(counts.map(|(_, figure)| figure).sum());
                let (answered, loads) = sum_from(&mut sums, &spent, at(edge));
                prop_assert_eq!(answered, expected, "from {}", edge);
                // What is recent may lie in a span that nothing else was spent in.
                prop_assert!(loads <= if known { 0 } else { 4 }, "{} loads", loads);
            }
        }

        #[test]
        fn all_is_there_to_the_microsecond_if_asked_for(spent in spent()) {
            let mut sums = Sums::unloaded();
            let all = Span { from: at(0), to: at(FAR) };
            for _ in 0..5 {
                let scans = sums.scans_of(all);
                sums.load(&scans, &find(&spent, &scans));
            }
            let mut exact: BTreeMap<i64, i64> = BTreeMap::new();
            for (micros, figure) in &spent {
                *exact.entry(*micros).or_default() += figure;
            }
            let pieces = sums.pieces_from(at(0)).unwrap();
            prop_assert!(pieces.iter().all(|piece| piece.span().is_none()), "{pieces:?}");
            let pieces: Vec<_> =
                pieces.iter().map(|piece| (piece.first.micros(), piece.amount)).collect();
            let expected: Vec<_> = exact.iter().map(|(at, sum)| (*at, amount(*sum))).collect();
            prop_assert_eq!(pieces, expected);
        }
    }
}
