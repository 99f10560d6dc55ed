//! When grants expire, over gRPC.

use purse_domain::Timestamp;
use purse_proto::v1::{
    BillingCycle, CalculateExpiryRequest, DurationUnit, ExpiryBillingCycle, ExpiryDuration,
    ExpirySettings, ExpiryType, RulePeriod,
};

use super::{GrpcDriver, refusal, view::timestamp as instant};
use crate::{
    answer::Refusal,
    expiry::{CalculateStep, Expires, ExpiryView, Unit},
};

impl GrpcDriver {
    pub(super) async fn ask_for_expiry(
        &mut self,
        step: &CalculateStep,
    ) -> Result<ExpiryView, Refusal> {
        let every = step.every.map_or((RulePeriod::Monthly, 0), |every| {
            (period(every.unit), every.count.cast_signed())
        });
        let billing_cycle = step.anchor.map(|anchor| BillingCycle {
            anchor_at: Some(instant(anchor.0)),
            period: every.0.into(),
            period_count: every.1,
        });
        let request = self.request(CalculateExpiryRequest {
            expiry_settings: Some(settings(step.calculate)),
            effective_at: Some(instant(step.from.0)),
            billing_cycle,
            time_zone: step.zone.clone().unwrap_or_default(),
            recurs_every: step.recurs.map_or(0, |recurs| period(recurs.unit).into()),
            recurs_count: step.recurs.map_or(0, |recurs| recurs.count.cast_signed()),
            at: step.at.map(|at| instant(at.0)),
            ..Default::default()
        });
        let answer = self.grants.calculate_expiry(request).await.map_err(refusal::of)?;
        let answer = answer.into_inner();
        let at = |at: Option<prost_types::Timestamp>| {
            at.and_then(|at| Timestamp::from_parts(at.seconds, at.nanos).ok())
        };
        Ok(ExpiryView {
            expires_at: at(answer.expires_at),
            is_expired: answer.is_expired,
            next_expires_at: at(answer.next_expires_at),
        })
    }
}

pub(super) fn period(unit: Unit) -> RulePeriod {
    match unit {
        Unit::Day => RulePeriod::Daily,
        Unit::Week => RulePeriod::Weekly,
        Unit::Month => RulePeriod::Monthly,
        Unit::Quarter => RulePeriod::Quarterly,
        Unit::HalfYear => RulePeriod::HalfYearly,
        Unit::Year => RulePeriod::Annual,
    }
}

pub(super) fn settings(expires: Expires) -> ExpirySettings {
    let of_type = |r#type: i32| ExpirySettings { r#type, duration: None, billing_cycle: None };
    match expires {
        Expires::Never => of_type(ExpiryType::Never.into()),
        Expires::Unknown => of_type(99),
        Expires::Cycles { count, and_a_second } => ExpirySettings {
            billing_cycle: Some(ExpiryBillingCycle {
                reset_at_period_end: !and_a_second,
                cycle_count: count.cast_signed(),
            }),
            ..of_type(ExpiryType::BillingCycle.into())
        },
        Expires::After { count, unit } => {
            let (count, unit) = match unit {
                None => (count, DurationUnit::Unspecified),
                Some(Unit::Day) => (count, DurationUnit::Day),
                Some(Unit::Week) => (count, DurationUnit::Week),
                Some(Unit::Month) => (count, DurationUnit::Month),
                // There are no such units.
                Some(Unit::Quarter) => (3 * count, DurationUnit::Month),
                Some(Unit::HalfYear) => (6 * count, DurationUnit::Month),
                Some(Unit::Year) => (count, DurationUnit::Year),
            };
            let duration = ExpiryDuration { amount: count.cast_signed(), unit: unit.into() };
            ExpirySettings { duration: Some(duration), ..of_type(ExpiryType::Duration.into()) }
        }
    }
}

/// Settings as a file writes them.
pub(super) fn expires(settings: Option<&ExpirySettings>) -> Expires {
    let Some(settings) = settings else { return Expires::Unknown };
    match (settings.r#type(), settings.duration, settings.billing_cycle) {
        (ExpiryType::Never, None, None) => Expires::Never,
        (ExpiryType::Duration, Some(duration), None) => {
            let unit = match duration.unit() {
                DurationUnit::Unspecified => None,
                DurationUnit::Day => Some(Unit::Day),
                DurationUnit::Week => Some(Unit::Week),
                DurationUnit::Month => Some(Unit::Month),
                DurationUnit::Year => Some(Unit::Year),
            };
            Expires::After { count: duration.amount.cast_unsigned(), unit }
        }
        (ExpiryType::BillingCycle, None, Some(cycle)) => Expires::Cycles {
            count: cycle.cycle_count.cast_unsigned(),
            and_a_second: !cycle.reset_at_period_end,
        },
        _ => Expires::Unknown,
    }
}
