//! Wallets with more grants than a spend reads at first.

use purse_proto::v1;

use crate::fixture::{ACCOUNT, ASSET, Server, at_once, grant, spend, timestamp};

async fn with_grants(server: &Server, count: usize) {
    server.at("2026-01-01T00:00:00Z").await;
    server.open(ACCOUNT).await;
    // In falling order of expiry, so that the drawdown order is not the order of numbers. Every grant
    // expires on a day of its own.
    at_once(count, |index| {
        let mut grants = server.grants();
        let day = 1 + i64::try_from(count - index).unwrap();
        let expires_at = prost_types::Timestamp {
            seconds: timestamp("2026-01-01T00:00:00Z").seconds + day * 86_400,
            nanos: 0,
        };
        async move {
            let request = v1::GrantRequest { expires_at: Some(expires_at), ..grant(ACCOUNT, "1") };
            grants.grant(request).await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spend_over_hundreds_of_grants_draws_them_in_order() {
    let server = Server::start().await;
    with_grants(&server, 600).await;
    let answer = server.spend(spend(ACCOUNT, "555.5", "k")).await.unwrap();
    let entry = answer.transaction.unwrap().entries.pop().unwrap();
    assert_eq!(entry.allocations.len(), 556);
    assert_eq!(entry.allocations.last().unwrap().amount, "0.5");
    assert_eq!(answer.balance.unwrap().balance, "44.5");
    let refused = server.spend(spend(ACCOUNT, "44.6", "l")).await.unwrap_err();
    assert_eq!(refused.message(), "44.5 available, 44.6 required");
    server.spend(spend(ACCOUNT, "44.5", "m")).await.unwrap();
    assert_eq!(server.balance(ACCOUNT).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_is_booked_though_a_spend_needs_few_grants() {
    let server = Server::start().await;
    with_grants(&server, 300).await;
    server.fund(ACCOUNT, "1000").await;
    // A hundred have expired, one a day.
    server.at("2026-04-12T00:00:00Z").await;
    assert_eq!(server.balance(ACCOUNT).await, "1200");
    let answer = server.spend(spend(ACCOUNT, "1", "k")).await.unwrap();
    assert_eq!(answer.balance.unwrap().balance, "1199");
    let list = v1::ListEntriesRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        kinds: vec![v1::EntryKind::Expired.into()],
        page_size: 1_000,
        ..Default::default()
    };
    let expired = server.wallets().list_entries(list).await.unwrap().into_inner().entries;
    assert_eq!(expired.len(), 100);
    assert!(expired.is_sorted_by_key(|entry| entry.effective_at.unwrap().seconds));
    assert_eq!(server.balance_at(ACCOUNT, Some("2026-02-01T00:00:00Z")).await, "1270");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_policy_moves_every_open_grant() {
    let server = Server::start().await;
    with_grants(&server, 40).await;
    let update = v1::UpdateWalletRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        wallet: Some(v1::Wallet {
            drawdown_policy: v1::DrawdownPolicy::OldestFirst.into(),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["drawdown_policy".to_owned()] }),
        idempotency_key: "policy".to_owned(),
        ..Default::default()
    };
    // Priority, narrowness, cost and effective_at are equal, so it is still the earliest expiry that
    // decides; a grant that became effective later comes after all of them though it expires first.
    server.wallets().update_wallet(update).await.unwrap();
    server.at("2026-01-01T12:00:00Z").await;
    let late = v1::GrantRequest {
        expires_at: Some(timestamp("2026-01-02T00:00:00Z")),
        ..grant(ACCOUNT, "1")
    };
    let late = server.grants().grant(late).await.unwrap().into_inner().grant.unwrap();
    let answer = server.spend(spend(ACCOUNT, "41", "k")).await.unwrap();
    let allocations = answer.transaction.unwrap().entries.pop().unwrap().allocations;
    assert_eq!(allocations.last().unwrap().grant_number, late.number);
}
