//! A tally: sums of what counts, over spans of each width, for everyone whom limits count. What is kept of a wallet
//! is the tally of its entries, and each decision adds its own.

use std::collections::BTreeMap;

use crate::{Counted, SignedAmount, SpendLimits, Spender, Timestamp, Width};

/// Sums by spender, width and start of the span.
#[derive(Debug, Clone, Default)]
pub struct Tally(BTreeMap<(Spender, Width, Timestamp), SignedAmount>);

impl Tally {
    /// Adds what was counted, for everyone whom the limits count.
    pub fn add(&mut self, limits: &SpendLimits, counted: &Counted) {
        for spender in limits.spenders(&counted.origin) {
            for width in Width::ALL {
                let start = width.start_of(counted.at);
                self.put(spender.clone(), width, start, counted.amount);
            }
        }
    }

    /// Adds a sum.
    pub fn put(&mut self, spender: Spender, width: Width, start: Timestamp, amount: SignedAmount) {
        let sum = self.0.entry((spender, width, start)).or_insert(SignedAmount::ZERO);
        *sum = *sum + amount;
    }

    /// The sums.
    pub fn iter(&self) -> impl Iterator<Item = (&Spender, Width, Timestamp, SignedAmount)> {
        self.0.iter().map(|((spender, width, start), sum)| (spender, *width, *start, *sum))
    }

    /// The first sum from an instant on that the other tally has otherwise. A sum of nothing is none.
    pub fn difference(&self, other: &Self, from: Timestamp) -> Option<(Spender, Timestamp)> {
        let some = |tally: &Self| -> BTreeMap<(Spender, Width, Timestamp), SignedAmount> {
            let counts = |start: Timestamp, sum| start >= from && sum != SignedAmount::ZERO;
            let sums = tally.0.iter().filter(|((_, _, start), sum)| counts(*start, **sum));
            sums.map(|(key, sum)| (key.clone(), *sum)).collect()
        };
        let (one, other) = (some(self), some(other));
        let differs = |key: &&(Spender, Width, Timestamp)| one.get(*key) != other.get(*key);
        let (spender, _, start) = one.keys().chain(other.keys()).filter(differs).min()?;
        Some((spender.clone(), *start))
    }
}
