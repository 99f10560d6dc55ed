//! Lanes: where groups of requests gather into batches.
//!
//! Each lane is a task with a connection of its own. It takes whatever waits and runs it as one batch;
//! while that commits, the next one gathers. There is no timer. An account always goes to the same lane, so
//! within one server two lanes wait for each other's locks only where groups span accounts.
//!
//! A batch runs to its end whoever still waits for it: a caller that goes away never interrupts a commit.

use std::{sync::Arc, time::Instant};

use purse_domain::{AccountId, Group};
use purse_storage::{BatchTimings, Kept, Outcome, Storage, StorageError};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::Status;

use crate::{
    backlog::{Backlog, LARGEST_BATCH, MOST_WAITING},
    status,
    telemetry::Metrics,
};

/// What came of a group, and when.
#[derive(Debug)]
pub struct Reply {
    /// What came of it.
    pub outcome: Result<Outcome, Arc<StorageError>>,
    /// When it was taken out of the lane.
    pub taken: Instant,
    /// How long its batch took; `None`: it ran alone after its batch was refused.
    pub timings: Option<BatchTimings>,
}

#[derive(Debug)]
struct Job {
    group: Group,
    waiting_since: Instant,
    reply: oneshot::Sender<Reply>,
    /// A place for each of its requests, given back when the lane takes it.
    _places: OwnedSemaphorePermit,
}

/// A group that waits in a lane, or is being run.
#[derive(Debug)]
pub struct Pending(oneshot::Receiver<Reply>);

impl Pending {
    /// Waits for what comes of it.
    pub async fn reply(self) -> Result<Reply, Status> {
        self.0.await.map_err(|_| status::stopping())
    }
}

/// All lanes of a server.
#[derive(Debug)]
pub struct Lanes {
    lanes: Vec<Lane>,
}

/// The way into a lane.
#[derive(Debug)]
struct Lane {
    jobs: mpsc::Sender<Job>,
    backlog: Arc<Backlog>,
}

impl Lanes {
    /// Starts as many lanes as the storage has writers. At `stop` they take nothing more, run what waits and
    /// end; `tasks` knows when.
    pub fn start(
        storage: &Storage,
        count: usize,
        metrics: &Arc<Metrics>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Self {
        let lanes = (0..count)
            .map(|_| {
                let (sender, receiver) = mpsc::channel(MOST_WAITING);
                let backlog = Arc::new(Backlog::default());
                let waiting =
                    Waiting { jobs: receiver, backlog: Arc::clone(&backlog), stop: stop.clone() };
                tasks.spawn(run(storage.clone(), waiting, Arc::clone(metrics)));
                Lane { jobs: sender, backlog }
            })
            .collect();
        Self { lanes }
    }

    /// Hands a group to the lane of its first account and waits for what comes of it.
    pub async fn run(&self, group: Group) -> Result<Reply, Status> {
        self.send(group)?.reply().await
    }

    /// Hands a group to the lane of its first account.
    pub fn send(&self, group: Group) -> Result<Pending, Status> {
        let lane =
            self.lane_of(group.requests()[0].wallet.account_id).ok_or_else(status::stopping)?;
        let places = lane.backlog.places(group.requests().len()).ok_or_else(status::overloaded)?;
        let (reply, replied) = oneshot::channel();
        let job = Job { group, waiting_since: Instant::now(), reply, _places: places };
        lane.jobs.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => status::overloaded(),
            mpsc::error::TrySendError::Closed(_) => status::stopping(),
        })?;
        Ok(Pending(replied))
    }

    fn lane_of(&self, account: AccountId) -> Option<&Lane> {
        // The low half of a UUIDv5 is as good as random.
        let [.., low] = account.uuid().into_bytes();
        self.lanes.get(usize::from(low) % self.lanes.len().max(1))
    }
}

/// The jobs that wait in a lane.
struct Waiting {
    jobs: mpsc::Receiver<Job>,
    backlog: Arc<Backlog>,
    stop: CancellationToken,
}

impl Waiting {
    /// Waits for the next batch; without jobs: there will be none.
    async fn next(&mut self, batch: &mut Vec<Job>) {
        let stopping = self.jobs.is_closed();
        tokio::select! {
            biased;
            () = self.stop.cancelled(), if !stopping => {
                self.jobs.close();
                batch.extend(self.jobs.recv().await);
                self.take(batch);
            }
            first = self.jobs.recv() => {
                batch.extend(first);
                if self.take(batch) {
                    self.gather(batch).await;
                }
            }
        }
    }

    /// Takes what is there, as far as the batch has room; says whether there is still some. A group stays whole.
    fn take(&mut self, batch: &mut Vec<Job>) -> bool {
        let most = self.backlog.batch();
        let mut requests: usize = batch.iter().map(|job| job.group.requests().len()).sum();
        while requests < most
            && let Ok(job) = self.jobs.try_recv()
        {
            requests += job.group.requests().len();
            batch.push(job);
        }
        requests < most
    }

    /// Lets the calls that have arrived get into the lane before the batch leaves: without this, a lane that
    /// is woken by its database runs before them and takes a handful. It ends as soon as a turn brings
    /// nothing, or the batch is full.
    async fn gather(&mut self, batch: &mut Vec<Job>) {
        loop {
            let before = batch.len();
            tokio::task::yield_now().await;
            if !self.take(batch) || batch.len() == before {
                return;
            }
        }
    }
}

async fn run(storage: Storage, mut waiting: Waiting, metrics: Arc<Metrics>) {
    let mut jobs = Vec::with_capacity(LARGEST_BATCH);
    let mut kept = Kept::default();
    loop {
        // If it has to wait, its pace is that of the batch alone.
        let since = (!waiting.jobs.is_empty()).then(Instant::now);
        waiting.next(&mut jobs).await;
        if jobs.is_empty() {
            return;
        }
        let taken = Instant::now();
        // Nobody waits for these any more, and nothing has been done for them.
        jobs.retain(|job| !job.reply.is_closed());
        let (groups, replies): (Vec<Group>, Vec<(Instant, oneshot::Sender<Reply>)>) =
            jobs.drain(..).map(|job| (job.group, (job.waiting_since, job.reply))).unzip();
        if groups.is_empty() {
            continue;
        }
        let (outcomes, timings) = storage.run_batch(&mut kept, &groups).await;
        let requests = groups.iter().map(|group| group.requests().len()).sum();
        waiting.backlog.ran(requests, since.unwrap_or(taken).elapsed());
        metrics.batch(requests, timings.as_ref());
        for ((waiting_since, reply), outcome) in replies.into_iter().zip(outcomes) {
            metrics.lane_wait(taken - waiting_since);
            // A caller that has gone meanwhile finds its answer by its key.
            reply.send(Reply { outcome, taken, timings }).ok();
        }
    }
}
