//! Watches: streams of events, each read from the database a page at a time.
//!
//! A watch looks again and again; nothing tells it. What it reads next depends on nothing but its position, so one
//! that was cut goes on anywhere. A reader that is slow holds up its own watch and nobody else, and costs no more
//! memory than a page.

use std::{pin::Pin, sync::Arc, time::Duration};

use purse_proto::v1;
use purse_storage::{EventPosition, EventScope, Storage};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::Instant,
};
use tokio_stream::{Stream, StreamExt as _, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::{page, render, status};

/// Most watches at once. At a pause of a quarter of a second they ask the database some hundred times a second.
const MOST_WATCHES: usize = 128;
/// Events that are read at once.
const PAGE: i64 = 256;
/// Messages that wait for a reader; the page that they are of waits too.
const WAITING: usize = 16;

/// How often watches do something.
#[derive(Debug, Clone, Copy)]
pub struct WatchOptions {
    /// Between a look that found all there is and the next one.
    pub pause: Duration,
    /// The longest silence.
    pub heartbeat: Duration,
}

impl Default for WatchOptions {
    /// Soon enough for a person, and seldom enough for the database; well below the idle limits of proxies.
    fn default() -> Self {
        Self { pause: Duration::from_millis(250), heartbeat: Duration::from_secs(10) }
    }
}

type Message = Result<v1::WatchEventsResponse, Status>;

/// The stream of a watch.
pub type Messages = Pin<Box<dyn Stream<Item = Message> + Send>>;

/// All watches of a server.
#[derive(Debug)]
pub struct Watches {
    storage: Storage,
    options: WatchOptions,
    stop: CancellationToken,
    free: Arc<Semaphore>,
}

impl Watches {
    /// None yet. At `stop` they end.
    pub fn new(storage: Storage, options: WatchOptions, stop: CancellationToken) -> Self {
        Self { storage, options, stop, free: Arc::new(Semaphore::new(MOST_WATCHES)) }
    }

    /// Begins a watch after a position, or with the first event. `query` makes the tokens of its positions.
    pub fn begin(
        &self,
        scope: EventScope,
        after: Option<EventPosition>,
        query: page::Query,
    ) -> Result<Messages, Status> {
        if self.stop.is_cancelled() {
            return Err(status::stream_stopping());
        }
        let permit = Arc::clone(&self.free).try_acquire_owned();
        let permit = permit.map_err(|_| status::too_many_streams())?;
        let (sender, receiver) = mpsc::channel(WAITING);
        let watch = Watch {
            storage: self.storage.clone(),
            options: self.options,
            stop: self.stop.clone(),
            scope,
            after,
            query,
            sender,
            _permit: permit,
        };
        tokio::spawn(watch.run());
        // A watch that could not even say why it ends was cut.
        let cut = tokio_stream::once(Err(status::stream_stopping()));
        Ok(Box::pin(ReceiverStream::new(receiver).chain(cut)))
    }
}

/// One watch.
struct Watch {
    storage: Storage,
    options: WatchOptions,
    stop: CancellationToken,
    scope: EventScope,
    after: Option<EventPosition>,
    query: page::Query,
    sender: mpsc::Sender<Message>,
    _permit: OwnedSemaphorePermit,
}

/// The reader has gone.
struct Gone;

impl Watch {
    async fn run(mut self) {
        let stop = self.stop.clone();
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => Ok(status::stream_stopping()),
            ended = self.tell() => ended,
        };
        if let Ok(status) = ended {
            // A reader that is slow finds out when it has read what waits.
            self.sender.try_send(Err(status)).ok();
        }
    }

    /// Tells events until something fails.
    async fn tell(&mut self) -> Result<Status, Gone> {
        // None before the first heartbeat, which says that all events up to now have been told.
        let mut last_message: Option<Instant> = None;
        loop {
            let page = match self.storage.events(&self.scope, self.after, PAGE).await {
                Ok(Ok(page)) => page,
                Ok(Err(why)) => {
                    return Ok(status::events_unreadable(why, &self.scope, "from_position"));
                }
                Err(error) => return Ok(status::storage(&error)),
            };
            for record in &page.records {
                self.send(Some(render::event(record)), record.position).await?;
                last_message = last_message.map(|_| Instant::now());
            }
            self.after = Some(page.position);
            if page.is_full {
                continue;
            }
            if last_message.is_none_or(|at| at.elapsed() >= self.options.heartbeat) {
                self.send(None, page.position).await?;
                last_message = Some(Instant::now());
            }
            tokio::select! {
                () = self.sender.closed() => return Err(Gone),
                () = tokio::time::sleep(self.options.pause) => {}
            }
        }
    }

    async fn send(&self, event: Option<v1::Event>, at: EventPosition) -> Result<(), Gone> {
        let position = self.query.token(&at.to_string());
        let message = v1::WatchEventsResponse { event, position };
        self.sender.send(Ok(message)).await.map_err(|_| Gone)
    }
}
