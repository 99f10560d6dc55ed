//! Deadlines: a call that takes longer than its caller waits is answered `DEADLINE_EXCEEDED`.
//!
//! The framework has a time-out of its own that answers CANCELLED; this one is inside it and comes first.
//! Only the handler is dropped: a write goes on in its lane.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderMap, Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};

use crate::status;

/// For callers that set none: longer than any call takes, short enough to end one that hangs.
const DEFAULT: Duration = Duration::from_secs(30);

/// Adds the deadline to a service.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeadlineLayer;

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Deadline { inner }
    }
}

/// A service whose calls end at their deadline.
#[derive(Debug, Clone)]
pub struct Deadline<S> {
    inner: S,
}

impl<S> Service<Request<Body>> for Deadline<S>
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

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let deadline = asked(request.headers()).unwrap_or(DEFAULT);
        let answer = self.inner.call(request);
        Box::pin(async move {
            match tokio::time::timeout(deadline, answer).await {
                Ok(answer) => answer,
                Err(_) => Ok(status::deadline_exceeded().into_http()),
            }
        })
    }
}

/// `grpc-timeout`: at most eight digits and a unit.
fn asked(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    match unit {
        "H" => Some(Duration::from_hours(count)),
        "M" => Some(Duration::from_mins(count)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_that_hangs_is_answered_at_its_deadline() {
        let hangs = service_fn(|_: Request<Body>| std::future::pending());
        let request = Request::builder().header("grpc-timeout", "200m").body(Body::empty());
        let began = tokio::time::Instant::now();
        let answer = DeadlineLayer.layer(hangs).oneshot(request.unwrap()).await.unwrap();
        assert_eq!(began.elapsed(), Duration::from_millis(200));
        assert_eq!(answer.headers()["grpc-status"], "4");
        assert!(answer.headers().contains_key("grpc-status-details-bin"));
    }

    #[test]
    fn the_callers_deadline_is_understood() {
        for (text, expected) in [
            ("5S", Some(Duration::from_secs(5))),
            ("100m", Some(Duration::from_millis(100))),
            ("2H", Some(Duration::from_hours(2))),
            ("123456789S", None),
            ("S", None),
            ("5x", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().unwrap());
            assert_eq!(asked(&headers), expected, "{text:?}");
        }
    }
}
