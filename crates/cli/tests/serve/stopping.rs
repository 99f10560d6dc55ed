//! Stopping, and the lock on the data folder.

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    folder::Folder,
    ledger::{Spend, balance, open},
    process::run,
    server::{READINESS, Server, serve},
};

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_stops_the_server_and_its_postgresql_with_exit_code_0() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    let client = server.client();
    open(&client, 100).await;
    client.spend(Spend::new("before", 1).request()).await.unwrap();

    // The client is still connected: an idle connection does not hold the server up.
    let (code, log) = server.stop();
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(folder.cluster().processes(), [], "{log}");

    let server = Server::start(&folder).await;
    assert_eq!(balance(&server.client()).await, "99");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_a_data_folder_is_refused_and_leaves_the_first_one_alone() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    open(&server.client(), 100).await;

    let second = run(&mut serve(&folder));
    assert_eq!(second.code, Some(1), "{second:#?}");
    let complaint = format!("the data folder {} is in use", folder.data().display());
    assert!(second.stderr.lines().any(|line| line.contains(&complaint)), "{second:#?}");

    assert_eq!(balance(&server.client()).await, "100");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_stays_open_is_cut_once_the_time_to_drain_is_over() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    let request = HealthCheckRequest { service: READINESS.to_owned() };
    let _stream = HealthClient::new(server.channel()).watch(request).await.unwrap();
    stop_in_time(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_says_nothing_is_cut_once_the_time_to_drain_is_over() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    let _silent = TcpStream::connect(server.endpoint().strip_prefix("http://").unwrap()).unwrap();
    stop_in_time(server);
}

/// Calls have seven seconds to end. This is that, and some more for a busy machine.
fn stop_in_time(server: Server) {
    let asked = Instant::now();
    let (code, log) = server.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(asked.elapsed() < Duration::from_secs(16), "{:?}\n{log}", asked.elapsed());
}
