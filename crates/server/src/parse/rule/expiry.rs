//! Expiry settings, and questions to the expiry calculator.

use std::num::NonZeroU32;

use purse_domain::{
    AskedExpiry, CalendarSpan, CalendarSpanError, Cycle, ExpirySettings, RuleId, RuleScopeKind,
    SpanUnit, TimeZone, Timestamp,
};
use purse_proto::v1;
use tonic::Status;

use super::super::Fields;

/// Where settings stand in a request.
pub(super) struct Paths {
    settings: &'static str,
    kind: &'static str,
    duration: &'static str,
    amount: &'static str,
    unit: &'static str,
    billing_cycle: &'static str,
    cycle_count: &'static str,
    expire_in_days: &'static str,
}

/// In the request itself.
const OWN: Paths = Paths {
    settings: "expiry_settings",
    kind: "expiry_settings.type",
    duration: "expiry_settings.duration",
    amount: "expiry_settings.duration.amount",
    unit: "expiry_settings.duration.unit",
    billing_cycle: "expiry_settings.billing_cycle",
    cycle_count: CYCLE_COUNT,
    expire_in_days: "expire_in_days",
};

/// In the rule that a request holds.
pub(super) const OF_RULE: Paths = Paths {
    settings: "rule.expiry_settings",
    kind: "rule.expiry_settings.type",
    duration: "rule.expiry_settings.duration",
    amount: "rule.expiry_settings.duration.amount",
    unit: "rule.expiry_settings.duration.unit",
    billing_cycle: "rule.expiry_settings.billing_cycle",
    cycle_count: CYCLE_COUNT_OF_RULE,
    expire_in_days: "rule.expire_in_days",
};

/// The number of periods in a request's own settings.
pub const CYCLE_COUNT: &str = "expiry_settings.billing_cycle.cycle_count";
/// The number of periods in those of a request's rule.
pub const CYCLE_COUNT_OF_RULE: &str = "rule.expiry_settings.billing_cycle.cycle_count";

impl Paths {
    /// Where the number of periods stands.
    pub(super) fn cycle_count(&self) -> &'static str {
        self.cycle_count
    }
}

/// Settings of a request that must have some.
pub(super) fn required(
    fields: &mut Fields,
    settings: Option<&v1::ExpirySettings>,
    expire_in_days: Option<i32>,
) -> Option<AskedExpiry> {
    if settings.is_none() && expire_in_days.is_none() {
        fields.note(OWN.settings, "is missing");
        return None;
    }
    asked(fields, &OWN, settings, expire_in_days)
}

/// Settings, or the days of older callers; never without both.
pub(super) fn asked(
    fields: &mut Fields,
    paths: &Paths,
    settings: Option<&v1::ExpirySettings>,
    expire_in_days: Option<i32>,
) -> Option<AskedExpiry> {
    match (settings, expire_in_days) {
        (None, None) => Some(AskedExpiry::Never),
        (None, Some(days)) => {
            let span = span(SpanUnit::Day, days);
            fields.check(paths.expire_in_days, span).map(AskedExpiry::Duration)
        }
        (Some(settings), None) => self::settings(fields, paths, settings),
        (Some(settings), Some(_)) => {
            fields.note(paths.expire_in_days, "does not go with expiry_settings");
            self::settings(fields, paths, settings)
        }
    }
}

fn settings(
    fields: &mut Fields,
    paths: &Paths,
    settings: &v1::ExpirySettings,
) -> Option<AskedExpiry> {
    let v1::ExpirySettings { r#type, duration, billing_cycle } = settings;
    let kind = match v1::ExpiryType::try_from(*r#type) {
        Ok(v1::ExpiryType::Unspecified) => Err("is missing"),
        Ok(
            kind
            @ (v1::ExpiryType::Never | v1::ExpiryType::Duration | v1::ExpiryType::BillingCycle),
        ) => Ok(kind),
        Err(_) => Err("is no known value"),
    };
    let kind = fields.check(paths.kind, kind)?;
    if kind != v1::ExpiryType::Duration && duration.is_some() {
        fields.note(paths.duration, "goes with type DURATION only");
    }
    if kind != v1::ExpiryType::BillingCycle && billing_cycle.is_some() {
        fields.note(paths.billing_cycle, "goes with type BILLING_CYCLE only");
    }
    match kind {
        v1::ExpiryType::Unspecified => None,
        v1::ExpiryType::Never => Some(AskedExpiry::Never),
        v1::ExpiryType::Duration => {
            let v1::ExpiryDuration { amount, unit } = duration.unwrap_or_default();
            let unit = fields.check(paths.unit, duration_unit(unit));
            // Without its unit at least that it is one at all.
            let length = span(unit.unwrap_or(SpanUnit::Day), amount);
            let length = fields.check(paths.amount, length);
            unit.and(length).map(AskedExpiry::Duration)
        }
        v1::ExpiryType::BillingCycle => {
            let v1::ExpiryBillingCycle { reset_at_period_end, cycle_count } =
                billing_cycle.unwrap_or_default();
            let count = u32::try_from(cycle_count).map_err(|_| "must not be negative");
            let cycle_count = NonZeroU32::new(fields.check(paths.cycle_count, count)?);
            Some(AskedExpiry::BillingCycle { reset_at_period_end, cycle_count })
        }
    }
}

fn duration_unit(unit: i32) -> Result<SpanUnit, &'static str> {
    match v1::DurationUnit::try_from(unit) {
        Ok(v1::DurationUnit::Day) => Ok(SpanUnit::Day),
        Ok(v1::DurationUnit::Week) => Ok(SpanUnit::Week),
        Ok(v1::DurationUnit::Month) => Ok(SpanUnit::Month),
        Ok(v1::DurationUnit::Year) => Ok(SpanUnit::Year),
        Ok(v1::DurationUnit::Unspecified) => Err("is missing"),
        Err(_) => Err("is no known value"),
    }
}

/// The unit of a period; `Ok(None)`: none was said.
pub(super) fn period_unit(period: i32) -> Result<Option<SpanUnit>, &'static str> {
    match v1::RulePeriod::try_from(period) {
        Ok(v1::RulePeriod::Unspecified) => Ok(None),
        Ok(v1::RulePeriod::Daily) => Ok(Some(SpanUnit::Day)),
        Ok(v1::RulePeriod::Weekly) => Ok(Some(SpanUnit::Week)),
        Ok(v1::RulePeriod::Monthly) => Ok(Some(SpanUnit::Month)),
        Ok(v1::RulePeriod::Quarterly) => Ok(Some(SpanUnit::Quarter)),
        Ok(v1::RulePeriod::HalfYearly) => Ok(Some(SpanUnit::HalfYear)),
        Ok(v1::RulePeriod::Annual) => Ok(Some(SpanUnit::Year)),
        Err(_) => Err("is no known value"),
    }
}

/// So many units; what is negative is nothing.
pub(super) fn span(unit: SpanUnit, count: i32) -> Result<CalendarSpan, CalendarSpanError> {
    CalendarSpan::new(unit, u32::try_from(count).unwrap_or(0))
}

/// A period with its count, of which 0 stands for 1; `Some(None)`: there is none.
#[expect(clippy::option_option, reason = "wrong, absent and present are three cases")]
pub(super) fn period(
    fields: &mut Fields,
    [unit_field, count_field]: [&'static str; 2],
    unit: i32,
    count: i32,
) -> Option<Option<CalendarSpan>> {
    let unit = fields.check(unit_field, period_unit(unit));
    if unit == Some(None) {
        if count != 0 {
            fields.note(count_field, format!("goes with {unit_field}"));
        }
        return Some(None);
    }
    let count = if count == 0 { 1 } else { count };
    // Without its unit at least that it is one at all.
    let length = span(unit.flatten().unwrap_or(SpanUnit::Day), count);
    let length = fields.check(count_field, length);
    unit.and(length).map(Some)
}

/// A question to the calculator.
#[derive(Debug)]
pub struct Calculation {
    /// Whose expiry it is about.
    pub about: About,
    /// When the grant becomes effective.
    pub effective_at: Timestamp,
    /// Whose clocks count.
    pub zone: TimeZone,
    /// The billing periods, if they were said.
    pub billing: Option<Cycle>,
    /// The instant to tell of; `None`: now.
    pub at: Option<Timestamp>,
}

/// What a calculation is by.
#[derive(Debug)]
pub enum About {
    /// The terms of a rule.
    Rule(RuleId),
    /// Settings, and how often a grant recurs.
    Settings(ExpirySettings, Option<CalendarSpan>),
}

/// A question to the calculator.
pub fn calculate_expiry(message: v1::CalculateExpiryRequest) -> Result<Calculation, Status> {
    let v1::CalculateExpiryRequest {
        rule_id,
        expiry_settings,
        expire_in_days,
        effective_at,
        billing_cycle,
        time_zone,
        recurs_every,
        recurs_count,
        at,
    } = message;
    let mut fields = Fields::default();
    let recurs = ["recurs_every", "recurs_count"];
    let recurs_every = period(&mut fields, recurs, recurs_every, recurs_count);
    let about = if rule_id.is_empty() {
        let asked = required(&mut fields, expiry_settings.as_ref(), expire_in_days);
        // One subscription's billing periods are asked about.
        let settings = asked.map(|asked| asked.for_scope(RuleScopeKind::Subscription));
        let settings = settings.and_then(|settings| fields.check(CYCLE_COUNT, settings));
        settings.zip(recurs_every).map(|(settings, every)| About::Settings(settings, every))
    } else {
        for (field, is_there) in [
            (OWN.settings, expiry_settings.is_some()),
            (OWN.expire_in_days, expire_in_days.is_some()),
            ("recurs_every", recurs_every.flatten().is_some()),
        ] {
            if is_there {
                fields.note(field, "does not go with rule_id");
            }
        }
        fields.rule_id(&rule_id).map(About::Rule)
    };
    let effective_at = fields.required_instant("effective_at", effective_at);
    let zone = if time_zone.is_empty() { Ok(TimeZone::UTC) } else { TimeZone::parse(&time_zone) };
    let zone = fields.check("time_zone", zone);
    let billing = match billing_cycle {
        None => Some(None),
        Some(cycle) => self::billing_cycle(&mut fields, cycle, zone).map(Some),
    };
    let at = fields.instant("at", at);
    let calculation = (|| {
        Some(Calculation {
            about: about?,
            effective_at: effective_at?,
            zone: zone?,
            billing: billing?,
            at: at?,
        })
    })();
    fields.finish(calculation)
}

fn billing_cycle(
    fields: &mut Fields,
    cycle: v1::BillingCycle,
    zone: Option<TimeZone>,
) -> Option<Cycle> {
    let v1::BillingCycle { anchor_at, period, period_count } = cycle;
    let anchor_at = fields.required_instant("billing_cycle.anchor_at", anchor_at);
    let paths = ["billing_cycle.period", "billing_cycle.period_count"];
    let span = self::period(fields, paths, period, period_count);
    if span == Some(None) {
        fields.note("billing_cycle.period", "is missing");
    }
    Some(Cycle { anchor_at: anchor_at?, span: span??, zone: zone? })
}
