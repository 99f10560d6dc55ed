//! Balances as they were known: the server, which reads as little of the ledger as it can, against the domain, which
//! folds all that was recorded by then and settles it.

use purse_domain::Timestamp;
use purse_proto::v1;
use purse_tests::{AsOf, Change, DomainDriver, Driver, GrpcDriver, Holdings, WalletRef, Write};
use tonic::Code;

use crate::fixture::{ACCOUNT, ASSET, Server, at_once, blamed, grant, refusal, spend, timestamp};

const HOUR: i64 = 3_600_000_000;
const WRITES: usize = 40;

/// A sequence of numbers that is the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        // Knuth's MMIX; the high digits are the random ones.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn hours(&mut self, from: i64, to: i64) -> i64 {
        from + i64::try_from(self.roll(u64::try_from(to - from + 1).unwrap())).unwrap()
    }

    fn change(&mut self, now: Timestamp) -> Change {
        let amount = (1 + self.roll(90)).to_string();
        let mut from_now = |from, to| Some(now.plus_micros(self.hours(from, to) * HOUR));
        let (starts_at, ends_at, occurred_at) =
            (from_now(-20, 20), from_now(21, 60), from_now(-40, 0));
        match self.roll(20) {
            0..8 => Change::Grant {
                amount,
                effective_at: starts_at.filter(|_| self.roll(2) == 0),
                expires_at: ends_at.filter(|_| self.roll(4) != 0),
                priority: None,
                category: String::new(),
                cost_basis: String::new(),
                applies_to: Vec::new(),
            },
            8..17 => Change::Spend {
                amount,
                operation: String::new(),
                occurred_at: occurred_at.filter(|_| self.roll(3) == 0),
            },
            17 => Change::Void { grant: 1 + i32::try_from(self.roll(8)).unwrap() },
            18 => Change::Expire { grant: 1 + i32::try_from(self.roll(8)).unwrap() },
            // Settles, and appends nothing of its own.
            _ => Change::Update { policy: "EXPIRY_FIRST".to_owned(), etag: String::new() },
        }
    }
}

/// Does the same to both, and answers the instants at which something was asked for.
async fn play(
    dice: &mut Dice,
    wallet: &WalletRef,
    remote: &mut GrpcDriver,
    domain: &mut DomainDriver,
) -> Vec<Timestamp> {
    let mut now = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
    let mut instants = Vec::new();
    for index in 0..=WRITES {
        now = now.plus_micros(dice.hours(0, 9) * HOUR);
        remote.set_time(now).await.unwrap();
        domain.set_time(now).await.unwrap();
        let change = match index {
            0 => Change::Create { scale: None, policy: String::new() },
            _ => dice.change(now),
        };
        let key = format!("write {index}");
        let write = Write { wallet: wallet.clone(), key, validate_only: false, change };
        let (answer, expected) = (remote.write(&write).await, domain.write(&write).await);
        assert_eq!(answer.is_ok(), expected.is_ok(), "{write:?}: {answer:?}");
        instants.push(now);
    }
    instants
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_knows_what_the_domain_knew() {
    let server = Server::start().await;
    let mut remote = GrpcDriver::new(server.channel.clone());
    let mut differs_from_today = 0;
    for seed in 1..=4 {
        let mut dice = Dice(seed);
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
