//! `purse rule`: from making a rule to its history.

use serde_json::Value;

use crate::{
    folder::Folder,
    process::{Finished, purse, run},
    server::Server,
};

fn call(server: &Server, line: &str) -> Finished {
    run(purse().args(["--server", server.endpoint(), "rule"]).args(line.split(' ')))
}

fn succeeds(server: &Server, line: &str) -> String {
    let finished = call(server, line);
    assert_eq!(finished.code, Some(0), "{line}: {finished:#?}");
    finished.stdout
}

fn made(server: &Server, line: &str) -> String {
    let json: Value = serde_json::from_str(&succeeds(server, &format!("{line} -o json"))).unwrap();
    json["rule"]["ruleId"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_made_changed_and_ended_by_hand() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    let id = made(
        &server,
        "create monthly credits 100 --plan pro --period monthly --billing-cycles 1 \
         --category monthly --rollover 50% --rollover-periods 2 --grant-ahead 1d",
    );
    let shown = succeeds(&server, &format!("get {id}"));
    for said in
        ["plan pro", "100 credits", "with 1 billing period", "at most 50% for 2 periods", "1d"]
    {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    let once = made(&server, "create welcome credits 20 --subscription sub_1 --expires-after 30d");

    let updated = succeeds(
        &server,
        &format!("update {id} --amount 250 --status inactive --reset rollover --reason raise"),
    );
    assert!(updated.contains("250 credits") && updated.contains("inactive"), "{updated}");
    assert!(!updated.contains("at most"), "{updated}");
    for (line, said) in [
        (format!("update {id}"), "say what to change"),
        (format!("update {id} --priority 1 --reset priority"), "--reset priority"),
        (format!("expiry {id}"), "say when"),
        (format!("expiry {id} {once} --never-expires --etag 1"), "--etag is for one rule"),
        ("create monthly credits 100".to_owned(), "--plan"),
    ] {
        let refused = call(&server, &line);
        assert_eq!(refused.code, Some(2), "{refused:#?}");
        assert!(refused.stderr.contains(said), "{line}: {refused:#?}");
    }

    let preview = succeeds(&server, &format!("expiry {id} --expires-after 3mo --validate-only"));
    for said in ["with 1 billing period", "after 3 months", "nothing was written"] {
        assert!(preview.contains(said), "{said}: {preview}");
    }
    // Twice with one key: once.
    for said in ["after 2 weeks", "replayed"] {
        let bulk = succeeds(&server, &format!("expiry {id} {once} --expires-after 2w --key terms"));
        assert!(bulk.contains("monthly") && bulk.contains("welcome"), "{bulk}");
        assert!(bulk.contains(said), "{said}: {bulk}");
    }
    let listed = succeeds(&server, "list --expiry duration --scope subscription");
    assert!(listed.contains(&once) && !listed.contains(&id), "{listed}");

    let deleted = succeeds(&server, &format!("delete {id} --actor alice"));
    assert!(deleted.contains("deleted"), "{deleted}");
    let listed = succeeds(&server, "list");
    assert!(listed.contains(&once) && !listed.contains(&id), "{listed}");
    let changes = succeeds(&server, &format!("changes {id}"));
    for said in ["created", "updated", "deleted", "raise", "alice", "after 2 weeks"] {
        assert!(changes.contains(said), "{said}: {changes}");
    }
    let refused = call(&server, &format!("update {id} --amount 1"));
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(refused.stderr.contains("GRANT_RULE_DELETED"), "{refused:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_calculator_tells_when_grants_expire() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    let told = succeeds(
        &server,
        "expiry-date 2026-01-31 --billing-cycles 2 --billing-anchor 2026-01-31 \
         --billing-period monthly --recurs monthly --at 2026-03-31",
    );
    for said in ["2026-03-31T00:00:00Z", "yes", "2026-04-30T00:00:00Z", "with 2 billing periods"] {
        assert!(told.contains(said), "{said}: {told}");
    }
    let id = made(&server, "create monthly credits 100 --plan pro --expires-after 1y");
    let told = succeeds(&server, &format!("expiry-date 2024-02-29 --rule {id} --at 2024-03-01"));
    assert!(told.contains("2025-02-28T00:00:00Z") && told.contains("no"), "{told}");
}
