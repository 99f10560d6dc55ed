//! `purse events send`: a file of subscription events, sent again and again.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    folder::Folder,
    process::{Finished, purse, run},
    server::Server,
};

fn event(source: &str, number: i64, version: i64) -> String {
    let event = json!({
        "eventId": format!("{source}_{number}"),
        "source": source,
        "account": format!("org:{source}"),
        "subscriptionId": "sub",
        "version": version,
        "kind": "SUBSCRIPTION_EVENT_KIND_RENEWED",
        "effectiveAt": "2126-01-01T00:00:00Z",
        "state": {
            "status": "SUBSCRIPTION_STATUS_ACTIVE",
            "planId": "basic",
            "startedAt": "2126-01-01T00:00:00Z",
        },
    });
    event.to_string()
}

fn send(server: &Server, file: &Path, more: &[&str]) -> (Finished, Value) {
    let mut command = purse();
    command.args(["--server", server.endpoint(), "-o", "json", "events", "send"]);
    let finished = run(command.arg(file).args(more));
    let answer = serde_json::from_str(&finished.stdout).unwrap_or_default();
    (finished, answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_on_from_the_source_that_has_come_least_far() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    let file = folder.path("events.jsonl");
    let written = |lines: &[String]| fs::write(&file, lines.join("\n")).unwrap();
    written(&[event("a", 1, 1), event("a", 2, 2), event("a", 3, 3)]);
    let (finished, answer) = send(&server, &file, &[]);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(answer["acknowledgedBefore"], 0);
    // `a` has come to its third, `b` to its first.
    written(&[event("b", 1, 1)]);
    assert_eq!(send(&server, &file, &[]).0.code, Some(0));
    let all = [event("a", 1, 1), event("b", 1, 1), event("a", 2, 2), event("b", 2, 2)];
    written(&[all.as_slice(), &[event("a", 3, 3)]].concat());
    let (finished, answer) = send(&server, &file, &[]);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(answer["acknowledgedBefore"], 2);
    assert_eq!(answer["outcomes"], json!({"applied": 1, "duplicate": 2}), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_rejected_is_sent_once_it_is_corrected() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    let file = folder.path("events.jsonl");
    fs::write(&file, [event("a", 1, 1), event("a", 2, 0), event("a", 3, 3)].join("\n")).unwrap();
    let (finished, answer) = send(&server, &file, &[]);
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    assert!(finished.stderr.contains("a_2: event.version"), "{finished:#?}");
    assert!(finished.stderr.contains("--from-start"), "{finished:#?}");
    assert_eq!(answer["rejected"], json!(["a_2"]));
    fs::write(&file, [event("a", 1, 1), event("a", 2, 2), event("a", 3, 3)].join("\n")).unwrap();
    let (finished, answer) = send(&server, &file, &["--from-start"]);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(answer["outcomes"], json!({"duplicate": 2, "stale": 1}), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_twice_is_refused() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    let (finished, _) = send(&server, Path::new("/dev/null"), &[]);
    assert_eq!(finished.code, Some(2), "{finished:#?}");
    assert!(finished.stderr.contains("no regular file"), "{finished:#?}");
}
