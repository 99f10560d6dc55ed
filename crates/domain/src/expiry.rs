//! The expiry calculator: when a grant that a rule makes expires. Pure; its settings are the rule's.
//!
//! `NEVER`: it does not. `DURATION`: so long after it becomes effective, by the calendar of the subscription's time
//! zone. `BILLING_CYCLE`: with the end of the billing period that contains the instant at which it becomes effective,
//! or of one of the next (design, section 3, "Cycles"; scenarios 44 to 46).

use std::num::NonZeroU32;

use thiserror::Error;

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

    /// The first expiry after `now` among the grants of a rule that grants at `first`, and from then on whenever a
    /// period of `grants` begins; `None`: none expires.
    pub fn next_expires_at(
        &self,
        grants: &Cycle,
        first: Timestamp,
        billing: &Billing,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let first_number = grants.number_of(first);
        let effective_at =
            |number: i64| if number > first_number { grants.bound(number) } else { first };
        let expiry_of = |number: i64| self.expires_at(effective_at(number), billing);
        let is_ahead = |expires_at: &Timestamp| *expires_at > now;
        // What becomes effective after `now` expires after it, too.
        let (mut low, mut high) = (first_number, grants.number_of(now).max(first_number) + 1);
        expiry_of(high)?;
        while low < high {
            let middle = low + (high - low) / 2;
            if expiry_of(middle).as_ref().is_some_and(is_ahead) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        // Later grants expire later, but for two that begin in the two passes of an hour that clocks repeat. So those
        // around are asked, too.
        let around = low.saturating_sub(2).max(first_number)..=low + 1;
        around.filter_map(expiry_of).filter(is_ahead).min()
    }
}

/// What the calculator may be asked about a grant that nobody need have made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiryQuestion {
    /// When it expires.
    pub settings: ExpirySettings,
    /// When it becomes effective; if it recurs, the first time.
    pub effective_at: Timestamp,
    /// Whose clocks count.
    pub zone: TimeZone,
    /// The billing periods; `None`: nobody said.
    pub billing: Option<Cycle>,
    /// How often it recurs; `None`: never.
    pub recurs_every: Option<CalendarSpan>,
    /// The instant to tell of.
    pub at: Timestamp,
}

/// What the calculator answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiryAnswer {
    /// When the grant expires; `None`: never.
    pub expires_at: Option<Timestamp>,
    /// Whether it has by then.
    pub is_expired: bool,
    /// The first expiry after that, of the grant or of those that recur; `None`: none is to come.
    pub next_expires_at: Option<Timestamp>,
}

/// Billing periods count, and nobody said which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is missing: the grants end with billing periods")]
pub struct BillingCycleMissing;

impl ExpiryQuestion {
    /// The answer.
    pub fn answer(&self) -> Result<ExpiryAnswer, BillingCycleMissing> {
        let Self { settings, effective_at, zone, billing, recurs_every, at } = *self;
        let cycle = match (billing, settings) {
            (Some(cycle), _) => cycle,
            (None, ExpirySettings::BillingCycle { .. }) => return Err(BillingCycleMissing),
            // Of the cycle only the zone counts for these.
            (None, ExpirySettings::Never | ExpirySettings::Duration(_)) => {
                Cycle { anchor_at: effective_at, span: CalendarSpan::MONTH, zone }
            }
        };
        let billing = Billing { cycle };
        let expires_at = settings.expires_at(effective_at, &billing);
        let next_expires_at = match recurs_every {
            None => expires_at.filter(|expires_at| *expires_at > at),
            Some(span) => {
                let grants = Cycle { span, ..cycle };
                settings.next_expires_at(&grants, effective_at, &billing, at)
            }
        };
        let is_expired = settings.is_expired(effective_at, &billing, at);
        Ok(ExpiryAnswer { expires_at, is_expired, next_expires_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SpanUnit;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn zone(name: &str) -> TimeZone {
        TimeZone::parse(name).unwrap()
    }

    fn monthly(anchor_at: &str, zone: TimeZone) -> Billing {
        Billing { cycle: Cycle { anchor_at: at(anchor_at), span: CalendarSpan::MONTH, zone } }
    }

    fn with_cycles(cycle_count: u32, reset_at_period_end: bool) -> ExpirySettings {
        let cycle_count = NonZeroU32::new(cycle_count).unwrap();
        ExpirySettings::BillingCycle { reset_at_period_end, cycle_count }
    }

    fn after(unit: SpanUnit, count: u32) -> ExpirySettings {
        ExpirySettings::Duration(CalendarSpan::new(unit, count).unwrap())
    }

    #[test]
    fn a_duration_is_counted_by_the_calendar_of_the_zone() {
        let utc = TimeZone::UTC;
        let new_york = zone("America/New_York");
        for (unit, count, zone, effective_at, expected) in [
            (SpanUnit::Month, 3, utc, "2026-01-31T00:00:00Z", "2026-04-30T00:00:00Z"),
            (SpanUnit::Year, 1, utc, "2024-02-29T00:00:00Z", "2025-02-28T00:00:00Z"),
            (SpanUnit::Week, 2, utc, "2026-01-01T06:30:00Z", "2026-01-15T06:30:00Z"),
            (SpanUnit::Day, 1, utc, "2026-03-08T05:00:00Z", "2026-03-09T05:00:00Z"),
            // Midnight to midnight: 23 hours, and 25.
            (SpanUnit::Day, 1, new_york, "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"),
            (SpanUnit::Day, 1, new_york, "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"),
            // 02:30, which the clocks skip: they go on at 03:00.
            (SpanUnit::Day, 1, new_york, "2026-03-07T07:30:00Z", "2026-03-08T07:00:00Z"),
            // 01:30, which they show twice: the first.
            (SpanUnit::Day, 1, new_york, "2026-10-31T05:30:00Z", "2026-11-01T05:30:00Z"),
        ] {
            let billing = monthly("2026-01-01T00:00:00Z", zone);
            let expires_at = after(unit, count).expires_at(at(effective_at), &billing);
            assert_eq!(expires_at, Some(at(expected)), "{count} {unit:?} from {effective_at}");
        }
    }

    #[test]
    fn a_billing_cycle_ends_with_its_period_or_a_later_one() {
        let billing = monthly("2026-01-01T00:00:00Z", TimeZone::UTC);
        for (settings, effective_at, expected) in [
            (with_cycles(1, true), "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
            (with_cycles(1, true), "2026-01-31T23:59:59.999999Z", "2026-02-01T00:00:00Z"),
            (with_cycles(1, true), "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"),
            (with_cycles(2, true), "2026-01-20T00:00:00Z", "2026-03-01T00:00:00Z"),
            (with_cycles(1, false), "2026-01-01T00:00:00Z", "2026-02-01T00:00:01Z"),
            (with_cycles(2, false), "2026-01-01T00:00:00Z", "2026-03-01T00:00:01Z"),
            // Before the anchor there are periods, too.
            (with_cycles(1, true), "2025-12-15T00:00:00Z", "2026-01-01T00:00:00Z"),
        ] {
            let expires_at = settings.expires_at(at(effective_at), &billing);
            assert_eq!(expires_at, Some(at(expected)), "{settings:?} from {effective_at}");
        }
    }

    #[test]
    fn at_its_expiry_a_grant_has_expired() {
        let billing = monthly("2026-01-01T00:00:00Z", TimeZone::UTC);
        let (effective_at, end) = (at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z"));
        let settings = with_cycles(1, true);
        assert!(!settings.is_expired(effective_at, &billing, end.plus_micros(-1)));
        assert!(settings.is_expired(effective_at, &billing, end));
        assert!(!ExpirySettings::Never.is_expired(effective_at, &billing, Timestamp::LAST));
    }

    #[test]
    fn the_next_expiry_is_that_of_the_first_grant_which_still_lives() {
        let billing = monthly("2026-01-01T00:00:00Z", TimeZone::UTC);
        let first = at("2026-01-16T00:00:00Z");
        for (settings, now, expected) in [
            (ExpirySettings::Never, "2026-01-20T00:00:00Z", None),
            (with_cycles(1, true), "2025-06-01T00:00:00Z", Some("2026-02-01T00:00:00Z")),
            (with_cycles(1, true), "2026-02-01T00:00:00Z", Some("2026-03-01T00:00:00Z")),
            (with_cycles(3, true), "2026-06-15T00:00:00Z", Some("2026-07-01T00:00:00Z")),
            // The first grant lives from the 16th on, the others from the 1st.
            (after(SpanUnit::Day, 20), "2026-01-20T00:00:00Z", Some("2026-02-05T00:00:00Z")),
            (after(SpanUnit::Day, 20), "2026-02-05T00:00:00Z", Some("2026-02-21T00:00:00Z")),
            (after(SpanUnit::Day, 45), "2026-02-20T00:00:00Z", Some("2026-03-02T00:00:00Z")),
        ] {
            let next = settings.next_expires_at(&billing.cycle, first, &billing, at(now));
            assert_eq!(next, expected.map(at), "{settings:?} at {now}");
        }
    }

    #[test]
    fn nothing_expires_after_the_end_of_time() {
        let billing = monthly("2026-01-01T00:00:00Z", TimeZone::UTC);
        let last = Timestamp::LAST;
        for settings in [after(SpanUnit::Year, 100), with_cycles(u32::MAX, false)] {
            assert_eq!(settings.expires_at(last, &billing), Some(last));
            assert_eq!(settings.window(last, &billing), None);
            assert_eq!(settings.next_expires_at(&billing.cycle, last, &billing, last), None);
        }
    }

    #[test]
    fn without_billing_periods_only_what_needs_none_is_answered() {
        let question = |settings, recurs_every| ExpiryQuestion {
            settings,
            effective_at: at("2026-01-31T00:00:00Z"),
            zone: TimeZone::UTC,
            billing: None,
            recurs_every,
            at: at("2026-02-15T00:00:00Z"),
        };
        let refused = question(with_cycles(1, true), None).answer();
        assert_eq!(refused, Err(BillingCycleMissing));
        let never = question(ExpirySettings::Never, Some(CalendarSpan::MONTH)).answer().unwrap();
        assert_eq!((never.expires_at, never.next_expires_at), (None, None));
        let ten_days = after(SpanUnit::Day, 10);
        let once = question(ten_days, None).answer().unwrap();
        assert_eq!(once.expires_at, Some(at("2026-02-10T00:00:00Z")));
        assert_eq!((once.is_expired, once.next_expires_at), (true, None));
        // From 31 January on, monthly: the second grant is of 28 February.
        let monthly = question(ten_days, Some(CalendarSpan::MONTH)).answer().unwrap();
        assert_eq!(monthly.next_expires_at, Some(at("2026-03-10T00:00:00Z")));
    }
}
