//! A database that dies is answered for honestly, and its return is noticed without help.

use std::{process::Command, time::Duration};

use purse_server::{
    auth::Credentials,
    node::{Database, Node, NodeOptions},
};
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

    // SIGSTOP first, so that the supervisor cannot have started it again before the calls below.
    let pid = cluster.server_pid().unwrap().to_string();
    Command::new("kill").args(["-9", &pid]).status().unwrap();
    let mut unavailable = 0;
    let recovery = async {
        for attempt in 0.. {
            let mut request = Request::new(spend(ACCOUNT, "1", "during"));
            request.set_timeout(Duration::from_secs(5));
            match server.wallets().spend(request).await {
                Ok(answer) => return (attempt, answer.into_inner()),
                Err(status) => {
                    assert_eq!(
                        refusal(&status),
                        (Code::Unavailable, "DATABASE_UNAVAILABLE".to_owned())
                    );
                    unavailable += 1;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        unreachable!()
    };
    let (_, answer) = tokio::time::timeout(PATIENCE, recovery).await.expect("recovery");
    assert_eq!(answer.balance.unwrap().balance, "98");
    server.wait_for(ServingStatus::Serving).await;
    assert!(server.spend(spend(ACCOUNT, "1", "before")).await.unwrap().replayed);
    assert_eq!(server.balance(ACCOUNT).await, "98");
    server.node.stop().await;
    tokio::task::spawn_blocking(move || cluster.stop()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_its_database_is_alive_and_not_ready() {
    let options = NodeOptions {
        // Nothing listens there.
        database: Database::External {
            url: "host=/nonexistent user=purse dbname=purse".to_owned(),
            migrate: false,
        },
        listen: "127.0.0.1:0".parse().unwrap(),
        metrics_listen: None,
        credentials: Credentials::open(),
        lanes: 1,
        test_clock: false,
        allow_data_loss: false,
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
