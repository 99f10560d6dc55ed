//! The batches that a lane has under way: one is decided while the one before it is still being written.
//!
//! A batch on kept wallets is one statement, so the next one can follow it at once over the same connection, where PostgreSQL runs
//! them in turn. It is decided on the wallets as the one before it will leave them, and names the transactions that it
//! builds on: without these it fails as well. A connection that is lost changes nothing about that, however much of what
//! it was sent still happens.
//!
//! What kept wallets do not suffice for, and what failed, waits until nothing is under way, and runs on wallets that are read.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use deadpool_postgres::Client;
use futures_util::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _},
    stream::FuturesOrdered,
};
use purse_domain::{Group, TransactionId, WalletId};

use crate::{
    Kept, Outcome, Storage, StorageError,
    batch::{BatchTimings, DecidedOnKept, Outcomes},
};

/// Most batches under way: one that PostgreSQL writes, and one that it finds when it has.
const MOST_UNDER_WAY: usize = 2;

/// The batches of a lane, from their beginning to their end. Each has `T` with it, which it gives back.
#[expect(missing_debug_implementations, reason = "what is under way cannot be shown")]
pub struct Pipeline<T> {
    storage: Storage,
    kept: Kept,
    /// Has what is under way; goes back to the others when nothing is.
    connection: Option<Arc<Client>>,
    under_way: FuturesOrdered<BoxFuture<'static, Sent<T>>>,
    /// Had a batch that failed: it is not used again.
    failed: Option<Arc<Client>>,
    held_up: VecDeque<(Vec<Group>, T)>,
}

/// A batch that has come to its end.
#[derive(Debug)]
pub struct Ended<T> {
    /// What it was begun with.
    pub with: T,
    /// In the order of its groups.
    pub outcomes: Outcomes,
    /// `None`: its groups ran one by one, or nobody knows.
    pub timings: Option<BatchTimings>,
}

/// A batch that was sent, and what came of that.
struct Sent<T> {
    groups: Vec<Group>,
    with: T,
    outcomes: Vec<Outcome>,
    transactions: HashMap<WalletId, TransactionId>,
    timings: BatchTimings,
    written: Result<(), StorageError>,
}

impl<T: Send + 'static> Pipeline<T> {
    /// The batches of one lane.
    pub fn new(storage: Storage) -> Self {
        Self {
            storage,
            kept: Kept::default(),
            connection: None,
            under_way: FuturesOrdered::new(),
            failed: None,
            held_up: VecDeque::new(),
        }
    }

    /// Whether some batch is being written.
    pub fn is_under_way(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// Whether another batch may begin.
    pub fn has_room(&self) -> bool {
        self.held_up.is_empty() && self.under_way.len() < MOST_UNDER_WAY
    }

    /// Begins a batch. It is sent when [`Self::ended`] is next polled.
    pub async fn begin(&mut self, groups: Vec<Group>, with: T) {
        let started = Instant::now();
        // Without a connection, running it on wallets that are read tells why.
        let client = self.connection().await.ok();
        let decided = client.zip(self.storage.decide_on_kept(&mut self.kept, &groups));
        let Some((client, DecidedOnKept { outcomes, writes, transactions })) = decided else {
            self.held_up.push_back((groups, with));
            return;
        };
        let decide = started.elapsed();
        let sent = async move {
            let written = writes.send_and_commit(&client).await;
            let write = started.elapsed();
            let timings =
                BatchTimings { started, load: Duration::ZERO, decide, write, commit: write };
            Sent { groups, with, outcomes, transactions, timings, written }
        };
        self.under_way.push_back(sent.boxed());
    }

    async fn connection(&mut self) -> Result<Arc<Client>, StorageError> {
        if let Some(connection) = &self.connection {
            return Ok(Arc::clone(connection));
        }
        let connection = Arc::new(self.storage.lane_writer().await?);
        self.connection = Some(Arc::clone(&connection));
        Ok(connection)
    }

    /// Waits for the first batch under way. `None`: it is held up, or there is none. Nothing is lost if this is dropped while it
    /// waits.
    pub async fn ended(&mut self) -> Option<Ended<T>> {
        let Sent { groups, with, outcomes, transactions, timings, written } =
            self.under_way.next().await?;
        if let Err(error) = written {
            tracing::debug!(%error, groups = groups.len(), "kept wallets were of no use");
            self.kept.were_refused(&transactions);
            if matches!(error, StorageError::Unavailable(_)) {
                self.kept.forget_all();
            }
            self.failed = self.connection.take().or(self.failed.take());
            self.held_up.push_back((groups, with));
            return None;
        }
        self.kept.were_written(&transactions);
        if self.under_way.is_empty() {
            self.connection = None;
        }
        let outcomes = outcomes.into_iter().map(Ok).collect();
        Some(Ended { with, outcomes, timings: Some(timings) })
    }

    /// Runs a batch that is held up, once nothing is under way. Must not be dropped while it runs.
    pub async fn run_held_up(&mut self) -> Option<Ended<T>> {
        if self.is_under_way() {
            return None;
        }
        let (groups, with) = self.held_up.pop_front()?;
        self.connection = None;
        if let Some(failed) = self.failed.take().and_then(Arc::into_inner) {
            drop(Client::take(failed));
        }
        let (outcomes, timings) = self.storage.run_batch(&mut self.kept, &groups).await;
        Some(Ended { with, outcomes, timings })
    }
}
