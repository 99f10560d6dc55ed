//! Applications: one rule for one period of one subscription, and what has become of it.

use crate::{
    Amount, AssetCode, CyclePeriod, GrantNumber, RuleId, Timestamp, TransactionId, Window,
};

/// How often an application is tried by itself: for a day and a half, about.
pub const MOST_ATTEMPTS: u32 = 12;

/// One rule for one period of one subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApplicationId {
    /// The rule.
    pub rule: RuleId,
    /// Where the period begins; of a rule that grants once, [`CyclePeriod::ALWAYS`]. So it grants once, whatever events
    /// say of when the subscription began.
    pub period_start: Timestamp,
}

/// Why an application grants nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skipped {
    /// It would have expired already.
    ExpiredOnArrival,
    /// The plans before it granted as much for the period.
    AlreadyGranted,
    /// It was missed, and the rule does not catch up.
    Missed,
    /// A part of the amount that is less than the asset's smallest.
    NothingLeft,
}

/// Which event an application waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// An earlier one: what it grants depends on what was granted before.
    Earlier,
    /// A later one: what was told last is of a period that is over, so there is more to tell.
    Later,
}

/// What has become of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApplicationState {
    /// Its time has not come.
    Pending,
    /// It waits for an event that is not known yet.
    Waiting {
        /// For which.
        awaited: Awaited,
        /// Until then at most.
        until: Timestamp,
    },
    /// It is to be applied.
    Due,
    /// It was applied.
    Applied(Applied),
    /// It was tried, and refused.
    Failed(Failed),
    /// It grants nothing.
    Skipped(Skipped),
    /// It will not be, because its subscription or its rule ended before; or it was applied, and what was left of it
    /// then was taken back.
    Cancelled,
}

impl ApplicationState {
    /// What it made, if it was applied.
    pub fn applied(&self) -> Option<&Applied> {
        match self {
            Self::Applied(applied) => Some(applied),
            Self::Pending
            | Self::Waiting { .. }
            | Self::Due
            | Self::Failed(_)
            | Self::Skipped(_)
            | Self::Cancelled => None,
        }
    }

    /// How it failed, if it did.
    pub fn failed(&self) -> Option<&Failed> {
        match self {
            Self::Failed(failed) => Some(failed),
            Self::Pending
            | Self::Waiting { .. }
            | Self::Due
            | Self::Applied(_)
            | Self::Skipped(_)
            | Self::Cancelled => None,
        }
    }
}

/// What an application made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// How much.
    pub amount: Amount,
    /// The grant in the account's wallet of the rule's asset.
    pub grant: GrantNumber,
    /// Its transaction.
    pub transaction: TransactionId,
    /// When it was to be spent.
    pub window: Window,
    /// Whether what was left of it was dealt with when it ended: carried into the next period, expired, or taken back.
    pub is_closed: bool,
}

/// How it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried again; `None`: only if somebody asks for it.
    pub next_attempt_at: Option<Timestamp>,
    /// Why, as a stable reason.
    pub reason: String,
}

impl Failed {
    /// It was refused once more: the next attempt is a minute later, then two, four, … up to a day; after
    /// [`MOST_ATTEMPTS`] somebody has to ask for it.
    pub fn again(attempts: u32, reason: String, now: Timestamp) -> Self {
        const MINUTE: i64 = 60_000_000;
        const DAY: i64 = 1_440 * MINUTE;
        let pause = MINUTE.saturating_mul(1 << attempts.min(20)).min(DAY);
        let attempts = attempts.saturating_add(1);
        let next_attempt_at = (attempts < MOST_ATTEMPTS).then(|| now.plus_micros(pause));
        Self { attempts, next_attempt_at, reason }
    }
}

/// An application as far as it is kept: tried once at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptApplication {
    /// Which.
    pub id: ApplicationId,
    /// Its period.
    pub period: CyclePeriod,
    /// The asset that it grants.
    pub asset: AssetCode,
    /// When it was applied, or tried last.
    pub recorded_at: Timestamp,
    /// What was taken back of it before.
    pub taken_back: TakenBack,
    /// `Applied`, `Failed` or `Cancelled`.
    pub state: ApplicationState,
}

/// What became of earlier grants of an application, each of which was taken back because later events said that its
/// period never began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TakenBack {
    /// How many there were.
    pub times: u32,
    /// How much of them had been used: that much is granted less when the period begins after all.
    pub used: Amount,
}

impl KeptApplication {
    /// How much was granted for its period, and not taken back.
    pub fn granted(&self) -> Amount {
        let applied = self.state.applied().map_or(Amount::ZERO, |applied| applied.amount);
        applied + self.taken_back.used
    }

    /// How often it was tried and refused.
    pub fn attempts(&self) -> u32 {
        self.state.failed().map_or(0, |failed| failed.attempts)
    }

    /// Whether it matters to what is looked at from `since` on: its period ends then or later or, if something may still have
    /// to be done about what it granted, that does.
    pub fn matters_from(&self, since: Timestamp) -> bool {
        let granted_until = self.state.applied().filter(|applied| !applied.is_closed);
        let granted_until = granted_until.and_then(|applied| applied.window.expires_at());
        since <= self.period.end || granted_until.is_some_and(|until| since <= until)
    }

    /// Whether it was applied, and what is left of it may still have to be dealt with.
    pub fn is_open(&self) -> bool {
        self.state.applied().is_some_and(|applied| !applied.is_closed)
    }
}

/// An application of the schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// Which.
    pub id: ApplicationId,
    /// Its period.
    pub period: CyclePeriod,
    /// When it is to be applied.
    pub due_at: Timestamp,
    /// The asset that it grants.
    pub asset: AssetCode,
    /// What it grants, or would.
    pub amount: Amount,
    /// From when.
    pub effective_at: Timestamp,
    /// Until when; `None`: for ever.
    pub expires_at: Option<Timestamp>,
    /// What has become of it.
    pub state: ApplicationState,
}
