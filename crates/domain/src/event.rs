//! Events: what a ledger's owner may want to be told of, as it is written.
//!
//! An event is a fact of the ledger: what the balance did, or that credits expire soon. It is made with the entry
//! that causes it, or when time alone does, by settling. The *balance* of an event is the one that entries show,
//! available minus debt.
//!
//! The balance is compared before and after a *step*: all that a command appends, or all that time does at one
//! instant. Nobody can see a balance in between. So a month that ends as the next one begins is no crossing, and
//! neither are credits that come back and expire at once.

use crate::{
    Amount, Entry, EntryKind, Grant, GrantNumber, Period, PositiveAmount, Sequence, SignedAmount,
    Thresholds, Timestamp,
};

/// An event's number within its wallet: 1, 2, 3, … without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventSequence(pub i64);

impl EventSequence {
    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// One event of a wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its number.
    pub sequence: EventSequence,
    /// What happened.
    pub occurrence: Occurrence,
    /// The instant at which it counts.
    pub effective_at: Timestamp,
    /// The instant at which it was written.
    pub recorded_at: Timestamp,
    /// The entry that brought the balance to where it is after the event; `None`: no entry did.
    pub entry: Option<Sequence>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occurrence {
    /// The balance fell below a threshold.
    LowBalance {
        /// The threshold.
        threshold: PositiveAmount,
        /// The balance before and after.
        balance: Crossing,
    },
    /// The balance fell from something to nothing, or below.
    Depleted {
        /// The balance before and after.
        balance: Crossing,
    },
    /// The balance came back.
    Recovered {
        /// The threshold that it fell below; `None`: it was depleted.
        threshold: Option<PositiveAmount>,
        /// The balance before and after.
        balance: Crossing,
    },
    /// What a grant has available expires soon.
    ExpiringSoon {
        /// The grant.
        grant: GrantNumber,
        /// What it has available.
        amount: Amount,
        /// When that expires.
        expires_at: Timestamp,
        /// The lead that was asked for.
        lead: Period,
    },
    /// The balance is low, and more is asked for.
    TopUpRequested {
        /// The balance that it is below.
        threshold: PositiveAmount,
        /// How much is asked for.
        amount: PositiveAmount,
        /// The balance before and after.
        balance: Crossing,
    },
}

impl Occurrence {
    /// That what a grant has available expires soon; `None`: it has nothing that could be spent until then.
    pub fn expiring_soon(grant: &Grant, lead: Period) -> Option<Self> {
        let expires_at = grant.window.expires_at()?;
        let amount = grant.parts.available;
        let spendable = grant.activated && !amount.is_zero();
        spendable.then_some(Self::ExpiringSoon { grant: grant.number, amount, expires_at, lead })
    }
}

/// A balance before and after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crossing {
    /// Before it.
    pub before: SignedAmount,
    /// After it.
    pub after: SignedAmount,
}

/// What a step did to the balance.
#[derive(Debug, Clone, Copy)]
pub struct Movement {
    /// The balance before and after.
    pub balance: Crossing,
    /// The last entry that moved it, and when that counts.
    pub last: (Sequence, Timestamp),
    /// Something that was granted was voided or revoked.
    pub takes_back: bool,
}

impl Movement {
    /// Of the step that begins with an entry.
    pub fn of(entry: &Entry) -> Self {
        let balance = Crossing { before: entry.balance_before, after: entry.after.balance() };
        let last = (entry.sequence, entry.effective_at);
        Self { balance, last, takes_back: takes_back(entry) }
    }

    /// Of a step's entries; `None`: there are none.
    pub fn over(entries: &[Entry]) -> Option<Self> {
        let (first, others) = entries.split_first()?;
        let mut movement = Self::of(first);
        for entry in others {
            movement.add(entry);
        }
        Some(movement)
    }

    /// Adds the step's next entry.
    pub fn add(&mut self, entry: &Entry) {
        self.balance.after = entry.after.balance();
        self.takes_back |= takes_back(entry);
        if entry.balance_before != entry.after.balance() {
            self.last = (entry.sequence, entry.effective_at);
        }
    }
}

fn takes_back(entry: &Entry) -> bool {
    matches!(entry.kind, EntryKind::Voided | EntryKind::Revoked)
}

/// From where the balance has fallen and not come back to: the levels whose recovery is an event. Bit 0 is for
/// more than nothing, bit n for the n-th lowest threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lows(u32);

impl Lows {
    /// None: as a wallet begins, which is empty and yet not depleted.
    pub const NONE: Self = Self(0);

    /// Takes what was stored; `None` if it is none.
    pub fn from_stored(bits: i32) -> Option<Self> {
        let bits = u32::try_from(bits).ok()?;
        (bits >> (Thresholds::MOST + 1) == 0).then_some(Self(bits))
    }

    /// The bits for PostgreSQL.
    pub fn bits(self) -> i32 {
        self.0.cast_signed()
    }

    /// The same for other thresholds. What a new one is above of was not fallen through.
    #[must_use]
    pub fn carried(self, from: &Thresholds, to: &Thresholds) -> Self {
        let mut carried = self.0 & 1;
        for (index, threshold) in to.as_slice().iter().enumerate() {
            let before = from.as_slice().iter().position(|other| other == threshold);
            if before.is_some_and(|index| self.has(index + 1)) {
                carried |= 1 << (index + 1);
            }
        }
        Self(carried)
    }

    fn has(self, level: usize) -> bool {
        self.0 & (1 << level) != 0
    }

    /// What a movement of the balance crosses, in the order in which it does.
    pub fn cross(&mut self, thresholds: &Thresholds, balance: Crossing) -> Vec<Occurrence> {
        let Crossing { before, after } = balance;
        let mut crossed = Vec::new();
        if before == after {
            return crossed;
        }
        let thresholds = thresholds.as_slice().iter().map(|threshold| Some(*threshold));
        for (level, threshold) in [None].into_iter().chain(thresholds).enumerate() {
            let is_low = |balance: SignedAmount| match threshold {
                None => balance <= Amount::ZERO.signed(),
                Some(threshold) => balance < threshold.get().signed(),
            };
            if !is_low(before) && is_low(after) {
                self.0 |= 1 << level;
                crossed.push(match threshold {
                    None => Occurrence::Depleted { balance },
                    Some(threshold) => Occurrence::LowBalance { threshold, balance },
                });
            } else if is_low(before) && !is_low(after) && self.has(level) {
                self.0 &= !(1 << level);
                crossed.push(Occurrence::Recovered { threshold, balance });
            }
        }
        if after < before {
            crossed.reverse();
        }
        crossed
    }
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::*;

    fn thresholds(amounts: &[&str]) -> Thresholds {
        let parse = |text: &&str| PositiveAmount::parse(text, crate::Scale::MAX).unwrap();
        Thresholds::new(amounts.iter().map(parse).collect()).unwrap()
    }

    fn balance(before: i64, after: i64) -> Crossing {
        let [before, after] =
            [before, after].map(|balance| SignedAmount::from_stored(Decimal::from(balance)));
        Crossing { before, after }
    }

    fn names(crossed: &[Occurrence]) -> Vec<String> {
        let name = |threshold: &PositiveAmount| threshold.get().to_string();
        let names = crossed.iter().map(|occurrence| match occurrence {
            Occurrence::LowBalance { threshold, .. } => format!("low {}", name(threshold)),
            Occurrence::Depleted { .. } => "depleted".to_owned(),
            Occurrence::Recovered { threshold, .. } => {
                format!("recovered {}", threshold.as_ref().map_or("0".to_owned(), name))
            }
            Occurrence::ExpiringSoon { .. } => "soon".to_owned(),
            Occurrence::TopUpRequested { .. } => "top-up".to_owned(),
        });
        names.collect()
    }

    #[test]
    fn levels_are_crossed_in_the_order_in_which_the_balance_passes_them() {
        let thresholds = thresholds(&["100", "10"]);
        let mut lows = Lows::NONE;
        let down = lows.cross(&thresholds, balance(150, -5));
        assert_eq!(names(&down), ["low 100", "low 10", "depleted"]);
        let up = lows.cross(&thresholds, balance(-5, 100));
        assert_eq!(names(&up), ["recovered 0", "recovered 10", "recovered 100"]);
        assert_eq!(lows, Lows::NONE);
    }

    #[test]
    fn a_threshold_itself_is_not_low_and_nothing_is_depleted() {
        let thresholds = thresholds(&["10"]);
        let mut lows = Lows::NONE;
        assert!(lows.cross(&thresholds, balance(11, 10)).is_empty());
        assert_eq!(names(&lows.cross(&thresholds, balance(10, 0))), ["low 10", "depleted"]);
        assert!(lows.cross(&thresholds, balance(0, -1)).is_empty());
        assert!(lows.cross(&thresholds, balance(-1, 0)).is_empty());
    }

    #[test]
    fn only_what_was_fallen_through_recovers() {
        let mut lows = Lows::NONE;
        assert!(lows.cross(&thresholds(&["10"]), balance(0, 50)).is_empty());
        lows.cross(&thresholds(&["10"]), balance(50, 5));
        // 20 is above the balance and was never fallen through.
        lows = lows.carried(&thresholds(&["10"]), &thresholds(&["3", "10", "20"]));
        let up = lows.cross(&thresholds(&["3", "10", "20"]), balance(5, 50));
        assert_eq!(names(&up), ["recovered 10"]);
    }
}
