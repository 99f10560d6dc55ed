//! What grant rules may say, and what the expiry calculator answers.

use purse_proto::v1::{
    self, DurationUnit, ExpiryType, GrantRule, RuleCadence, RulePeriod, RuleScope,
};

use crate::{
    fixture::{Server, blamed, refusal, timestamp},
    rules::{create, days, rule},
};

fn duration(amount: i32, unit: i32) -> v1::ExpirySettings {
    let duration = Some(v1::ExpiryDuration { amount, unit });
    let r#type = ExpiryType::Duration.into();
    v1::ExpirySettings { r#type, duration, billing_cycle: None }
}

fn cycles(cycle_count: i32) -> v1::ExpirySettings {
    let billing_cycle = Some(v1::ExpiryBillingCycle { reset_at_period_end: true, cycle_count });
    let r#type = ExpiryType::BillingCycle.into();
    v1::ExpirySettings { r#type, duration: None, billing_cycle }
}

fn expiring(settings: v1::ExpirySettings) -> GrantRule {
    GrantRule { expiry_settings: Some(settings), ..rule() }
}

fn of_subscription(id: &str, rule: GrantRule) -> GrantRule {
    GrantRule {
        scope: RuleScope::Subscription.into(),
        plan_id: String::new(),
        subscription_id: id.to_owned(),
        ..rule
    }
}

fn with_cap(cap: v1::rule_rollover::Cap) -> GrantRule {
    GrantRule { rollover: Some(v1::RuleRollover { cap: Some(cap), periods: 0 }), ..rule() }
}

/// Scenario 47, and what else cannot be: each with the fields that are blamed.
#[tokio::test]
async fn what_a_rule_cannot_be_is_refused_by_field() {
    const AMOUNT: &str = "rule.expiry_settings.duration.amount";
    const UNIT: &str = "rule.expiry_settings.duration.unit";
    const COUNT: &str = "rule.expiry_settings.billing_cycle.cycle_count";
    const TYPE: &str = "rule.expiry_settings.type";
    let server = Server::start().await;
    let day = DurationUnit::Day.into();
    let both = GrantRule { expire_in_days: Some(30), ..expiring(days(30)) };
    let mixed = v1::ExpirySettings {
        r#type: ExpiryType::Never.into(),
        duration: Some(v1::ExpiryDuration { amount: 1, unit: day }),
        billing_cycle: Some(v1::ExpiryBillingCycle::default()),
    };
    let typed = |r#type| v1::ExpirySettings { r#type, ..Default::default() };
    let bounds = GrantRule {
        starts_at: Some(timestamp("2026-02-01T00:00:00Z")),
        ends_at: Some(timestamp("2026-02-01T00:00:00Z")),
        ..rule()
    };
    let ahead = |seconds| GrantRule {
        grant_ahead: Some(prost_types::Duration { seconds, nanos: 0 }),
        ..rule()
    };
    let cases: Vec<(GrantRule, &[&str])> = vec![
        (expiring(duration(0, day)), &[AMOUNT]),
        (expiring(duration(-1, day)), &[AMOUNT]),
        (expiring(duration(36_526, day)), &[AMOUNT]),
        (expiring(duration(3, 0)), &[UNIT]),
        (expiring(duration(3, 9)), &[UNIT]),
        (expiring(duration(0, 0)), &[UNIT, AMOUNT]),
        (expiring(typed(ExpiryType::Duration.into())), &[UNIT, AMOUNT]),
        (expiring(cycles(0)), &[COUNT]),
        (expiring(typed(ExpiryType::BillingCycle.into())), &[COUNT]),
        (expiring(cycles(-1)), &[COUNT]),
        (of_subscription("", expiring(cycles(1))), &["rule.subscription_id"]),
        (expiring(typed(0)), &[TYPE]),
        (expiring(typed(9)), &[TYPE]),
        (expiring(mixed), &["rule.expiry_settings.duration", "rule.expiry_settings.billing_cycle"]),
        (both, &["rule.expire_in_days"]),
        (GrantRule { expire_in_days: Some(0), ..rule() }, &["rule.expire_in_days"]),
        (GrantRule { scope: 0, plan_id: String::new(), ..rule() }, &["rule.scope"]),
        (GrantRule { scope: 9, ..rule() }, &["rule.scope"]),
        (GrantRule { plan_id: String::new(), ..rule() }, &["rule.plan_id"]),
        (GrantRule { addon_id: "seats".to_owned(), ..rule() }, &["rule.addon_id"]),
        (GrantRule { cadence: 0, ..rule() }, &["rule.cadence"]),
        (GrantRule { period: 0, ..rule() }, &["rule.period"]),
        (GrantRule { period: 9, ..rule() }, &["rule.period"]),
        (GrantRule { period_count: -1, ..rule() }, &["rule.period_count"]),
        (GrantRule { period_count: 1_201, ..rule() }, &["rule.period_count"]),
        (GrantRule { cadence: RuleCadence::Onetime.into(), ..rule() }, &["rule.period"]),
        (GrantRule { amount: "0".to_owned(), ..rule() }, &["rule.amount"]),
        (GrantRule { priority: Some(1_000_001), ..rule() }, &["rule.priority"]),
        (GrantRule { category: "A".to_owned(), ..rule() }, &["rule.category"]),
        (GrantRule { cost_basis: "-1".to_owned(), ..rule() }, &["rule.cost_basis"]),
        (GrantRule { applies_to: vec![String::new()], ..rule() }, &["rule.applies_to"]),
        (bounds, &["rule.ends_at"]),
        (GrantRule { status: v1::RuleStatus::Deleted.into(), ..rule() }, &["rule.status"]),
        (GrantRule { stage: 9, ..rule() }, &["rule.stage"]),
        (GrantRule { proration: 9, ..rule() }, &["rule.proration"]),
        (GrantRule { catch_up: 9, ..rule() }, &["rule.catch_up"]),
        (GrantRule { plan_change: 9, ..rule() }, &["rule.plan_change"]),
        (GrantRule { on_cancel: 9, ..rule() }, &["rule.on_cancel"]),
        (GrantRule { rollover: Some(v1::RuleRollover::default()), ..rule() }, &["rule.rollover"]),
        (with_cap(v1::rule_rollover::Cap::All(false)), &["rule.rollover.all"]),
        (with_cap(v1::rule_rollover::Cap::Amount("0".to_owned())), &["rule.rollover.amount"]),
        (with_cap(v1::rule_rollover::Cap::Percent("101".to_owned())), &["rule.rollover.percent"]),
        (ahead(-1), &["rule.grant_ahead"]),
        (ahead(31 * 86_400 + 1), &["rule.grant_ahead"]),
        // All at once.
        (
            GrantRule {
                name: String::new(),
                asset: "o re".to_owned(),
                plan_id: String::new(),
                ..expiring(cycles(0))
            },
            &["rule.plan_id", "rule.asset", "rule.name", COUNT],
        ),
    ];
    for (rule, fields) in cases {
        let request = create(rule.clone(), "key");
        let refused = server.grants().create_grant_rule(request).await.unwrap_err();
        assert_eq!(refusal(&refused).1, "INVALID_FIELD");
        assert_eq!(blamed(&refused), fields, "{rule:?}");
    }
    assert_eq!(server.rows("grant_rules").await, 0);
}

#[tokio::test]
async fn the_days_of_older_callers_are_a_duration() {
    let server = Server::start().await;
    let request = create(GrantRule { expire_in_days: Some(30), ..rule() }, "1");
    let made = server.grants().create_grant_rule(request).await.unwrap().into_inner();
    let made = made.rule.unwrap();
    assert_eq!((made.expiry_settings, made.expire_in_days), (Some(days(30)), None));
    let update = |key: &str, settings, expire_in_days| v1::UpdateExpirySettingsRequest {
        rule_id: made.rule_id.clone(),
        expiry_settings: settings,
        expire_in_days,
        idempotency_key: key.to_owned(),
        ..Default::default()
    };
    let request = update("2", None, Some(60));
    let answer = server.grants().update_expiry_settings(request).await.unwrap().into_inner();
    assert_eq!(answer.rule.unwrap().expiry_settings, Some(days(60)));
    for (settings, expire_in_days, field) in [
        (None, None, "expiry_settings"),
        (Some(days(1)), Some(1), "expire_in_days"),
        (None, Some(0), "expire_in_days"),
        (Some(cycles(0)), None, "expiry_settings.billing_cycle.cycle_count"),
    ] {
        let request = update("3", settings, expire_in_days);
        let refused = server.grants().update_expiry_settings(request).await.unwrap_err();
        assert_eq!(blamed(&refused), [field]);
    }
    let request = v1::UpdateGrantRuleRequest {
        rule_id: made.rule_id.clone(),
        rule: Some(GrantRule { expire_in_days: Some(90), ..GrantRule::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["expiry_settings".to_owned()] }),
        idempotency_key: "4".to_owned(),
        ..Default::default()
    };
    let answer = server.grants().update_grant_rule(request).await.unwrap().into_inner();
    assert_eq!(answer.rule.unwrap().expiry_settings, Some(days(90)));
    let request = v1::UpdateGrantRuleRequest {
        rule_id: made.rule_id,
        rule: Some(expiring(cycles(0))),
        update_mask: Some(prost_types::FieldMask { paths: vec!["expiry_settings".to_owned()] }),
        idempotency_key: "5".to_owned(),
        ..Default::default()
    };
    let refused = server.grants().update_grant_rule(request).await.unwrap_err();
    assert_eq!(blamed(&refused), ["rule.expiry_settings.billing_cycle.cycle_count"]);
}

#[tokio::test]
async fn one_billing_period_is_meant_where_a_subscription_is_known() {
    let server = Server::start().await;
    let rule = of_subscription("sub_1", expiring(cycles(0)));
    let made = server.grants().create_grant_rule(create(rule, "1")).await.unwrap().into_inner();
    assert_eq!(made.rule.unwrap().expiry_settings, Some(cycles(1)));
}

fn question(settings: Option<v1::ExpirySettings>, at: &str) -> v1::CalculateExpiryRequest {
    v1::CalculateExpiryRequest {
        expiry_settings: settings,
        effective_at: Some(timestamp("2026-01-31T00:00:00Z")),
        at: Some(timestamp(at)),
        ..Default::default()
    }
}

fn monthly() -> v1::BillingCycle {
    v1::BillingCycle {
        anchor_at: Some(timestamp("2026-01-31T00:00:00Z")),
        period: RulePeriod::Monthly.into(),
        period_count: 0,
    }
}

#[tokio::test]
async fn the_calculator_answers_by_settings_or_by_a_rule() {
    let server = Server::start().await;
    let made = create(expiring(cycles(2)), "1");
    let made = server.grants().create_grant_rule(made).await.unwrap().into_inner().rule.unwrap();
    let months = |amount| Some(duration(amount, DurationUnit::Month.into()));
    let never = Some(v1::ExpirySettings { r#type: ExpiryType::Never.into(), ..Default::default() });
    let by_rule = v1::CalculateExpiryRequest {
        rule_id: made.rule_id.clone(),
        billing_cycle: Some(monthly()),
        ..question(None, "2026-03-31T00:00:00Z")
    };
    for (request, expires_at, is_expired, next) in [
        (question(never, "2026-03-01T00:00:00Z"), None, false, None),
        (
            question(months(3), "2026-03-01T00:00:00Z"),
            Some("2026-04-30T00:00:00Z"),
            false,
            Some("2026-04-30T00:00:00Z"),
        ),
        (question(months(1), "2026-02-28T00:00:00Z"), Some("2026-02-28T00:00:00Z"), true, None),
        (
            v1::CalculateExpiryRequest {
                recurs_every: RulePeriod::Weekly.into(),
                ..question(Some(days(10)), "2026-02-10T00:00:00Z")
            },
            Some("2026-02-10T00:00:00Z"),
            true,
            Some("2026-02-17T00:00:00Z"),
        ),
        (
            v1::CalculateExpiryRequest {
                billing_cycle: Some(monthly()),
                ..question(Some(cycles(0)), "2026-02-27T00:00:00Z")
            },
            Some("2026-02-28T00:00:00Z"),
            false,
            Some("2026-02-28T00:00:00Z"),
        ),
        (by_rule, Some("2026-03-31T00:00:00Z"), true, Some("2026-04-30T00:00:00Z")),
    ] {
        let answer = server.grants().calculate_expiry(request.clone()).await.unwrap().into_inner();
        assert_eq!(answer.expires_at, expires_at.map(timestamp), "{request:?}");
        assert_eq!(answer.is_expired, is_expired, "{request:?}");
        assert_eq!(answer.next_expires_at, next.map(timestamp), "{request:?}");
        assert_eq!(answer.at, request.at);
    }
    // Without an instant: now. In New York the day before the clocks change has 23 hours from its noon on.
    server.at("2026-03-08T15:59:59.999999Z").await;
    let request = v1::CalculateExpiryRequest {
        expire_in_days: Some(1),
        effective_at: Some(timestamp("2026-03-07T17:00:00Z")),
        time_zone: "America/New_York".to_owned(),
        at: None,
        ..question(None, "2026-01-01T00:00:00Z")
    };
    let answer = server.grants().calculate_expiry(request).await.unwrap().into_inner();
    assert_eq!(answer.expires_at, Some(timestamp("2026-03-08T16:00:00Z")));
    assert_eq!(answer.at, Some(timestamp("2026-03-08T15:59:59.999999Z")));
    assert!(!answer.is_expired);
}

#[tokio::test]
async fn a_question_that_lacks_something_is_refused_by_field() {
    let server = Server::start().await;
    let asked = || question(Some(days(10)), "2026-03-01T00:00:00Z");
    let id = "00000000-0000-0000-0000-000000000000".to_owned();
    let cases: Vec<(v1::CalculateExpiryRequest, &[&str])> = vec![
        (question(Some(cycles(1)), "2026-03-01T00:00:00Z"), &["billing_cycle"]),
        (question(None, "2026-03-01T00:00:00Z"), &["expiry_settings"]),
        (v1::CalculateExpiryRequest { effective_at: None, ..asked() }, &["effective_at"]),
        (v1::CalculateExpiryRequest { time_zone: "Berlin".to_owned(), ..asked() }, &["time_zone"]),
        (v1::CalculateExpiryRequest { recurs_count: 2, ..asked() }, &["recurs_count"]),
        (v1::CalculateExpiryRequest { rule_id: id, ..asked() }, &["expiry_settings"]),
        (
            v1::CalculateExpiryRequest {
                rule_id: "x".to_owned(),
                ..question(None, "2026-03-01T00:00:00Z")
            },
            &["rule_id"],
        ),
        (
            v1::CalculateExpiryRequest {
                billing_cycle: Some(v1::BillingCycle::default()),
                ..asked()
            },
            &["billing_cycle.anchor_at", "billing_cycle.period"],
        ),
    ];
    for (request, fields) in cases {
        let refused = server.grants().calculate_expiry(request.clone()).await.unwrap_err();
        assert_eq!(blamed(&refused), fields, "{request:?}");
    }
}
