//! Lanes: where groups of requests gather into batches.
//!
//! Each lane is a task with a connection of its own. It takes whatever waits and runs it as one batch;
//! while that is written, the next one gathers, and leaves as soon as it is as large. There is no timer. An account
//! always goes to the same lane, so within one server two lanes wait for each other's locks only where groups span accounts.
//!
//! A batch runs to its end whoever still waits for it: a caller that goes away never interrupts a commit.

use std::{iter, sync::Arc, time::Instant};

use purse_domain::Group;
use purse_storage::{BatchTimings, Ended, Outcome, Pipeline, Storage, StorageError};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::Status;

use crate::{
    backlog::{Backlog, LARGEST_BATCH, MOST_IN_LANE, Work},
    status,
    telemetry::Metrics,
};

/// What came of a group, and when.
#[derive(Debug)]
pub struct Reply {
    /// What came of it.
    pub outcome: Result<Outcome, Arc<StorageError>>,
    /// When the lane took it for a batch.
    pub taken: Instant,
    /// How long its batch took; `None`: it ran alone after its batch was refused.
    pub timings: Option<BatchTimings>,
}

#[derive(Debug)]
struct Job {
    group: Group,
    waiter: Waiter,
}

/// Who waits for a group.
#[derive(Debug)]
struct Waiter {
    since: Instant,
    reply: oneshot::Sender<Reply>,
    /// A place for each request, given back with the reply.
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
    /// Starts as many lanes as the storage has writers, and one at least. At `stop` they take nothing more, run what waits and
    /// end; `tasks` knows when.
    pub fn start(
        storage: &Storage,
        count: usize,
        metrics: &Arc<Metrics>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Self {
        let lanes = (0..count.max(1))
            .map(|_| {
                let (sender, receiver) = mpsc::channel(MOST_IN_LANE);
                let backlog = Arc::new(Backlog::default());
                let waiting =
                    Waiting { jobs: receiver, backlog: Arc::clone(&backlog), stop: stop.clone() };
                let batches = Batches {
                    pipeline: Pipeline::new(storage.clone()),
                    backlog: Arc::clone(&backlog),
                    metrics: Arc::clone(metrics),
                    newest: 0,
                    last_end: Instant::now(),
                };
                tasks.spawn(run(waiting, batches));
                Lane { jobs: sender, backlog }
            })
            .collect();
        Self { lanes }
    }

    /// Hands a group to the lane of its first account and waits for what comes of it.
    pub async fn run(&self, group: Group, work: Work) -> Result<Reply, Status> {
        self.send(group, work)?.reply().await
    }

    /// Hands a group to the lane of its first account.
    pub fn send(&self, group: Group, work: Work) -> Result<Pending, Status> {
        let lane = &self.lanes[self.index_of(&group)];
        let places = lane.backlog.places(group.requests().len(), work);
        lane.send(group, places)
    }

    /// The same with groups that come together: a lane takes all of its own, or none. Those that are refused already stay so.
    pub fn send_all(
        &self,
        groups: Vec<Result<Group, Status>>,
        work: Work,
    ) -> Vec<Result<Pending, Status>> {
        let mut requests = vec![0; self.lanes.len()];
        for group in groups.iter().flatten() {
            requests[self.index_of(group)] += group.requests().len();
        }
        let mut places: Vec<_> = iter::zip(&self.lanes, requests)
            .map(|(lane, requests)| lane.backlog.places(requests, work))
            .collect();
        groups
            .into_iter()
            .map(|group| {
                let group = group?;
                let index = self.index_of(&group);
                let own = places[index].as_mut().and_then(|all| all.split(group.requests().len()));
                self.lanes[index].send(group, own)
            })
            .collect()
    }

    fn index_of(&self, group: &Group) -> usize {
        // The low half of a UUIDv5 is as good as random.
        let [.., low] = group.requests()[0].wallet.account_id.uuid().into_bytes();
        usize::from(low) % self.lanes.len()
    }
}

impl Lane {
    fn send(&self, group: Group, places: Option<OwnedSemaphorePermit>) -> Result<Pending, Status> {
        let places = places.ok_or_else(status::overloaded)?;
        let (reply, replied) = oneshot::channel();
        let waiter = Waiter { since: Instant::now(), reply, _places: places };
        self.jobs.try_send(Job { group, waiter }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => status::overloaded(),
            mpsc::error::TrySendError::Closed(_) => status::stopping(),
        })?;
        Ok(Pending(replied))
    }
}

/// The jobs that wait in a lane.
struct Waiting {
    jobs: mpsc::Receiver<Job>,
    backlog: Arc<Backlog>,
    stop: CancellationToken,
}

impl Waiting {
    /// Waits until as many as `least` requests are there, and takes what is. `false`: there will be no more. What was
    /// taken is in `batch`, also if this is dropped.
    async fn next(&mut self, batch: &mut Vec<Job>, least: usize) -> bool {
        let most = self.backlog.batch();
        while self.take(batch, most) < least.min(most) {
            let stopping = self.jobs.is_closed();
            tokio::select! {
                biased;
                () = self.stop.cancelled(), if !stopping => self.jobs.close(),
                job = self.jobs.recv() => match job {
                    Some(job) => batch.push(job),
                    None => return false,
                },
            }
        }
        self.gather(batch, most).await;
        true
    }

    /// Takes what is there, as far as the batch has room; says how many requests it has then. A group stays whole.
    fn take(&mut self, batch: &mut Vec<Job>, most: usize) -> usize {
        let mut taken = requests(batch);
        while taken < most
            && let Ok(job) = self.jobs.try_recv()
        {
            taken += job.group.requests().len();
            batch.push(job);
        }
        taken
    }

    /// Lets the calls that have arrived get into the lane before the batch leaves: without this, a lane that
    /// is woken by its database runs before them and takes a handful. It ends as soon as a turn brings
    /// nothing, or the batch is full.
    async fn gather(&mut self, batch: &mut Vec<Job>, most: usize) {
        let mut before = 0;
        let mut taken = requests(batch);
        while before < taken && taken < most {
            before = taken;
            tokio::task::yield_now().await;
            taken = self.take(batch, most);
        }
    }
}

fn requests(jobs: &[Job]) -> usize {
    jobs.iter().map(|job| job.group.requests().len()).sum()
}

/// The batches of a lane.
struct Batches {
    pipeline: Pipeline<Waiters>,
    backlog: Arc<Backlog>,
    metrics: Arc<Metrics>,
    /// How many requests the newest one has.
    newest: usize,
    last_end: Instant,
}

/// Who waits for a batch.
struct Waiters {
    requests: usize,
    /// From when on the lane could work for them, unless it had to end others first.
    since: Instant,
    taken: Instant,
    all: Vec<Waiter>,
}

impl Batches {
    async fn begin(&mut self, jobs: &mut Vec<Job>) {
        let taken = Instant::now();
        // Nobody waits for these any more, and nothing has been done for them.
        jobs.retain(|job| !job.waiter.reply.is_closed());
        let requests = requests(jobs);
        let waited = jobs.first().is_some_and(|job| job.waiter.since < self.last_end);
        let since = if waited { self.last_end } else { taken };
        let (groups, all): (Vec<Group>, _) =
            jobs.drain(..).map(|job| (job.group, job.waiter)).unzip();
        if !groups.is_empty() {
            self.newest = requests;
            let waiters = Waiters { requests, since, taken, all };
            self.pipeline.begin(groups, waiters).await;
        }
    }

    /// How many requests make another batch worth while: beside one under way, as many as that has. Each batch has a price of
    /// its own, and with fewer the rest of the callers would wait for the one after it.
    fn least(&self) -> usize {
        if self.pipeline.is_under_way() { self.newest } else { 1 }
    }

    fn end(&mut self, ended: Ended<Waiters>) {
        let Ended { with: Waiters { requests, since, taken, all }, outcomes, timings } = ended;
        self.backlog.ran(requests, self.last_end.max(since).elapsed());
        self.last_end = Instant::now();
        self.metrics.batch(requests, timings.as_ref());
        for (waiter, outcome) in all.into_iter().zip(outcomes) {
            self.metrics.lane_wait(taken - waiter.since);
            // A caller that has gone meanwhile finds its answer by its key.
            waiter.reply.send(Reply { outcome, taken, timings }).ok();
        }
    }
}

async fn run(mut waiting: Waiting, mut batches: Batches) {
    let mut jobs = Vec::with_capacity(LARGEST_BATCH);
    let mut more = true;
    loop {
        if let Some(ended) = batches.pipeline.run_held_up().await {
            batches.end(ended);
            continue;
        }
        let (under_way, least) = (batches.pipeline.is_under_way(), batches.least());
        let begins = more && batches.pipeline.has_room();
        tokio::select! {
            biased;
            ended = batches.pipeline.ended(), if under_way => if let Some(ended) = ended {
                batches.end(ended);
            },
            still = waiting.next(&mut jobs, least), if begins => {
                more = still;
                batches.begin(&mut jobs).await;
            }
            else => return,
        }
    }
}
