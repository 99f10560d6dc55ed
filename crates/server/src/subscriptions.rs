//! Subscriptions: from an event, or from time, to credits in a wallet.
//!
//! What is told gathers into batches as requests gather in lanes, and each batch is one transaction
//! ([`Storage::advance`]). What it answers is to be done goes through the lanes, under keys of its own; what came of it is
//! told again, until nothing is left to do. Whoever stops in between has lost nothing: the job, on any server, finds the
//! subscription due and goes on.

mod job;

use std::{iter, sync::Arc, time::Instant};

use purse_domain::{
    Action, Actor, Answered, Command, CreateWallet, DrawdownPolicy, Fingerprint, Group, Heard,
    IdempotencyKey, LeadTimes, Metadata, Purpose, Reason, Request, SubscriptionName, Thresholds,
    WalletName,
};
use purse_storage::{
    Answer, Outcome, Storage, StorageError,
    subscriptions::{Advanced, Done, Told},
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::Status;

use crate::{
    backlog::{LARGEST_BATCH, Work},
    lane::Lanes,
    status,
};

/// Most that wait: more are refused before any work.
const MOST_WAITING: usize = 8_192;
/// What is to be done leads to more at most so often: what was carried is not carried again.
const MOST_ROUNDS: usize = 8;
/// The actor of what Purse does by itself.
const ACTOR: &str = "purse";

/// What was told, and who waits for what comes of it.
#[derive(Debug)]
struct Job {
    told: Told,
    reply: oneshot::Sender<Result<Advanced, Arc<StorageError>>>,
}

/// The way to all subscriptions.
#[derive(Debug, Clone)]
pub struct Subscriptions {
    jobs: mpsc::Sender<Job>,
    lanes: Arc<Lanes>,
}

/// What came of something that was told.
#[derive(Debug)]
pub struct BroughtAbout {
    /// What became of the event.
    pub heard: Option<Heard>,
    /// What was done upon it.
    pub done: Vec<Done>,
    /// The applications at hand, after it.
    pub applications: Vec<purse_domain::Application>,
}

/// Something that was told and is being heard.
#[derive(Debug)]
struct Advancing(oneshot::Receiver<Result<Advanced, Arc<StorageError>>>);

impl Advancing {
    async fn advanced(self) -> Result<Advanced, Status> {
        let advanced = self.0.await.map_err(|_| status::stopping())?;
        advanced.map_err(|error| status::storage(&error))
    }
}

/// Something that was told, before what is to be done upon it.
#[derive(Debug)]
pub struct Begun {
    subscriptions: Subscriptions,
    name: SubscriptionName,
    advancing: Advancing,
}

impl Begun {
    /// Does what is to be done upon it.
    pub async fn end(self) -> Result<BroughtAbout, Status> {
        let advanced = self.advancing.advanced().await?;
        self.subscriptions.bring_to_end(self.name, advanced).await
    }
}

impl Subscriptions {
    /// Starts the task that hears, and the job that looks for what is due. At `stop` they take nothing more and end;
    /// `tasks` knows when.
    pub fn start(
        storage: &Storage,
        lanes: &Arc<Lanes>,
        tasks: &TaskTracker,
        (stop, lanes_stop): (&CancellationToken, &CancellationToken),
    ) -> Self {
        let (jobs, waiting) = mpsc::channel(MOST_WAITING);
        tasks.spawn(hear(storage.clone(), waiting, lanes_stop.clone()));
        let subscriptions = Self { jobs, lanes: Arc::clone(lanes) };
        tasks.spawn(job::run(storage.clone(), subscriptions.clone(), stop.clone()));
        subscriptions
    }

    /// Tells something, and does what is to be done upon it.
    pub async fn bring_about(&self, told: Told) -> Result<BroughtAbout, Status> {
        self.begin(told)?.end().await
    }

    /// Tells something; what is told later is heard later.
    pub fn begin(&self, told: Told) -> Result<Begun, Status> {
        let name = told.name.clone();
        Ok(Begun { subscriptions: self.clone(), name, advancing: self.tell(told)? })
    }

    async fn bring_to_end(
        &self,
        name: SubscriptionName,
        advanced: Advanced,
    ) -> Result<BroughtAbout, Status> {
        let Advanced { heard, mut actions, mut applications } = advanced;
        let mut all = Vec::new();
        for _ in 0..MOST_ROUNDS {
            if actions.is_empty() {
                break;
            }
            let done = self.act(&name, actions).await?;
            all.extend(done.iter().cloned());
            let told = Told { done, ..Told::time(name.clone()) };
            Advanced { actions, applications, .. } = self.tell(told)?.advanced().await?;
        }
        Ok(BroughtAbout { heard, done: all, applications })
    }

    fn tell(&self, told: Told) -> Result<Advancing, Status> {
        let (reply, replied) = oneshot::channel();
        self.jobs.try_send(Job { told, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => status::overloaded(),
            mpsc::error::TrySendError::Closed(_) => status::stopping(),
        })?;
        Ok(Advancing(replied))
    }

    /// Does all that is to be done. It comes to its lane together, so it shares batches. What it follows from is recorded,
    /// so no lane refuses it as an overload.
    async fn act(
        &self,
        name: &SubscriptionName,
        actions: Vec<Action>,
    ) -> Result<Vec<Done>, Status> {
        let groups = actions.iter().map(|action| Ok(Group::from(request(name, action))));
        let sent = self.lanes.send_all(groups.collect(), Work::Begun);
        let mut done = Vec::with_capacity(sent.len());
        for (pending, action) in iter::zip(sent, actions) {
            let mut outcome = answers(pending?.reply().await?.outcome)?;
            if action.purpose == Purpose::Apply
                && matches!(outcome, Err(purse_domain::Rejection::WalletNotFound))
            {
                let opened = Group::new(vec![opening(name, &action), request(name, &action)]);
                let group = opened.ok_or_else(status::unanswered)?;
                outcome = answers(self.lanes.run(group, Work::Begun).await?.outcome)?;
            }
            let answered = match outcome {
                Ok(answers) => answered(answers.last().ok_or_else(status::unanswered)?),
                Err(rejection) => {
                    let wallet = wallet_of(name, &action);
                    let refused = status::rejected(&rejection, &wallet);
                    Answered::Refused(status::reason_of(&refused))
                }
            };
            done.push(Done { action, answered });
        }
        Ok(done)
    }
}

/// The answers of a group that went through a lane, or why it was refused.
fn answers(
    outcome: Result<Outcome, Arc<StorageError>>,
) -> Result<Result<Vec<Answer>, purse_domain::Rejection>, Status> {
    match outcome {
        Ok(Outcome::Accepted(answers)) => Ok(Ok(answers)),
        // Nothing here asks for that.
        Ok(Outcome::Settled(_)) => Err(status::unanswered()),
        Ok(Outcome::Rejected(refused)) => Ok(Err(refused.rejection)),
        Err(error) => Err(status::storage(&error)),
    }
}

fn answered(answer: &Answer) -> Answered {
    let purse_domain::Transaction { id, grants, entries, .. } = &*answer.transaction;
    Answered::of(*id, grants, entries)
}

fn wallet_of(name: &SubscriptionName, action: &Action) -> WalletName {
    WalletName::new(name.namespace_id, name.account.clone(), action.asset.clone())
}

/// The request for what is to be done.
fn request(name: &SubscriptionName, action: &Action) -> Request {
    let metadata = [
        ("subscription_id", name.id.as_str().to_owned()),
        ("rule_id", action.application.rule.to_string()),
        ("period_start", action.application.period_start.to_string()),
    ];
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value)).into_iter().collect();
    internal(wallet_of(name, action), action.command.clone(), &action.key, metadata)
}

/// The request to open the wallet that is to be granted to, as whoever opens it without saying more.
fn opening(name: &SubscriptionName, action: &Action) -> Request {
    let create = CreateWallet {
        requested_scale: None,
        asset_scale: None,
        drawdown_policy: DrawdownPolicy::default(),
        overdraft_limit: purse_domain::Amount::ZERO,
        low_balance_thresholds: Thresholds::default(),
        expiring_soon_leads: LeadTimes::default(),
    };
    let wallet = wallet_of(name, action);
    let key = IdempotencyKey::internal(wallet.wallet_id.uuid());
    internal(wallet, Command::CreateWallet(create), &key, std::collections::BTreeMap::new())
}

fn internal(
    wallet: WalletName,
    command: Command,
    key: &IdempotencyKey,
    metadata: std::collections::BTreeMap<String, String>,
) -> Request {
    Request {
        wallet,
        command,
        fingerprint: Fingerprint::of_internal(key),
        key: Some(key.clone()),
        actor: Actor::from_stored(ACTOR.to_owned()),
        reason: Reason::from_stored(String::new()),
        metadata: Metadata::from_stored(metadata),
        validate_only: false,
        commit_token: None,
    }
}

/// Hears what is told, batch by batch.
async fn hear(storage: Storage, mut waiting: mpsc::Receiver<Job>, stop: CancellationToken) {
    let mut jobs = Vec::with_capacity(LARGEST_BATCH);
    loop {
        tokio::select! {
            biased;
            taken = waiting.recv_many(&mut jobs, LARGEST_BATCH) => if taken == 0 { return },
            () = stop.cancelled() => {
                waiting.close();
                if waiting.is_empty() {
                    return;
                }
                continue;
            }
        }
        let began = Instant::now();
        let (told, replies): (Vec<Told>, Vec<_>) =
            jobs.drain(..).map(|job| (job.told, job.reply)).unzip();
        match storage.advance(&told).await {
            Ok(advanced) => {
                for (reply, advanced) in replies.into_iter().zip(advanced) {
                    reply.send(Ok(advanced)).ok();
                }
            }
            // One that the database refuses must not be another's failure.
            Err(error) if told.len() > 1 && !matches!(error, StorageError::Unavailable(_)) => {
                tracing::info!(%error, told = told.len(), "subscriptions one by one");
                for (reply, told) in replies.into_iter().zip(told) {
                    let alone = storage.advance(std::slice::from_ref(&told)).await;
                    let alone = alone.map_err(Arc::new).and_then(|advanced| {
                        advanced
                            .into_iter()
                            .next()
                            .ok_or_else(|| Arc::new(StorageError::Corrupt("no answer".to_owned())))
                    });
                    reply.send(alone).ok();
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                for reply in replies {
                    reply.send(Err(Arc::clone(&error))).ok();
                }
            }
        }
        tracing::debug!(elapsed = ?began.elapsed(), "subscriptions advanced");
    }
}
