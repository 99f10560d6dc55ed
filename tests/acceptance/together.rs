//! Requests that happen together: holds in several wallets, and batches.

use purse_proto::v1::{
    self, BatchMode, ItemError, batch_grant_result, batch_spend_result::Outcome,
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::fixture::{ASSET, Server, at_once, blamed, grant, refusal, spend, timestamp};

const OTHER_ASSET: &str = "gpu_seconds";

async fn server() -> Server {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    for account in ["org:1", "org:2"] {
        server.open(account).await;
        server.fund(account, "100").await;
    }
    let request = v1::CreateWalletRequest {
        account: "org:1".to_owned(),
        asset: OTHER_ASSET.to_owned(),
        idempotency_key: "open".to_owned(),
        ..Default::default()
    };
    server.wallets().create_wallet(request).await.unwrap();
    let request = v1::GrantRequest { asset: OTHER_ASSET.to_owned(), ..grant("org:1", "50") };
    server.grants().grant(request).await.unwrap();
    server
}

fn leg(account: &str, asset: &str, amount: &str) -> v1::HoldLeg {
    v1::HoldLeg {
        account: account.to_owned(),
        asset: asset.to_owned(),
        amount: amount.to_owned(),
        ..Default::default()
    }
}

fn holds(legs: Vec<v1::HoldLeg>, key: &str) -> v1::CreateHoldsRequest {
    v1::CreateHoldsRequest {
        legs,
        expires_at: Some(timestamp("2026-01-02T00:00:00Z")),
        idempotency_key: key.to_owned(),
        ..Default::default()
    }
}

fn index(status: &Status) -> String {
    status.get_details_error_info().unwrap().metadata["index"].clone()
}

#[tokio::test]
async fn holds_in_several_wallets_are_one_transaction() {
    let server = server().await;
    let legs =
        vec![leg("org:1", ASSET, "60"), leg("org:1", OTHER_ASSET, "20"), leg("org:2", ASSET, "7")];
    let request = holds(legs.clone(), "h");
    let preview = v1::CreateHoldsRequest { validate_only: true, ..request.clone() };
    let preview = server.wallets().create_holds(preview).await.unwrap().into_inner();
    assert_eq!(server.balance("org:1").await, "100");
    let token = preview.legs[0].transaction.as_ref().unwrap().commit_token.clone();
    let request = v1::CreateHoldsRequest { commit_token: token, ..request };
    let done = server.wallets().create_holds(request.clone()).await.unwrap().into_inner();
    let again = server.wallets().create_holds(request).await.unwrap().into_inner();

    let balances: Vec<_> =
        done.legs.iter().map(|leg| leg.balance.as_ref().unwrap().balance.as_str()).collect();
    assert_eq!(balances, ["40", "30", "93"]);
    let id =
        |leg: &v1::CreateHoldResponse| leg.transaction.as_ref().unwrap().transaction_id.clone();
    assert!(done.legs.iter().all(|leg| id(leg) == id(&done.legs[0]) && !id(leg).is_empty()));
    let replay =
        |leg: &v1::CreateHoldResponse| v1::CreateHoldResponse { replayed: true, ..leg.clone() };
    assert_eq!(again.legs, done.legs.iter().map(replay).collect::<Vec<_>>());

    // The same key for other legs.
    let refused = server.wallets().create_holds(holds(legs[..2].to_vec(), "h")).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED".to_owned()));
    // Each is a hold of its own from then on.
    let capture = v1::CaptureHoldRequest {
        account: "org:1".to_owned(),
        asset: OTHER_ASSET.to_owned(),
        hold_number: 1,
        amount: "5".to_owned(),
        r#final: true,
        idempotency_key: "c".to_owned(),
        ..Default::default()
    };
    let captured = server.wallets().capture_hold(capture).await.unwrap().into_inner();
    assert_eq!(captured.balance.unwrap().balance, "45");
    for (account, asset) in [("org:1", ASSET), ("org:1", OTHER_ASSET), ("org:2", ASSET)] {
        let request =
            v1::VerifyWalletRequest { account: account.to_owned(), asset: asset.to_owned() };
        let found = server.wallets().verify_wallet(request).await.unwrap().into_inner();
        assert!(found.sound, "{account} {asset}: {}", found.problem);
    }
}

#[tokio::test]
async fn of_several_holds_one_that_may_not_be_refuses_all() {
    let server = server().await;
    let legs = vec![leg("org:1", ASSET, "60"), leg("org:2", ASSET, "101")];
    let refused = server.wallets().create_holds(holds(legs, "h")).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "INSUFFICIENT_CREDITS".to_owned()));
    assert_eq!(index(&refused), "1");
    assert_eq!(server.balance("org:1").await, "100");
    assert_eq!(server.rows("holds").await, 0);

    let twice = vec![leg("org:1", ASSET, "1"), leg("org:1", ASSET, "2")];
    let refused = server.wallets().create_holds(holds(twice, "h")).await.unwrap_err();
    assert_eq!(blamed(&refused), ["legs[1].account"]);
    let wrong = vec![leg("org:1", ASSET, "1"), leg("org:2", ASSET, "-2")];
    let refused = server.wallets().create_holds(holds(wrong, "h")).await.unwrap_err();
    assert_eq!(blamed(&refused), ["legs[1].amount"]);
    let keyless = holds(vec![leg("org:1", ASSET, "1")], "");
    let refused = server.wallets().create_holds(keyless).await.unwrap_err();
    assert_eq!(blamed(&refused), ["idempotency_key"]);
    let refused = server.wallets().create_holds(holds(Vec::new(), "h")).await.unwrap_err();
    assert_eq!(blamed(&refused), ["legs"]);
}

async fn batch(
    server: &Server,
    mode: BatchMode,
    requests: Vec<v1::SpendRequest>,
) -> Result<Vec<Outcome>, Status> {
    let request = v1::BatchSpendRequest { requests, mode: mode.into() };
    let answer = server.wallets().batch_spend(request).await?.into_inner();
    Ok(answer.results.into_iter().map(|result| result.outcome.unwrap()).collect())
}

fn balance(outcome: &Outcome) -> Result<(String, bool), (String, String)> {
    match outcome {
        Outcome::Response(done) => {
            Ok((done.balance.as_ref().unwrap().balance.clone(), done.replayed))
        }
        Outcome::Error(ItemError { reason, metadata, .. }) => {
            let field = metadata.get("field").cloned().unwrap_or_default();
            Err((reason.clone(), field))
        }
    }
}

#[tokio::test]
async fn a_batch_of_all_or_nothing_is_one_or_the_other() {
    let server = server().await;
    let good = vec![spend("org:1", "60", "a"), spend("org:2", "5", "a"), spend("org:1", "40", "b")];
    let mut bad = good.clone();
    bad.push(spend("org:1", "1", "c"));
    let refused = batch(&server, BatchMode::AllOrNothing, bad).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "INSUFFICIENT_CREDITS".to_owned()));
    assert_eq!(index(&refused), "3");
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(info.metadata["available"], "0", "each is decided on what the ones before it left");
    assert_eq!(server.balance("org:1").await, "100");

    let done = batch(&server, BatchMode::AllOrNothing, good.clone()).await.unwrap();
    let answers: Vec<_> = done.iter().map(|outcome| balance(outcome).unwrap()).collect();
    let fresh = |balance: &str| (balance.to_owned(), false);
    assert_eq!(answers, [fresh("40"), fresh("95"), fresh("0")]);
    // A retry, and a new one with it.
    let mut again = good;
    again.push(spend("org:2", "1", "d"));
    let done = batch(&server, BatchMode::AllOrNothing, again).await.unwrap();
    let answers: Vec<_> = done.iter().map(|outcome| balance(outcome).unwrap()).collect();
    let replayed = |balance: &str| (balance.to_owned(), true);
    assert_eq!(answers, [replayed("40"), replayed("95"), replayed("0"), fresh("94")]);
}

#[tokio::test]
async fn a_batch_of_each_on_its_own_answers_each() {
    let server = server().await;
    let requests = vec![
        spend("org:1", "60", "a"),
        spend("org:1", "60", "b"),
        spend("org:1", "-1", "c"),
        spend("org:1", "60", "a"),
        spend("org:1", "40", "d"),
        spend("org:9", "1", "e"),
    ];
    let done = batch(&server, BatchMode::EachOnItsOwn, requests).await.unwrap();
    let answers: Vec<_> = done.iter().map(balance).collect();
    let refused = |reason: &str, field: &str| Err((reason.to_owned(), field.to_owned()));
    assert_eq!(
        answers,
        [
            Ok(("40".to_owned(), false)),
            refused("INSUFFICIENT_CREDITS", ""),
            refused("INVALID_FIELD", "amount"),
            Ok(("40".to_owned(), true)),
            Ok(("0".to_owned(), false)),
            refused("WALLET_NOT_FOUND", ""),
        ]
    );
}

#[tokio::test]
async fn a_batch_that_is_none_is_refused() {
    let server = server().await;
    let one = || vec![spend("org:1", "1", "a")];
    let refused = batch(&server, BatchMode::Unspecified, one()).await.unwrap_err();
    assert_eq!(blamed(&refused), ["mode"]);
    let refused = batch(&server, BatchMode::EachOnItsOwn, Vec::new()).await.unwrap_err();
    assert_eq!(blamed(&refused), ["requests"]);
    let many = vec![spend("org:1", "1", "a"); 1_001];
    let refused = batch(&server, BatchMode::EachOnItsOwn, many).await.unwrap_err();
    assert_eq!(blamed(&refused), ["requests"]);
    let twice = vec![spend("org:1", "1", "a"), spend("org:1", "1", "a")];
    let refused = batch(&server, BatchMode::AllOrNothing, twice).await.unwrap_err();
    assert_eq!(blamed(&refused), ["requests[1].idempotency_key"]);
    let wrong = vec![spend("org:1", "1", "a"), spend("org:1", "", "b")];
    let refused = batch(&server, BatchMode::AllOrNothing, wrong).await.unwrap_err();
    assert_eq!(blamed(&refused), ["requests[1].amount"]);
    let mixed = vec![
        spend("org:1", "1", "a"),
        v1::SpendRequest { validate_only: true, ..spend("org:1", "1", "b") },
    ];
    let refused = batch(&server, BatchMode::AllOrNothing, mixed).await.unwrap_err();
    assert_eq!(blamed(&refused), ["requests[1].validate_only"]);
    assert_eq!(server.balance("org:1").await, "100");
}

#[tokio::test]
async fn a_thousand_grants_and_spends_go_in_one_call() {
    const ITEMS: usize = 1_000;
    let server = server().await;
    let requests = (0..ITEMS)
        .map(|item| v1::GrantRequest {
            idempotency_key: format!("g{item}"),
            ..grant(if item % 2 == 0 { "org:1" } else { "org:2" }, "1")
        })
        .collect();
    let request = v1::BatchGrantRequest { requests, mode: BatchMode::AllOrNothing.into() };
    let answer = server.grants().batch_grant(request).await.unwrap().into_inner();
    let made = |result: &v1::BatchGrantResult| match result.outcome.as_ref().unwrap() {
        batch_grant_result::Outcome::Response(done) => done.grant.as_ref().unwrap().number,
        batch_grant_result::Outcome::Error(error) => panic!("{error:?}"),
    };
    let numbers: Vec<i32> = answer.results.iter().map(made).collect();
    assert_eq!(numbers, (0..1_000).map(|item| item / 2 + 2).collect::<Vec<_>>());
    let spends = (0..ITEMS).map(|item| spend("org:1", "0.5", &format!("s{item}"))).collect();
    let done = batch(&server, BatchMode::EachOnItsOwn, spends).await.unwrap();
    assert!(done.iter().all(|outcome| balance(outcome).is_ok()));
    assert_eq!(server.balance("org:1").await, "100");
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_cross_on_two_servers_lose_nothing() {
    let one = server().await;
    let other = Server::start_on(one.url.clone()).await;
    other.at("2026-01-01T00:00:00Z").await;
    let accepted: Vec<usize> = at_once(12, |caller| {
        let mut wallets = if caller % 2 == 0 { one.wallets() } else { other.wallets() };
        async move {
            let mut accepted = 0;
            for round in 0..10 {
                let order = if caller % 3 == 0 { ["org:1", "org:2"] } else { ["org:2", "org:1"] };
                let requests =
                    order.map(|account| spend(account, "1", &format!("{caller} {round}")));
                let mode = BatchMode::AllOrNothing.into();
                let request = v1::BatchSpendRequest { requests: requests.to_vec(), mode };
                match wallets.batch_spend(request).await {
                    Ok(_) => accepted += 1,
                    Err(status) => {
                        assert_eq!(status.code(), Code::FailedPrecondition);
                    }
                }
            }
            accepted
        }
    })
    .await;
    assert_eq!(accepted.into_iter().sum::<usize>(), 100);
    assert_eq!(one.balance("org:1").await, "0");
    assert_eq!(one.balance("org:2").await, "0");
}
