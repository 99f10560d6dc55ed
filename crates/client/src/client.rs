//! The client and the one loop that every call goes through.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};
use tonic::{
    Request, Response, Status,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};

use crate::{
    ClientOptions, Error, OptionsError, RetryPolicy,
    error::{Failure, Seen},
    retry::Jitter,
};

/// A page of 1,000 entries, each with the most metadata there can be, is 16 MiB and some more.
pub(crate) const MAX_ANSWER_BYTES: usize = 32 * 1_024 * 1_024;

/// A client of one Purse service. Clones share the connection.
#[derive(Clone)]
pub struct Client {
    channel: Channel,
    shared: Arc<Shared>,
}

struct Shared {
    endpoint: String,
    authorization: Option<MetadataValue<Ascii>>,
    timeout: Duration,
    retry: RetryPolicy,
    jitter: Jitter,
}

impl Client {
    /// Makes a client. The connection is made by the first call, and made again whenever it is lost.
    ///
    /// Must be called within a tokio runtime.
    pub fn connect(options: ClientOptions) -> Result<Self, OptionsError> {
        let authorization = options.authorization()?;
        let connector = purse_wire::connector(Some(options.connect_timeout));
        let channel = options.transport()?.connect_with_connector_lazy(connector);
        let ClientOptions { endpoint, timeout, retry, jitter_seed, .. } = options;
        let jitter = Jitter::new(jitter_seed);
        let shared = Shared { endpoint, authorization, timeout, retry, jitter };
        Ok(Self { channel, shared: Arc::new(shared) })
    }

    /// The URL of the service.
    pub fn endpoint(&self) -> &str {
        &self.shared.endpoint
    }

    /// Sends a message until it is answered, refused for good, out of tries or out of time.
    pub(crate) async fn call<M, R, F, S>(&self, message: M, send: S) -> Result<R, Error>
    where
        M: Clone,
        F: Future<Output = Result<Response<R>, Status>>,
        S: Fn(Channel, Request<M>) -> F,
    {
        let Shared { endpoint, timeout, retry, jitter, .. } = self.shared.as_ref();
        let deadline = Instant::now() + *timeout;
        let mut seen = Seen { endpoint, timeout: *timeout, attempts: 0, last: None };
        loop {
            let request = self.request(message.clone(), deadline);
            seen.attempts += 1;
            let failure = match timeout_at(deadline, send(self.channel.clone(), request)).await {
                Ok(Ok(response)) => return Ok(response.into_inner()),
                Ok(Err(status)) => Failure::Status(status),
                Err(_) => Failure::Elapsed,
            };
            let error = seen.error(failure);
            match retry.wait(&error, seen.attempts, deadline, jitter) {
                Some(wait) => {
                    seen.last = Some(error.problem());
                    sleep(wait).await;
                }
                None => return Err(error),
            }
        }
    }

    /// How long to wait before another try of what has failed so many times; the error if that is not to be.
    pub(crate) fn wait_after(&self, status: Status, failures: u32) -> Result<Duration, Error> {
        let Shared { endpoint, timeout, retry, jitter, .. } = self.shared.as_ref();
        let seen = Seen { endpoint, timeout: *timeout, attempts: failures, last: None };
        let error = seen.error(Failure::Status(status));
        retry.wait(&error, failures, Instant::now() + *timeout, jitter).ok_or(error)
    }

    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.shared.timeout
    }

    fn request<M>(&self, message: M, deadline: Instant) -> Request<M> {
        let mut request = self.without_deadline(message);
        // Endpoint::timeout would not tell the server; this does.
        request.set_timeout(deadline.saturating_duration_since(Instant::now()));
        request
    }

    /// A request that may take as long as it likes: of a stream.
    pub(crate) fn without_deadline<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        if let Some(authorization) = &self.shared.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        request
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.shared.endpoint).finish_non_exhaustive()
    }
}
