//! Spend limits: how much may be spent within a window, by whom and what for.
//!
//! What counts is in [`spending`](crate::spending), and whether a request fits in [`room`](crate::room).

use thiserror::Error;

use crate::{
    Actor, Amount, CalendarUnit, LimitName, OperationName, Origin, Spender, TimeZone, Timestamp,
    Whose, decide::LATE_WINDOW_MICROS,
};

/// Most limits of a wallet: every spend is checked against each of them.
pub const MOST_LIMITS: usize = 16;

/// 366 days, so that a rolling year fits, leap or not.
const LONGEST_MICROS: i64 = 366 * 86_400 * 1_000_000;

/// How long a rolling window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RollingSpan(i64);

/// Why a duration is no rolling window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RollingSpanError {
    /// Nothing, or less.
    #[error("must be at least a microsecond")]
    NotPositive,
    /// More than 366 days.
    #[error("must not be longer than 366 days")]
    TooLong,
}

impl RollingSpan {
    /// A window of so many microseconds.
    pub fn from_micros(micros: i64) -> Result<Self, RollingSpanError> {
        if micros <= 0 {
            Err(RollingSpanError::NotPositive)
        } else if micros > LONGEST_MICROS {
            Err(RollingSpanError::TooLong)
        } else {
            Ok(Self(micros))
        }
    }

    /// Its microseconds.
    pub fn micros(self) -> i64 {
        self.0
    }
}

/// The window within which a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitWindow {
    /// What counts at an instant counts until so much later, exclusive.
    Rolling(RollingSpan),
    /// What counts in a local day, week, month or year counts until its end.
    Calendar(CalendarUnit, TimeZone),
}

impl LimitWindow {
    /// The first instant that counts together with `at`.
    pub fn start(self, at: Timestamp) -> Timestamp {
        match self {
            Self::Rolling(span) => at.plus_micros(1 - span.micros()),
            Self::Calendar(unit, zone) => zone.period_of(unit, at).start,
        }
    }

    /// The first instant at which what counts at `at` does not count any more.
    pub fn end(self, at: Timestamp) -> Timestamp {
        match self {
            Self::Rolling(span) => at.plus_micros(span.micros()),
            Self::Calendar(unit, zone) => zone.period_of(unit, at).end,
        }
    }
}

/// Whose spending a limit is about, or spending on which operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Share<T> {
    /// All of it together.
    All,
    /// Only this one's.
    Only(T),
    /// Each one's, on its own.
    Each,
}

/// A limit of what may be spent and held within a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendLimit {
    /// Its name, unique in the wallet.
    pub name: LimitName,
    /// The most that may be spent and held; nothing: nothing may be.
    pub amount: Amount,
    /// By whom.
    pub actor: Share<Actor>,
    /// What for.
    pub operation: Share<OperationName>,
    /// Within which window.
    pub window: LimitWindow,
}

impl SpendLimit {
    /// What counts together with credits that are taken like this; `None`: the limit is not about them.
    pub fn spender(&self, origin: &Origin) -> Option<Spender> {
        let actor = match &self.actor {
            Share::All => Whose::All,
            Share::Only(actor) if *actor != origin.actor => return None,
            Share::Only(_) | Share::Each => Whose::One(origin.actor.clone()),
        };
        let operation = match &self.operation {
            Share::All => Whose::All,
            Share::Only(operation) if Some(operation) != origin.operation.as_ref() => return None,
            Share::Only(_) | Share::Each => Whose::One(origin.operation.clone()),
        };
        Some(Spender { actor, operation })
    }

    /// Whose spending counts together, if one actor and one operation are chosen where each has the limit of its own;
    /// `None`: such a one is not chosen.
    pub fn chosen(
        &self,
        actor: Option<&Actor>,
        operation: Option<&OperationName>,
    ) -> Option<Spender> {
        let actor = match &self.actor {
            Share::All => Whose::All,
            Share::Only(actor) => Whose::One(actor.clone()),
            Share::Each => Whose::One(actor?.clone()),
        };
        let operation = match &self.operation {
            Share::All => Whose::All,
            Share::Only(operation) => Whose::One(Some(operation.clone())),
            Share::Each => Whose::One(Some(operation?.clone())),
        };
        Some(Spender { actor, operation })
    }

    /// Whether the other one counts the same, whatever it allows.
    fn counts_as(&self, other: &Self) -> bool {
        let Self { name, amount: _, actor, operation, window } = self;
        *name == other.name
            && *actor == other.actor
            && *operation == other.operation
            && *window == other.window
    }
}

/// A change of a wallet's limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitChange {
    /// Add it, or put it in the place of the one of its name.
    Set(SpendLimit),
    /// Remove the one of this name.
    Delete(LimitName),
}

/// A wallet's limits, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpendLimits(Vec<SpendLimit>);

impl SpendLimits {
    /// Takes limits that were checked before they were stored.
    pub fn from_stored(mut limits: Vec<SpendLimit>) -> Self {
        limits.sort_by(|a, b| a.name.cmp(&b.name));
        Self(limits)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &SpendLimit> {
        self.0.iter()
    }

    /// The one of a name.
    pub fn find(&self, name: &LimitName) -> Option<&SpendLimit> {
        self.0.iter().find(|limit| limit.name == *name)
    }

    /// These without the one of a name.
    #[must_use]
    pub fn without(&self, name: &LimitName) -> Self {
        Self(self.0.iter().filter(|limit| limit.name != *name).cloned().collect())
    }

    /// These with another one, in the place of the one of its name.
    #[must_use]
    pub fn with(&self, limit: SpendLimit) -> Self {
        let Self(mut limits) = self.without(&limit.name);
        limits.push(limit);
        Self::from_stored(limits)
    }

    /// Whether the others count the same, whatever they allow.
    pub fn count_as(&self, others: &Self) -> bool {
        self.0.len() == others.0.len()
            && self.0.iter().zip(&others.0).all(|(one, other)| one.counts_as(other))
    }

    /// Everyone whose spending counts, if credits are taken like this: each once.
    pub fn spenders(&self, origin: &Origin) -> Vec<Spender> {
        let mut spenders: Vec<Spender> =
            self.0.iter().filter_map(|limit| limit.spender(origin)).collect();
        spenders.sort();
        spenders.dedup();
        spenders
    }

    /// Where windows begin that credits taken like this at an instant are counted in, each with whose they are.
    pub fn edges(&self, origin: &Origin, at: Timestamp) -> Vec<(Spender, Timestamp)> {
        let about = |limit: &SpendLimit| Some((limit.spender(origin)?, limit.window.start(at)));
        self.0.iter().filter_map(about).collect()
    }

    /// The first instant that counts for anything that may be asked for from `now` on, late usage included; `None`:
    /// there is no limit.
    pub fn counts_from(&self, now: Timestamp) -> Option<Timestamp> {
        let latest = now.plus_micros(-LATE_WINDOW_MICROS);
        self.0.iter().map(|limit| limit.window.start(latest)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rolling_window_ends_with_its_instant_and_holds_its_length() {
        let window = LimitWindow::Rolling(RollingSpan::from_micros(10).unwrap());
        let at = Timestamp::from_micros;
        assert_eq!(window.start(at(100)), at(91));
        assert_eq!(window.end(at(91)), at(101));
        assert_eq!(RollingSpan::from_micros(0), Err(RollingSpanError::NotPositive));
        assert!(RollingSpan::from_micros(LONGEST_MICROS).is_ok());
        assert_eq!(RollingSpan::from_micros(LONGEST_MICROS + 1), Err(RollingSpanError::TooLong));
    }

    #[test]
    fn a_limit_counts_only_what_it_is_about() {
        let actor = |name| Actor::parse(name).unwrap();
        let operation = |name| OperationName::parse(name).unwrap();
        let limit = |who, what| SpendLimit {
            name: LimitName::parse("limit").unwrap(),
            amount: Amount::ZERO,
            actor: who,
            operation: what,
            window: LimitWindow::Calendar(CalendarUnit::Day, TimeZone::UTC),
        };
        let ann = Origin { actor: actor("ann"), operation: None };
        let spender = |who, what| Some(Spender { actor: who, operation: what });
        assert_eq!(limit(Share::All, Share::All).spender(&ann), spender(Whose::All, Whose::All));
        assert_eq!(
            limit(Share::Each, Share::Each).spender(&ann),
            spender(Whose::One(actor("ann")), Whose::One(None))
        );
        assert_eq!(limit(Share::Only(actor("bob")), Share::All).spender(&ann), None);
        assert_eq!(limit(Share::All, Share::Only(operation("chat"))).spender(&ann), None);
    }
}
