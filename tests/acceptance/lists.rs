//! Pages: complete, stable, and refused when they are not of the query.

use purse_proto::v1;
use tonic::Code;

use crate::fixture::{ACCOUNT, ASSET, Server, blamed, grant, refusal, spend, timestamp};

fn entries(order: v1::EntryOrder, page_size: i32, page_token: &str) -> v1::ListEntriesRequest {
    v1::ListEntriesRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        order: order.into(),
        page_size,
        page_token: page_token.to_owned(),
        ..Default::default()
    }
}

async fn all_sequences(server: &Server, order: v1::EntryOrder) -> Vec<i64> {
    let mut sequences = Vec::new();
    let mut token = String::new();
    loop {
        let page = entries(order, 3, &token);
        let page = server.wallets().list_entries(page).await.unwrap().into_inner();
        sequences.extend(page.entries.iter().map(|entry| entry.sequence));
        token = page.next_page_token;
        if token.is_empty() {
            return sequences;
        }
    }
}

#[tokio::test]
async fn pages_of_entries_are_the_whole_ledger_in_both_directions() {
    let server = Server::start().await;
    server.open(ACCOUNT).await;
    server.fund(ACCOUNT, "100").await;
    for index in 0..9 {
        server.spend(spend(ACCOUNT, "1", &format!("k{index}"))).await.unwrap();
    }
    let rising: Vec<i64> = (1..=10).collect();
    assert_eq!(all_sequences(&server, v1::EntryOrder::OldestFirst).await, rising);
    let falling: Vec<i64> = (1..=10).rev().collect();
    assert_eq!(all_sequences(&server, v1::EntryOrder::NewestFirst).await, falling);
}

#[tokio::test]
async fn a_token_of_another_query_is_refused() {
    let server = Server::start().await;
    server.open(ACCOUNT).await;
    for _ in 0..3 {
        server.fund(ACCOUNT, "1").await;
    }
    let page = entries(v1::EntryOrder::OldestFirst, 1, "");
    let token = server.wallets().list_entries(page).await.unwrap().into_inner().next_page_token;
    for other in [
        entries(v1::EntryOrder::NewestFirst, 1, &token),
        v1::ListEntriesRequest {
            kinds: vec![v1::EntryKind::Spent.into()],
            ..entries(v1::EntryOrder::OldestFirst, 1, &token)
        },
        entries(v1::EntryOrder::OldestFirst, 1, "nonsense"),
    ] {
        let status = server.wallets().list_entries(other).await.unwrap_err();
        assert_eq!(refusal(&status), (Code::InvalidArgument, "INVALID_FIELD".to_owned()));
        assert_eq!(blamed(&status), ["page_token"]);
    }
}

#[tokio::test]
async fn grants_are_listed_as_they_are_now() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    server.open(ACCOUNT).await;
    for (until, category) in
        [(Some("2026-01-02T00:00:00Z"), "trial"), (None, "purchased"), (None, "trial")]
    {
        let request = v1::GrantRequest {
            expires_at: until.map(timestamp),
            category: category.to_owned(),
            ..grant(ACCOUNT, "10")
        };
        server.grants().grant(request).await.unwrap();
    }
    let list = v1::ListGrantsRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        ..Default::default()
    };
    server.at("2026-01-02T00:00:00Z").await;
    let answer = server.grants().list_grants(list.clone()).await.unwrap().into_inner();
    let statuses: Vec<_> = answer.grants.iter().map(v1::Grant::status).collect();
    let (expired, active) = (v1::GrantStatus::Expired, v1::GrantStatus::Active);
    assert_eq!(statuses, [expired, active, active]);
    assert_eq!(answer.grants[0].expired, "10");
    // Nobody has booked it: this was a read.
    assert_eq!(server.rows("entries").await, 3);

    let open = v1::ListGrantsRequest { open_only: true, ..list.clone() };
    let answer = server.grants().list_grants(open).await.unwrap().into_inner();
    assert_eq!(answer.grants.iter().map(|grant| grant.number).collect::<Vec<_>>(), [2, 3]);
    let trial = v1::ListGrantsRequest { category: "trial".to_owned(), page_size: 1, ..list };
    let first = server.grants().list_grants(trial.clone()).await.unwrap().into_inner();
    assert_eq!(first.grants[0].number, 1);
    let next = v1::ListGrantsRequest { page_token: first.next_page_token, ..trial };
    let second = server.grants().list_grants(next).await.unwrap().into_inner();
    assert_eq!(second.grants[0].number, 3);
}

#[tokio::test]
async fn wallets_are_listed_by_account_and_asset() {
    let server = Server::start().await;
    for account in ["b", "a", "c"] {
        server.open(account).await;
    }
    let mut names = Vec::new();
    let mut token = String::new();
    loop {
        let page = v1::ListWalletsRequest { page_size: 2, page_token: token, ..Default::default() };
        let page = server.wallets().list_wallets(page).await.unwrap().into_inner();
        names.extend(page.wallets.into_iter().map(|wallet| wallet.account));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(names, ["a", "b", "c"]);
    let one = v1::ListWalletsRequest { account: "b".to_owned(), ..Default::default() };
    let answer = server.wallets().list_wallets(one).await.unwrap().into_inner();
    assert_eq!(answer.wallets.len(), 1);
}
