//! HTTP/2 to a server with nothing on top of it: no queue in front, no second connection when one is lost. The load shares
//! the processors with what it measures, as `pgbench` does, which is small.

use std::{
    error::Error,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{
    RecvStream,
    client::{Builder, SendRequest},
};
use http::{Request, Response, Uri, uri::Scheme};
use http_body::Frame;
use http_body_util::BodyExt as _;
use purse_process::Server;
use purse_wire::connector;
use tonic::body::Body;
use tower::{Service, ServiceExt as _};

/// Why a call came to no answer, or a connection was not opened.
pub type ConnectionError = Box<dyn Error + Send + Sync>;

/// Bytes of answers that may be on their way, on a connection and in a call: more than are ever waiting to be read.
const WINDOW_BYTES: u32 = 1_024 * 1_024;

/// A connection for calls with one request and one answer. Clones share it.
#[derive(Debug, Clone)]
pub struct Connection {
    requests: SendRequest<Bytes>,
    server: Uri,
}

impl Connection {
    /// Opens so many of them.
    pub async fn open(server: &Server, connections: u32) -> Result<Vec<Self>, ConnectionError> {
        let uri = Uri::builder().scheme(Scheme::HTTP).authority(server.address().to_string());
        let uri = uri.path_and_query("/").build()?;
        let mut opened = Vec::new();
        for _ in 0..connections {
            let stream = connector().oneshot(uri.clone()).await?.into_inner();
            let (requests, connection) = Builder::new()
                .initial_window_size(WINDOW_BYTES)
                .initial_connection_window_size(WINDOW_BYTES)
                .handshake(stream)
                .await?;
            // The calls on it say why it has ended.
            tokio::spawn(connection);
            opened.push(Self { requests, server: uri.clone() });
        }
        Ok(opened)
    }

    /// The same call at this server.
    fn at_server(&self, called: Uri) -> Result<Uri, http::uri::InvalidUriParts> {
        let mut parts = self.server.clone().into_parts();
        parts.path_and_query = called.into_parts().path_and_query;
        Uri::from_parts(parts)
    }
}

impl Service<Request<Body>> for Connection {
    type Response = Response<Answer>;
    type Error = ConnectionError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Answer>, ConnectionError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        // Each call waits for its own place among the streams.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let connection = self.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            parts.uri = connection.at_server(parts.uri)?;
            let message = body.collect().await?.to_bytes();
            let mut requests = connection.requests.ready().await?;
            let (answer, mut stream) =
                requests.send_request(Request::from_parts(parts, ()), false)?;
            stream.send_data(message, true)?;
            Ok(answer.await?.map(Answer::new))
        })
    }
}

/// What a server answers.
#[derive(Debug)]
pub struct Answer {
    stream: RecvStream,
    has_all_data: bool,
}

impl Answer {
    fn new(stream: RecvStream) -> Self {
        Self { stream, has_all_data: false }
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if !self.has_all_data {
            if let Some(data) = ready!(self.stream.poll_data(context)) {
                let bytes = data?;
                self.stream.flow_control().release_capacity(bytes.len())?;
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            self.has_all_data = true;
        }
        let trailers = ready!(self.stream.poll_trailers(context));
        Poll::Ready(trailers.transpose().map(|trailers| trailers.map(Frame::trailers)))
    }
}
