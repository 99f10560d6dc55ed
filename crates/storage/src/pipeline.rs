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
    write::OneStatement,
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
    /// Batches that failed, in their order.
    refused: VecDeque<(Vec<Group>, T)>,
    /// The newest batch, if kept wallets do not suffice for it.
    undecided: Option<(Vec<Group>, T)>,
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

/// A batch that can be sent.
struct Ready {
    client: Arc<Client>,
    statement: OneStatement,
    outcomes: Vec<Outcome>,
    transactions: HashMap<WalletId, TransactionId>,
    /// How long it took.
    decide: Duration,
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
            refused: VecDeque::new(),
            undecided: None,
        }
    }

    /// Whether some batch is being written.
    pub fn is_under_way(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// Whether another batch may begin.
    pub fn has_room(&self) -> bool {
        let is_held_up = self.undecided.is_some() || !self.refused.is_empty();
        !is_held_up && self.under_way.len() < MOST_UNDER_WAY
    }

    /// Begins a batch, if there is room. It is sent when [`Self::ended`] is next polled.
    pub async fn begin(&mut self, groups: Vec<Group>, with: T) {
        let started = Instant::now();
        let Some(Ready { client, statement, outcomes, transactions, decide }) =
            self.decide(&groups, started).await
        else {
            self.undecided = Some((groups, with));
            return;
        };
        let sent = async move {
            let written = statement.send(&client).await;
            let write = started.elapsed();
            let timings =
                BatchTimings { started, load: Duration::ZERO, decide, write, commit: write };
            Sent { groups, with, outcomes, transactions, timings, written }
        };
        self.under_way.push_back(sent.boxed());
    }

    /// Decides a batch, and prepares what it writes before it takes its place: while one statement was being prepared, the
    /// next could leave. `None`: it has to run on wallets that are read, which also tells what is wrong.
    async fn decide(&mut self, groups: &[Group], started: Instant) -> Option<Ready> {
        let client = self.connection().await?;
        let decided = self.storage.decide_on_kept(&mut self.kept, groups)?;
        let DecidedOnKept { outcomes, writes, transactions } = decided;
        let decide = started.elapsed();
        match writes.prepare(&client).await {
            Ok(statement) => Some(Ready { client, statement, outcomes, transactions, decide }),
            Err(error) => {
                self.has_failed(&error, groups);
                None
            }
        }
    }

    async fn connection(&mut self) -> Option<Arc<Client>> {
        if let Some(connection) = &self.connection {
            return Some(Arc::clone(connection));
        }
        let Ok(client) = self.storage.lane_writer().await else {
            self.kept.forget_all();
            return None;
        };
        let connection = Arc::new(client);
        self.connection = Some(Arc::clone(&connection));
        Some(connection)
    }

    /// Waits for the first batch under way. `None`: it is held up, or there is none. Nothing is lost if this is dropped while it
    /// waits.
    pub async fn ended(&mut self) -> Option<Ended<T>> {
        let Sent { groups, with, outcomes, transactions, timings, written } =
            self.under_way.next().await?;
        if let Err(error) = written {
            self.has_failed(&error, &groups);
            self.refused.push_back((groups, with));
            return None;
        }
        self.kept.were_written(&transactions);
        if self.under_way.is_empty() {
            self.connection = None;
        }
        let outcomes = outcomes.into_iter().map(Ok).collect();
        Some(Ended { with, outcomes, timings: Some(timings) })
    }

    /// What was kept is not so, or a key was used.
    fn has_failed(&mut self, error: &StorageError, groups: &[Group]) {
        tracing::debug!(%error, groups = groups.len(), "kept wallets were of no use");
        // Those behind it fail because it did.
        if self.refused.is_empty() {
            self.kept.pause();
        }
        self.kept.forget(groups);
        if matches!(error, StorageError::Unavailable(_)) {
            self.kept.forget_all();
        }
        // A statement that was refused leaves nothing behind.
        if !matches!(error, StorageError::Refused { .. }) {
            self.failed = self.connection.take().or(self.failed.take());
        }
    }

    /// Runs a batch that is held up, once nothing is under way: the one that was begun first. Must not be dropped while it runs.
    pub async fn run_held_up(&mut self) -> Option<Ended<T>> {
        if self.is_under_way() {
            return None;
        }
        let (groups, with) = self.refused.pop_front().or_else(|| self.undecided.take())?;
        self.connection = None;
        if let Some(failed) = self.failed.take().and_then(Arc::into_inner) {
            drop(Client::take(failed));
        }
        let (outcomes, timings) = self.storage.run_batch(&mut self.kept, &groups).await;
        Some(Ended { with, outcomes, timings })
    }
}
