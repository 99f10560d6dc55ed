//! When grants expire, by the domain alone.

use std::num::NonZeroU32;

use purse_domain::{
    AskedExpiry, CalendarSpan, Cycle, ExpiryAnswer, ExpiryQuestion, ExpirySettings, RuleScopeKind,
    SpanUnit, TimeZone,
};

use super::{DomainDriver, billing::field};
use crate::{
    answer::Refusal,
    expiry::{CalculateStep, Expires, ExpiryView, Length, Unit},
};

impl DomainDriver {
    pub(super) fn answer_expiry(&self, step: &CalculateStep) -> Result<ExpiryView, Refusal> {
        let zone = TimeZone::parse(step.zone.as_deref().unwrap_or("UTC"));
        let zone = field("time_zone", zone)?;
        let span = step
            .every
            .map_or(Ok(CalendarSpan::MONTH), |every| span("billing_cycle.period_count", every))?;
        let question = ExpiryQuestion {
            settings: settings(step.calculate, "", RuleScopeKind::Subscription)?,
            effective_at: step.from.0,
            zone,
            billing: step.anchor.map(|anchor| Cycle { anchor_at: anchor.0, span, zone }),
            recurs_every: step.recurs.map(|every| self::span("recurs_count", every)).transpose()?,
            at: step.at.map_or(self.clock, |at| at.0),
        };
        let answer = field("billing_cycle", question.answer())?;
        let ExpiryAnswer { expires_at, is_expired, next_expires_at } = answer;
        Ok(ExpiryView { expires_at, is_expired, next_expires_at })
    }
}

/// The settings for a rule of a scope, with the fields that stand after `path`.
pub(super) fn settings(
    expires: Expires,
    path: &str,
    scope: RuleScopeKind,
) -> Result<ExpirySettings, Refusal> {
    let wrong = |what: &str| Refusal::field(&format!("{path}expiry_settings.{what}"));
    let asked = match expires {
        Expires::Never => AskedExpiry::Never,
        Expires::Unknown => return Err(wrong("type")),
        Expires::After { count, unit } => {
            let unit = unit.ok_or_else(|| wrong("duration.unit"))?;
            let span = CalendarSpan::new(unit_of(unit), count);
            AskedExpiry::Duration(span.map_err(|_| wrong("duration.amount"))?)
        }
        Expires::Cycles { count, and_a_second } => AskedExpiry::BillingCycle {
            reset_at_period_end: !and_a_second,
            cycle_count: NonZeroU32::new(count),
        },
    };
    asked.for_scope(scope).map_err(|_| wrong("billing_cycle.cycle_count"))
}

/// Settings as a file writes them.
pub(super) fn expires(settings: ExpirySettings) -> Expires {
    match settings {
        ExpirySettings::Never => Expires::Never,
        ExpirySettings::Duration(span) => {
            let unit = match span.unit() {
                SpanUnit::Day => Unit::Day,
                SpanUnit::Week => Unit::Week,
                SpanUnit::Month => Unit::Month,
                SpanUnit::Quarter => Unit::Quarter,
                SpanUnit::HalfYear => Unit::HalfYear,
                SpanUnit::Year => Unit::Year,
            };
            Expires::After { count: span.count(), unit: Some(unit) }
        }
        ExpirySettings::BillingCycle { reset_at_period_end, cycle_count } => {
            Expires::Cycles { count: cycle_count.get(), and_a_second: !reset_at_period_end }
        }
    }
}

pub(super) fn span(name: &str, length: Length) -> Result<CalendarSpan, Refusal> {
    field(name, CalendarSpan::new(unit_of(length.unit), length.count))
}

fn unit_of(unit: Unit) -> SpanUnit {
    match unit {
        Unit::Day => SpanUnit::Day,
        Unit::Week => SpanUnit::Week,
        Unit::Month => SpanUnit::Month,
        Unit::Quarter => SpanUnit::Quarter,
        Unit::HalfYear => SpanUnit::HalfYear,
        Unit::Year => SpanUnit::Year,
    }
}
