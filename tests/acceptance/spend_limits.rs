//! Spend limits against the real server: concurrent callers, batches, restarts of knowledge, and tampering.

use std::{collections::BTreeMap, time::Duration};

use purse_domain::Timestamp;
use purse_proto::v1::{self, spend_limit::Window};
use purse_tests::{
    Change, DomainDriver, Driver as _, GrpcDriver, Limit, Notices, WalletRef, Write,
};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{
    fixture::{ACCOUNT, ASSET, Server, at_once, refusal, spend, timestamp, unique},
    random_wallet::{Dice, HOUR},
};

const DAY: i64 = 86_400;

fn rolling(name: &str, amount: &str, seconds: i64) -> v1::SpendLimit {
    v1::SpendLimit {
        name: name.to_owned(),
        amount: amount.to_owned(),
        window: Some(Window::Rolling(prost_types::Duration { seconds, nanos: 0 })),
        ..Default::default()
    }
}

async fn set(server: &Server, limit: v1::SpendLimit) -> v1::Wallet {
    let request = v1::SetSpendLimitRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        limit: Some(limit),
        idempotency_key: format!("limit {}", unique()),
        ..Default::default()
    };
    server.wallets().set_spend_limit(request).await.unwrap().into_inner().wallet.unwrap()
}

async fn usage(server: &Server, actor: &str) -> Vec<v1::SpendLimitUsage> {
    let request = v1::ListSpendLimitsRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        actor: actor.to_owned(),
        operation: String::new(),
    };
    server.wallets().list_spend_limits(request).await.unwrap().into_inner().limits
}

/// A wallet with plenty of credits.
async fn rich() -> Server {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    server.open(ACCOUNT).await;
    server.fund(ACCOUNT, "100000").await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_on_two_servers_never_exceed_a_limit() {
    let one = rich().await;
    let other = Server::start_on(one.url.clone()).await;
    other.at("2026-01-01T00:00:00Z").await;
    set(&one, rolling("all", "300", DAY)).await;
    set(&one, v1::SpendLimit { each_actor: true, ..rolling("each", "25", DAY) }).await;

    // 32 callers ask for 20 each time, in spends and in holds that they capture: 16 actors on both servers.
    let taken = at_once(32, |caller| {
        let mut wallets = if caller % 2 == 0 { one.wallets() } else { other.wallets() };
        async move {
            let actor = format!("actor {}", caller / 2);
            let mut taken = 0;
            for index in 0..20 {
                let key = format!("{caller} {index}");
                let request =
                    v1::SpendRequest { actor: actor.clone(), ..spend(ACCOUNT, "2", &key) };
                let answer = if index % 4 != 0 {
                    wallets.spend(request).await.map(|_| ())
                } else {
                    let hold = v1::CreateHoldRequest {
                        account: ACCOUNT.to_owned(),
                        asset: ASSET.to_owned(),
                        amount: "2".to_owned(),
                        expires_at: Some(timestamp("2026-01-03T00:00:00Z")),
                        idempotency_key: key.clone(),
                        actor: actor.clone(),
                        ..Default::default()
                    };
                    wallets.create_hold(hold).await.map(|_| ())
                };
                match answer {
                    Ok(()) => taken += 2,
                    Err(status) => {
                        let expected = (Code::ResourceExhausted, "SPEND_LIMIT_EXCEEDED".to_owned());
                        assert_eq!(refusal(&status), expected);
                    }
                }
            }
            (caller / 2, taken)
        }
    })
    .await;

    // 16 actors could spend 24 each, 384 in all: the limit of all is the tighter one.
    assert_eq!(taken.iter().map(|(_, taken)| taken).sum::<i32>(), 300);
    for actor in 0..16 {
        let both: i32 = taken.iter().filter(|(of, _)| *of == actor).map(|(_, taken)| taken).sum();
        assert!(both <= 24, "actor {actor} took {both}");
        let limits = usage(&one, &format!("actor {actor}")).await;
        assert_eq!((limits[0].used.as_str(), limits[0].left.as_str()), ("300", "0"));
        assert_eq!(limits[1].used, both.to_string());
    }
    assert!(one.verify(ACCOUNT).await.sound);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_one_batch_see_each_other() {
    let server = rich().await;
    set(&server, rolling("all", "100", DAY)).await;
    let answers = at_once(250, |caller| {
        let mut wallets = server.wallets();
        async move { wallets.spend(spend(ACCOUNT, "1", &format!("k{caller}"))).await.is_ok() }
    })
    .await;
    assert_eq!(answers.iter().filter(|accepted| **accepted).count(), 100);
    server.at("2026-01-02T00:00:00Z").await;
    server.spend(spend(ACCOUNT, "100", "tomorrow")).await.unwrap();
    assert!(server.verify(ACCOUNT).await.sound);
}

#[tokio::test]
async fn a_refusal_says_how_long_to_wait() {
    let server = rich().await;
    set(&server, rolling("hour", "10", 3_600)).await;
    server.spend(spend(ACCOUNT, "10", "first")).await.unwrap();
    server.at("2026-01-01T00:59:59.5Z").await;
    let status = server.spend(spend(ACCOUNT, "1", "second")).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::ResourceExhausted, "SPEND_LIMIT_EXCEEDED".to_owned()));
    assert_eq!(
        status.message(),
        "spend limit hour: 10 of 10 used, 1 required; fits at 2026-01-01T01:00:00Z"
    );
    let retry = status.get_details_retry_info().unwrap().retry_delay;
    assert_eq!(retry, Some(Duration::from_millis(500)));

    let status = server.spend(spend(ACCOUNT, "11", "third")).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::FailedPrecondition, "NEVER_WITHIN_SPEND_LIMIT".to_owned()));
    assert!(status.get_details_retry_info().is_none());
}

#[tokio::test]
async fn a_limit_is_answered_as_it_was_set() {
    let server = rich().await;
    let calendar = v1::SpendLimit {
        name: "berlin".to_owned(),
        amount: "12.5".to_owned(),
        actor: "ann".to_owned(),
        each_operation: true,
        window: Some(Window::Calendar(v1::CalendarWindow {
            unit: v1::CalendarUnit::Week.into(),
            time_zone: "Europe/Berlin".to_owned(),
        })),
        ..Default::default()
    };
    let rolling = v1::SpendLimit {
        each_actor: true,
        operation: "chat".to_owned(),
        window: Some(Window::Rolling(prost_types::Duration { seconds: 1, nanos: 500_000_000 })),
        ..rolling("burst", "3", 0)
    };
    set(&server, calendar.clone()).await;
    let wallet = set(&server, rolling.clone()).await;
    let limits = vec![calendar, rolling];
    assert_eq!(wallet.spend_limits, limits);
    assert_eq!(wallet.etag, "3");

    let request = v1::GetWalletRequest { account: ACCOUNT.to_owned(), asset: ASSET.to_owned() };
    let wallet = server.wallets().get_wallet(request).await.unwrap().into_inner().wallet.unwrap();
    assert_eq!(wallet.spend_limits, limits);
    let listed = usage(&server, "ann").await;
    assert_eq!(listed.iter().filter_map(|usage| usage.limit.clone()).collect::<Vec<_>>(), limits);
    // Which operation's is not said.
    assert_eq!(listed[0].used, "");
    assert_eq!(listed[1].used, "0");

    let delete = v1::DeleteSpendLimitRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        name: "berlin".to_owned(),
        etag: "2".to_owned(),
        idempotency_key: "delete".to_owned(),
        ..Default::default()
    };
    let status = server.wallets().delete_spend_limit(delete.clone()).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::Aborted, "STALE_ETAG".to_owned()));
    let delete = v1::DeleteSpendLimitRequest { etag: wallet.etag, ..delete };
    for replayed in [false, true] {
        let answer = server.wallets().delete_spend_limit(delete.clone()).await.unwrap();
        let answer = answer.into_inner();
        assert_eq!(answer.replayed, replayed);
        assert_eq!(answer.wallet.unwrap().spend_limits, limits[1..]);
    }
}

#[tokio::test]
async fn a_wallet_without_limits_keeps_no_sums() {
    let server = rich().await;
    server.spend(spend(ACCOUNT, "10", "before")).await.unwrap();
    assert_eq!(server.rows("spending").await, 0);
    set(&server, rolling("all", "100", DAY)).await;
    assert_eq!(usage(&server, "").await[0].used, "10");
    assert_eq!(server.rows("spending").await, 4);
    server.spend(spend(ACCOUNT, "10", "after")).await.unwrap();
    assert_eq!(server.rows("spending").await, 4, "the same instant, so the same spans");
    let delete = v1::DeleteSpendLimitRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        name: "all".to_owned(),
        idempotency_key: "delete".to_owned(),
        ..Default::default()
    };
    server.wallets().delete_spend_limit(delete).await.unwrap();
    assert_eq!(server.rows("spending").await, 0);
}

#[tokio::test]
async fn limits_that_change_among_spends_count_all_of_them() {
    let server = rich().await;
    set(&server, rolling("all", "1000", DAY)).await;
    // Changes and spends that wait for the same lane, in whichever order.
    at_once(120, |caller| {
        let mut wallets = server.wallets();
        async move {
            if caller % 20 == 0 {
                let limit = v1::SpendLimit {
                    each_actor: true,
                    ..rolling(
                        &format!("limit-{caller}"),
                        "1000",
                        DAY + i64::try_from(caller).unwrap(),
                    )
                };
                let request = v1::SetSpendLimitRequest {
                    account: ACCOUNT.to_owned(),
                    asset: ASSET.to_owned(),
                    limit: Some(limit),
                    idempotency_key: format!("set {caller}"),
                    ..Default::default()
                };
                wallets.set_spend_limit(request).await.unwrap();
            } else {
                let actor = format!("actor {}", caller % 3);
                let request = spend(ACCOUNT, "1", &format!("k{caller}"));
                wallets.spend(v1::SpendRequest { actor, ..request }).await.unwrap();
            }
        }
    })
    .await;
    assert_eq!(usage(&server, "").await[0].used, "114");
    let each: Vec<String> =
        usage(&server, "actor 1").await.iter().skip(1).map(|usage| usage.used.clone()).collect();
    assert_eq!(each, vec!["38"; 6]);
    assert!(server.verify(ACCOUNT).await.sound);
}

#[tokio::test]
async fn a_sum_that_was_changed_by_hand_is_found() {
    let server = rich().await;
    set(&server, rolling("all", "100", DAY)).await;
    server.spend(spend(ACCOUNT, "10", "spend")).await.unwrap();
    let sql = server.sql().await;
    for (change, back) in [
        ("UPDATE spending SET amount = 9 WHERE width = 20", "UPDATE spending SET amount = 10"),
        ("UPDATE spending SET actor = '=ann' WHERE width = 0", "UPDATE spending SET actor = '*'"),
    ] {
        assert_eq!(sql.execute(change, &[]).await.unwrap(), 1);
        let found = server.verify(ACCOUNT).await;
        assert!(!found.sound, "{change}");
        assert!(found.problem.starts_with("what limits count"), "{}", found.problem);
        sql.execute(back, &[]).await.unwrap();
        assert!(server.verify(ACCOUNT).await.sound);
    }
}

/// Spends, holds, captures, late usage and changes of limits, at instants that share their seconds, minutes and days.
fn change(dice: &mut Dice, now: Timestamp) -> Change {
    let amount = dice.hours(1, 90).to_string();
    let operation = ["", "chat"][usize::try_from(dice.hours(0, 1)).unwrap()].to_owned();
    let quantities = BTreeMap::new();
    match dice.hours(0, 19) {
        0..8 => Change::Spend { amount, operation, occurred_at: None, quantities },
        8..11 => {
            let ago = [1, 1_000_000, 90_000_000, HOUR][usize::try_from(dice.hours(0, 3)).unwrap()];
            let occurred_at = Some(now.plus_micros(-ago * dice.hours(0, 40)));
            Change::Spend { amount, operation, occurred_at, quantities }
        }
        11..14 => {
            let expires_at = now.plus_micros(dice.hours(1, 40) * HOUR);
            Change::Hold { amount, operation, expires_at, quantities }
        }
        14..17 => Change::Capture {
            hold: i32::try_from(dice.hours(1, 6)).unwrap(),
            amount,
            excess: "EXTEND".to_owned(),
            is_final: dice.hours(0, 1) == 0,
        },
        17 => Change::Release {
            hold: i32::try_from(dice.hours(1, 6)).unwrap(),
            amount: String::new(),
        },
        _ => {
            let per = dice.hours(0, 2);
            Change::Limit(Limit {
                name: format!("limit-{}", dice.hours(0, 2)),
                amount: dice.hours(100, 400).to_string(),
                by: String::new(),
                each_actor: dice.hours(0, 1) == 0,
                operation: String::new(),
                each_operation: dice.hours(0, 3) == 0,
                rolling_micros: (per > 0).then(|| {
                    [1_000_000, HOUR, 30 * HOUR][usize::try_from(dice.hours(0, 2)).unwrap()]
                }),
                per: if per > 0 { String::new() } else { "DAY".to_owned() },
                zone: "America/New_York".to_owned(),
            })
        }
    }
}

#[tokio::test]
async fn a_server_refuses_what_the_domain_refuses() {
    let server = Server::start().await;
    let mut remote = GrpcDriver::new(server.channel.clone());
    let mut limited = 0;
    for seed in 0..5 {
        let mut dice = Dice::new(seed);
        let mut domain = DomainDriver::new();
        let wallet = WalletRef { account: format!("limits {seed}"), asset: ASSET.to_owned() };
        let mut now = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        for index in 0..90 {
            let step =
                [0, 1, 999_999, 60_000_000, HOUR][usize::try_from(dice.hours(0, 4)).unwrap()];
            now = now.plus_micros(step * dice.hours(0, 5));
            remote.set_time(now).await.unwrap();
            domain.set_time(now).await.unwrap();
            let change = match index {
                0 => Change::Create {
                    scale: None,
                    policy: String::new(),
                    overdraft_limit: "50000".to_owned(),
                    notices: Notices::default(),
                },
                1 => Change::Grant {
                    amount: "20000".to_owned(),
                    effective_at: Some(now.plus_micros(-90 * HOUR)),
                    expires_at: None,
                    priority: None,
                    category: String::new(),
                    cost_basis: String::new(),
                    applies_to: Vec::new(),
                    funding_ref: String::new(),
                },
                _ => change(&mut dice, now),
            };
            let actor = ["", "ann", "bob"][usize::try_from(dice.hours(0, 2)).unwrap()].to_owned();
            let key = format!("write {index}");
            let (wallet_ref, commit_token) = (wallet.clone(), String::new());
            let write = Write {
                wallet: wallet_ref,
                key,
                actor,
                validate_only: false,
                commit_token,
                change,
            };
            let (answer, expected) = (remote.write(&write).await, domain.write(&write).await);
            limited +=
                usize::from(matches!(&answer, Err(why) if why.reason.contains("SPEND_LIMIT")));
            assert_eq!(answer.as_ref().err(), expected.as_ref().err(), "{write:?} at {now}");
            let usage = remote.limits(&wallet, "ann", "chat").await;
            assert_eq!(usage, domain.limits(&wallet, "ann", "chat").await, "after {write:?}");
        }
        remote.verify(&wallet).await.unwrap();
    }
    assert!(limited > 30, "only {limited} were refused by a limit");
}
