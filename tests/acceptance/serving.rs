//! What surrounds the services: reflection, health, metrics, start and stop.

use std::time::Duration;

use purse_server::{
    auth::Credentials,
    health::Demands,
    node::{Database, Node, NodeOptions},
    server::{Server as Bare, ServerError, ServerOptions},
    sweeper::SweepOptions,
    watch::WatchOptions,
};
use tokio_stream::StreamExt as _;
use tonic_reflection::pb::{v1, v1alpha};
use tonic_types::StatusExt as _;

use crate::fixture::{ACCOUNT, Server, at_once, spend};

#[tokio::test]
async fn reflection_lists_everything_in_both_versions() {
    let server = Server::start().await;
    let expected = [
        "grpc.health.v1.Health",
        "purse.testing.v1.TestClockService",
        "purse.v1.CatalogService",
        "purse.v1.EventService",
        "purse.v1.GrantService",
        "purse.v1.ReportService",
        "purse.v1.SubscriptionService",
        "purse.v1.WalletService",
    ];
    let request = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1::server_reflection_request::MessageRequest::ListServices(
            String::new(),
        )),
    };
    let mut client =
        v1::server_reflection_client::ServerReflectionClient::new(server.channel.clone());
    let mut answers =
        client.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();
    let answer = answers.next().await.unwrap().unwrap().message_response.unwrap();
    let v1::server_reflection_response::MessageResponse::ListServicesResponse(list) = answer else {
        panic!("{answer:?}");
    };
    let mut names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    names.sort();
    assert_eq!(names, expected);

    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(
                "purse.v1.SpendRequest".to_owned(),
            ),
        ),
    };
    let mut client =
        v1alpha::server_reflection_client::ServerReflectionClient::new(server.channel.clone());
    let mut answers =
        client.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();
    let answer = answers.next().await.unwrap().unwrap().message_response.unwrap();
    assert!(matches!(
        answer,
        v1alpha::server_reflection_response::MessageResponse::FileDescriptorResponse(_)
    ));
}

#[tokio::test]
async fn metrics_are_scraped_and_name_no_account() {
    let server = Server::start().await;
    server.open("a-very-secret-account").await;
    server.fund("a-very-secret-account", "10").await;
    let text = server.metrics().await;
    for expected in [
        "rpc_server_call_duration_seconds_count{",
        "rpc_method=\"purse.v1.GrantService/Grant\"",
        "rpc_response_status_code=\"OK\"",
        "db_client_operation_duration_seconds",
        "purse_lane_wait_duration_seconds",
        "purse_batch_size",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert!(!text.contains("secret"));
    assert!(!text.contains("grpc.health"));
}

/// Calls that have begun are answered, whatever the moment of the stop.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_running_calls_end() {
    let server = Server::start().await;
    server.open(ACCOUNT).await;
    server.fund(ACCOUNT, "1000").await;
    let wallets = server.wallets();
    let Server { node, url, .. } = server;
    let callers = at_once(32, |caller| {
        let mut wallets = wallets.clone();
        async move {
            let mut acknowledged = 0;
            for index in 0.. {
                match wallets.spend(spend(ACCOUNT, "1", &format!("{caller} {index}"))).await {
                    Ok(_) => acknowledged += 1,
                    // Not begun: the connection is closed, of which the client says what it likes, or the
                    // server says that it stops.
                    Err(status) => {
                        let reason = status.get_details_error_info().map(|info| info.reason);
                        assert!(
                            reason.as_deref().is_none_or(|reason| reason == "SERVER_STOPPING"),
                            "{status:?}"
                        );
                        return acknowledged;
                    }
                }
            }
            acknowledged
        }
    });
    let (acknowledged, ()) = tokio::join!(callers, async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        node.stop().await;
    });
    let acknowledged: i64 = acknowledged.into_iter().sum();
    let after = Server::start_on(url).await;
    let written: i64 = after
        .sql()
        .await
        .query_one("SELECT count(*) FROM entries WHERE kind = 4", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(written, acknowledged);
}

#[tokio::test]
async fn without_tokens_only_loopback_is_served() {
    let server = Server::start().await;
    let options = ServerOptions {
        listen: "0.0.0.0:0".parse().unwrap(),
        metrics_listen: None,
        credentials: Credentials::open(),
        lanes: 1,
        watch: WatchOptions::default(),
        sweep: SweepOptions::default(),
        sweep_place: 0,
        test_clock: None,
        demands: Demands { durability: true, append_only: true },
    };
    let refused = Bare::start(server.node.storage().clone(), options).await.unwrap_err();
    assert!(matches!(refused, ServerError::OpenToNetwork { .. }));
}

#[tokio::test]
async fn a_database_that_may_lose_writes_is_refused() {
    let server = Server::start().await;
    let sql = server.sql().await;
    let name: String = sql.query_one("SELECT current_database()::TEXT", &[]).await.unwrap().get(0);
    sql.batch_execute(&format!("ALTER DATABASE {name} SET synchronous_commit = off"))
        .await
        .unwrap();
    let url = server.url.clone();
    server.node.stop().await;
    let options = NodeOptions {
        database: Database::External { url, migrate_by: None },
        listen: "127.0.0.1:0".parse().unwrap(),
        metrics_listen: None,
        credentials: Credentials::open(),
        lanes: 1,
        watch: WatchOptions::default(),
        sweep: SweepOptions::default(),
        test_clock: false,
        append_only: false,
        allow_data_loss: false,
    };
    let refused = Node::start(options).await.unwrap_err();
    assert!(refused.to_string().starts_with("synchronous_commit is off"), "{refused}");
}
