//! The enums of rules as words, written and read alike.

use purse_client::v1::{
    DurationUnit, ExpiryType, GrantRuleChangeKind, RuleCadence, RuleCatchUp, RuleOnCancel,
    RulePeriod, RulePlanChange, RuleProration, RuleScope, RuleStage, RuleStatus,
};

use crate::label::{screaming, word};

macro_rules! words {
    ($show:ident, $parse:ident: $enum:ident $prefix:literal, $expected:literal) => {
        pub(super) fn $show(value: $enum) -> String {
            word(value.as_str_name(), $prefix)
        }

        pub(super) fn $parse(text: &str) -> Result<$enum, String> {
            $enum::from_str_name(&format!("{}{}", $prefix, screaming(text)))
                .filter(|value| *value != $enum::Unspecified)
                .ok_or_else(|| concat!("expected ", $expected).to_owned())
        }
    };
}

words!(scope, parse_scope: RuleScope "RULE_SCOPE_", "plan, subscription or addon");
words!(status, parse_status: RuleStatus "RULE_STATUS_", "active, inactive or deleted");
words!(cadence, parse_cadence: RuleCadence "RULE_CADENCE_", "onetime or recurring");
words!(
    period, parse_period: RulePeriod "RULE_PERIOD_",
    "daily, weekly, monthly, quarterly, half-yearly or annual"
);
words!(
    expiry_type, parse_expiry_type: ExpiryType "EXPIRY_TYPE_",
    "never, duration or billing-cycle"
);
words!(stage, parse_stage: RuleStage "RULE_STAGE_", "paid, trial or any");
words!(proration, parse_proration: RuleProration "RULE_PRORATION_", "none, first, last or both");
words!(catch_up, parse_catch_up: RuleCatchUp "RULE_CATCH_UP_", "all, latest or none");
words!(
    plan_change, parse_plan_change: RulePlanChange "RULE_PLAN_CHANGE_",
    "top-up, full or next-period"
);
words!(on_cancel, parse_on_cancel: RuleOnCancel "RULE_ON_CANCEL_", "keep or expire");

/// What happened to a rule, such as `updated`.
pub(super) fn change_kind(kind: GrantRuleChangeKind) -> String {
    word(kind.as_str_name(), "GRANT_RULE_CHANGE_KIND_")
}

/// A unit of a duration, such as `month`.
pub(super) fn duration_unit(unit: DurationUnit) -> String {
    word(unit.as_str_name(), "DURATION_UNIT_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        assert_eq!(period(RulePeriod::HalfYearly), "half-yearly");
        assert_eq!(parse_period("half-yearly"), Ok(RulePeriod::HalfYearly));
        assert_eq!(parse_expiry_type("billing-cycle"), Ok(ExpiryType::BillingCycle));
        assert!(parse_period("unspecified").is_err());
        assert!(parse_stage("free").unwrap_err().contains("trial"));
    }
}
