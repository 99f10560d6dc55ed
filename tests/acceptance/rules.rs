//! Grant rules over gRPC: making, changing, deleting and finding them, and their history.

use purse_proto::v1::{
    self, BatchMode, DurationUnit, ExpiryType, GrantRule, RuleCadence, RulePeriod, RuleScope,
    RuleStatus,
};
use purse_server::auth::{Credentials, Role, TokenSettings};
use sha2::{Digest as _, Sha256};
use tonic::{Code, Status};

use crate::fixture::{
    ACCOUNT, ASSET, Server, at_once, blamed, new_database, refusal, spend, timestamp, unique,
    with_token,
};

/// A monthly rule of the plan `pro`.
pub fn rule() -> GrantRule {
    GrantRule {
        name: "monthly credits".to_owned(),
        scope: RuleScope::Plan.into(),
        plan_id: "pro".to_owned(),
        asset: ASSET.to_owned(),
        amount: "100".to_owned(),
        cadence: RuleCadence::Recurring.into(),
        period: RulePeriod::Monthly.into(),
        ..GrantRule::default()
    }
}

pub fn create(rule: GrantRule, key: &str) -> v1::CreateGrantRuleRequest {
    v1::CreateGrantRuleRequest {
        rule: Some(rule),
        idempotency_key: key.to_owned(),
        ..Default::default()
    }
}

pub fn days(amount: i32) -> v1::ExpirySettings {
    v1::ExpirySettings {
        r#type: ExpiryType::Duration.into(),
        duration: Some(v1::ExpiryDuration { amount, unit: DurationUnit::Day.into() }),
        billing_cycle: None,
    }
}

fn expiry(rule_id: &str, amount: i32, key: &str) -> v1::UpdateExpirySettingsRequest {
    v1::UpdateExpirySettingsRequest {
        rule_id: rule_id.to_owned(),
        expiry_settings: Some(days(amount)),
        idempotency_key: key.to_owned(),
        ..Default::default()
    }
}

fn update(rule_id: &str, rule: GrantRule, paths: &[&str]) -> v1::UpdateGrantRuleRequest {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    v1::UpdateGrantRuleRequest {
        rule_id: rule_id.to_owned(),
        rule: Some(rule),
        update_mask: Some(prost_types::FieldMask { paths }),
        idempotency_key: format!("update {}", unique()),
        ..Default::default()
    }
}

fn delete(rule_id: &str, key: &str) -> v1::DeleteGrantRuleRequest {
    v1::DeleteGrantRuleRequest {
        rule_id: rule_id.to_owned(),
        idempotency_key: key.to_owned(),
        ..Default::default()
    }
}

async fn made(server: &Server, rule: GrantRule) -> GrantRule {
    let request = create(rule, &format!("rule {}", unique()));
    server.grants().create_grant_rule(request).await.unwrap().into_inner().rule.unwrap()
}

async fn get(server: &Server, rule_id: &str) -> Result<GrantRule, Status> {
    let request = v1::GetGrantRuleRequest { rule_id: rule_id.to_owned() };
    Ok(server.grants().get_grant_rule(request).await?.into_inner().rule.unwrap())
}

async fn changes(server: &Server, rule_id: &str) -> Vec<v1::GrantRuleChange> {
    let mut changes = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = v1::ListGrantRuleChangesRequest {
            rule_id: rule_id.to_owned(),
            page_size: 2,
            page_token,
        };
        let page = server.grants().list_grant_rule_changes(request).await.unwrap().into_inner();
        changes.extend(page.changes);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return changes;
        }
    }
}

async fn names(server: &Server, request: v1::ListGrantRulesRequest) -> Vec<String> {
    let mut names = Vec::new();
    let mut request = v1::ListGrantRulesRequest { page_size: 2, ..request };
    loop {
        let page = server.grants().list_grant_rules(request.clone()).await.unwrap().into_inner();
        assert!(page.rules.len() <= 2);
        names.extend(page.rules.into_iter().map(|rule| rule.name));
        if page.next_page_token.is_empty() {
            return names;
        }
        request.page_token = page.next_page_token;
    }
}

#[tokio::test]
async fn a_rule_is_answered_with_every_default_said() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    let request =
        v1::CreateGrantRuleRequest { actor: "ann".to_owned(), ..create(rule(), "monthly of pro") };
    let made = server.grants().create_grant_rule(request).await.unwrap().into_inner();
    let made = made.rule.unwrap();
    let expected = GrantRule {
        period_count: 1,
        expiry_settings: Some(v1::ExpirySettings {
            r#type: ExpiryType::Never.into(),
            ..Default::default()
        }),
        priority: Some(100),
        category: "adjustment".to_owned(),
        cost_basis: "0".to_owned(),
        status: RuleStatus::Active.into(),
        stage: v1::RuleStage::Paid.into(),
        proration: v1::RuleProration::None.into(),
        catch_up: v1::RuleCatchUp::All.into(),
        plan_change: v1::RulePlanChange::TopUp.into(),
        on_cancel: v1::RuleOnCancel::Keep.into(),
        grant_ahead: Some(prost_types::Duration { seconds: 3_600, nanos: 0 }),
        starts_at: Some(timestamp("2026-01-01T00:00:00Z")),
        rule_id: made.rule_id.clone(),
        created_by: "ann".to_owned(),
        created_at: Some(timestamp("2026-01-01T00:00:00Z")),
        updated_by: "ann".to_owned(),
        updated_at: Some(timestamp("2026-01-01T00:00:00Z")),
        etag: "1".to_owned(),
        ..rule()
    };
    assert_eq!(made, expected);
    assert_eq!(get(&server, &made.rule_id).await.unwrap(), expected);
}

#[tokio::test]
async fn every_field_of_a_rule_is_kept() {
    let server = Server::start().await;
    let full = GrantRule {
        scope: RuleScope::Addon.into(),
        plan_id: String::new(),
        addon_id: "seats".to_owned(),
        amount: "12.5".to_owned(),
        period: RulePeriod::Quarterly.into(),
        period_count: 2,
        expiry_settings: Some(v1::ExpirySettings {
            r#type: ExpiryType::BillingCycle.into(),
            duration: None,
            billing_cycle: Some(v1::ExpiryBillingCycle {
                reset_at_period_end: true,
                cycle_count: 3,
            }),
        }),
        priority: Some(-5),
        category: "monthly".to_owned(),
        cost_basis: "0.01".to_owned(),
        applies_to: vec!["chat".to_owned(), "images".to_owned()],
        metadata: [("plan".to_owned(), "pro".to_owned())].into(),
        starts_at: Some(timestamp("2026-02-01T00:00:00Z")),
        ends_at: Some(timestamp("2027-02-01T00:00:00Z")),
        status: RuleStatus::Inactive.into(),
        stage: v1::RuleStage::Trial.into(),
        proration: v1::RuleProration::Both.into(),
        catch_up: v1::RuleCatchUp::Latest.into(),
        plan_change: v1::RulePlanChange::NextPeriod.into(),
        on_cancel: v1::RuleOnCancel::Expire.into(),
        rollover: Some(v1::RuleRollover {
            cap: Some(v1::rule_rollover::Cap::Percent("33.25".to_owned())),
            periods: 2,
        }),
        grant_ahead: Some(prost_types::Duration { seconds: 3_600, nanos: 500_000_000 }),
        ..rule()
    };
    let kept = made(&server, full.clone()).await;
    let (rule_id, created_at, updated_at) =
        (kept.rule_id.clone(), kept.created_at, kept.updated_at);
    let expected = GrantRule { rule_id, created_at, updated_at, etag: "1".to_owned(), ..full };
    assert_eq!(get(&server, &kept.rule_id).await.unwrap(), expected);
}

#[tokio::test]
async fn a_rule_made_again_with_its_key_is_the_same_and_another_one_is_refused() {
    let server = Server::start().await;
    let first = server.grants().create_grant_rule(create(rule(), "1")).await.unwrap().into_inner();
    // The same amount in other words, and later.
    server.at("2026-03-01T00:00:00Z").await;
    let same = GrantRule { amount: "100.00".to_owned(), period_count: 1, ..rule() };
    let again = server.grants().create_grant_rule(create(same, "1")).await.unwrap().into_inner();
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!(first.rule, again.rule);
    let other = GrantRule { amount: "101".to_owned(), ..rule() };
    let refused = server.grants().create_grant_rule(create(other, "1")).await.unwrap_err();
    let conflict = (Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED".to_owned());
    assert_eq!(refusal(&refused), conflict);
    // Nor may another write have it.
    let id = first.rule.unwrap().rule_id;
    let refused = server.grants().delete_grant_rule(delete(&id, "1")).await.unwrap_err();
    assert_eq!(refusal(&refused), conflict);
    assert_eq!(server.rows("grant_rules").await, 1);
    assert_eq!(server.rows("grant_rule_changes").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_made_by_many_at_once_on_two_servers_is_made_once() {
    let one = Server::start().await;
    let other = Server::start_on(one.url.clone()).await;
    let answers = at_once(32, |index| {
        let mut grants = if index % 2 == 0 { one.grants() } else { other.grants() };
        async move { grants.create_grant_rule(create(rule(), "1")).await.unwrap().into_inner() }
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
    assert!(answers.windows(2).all(|pair| pair[0].rule == pair[1].rule));
    assert_eq!(one.rows("grant_rule_changes").await, 1);
}

#[tokio::test]
async fn what_a_mask_names_changes_and_nothing_else() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    let before = made(&server, GrantRule { priority: Some(7), ..rule() }).await;
    server.at("2026-01-02T00:00:00Z").await;
    let values = GrantRule {
        amount: "250".to_owned(),
        status: RuleStatus::Inactive.into(),
        // Named and absent: its default.
        priority: None,
        // Not named.
        name: "another".to_owned(),
        category: "bonus".to_owned(),
        ..GrantRule::default()
    };
    let request = v1::UpdateGrantRuleRequest {
        actor: "bob".to_owned(),
        ..update(&before.rule_id, values, &["amount", "status", "priority"])
    };
    let after = server.grants().update_grant_rule(request.clone()).await.unwrap().into_inner();
    let expected = GrantRule {
        amount: "250".to_owned(),
        status: RuleStatus::Inactive.into(),
        priority: Some(100),
        updated_by: "bob".to_owned(),
        updated_at: Some(timestamp("2026-01-02T00:00:00Z")),
        etag: "2".to_owned(),
        ..before.clone()
    };
    assert_eq!(after.rule.as_ref(), Some(&expected));
    assert_eq!(get(&server, &before.rule_id).await.unwrap(), expected);
    let again = server.grants().update_grant_rule(request.clone()).await.unwrap().into_inner();
    assert!(again.replayed && again.rule == after.rule);
    // The same in another order.
    let mut same = request;
    same.update_mask.as_mut().unwrap().paths.reverse();
    assert!(server.grants().update_grant_rule(same).await.unwrap().into_inner().replayed);
    for (paths, field) in [
        (&[][..], "update_mask"),
        (&["scope"], "update_mask"),
        (&["asset"], "update_mask"),
        (&["amount"], "rule.amount"),
        (&["cadence"], "rule.cadence"),
    ] {
        let request = update(&before.rule_id, GrantRule::default(), paths);
        let refused = server.grants().update_grant_rule(request).await.unwrap_err();
        assert_eq!(blamed(&refused), [field], "{paths:?}");
    }
}

#[tokio::test]
async fn an_amount_has_the_scale_of_an_asset_that_is_there() {
    let server = Server::start().await;
    let fine = GrantRule { amount: "0.000001".to_owned(), ..rule() };
    let early = made(&server, fine.clone()).await;
    let open = v1::CreateWalletRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        scale: Some(0),
        idempotency_key: "open".to_owned(),
        ..Default::default()
    };
    server.wallets().create_wallet(open).await.unwrap();
    let refused = server.grants().create_grant_rule(create(fine, "late")).await.unwrap_err();
    assert_eq!(blamed(&refused), ["rule.amount"]);
    let half = GrantRule { amount: "0.5".to_owned(), ..rule() };
    let request = update(&early.rule_id, half, &["amount"]);
    let refused = server.grants().update_grant_rule(request).await.unwrap_err();
    assert_eq!(blamed(&refused), ["rule.amount"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_updates_with_one_etag_at_once_one_wins() {
    let server = Server::start().await;
    let rule = made(&server, rule()).await;
    let answers = at_once(16, |index| {
        let amount = i32::try_from(index).unwrap() + 1;
        let request = v1::UpdateExpirySettingsRequest {
            etag: rule.etag.clone(),
            ..expiry(&rule.rule_id, amount, &format!("key {index}"))
        };
        let mut grants = server.grants();
        async move { grants.update_expiry_settings(request).await }
    })
    .await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    for lost in lost {
        assert_eq!(refusal(&lost.unwrap_err()), (Code::Aborted, "STALE_ETAG".to_owned()));
    }
    let trail = changes(&server, &rule.rule_id).await;
    assert_eq!(trail.len(), 2);
    let winner = won.into_iter().next().unwrap().unwrap().into_inner().rule;
    assert_eq!(trail[1].after, winner);
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_without_an_etag_at_once_all_happen_and_are_all_told() {
    let server = Server::start().await;
    let rule = made(&server, rule()).await;
    at_once(16, |index| {
        let amount = i32::try_from(index).unwrap() + 1;
        let request = expiry(&rule.rule_id, amount, &format!("key {index}"));
        let mut grants = server.grants();
        async move { grants.update_expiry_settings(request).await.unwrap() }
    })
    .await;
    let trail = changes(&server, &rule.rule_id).await;
    let numbers: Vec<_> = trail.iter().map(|change| change.change_number).collect();
    assert_eq!(numbers, (1..=17).collect::<Vec<_>>());
    for pair in trail.windows(2) {
        assert_eq!(pair[0].after, pair[1].before);
    }
    assert_eq!(trail[16].after, Some(get(&server, &rule.rule_id).await.unwrap()));
}

#[tokio::test]
async fn the_trail_says_who_changed_what_when_and_why() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    let made = made(&server, rule()).await;
    server.at("2026-01-02T00:00:00Z").await;
    let request = v1::UpdateExpirySettingsRequest {
        actor: "bob".to_owned(),
        reason: "terms of 2026".to_owned(),
        metadata: [("ticket".to_owned(), "17".to_owned())].into(),
        ..expiry(&made.rule_id, 30, "expiry")
    };
    let answer = server.grants().update_expiry_settings(request).await.unwrap().into_inner();
    assert_eq!(answer.before, made.expiry_settings);
    let updated = answer.rule.unwrap();
    assert_eq!(updated.expiry_settings, Some(days(30)));
    server.at("2026-01-03T00:00:00Z").await;
    let request =
        v1::DeleteGrantRuleRequest { actor: "cy".to_owned(), ..delete(&made.rule_id, "delete") };
    let deleted = server.grants().delete_grant_rule(request).await.unwrap().into_inner();
    let deleted = deleted.rule.unwrap();
    assert_eq!(deleted.deleted_at, Some(timestamp("2026-01-03T00:00:00Z")));
    assert_eq!(deleted.status(), RuleStatus::Deleted);
    let expected = [
        v1::GrantRuleChange {
            change_number: 1,
            kind: v1::GrantRuleChangeKind::Created.into(),
            before: None,
            after: Some(made.clone()),
            recorded_at: Some(timestamp("2026-01-01T00:00:00Z")),
            ..Default::default()
        },
        v1::GrantRuleChange {
            change_number: 2,
            kind: v1::GrantRuleChangeKind::Updated.into(),
            before: Some(made.clone()),
            after: Some(updated.clone()),
            actor: "bob".to_owned(),
            reason: "terms of 2026".to_owned(),
            metadata: [("ticket".to_owned(), "17".to_owned())].into(),
            recorded_at: Some(timestamp("2026-01-02T00:00:00Z")),
        },
        v1::GrantRuleChange {
            change_number: 3,
            kind: v1::GrantRuleChangeKind::Deleted.into(),
            before: Some(updated),
            after: Some(deleted),
            actor: "cy".to_owned(),
            recorded_at: Some(timestamp("2026-01-03T00:00:00Z")),
            ..Default::default()
        },
    ];
    assert_eq!(changes(&server, &made.rule_id).await, expected);
}

#[tokio::test]
async fn a_deleted_rule_is_there_to_be_read_and_changes_no_more() {
    let server = Server::start().await;
    let rule = made(&server, rule()).await;
    let first = server.grants().delete_grant_rule(delete(&rule.rule_id, "1")).await.unwrap();
    let again = server.grants().delete_grant_rule(delete(&rule.rule_id, "1")).await.unwrap();
    assert_eq!(first.into_inner().rule, again.into_inner().rule);
    let gone = (Code::FailedPrecondition, "GRANT_RULE_DELETED".to_owned());
    let refused = server.grants().delete_grant_rule(delete(&rule.rule_id, "2")).await.unwrap_err();
    assert_eq!(refusal(&refused), gone);
    let request = expiry(&rule.rule_id, 30, "3");
    let refused = server.grants().update_expiry_settings(request).await.unwrap_err();
    assert_eq!(refusal(&refused), gone);
    assert_eq!(get(&server, &rule.rule_id).await.unwrap().status(), RuleStatus::Deleted);
    assert!(names(&server, v1::ListGrantRulesRequest::default()).await.is_empty());
}

#[tokio::test]
async fn a_validated_change_shows_what_it_would_do_and_does_nothing() {
    let server = Server::start().await;
    let request = v1::CreateGrantRuleRequest { validate_only: true, ..create(rule(), "preview") };
    let preview = server.grants().create_grant_rule(request).await.unwrap().into_inner().rule;
    assert_eq!(server.rows("grant_rules").await, 0);
    // The key is free, and the rule is the one that was shown.
    let real = server.grants().create_grant_rule(create(rule(), "preview")).await.unwrap();
    let real = real.into_inner().rule.unwrap();
    assert_eq!(preview.unwrap().rule_id, real.rule_id);
    let request = v1::UpdateExpirySettingsRequest {
        validate_only: true,
        ..expiry(&real.rule_id, 30, "expiry")
    };
    let preview = server.grants().update_expiry_settings(request).await.unwrap().into_inner();
    assert_eq!(preview.before, real.expiry_settings);
    assert_eq!(preview.rule.unwrap().expiry_settings, Some(days(30)));
    let request =
        v1::DeleteGrantRuleRequest { validate_only: true, ..delete(&real.rule_id, "delete") };
    server.grants().delete_grant_rule(request).await.unwrap();
    assert_eq!(get(&server, &real.rule_id).await.unwrap(), real);
    assert_eq!(server.rows("grant_rule_changes").await, 1);
}

#[tokio::test]
async fn a_list_is_in_the_order_of_making_and_filtered() {
    let server = Server::start().await;
    let rules = [
        ("a", rule()),
        ("b", GrantRule { plan_id: "free".to_owned(), ..rule() }),
        ("c", GrantRule { expire_in_days: Some(30), ..rule() }),
        (
            "d",
            GrantRule {
                scope: RuleScope::Subscription.into(),
                plan_id: String::new(),
                subscription_id: "pro".to_owned(),
                cadence: RuleCadence::Onetime.into(),
                period: RulePeriod::Unspecified.into(),
                ..rule()
            },
        ),
        ("e", GrantRule { asset: "seats".to_owned(), ..rule() }),
        ("f", GrantRule { status: RuleStatus::Inactive.into(), ..rule() }),
    ];
    for (index, (name, rule)) in rules.into_iter().enumerate() {
        // Two at one instant each.
        server.at(&format!("2026-01-0{}T00:00:00Z", index / 2 + 1)).await;
        made(&server, GrantRule { name: name.to_owned(), ..rule }).await;
    }
    let deleted = made(&server, GrantRule { name: "g".to_owned(), ..rule() }).await;
    server.grants().delete_grant_rule(delete(&deleted.rule_id, "delete")).await.unwrap();
    let all = v1::ListGrantRulesRequest::default;
    let plan = |id: &str| v1::ListGrantRulesRequest { plan_id: id.to_owned(), ..all() };
    for (request, expected) in [
        (all(), "abcdef"),
        (plan("pro"), "acef"),
        (v1::ListGrantRulesRequest { scope: RuleScope::Plan.into(), ..all() }, "abcef"),
        (v1::ListGrantRulesRequest { scope: RuleScope::Plan.into(), ..plan("free") }, "b"),
        (v1::ListGrantRulesRequest { subscription_id: "pro".to_owned(), ..all() }, "d"),
        (v1::ListGrantRulesRequest { asset: "seats".to_owned(), ..all() }, "e"),
        (v1::ListGrantRulesRequest { status: RuleStatus::Active.into(), ..all() }, "abcde"),
        (v1::ListGrantRulesRequest { status: RuleStatus::Inactive.into(), ..all() }, "f"),
        (v1::ListGrantRulesRequest { status: RuleStatus::Deleted.into(), ..all() }, "g"),
        (v1::ListGrantRulesRequest { cadence: RuleCadence::Onetime.into(), ..all() }, "d"),
        (v1::ListGrantRulesRequest { expiry_type: ExpiryType::Duration.into(), ..all() }, "c"),
        (v1::ListGrantRulesRequest { expiry_type: ExpiryType::Never.into(), ..plan("pro") }, "aef"),
    ] {
        let mut found = names(&server, request.clone()).await;
        // Those of one instant are by id, which says nothing.
        found.sort();
        assert_eq!(found.concat(), expected, "{request:?}");
    }
    let found = names(&server, all()).await;
    let by_age: Vec<String> = found
        .chunks(2)
        .map(|pair| {
            let mut pair = pair.to_vec();
            pair.sort();
            pair.concat()
        })
        .collect();
    assert_eq!(by_age, ["ab", "cd", "ef"]);
    for (request, field) in [
        (v1::ListGrantRulesRequest { addon_id: "x".to_owned(), ..plan("pro") }, "addon_id"),
        (v1::ListGrantRulesRequest { scope: RuleScope::Addon.into(), ..plan("pro") }, "plan_id"),
        (plan("a\0b"), "plan_id"),
        (v1::ListGrantRulesRequest { scope: 9, ..all() }, "scope"),
        (v1::ListGrantRulesRequest { status: 9, ..all() }, "status"),
        (v1::ListGrantRulesRequest { page_size: -1, ..all() }, "page_size"),
        (v1::ListGrantRulesRequest { page_token: "x".to_owned(), ..all() }, "page_token"),
    ] {
        let refused = server.grants().list_grant_rules(request).await.unwrap_err();
        assert_eq!(blamed(&refused), [field]);
    }
}

#[tokio::test]
async fn a_page_is_not_moved_by_rules_that_come_and_go() {
    let server = Server::start().await;
    let mut ids = Vec::new();
    for (day, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
        server.at(&format!("2026-01-0{}T00:00:00Z", day + 1)).await;
        ids.push(made(&server, GrantRule { name: name.to_owned(), ..rule() }).await.rule_id);
    }
    let first = v1::ListGrantRulesRequest { page_size: 2, ..Default::default() };
    let page = server.grants().list_grant_rules(first.clone()).await.unwrap().into_inner();
    for id in &ids[..2] {
        server.grants().delete_grant_rule(delete(id, &format!("delete {id}"))).await.unwrap();
    }
    server.at("2026-01-09T00:00:00Z").await;
    made(&server, GrantRule { name: "e".to_owned(), ..rule() }).await;
    let next = v1::ListGrantRulesRequest { page_token: page.next_page_token, ..first };
    let page = server.grants().list_grant_rules(next).await.unwrap().into_inner();
    let found: Vec<_> = page.rules.into_iter().map(|rule| rule.name).collect();
    assert_eq!(found, ["c", "d"]);
}

fn token(secret: &str, namespace: &str, role: Role) -> TokenSettings {
    let digest = Sha256::digest(secret.as_bytes());
    TokenSettings {
        sha256: digest.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}")),
        namespace: namespace.to_owned(),
        roles: vec![role],
        name: format!("{namespace} {}", role.name()),
    }
}

#[tokio::test]
async fn rules_are_their_namespaces_own_and_take_the_role_granter() {
    let tokens = [
        token("a", "acme", Role::Granter),
        token("b", "bolt", Role::Granter),
        token("reader", "acme", Role::Reader),
        token("spender", "acme", Role::Spender),
    ];
    let credentials = Credentials::from_settings(&tokens).unwrap();
    let server = Server::start_with(new_database().await, credentials).await;
    let mut grants = server.grants();
    let made = grants.create_grant_rule(with_token(create(rule(), "1"), "a")).await.unwrap();
    let made = made.into_inner().rule.unwrap();
    assert_eq!(made.created_by, "acme granter");
    // The same key in another namespace is another rule.
    let other = grants.create_grant_rule(with_token(create(rule(), "1"), "b")).await.unwrap();
    assert_ne!(other.into_inner().rule.unwrap().rule_id, made.rule_id);

    let unknown = (Code::NotFound, "GRANT_RULE_NOT_FOUND".to_owned());
    let get = v1::GetGrantRuleRequest { rule_id: made.rule_id.clone() };
    let refused = grants.get_grant_rule(with_token(get.clone(), "b")).await.unwrap_err();
    assert_eq!(refusal(&refused), unknown);
    let request = with_token(expiry(&made.rule_id, 30, "2"), "b");
    let refused = grants.update_expiry_settings(request).await.unwrap_err();
    assert_eq!(refusal(&refused), unknown);
    let request = with_token(delete(&made.rule_id, "2"), "b");
    assert_eq!(refusal(&grants.delete_grant_rule(request).await.unwrap_err()), unknown);
    let trail =
        v1::ListGrantRuleChangesRequest { rule_id: made.rule_id.clone(), ..Default::default() };
    let refused = grants.list_grant_rule_changes(with_token(trail, "b")).await.unwrap_err();
    assert_eq!(refusal(&refused), unknown);
    let all = v1::ListGrantRulesRequest::default();
    let listed = grants.list_grant_rules(with_token(all, "b")).await.unwrap().into_inner();
    assert_eq!(listed.rules.len(), 1);

    assert!(grants.get_grant_rule(with_token(get, "reader")).await.is_ok());
    for secret in ["reader", "spender"] {
        let missing = (Code::PermissionDenied, "ROLE_MISSING".to_owned());
        let request = with_token(create(rule(), "3"), secret);
        assert_eq!(refusal(&grants.create_grant_rule(request).await.unwrap_err()), missing);
        let request = with_token(expiry(&made.rule_id, 30, "3"), secret);
        assert_eq!(refusal(&grants.update_expiry_settings(request).await.unwrap_err()), missing);
        let request = with_token(delete(&made.rule_id, "3"), secret);
        assert_eq!(refusal(&grants.delete_grant_rule(request).await.unwrap_err()), missing);
    }
}

async fn bulk(
    server: &Server,
    requests: Vec<v1::UpdateExpirySettingsRequest>,
    mode: BatchMode,
) -> Result<Vec<v1::BulkUpdateExpirySettingsResult>, Status> {
    let request = v1::BulkUpdateExpirySettingsRequest { requests, mode: mode.into() };
    let answer = server.grants().bulk_update_expiry_settings(request).await?;
    Ok(answer.into_inner().results)
}

/// What came of each: the days before and after it, or the reason of its refusal.
fn outcomes(results: Vec<v1::BulkUpdateExpirySettingsResult>) -> Vec<String> {
    use v1::bulk_update_expiry_settings_result::Outcome;
    let days = |settings: Option<v1::ExpirySettings>| {
        settings.unwrap().duration.map_or(0, |duration| duration.amount)
    };
    let outcome = |result: v1::BulkUpdateExpirySettingsResult| match result.outcome.unwrap() {
        Outcome::Response(answer) => {
            let (before, after) = (days(answer.before), days(answer.rule.unwrap().expiry_settings));
            let replayed = if answer.replayed { " again" } else { "" };
            format!("{before} to {after}{replayed}")
        }
        Outcome::Error(error) => error.reason,
    };
    results.into_iter().map(outcome).collect()
}

#[tokio::test]
async fn a_bulk_of_all_or_nothing_is_all_or_nothing() {
    let server = Server::start().await;
    let one = made(&server, rule()).await.rule_id;
    let two = made(&server, rule()).await.rule_id;
    let nobody = "00000000-0000-0000-0000-000000000000";
    let mode = BatchMode::AllOrNothing;
    let requests = vec![expiry(&one, 10, "a"), expiry(nobody, 10, "b")];
    let refused = bulk(&server, requests, mode).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::NotFound, "GRANT_RULE_NOT_FOUND".to_owned()));
    assert!(refused.message().starts_with("requests[1]: "), "{refused:?}");
    let malformed =
        v1::UpdateExpirySettingsRequest { expiry_settings: None, ..expiry(&two, 10, "b") };
    let refused = bulk(&server, vec![expiry(&one, 10, "a"), malformed], mode).await.unwrap_err();
    assert_eq!(blamed(&refused), ["requests[1].expiry_settings"]);
    let requests = vec![expiry(&one, 10, "a"), expiry(&two, 10, "a")];
    let refused = bulk(&server, requests, mode).await.unwrap_err();
    assert_eq!(blamed(&refused), ["requests[1].idempotency_key"]);
    assert_eq!(server.rows("grant_rule_changes").await, 2);

    // One of them twice: each on what the one before it left.
    let requests = vec![expiry(&one, 10, "a"), expiry(&two, 20, "b"), expiry(&one, 30, "c")];
    let previews = requests
        .iter()
        .cloned()
        .map(|request| v1::UpdateExpirySettingsRequest { validate_only: true, ..request });
    let preview = bulk(&server, previews.collect(), mode).await.unwrap();
    assert_eq!(outcomes(preview), ["0 to 10", "0 to 20", "10 to 30"]);
    assert_eq!(server.rows("grant_rule_changes").await, 2);
    let done = bulk(&server, requests.clone(), mode).await.unwrap();
    assert_eq!(outcomes(done), ["0 to 10", "0 to 20", "10 to 30"]);
    let again = bulk(&server, requests, mode).await.unwrap();
    assert_eq!(outcomes(again), ["0 to 10 again", "0 to 20 again", "10 to 30 again"]);
    assert_eq!(get(&server, &one).await.unwrap().expiry_settings, Some(days(30)));
    assert_eq!(changes(&server, &one).await.len(), 3);
    // A key that stands for another request comes before whatever else is wrong.
    let requests = vec![expiry(nobody, 10, "d"), expiry(&one, 40, "e"), expiry(&two, 30, "a")];
    let refused = bulk(&server, requests, mode).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED".to_owned()));
    assert!(refused.message().starts_with("requests[2]: "), "{refused:?}");
    assert_eq!(get(&server, &one).await.unwrap().expiry_settings, Some(days(30)));
}

#[tokio::test]
async fn in_a_bulk_of_each_on_its_own_only_what_is_wrong_is_refused() {
    let server = Server::start().await;
    let one = made(&server, rule()).await.rule_id;
    let two = made(&server, rule()).await.rule_id;
    let nobody = "00000000-0000-0000-0000-000000000000";
    let stale = v1::UpdateExpirySettingsRequest { etag: "7".to_owned(), ..expiry(&two, 5, "d") };
    let requests = vec![
        expiry(&one, 10, "a"),
        expiry(nobody, 10, "b"),
        expiry(&two, 0, "c"),
        stale,
        expiry(&two, 20, "e"),
        expiry(&one, 11, "e"),
    ];
    let results = bulk(&server, requests, BatchMode::EachOnItsOwn).await.unwrap();
    let expected = [
        "0 to 10",
        "GRANT_RULE_NOT_FOUND",
        "INVALID_FIELD",
        "STALE_ETAG",
        "0 to 20",
        "IDEMPOTENCY_KEY_REUSED",
    ];
    assert_eq!(outcomes(results), expected);
    assert_eq!(get(&server, &one).await.unwrap().expiry_settings, Some(days(10)));
    assert_eq!(get(&server, &two).await.unwrap().expiry_settings, Some(days(20)));
}

#[tokio::test]
async fn a_bulk_takes_a_thousand_rules_and_no_more() {
    let server = Server::start().await;
    let rule = made(&server, rule()).await.rule_id;
    let requests = |count: i32| (1..=count).map(|n| expiry(&rule, n, &format!("{n}"))).collect();
    let mode = BatchMode::AllOrNothing;
    for count in [0, 1_001] {
        let refused = bulk(&server, requests(count), mode).await.unwrap_err();
        assert_eq!(blamed(&refused), ["requests"]);
    }
    assert_eq!(bulk(&server, requests(1_000), mode).await.unwrap().len(), 1_000);
    assert_eq!(get(&server, &rule).await.unwrap().etag, "1001");
    assert_eq!(server.rows("grant_rule_changes").await, 1_001);
    let refused = bulk(&server, requests(1), BatchMode::Unspecified).await.unwrap_err();
    assert_eq!(blamed(&refused), ["mode"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn expiry_settings_change_while_spends_run() {
    let server = Server::start().await;
    server.open(ACCOUNT).await;
    server.fund(ACCOUNT, "1000").await;
    let rule = made(&server, rule()).await.rule_id;
    at_once(200, |index| {
        let (mut grants, mut wallets) = (server.grants(), server.wallets());
        let change = expiry(&rule, i32::try_from(index).unwrap() + 1, &format!("change {index}"));
        let spend = spend(ACCOUNT, "1", &format!("spend {index}"));
        async move {
            if index % 2 == 0 {
                grants.update_expiry_settings(change).await.unwrap();
            } else {
                wallets.spend(spend).await.unwrap();
            }
        }
    })
    .await;
    assert_eq!(server.balance(ACCOUNT).await, "900");
    assert_eq!(changes(&server, &rule).await.len(), 101);
}
