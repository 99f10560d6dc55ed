//! The expiry calculator: when a grant that a rule makes expires. Pure; its settings are the rule's.
//!
//! `NEVER`: it does not. `DURATION`: so long after it becomes effective, by the calendar of the subscription's time
//! zone. `BILLING_CYCLE`: with the end of the billing period that contains the instant at which it becomes effective,
//! or of one of the next (design, section 3, "Cycles"; scenarios 44 to 46).

use std::num::NonZeroU32;

use crate::{CalendarSpan, Cycle, TimeZone, Timestamp, Window};

/// The PRD's second: without a reset at the period's end, credits live one second into the next period.
const AFTER_PERIOD_END: i64 = 1_000_000;

/// When the grants of a rule expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExpirySettings {
    /// Never.
    Never,
    /// So long after a grant became effective.
    Duration(CalendarSpan),
    /// With a billing period.
    BillingCycle {
        /// At the very end of the period; otherwise one second later.
        reset_at_period_end: bool,
        /// How many periods a grant lives, the one that it begins in included.
        cycle_count: NonZeroU32,
    },
}

/// What of a subscription an expiry depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Billing {
    /// Its billing periods.
    pub cycle: Cycle,
}

impl Billing {
    /// Whose clocks count.
    pub fn zone(&self) -> TimeZone {
        self.cycle.zone
    }
}

impl ExpirySettings {
    /// When a grant expires that becomes effective then; `None`: never.
    pub fn expires_at(&self, effective_at: Timestamp, billing: &Billing) -> Option<Timestamp> {
        match self {
            Self::Never => None,
            Self::Duration(span) => Some(span.after(effective_at, billing.zone())),
            Self::BillingCycle { reset_at_period_end, cycle_count } => {
                let number = billing.cycle.number_of(effective_at);
                let end = billing.cycle.bound(number + i64::from(cycle_count.get()));
                let later = if *reset_at_period_end { 0 } else { AFTER_PERIOD_END };
                Some(end.plus_micros(later).min(Timestamp::LAST))
            }
        }
    }

    /// The window of a grant that becomes effective then; `None`: it would be empty, at the end of all time.
    pub fn window(&self, effective_at: Timestamp, billing: &Billing) -> Option<Window> {
        Window::new(effective_at, self.expires_at(effective_at, billing)).ok()
    }

    /// Whether a grant that became effective then has expired by `now`: at its expiry it has.
    pub fn is_expired(&self, effective_at: Timestamp, billing: &Billing, now: Timestamp) -> bool {
        self.expires_at(effective_at, billing).is_some_and(|expires_at| expires_at <= now)
    }

    /// The first expiry after `now` among the grants of a rule that grants once every period of `grants`, the first of
    /// them at `first`; `None`: none expires.
    pub fn next_expires_at(
        &self,
        grants: &Cycle,
        first: Timestamp,
        billing: &Billing,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let first = grants.number_of(first);
        let expiry_of = |number: i64| self.expires_at(grants.bound(number), billing);
        // The grant of the period that contains `now` has not expired yet, or the one after it has not; earlier ones
        // may outlive their period. Later grants never expire before earlier ones.
        let (mut low, mut high) = (first, grants.number_of(now).max(first) + 1);
        expiry_of(high)?;
        while low < high {
            let middle = low + (high - low) / 2;
            if expiry_of(middle).is_some_and(|expires_at| expires_at > now) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        expiry_of(low)
    }
}
