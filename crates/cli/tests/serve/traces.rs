//! Traces over OTLP.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use purse_proto::v1::{SpendRequest, wallet_service_client::WalletServiceClient};
use tonic::Request;

use crate::{
    collector::Collector,
    folder::Folder,
    ledger::{Spend, open},
    process::until,
    server::Server,
};

/// The caller's own span.
const TRACE_ID: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
const PARENT_ID: u64 = 0x00f0_67aa_0ba9_02b7;
/// What a write is made of, in the order in which it happens.
const STEPS: [&str; 6] = ["parse", "lane wait", "load", "decide", "write", "commit"];

fn traced_spend() -> Request<SpendRequest> {
    let mut request = Request::new(Spend::new("traced", 1).request());
    let traceparent = format!("00-{TRACE_ID:032x}-{PARENT_ID:016x}-01");
    request.metadata_mut().insert("traceparent", traceparent.parse().unwrap());
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spend_is_drawn_step_by_step_into_the_trace_of_its_caller() {
    let collector = Collector::start();
    let folder = Folder::new();
    let server = Server::start_with(&folder, |command| {
        command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
            .env("OTEL_BSP_SCHEDULE_DELAY", "100")
    })
    .await;
    open(&server.client(), 100).await;

    WalletServiceClient::new(server.channel()).spend(traced_spend()).await.unwrap();

    let mut spans = Vec::new();
    until(|| {
        spans = collector.trace(&TRACE_ID.to_be_bytes());
        spans.len() > STEPS.len()
    });
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(spans.len(), 1 + STEPS.len(), "{names:?}\n{}", server.log());

    let find = |name: &str| spans.iter().find(|span| span.name == name).expect(name);
    let call = find("purse.v1.WalletService/Spend");
    assert_eq!(call.kind(), SpanKind::Server);
    assert_eq!(call.parent_span_id, PARENT_ID.to_be_bytes());
    let mut reached = call.start_time_unix_nano;
    for step in STEPS.map(find) {
        assert_eq!(step.parent_span_id, call.span_id, "{}", step.name);
        assert!(reached <= step.start_time_unix_nano, "{} comes after the one before", step.name);
        assert!(step.start_time_unix_nano <= step.end_time_unix_nano, "{}", step.name);
        reached = step.start_time_unix_nano;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_that_were_not_sent_yet_are_sent_when_the_server_stops() {
    let collector = Collector::start();
    let folder = Folder::new();
    let server = Server::start_with(&folder, |command| {
        // An hour: nothing is sent before the end.
        command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
            .env("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    })
    .await;
    // There is no such wallet, which is a call like any other.
    WalletServiceClient::new(server.channel()).spend(traced_spend()).await.unwrap_err();
    assert_eq!(collector.trace(&TRACE_ID.to_be_bytes()), []);

    let (code, log) = server.stop();
    assert_eq!(code, Some(0), "{log}");
    let spans = collector.trace(&TRACE_ID.to_be_bytes());
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert!(names.contains(&"purse.v1.WalletService/Spend"), "{names:?}\n{log}");
}
