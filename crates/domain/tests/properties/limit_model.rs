//! Spend limits once more: all that was ever spent, gone through each time.

use purse_domain::{LimitWindow, Origin, Share, SpendLimit, Timestamp};

use super::{model::hundredths, program::HOUR};

/// The hours that usage may be late.
const LATE_HOURS: i64 = 72;

/// What was spent, or given back if negative.
#[derive(Debug, Clone)]
pub struct Event {
    /// By whom, and what for.
    pub origin: Origin,
    /// When it counts.
    pub at: Timestamp,
    /// How much.
    pub amount: i64,
}

/// What is held, for whom, and until when.
#[derive(Debug, Clone)]
pub struct Held {
    /// For whom, and what for.
    pub origin: Origin,
    /// The deadline.
    pub until: Timestamp,
    /// How much.
    pub amount: i64,
}

/// What is asked for.
#[derive(Debug)]
pub struct Asked<'a> {
    /// By whom, and what for.
    pub origin: &'a Origin,
    /// How much.
    pub amount: i64,
    /// When it counts.
    pub at: Timestamp,
    /// Whether it counts then whenever it is asked for.
    pub is_fixed: bool,
    /// When it is asked for.
    pub now: Timestamp,
    /// What the same request captures of a hold.
    pub captured: i64,
    /// From when on it is refused for another reason.
    pub until: Option<Timestamp>,
}

/// A limit that refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its name.
    pub limit: String,
    /// What counts already.
    pub used: i64,
    /// When the request fits; `None`: never.
    pub frees_at: Option<Timestamp>,
}

/// The limit that refuses for longest, if any does.
pub fn refused(
    limits: &[SpendLimit],
    events: &[Event],
    held: &[Held],
    asked: &Asked<'_>,
) -> Option<Refused> {
    let refused = limits.iter().filter(|limit| is_about(limit, asked.origin)).filter_map(|limit| {
        let same = |origin: &Origin| {
            is_about(limit, origin)
                && (limit.actor != Share::Each || origin.actor == asked.origin.actor)
                && (limit.operation != Share::Each || origin.operation == asked.origin.operation)
        };
        let events = events.iter().filter(|event| same(&event.origin)).cloned().collect();
        let held = held.iter().filter(|held| same(&held.origin)).cloned().collect();
        One { limit, events, held }.refuses(asked)
    });
    // The first by name of those that refuse equally long.
    refused.reduce(|last, next| {
        let is_later = match (last.frees_at, next.frees_at) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(last), Some(next)) => next > last,
        };
        if is_later { next } else { last }
    })
}

fn is_about(limit: &SpendLimit, origin: &Origin) -> bool {
    let by = match &limit.actor {
        Share::All | Share::Each => true,
        Share::Only(actor) => *actor == origin.actor,
    };
    let for_what = match &limit.operation {
        Share::All | Share::Each => true,
        Share::Only(operation) => Some(operation) == origin.operation.as_ref(),
    };
    by && for_what
}

/// A limit with what counts towards it together.
struct One<'a> {
    limit: &'a SpendLimit,
    events: Vec<Event>,
    held: Vec<Held>,
}

impl One<'_> {
    fn refuses(&self, asked: &Asked<'_>) -> Option<Refused> {
        let used = self.used(asked, asked.now)?;
        let mut instants: Vec<Timestamp> =
            self.events.iter().map(|event| self.over(event.at)).collect();
        instants.extend(self.held.iter().map(|held| held.until));
        instants.push(self.over(asked.at));
        instants.retain(|at| *at > asked.now);
        instants.sort();
        let in_time = |at: &Timestamp| {
            (!asked.is_fixed || *at <= asked.at.plus_micros(LATE_HOURS * HOUR))
                && asked.until.is_none_or(|until| *at < until)
        };
        let fits = |at: &Timestamp| {
            // What counts now, counts then when it is asked then.
            let asked =
                Asked { at: if asked.is_fixed { asked.at } else { *at }, now: *at, ..*asked };
            self.used(&asked, *at).is_none()
        };
        let frees_at = instants.into_iter().find(fits).filter(in_time);
        Some(Refused { limit: self.limit.name.as_str().to_owned(), used, frees_at })
    }

    /// What is used where the request does not fit first; `None`: it fits.
    fn used(&self, asked: &Asked<'_>, now: Timestamp) -> Option<i64> {
        let fits = |used: i64| used + asked.amount <= hundredths(self.limit.amount);
        let mut past: Vec<Timestamp> = self.events.iter().map(|event| event.at).collect();
        past.push(asked.at);
        past.retain(|at| asked.at <= *at && *at < now && *at < self.over(asked.at));
        past.sort();
        if let LimitWindow::Calendar(..) = self.limit.window {
            // A window is one, whichever of its instants is asked for, and past once it is over.
            past.retain(|_| self.over(asked.at) <= now);
        }
        let past = past.into_iter().map(|at| self.spent(at));
        let held: i64 =
            self.held.iter().filter(|held| held.until > now).map(|held| held.amount).sum();
        let present = (self.over(asked.at) > now).then(|| self.spent(now) + asked.captured + held);
        past.chain(present).find(|used| !fits(*used))
    }

    /// What was spent in the window of an instant.
    fn spent(&self, at: Timestamp) -> i64 {
        let counts = |event: &&Event| match self.limit.window {
            LimitWindow::Rolling(span) => {
                at.micros() - span.micros() < event.at.micros() && event.at <= at
            }
            LimitWindow::Calendar(unit, zone) => {
                zone.period_of(unit, event.at) == zone.period_of(unit, at)
            }
        };
        self.events.iter().filter(counts).map(|event| event.amount).sum()
    }

    /// When what counts at an instant does not count any more.
    fn over(&self, at: Timestamp) -> Timestamp {
        match self.limit.window {
            LimitWindow::Rolling(span) => at.plus_micros(span.micros()),
            LimitWindow::Calendar(unit, zone) => zone.period_of(unit, at).end,
        }
    }
}
