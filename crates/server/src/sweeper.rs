//! The sweeper: settles wallets that nobody touches, so that what time did is booked, and told, when it happens.
//!
//! No balance depends on it. It finds wallets by `next_due_at`, which is all its state, and asks the lanes to settle
//! each: the one write path, with its locks. Several servers need not agree on anything. Each begins at the due
//! wallets whose ids are nearest to a place of its own and looks anew after each batch, so that they seldom meet; a
//! wallet that another one has settled meanwhile is due no more, and nothing is written.

use std::{
    collections::HashSet,
    iter,
    sync::Arc,
    time::{Duration, Instant},
};

use purse_domain::{Group, NamespaceId, Request, Timestamp, WalletId, WalletName};
use purse_storage::{DuePosition, DueQuery, Outcome, Settled, Storage, StorageError};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::{
    backlog::Work,
    lane::{Lanes, Reply},
    status,
    telemetry::Metrics,
};

/// Due wallets that a batch is chosen from: enough for some servers to choose different ones.
const PAGE: i64 = 512;
/// A wallet that the database refuses to settle makes its batch run one by one, so it is not tried in each round.
const FAILED_PAUSE: Duration = Duration::from_mins(1);
/// A round that takes longer than this says how far it is.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// How a server sweeps by itself.
#[derive(Debug, Clone, Copy)]
pub struct SweepOptions {
    /// Between a round that left nothing due and the next one; `None`: it does not.
    pub interval: Option<Duration>,
    /// Most wallets that are settled at once. While they are, callers of their lanes wait.
    pub batch: usize,
}

impl Default for SweepOptions {
    /// Soon enough for who watches events: a look at nothing is one range of an index for each namespace. A batch is
    /// some ten milliseconds of a lane's time.
    fn default() -> Self {
        Self { interval: Some(Duration::from_secs(1)), batch: 32 }
    }
}

/// What was swept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Wallets of which something was due.
    pub wallets: usize,
    /// Entries that time alone made of it.
    pub entries: usize,
    /// Events.
    pub events: usize,
    /// Wallets that could not be settled.
    pub failed: usize,
}

impl Swept {
    fn add(&mut self, other: Self) {
        let Self { wallets, entries, events, failed } = other;
        self.wallets += wallets;
        self.entries += entries;
        self.events += events;
        self.failed += failed;
    }

    fn settled(settled: Settled) -> Self {
        let Settled { was_due, entries, events } = settled;
        Self { wallets: usize::from(was_due), entries, events, failed: 0 }
    }
}

/// Settles due wallets.
#[derive(Debug)]
pub struct Sweeper {
    storage: Storage,
    lanes: Arc<Lanes>,
    metrics: Arc<Metrics>,
    batch: usize,
    /// Where among all ids it begins.
    place: u128,
}

/// Wallets that could not be settled and stay due.
#[derive(Debug)]
struct Failed {
    wallets: HashSet<WalletId>,
    since: Instant,
}

impl Default for Failed {
    fn default() -> Self {
        Self { wallets: HashSet::new(), since: Instant::now() }
    }
}

impl Failed {
    /// Lets all of them be tried again now and then.
    fn forget_old(&mut self) {
        if self.since.elapsed() >= FAILED_PAUSE {
            *self = Self::default();
        }
    }
}

/// What a round goes through of a namespace.
struct Round {
    namespace_id: NamespaceId,
    after: DuePosition,
    /// The longest due wallet that it saw.
    oldest_due_at: Option<Timestamp>,
    now: Option<Timestamp>,
    /// Their lane was full, or the database was away. They stay due, and wait for the next round.
    skipped: HashSet<WalletId>,
}

impl Round {
    fn of(namespace_id: NamespaceId) -> Self {
        Self {
            namespace_id,
            after: DuePosition::START,
            oldest_due_at: None,
            now: None,
            skipped: HashSet::new(),
        }
    }

    /// For how long the longest due wallet has been due.
    fn lag(&self) -> Duration {
        let lag = self.now.zip(self.oldest_due_at);
        let micros = lag.map_or(0, |(now, due_at)| now.micros().saturating_sub(due_at.micros()));
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }
}

impl Sweeper {
    /// One that settles up to `batch` wallets at once, and does nothing by itself before [`run`](Self::run). Any place
    /// will do, if each server has another one.
    pub fn new(
        storage: Storage,
        lanes: Arc<Lanes>,
        metrics: Arc<Metrics>,
        batch: usize,
        place: u128,
    ) -> Self {
        Self { storage, lanes, metrics, batch, place }
    }

    /// Settles whatever is due, round after round, until `stop`. What was handed to the lanes by then they run.
    pub async fn run(self: Arc<Self>, interval: Duration, stop: CancellationToken) {
        let mut was_well = true;
        let mut failed = Failed::default();
        loop {
            failed.forget_old();
            match self.round(&mut failed, &stop).await {
                Ok(()) => was_well = true,
                // While the database is away the health task says so.
                Err(StorageError::Unavailable(_)) => {}
                Err(error) if was_well => {
                    tracing::warn!(%error, "cannot sweep; trying again");
                    was_well = false;
                }
                Err(_) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(interval) => {}
            }
        }
    }

    /// Settles up to `most` due wallets of a namespace now.
    pub async fn sweep(
        &self,
        namespace_id: NamespaceId,
        most: usize,
    ) -> Result<Swept, StorageError> {
        let (mut round, mut failed) = (Round::of(namespace_id), Failed::default());
        let mut swept = Swept::default();
        while swept.wallets < most {
            let batch = self.batch.min(most - swept.wallets);
            match self.step(&mut round, &mut failed, batch).await? {
                None => break,
                Some(step) => swept.add(step),
            }
        }
        Ok(swept)
    }

    /// Settles one wallet now; `None`: there is no such wallet.
    pub async fn settle_one(&self, name: &WalletName) -> Result<Option<Swept>, Status> {
        let reply = self.lanes.run(Group::from(Request::settle(name.clone())), Work::New).await?;
        match reply.outcome {
            Ok(Outcome::Settled(settled)) => {
                let swept = Swept::settled(settled);
                self.metrics.swept(&swept);
                Ok(Some(swept))
            }
            Ok(Outcome::Rejected(_)) => Ok(None),
            Ok(Outcome::Accepted(_)) => Err(status::unanswered()),
            Err(error) => Err(status::storage(&error)),
        }
    }

    /// Settles what is due in all namespaces, a batch of each in turn, so that none waits for another.
    async fn round(
        &self,
        failed: &mut Failed,
        stop: &CancellationToken,
    ) -> Result<(), StorageError> {
        let began = Instant::now();
        let mut said = began;
        let namespaces = self.storage.namespaces().await?;
        let mut open: Vec<Round> = namespaces.into_iter().map(Round::of).collect();
        let (mut swept, mut lag) = (Swept::default(), Duration::ZERO);
        while !open.is_empty() {
            let mut still_open = Vec::with_capacity(open.len());
            for mut round in open {
                if stop.is_cancelled() {
                    return Ok(());
                }
                let began = Instant::now();
                let batch = self.step(&mut round, failed, self.batch).await?;
                lag = lag.max(round.lag());
                let Some(batch) = batch else { continue };
                swept.add(batch);
                still_open.push(round);
                if said.elapsed() >= SAY_EVERY {
                    said = Instant::now();
                    say(&swept, lag, "sweeping");
                    self.metrics.sweep_lag(lag);
                }
                // At least half of the time belongs to callers.
                let paused = tokio::time::sleep(began.elapsed());
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    () = paused => {}
                }
            }
            open = still_open;
        }
        self.metrics.sweep_lag(lag);
        self.metrics.sweep_round(began.elapsed());
        if swept != Swept::default() {
            say(&swept, lag, "swept");
        }
        Ok(())
    }

    /// Settles a batch of what is due. `None`: nothing is.
    async fn step(
        &self,
        round: &mut Round,
        failed: &mut Failed,
        batch: usize,
    ) -> Result<Option<Swept>, StorageError> {
        loop {
            let query =
                DueQuery { namespace_id: round.namespace_id, after: round.after, most: PAGE };
            let page = self.storage.due_wallets(&query).await?;
            round.now = round.now.max(Some(page.now));
            round.oldest_due_at = round.oldest_due_at.or(page.oldest_due_at);
            let mut due = page.wallets;
            due.retain(|name| {
                let id = &name.wallet_id;
                !failed.wallets.contains(id) && !round.skipped.contains(id)
            });
            if due.is_empty() {
                // All of a page are left out: those after it must not wait for them.
                match page.more_after {
                    Some(after) => round.after = after,
                    None => return Ok(None),
                }
                continue;
            }
            due.sort_unstable_by_key(|name| name.wallet_id.uuid().as_u128() ^ self.place);
            due.truncate(batch.max(1));
            return Ok(Some(self.settle(round, failed, due).await));
        }
    }

    /// Settles wallets at once.
    async fn settle(&self, round: &mut Round, failed: &mut Failed, due: Vec<WalletName>) -> Swept {
        let groups = due.iter().map(|name| Ok(Group::from(Request::settle(name.clone()))));
        let sent = self.lanes.send_all(groups.collect(), Work::New);
        let mut swept = Swept::default();
        for (name, pending) in iter::zip(due, sent) {
            let reply = match pending {
                Ok(pending) => pending.reply().await.ok(),
                Err(_) => None,
            };
            let outcome = reply.map(|reply: Reply| reply.outcome);
            let may_pass = match &outcome {
                None => true,
                Some(Err(error)) => matches!(**error, StorageError::Unavailable(_)),
                Some(Ok(_)) => false,
            };
            let one = self.swept(&name, outcome);
            if one.failed > 0 {
                let those = if may_pass { &mut round.skipped } else { &mut failed.wallets };
                those.insert(name.wallet_id);
            }
            swept.add(one);
        }
        swept
    }

    /// What came of a wallet; without a reply: its lane was full, or is stopping.
    fn swept(
        &self,
        name: &WalletName,
        outcome: Option<Result<Outcome, Arc<StorageError>>>,
    ) -> Swept {
        let failed = Swept { failed: 1, ..Swept::default() };
        let swept = match outcome {
            None => failed,
            Some(Ok(Outcome::Settled(settled))) => Swept::settled(settled),
            Some(Ok(Outcome::Accepted(_) | Outcome::Rejected(_))) => {
                tracing::error!(wallet = %name.wallet_id, "a due wallet was not settled");
                failed
            }
            Some(Err(error)) => {
                tracing::warn!(wallet = %name.wallet_id, %error, "a due wallet could not be settled");
                failed
            }
        };
        self.metrics.swept(&swept);
        swept
    }
}

fn say(swept: &Swept, lag: Duration, what: &'static str) {
    let Swept { wallets, entries, events, failed } = *swept;
    let lag_ms = u64::try_from(lag.as_millis()).unwrap_or(u64::MAX);
    tracing::info!(wallets, entries, events, failed, lag_ms, "{what}");
}
