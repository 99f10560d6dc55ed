//! HTTP/2 to a server with nothing on top of it but that a connection which has ended is opened again. The load shares the
//! processors with what it measures, as `pgbench` does, which is small.

use std::{
    error::Error,
    future::Future,
    pin::Pin,
    sync::Arc,
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
use thiserror::Error;
use tokio::sync::Mutex;
use tonic::{Status, body::Body};
use tower::{Service, ServiceExt as _};

/// Bytes of answers that may be on their way, on a connection and in a call: more than are ever waiting to be read.
const WINDOW_BYTES: u32 = 1_024 * 1_024;

/// Why a connection was not opened, or a call came to no answer.
#[derive(Debug, Error)]
pub enum ConnectionError {
    #[error("the server cannot be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    #[error("the request cannot be sent")]
    Request(#[source] Status),
    #[error("not an address")]
    Address(#[from] http::Error),
    #[error(transparent)]
    Http2(#[from] h2::Error),
}

/// A connection for calls with one request and one answer. Clones share it.
#[derive(Debug, Clone)]
pub struct Connection {
    requests: Arc<Mutex<SendRequest<Bytes>>>,
    server: Uri,
}

impl Connection {
    /// Opens so many of them.
    pub async fn open(server: &Server, connections: u32) -> Result<Vec<Self>, ConnectionError> {
        let uri = Uri::builder().scheme(Scheme::HTTP).authority(server.address().to_string());
        let uri = uri.path_and_query("/").build()?;
        let mut opened = Vec::new();
        for _ in 0..connections {
            opened.push(Self::to(uri.clone()).await?);
        }
        Ok(opened)
    }

    async fn to(server: Uri) -> Result<Self, ConnectionError> {
        let requests = Arc::new(Mutex::new(connect(&server).await?));
        Ok(Self { requests, server })
    }

    /// Where requests are sent. A server ends connections of some age, and then takes no more on them.
    async fn requests(&self) -> Result<SendRequest<Bytes>, ConnectionError> {
        let mut current = self.requests.lock().await;
        if let Ok(requests) = current.clone().ready().await {
            return Ok(requests);
        }
        *current = connect(&self.server).await?;
        Ok(current.clone())
    }

    /// The same call at this server.
    fn at_server(&self, called: Uri) -> Result<Uri, http::Error> {
        let mut parts = self.server.clone().into_parts();
        parts.path_and_query = called.into_parts().path_and_query;
        Ok(Uri::from_parts(parts)?)
    }
}

async fn connect(server: &Uri) -> Result<SendRequest<Bytes>, ConnectionError> {
    let stream = connector(None).oneshot(server.clone()).await;
    let (requests, connection) = Builder::new()
        .initial_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .handshake(stream.map_err(ConnectionError::Unreachable)?.into_inner())
        .await?;
    // The calls on it say why it has ended.
    tokio::spawn(connection);
    Ok(requests)
}

impl Service<Request<Body>> for Connection {
    type Response = Response<Answer>;
    type Error = ConnectionError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Answer>, ConnectionError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        // Calls beyond what the connection takes wait in their order with their answers.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let connection = self.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            parts.uri = connection.at_server(parts.uri)?;
            let message = body.collect().await.map_err(ConnectionError::Request)?.to_bytes();
            let mut requests = connection.requests().await?;
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

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Ends each connection after one call, which it answers with what it was asked.
    async fn serve_once_each(listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            let (mut request, mut respond) = connection.accept().await.unwrap().unwrap();
            connection.graceful_shutdown();
            tokio::spawn(async move { while connection.accept().await.is_some() {} });
            let message = request.body_mut().data().await.unwrap().unwrap();
            let mut stream = respond.send_response(Response::new(()), false).unwrap();
            stream.send_data(message, true).unwrap();
        }
    }

    #[tokio::test]
    async fn a_connection_that_the_server_has_ended_is_opened_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(serve_once_each(listener));
        let mut connection = Connection::to(server).await.unwrap();
        for message in ["one", "two", "three"] {
            let body = Body::new(message.to_owned());
            let request = Request::builder().uri("/purse.test/Echo").body(body).unwrap();
            let answer = connection.call(request).await.unwrap();
            assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), message);
        }
    }
}
