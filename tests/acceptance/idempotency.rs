//! A write happens once, however often it is asked for.

use purse_proto::v1;
use purse_storage::Kept;
use tonic::Code;

use crate::fixture::{
    ACCOUNT, ASSET, Server, at_once, grant, group_on, refusal, spend, spending, usual_wallet,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_spend_64_times_at_once_on_two_servers_is_one_transaction() {
    let one = Server::start().await;
    let other = Server::start_on(one.url.clone()).await;
    one.open(ACCOUNT).await;
    one.fund(ACCOUNT, "100").await;

    let answers = at_once(64, |index| {
        let mut wallets = if index % 2 == 0 { one.wallets() } else { other.wallets() };
        async move { wallets.spend(spend(ACCOUNT, "10", "once")).await.unwrap().into_inner() }
    })
    .await;

    let first = answers.iter().find(|answer| !answer.replayed).expect("a first answer");
    assert_eq!(answers.iter().filter(|answer| answer.replayed).count(), 63);
    for answer in &answers {
        assert_eq!(answer.transaction, first.transaction);
        assert_eq!(answer.balance, first.balance);
    }
    assert_eq!(one.balance(ACCOUNT).await, "90");
    assert_eq!(one.rows("entries").await, 2);
}

#[tokio::test]
async fn the_same_key_with_an_equal_amount_is_a_replay_and_with_another_a_conflict() {
    let server = Server::start().await;
    server.open(ACCOUNT).await;
    server.fund(ACCOUNT, "100").await;

    let first = server.spend(spend(ACCOUNT, "10", "k")).await.unwrap();
    let again = server.spend(spend(ACCOUNT, "10.00", "k")).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.transaction, first.transaction);
    let other = server.spend(spend(ACCOUNT, "11", "k")).await.unwrap_err();
    assert_eq!(refusal(&other), (Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED".to_owned()));
    assert_eq!(server.balance(ACCOUNT).await, "90");
}

/// The crash between commit and answer: the write is in the database, and nobody was told.
#[tokio::test]
async fn a_write_that_was_committed_and_never_answered_is_replayed() {
    let server = Server::start().await;
    server.open(ACCOUNT).await;
    server.fund(ACCOUNT, "100").await;

    let asked = group_on(&usual_wallet(), spending("10"), "k");
    let (outcomes, _) = server.node.storage().run_batch(&mut Kept::default(), &[asked]).await;
    assert!(outcomes[0].is_ok());
    server.node.stop().await;

    let restarted = Server::start_on(server.url).await;
    let answer = restarted.spend(spend(ACCOUNT, "10", "k")).await.unwrap();
    assert!(answer.replayed);
    assert_eq!(answer.balance.unwrap().balance, "90");
    assert_eq!(restarted.balance(ACCOUNT).await, "90");
}

#[tokio::test]
async fn a_refused_spend_keeps_its_key_free() {
    let server = Server::start().await;
    server.open(ACCOUNT).await;
    server.fund(ACCOUNT, "5").await;

    let refused = server.spend(spend(ACCOUNT, "10", "k")).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "INSUFFICIENT_CREDITS".to_owned()));
    assert_eq!(server.rows("transactions").await, 2);
    server.fund(ACCOUNT, "5").await;
    let accepted = server.spend(spend(ACCOUNT, "10", "k")).await.unwrap();
    assert!(!accepted.replayed);
}

#[tokio::test]
async fn a_key_belongs_to_its_account() {
    let server = Server::start().await;
    for account in ["a", "b"] {
        server.open(account).await;
        server.fund(account, "10").await;
        assert!(!server.spend(spend(account, "1", "k")).await.unwrap().replayed);
    }
}

/// Two wallets of one account are locked one by one, so only the unique constraint sees this.
#[tokio::test(flavor = "multi_thread")]
async fn one_key_on_two_wallets_of_an_account_at_once_is_used_once() {
    let one = Server::start().await;
    let other = Server::start_on(one.url.clone()).await;
    one.open(ACCOUNT).await;
    one.fund(ACCOUNT, "100").await;
    let second = v1::CreateWalletRequest {
        account: ACCOUNT.to_owned(),
        asset: "minutes".to_owned(),
        idempotency_key: "open minutes".to_owned(),
        ..Default::default()
    };
    one.wallets().create_wallet(second).await.unwrap();
    let fund = v1::GrantRequest { asset: "minutes".to_owned(), ..grant(ACCOUNT, "100") };
    one.grants().grant(fund).await.unwrap();

    for round in 0..10 {
        let key = format!("round {round}");
        let answers = at_once(16, |index| {
            let mut wallets = if index % 2 == 0 { one.wallets() } else { other.wallets() };
            let asset = if index % 4 < 2 { ASSET } else { "minutes" };
            let request = v1::SpendRequest { asset: asset.to_owned(), ..spend(ACCOUNT, "1", &key) };
            async move { wallets.spend(request).await }
        })
        .await;
        let (accepted, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!(accepted.len(), 8, "round {round}");
        for answer in refused {
            let (code, reason) = refusal(&answer.unwrap_err());
            assert_eq!((code, &*reason), (Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED"));
        }
    }
}

#[tokio::test]
async fn every_write_answers_a_replay_as_it_answered_first() {
    let server = Server::start().await;
    let open = v1::CreateWalletRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        idempotency_key: "open".to_owned(),
        metadata: [("plan".to_owned(), "pro".to_owned())].into(),
        ..Default::default()
    };
    let opened = server.wallets().create_wallet(open.clone()).await.unwrap().into_inner();
    let granted = server.grants().grant(grant_as("g")).await.unwrap().into_inner();
    server.fund(ACCOUNT, "7").await;
    let update = v1::UpdateWalletRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        wallet: Some(v1::Wallet {
            drawdown_policy: v1::DrawdownPolicy::OldestFirst.into(),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["drawdown_policy".to_owned()] }),
        idempotency_key: "update".to_owned(),
        ..Default::default()
    };
    let updated = server.wallets().update_wallet(update.clone()).await.unwrap().into_inner();
    let expire = v1::ExpireGrantRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        grant_number: 2,
        idempotency_key: "expire".to_owned(),
        ..Default::default()
    };
    let expired = server.grants().expire_grant(expire.clone()).await.unwrap().into_inner();
    let void = v1::VoidGrantRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        grant_number: 1,
        idempotency_key: "void".to_owned(),
        ..Default::default()
    };
    let voided = server.grants().void_grant(void.clone()).await.unwrap().into_inner();
    server.fund(ACCOUNT, "9").await;
    let spent = server.spend(spend(ACCOUNT, "5", "spend")).await.unwrap();
    let reverse = v1::ReverseSpendRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        transaction_id: spent.transaction.unwrap().transaction_id,
        amount: "3".to_owned(),
        idempotency_key: "reverse".to_owned(),
        ..Default::default()
    };
    let reversed = server.wallets().reverse_spend(reverse.clone()).await.unwrap().into_inner();
    assert_eq!(reversed.slices.len(), 1);
    server.spend(spend(ACCOUNT, "4", "spend again")).await.unwrap();
    let bought = v1::GrantRequest { funding_ref: "ch_1".to_owned(), ..grant(ACCOUNT, "20") };
    server.grants().grant(bought).await.unwrap();
    let revoke = |key: &str| v1::RevokeFundingRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        funding_ref: "ch_1".to_owned(),
        cumulative_amount: "15".to_owned(),
        idempotency_key: key.to_owned(),
        ..Default::default()
    };
    let revoked = server.grants().revoke_funding(revoke("revoke")).await.unwrap().into_inner();
    let nothing = server.grants().revoke_funding(revoke("nothing")).await.unwrap().into_inner();
    assert!(nothing.transaction.as_ref().unwrap().entries.is_empty());
    server.fund(ACCOUNT, "3").await;

    // Everything has changed since, and the answers are still the first ones.
    let answer = server.wallets().create_wallet(open).await.unwrap().into_inner();
    assert_eq!(answer, v1::CreateWalletResponse { replayed: true, ..opened });
    let answer = server.grants().grant(grant_as("g")).await.unwrap().into_inner();
    assert_eq!(answer, v1::GrantResponse { replayed: true, ..granted });
    let answer = server.wallets().update_wallet(update).await.unwrap().into_inner();
    assert_eq!(answer, v1::UpdateWalletResponse { replayed: true, ..updated });
    let answer = server.grants().expire_grant(expire).await.unwrap().into_inner();
    assert_eq!(answer, v1::ExpireGrantResponse { replayed: true, ..expired });
    let answer = server.grants().void_grant(void).await.unwrap().into_inner();
    assert_eq!(answer, v1::VoidGrantResponse { replayed: true, ..voided });
    let answer = server.wallets().reverse_spend(reverse).await.unwrap().into_inner();
    assert_eq!(answer, v1::ReverseSpendResponse { replayed: true, ..reversed });
    for (key, first) in [("revoke", revoked), ("nothing", nothing)] {
        let answer = server.grants().revoke_funding(revoke(key)).await.unwrap().into_inner();
        assert_eq!(answer, v1::RevokeFundingResponse { replayed: true, ..first });
    }
}

fn grant_as(key: &str) -> v1::GrantRequest {
    v1::GrantRequest {
        idempotency_key: key.to_owned(),
        applies_to: vec!["chat".to_owned(), "image".to_owned()],
        cost_basis: "0.000000000015".to_owned(),
        reason: "trial".to_owned(),
        ..grant(ACCOUNT, "50")
    }
}
