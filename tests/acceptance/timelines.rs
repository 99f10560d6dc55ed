//! The balances over a range of time.

use purse_domain::Timestamp;
use purse_proto::v1;
use purse_tests::{AsOf, DomainDriver, Driver as _, GrpcDriver, Holdings, WalletRef};
use tonic::Code;

use crate::{
    fixture::{ACCOUNT, ASSET, Server, at_once, blamed, grant, refusal, spend, timestamp},
    random_wallet::{Dice, HOUR, play},
};

fn ask(start: Option<&str>, end: Option<&str>) -> v1::GetTimelineRequest {
    v1::GetTimelineRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        start: start.map(timestamp),
        end: end.map(timestamp),
        max_points: 0,
    }
}

async fn timeline(server: &Server, request: v1::GetTimelineRequest) -> v1::GetTimelineResponse {
    server.wallets().get_timeline(request).await.unwrap().into_inner()
}

fn instant(at: Option<prost_types::Timestamp>) -> Timestamp {
    let at = at.unwrap();
    Timestamp::from_parts(at.seconds, at.nanos).unwrap()
}

/// Points as short texts: the instant and the balance.
fn shown(answer: &v1::GetTimelineResponse) -> Vec<String> {
    let show = |point: &v1::TimelinePoint| format!("{} {}", instant(point.at), point.balance);
    answer.points.iter().map(show).collect()
}

fn holdings(point: &v1::TimelinePoint) -> Holdings {
    let v1::TimelinePoint { at: _, balance, available, held, debt, scheduled } = point.clone();
    Holdings { balance, available, held, debt, scheduled }
}

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

#[tokio::test]
async fn a_timeline_is_the_past_as_it_is_known_and_the_future_as_it_comes() {
    let server = Server::start().await;
    october_and_november(&server).await;
    server.at("2026-10-30T00:00:00Z").await;
    server.spend(spend(ACCOUNT, "100", "k1")).await.unwrap();
    server.at("2026-11-01T00:30:00Z").await;
    let late = v1::SpendRequest {
        occurred_at: Some(timestamp("2026-10-31T23:50:00Z")),
        ..spend(ACCOUNT, "300", "late")
    };
    server.spend(late).await.unwrap();

    let answer = timeline(&server, ask(None, Some("2027-01-01T00:00:00Z"))).await;
    assert_eq!(
        shown(&answer),
        [
            "2026-10-28T00:00:00Z 1000",
            "2026-10-30T00:00:00Z 900",
            "2026-10-31T23:50:00Z 600",
            // October's last 600 expire, and November's 1000 begin.
            "2026-11-01T00:00:00Z 1000",
            "2026-12-01T00:00:00Z 0",
        ]
    );
    let scheduled: Vec<&str> = answer.points.iter().map(|point| &*point.scheduled).collect();
    assert_eq!(scheduled, ["1000", "1000", "1000", "0", "0"]);
    assert!(!answer.thinned);
    assert_eq!((&*answer.account, &*answer.asset), (ACCOUNT, ASSET));
    assert_eq!(answer.start, Some(timestamp("2026-10-28T00:00:00Z")));
    assert_eq!(answer.end, Some(timestamp("2027-01-01T00:00:00Z")));

    // Up to now, which is not in it; and what was granted for a time before the opening.
    let answer = timeline(&server, ask(Some("2026-09-01T00:00:00Z"), None)).await;
    let expected = ["2026-09-01T00:00:00Z 0", "2026-10-01T00:00:00Z 1000"];
    assert_eq!(shown(&answer)[..2], expected);
    assert_eq!(answer.end, Some(timestamp("2026-11-01T00:30:00Z")));
    assert_eq!(answer.points.len(), 6);

    // The start is inside and the end is not; a range may be empty, and what is at its start is told.
    let (october, november) = (Some("2026-10-30T00:00:00Z"), Some("2026-11-01T00:00:00Z"));
    let answer = timeline(&server, ask(october, november)).await;
    assert_eq!(shown(&answer), ["2026-10-30T00:00:00Z 900", "2026-10-31T23:50:00Z 600"]);
    let late = timeline(&server, ask(Some("2026-10-31T23:50:00Z"), november)).await;
    assert_eq!(shown(&late), ["2026-10-31T23:50:00Z 600"]);
    let answer = timeline(&server, ask(november, november)).await;
    assert_eq!(shown(&answer), ["2026-11-01T00:00:00Z 1000"]);
    let ahead = ask(Some("2026-11-15T00:00:00Z"), Some("2026-12-01T00:00:00.000001Z"));
    let expected = ["2026-11-15T00:00:00Z 1000", "2026-12-01T00:00:00Z 0"];
    assert_eq!(shown(&timeline(&server, ahead).await), expected);
}

/// Whether it was booked or not.
#[tokio::test]
async fn what_time_has_done_since_the_last_entry_is_in_it() {
    let server = Server::start().await;
    october_and_november(&server).await;
    server.at("2026-12-24T00:00:00Z").await;
    let expected = [
        "2026-10-28T00:00:00Z 1000",
        // One expires and the next begins, so only what is scheduled changes.
        "2026-11-01T00:00:00Z 1000",
        "2026-12-01T00:00:00Z 0",
    ];
    assert_eq!(shown(&timeline(&server, ask(None, None)).await), expected);
    let december = timeline(&server, ask(Some("2026-12-15T00:00:00Z"), None)).await;
    assert_eq!(shown(&december), ["2026-12-15T00:00:00Z 0"]);
    assert_eq!(server.rows("entries").await, 2);
    server.fund(ACCOUNT, "7").await;
    let until = Some("2026-12-24T00:00:00Z");
    assert_eq!(shown(&timeline(&server, ask(None, until)).await), expected);
    let booked = timeline(&server, ask(None, Some("2026-12-25T00:00:00Z"))).await;
    assert_eq!(booked.points.last().unwrap().balance, "7");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeline_is_the_balance_at_each_instant() {
    let server = Server::start().await;
    let mut remote = GrpcDriver::new(server.channel.clone());
    for seed in 11..=14 {
        let mut dice = Dice::new(seed);
        let mut domain = DomainDriver::new();
        let wallet = WalletRef { account: format!("seed {seed}"), asset: ASSET.to_owned() };
        let instants = play(&mut dice, &wallet, &mut remote, &mut domain).await;
        let end = instants.last().unwrap().plus_micros(100 * HOUR);
        for hour in [-50, dice.hours(0, 100), 180] {
            let start = instants[0].plus_micros(hour * HOUR);
            let [from, until] = [start, end].map(|at| Some(timestamp(&at.to_string())));
            let account = wallet.account.clone();
            let request =
                v1::GetTimelineRequest { account, start: from, end: until, ..ask(None, None) };
            let points = timeline(&server, request).await.points;
            assert_eq!(instant(points[0].at), start);
            // All that happens, happens at whole hours.
            let mut at = start;
            while at < end {
                for at in [at, at.plus_micros(HOUR - 1)] {
                    let told = points.iter().rev().find(|point| instant(point.at) <= at).unwrap();
                    let as_of = AsOf { at: Some(at), known_at: None };
                    let expected = domain.balance(&wallet, as_of).await.unwrap();
                    assert_eq!(holdings(told), expected, "seed {seed} from {start} at {at}");
                }
                at = at.plus_micros(HOUR);
            }
            for pair in points.windows(2) {
                assert_ne!(holdings(&pair[0]), holdings(&pair[1]), "no step");
                assert!(instant(pair[0].at) < instant(pair[1].at) && instant(pair[1].at) < end);
            }
        }
    }
}

/// More entries than are read at once, in both orders in which they are read.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_timeline_is_whole_or_thinned_evenly() {
    const COUNT: i64 = 600;
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    server.open(ACCOUNT).await;
    server.fund(ACCOUNT, "5000").await;
    let opened = timestamp("2026-01-01T00:00:00Z").seconds;
    let mut clock = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
    for index in 0..COUNT {
        clock = clock.plus_micros(10_000_000);
        server.at(&clock.to_string()).await;
        server.spend(spend(ACCOUNT, "1", &format!("prompt {index}"))).await.unwrap();
    }
    at_once(usize::try_from(COUNT).unwrap(), |index| {
        let mut wallets = server.wallets();
        async move {
            let seconds = opened + 10 * i64::try_from(index).unwrap() + 5;
            let late = v1::SpendRequest {
                occurred_at: Some(prost_types::Timestamp { seconds, nanos: 0 }),
                ..spend(ACCOUNT, "1", &format!("late {index}"))
            };
            wallets.spend(late).await.unwrap();
        }
    })
    .await;

    let ask = |max_points| {
        let end = Some(timestamp("2026-01-01T02:00:00Z"));
        v1::GetTimelineRequest { end, max_points, ..ask(None, None) }
    };
    let whole = timeline(&server, ask(10_001)).await;
    assert!(!whole.thinned);
    let points = whole.points;
    for (number, point) in (0..).zip(&points) {
        assert_eq!(point.at.unwrap().seconds, opened + 5 * number);
        assert_eq!(point.balance, (5_000 - number).to_string());
    }
    assert_eq!(points.last().unwrap().balance, (5_000 - 2 * COUNT).to_string());

    // 0 asks for the default, 1,000.
    for (max_points, slots) in [(0, 999), (11, 10), (2, 1), (1, 0)] {
        let thinned = timeline(&server, ask(max_points)).await;
        assert!(thinned.thinned, "{max_points}");
        // The range is 7,200 seconds; after 6,000 nothing happens.
        let slot = |point: &v1::TimelinePoint| (point.at.unwrap().seconds - opened) * slots / 7_200;
        let is_last_of_slot = |index: usize| {
            slots > 0 && points.get(index + 1).is_none_or(|next| slot(next) > slot(&points[index]))
        };
        let expected: Vec<_> = (0..points.len())
            .filter(|index| *index == 0 || is_last_of_slot(*index))
            .map(|index| points[index].clone())
            .collect();
        assert_eq!(thinned.points, expected, "{max_points}");
    }
}

#[tokio::test]
async fn a_range_that_is_none_is_refused() {
    let server = Server::start().await;
    let unknown = server.wallets().get_timeline(ask(None, None)).await.unwrap_err();
    assert_eq!(refusal(&unknown), (Code::NotFound, "WALLET_NOT_FOUND".to_owned()));
    server.at("2026-01-02T00:00:00Z").await;
    server.open(ACCOUNT).await;
    let (before, after) = (Some("2026-01-01T00:00:00Z"), Some("2026-01-03T00:00:00Z"));
    for (field, request) in [
        ("end", ask(after, before)),
        ("end", ask(after, None)),
        ("end", ask(None, before)),
        ("max_points", v1::GetTimelineRequest { max_points: -1, ..ask(None, None) }),
        ("asset", v1::GetTimelineRequest { asset: String::new(), ..ask(None, None) }),
    ] {
        let case = format!("{request:?}");
        let status = server.wallets().get_timeline(request).await.expect_err(&case);
        let expected = (Code::InvalidArgument, "INVALID_FIELD".to_owned());
        assert_eq!(refusal(&status), expected, "{case}");
        assert_eq!(blamed(&status), [field], "{case}");
    }
    let answer = timeline(&server, ask(None, None)).await;
    assert_eq!(shown(&answer), ["2026-01-02T00:00:00Z 0"]);
}
