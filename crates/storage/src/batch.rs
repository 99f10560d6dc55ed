//! The write path: load, decide, write, commit.
//!
//! A batch of one is the simple case, not a second path. A batch consists of groups, each of one request or of
//! several that happen together or not at all. Those of an account are decided in order, each on the state that the one
//! before it left. If the database refuses a batch, its groups run one by one, so that one caller's failure never
//! becomes another's.

mod deciding;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use deadpool_postgres::Client;
use purse_domain::{
    AccountId, Command, CommitToken, Group, Refused, Transaction, TransactionId, WalletId,
    WalletState,
};

use crate::{
    Kept, Storage, StorageError,
    kept::Taken,
    load::{Loaded, load},
    write::Writes,
};
use deciding::Batch;

/// How often a single request is tried before its error is answered. The second try sees what another
/// server committed in between; the third is for a connection that broke in between as well.
const MOST_TRIES: u32 = 3;
/// Pause before another try: enough for the other transaction to end, short beside any deadline.
const PAUSE: Duration = Duration::from_millis(20);
/// A decision that is still lacking something after this many loads is a defect: ten thousand grants take
/// forty.
const MOST_LOADS: u32 = 4_096;

/// What came of a group.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It was accepted: an answer for each of its requests, in their order.
    Accepted(Vec<Answer>),
    /// It may not happen; nothing of it was written.
    Rejected(Refused),
    /// Its wallet was settled, which is all that was asked for.
    Settled(Settled),
}

/// What settling a wallet wrote.
#[derive(Debug, Clone, Copy)]
pub struct Settled {
    /// Whether anything was due: otherwise nothing was written.
    pub was_due: bool,
    /// How many entries time alone made.
    pub entries: usize,
    /// How many events.
    pub events: usize,
}

/// An accepted request's answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What was written, or would be.
    pub transaction: Arc<Transaction>,
    /// The key had been used for this very request: this is the first answer again.
    pub replayed: bool,
    /// The request changes something; opening a wallet that is there already does not.
    pub changes: bool,
    /// It was only validated: nothing was written.
    pub previewed: bool,
    /// What makes the preview binding; the legs of a transaction have one.
    pub commit_token: Option<CommitToken>,
}

impl Answer {
    /// The first answer again.
    fn replayed(transaction: Arc<Transaction>) -> Self {
        Self { transaction, replayed: true, changes: true, previewed: false, commit_token: None }
    }
}

/// How long the steps of a batch took.
#[derive(Debug, Clone, Copy)]
pub struct BatchTimings {
    /// When the batch began.
    pub started: Instant,
    /// Until the wallets were locked and loaded.
    pub load: Duration,
    /// Until all was decided.
    pub decide: Duration,
    /// Until all rows were sent and taken; behind another batch of the lane that is still being written, after that.
    pub write: Duration,
    /// Until the commit was durable.
    pub commit: Duration,
}

/// Groups that were decided on kept wallets.
pub(crate) struct DecidedOnKept {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) writes: Writes,
    /// The last of their transactions on each wallet.
    pub(crate) transactions: HashMap<WalletId, TransactionId>,
}

/// The outcomes of a batch, in the order of its groups.
pub type Outcomes = Vec<Result<Outcome, Arc<StorageError>>>;

impl Storage {
    /// Runs a batch of groups on wallets that are read, and keeps these in `kept`.
    pub async fn run_batch(
        &self,
        kept: &mut Kept,
        groups: &[Group],
    ) -> (Outcomes, Option<BatchTimings>) {
        let all: Vec<&Group> = groups.iter().collect();
        // What limits count is counted anew from the entries when they change, so that stands alone.
        if all.len() > 1 && all.iter().any(|group| changes_limits(group)) {
            return (self.one_by_one(kept, all).await, None);
        }
        let error = match self.try_together(kept, &all).await {
            Ok((outcomes, timings)) => {
                return (outcomes.into_iter().map(Ok).collect(), Some(timings));
            }
            Err(error) => error,
        };
        if is_for_one_by_one(&all, &error) {
            tracing::info!(%error, groups = all.len(), "a batch was refused; running its groups one by one");
            return (self.one_by_one(kept, all).await, None);
        }
        let error = Arc::new(error);
        (all.iter().map(|_| Err(Arc::clone(&error))).collect(), None)
    }

    /// Runs groups as a transaction each.
    async fn one_by_one(&self, kept: &mut Kept, groups: Vec<&Group>) -> Outcomes {
        let mut outcomes = Vec::with_capacity(groups.len());
        for group in groups {
            let alone = self.try_together(kept, &[group]).await;
            outcomes.extend(match alone {
                Ok((outcomes, _)) => outcomes.into_iter().map(Ok).collect::<Outcomes>(),
                Err(error) => vec![Err(Arc::new(error))],
            });
        }
        outcomes
    }

    /// Decides groups on kept wallets, and keeps them as they will be once that is written. `None`: they have to run on
    /// wallets that are read.
    pub(crate) fn decide_on_kept(
        &self,
        kept: &mut Kept,
        groups: &[Group],
    ) -> Option<DecidedOnKept> {
        let Taken { wallets, mut unwritten } = kept.take(groups)?;
        let mut batch = Batch::new(Loaded { wallets, ..Loaded::default() });
        batch.writes.build_on(unwritten.clone());
        let mut outcomes = Vec::with_capacity(groups.len());
        for group in groups {
            let outcome = batch.decide(self, group).ok()?;
            let writes = match &outcome {
                Outcome::Accepted(answers) => !answers.iter().any(|answer| answer.previewed),
                Outcome::Rejected(_) => false,
                Outcome::Settled(_) => return None,
            };
            if !writes {
                batch.writes.rely_on(group, &batch.wallets);
            }
            outcomes.push(outcome);
        }
        let Batch { wallets, writes, .. } = batch;
        let transactions = writes.transactions();
        unwritten.extend(&transactions);
        kept.put(wallets, &unwritten, &homes_of(groups));
        Some(DecidedOnKept { outcomes, writes, transactions })
    }

    /// Runs groups as one transaction, again while that may help.
    async fn try_together(
        &self,
        kept: &mut Kept,
        groups: &[&Group],
    ) -> Result<(Vec<Outcome>, BatchTimings), StorageError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match Box::pin(self.attempt(kept, groups)).await {
                Err(error)
                    if error.is_retryable()
                        && tries < MOST_TRIES
                        && !is_for_one_by_one(groups, &error) =>
                {
                    tracing::debug!(%error, tries, groups = groups.len(), "trying again");
                    tokio::time::sleep(PAUSE).await;
                }
                done => return done,
            }
        }
    }

    /// One transaction. On any error its connection is dropped, which rolls it back.
    async fn attempt(
        &self,
        kept: &mut Kept,
        groups: &[&Group],
    ) -> Result<(Vec<Outcome>, BatchTimings), StorageError> {
        let started = Instant::now();
        let client = self.lane_writer().await.inspect_err(|_| kept.forget_all())?;
        match Box::pin(self.attempt_on(&client, groups, started)).await {
            Ok((outcomes, timings, wallets)) => {
                let homes = homes_of(groups.iter().copied());
                kept.put(wallets, &HashMap::new(), &homes);
                Ok((outcomes, timings))
            }
            Err(error) => {
                if matches!(error, StorageError::Unavailable(_)) {
                    kept.forget_all();
                }
                drop(Client::take(client));
                Err(error)
            }
        }
    }

    async fn attempt_on(
        &self,
        client: &Client,
        groups: &[&Group],
        started: Instant,
    ) -> Result<(Vec<Outcome>, BatchTimings, HashMap<WalletId, WalletState>), StorageError> {
        let mut batch = Batch::new(load(client, groups, self.clock().now()).await?);
        batch.read_used(client, groups).await?;
        let load = started.elapsed();
        let outcomes = self.decide_all(client, &mut batch, groups).await?;
        let decide = started.elapsed();
        let Batch { wallets, writes, .. } = batch;
        let taken = Box::pin(writes.commit(client)).await?;
        let write = taken - started;
        let commit = started.elapsed();
        Ok((outcomes, BatchTimings { started, load, decide, write, commit }, wallets))
    }

    /// Decides all groups. What decisions lack is loaded for all of them at once, as far as it is of different accounts; the
    /// groups of an account are decided in their order.
    async fn decide_all(
        &self,
        client: &Client,
        batch: &mut Batch,
        groups: &[&Group],
    ) -> Result<Vec<Outcome>, StorageError> {
        let mut outcomes: Vec<Option<Outcome>> = groups.iter().map(|_| None).collect();
        let mut undecided: Vec<usize> = (0..groups.len()).collect();
        let mut loads = 0;
        while let [first, ..] = undecided[..] {
            let mut waiting: HashSet<AccountId> = HashSet::new();
            let mut lacking = Vec::new();
            undecided.retain(|index| {
                let group = groups[*index];
                if !accounts_of(group).any(|account| waiting.contains(&account)) {
                    match batch.decide(self, group) {
                        Ok(outcome) => {
                            outcomes[*index] = Some(outcome);
                            return false;
                        }
                        Err((wallet, missing)) => {
                            lacking.extend(batch.lacking(group, wallet, missing));
                        }
                    }
                }
                waiting.extend(accounts_of(group));
                true
            });
            batch.load(client, lacking).await?;
            loads = if undecided.first() == Some(&first) { loads + 1 } else { 0 };
            if loads == MOST_LOADS {
                return Err(StorageError::Corrupt("a decision lacks something without end".into()));
            }
        }
        Ok(outcomes.into_iter().flatten().collect())
    }
}

/// The accounts of a group.
fn accounts_of(group: &Group) -> impl Iterator<Item = AccountId> {
    group.wallets().map(|name| name.account_id)
}

/// The accounts whose lane runs these groups because somebody asked for it. A wallet that is only swept is in no use,
/// and must not push out one that is.
fn homes_of<'a>(groups: impl IntoIterator<Item = &'a Group>) -> HashSet<AccountId> {
    let asked = groups.into_iter().map(|group| &group.requests()[0]);
    let asked = asked.filter(|request| request.command != Command::Settle);
    asked.map(|request| request.wallet.account_id).collect()
}

/// Whether a group changes what spend limits count.
fn changes_limits(group: &Group) -> bool {
    group.requests().iter().any(|request| request.command.limit_change().is_some())
}

/// Whether a batch failed for a reason that may be one group's, not all of theirs.
fn is_for_one_by_one(groups: &[&Group], error: &StorageError) -> bool {
    groups.len() > 1 && !matches!(error, StorageError::Unavailable(_))
}
