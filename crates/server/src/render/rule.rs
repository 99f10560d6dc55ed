//! Grant rules.

use purse_domain::{
    Cadence, CalendarSpan, CatchUp, ExpiryAnswer, ExpirySettings, GrantRule, OnCancel, PlanChange,
    Proration, Rollover, RolloverCap, RuleChange, RuleChangeKind, RuleScope, RuleTerms, SpanUnit,
    Stage, Timestamp,
};
use purse_proto::v1;

use super::{instant, micros};

/// A rule.
pub fn grant_rule(rule: &GrantRule) -> v1::GrantRule {
    let GrantRule {
        id,
        namespace_id: _,
        scope,
        asset,
        terms,
        created_by,
        created_at,
        updated_by,
        updated_at,
        deleted_at,
        version,
    } = rule;
    let RuleTerms {
        name,
        amount,
        cadence,
        expiry,
        priority,
        category,
        cost_basis,
        applies_to,
        metadata,
        starts_at,
        ends_at,
        is_active,
        stage,
        proration,
        catch_up,
        plan_change,
        on_cancel,
        rollover,
        ahead_micros,
    } = terms;
    let (scope, [plan_id, subscription_id, addon_id]) = self::scope(scope);
    let (cadence, span) = self::cadence(*cadence);
    let (period, period_count) = span.map_or_else(Default::default, period);
    let status = match (deleted_at, is_active) {
        (Some(_), _) => v1::RuleStatus::Deleted,
        (None, true) => v1::RuleStatus::Active,
        (None, false) => v1::RuleStatus::Inactive,
    };
    v1::GrantRule {
        name: name.to_string(),
        scope: scope.into(),
        plan_id,
        subscription_id,
        addon_id,
        asset: asset.to_string(),
        amount: amount.get().to_string(),
        cadence: cadence.into(),
        period: period.into(),
        period_count,
        expiry_settings: Some(expiry_settings(*expiry)),
        // What is asked for so is answered as settings.
        expire_in_days: None,
        priority: Some(priority.get()),
        category: category.to_string(),
        cost_basis: cost_basis.to_string(),
        applies_to: applies_to.iter().map(ToString::to_string).collect(),
        metadata: metadata.as_map().clone(),
        starts_at: starts_at.map(instant),
        ends_at: ends_at.map(instant),
        status: status.into(),
        stage: self::stage(*stage).into(),
        proration: self::proration(*proration).into(),
        catch_up: self::catch_up(*catch_up).into(),
        plan_change: self::plan_change(*plan_change).into(),
        on_cancel: self::on_cancel(*on_cancel).into(),
        rollover: self::rollover(*rollover),
        grant_ahead: Some(micros(*ahead_micros)),
        rule_id: id.to_string(),
        created_by: created_by.to_string(),
        created_at: Some(instant(*created_at)),
        updated_by: updated_by.to_string(),
        updated_at: Some(instant(*updated_at)),
        deleted_at: deleted_at.map(instant),
        etag: version.to_string(),
    }
}

/// A change of a rule.
pub fn grant_rule_change(change: &RuleChange) -> v1::GrantRuleChange {
    let RuleChange { kind, before, after, actor, reason, metadata, recorded_at } = change;
    let kind = match kind {
        RuleChangeKind::Created => v1::GrantRuleChangeKind::Created,
        RuleChangeKind::Updated => v1::GrantRuleChangeKind::Updated,
        RuleChangeKind::Deleted => v1::GrantRuleChangeKind::Deleted,
    };
    v1::GrantRuleChange {
        change_number: after.version,
        kind: kind.into(),
        before: before.as_ref().map(grant_rule),
        after: Some(grant_rule(after)),
        actor: actor.to_string(),
        reason: reason.to_string(),
        metadata: metadata.as_map().clone(),
        recorded_at: Some(instant(*recorded_at)),
    }
}

/// A change of a rule as a change of its expiry settings.
pub fn expiry_change(change: &RuleChange, replayed: bool) -> v1::UpdateExpirySettingsResponse {
    v1::UpdateExpirySettingsResponse {
        before: change.before.as_ref().map(|rule| expiry_settings(rule.terms.expiry)),
        rule: Some(grant_rule(&change.after)),
        replayed,
    }
}

/// What the calculator answers about an instant, by settings.
pub fn calculated(
    answer: &ExpiryAnswer,
    settings: ExpirySettings,
    at: Timestamp,
) -> v1::CalculateExpiryResponse {
    let ExpiryAnswer { expires_at, is_expired, next_expires_at } = answer;
    v1::CalculateExpiryResponse {
        expires_at: expires_at.map(instant),
        is_expired: *is_expired,
        next_expires_at: next_expires_at.map(instant),
        expiry_settings: Some(expiry_settings(settings)),
        at: Some(instant(at)),
    }
}

/// When grants expire.
fn expiry_settings(settings: ExpirySettings) -> v1::ExpirySettings {
    match settings {
        ExpirySettings::Never => v1::ExpirySettings {
            r#type: v1::ExpiryType::Never.into(),
            duration: None,
            billing_cycle: None,
        },
        ExpirySettings::Duration(span) => v1::ExpirySettings {
            r#type: v1::ExpiryType::Duration.into(),
            duration: Some(duration(span)),
            billing_cycle: None,
        },
        ExpirySettings::BillingCycle { reset_at_period_end, cycle_count } => v1::ExpirySettings {
            r#type: v1::ExpiryType::BillingCycle.into(),
            duration: None,
            billing_cycle: Some(v1::ExpiryBillingCycle {
                reset_at_period_end,
                cycle_count: count(cycle_count.get()),
            }),
        },
    }
}

fn scope(scope: &RuleScope) -> (v1::RuleScope, [String; 3]) {
    let none = String::new;
    match scope {
        RuleScope::Plan(id) => (v1::RuleScope::Plan, [id.to_string(), none(), none()]),
        RuleScope::Subscription(id) => {
            (v1::RuleScope::Subscription, [none(), id.to_string(), none()])
        }
        RuleScope::Addon(id) => (v1::RuleScope::Addon, [none(), none(), id.to_string()]),
    }
}

fn cadence(cadence: Cadence) -> (v1::RuleCadence, Option<CalendarSpan>) {
    match cadence {
        Cadence::OneTime => (v1::RuleCadence::Onetime, None),
        Cadence::Recurring(span) => (v1::RuleCadence::Recurring, Some(span)),
    }
}

fn period(span: CalendarSpan) -> (v1::RulePeriod, i32) {
    let period = match span.unit() {
        SpanUnit::Day => v1::RulePeriod::Daily,
        SpanUnit::Week => v1::RulePeriod::Weekly,
        SpanUnit::Month => v1::RulePeriod::Monthly,
        SpanUnit::Quarter => v1::RulePeriod::Quarterly,
        SpanUnit::HalfYear => v1::RulePeriod::HalfYearly,
        SpanUnit::Year => v1::RulePeriod::Annual,
    };
    (period, count(span.count()))
}

/// Durations are asked for in four units; whatever else a span may be counted in is so many of these.
fn duration(span: CalendarSpan) -> v1::ExpiryDuration {
    let (unit, each) = match span.unit() {
        SpanUnit::Day => (v1::DurationUnit::Day, 1),
        SpanUnit::Week => (v1::DurationUnit::Week, 1),
        SpanUnit::Month => (v1::DurationUnit::Month, 1),
        SpanUnit::Quarter => (v1::DurationUnit::Month, 3),
        SpanUnit::HalfYear => (v1::DurationUnit::Month, 6),
        SpanUnit::Year => (v1::DurationUnit::Year, 1),
    };
    v1::ExpiryDuration { amount: count(span.count()) * each, unit: unit.into() }
}

/// Counts were asked for as what they are answered.
fn count(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn stage(stage: Stage) -> v1::RuleStage {
    match stage {
        Stage::Paid => v1::RuleStage::Paid,
        Stage::Trial => v1::RuleStage::Trial,
        Stage::Any => v1::RuleStage::Any,
    }
}

fn proration(proration: Proration) -> v1::RuleProration {
    match proration {
        Proration::None => v1::RuleProration::None,
        Proration::First => v1::RuleProration::First,
        Proration::Last => v1::RuleProration::Last,
        Proration::Both => v1::RuleProration::Both,
    }
}

fn catch_up(catch_up: CatchUp) -> v1::RuleCatchUp {
    match catch_up {
        CatchUp::All => v1::RuleCatchUp::All,
        CatchUp::Latest => v1::RuleCatchUp::Latest,
        CatchUp::None => v1::RuleCatchUp::None,
    }
}

fn plan_change(plan_change: PlanChange) -> v1::RulePlanChange {
    match plan_change {
        PlanChange::TopUp => v1::RulePlanChange::TopUp,
        PlanChange::Full => v1::RulePlanChange::Full,
        PlanChange::NextPeriod => v1::RulePlanChange::NextPeriod,
    }
}

fn on_cancel(on_cancel: OnCancel) -> v1::RuleOnCancel {
    match on_cancel {
        OnCancel::Keep => v1::RuleOnCancel::Keep,
        OnCancel::Expire => v1::RuleOnCancel::Expire,
    }
}

fn rollover(rollover: Rollover) -> Option<v1::RuleRollover> {
    let Rollover { cap, periods } = rollover;
    let cap = match cap {
        RolloverCap::None => return None,
        RolloverCap::All => v1::rule_rollover::Cap::All(true),
        RolloverCap::Amount(most) => v1::rule_rollover::Cap::Amount(most.get().to_string()),
        RolloverCap::Percent(most) => v1::rule_rollover::Cap::Percent(most.decimal().to_string()),
    };
    Some(v1::RuleRollover { cap: Some(cap), periods: i32::from(periods) })
}
