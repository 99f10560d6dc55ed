//! What calls about grant rules cost in a namespace with many: the rows that PostgreSQL reads for them.

use purse_proto::v1;

use crate::{
    costs::rows_read,
    fixture::{Server, new_database},
    rules::{create, days, rule},
};

/// More rows of a table than any of the calls may read of it: pages of 3, and a few rows more for their ends.
const MOST_ROWS: i64 = 40;

/// 5,000 rules of other plans, each with its history.
const OTHERS: &str = "
    INSERT INTO grant_rules
    SELECT namespace_id, gen_random_uuid(), scope, 'other ' || n, asset, is_active, cadence, expiry,
        terms, created_by, created_at + n * INTERVAL '1 second', updated_by, updated_at, NULL, 1
    FROM grant_rules, generate_series(1, 5000) AS n;
    INSERT INTO grant_rule_changes
    SELECT r.namespace_id, r.rule_id, 1, c.kind, r.rule_id::TEXT, c.fingerprint, c.actor, c.reason,
        c.metadata, c.recorded_at, c.before, c.after
    FROM grant_rules AS r, grant_rule_changes AS c
    WHERE r.rule_id <> c.rule_id";

async fn ask_for_everything(server: &Server, rule_id: &str) {
    let mut grants = server.grants();
    grants.create_grant_rule(create(rule(), "another")).await.unwrap();
    let get = v1::GetGrantRuleRequest { rule_id: rule_id.to_owned() };
    grants.get_grant_rule(get).await.unwrap();
    let all = v1::ListGrantRulesRequest { page_size: 3, ..Default::default() };
    let page = grants.list_grant_rules(all.clone()).await.unwrap().into_inner();
    let next = v1::ListGrantRulesRequest { page_token: page.next_page_token, ..all.clone() };
    assert_eq!(grants.list_grant_rules(next).await.unwrap().into_inner().rules.len(), 3);
    let of_plan = v1::ListGrantRulesRequest { plan_id: "pro".to_owned(), ..all };
    assert_eq!(grants.list_grant_rules(of_plan).await.unwrap().into_inner().rules.len(), 2);
    let update = |key: &str| v1::UpdateExpirySettingsRequest {
        rule_id: rule_id.to_owned(),
        expiry_settings: Some(days(30)),
        idempotency_key: key.to_owned(),
        ..Default::default()
    };
    grants.update_expiry_settings(update("one")).await.unwrap();
    let requests = vec![update("two"), update("three"), update("one")];
    let mode = v1::BatchMode::AllOrNothing.into();
    let bulk = v1::BulkUpdateExpirySettingsRequest { requests, mode };
    grants.bulk_update_expiry_settings(bulk).await.unwrap();
    let changes = v1::ListGrantRuleChangesRequest {
        rule_id: rule_id.to_owned(),
        page_size: 3,
        page_token: String::new(),
    };
    grants.list_grant_rule_changes(changes).await.unwrap();
}

async fn assert_costs_are_small(statistics: &str) {
    let url = new_database().await;
    let server = Server::start_on(url.clone()).await;
    server.at("2026-01-01T00:00:00Z").await;
    let made = server.grants().create_grant_rule(create(rule(), "made")).await.unwrap();
    let rule_id = made.into_inner().rule.unwrap().rule_id;
    server.sql().await.batch_execute(OTHERS).await.unwrap();
    server.sql().await.batch_execute(statistics).await.unwrap();
    server.node.stop().await;

    let before = rows_read(&url).await;
    let server = Server::start_on(url.clone()).await;
    ask_for_everything(&server, &rule_id).await;
    server.node.stop().await;
    let rows = rows_read(&url).await.into_iter();
    let rows = rows.filter(|(through, _)| through.starts_with("grant_rule"));
    let rows = rows.map(|(through, rows)| (rows - before[&through], through));
    let too_many: Vec<_> = rows.filter(|(rows, _)| *rows > MOST_ROWS).collect();
    assert!(too_many.is_empty(), "rows read: {too_many:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_about_a_rule_read_few_of_many_if_nothing_is_known_of_the_tables() {
    assert_costs_are_small("SELECT 1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_about_a_rule_read_few_of_many_if_the_tables_are_analyzed() {
    assert_costs_are_small("ANALYZE").await;
}
