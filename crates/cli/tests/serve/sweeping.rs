//! The sweeper of a real process, and what is told of what expires.

use prost_types::Timestamp;
use purse_proto::testing::v1::{SetTimeRequest, test_clock_service_client::TestClockServiceClient};
use serde_json::Value;

use crate::{
    folder::Folder,
    ledger::{ACCOUNT, ASSET, open},
    process::{Finished, purse, run, until},
    server::Server,
};

/// 2999-02-01T00:00:00Z.
const END_SECONDS: i64 = 32_475_081_600;

fn call(server: &Server, arguments: &[&str]) -> Finished {
    let finished = run(purse().args(["--server", server.endpoint()]).args(arguments));
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    finished
}

fn json(server: &Server, arguments: &[&str]) -> Value {
    let finished = call(server, &[arguments, &["-o", "json"]].concat());
    serde_json::from_str(&finished.stdout).unwrap()
}

/// A wallet of 100 for ever and 40 until the end of January 2999, which comes.
async fn serve_until_the_end(folder: &Folder, interval: &str) -> Server {
    let server = Server::start_with(folder, |command| {
        command.args(["--test-clock", "--sweep-interval", interval])
    })
    .await;
    open(&server.client(), 100).await;
    call(&server, &["grant", ACCOUNT, ASSET, "40", "--expires-at", "2999-02-01"]);
    let now = Some(Timestamp { seconds: END_SECONDS, nanos: 0 });
    let mut clock = TestClockServiceClient::new(server.channel());
    clock.set_time(SetTimeRequest { now }).await.unwrap();
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_books_what_time_does_to_a_wallet_that_nobody_touches() {
    let folder = Folder::new();
    let server = serve_until_the_end(&folder, "50ms").await;
    let booked = || call(&server, &["entries", ACCOUNT, ASSET]).stdout.contains("expired");
    assert!(until(booked), "{}", server.log());
    let (code, log) = server.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("swept"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_by_hand_says_what_it_booked_and_a_report_what_expires() {
    let folder = Folder::new();
    let server = serve_until_the_end(&folder, "off").await;
    let report = ["report", "expiry", ASSET, "--from", "2998-12-31", "--to", "2999-03-01"];
    let before = call(&server, &[&report[..], &["--by", "month", "--zone", "UTC"]].concat());
    let bars: Vec<&str> = before.stdout.lines().filter(|line| line.contains('█')).collect();
    assert!(bars.len() == 1 && bars[0].contains(" 40 "), "{before:#?}");

    let swept = call(&server, &["sweep"]);
    let figures: Vec<&str> = swept.stdout.split_whitespace().collect();
    assert_eq!(figures[..4], ["wallets", "1", "entries", "1"], "{swept:#?}");
    assert_eq!(json(&server, &["sweep"]), serde_json::json!({}));
    assert_eq!(json(&server, &["sweep", ACCOUNT, ASSET]), serde_json::json!({}));

    let after = json(&server, &[&report[..], &["--group", "category"]].concat());
    let credits = &after["totals"][0]["credits"];
    assert_eq!((&credits["expired"], &credits["closing"]), (&"40".into(), &"100".into()));
    assert_eq!(credits["neverExpiring"], "100");
}
