//! The write path: load, decide, write, commit.
//!
//! A batch of one is the simple case, not a second path. Requests are decided in order, each on the state
//! that the one before it left. If the database refuses a batch, its requests run one by one, so that one
//! caller's failure never becomes another's.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use deadpool_postgres::Client;
use purse_domain::{
    AccountId, AssetCode, Command, CreateWallet, Decision, Fingerprint, Missing, NamespaceId,
    POLICY_VERSION, Rejection, Request, Scale, Transaction, TransactionId, TransactionKind,
    Verdict, WalletId, WalletState, decide,
};

use crate::{
    Kept, Storage, StorageError,
    load::{Loaded, load, load_missing},
    replay::UsedKey,
    write::Writes,
};

/// How often a single request is tried before its error is answered. The second try sees what another
/// server committed in between; the third is for a connection that broke in between as well.
const MOST_TRIES: u32 = 3;
/// Pause before another try: enough for the other transaction to end, short beside any deadline.
const PAUSE: Duration = Duration::from_millis(20);
/// A decision that is still lacking grants after this many loads is a defect: ten thousand grants take
/// forty.
const MOST_LOADS: u32 = 4_096;

/// What came of a request.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It was accepted.
    Accepted(Answer),
    /// It may not happen; nothing was written.
    Rejected(Rejection),
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
    /// Until all rows were sent and taken.
    pub write: Duration,
    /// Until the commit was durable.
    pub commit: Duration,
}

/// The outcomes of a batch, in the order of its requests.
pub type Outcomes = Vec<Result<Outcome, Arc<StorageError>>>;

impl Storage {
    /// Runs a batch of requests. `kept` is its lane's; an empty one serves as well.
    pub async fn run_batch(
        &self,
        kept: &mut Kept,
        requests: &[Request],
    ) -> (Outcomes, Option<BatchTimings>) {
        let all: Vec<&Request> = requests.iter().collect();
        // What limits count is counted anew from the entries when they change, so that stands alone.
        if all.len() > 1 && all.iter().any(|request| request.command.limit_change().is_some()) {
            return (self.one_by_one(kept, all).await, None);
        }
        if let Some((outcomes, timings)) = self.try_on_kept(kept, &all).await {
            return (outcomes.into_iter().map(Ok).collect(), Some(timings));
        }
        let error = match self.try_together(kept, &all).await {
            Ok((outcomes, timings)) => {
                return (outcomes.into_iter().map(Ok).collect(), Some(timings));
            }
            Err(error) => error,
        };
        if is_for_one_by_one(&all, &error) {
            tracing::info!(%error, requests = all.len(), "a batch was refused; running its requests one by one");
            return (self.one_by_one(kept, all).await, None);
        }
        let error = Arc::new(error);
        (all.iter().map(|_| Err(Arc::clone(&error))).collect(), None)
    }

    /// Runs requests as a transaction each.
    async fn one_by_one(&self, kept: &mut Kept, requests: Vec<&Request>) -> Outcomes {
        let mut outcomes = Vec::with_capacity(requests.len());
        for request in requests {
            let alone = self.try_together(kept, &[request]).await;
            outcomes.extend(match alone {
                Ok((outcomes, _)) => outcomes.into_iter().map(Ok).collect::<Outcomes>(),
                Err(error) => vec![Err(Arc::new(error))],
            });
        }
        outcomes
    }

    /// Runs requests on kept wallets as one statement. `None`: nothing was written, or nobody knows whether,
    /// and they have to run on wallets that are read.
    async fn try_on_kept(
        &self,
        kept: &mut Kept,
        requests: &[&Request],
    ) -> Option<(Vec<Outcome>, BatchTimings)> {
        let started = Instant::now();
        let mut batch = Batch::new(Loaded { wallets: kept.take(requests)?, ..Loaded::default() });
        let mut outcomes = Vec::with_capacity(requests.len());
        for request in requests {
            match batch.decide(self, request) {
                Ok(outcome @ Outcome::Accepted(_)) => outcomes.push(outcome),
                Ok(Outcome::Rejected(_)) | Err(_) => return None,
            }
        }
        let decide = started.elapsed();
        let Batch { wallets, writes, .. } = batch;
        if let Err(error) = self.write_at_once(writes).await {
            tracing::debug!(%error, requests = requests.len(), "kept wallets were of no use");
            kept.was_refused();
            return None;
        }
        kept.held_true();
        kept.put(wallets);
        let write = started.elapsed();
        Some((
            outcomes,
            BatchTimings { started, load: Duration::ZERO, decide, write, commit: write },
        ))
    }

    /// Writes as a transaction of its own. On any error its connection is dropped.
    async fn write_at_once(&self, writes: Writes) -> Result<(), StorageError> {
        let client = self.writer().await?;
        let written = Box::pin(writes.send_and_commit(&client)).await;
        if written.is_err() {
            drop(Client::take(client));
        }
        written
    }

    /// Runs requests as one transaction, again while that may help.
    async fn try_together(
        &self,
        kept: &mut Kept,
        requests: &[&Request],
    ) -> Result<(Vec<Outcome>, BatchTimings), StorageError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match Box::pin(self.attempt(kept, requests)).await {
                Err(error)
                    if error.is_retryable()
                        && tries < MOST_TRIES
                        && !is_for_one_by_one(requests, &error) =>
                {
                    tracing::debug!(%error, tries, requests = requests.len(), "trying again");
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
        requests: &[&Request],
    ) -> Result<(Vec<Outcome>, BatchTimings), StorageError> {
        let started = Instant::now();
        let client = self.writer().await?;
        match Box::pin(self.attempt_on(&client, requests, started)).await {
            Ok((outcomes, timings, wallets)) => {
                kept.put(wallets);
                Ok((outcomes, timings))
            }
            Err(error) => {
                drop(Client::take(client));
                Err(error)
            }
        }
    }

    async fn attempt_on(
        &self,
        client: &Client,
        requests: &[&Request],
        started: Instant,
    ) -> Result<(Vec<Outcome>, BatchTimings, HashMap<WalletId, WalletState>), StorageError> {
        let mut batch = Batch::new(load(client, requests, self.clock().now()).await?);
        let load = started.elapsed();
        let mut outcomes = Vec::with_capacity(requests.len());
        for request in requests {
            outcomes.push(self.decide_one(client, &mut batch, request).await?);
        }
        let decide = started.elapsed();
        let Batch { wallets, writes, .. } = batch;
        let taken = Box::pin(writes.commit(client)).await?;
        let write = taken - started;
        let commit = started.elapsed();
        Ok((outcomes, BatchTimings { started, load, decide, write, commit }, wallets))
    }

    async fn decide_one(
        &self,
        client: &Client,
        batch: &mut Batch,
        request: &Request,
    ) -> Result<Outcome, StorageError> {
        if let Some(known) = batch.answer_known(client, request).await? {
            return Ok(known);
        }
        for _ in 0..MOST_LOADS {
            match batch.decide(self, request) {
                Ok(outcome) => return Ok(outcome),
                Err(missing) => match batch.wallets.get_mut(&request.wallet.wallet_id) {
                    Some(state) => load_missing(client, state, missing).await?,
                    None => break,
                },
            }
        }
        let wallet = request.wallet.wallet_id;
        Err(StorageError::Corrupt(format!("wallet {wallet}: grants are lacking without end")))
    }
}

/// Whether a batch failed for a reason that may be one request's, not all of theirs.
fn is_for_one_by_one(requests: &[&Request], error: &StorageError) -> bool {
    requests.len() > 1 && !matches!(error, StorageError::Unavailable(_))
}

/// A batch while it is decided.
struct Batch {
    wallets: HashMap<WalletId, WalletState>,
    assets: HashMap<(NamespaceId, AssetCode), Scale>,
    used: HashMap<(AccountId, String), UsedKey>,
    answered: HashMap<(AccountId, String), (Fingerprint, Arc<Transaction>)>,
    writes: Writes,
}

impl Batch {
    fn new(loaded: Loaded) -> Self {
        let Loaded { wallets, keys, assets } = loaded;
        Self { wallets, assets, used: keys, answered: HashMap::new(), writes: Writes::default() }
    }

    /// The answer to a request whose key an earlier transaction used.
    async fn answer_known(
        &self,
        client: &Client,
        request: &Request,
    ) -> Result<Option<Outcome>, StorageError> {
        let Some(used) = self.used.get(&key_of(request)) else { return Ok(None) };
        if used.fingerprint != request.fingerprint {
            return Ok(Some(reused(request, used.transaction_id)));
        }
        Ok(Some(replayed(Arc::new(used.transaction(client, &request.wallet).await?))))
    }

    /// Decides a request whose key no earlier transaction used, on what the requests before it left.
    fn decide(&mut self, storage: &Storage, request: &Request) -> Result<Outcome, Missing> {
        if let Some((fingerprint, transaction)) = self.answered.get(&key_of(request)) {
            return Ok(if *fingerprint == request.fingerprint {
                replayed(Arc::clone(transaction))
            } else {
                reused(request, transaction.id)
            });
        }
        let with_scale = self.with_asset_scale(request);
        let request = with_scale.as_ref().unwrap_or(request);
        let clock = storage.clock().now();
        match decide(self.wallets.get(&request.wallet.wallet_id), request, clock) {
            Verdict::Rejected(rejection) => Ok(Outcome::Rejected(rejection)),
            Verdict::Lacking(missing) => Err(missing),
            Verdict::Accepted(decision) => {
                let id = storage.ids().transaction_id(decision.now);
                Ok(self.accept(request, &decision, id))
            }
        }
    }

    /// A request to open a wallet, with the scale that its asset has.
    fn with_asset_scale(&self, request: &Request) -> Option<Request> {
        let Command::CreateWallet(create) = &request.command else { return None };
        let asset = (request.wallet.namespace_id, request.wallet.asset.clone());
        let asset_scale = self.assets.get(&asset).copied();
        let create = CreateWallet { asset_scale, ..create.clone() };
        Some(Request { command: Command::CreateWallet(create), ..request.clone() })
    }

    fn accept(&mut self, request: &Request, decision: &Decision, id: TransactionId) -> Outcome {
        let wallet = request.wallet.wallet_id;
        let before = self.wallets.get(&wallet);
        let existed = before.is_some();
        let transaction = Arc::new(transaction(request, decision, id, before));
        let (changes, previewed) = (decision.writes, request.validate_only);
        if changes && !previewed {
            self.write(request, decision, &transaction, existed);
        }
        Outcome::Accepted(Answer { transaction, replayed: false, changes, previewed })
    }

    fn write(
        &mut self,
        request: &Request,
        decision: &Decision,
        transaction: &Arc<Transaction>,
        existed: bool,
    ) {
        let name = &request.wallet;
        if let (false, Some(settings)) = (existed, &decision.settings) {
            self.wallets.insert(name.wallet_id, WalletState::opened(settings.clone()));
            let asset = (name.namespace_id, name.asset.clone());
            if self.assets.insert(asset, settings.scale).is_none() {
                self.writes.add_asset(request, settings.scale, transaction);
            }
        }
        if let Some(state) = self.wallets.get_mut(&name.wallet_id) {
            let before = Arc::clone(&state.settings);
            state.apply(decision);
            self.writes.add(request, transaction, decision, existed, state);
            if !state.settings.spend_limits.count_as(&before.spend_limits) {
                self.writes.recount(state);
            }
        }
        self.answered.insert(key_of(request), (request.fingerprint, Arc::clone(transaction)));
    }
}

/// What a key is unique in: its account.
fn key_of(request: &Request) -> (AccountId, String) {
    (request.wallet.account_id, request.key.as_str().to_owned())
}

fn replayed(transaction: Arc<Transaction>) -> Outcome {
    Outcome::Accepted(Answer { transaction, replayed: true, changes: true, previewed: false })
}

fn reused(request: &Request, transaction: TransactionId) -> Outcome {
    Outcome::Rejected(Rejection::IdempotencyKeyReused { key: request.key.clone(), transaction })
}

/// The record of an accepted request.
fn transaction(
    request: &Request,
    decision: &Decision,
    id: TransactionId,
    before: Option<&WalletState>,
) -> Transaction {
    let settings = decision.settings.as_ref();
    let policy = before.map(|state| state.settings.drawdown_policy);
    Transaction {
        id,
        kind: request.command.kind(),
        key: request.key.clone(),
        fingerprint: request.fingerprint,
        operation: decision.operation(&request.command).cloned(),
        actor: request.actor.clone(),
        reason: request.reason.clone(),
        metadata: match request.command.kind() {
            // It is the wallet's own, and kept there.
            TransactionKind::CreateWallet => purse_domain::Metadata::default(),
            TransactionKind::UpdateWallet
            | TransactionKind::Grant
            | TransactionKind::Spend
            | TransactionKind::VoidGrant
            | TransactionKind::ExpireGrant
            | TransactionKind::CreateHold
            | TransactionKind::CaptureHold
            | TransactionKind::ReleaseHold
            | TransactionKind::ExtendHold
            | TransactionKind::ReverseSpend => request.metadata.clone(),
        },
        drawdown_policy: settings
            .map(|settings| settings.drawdown_policy)
            .or(policy)
            .unwrap_or_default(),
        policy_version: POLICY_VERSION,
        recorded_at: decision.now,
        entries: decision.own_entries().to_vec(),
        balances: decision.head.balances,
        after_sequence: decision.head.last_sequence,
        settings: decision.settings.clone(),
        grant: match request.command {
            Command::Grant(_) => decision.made_grants().next().cloned(),
            Command::CreateWallet(_)
            | Command::UpdateWallet(_)
            | Command::Spend(_)
            | Command::VoidGrant(_)
            | Command::ExpireGrant(_)
            | Command::CreateHold(_)
            | Command::CaptureHold(_)
            | Command::ReleaseHold(_)
            | Command::ExtendHold(..)
            | Command::ReverseSpend(_) => None,
        },
        hold: decision.hold().cloned(),
    }
}
