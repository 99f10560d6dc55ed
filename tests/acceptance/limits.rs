//! What is too large, malformed or cancelled leaves the server healthy.

use std::time::Duration;

use purse_proto::v1;
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
};
use tonic_health::pb::health_check_response::ServingStatus;

use crate::fixture::{ACCOUNT, Server, at_once, refusal, spend};

#[tokio::test]
async fn a_message_over_the_limit_is_refused() {
    let server = Server::start().await;
    let huge = v1::SpendRequest {
        reason: "x".repeat(purse_server::dispatch::MOST_MESSAGE_BYTES + 1),
        ..spend(ACCOUNT, "1", "k")
    };
    let status = server.spend(huge).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::OutOfRange, "MESSAGE_TOO_LARGE".to_owned()));
    assert_healthy(&server).await;
}

#[tokio::test]
async fn bytes_that_are_no_message_are_refused() {
    let server = Server::start().await;
    let mut grpc = Grpc::new(server.channel.clone());
    grpc.ready().await.unwrap();
    let path = PathAndQuery::from_static("/purse.v1.WalletService/Spend");
    // Field 1 with a length of 100 bytes, of which one comes.
    let garbage = vec![0x0a, 100, 0xff];
    let status = grpc.unary(Request::new(garbage), path, Raw).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::InvalidArgument, "MALFORMED_REQUEST".to_owned()));
    assert_healthy(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_calls_leave_nothing_behind() {
    let server = Server::start().await;
    server.open(ACCOUNT).await;
    server.fund(ACCOUNT, "1000").await;
    at_once(64, |index| {
        let mut wallets = server.wallets();
        async move {
            let call = wallets.spend(spend(ACCOUNT, "1", &format!("k{index}")));
            tokio::time::timeout(Duration::from_micros(index as u64 * 50), call).await.ok();
        }
    })
    .await;
    // Each is there once or not at all; asking again settles it.
    for index in 0..64 {
        server.spend(spend(ACCOUNT, "1", &format!("k{index}"))).await.unwrap();
    }
    assert_eq!(server.balance(ACCOUNT).await, "936");
    assert_healthy(&server).await;
}

async fn assert_healthy(server: &Server) {
    assert_eq!(server.health("").await, ServingStatus::Serving);
    assert_eq!(server.health("purse.v1.WalletService").await, ServingStatus::Serving);
    server.open("someone").await;
}

/// Sends bytes as they are.
#[derive(Debug, Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, bytes: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put_slice(buffer, &bytes);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, _: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        Ok(Some(()))
    }
}
