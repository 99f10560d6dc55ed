//! A database that dies is answered for honestly, and its return is noticed without help.

use std::time::Duration;

use purse_proto::v1;
use purse_server::{
    auth::Credentials,
    node::{Database, Node, NodeOptions},
    sweeper::SweepOptions,
    watch::WatchOptions,
};
use purse_storage::embedded::Embedded;
use rustix::process::{Pid, Signal, kill_process};
use tonic::{Code, Request};
use tonic_health::pb::health_check_response::ServingStatus;

use crate::fixture::{ACCOUNT, PATIENCE, Server, new_cluster, refusal, spend};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_database_gives_unavailable_and_recovers_by_itself() {
    let cluster = tokio::task::spawn_blocking(new_cluster).await.unwrap();
    cluster.ensure_database().await.unwrap();
    let server = Server::start_on(cluster.url().to_owned()).await;
    server.open(ACCOUNT).await;
    server.fund(ACCOUNT, "100").await;
    server.spend(spend(ACCOUNT, "1", "before")).await.unwrap();

    let killed = cluster.server_pid().unwrap();
    kill_process(Pid::from_raw(killed).unwrap(), Signal::KILL).unwrap();
    // A backend that outlives its postmaster for a moment may still answer; then come the refusals.
    let during = until_accepted(&server, "during").await;
    assert_eq!(during.balance.unwrap().balance, "98");
    wait_for_another(&cluster, killed).await;
    assert!(until_accepted(&server, "before").await.replayed);
    assert!(until_accepted(&server, "during").await.replayed);
    server.wait_for(ServingStatus::Serving).await;
    assert_eq!(server.balance(ACCOUNT).await, "98");
    server.node.stop().await;
    tokio::task::spawn_blocking(move || cluster.stop()).await.unwrap();
}

/// Spends 1, with the same key until it is accepted. Each refusal on the way is an honest one.
async fn until_accepted(server: &Server, key: &str) -> v1::SpendResponse {
    let accepted = async {
        loop {
            let mut request = Request::new(spend(ACCOUNT, "1", key));
            request.set_timeout(Duration::from_secs(5));
            match server.wallets().spend(request).await {
                Ok(answer) => return answer.into_inner(),
                Err(status) => {
                    let expected = (Code::Unavailable, "DATABASE_UNAVAILABLE".to_owned());
                    assert_eq!(refusal(&status), expected);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, accepted).await.expect("recovery")
}

/// Waits until the supervisor has started another server.
async fn wait_for_another(cluster: &Embedded, killed: i32) {
    let started = async {
        while cluster.server_pid().is_none_or(|pid| pid == killed) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, started).await.expect("another server");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_its_database_is_alive_and_not_ready() {
    let options = NodeOptions {
        // Nothing listens there.
        database: Database::External {
            url: "host=/nonexistent user=purse dbname=purse".to_owned(),
            migrate_by: None,
        },
        listen: "127.0.0.1:0".parse().unwrap(),
        metrics_listen: None,
        credentials: Credentials::open(),
        lanes: 1,
        watch: WatchOptions::default(),
        sweep: SweepOptions::default(),
        test_clock: false,
        allow_data_loss: false,
        append_only: true,
    };
    let node = Node::start(options).await.unwrap();
    let endpoint = format!("http://{}", node.address());
    let channel = tonic::transport::Channel::from_shared(endpoint).unwrap().connect_lazy();
    let server = Server { node, url: String::new(), channel };

    assert_eq!(server.health("").await, ServingStatus::Serving);
    assert_eq!(server.health("purse.v1.WalletService").await, ServingStatus::NotServing);
    let mut request = Request::new(spend(ACCOUNT, "1", "k"));
    request.set_timeout(Duration::from_secs(10));
    let status = server.wallets().spend(request).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::Unavailable, "DATABASE_UNAVAILABLE".to_owned()));
    server.node.stop().await;
}
