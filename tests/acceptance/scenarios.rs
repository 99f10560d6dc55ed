//! Every scenario file over gRPC; the same files run against the domain alone in `scenarios_domain`.

use purse_tests::{GrpcDriver, run_file, scenario_files};

use crate::fixture::Server;

/// All files on one server, one after another: they share its clock, and each has accounts of its own.
#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_holds_over_grpc() {
    let files = scenario_files().unwrap();
    assert!(files.len() > 20, "{} scenario files", files.len());
    let server = Server::start().await;
    let mut failures = Vec::new();
    for file in &files {
        let mut driver = GrpcDriver::new(server.channel.clone());
        if let Err(failure) = run_file(file, &mut driver).await {
            failures.push(format!("{}: {failure}", file.display()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
