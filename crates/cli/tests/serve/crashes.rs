//! Invariant 7: an acknowledged write is there after any crash; an unacknowledged one is there once or not
//! at all.

use std::collections::BTreeSet;

use crate::{
    folder::Folder,
    ledger::{Spend, assert_holds_exactly, open},
    load::{Load, OnFailure},
    process::until,
    server::Server,
};

/// More than any load here can spend.
const GRANTED: u64 = 100_000_000;
/// How many spends are acknowledged before the crash, and again after it.
const SPENDS: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn a_spend_acknowledged_before_a_kill_of_the_server_is_there_exactly_once_after_it() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    open(&server.client(), GRANTED).await;
    let load = Load::start(&server, OnFailure::Stop);
    load.wait_for_more(SPENDS).await;

    let first_postmaster = folder.cluster().postmaster();
    server.kill();
    let spends = load.stop().await;

    // At once, while the PostgreSQL of the killed server is still about to stop.
    let server = Server::start(&folder).await;
    let postmaster = folder.cluster().postmaster();
    assert_ne!(postmaster, first_postmaster);
    for process in folder.cluster().processes() {
        assert!([process.pid, process.parent].contains(&postmaster), "{process:?} stayed behind");
    }
    assert_retries_find_what_was_acknowledged(&server, &spends).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spend_acknowledged_before_a_stop_of_the_server_is_there_exactly_once_after_it() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    open(&server.client(), GRANTED).await;
    let load = Load::start(&server, OnFailure::Stop);
    load.wait_for_more(SPENDS).await;

    let (code, log) = server.stop();
    assert_eq!(code, Some(0), "{log}");
    let spends = load.stop().await;

    let server = Server::start(&folder).await;
    assert_retries_find_what_was_acknowledged(&server, &spends).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_retry_through_a_kill_of_postgresql_have_each_spend_exactly_once() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    open(&server.client(), GRANTED).await;
    let load = Load::start(&server, OnFailure::Retry);
    load.wait_for_more(SPENDS).await;

    let first_postmaster = folder.cluster().postmaster();
    folder.cluster().kill_postmaster();
    load.wait_for_more(SPENDS).await;
    assert!(load.failures() > 0, "the callers noticed");
    assert_ne!(folder.cluster().postmaster(), first_postmaster);

    let spends = load.stop().await;
    let transactions: BTreeSet<&str> = spends
        .iter()
        .map(|spend| spend.answer.as_ref().unwrap().transaction.as_ref().unwrap())
        .map(|transaction| transaction.transaction_id.as_str())
        .collect();
    assert_eq!(transactions.len(), spends.len(), "each spend is a transaction of its own");
    server.wait_until_ready().await;
    assert_holds_exactly(&server.client(), GRANTED, &spends).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_takes_its_postgresql_with_it() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    let cluster = folder.cluster();
    assert!(!cluster.processes().is_empty());
    server.kill();
    assert!(until(|| cluster.processes().is_empty()), "{:?}", cluster.processes());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_of_the_first_start_does_not_keep_the_next_one_from_starting() {
    // Files that `initdb` makes, from its beginning to its end.
    for file in ["PG_VERSION", "postgresql.conf", "global/pg_control", "global/1262"] {
        let folder = Folder::new();
        let server = Server::spawn(&folder, |command| command);
        until(|| folder.cluster().is_half_made_with(file));
        server.kill();
        drop(Server::start(&folder).await);
    }
}

/// Sends each spend of a load that was cut off again, to a server on the same data.
async fn assert_retries_find_what_was_acknowledged(server: &Server, spends: &[Spend]) {
    let acknowledged = spends.iter().filter(|spend| spend.answer.is_some()).count();
    assert!((SPENDS..spends.len()).contains(&acknowledged), "it was in the middle of the load");

    let client = server.client();
    for spend in spends {
        let again = client.spend(spend.request()).await.unwrap();
        if let Some(first) = &spend.answer {
            assert!(again.replayed, "{} was acknowledged and is not there", spend.key);
            assert_eq!(again.transaction, first.transaction);
            assert_eq!(again.balance, first.balance);
        }
    }
    assert_holds_exactly(&client, GRANTED, spends).await;
}
