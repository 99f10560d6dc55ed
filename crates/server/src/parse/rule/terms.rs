//! A rule's terms: all of a new one, and those that an update names.

use std::collections::BTreeSet;

use purse_domain::{
    AskedExpiry, Cadence, CatchUp, Category, CostBasis, Metadata, OnCancel, Percent, PlanChange,
    PositiveAmount, Priority, Proration, Rollover, RolloverCap, RuleName, RuleScopeKind, RuleTerms,
    Scale, Stage, TermChange, check_bounds,
};
use purse_proto::v1;

use super::{
    super::{Fields, grant, micros},
    expiry,
};

/// How long ahead of its period credits are granted, unless somebody says otherwise: an hour. Then the old credits end and the
/// new ones begin in one step, and no wallet looks empty in between.
const AHEAD_MICROS: i64 = 3_600_000_000;
/// The longest time ahead of its period that credits are granted: about a month's, the usual period.
const MOST_AHEAD_DAYS: i64 = 31;
const DAY_MICROS: i64 = 86_400_000_000;

/// What an update mask may name.
const UPDATABLE: &str = "name, amount, cadence, expiry_settings, priority, category, cost_basis, \
    applies_to, metadata, starts_at, ends_at, status, stage, proration, catch_up, plan_change, \
    on_cancel, rollover and grant_ahead";

/// All terms of a new rule. `kind` is that of its scope, if it was right.
pub(super) fn all(
    fields: &mut Fields,
    rule: &v1::GrantRule,
    kind: Option<RuleScopeKind>,
    scale: Option<Scale>,
) -> Option<RuleTerms> {
    let name = name(fields, rule);
    let amount = amount(fields, rule, scale);
    let cadence = cadence(fields, rule);
    let expiry = asked_expiry(fields, rule).zip(kind).and_then(|(asked, kind)| {
        fields.check(expiry::OF_RULE.cycle_count(), asked.for_scope(kind))
    });
    let priority = priority(fields, rule);
    let category = category(fields, rule);
    let cost_basis = cost_basis(fields, rule);
    let applies_to = grant::operations(fields, "rule.applies_to", &rule.applies_to);
    let metadata = fields.check("rule.metadata", Metadata::parse(rule.metadata.clone()));
    let starts_at = fields.instant("rule.starts_at", rule.starts_at);
    let ends_at = fields.instant("rule.ends_at", rule.ends_at);
    if let (Some(starts_at), Some(ends_at)) = (starts_at, ends_at) {
        fields.check("rule.ends_at", check_bounds(starts_at, ends_at));
    }
    let is_active = is_active(fields, rule);
    let stage = stage(fields, rule);
    let proration = proration(fields, rule);
    let catch_up = catch_up(fields, rule);
    let plan_change = plan_change(fields, rule);
    let on_cancel = on_cancel(fields, rule);
    let rollover = rollover(fields, rule, scale);
    let ahead_micros = ahead_micros(fields, rule);
    Some(RuleTerms {
        name: name?,
        amount: amount?,
        cadence: cadence?,
        expiry: expiry?,
        priority: priority?,
        category: category?,
        cost_basis: cost_basis?,
        applies_to: applies_to?,
        metadata: metadata?,
        starts_at: starts_at?,
        ends_at: ends_at?,
        is_active: is_active?,
        stage: stage?,
        proration: proration?,
        catch_up: catch_up?,
        plan_change: plan_change?,
        on_cancel: on_cancel?,
        rollover: rollover?,
        ahead_micros: ahead_micros?,
    })
}

/// The terms that a mask names.
pub(super) fn changes(
    fields: &mut Fields,
    rule: &v1::GrantRule,
    paths: &[String],
    scale: Option<Scale>,
) -> Vec<TermChange> {
    if paths.is_empty() {
        fields.note("update_mask", format!("must name at least one of {UPDATABLE}"));
    }
    // One request in whatever order, and however often, it names them.
    let paths: BTreeSet<&str> = paths.iter().map(|path| canonical(path)).collect();
    let mut changes = Vec::with_capacity(paths.len());
    for path in paths {
        let change = match path {
            "name" => name(fields, rule).map(TermChange::Name),
            "amount" => amount(fields, rule, scale).map(TermChange::Amount),
            "cadence" => cadence(fields, rule).map(TermChange::Cadence),
            "expiry_settings" => asked_expiry(fields, rule).map(TermChange::Expiry),
            "priority" => priority(fields, rule).map(TermChange::Priority),
            "category" => category(fields, rule).map(TermChange::Category),
            "cost_basis" => cost_basis(fields, rule).map(TermChange::CostBasis),
            "applies_to" => grant::operations(fields, "rule.applies_to", &rule.applies_to)
                .map(TermChange::AppliesTo),
            "metadata" => fields
                .check("rule.metadata", Metadata::parse(rule.metadata.clone()))
                .map(TermChange::Metadata),
            "starts_at" => {
                fields.instant("rule.starts_at", rule.starts_at).map(TermChange::StartsAt)
            }
            "ends_at" => fields.instant("rule.ends_at", rule.ends_at).map(TermChange::EndsAt),
            "status" => is_active(fields, rule).map(TermChange::IsActive),
            "stage" => stage(fields, rule).map(TermChange::Stage),
            "proration" => proration(fields, rule).map(TermChange::Proration),
            "catch_up" => catch_up(fields, rule).map(TermChange::CatchUp),
            "plan_change" => plan_change(fields, rule).map(TermChange::PlanChange),
            "on_cancel" => on_cancel(fields, rule).map(TermChange::OnCancel),
            "rollover" => rollover(fields, rule, scale).map(TermChange::Rollover),
            "grant_ahead" => ahead_micros(fields, rule).map(|micros| TermChange::Ahead { micros }),
            _ => {
                fields.note("update_mask", format!("may name {UPDATABLE} only"));
                None
            }
        };
        changes.extend(change);
    }
    changes
}

/// The days of older callers are expiry settings.
fn canonical(path: &str) -> &str {
    if path == "expire_in_days" { "expiry_settings" } else { path }
}

fn name(fields: &mut Fields, rule: &v1::GrantRule) -> Option<RuleName> {
    fields.check("rule.name", RuleName::parse(&rule.name))
}

fn amount(
    fields: &mut Fields,
    rule: &v1::GrantRule,
    scale: Option<Scale>,
) -> Option<PositiveAmount> {
    let amount = PositiveAmount::parse(&rule.amount, scale.unwrap_or(Scale::MAX));
    fields.check("rule.amount", amount)
}

fn cadence(fields: &mut Fields, rule: &v1::GrantRule) -> Option<Cadence> {
    let period = expiry::period(
        fields,
        ["rule.period", "rule.period_count"],
        rule.period,
        rule.period_count,
    );
    match v1::RuleCadence::try_from(rule.cadence) {
        Ok(v1::RuleCadence::Onetime) => {
            if period?.is_none() {
                return Some(Cadence::OneTime);
            }
            fields.note("rule.period", "goes with cadence RECURRING only");
            None
        }
        Ok(v1::RuleCadence::Recurring) => {
            let span = period?;
            if span.is_none() {
                fields.note("rule.period", "is missing");
            }
            span.map(Cadence::Recurring)
        }
        Ok(v1::RuleCadence::Unspecified) => {
            fields.note("rule.cadence", "is missing");
            None
        }
        Err(_) => {
            fields.note("rule.cadence", "is no known value");
            None
        }
    }
}

fn asked_expiry(fields: &mut Fields, rule: &v1::GrantRule) -> Option<AskedExpiry> {
    let settings = rule.expiry_settings.as_ref();
    expiry::asked(fields, &expiry::OF_RULE, settings, rule.expire_in_days)
}

fn priority(fields: &mut Fields, rule: &v1::GrantRule) -> Option<Priority> {
    grant::priority(fields, "rule.priority", rule.priority)
}

fn category(fields: &mut Fields, rule: &v1::GrantRule) -> Option<Category> {
    grant::category(fields, "rule.category", &rule.category)
}

fn cost_basis(fields: &mut Fields, rule: &v1::GrantRule) -> Option<CostBasis> {
    grant::cost_basis(fields, "rule.cost_basis", &rule.cost_basis)
}

fn is_active(fields: &mut Fields, rule: &v1::GrantRule) -> Option<bool> {
    let is_active = match v1::RuleStatus::try_from(rule.status) {
        Ok(v1::RuleStatus::Unspecified | v1::RuleStatus::Active) => Ok(true),
        Ok(v1::RuleStatus::Inactive) => Ok(false),
        Ok(v1::RuleStatus::Deleted) => Err("must be ACTIVE or INACTIVE; DeleteGrantRule deletes"),
        Err(_) => Err("is no known value"),
    };
    fields.check("rule.status", is_active)
}

fn stage(fields: &mut Fields, rule: &v1::GrantRule) -> Option<Stage> {
    let stage = match v1::RuleStage::try_from(rule.stage) {
        Ok(v1::RuleStage::Unspecified) => Ok(Stage::default()),
        Ok(v1::RuleStage::Paid) => Ok(Stage::Paid),
        Ok(v1::RuleStage::Trial) => Ok(Stage::Trial),
        Ok(v1::RuleStage::Any) => Ok(Stage::Any),
        Err(_) => Err("is no known value"),
    };
    fields.check("rule.stage", stage)
}

fn proration(fields: &mut Fields, rule: &v1::GrantRule) -> Option<Proration> {
    let proration = match v1::RuleProration::try_from(rule.proration) {
        Ok(v1::RuleProration::Unspecified) => Ok(Proration::default()),
        Ok(v1::RuleProration::None) => Ok(Proration::None),
        Ok(v1::RuleProration::First) => Ok(Proration::First),
        Ok(v1::RuleProration::Last) => Ok(Proration::Last),
        Ok(v1::RuleProration::Both) => Ok(Proration::Both),
        Err(_) => Err("is no known value"),
    };
    fields.check("rule.proration", proration)
}

fn catch_up(fields: &mut Fields, rule: &v1::GrantRule) -> Option<CatchUp> {
    let catch_up = match v1::RuleCatchUp::try_from(rule.catch_up) {
        Ok(v1::RuleCatchUp::Unspecified) => Ok(CatchUp::default()),
        Ok(v1::RuleCatchUp::All) => Ok(CatchUp::All),
        Ok(v1::RuleCatchUp::Latest) => Ok(CatchUp::Latest),
        Ok(v1::RuleCatchUp::None) => Ok(CatchUp::None),
        Err(_) => Err("is no known value"),
    };
    fields.check("rule.catch_up", catch_up)
}

fn plan_change(fields: &mut Fields, rule: &v1::GrantRule) -> Option<PlanChange> {
    let plan_change = match v1::RulePlanChange::try_from(rule.plan_change) {
        Ok(v1::RulePlanChange::Unspecified) => Ok(PlanChange::default()),
        Ok(v1::RulePlanChange::TopUp) => Ok(PlanChange::TopUp),
        Ok(v1::RulePlanChange::Full) => Ok(PlanChange::Full),
        Ok(v1::RulePlanChange::NextPeriod) => Ok(PlanChange::NextPeriod),
        Err(_) => Err("is no known value"),
    };
    fields.check("rule.plan_change", plan_change)
}

fn on_cancel(fields: &mut Fields, rule: &v1::GrantRule) -> Option<OnCancel> {
    let on_cancel = match v1::RuleOnCancel::try_from(rule.on_cancel) {
        Ok(v1::RuleOnCancel::Unspecified) => Ok(OnCancel::default()),
        Ok(v1::RuleOnCancel::Keep) => Ok(OnCancel::Keep),
        Ok(v1::RuleOnCancel::Expire) => Ok(OnCancel::Expire),
        Err(_) => Err("is no known value"),
    };
    fields.check("rule.on_cancel", on_cancel)
}

fn rollover(fields: &mut Fields, rule: &v1::GrantRule, scale: Option<Scale>) -> Option<Rollover> {
    let Some(v1::RuleRollover { cap, periods }) = &rule.rollover else {
        return Some(Rollover::default());
    };
    let cap = match cap {
        None => {
            fields.note("rule.rollover", "has no cap: all, amount or percent");
            None
        }
        Some(v1::rule_rollover::Cap::All(true)) => Some(RolloverCap::All),
        Some(v1::rule_rollover::Cap::All(false)) => {
            fields.note("rule.rollover.all", "must be true; leave rollover out if there is none");
            None
        }
        Some(v1::rule_rollover::Cap::Amount(most)) => {
            let most = PositiveAmount::parse(most, scale.unwrap_or(Scale::MAX));
            fields.check("rule.rollover.amount", most).map(RolloverCap::Amount)
        }
        Some(v1::rule_rollover::Cap::Percent(most)) => {
            fields.check("rule.rollover.percent", Percent::parse(most)).map(RolloverCap::Percent)
        }
    };
    let periods = u8::try_from(*periods).map_err(|_| "must be 0 to 255");
    let periods = fields.check("rule.rollover.periods", periods);
    Some(Rollover { cap: cap?, periods: periods?.max(1) })
}

fn ahead_micros(fields: &mut Fields, rule: &v1::GrantRule) -> Option<i64> {
    let ahead = rule.grant_ahead.map_or(AHEAD_MICROS, micros);
    let fits = (0..=MOST_AHEAD_DAYS * DAY_MICROS).contains(&ahead);
    let ahead = if fits { Ok(ahead) } else { Err(format!("must be 0 to {MOST_AHEAD_DAYS} days")) };
    fields.check("rule.grant_ahead", ahead)
}
