//! Rules and their changes as tables.

use purse_client::v1::{
    ExpirySettings, ExpiryType, GrantRule, GrantRuleChange, RuleCadence, RuleRollover,
    rule_rollover::Cap,
};

use super::words;
use crate::{
    duration, instant, label,
    table::{self, Column, unless_zero},
};

/// What became of a write.
pub(super) fn outcome(replayed: bool, validate_only: bool) -> &'static str {
    match (replayed, validate_only) {
        (true, _) => "replayed: the first answer to this key",
        (false, true) => "validated; nothing was written",
        (false, false) => "",
    }
}

/// A rule.
pub(super) fn record(rule: Option<&GrantRule>, outcome: &str) -> String {
    let rule = rule.cloned().unwrap_or_default();
    let marks = [
        ("created", instant::show(rule.created_at)),
        ("created by", rule.created_by.clone()),
        ("updated", instant::show(rule.updated_at)),
        ("updated by", rule.updated_by.clone()),
        ("deleted", rule.deleted_at.map(|at| instant::show(Some(at))).unwrap_or_default()),
        ("etag", rule.etag.clone()),
        ("id", rule.rule_id.clone()),
        ("outcome", outcome.to_owned()),
    ];
    table::record(fields(&rule).into_iter().chain(marks))
}

/// Rules, a line for each.
pub(super) fn table(rules: &[GrantRule]) -> String {
    let columns = [
        Column::Word("id"),
        Column::Text("name"),
        Column::Text("of"),
        Column::Figure("amount"),
        Column::Word("asset"),
        Column::Text("cadence"),
        Column::Text("expires"),
        Column::Word("status"),
    ];
    table::rows(
        &columns,
        rules.iter().map(|rule| {
            vec![
                rule.rule_id.clone(),
                rule.name.clone(),
                scope(rule),
                rule.amount.clone(),
                rule.asset.clone(),
                cadence(rule),
                expiry(rule.expiry_settings.as_ref()),
                words::status(rule.status()),
            ]
        }),
    )
}

/// Changes, a line for each.
pub(super) fn changes(changes: &[GrantRuleChange]) -> String {
    let columns = [
        Column::Figure("#"),
        Column::Word("kind"),
        Column::Text("at"),
        Column::Text("what"),
        Column::Text("actor"),
        Column::Text("reason"),
    ];
    table::rows(
        &columns,
        changes.iter().map(|change| {
            vec![
                change.change_number.to_string(),
                words::change_kind(change.kind()),
                instant::brief(change.recorded_at),
                what(change),
                change.actor.clone(),
                change.reason.clone(),
            ]
        }),
    )
}

/// The fields that a change changed, such as `amount 100 to 250`.
fn what(change: &GrantRuleChange) -> String {
    let (Some(before), Some(after)) = (&change.before, &change.after) else {
        return String::new();
    };
    let pairs = fields(before).into_iter().zip(fields(after));
    let changed = pairs.filter(|(before, after)| before != after);
    let told = changed.map(|((name, before), (_, after))| {
        let none = |value: String| if value.is_empty() { "none".to_owned() } else { value };
        format!("{name} {} to {}", none(before), none(after))
    });
    told.collect::<Vec<_>>().join("; ")
}

/// What a rule says, field by field.
fn fields(rule: &GrantRule) -> Vec<(&'static str, String)> {
    let at = |at: Option<prost_types::Timestamp>| {
        at.map(|at| instant::show(Some(at))).unwrap_or_default()
    };
    let unless_default = |word: String, default: &str| {
        if word == default { String::new() } else { word }
    };
    let ahead = rule.grant_ahead.filter(|ahead| *ahead != prost_types::Duration::default());
    vec![
        ("name", rule.name.clone()),
        ("of", scope(rule)),
        ("grants", format!("{} {}", rule.amount, rule.asset)),
        ("cadence", cadence(rule)),
        ("expires", expiry(rule.expiry_settings.as_ref())),
        ("status", words::status(rule.status())),
        ("priority", rule.priority.map(|priority| priority.to_string()).unwrap_or_default()),
        ("category", rule.category.clone()),
        ("cost basis", unless_zero(&rule.cost_basis)),
        ("applies to", rule.applies_to.join(", ")),
        ("metadata", label::metadata(&rule.metadata)),
        ("starts", at(rule.starts_at)),
        ("ends", at(rule.ends_at)),
        ("stage", unless_default(words::stage(rule.stage()), "paid")),
        ("proration", unless_default(words::proration(rule.proration()), "none")),
        ("catch-up", unless_default(words::catch_up(rule.catch_up()), "all")),
        ("plan change", unless_default(words::plan_change(rule.plan_change()), "top-up")),
        ("on cancel", unless_default(words::on_cancel(rule.on_cancel()), "keep")),
        ("rollover", rule.rollover.as_ref().map(rollover).unwrap_or_default()),
        ("ahead", ahead.as_ref().map(duration::show).unwrap_or_default()),
    ]
}

fn scope(rule: &GrantRule) -> String {
    let ids = [&rule.plan_id, &rule.subscription_id, &rule.addon_id];
    let id = ids.into_iter().find(|id| !id.is_empty()).cloned().unwrap_or_default();
    format!("{} {id}", words::scope(rule.scope()))
}

fn cadence(rule: &GrantRule) -> String {
    match (rule.cadence(), rule.period_count) {
        (RuleCadence::Recurring, 0 | 1) => words::period(rule.period()),
        (RuleCadence::Recurring, count) => format!("{count} x {}", words::period(rule.period())),
        (cadence @ (RuleCadence::Onetime | RuleCadence::Unspecified), _) => words::cadence(cadence),
    }
}

/// When grants expire, such as `after 30 days` or `with 2 billing periods`.
pub(super) fn expiry(settings: Option<&ExpirySettings>) -> String {
    let settings = settings.copied().unwrap_or_default();
    match settings.r#type() {
        ExpiryType::Duration => {
            let duration = settings.duration.unwrap_or_default();
            counted("after", duration.amount, &words::duration_unit(duration.unit()))
        }
        ExpiryType::BillingCycle => {
            let cycle = settings.billing_cycle.unwrap_or_default();
            let with = counted("with", cycle.cycle_count, "billing period");
            if cycle.reset_at_period_end { with } else { format!("{with}, a second later") }
        }
        kind @ (ExpiryType::Never | ExpiryType::Unspecified) => words::expiry_type(kind),
    }
}

fn counted(word: &str, count: i32, unit: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{word} {count} {unit}{plural}")
}

fn rollover(rollover: &RuleRollover) -> String {
    let cap = match &rollover.cap {
        None => String::new(),
        Some(Cap::All(_)) => "all".to_owned(),
        Some(Cap::Amount(most)) => format!("at most {most}"),
        Some(Cap::Percent(most)) => format!("at most {most}%"),
    };
    counted(&format!("{cap} for"), rollover.periods, "period")
}

#[cfg(test)]
mod tests {
    use purse_client::v1::{
        DurationUnit, ExpiryBillingCycle, ExpiryDuration, RulePeriod, RuleScope, RuleStatus,
    };

    use super::*;

    fn rule() -> GrantRule {
        GrantRule {
            name: "monthly".to_owned(),
            scope: RuleScope::Plan.into(),
            plan_id: "pro".to_owned(),
            asset: "credits".to_owned(),
            amount: "100".to_owned(),
            cadence: RuleCadence::Recurring.into(),
            period: RulePeriod::Monthly.into(),
            period_count: 3,
            status: RuleStatus::Active.into(),
            ..GrantRule::default()
        }
    }

    #[test]
    fn a_change_tells_the_fields_that_changed() {
        let after = GrantRule {
            amount: "250".to_owned(),
            rollover: Some(RuleRollover { cap: Some(Cap::Percent("50".to_owned())), periods: 1 }),
            ..rule()
        };
        let change = GrantRuleChange {
            before: Some(rule()),
            after: Some(after),
            ..GrantRuleChange::default()
        };
        assert_eq!(
            what(&change),
            "grants 100 credits to 250 credits; rollover none to at most 50% for 1 period"
        );
        assert_eq!(scope(&rule()), "plan pro");
        assert_eq!(cadence(&rule()), "3 x monthly");
    }

    #[test]
    fn expiries_are_told_in_a_few_words() {
        let duration = ExpirySettings {
            r#type: ExpiryType::Duration.into(),
            duration: Some(ExpiryDuration { amount: 30, unit: DurationUnit::Day.into() }),
            billing_cycle: None,
        };
        assert_eq!(expiry(Some(&duration)), "after 30 days");
        let cycle = ExpirySettings {
            r#type: ExpiryType::BillingCycle.into(),
            duration: None,
            billing_cycle: Some(ExpiryBillingCycle { reset_at_period_end: false, cycle_count: 1 }),
        };
        assert_eq!(expiry(Some(&cycle)), "with 1 billing period, a second later");
    }
}
