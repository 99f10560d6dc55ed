//! Sending events of subscriptions as a stream that goes on where it was cut.

use std::collections::VecDeque;

use purse_proto::v1::{
    StreamSubscriptionEventsRequest, StreamSubscriptionEventsResponse, SubscriptionEvent,
    subscription_service_client::SubscriptionServiceClient,
};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::{Client, Error, client::MAX_ANSWER_BYTES};

/// Events that are under way at once: the service takes in as many.
const WINDOW: usize = 512;

/// A stream that is open.
struct Open {
    events: mpsc::Sender<StreamSubscriptionEventsRequest>,
    acknowledgements: Streaming<StreamSubscriptionEventsResponse>,
}

impl Client {
    /// Sends events of subscriptions and tells of each acknowledgement, in order. If the service is unavailable or the
    /// connection is lost, what was not acknowledged is sent again: events are known by their versions, so that does no
    /// harm. The stream has no deadline; each time it was cut it is tried as often as a call is.
    pub async fn send_subscription_events(
        &self,
        events: impl IntoIterator<Item = SubscriptionEvent>,
        mut acknowledged: impl FnMut(&SubscriptionEvent, &StreamSubscriptionEventsResponse),
    ) -> Result<(), Error> {
        let mut events = events.into_iter().fuse();
        let mut under_way: VecDeque<SubscriptionEvent> = VecDeque::new();
        let mut failures = 0;
        loop {
            let cut = self.send_until_cut(&mut events, &mut under_way, |event, answer| {
                failures = 0;
                acknowledged(event, answer);
            });
            let Err(status) = cut.await else { return Ok(()) };
            failures += 1;
            sleep(self.wait_after(status, failures)?).await;
        }
    }

    async fn send_until_cut(
        &self,
        events: &mut impl Iterator<Item = SubscriptionEvent>,
        under_way: &mut VecDeque<SubscriptionEvent>,
        mut acknowledged: impl FnMut(&SubscriptionEvent, &StreamSubscriptionEventsResponse),
    ) -> Result<(), Status> {
        let mut open = self.open_subscription_events().await?;
        let lost = || Status::unavailable("the stream has ended");
        for event in under_way.iter().cloned() {
            send(&open.events, event).await.map_err(|()| lost())?;
        }
        loop {
            while under_way.len() < WINDOW
                && let Some(event) = events.next()
            {
                under_way.push_back(event.clone());
                send(&open.events, event).await.map_err(|()| lost())?;
            }
            if under_way.is_empty() {
                return Ok(());
            }
            let answer = open.acknowledgements.message().await?.ok_or_else(lost)?;
            if let Some(event) = under_way.pop_front() {
                acknowledged(&event, &answer);
            }
        }
    }

    async fn open_subscription_events(&self) -> Result<Open, Status> {
        let (sender, receiver) = mpsc::channel(WINDOW);
        let request = self.without_deadline(ReceiverStream::new(receiver));
        let mut service = SubscriptionServiceClient::new(self.channel())
            .max_decoding_message_size(MAX_ANSWER_BYTES);
        let opened = timeout(self.timeout(), service.stream_subscription_events(request));
        let opened = opened.await.map_err(|_| Status::unavailable("no answer in time"))??;
        Ok(Open { events: sender, acknowledgements: opened.into_inner() })
    }
}

async fn send(
    events: &mpsc::Sender<StreamSubscriptionEventsRequest>,
    event: SubscriptionEvent,
) -> Result<(), ()> {
    events.send(StreamSubscriptionEventsRequest { event: Some(event) }).await.map_err(|_| ())
}
