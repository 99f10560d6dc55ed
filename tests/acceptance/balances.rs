//! The balance at any instant, whether time has been booked or not.

use purse_proto::v1;

use crate::fixture::{ACCOUNT, ASSET, Server, grant, spend, timestamp};

async fn october_and_november(server: &Server) {
    server.at("2026-10-28T00:00:00Z").await;
    server.open(ACCOUNT).await;
    for (from, until) in [
        ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"),
        ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
    ] {
        let request = v1::GrantRequest {
            effective_at: Some(timestamp(from)),
            expires_at: Some(timestamp(until)),
            ..grant(ACCOUNT, "1000")
        };
        server.grants().grant(request).await.unwrap();
    }
}

/// What is asked before the turn of the month is what is served at it, and what is told of it afterwards,
/// before and after somebody books it.
#[tokio::test]
async fn the_future_the_present_and_the_past_agree() {
    let server = Server::start().await;
    october_and_november(&server).await;
    let instants = [
        ("2026-10-28T00:00:00Z", "1000"),
        ("2026-10-31T23:59:59.999999Z", "1000"),
        ("2026-11-01T00:00:00Z", "1000"),
        ("2026-11-30T23:59:59.999999Z", "1000"),
        ("2026-12-01T00:00:00Z", "0"),
    ];
    for (at, expected) in instants {
        assert_eq!(server.balance_at(ACCOUNT, Some(at)).await, expected, "ahead, {at}");
    }
    for (at, expected) in instants {
        server.at(at).await;
        assert_eq!(server.balance(ACCOUNT).await, expected, "present, {at}");
    }
    for (at, expected) in instants {
        assert_eq!(server.balance_at(ACCOUNT, Some(at)).await, expected, "unbooked past, {at}");
    }
    assert_eq!(server.rows("entries").await, 2);
    server.fund(ACCOUNT, "5").await;
    assert_eq!(server.rows("entries").await, 6);
    for (at, expected) in &instants[..4] {
        assert_eq!(server.balance_at(ACCOUNT, Some(at)).await, *expected, "booked past, {at}");
    }
    assert_eq!(server.balance_at(ACCOUNT, Some("2026-09-01T00:00:00Z")).await, "0");
}

#[tokio::test]
async fn late_usage_changes_the_past_that_it_belongs_to_and_nothing_else() {
    let server = Server::start().await;
    october_and_november(&server).await;
    server.at("2026-11-01T00:30:00Z").await;
    let late = v1::SpendRequest {
        occurred_at: Some(timestamp("2026-10-31T23:50:00Z")),
        ..spend(ACCOUNT, "300", "late")
    };
    let answer = server.spend(late).await.unwrap();
    let kinds: Vec<_> = answer.transaction.unwrap().entries.iter().map(v1::Entry::kind).collect();
    assert_eq!(kinds, [v1::EntryKind::ExpiryReversed, v1::EntryKind::Spent]);
    for (at, expected) in [
        ("2026-10-31T23:49:59.999999Z", "1000"),
        ("2026-10-31T23:50:00Z", "700"),
        ("2026-10-31T23:59:59.999999Z", "700"),
        ("2026-11-01T00:00:00Z", "1000"),
        ("2026-11-01T00:30:00Z", "1000"),
    ] {
        assert_eq!(server.balance_at(ACCOUNT, Some(at)).await, expected, "{at}");
    }
}

#[tokio::test]
async fn the_parts_of_a_balance_are_told_apart() {
    let server = Server::start().await;
    october_and_november(&server).await;
    let at = |at| v1::GetBalanceRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        at: Some(timestamp(at)),
        known_at: None,
    };
    for (instant, available, scheduled) in
        [("2026-10-28T00:00:00Z", "1000", "1000"), ("2026-11-01T00:00:00Z", "1000", "0")]
    {
        let answer = server.wallets().get_balance(at(instant)).await.unwrap().into_inner();
        let balance = answer.balance.unwrap();
        assert_eq!((&*balance.available, &*balance.scheduled), (available, scheduled));
        assert_eq!((&*balance.held, &*balance.debt), ("0", "0"));
    }
}
