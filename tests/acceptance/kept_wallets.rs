//! Servers keep wallets between batches. What another server has written meanwhile counts all the same.

use purse_proto::v1::{self, UpdateWalletRequest};
use tonic::Code;

use crate::fixture::{ACCOUNT, ASSET, Server, at_once, grant, refusal, spend};

/// Two servers on one database, and a wallet of 100 that `one` keeps.
async fn two_servers() -> (Server, Server) {
    let one = Server::start().await;
    let other = Server::start_on(one.url.clone()).await;
    one.open(ACCOUNT).await;
    one.fund(ACCOUNT, "100").await;
    one.spend(spend(ACCOUNT, "1", "kept")).await.unwrap();
    (one, other)
}

#[tokio::test(flavor = "multi_thread")]
async fn spends_by_two_servers_in_turn_each_see_the_one_before() {
    let (one, other) = two_servers().await;
    for turn in 0..40 {
        let server = if turn % 3 == 0 { &other } else { &one };
        let answer = server.spend(spend(ACCOUNT, "1", &format!("turn {turn}"))).await.unwrap();
        let entries = answer.transaction.unwrap().entries;
        assert_eq!(entries[0].balance_after, (98 - turn).to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credits_that_another_server_granted_can_be_spent() {
    let (one, other) = two_servers().await;
    other.fund(ACCOUNT, "1000").await;
    one.spend(spend(ACCOUNT, "1050", "more than one knows")).await.unwrap();
    assert_eq!(one.balance(ACCOUNT).await, "49");
}

#[tokio::test(flavor = "multi_thread")]
async fn credits_that_another_server_spent_are_gone() {
    let (one, other) = two_servers().await;
    other.spend(spend(ACCOUNT, "99", "the rest")).await.unwrap();
    let refused = one.spend(spend(ACCOUNT, "1", "too late")).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "INSUFFICIENT_CREDITS".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_another_server_used_is_used() {
    let (one, other) = two_servers().await;
    other.spend(spend(ACCOUNT, "5", "a key")).await.unwrap();
    let again = one.spend(spend(ACCOUNT, "5", "a key")).await.unwrap();
    assert!(again.replayed);
    let conflict = one.spend(spend(ACCOUNT, "6", "a key")).await.unwrap_err();
    assert_eq!(refusal(&conflict).0, Code::AlreadyExists);
    assert_eq!(one.balance(ACCOUNT).await, "94");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_key_is_used_though_nothing_is_left() {
    let (one, _) = two_servers().await;
    one.spend(spend(ACCOUNT, "99", "all of it")).await.unwrap();
    for preview in [false, true] {
        // The first rejection tells that there are no more grants; the second one the server knows by itself.
        for key in ["one more", "another one"] {
            let key = format!("{key} {preview}");
            let refused = one.spend(spend(ACCOUNT, "1", &key)).await.unwrap_err();
            assert_eq!(refusal(&refused).1, "INSUFFICIENT_CREDITS");
        }
        let asked = |amount| v1::SpendRequest {
            validate_only: preview,
            ..spend(ACCOUNT, amount, "all of it")
        };
        assert!(one.spend(asked("99")).await.unwrap().replayed);
        for key in ["one more", "another one", "a third"] {
            let key = format!("{key} again {preview}");
            one.spend(spend(ACCOUNT, "1", &key)).await.unwrap_err();
        }
        let refused = one.spend(asked("98")).await.unwrap_err();
        assert_eq!(refusal(&refused).0, Code::AlreadyExists);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_another_server_changed_is_the_order() {
    let (one, other) = two_servers().await;
    one.at("2126-01-01T00:00:00Z").await;
    other.at("2126-01-01T00:00:00Z").await;
    let ends_first = v1::GrantRequest {
        expires_at: Some(crate::fixture::timestamp("2126-06-01T00:00:00Z")),
        ..grant(ACCOUNT, "10")
    };
    one.grants().grant(ends_first).await.unwrap();
    let oldest_first = UpdateWalletRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        wallet: Some(v1::Wallet {
            drawdown_policy: v1::DrawdownPolicy::OldestFirst.into(),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["drawdown_policy".to_owned()] }),
        idempotency_key: "oldest first".to_owned(),
        ..Default::default()
    };
    other.wallets().update_wallet(oldest_first).await.unwrap();
    let answer = one.spend(spend(ACCOUNT, "1", "which")).await.unwrap();
    let transaction = answer.transaction.unwrap();
    assert_eq!(transaction.drawdown_policy(), v1::DrawdownPolicy::OldestFirst);
    assert_eq!(transaction.entries[0].allocations[0].grant_number, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_fight_over_wallets_lose_nothing() {
    let (one, other) = two_servers().await;
    one.fund(ACCOUNT, "1000").await;
    let answers = at_once(400, |index| {
        let mut wallets = if index % 2 == 0 { one.wallets() } else { other.wallets() };
        async move { wallets.spend(spend(ACCOUNT, "1", &format!("fight {index}"))).await.is_ok() }
    })
    .await;
    assert!(answers.into_iter().all(|accepted| accepted));
    assert_eq!(one.balance(ACCOUNT).await, "699");
}
