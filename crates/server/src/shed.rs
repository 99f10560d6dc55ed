//! Refusing what comes faster than the processors can take it up.
//!
//! A lane knows how long a write will wait for its batch. This is about the wait before that, of every call: for its turn
//! on a processor. Where more comes than can even be looked at, whatever is taken up makes the rest wait longer, until
//! every answer is late; a refusal costs a fraction of a spend, so refusing the latest makes room for the others.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::{Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};

use crate::{status, telemetry::own_method};

/// A call that has waited longer for its turn is refused, if most have for a while.
const LONGEST_TURN: Duration = Duration::from_millis(50);
/// For so long calls must have waited, on average, half of that or more: a burst is no overload, nor is a pause of the process.
const WHILE: Duration = Duration::from_millis(500);
/// Of the average, one call makes so small a part.
const CALLS_IN_MEAN: u64 = 64;

/// Adds refusals to a service.
#[derive(Debug, Clone, Default)]
pub struct ShedLayer(Arc<Turns>);

/// How long calls wait for their turn, on average over the last ones. Calls that ask at once may miss each other, which
/// an average bears.
#[derive(Debug)]
struct Turns {
    began: Instant,
    mean_micros: AtomicU64,
    /// Since when calls wait too long, in microseconds since `began`; 0: they do not.
    late_since: AtomicU64,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            mean_micros: AtomicU64::new(0),
            late_since: AtomicU64::new(0),
        }
    }
}

impl Turns {
    /// Whether the call that was read then, and whose turn is now, is to be refused.
    fn refuses(&self, read_at: Instant, now: Instant) -> bool {
        let waited = now - read_at;
        let before = self.mean_micros.load(Ordering::Relaxed);
        let mean = (before * (CALLS_IN_MEAN - 1) + micros(waited)) / CALLS_IN_MEAN;
        self.mean_micros.store(mean, Ordering::Relaxed);
        if mean < micros(LONGEST_TURN) / 2 {
            self.late_since.store(0, Ordering::Relaxed);
            return false;
        }
        let now = micros(now - self.began);
        let late_since = match self.late_since.load(Ordering::Relaxed) {
            0 => {
                self.late_since.store(now, Ordering::Relaxed);
                now
            }
            since => since,
        };
        waited > LONGEST_TURN && now.saturating_sub(late_since) >= micros(WHILE)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX / CALLS_IN_MEAN)
}

impl<S> Layer<S> for ShedLayer {
    type Service = Shed<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Shed { inner, turns: Arc::clone(&self.0) }
    }
}

/// A service that refuses what it cannot take up in time.
#[derive(Debug, Clone)]
pub struct Shed<S> {
    inner: S,
    turns: Arc<Turns>,
}

impl<S> Service<Request<Body>> for Shed<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    /// Called when the call's headers are read; what it answers is polled when it is the call's turn.
    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if own_method(request.uri().path()).is_none() {
            return Box::pin(self.inner.call(request));
        }
        let other = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, other);
        let turns = Arc::clone(&self.turns);
        let read_at = Instant::now();
        Box::pin(async move {
            if turns.refuses(read_at, Instant::now()) {
                return Ok(status::overloaded().into_http());
            }
            inner.call(request).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets a call a millisecond come for so long, each of which waits for its turn; how many are refused.
    fn refused(turns: &Turns, from_millis: u64, calls: u64, turn_millis: u64) -> usize {
        let turn = Duration::from_millis(turn_millis);
        let read = (0..calls).map(|call| turns.began + Duration::from_millis(from_millis + call));
        read.filter(|read_at| turns.refuses(*read_at, *read_at + turn)).count()
    }

    #[test]
    fn calls_that_wait_too_long_for_long_are_refused_until_they_do_not() {
        let turns = Turns::default();
        let late = refused(&turns, 0, 2_000, 100);
        assert!((1_300..1_500).contains(&late), "{late}");
        assert_eq!(refused(&turns, 2_000, 1_000, 10), 0);
        assert_eq!(refused(&turns, 3_000, 300, 100), 0, "a burst");
    }

    #[test]
    fn a_pause_and_turns_that_are_short_enough_refuse_nobody() {
        let turns = Turns::default();
        assert_eq!(refused(&turns, 0, 2_000, 20), 0);
        assert_eq!(refused(&turns, 2_000, 5, 3_000), 0);
        assert_eq!(refused(&turns, 6_000, 2_000, 45), 0, "late, and none of them too late");
    }

    #[tokio::test]
    async fn health_checks_and_calls_in_time_pass() {
        use tower::{ServiceExt as _, service_fn};
        let answers = service_fn(async |_: Request<Body>| Ok(Response::new(Body::empty())));
        for path in ["/grpc.health.v1.Health/Check", "/purse.v1.WalletService/Spend"] {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            let answer = ShedLayer::default().layer(answers).oneshot(request).await.unwrap();
            assert!(!answer.headers().contains_key("grpc-status"), "{path}");
        }
    }
}
