//! Balances as they were known: the server, which reads as little of the ledger as it can, against the domain, which
//! folds all that was recorded by then and settles it.

use purse_proto::v1;
use purse_tests::{AsOf, DomainDriver, Driver as _, GrpcDriver, Holdings, WalletRef};
use tonic::Code;

use crate::{
    fixture::{ACCOUNT, ASSET, Server, at_once, blamed, grant, refusal, spend, timestamp},
    random_wallet::{Dice, HOUR, WRITES, play},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_server_knows_what_the_domain_knew() {
    let server = Server::start().await;
    let mut remote = GrpcDriver::new(server.channel.clone());
    let mut differs_from_today = 0;
    for seed in 1..=4 {
        let mut dice = Dice::new(seed);
        let mut domain = DomainDriver::new();
        let wallet = WalletRef { account: format!("seed {seed}"), asset: ASSET.to_owned() };
        let instants = play(&mut dice, &wallet, &mut remote, &mut domain).await;
        let (first, last) = (instants[0], instants[WRITES]);
        for known_at in &instants {
            let ahead = last.plus_micros(dice.hours(1, 50) * HOUR);
            let near = known_at.plus_micros(dice.hours(-5, 5) * HOUR);
            let any = first.plus_micros(dice.hours(-20, 200) * HOUR);
            let just_before = known_at.plus_micros(-1);
            for (at, known_at) in [
                (None, *known_at),
                (None, just_before),
                (Some(near), *known_at),
                (Some(near.plus_micros(-1)), just_before),
                (Some(any), *known_at),
                (Some(ahead), *known_at),
                (Some(first.plus_micros(-1)), *known_at),
            ] {
                let as_of = AsOf { at, known_at: Some(known_at) };
                let expected: Holdings = domain.balance(&wallet, as_of).await.unwrap();
                let answer = remote.balance(&wallet, as_of).await.unwrap();
                assert_eq!(answer, expected, "seed {seed}, {as_of:?}");
                let today = AsOf { at: at.or(Some(known_at)), known_at: None };
                differs_from_today +=
                    u32::from(remote.balance(&wallet, today).await.unwrap() != answer);
            }
        }
    }
    // Otherwise all of this would hold without known_at.
    assert!(differs_from_today > 100, "{differs_from_today}");
}

#[tokio::test]
async fn what_will_be_known_nobody_knows() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    server.open(ACCOUNT).await;
    server.at("2026-01-02T00:00:00Z").await;
    server.fund(ACCOUNT, "10").await;
    let known_at = |instant| v1::GetBalanceRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        at: Some(timestamp("2026-01-01T12:00:00Z")),
        known_at: Some(timestamp(instant)),
    };
    let ahead = known_at("2026-01-02T00:00:00.000001Z");
    let status = server.wallets().get_balance(ahead).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::InvalidArgument, "INVALID_FIELD".to_owned()));
    assert_eq!(blamed(&status), ["known_at"]);
    assert_eq!(status.message(), "known_at must not be after now, 2026-01-02T00:00:00Z");

    let mut nonsense = known_at("2026-01-02T00:00:00Z");
    nonsense.known_at = Some(prost_types::Timestamp { seconds: 0, nanos: -1 });
    let status = server.wallets().get_balance(nonsense).await.unwrap_err();
    assert_eq!(blamed(&status), ["known_at"]);

    let now = known_at("2026-01-02T00:00:00Z");
    let answer = server.wallets().get_balance(now).await.unwrap().into_inner();
    assert_eq!(answer.balance.unwrap().balance, "0");
}

/// More entries than are read at once, on wallets of which the forecast of the past needs them all.
#[tokio::test(flavor = "multi_thread")]
async fn the_forecast_of_the_past_is_the_one_that_was_made() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    server.open(ACCOUNT).await;
    let monthly = v1::GrantRequest {
        expires_at: Some(timestamp("2026-02-01T00:00:00Z")),
        ..grant(ACCOUNT, "5000")
    };
    server.grants().grant(monthly).await.unwrap();
    let next = v1::GrantRequest {
        effective_at: Some(timestamp("2026-02-01T00:00:00Z")),
        ..grant(ACCOUNT, "300")
    };
    server.grants().grant(next).await.unwrap();
    at_once(1_100, |index| {
        let mut wallets = server.wallets();
        async move { wallets.spend(spend(ACCOUNT, "1", &format!("k{index}"))).await.unwrap() }
    })
    .await;

    server.at("2026-01-10T00:00:00Z").await;
    let ends = [("2026-01-31T23:59:59.999999Z", "3900"), ("2026-02-01T00:00:00Z", "300")];
    for (at, expected) in ends {
        assert_eq!(server.balance_at(ACCOUNT, Some(at)).await, expected, "the forecast at {at}");
    }
    server.at("2026-01-20T00:00:00Z").await;
    server.spend(spend(ACCOUNT, "3000", "large")).await.unwrap();
    server.at("2026-02-02T00:00:00Z").await;
    server.spend(spend(ACCOUNT, "200", "february")).await.unwrap();
    let known_at = Some("2026-01-10T00:00:00Z");
    for (at, expected) in ends {
        let known = server.balance_known_at(ACCOUNT, Some(at), known_at).await;
        assert_eq!(known, expected, "at {at}, as it was known");
    }
    assert_eq!(server.balance_at(ACCOUNT, Some("2026-01-31T23:59:59.999999Z")).await, "900");
    assert_eq!(server.balance_known_at(ACCOUNT, None, known_at).await, "3900");
}
