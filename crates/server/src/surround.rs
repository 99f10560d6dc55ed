//! What surrounds every call of Purse's own services: telemetry sees it, a call that has waited too long for its turn is
//! refused, and one that takes longer than its caller waits is ended. Health and reflection pass untouched.

use std::{
    convert::Infallible,
    future::{Future, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use http::{Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};

use crate::{
    deadline,
    shed::Turns,
    status,
    telemetry::{Metrics, SeenCall},
};

/// Surrounds a service.
#[derive(Debug, Clone)]
pub struct SurroundLayer {
    metrics: Arc<Metrics>,
    turns: Arc<Turns>,
}

impl SurroundLayer {
    /// Calls are counted there.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, turns: Arc::default() }
    }
}

impl<S> Layer<S> for SurroundLayer {
    type Service = Surrounded<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Surrounded { inner, layer: self.clone(), cloned_at: Instant::now() }
    }
}

/// A service whose calls are surrounded.
#[derive(Debug)]
pub struct Surrounded<S> {
    inner: S,
    layer: SurroundLayer,
    cloned_at: Instant,
}

/// The transport clones the service for each call, when its headers are read, and calls the clone when it is the call's
/// turn. In between lies the wait that nothing else tells.
impl<S: Clone> Clone for Surrounded<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone(), cloned_at: Instant::now() }
    }
}

impl<S> Service<Request<Body>> for Surrounded<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let Some(call) = SeenCall::begin(&mut request, &self.layer.metrics) else {
            return Box::pin(self.inner.call(request));
        };
        if self.layer.turns.refuses(self.cloned_at.elapsed()) {
            return Box::pin(ready(Ok(call.answer(status::overloaded().into_http()))));
        }
        let deadline = deadline::of(request.headers());
        let answer = tokio::time::timeout(deadline, self.inner.call(request));
        Box::pin(async move {
            let answer = match answer.await {
                Ok(answer) => answer?,
                Err(_) => status::deadline_exceeded().into_http(),
            };
            Ok(call.answer(answer))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use http::{HeaderMap, HeaderValue, Uri};
    use tokio::{net::TcpListener, task::JoinSet};
    use tokio_stream::wrappers::TcpListenerStream;
    use tonic::transport::{Endpoint, Server};
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    const OVERLOADED: &str = "8";
    const DEADLINE_EXCEEDED: &str = "4";

    fn layer() -> SurroundLayer {
        SurroundLayer::new(Arc::new(Metrics::new()))
    }

    fn request(path: &str, headers: HeaderMap) -> Request<Body> {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = Uri::builder()
            .scheme("http")
            .authority("purse.test")
            .path_and_query(path)
            .build()
            .unwrap();
        *request.headers_mut() = headers;
        request
    }

    fn code(answer: &Response<Body>) -> Option<&str> {
        answer.headers().get("grpc-status").map(|code| code.to_str().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_hangs_is_answered_at_its_deadline() {
        let hangs = service_fn(|_: Request<Body>| std::future::pending());
        let timeout = ("grpc-timeout".parse().unwrap(), HeaderValue::from_static("200m"));
        let request = request("/purse.v1.WalletService/Spend", HeaderMap::from_iter([timeout]));
        let began = tokio::time::Instant::now();
        let answer = layer().layer(hangs).oneshot(request).await.unwrap();
        assert_eq!(began.elapsed(), Duration::from_millis(200));
        assert_eq!(code(&answer), Some(DEADLINE_EXCEEDED));
        assert!(answer.headers().contains_key("grpc-status-details-bin"));
    }

    /// Calls come at once, each of which takes a processor for ten milliseconds: a real transport, and really busy, because
    /// that it clones the service when a call comes is what the wait is seen by. How they are answered.
    async fn answers_to_a_flood(path: &'static str, calls: usize) -> Vec<Option<String>> {
        let works = service_fn(async |_: Request<Body>| {
            thread::sleep(Duration::from_millis(10));
            Ok::<_, Infallible>(Response::new(Body::empty()))
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::builder().layer(layer());
        let incoming = TcpListenerStream::new(listener);
        let server = tokio::spawn(server.serve_with_incoming(works, incoming));
        let channel =
            Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        let mut answers = JoinSet::new();
        for _ in 0..calls {
            let call = channel.clone().oneshot(request(path, HeaderMap::new()));
            answers.spawn(async move { code(&call.await.unwrap()).map(str::to_owned) });
        }
        let answers = answers.join_all().await;
        server.abort();
        answers
    }

    #[tokio::test]
    async fn calls_that_wait_too_long_for_their_turn_are_refused() {
        let answers = answers_to_a_flood("/purse.v1.WalletService/Spend", 200).await;
        let refused = answers.iter().filter(|answer| answer.as_deref() == Some(OVERLOADED)).count();
        assert!((50..150).contains(&refused), "{refused} of {} refused", answers.len());
        assert_eq!(answers.iter().flatten().count(), refused, "{answers:?}");
    }

    #[tokio::test]
    async fn health_checks_are_never_refused() {
        let answers = answers_to_a_flood("/grpc.health.v1.Health/Check", 10).await;
        assert!(answers.iter().all(Option::is_none), "{answers:?}");
    }
}
