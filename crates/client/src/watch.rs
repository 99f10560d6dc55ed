//! A watch of events that goes on where it was cut.

use std::fmt;

use purse_proto::v1::{
    WatchEventsRequest, WatchEventsResponse, event_service_client::EventServiceClient,
};
use tokio::time::{sleep, timeout};
use tonic::{Status, Streaming};

use crate::{Client, Error, client::MAX_ANSWER_BYTES};

/// A watch of events. It has no deadline; each time it is opened, or was cut, it is tried as often as a call is.
pub struct Watch {
    client: Client,
    request: WatchEventsRequest,
    messages: Option<Streaming<WatchEventsResponse>>,
    failures: u32,
}

impl Client {
    /// Watches the events of a wallet, an account or the namespace. It is opened by the first
    /// [`Watch::next`].
    pub fn watch_events(&self, request: WatchEventsRequest) -> Watch {
        Watch { client: self.clone(), request, messages: None, failures: 0 }
    }
}

impl Watch {
    /// Waits for the next event or heartbeat. If the service is unavailable or the connection is lost, the watch goes
    /// on from its position; after an error it still can, by calling this again.
    pub async fn next(&mut self) -> Result<WatchEventsResponse, Error> {
        loop {
            let status = match self.receive().await {
                Ok(message) => {
                    self.request.from_position.clone_from(&message.position);
                    self.request.new_only = false;
                    self.failures = 0;
                    return Ok(message);
                }
                Err(status) => status,
            };
            self.messages = None;
            self.failures += 1;
            match self.client.wait_after(status, self.failures) {
                Ok(wait) => sleep(wait).await,
                Err(error) => {
                    self.failures = 0;
                    return Err(error);
                }
            }
        }
    }

    /// Right after all that has been told; as it was asked for before the first message.
    pub fn position(&self) -> &str {
        &self.request.from_position
    }

    async fn receive(&mut self) -> Result<WatchEventsResponse, Status> {
        let messages = match &mut self.messages {
            Some(messages) => messages,
            closed @ None => {
                let request = self.client.without_deadline(self.request.clone());
                let mut service = EventServiceClient::new(self.client.channel())
                    .max_decoding_message_size(MAX_ANSWER_BYTES);
                let opened = timeout(self.client.timeout(), service.watch_events(request));
                let opened = opened.await.map_err(|_| Status::unavailable("no answer in time"))?;
                closed.insert(opened?.into_inner())
            }
        };
        match messages.message().await? {
            Some(message) => Ok(message),
            None => Err(Status::unavailable("the stream has ended")),
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("position", &self.request.from_position)
            .finish_non_exhaustive()
    }
}
