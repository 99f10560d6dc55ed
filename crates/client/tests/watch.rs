//! A watch against a service that cuts it.

#![allow(clippy::unwrap_used, reason = "a fake that cannot start fails its test")]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use purse_client::{
    Client, ClientOptions, Code, Error, RetryPolicy,
    v1::{
        Event, ListEventsRequest, ListEventsResponse, WatchEventsRequest, WatchEventsResponse,
        event_service_server::{EventService, EventServiceServer},
    },
};
use tokio::net::TcpListener;
use tokio_stream::{Iter, wrappers::TcpListenerStream};
use tonic::{Request, Response, Status, transport::Server};

type Message = Result<WatchEventsResponse, Status>;
/// What a call gets: messages, or a refusal.
type Stream = Result<Vec<Message>, Status>;

/// Plays a stream for each call, and keeps what it was asked.
#[derive(Clone, Default)]
struct Fake {
    streams: Arc<Mutex<VecDeque<Stream>>>,
    asked: Arc<Mutex<Vec<WatchEventsRequest>>>,
}

#[tonic::async_trait]
impl EventService for Fake {
    type WatchEventsStream = Iter<std::vec::IntoIter<Message>>;

    async fn list_events(
        &self,
        _: Request<ListEventsRequest>,
    ) -> Result<Response<ListEventsResponse>, Status> {
        Err(Status::unimplemented("not part of any script"))
    }

    async fn watch_events(
        &self,
        request: Request<WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        assert!(request.metadata().get("grpc-timeout").is_none(), "a watch has no deadline");
        self.asked.lock().unwrap().push(request.into_inner());
        let stream = self.streams.lock().unwrap().pop_front();
        let stream = stream.unwrap_or(Err(Status::not_found("the script is over")))?;
        Ok(Response::new(tokio_stream::iter(stream)))
    }
}

async fn start(streams: impl IntoIterator<Item = Stream>) -> (Fake, Client) {
    let fake = Fake::default();
    fake.streams.lock().unwrap().extend(streams);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let service = EventServiceServer::new(fake.clone());
    let incoming = TcpListenerStream::new(listener);
    tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
    let retry = RetryPolicy { first_backoff: Duration::from_millis(1), ..RetryPolicy::default() };
    let options = ClientOptions { retry, jitter_seed: Some(7), ..ClientOptions::new(endpoint) };
    (fake, Client::connect(options).unwrap())
}

fn told(sequence: i64) -> WatchEventsResponse {
    let event = Some(Event { sequence, ..Event::default() });
    WatchEventsResponse { event, position: format!("after {sequence}") }
}

fn away() -> Status {
    Status::unavailable("as the test says")
}

#[tokio::test]
async fn a_watch_that_is_cut_goes_on_from_the_last_message() {
    let streams = [
        Ok(vec![Ok(told(1)), Ok(told(2)), Err(away())]),
        Err(away()),
        // An end without an error is a cut too.
        Ok(vec![Ok(told(3))]),
        Ok(vec![Ok(told(4))]),
    ];
    let (fake, client) = start(streams).await;
    let request = WatchEventsRequest { new_only: true, ..WatchEventsRequest::default() };
    let mut watch = client.watch_events(request);
    for expected in 1..=4 {
        let message = watch.next().await.unwrap();
        assert_eq!(message.event.unwrap().sequence, expected);
        assert_eq!(watch.position(), format!("after {expected}"));
    }
    let asked = fake.asked.lock().unwrap();
    let asked: Vec<(&str, bool)> =
        asked.iter().map(|asked| (asked.from_position.as_str(), asked.new_only)).collect();
    assert_eq!(asked, [("", true), ("after 2", false), ("after 2", false), ("after 3", false)]);
}

#[tokio::test]
async fn a_watch_gives_up_after_some_tries_and_can_go_on_then() {
    let streams = [Ok(vec![Ok(told(1))]), Err(away()), Err(away()), Ok(vec![Ok(told(2))])];
    let (_, client) = start(streams).await;
    let mut watch = client.watch_events(WatchEventsRequest::default());
    watch.next().await.unwrap();
    assert!(watch.next().await.unwrap_err().is_temporary());
    assert_eq!(watch.next().await.unwrap().event.unwrap().sequence, 2);
    let Error::Refused(refusal) = watch.next().await.unwrap_err() else { panic!("a refusal") };
    assert_eq!(refusal.code, Code::NotFound);
}
