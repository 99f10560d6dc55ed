//! A batch while it is decided: its wallets as the groups so far left them, and what is to be written.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use deadpool_postgres::Client;
use futures_util::future::try_join_all;
use purse_domain::{
    AccountId, AssetCode, Charge, Command, CommitToken, Coverage, CreateWallet, Decided, Decision,
    Fingerprint, Group, GroupVerdict, Missing, NamespaceId, POLICY_VERSION, Purchase, Refused,
    Rejection, Request, Scale, Transaction, TransactionId, TransactionKind, WalletId, WalletState,
    decide_group, group::transactions,
};

use super::{Answer, Outcome, Settled};
use crate::{
    Storage, StorageError,
    load::{Loaded, load_missing},
    replay::UsedKey,
    write::Writes,
};

/// What a key is unique in: its account.
type Key = (AccountId, String);
/// What a transaction's key stands for, and its legs.
type First = (Fingerprint, Vec<Arc<Transaction>>);

/// A batch while it is decided.
pub(super) struct Batch {
    pub(super) wallets: HashMap<WalletId, WalletState>,
    assets: HashMap<(NamespaceId, AssetCode), Scale>,
    used: HashMap<Key, UsedKey>,
    /// The transactions of this batch, and those of used keys that it asked for.
    answered: HashMap<Key, First>,
    pub(super) writes: Writes,
}

impl Batch {
    pub(super) fn new(loaded: Loaded) -> Self {
        let Loaded { wallets, keys, assets } = loaded;
        Self { wallets, assets, used: keys, answered: HashMap::new(), writes: Writes::default() }
    }

    /// Reads what earlier transactions answered to the keys of the groups, all at once: after an outage a batch may
    /// consist of calls that are repeated, and one after the other each would take round trips of its own.
    pub(super) async fn read_used(
        &mut self,
        client: &Client,
        groups: &[&Group],
    ) -> Result<(), StorageError> {
        let mut repeated: HashMap<Key, (&UsedKey, &[Request])> = HashMap::new();
        for legs in groups.iter().flat_map(|group| group.transactions()) {
            let Some(key) = key_of(legs) else { continue };
            let Some(used) = self.used.get(&key) else { continue };
            if used.fingerprint == legs[0].fingerprint {
                repeated.insert(key, (used, legs));
            }
        }
        let read = repeated.into_iter().map(async |(key, (used, legs))| {
            let first = (used.fingerprint, used.legs(client, legs).await?);
            Ok::<_, StorageError>((key, first))
        });
        self.answered.extend(try_join_all(read).await?);
        Ok(())
    }

    /// All that a group lacks, given what it was found to lack first. If that is what is due of a wallet, deciding would find
    /// the same of its other wallets next.
    pub(super) fn lacking(
        &self,
        group: &Group,
        wallet: WalletId,
        missing: Missing,
    ) -> Vec<(WalletId, Missing)> {
        let Missing::DueBy(at) = missing else { return vec![(wallet, missing)] };
        let is_due = |id: &WalletId| match self.wallets.get(id).map(|state| state.coverage) {
            Some(Coverage::Partial { next_due_at, .. }) => next_due_at.is_some_and(|due| due <= at),
            Some(Coverage::Complete) | None => false,
        };
        let others = group.wallets().map(|name| name.wallet_id).filter(is_due);
        let due: HashSet<WalletId> = others.chain([wallet]).collect();
        due.into_iter().map(|id| (id, Missing::DueBy(at))).collect()
    }

    /// Loads what is lacking, each of another wallet, in as few round trips as the longest of them takes.
    pub(super) async fn load(
        &mut self,
        client: &Client,
        lacking: Vec<(WalletId, Missing)>,
    ) -> Result<(), StorageError> {
        let loads = lacking.into_iter().filter_map(|(wallet, missing)| {
            let mut state = self.wallets.remove(&wallet)?;
            Some(async move {
                load_missing(client, &mut state, &missing).await?;
                Ok::<_, StorageError>((wallet, state))
            })
        });
        let loaded = try_join_all(loads).await?;
        self.wallets.extend(loaded);
        Ok(())
    }

    /// Decides a group on what the groups before it left. A transaction whose key was used answers as it did
    /// then.
    pub(super) fn decide(
        &mut self,
        storage: &Storage,
        group: &Group,
    ) -> Result<Outcome, (WalletId, Missing)> {
        let with_scale = self.with_asset_scale(group);
        let group = with_scale.as_ref().unwrap_or(group);
        let mut known = Vec::with_capacity(1);
        let mut fresh = Vec::with_capacity(group.requests().len());
        let mut places = Vec::with_capacity(group.requests().len());
        let mut place = 0;
        for legs in group.transactions() {
            let answers = match self.answer_known(legs).transpose() {
                Ok(answers) => answers,
                Err(rejection) => {
                    let wallet = legs[0].wallet.clone();
                    return Ok(Outcome::Rejected(Refused { index: place, wallet, rejection }));
                }
            };
            if answers.is_none() {
                fresh.extend(legs);
                places.extend(place..place + legs.len());
            }
            known.push(answers);
            place += legs.len();
        }
        let clock = storage.clock().now();
        let decided = match decide_group(|id| self.wallets.get(&id), &fresh, clock) {
            GroupVerdict::Accepted(decided) => decided,
            GroupVerdict::Lacking(wallet, missing) => return Err((wallet, missing)),
            GroupVerdict::Rejected(refused) => {
                let index = places[refused.index];
                return Ok(Outcome::Rejected(Refused { index, ..refused }));
            }
        };
        if let [Decided { request, decision }] = decided.as_slice()
            && request.command == Command::Settle
        {
            return Ok(Outcome::Settled(self.settle(request, decision)));
        }
        let mut decided = transactions(&decided);
        let mut answers = Vec::with_capacity(group.requests().len());
        for known in known {
            answers.extend(match known {
                Some(known) => known,
                None => decided.next().map(|legs| self.accept(storage, legs)).unwrap_or_default(),
            });
        }
        Ok(Outcome::Accepted(answers))
    }

    /// The answer to a transaction whose key was used, by this batch or before it.
    fn answer_known(&self, legs: &[Request]) -> Option<Result<Vec<Answer>, Rejection>> {
        let (key, fingerprint) = (key_of(legs)?, &legs[0].fingerprint);
        let first = self.answered.get(&key);
        let used_for = first.map(|(used_for, legs)| (used_for, legs[0].id));
        // Of another request only the id is told, and no leg was read.
        let used_for = used_for
            .or_else(|| self.used.get(&key).map(|used| (&used.fingerprint, used.transaction_id)));
        let (used_for, transaction) = used_for?;
        if used_for != fingerprint {
            let key = legs[0].key.clone()?;
            return Some(Err(Rejection::IdempotencyKeyReused { key, transaction }));
        }
        let (_, first) = first?;
        Some(Ok(first.iter().map(Arc::clone).map(Answer::replayed).collect()))
    }

    /// A request to open a wallet, with the scale that its asset has.
    fn with_asset_scale(&self, group: &Group) -> Option<Group> {
        let [request] = group.requests() else { return None };
        let Command::CreateWallet(create) = &request.command else { return None };
        let asset = (request.wallet.namespace_id, request.wallet.asset.clone());
        let asset_scale = self.assets.get(&asset).copied();
        let create = CreateWallet { asset_scale, ..create.clone() };
        let command = Command::CreateWallet(create);
        Some(Group::from(Request { command, ..request.clone() }))
    }

    /// Takes up a transaction, leg by leg.
    fn accept(&mut self, storage: &Storage, legs: &[Decided<'_>]) -> Vec<Answer> {
        let id = storage.ids().transaction_id(legs[0].decision.now);
        let token = legs[0].request.validate_only.then(|| CommitToken::of(legs));
        let answers: Vec<Answer> =
            legs.iter().filter_map(|leg| self.accept_leg(leg, id, token)).collect();
        if answers.iter().all(|answer| answer.changes && !answer.previewed)
            && let Some(key) = legs[0].request.key.as_ref()
        {
            let request = &legs[0].request;
            let key = (request.wallet.account_id, key.as_str().to_owned());
            let legs = answers.iter().map(|answer| Arc::clone(&answer.transaction)).collect();
            self.answered.insert(key, (request.fingerprint, legs));
        }
        answers
    }

    /// `None`: what it does makes no transaction.
    fn accept_leg(
        &mut self,
        leg: &Decided<'_>,
        id: TransactionId,
        commit_token: Option<CommitToken>,
    ) -> Option<Answer> {
        let Decided { request, decision } = leg;
        let before = self.wallets.get(&request.wallet.wallet_id);
        let existed = before.is_some();
        let transaction = Arc::new(transaction(request, decision, id, before)?);
        let (changes, previewed) = (decision.writes, request.validate_only);
        if changes && !previewed {
            self.write(request, decision, &transaction, existed);
        }
        Some(Answer { transaction, replayed: false, changes, previewed, commit_token })
    }

    /// Takes up what time alone did to a wallet.
    fn settle(&mut self, request: &Request, decision: &Decision) -> Settled {
        if let (true, Some(state)) =
            (decision.writes, self.wallets.get_mut(&request.wallet.wallet_id))
        {
            state.apply(decision);
            self.writes.add_settled(&request.wallet, decision, state);
        }
        Settled {
            was_due: decision.writes,
            entries: decision.entries.len(),
            events: decision.events.len(),
        }
    }

    fn write(
        &mut self,
        request: &Request,
        decision: &Decision,
        transaction: &Transaction,
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
    }
}

fn key_of(legs: &[Request]) -> Option<Key> {
    let first = legs.first()?;
    Some((first.wallet.account_id, first.key.as_ref()?.as_str().to_owned()))
}

/// The record of an accepted request; `None`: it has none.
fn transaction(
    request: &Request,
    decision: &Decision,
    id: TransactionId,
    before: Option<&WalletState>,
) -> Option<Transaction> {
    let kind = request.command.kind()?;
    let settings = decision.settings.as_ref();
    let policy = before.map(|state| state.settings.drawdown_policy);
    Some(Transaction {
        id,
        wallet: request.wallet.clone(),
        kind,
        key: request.key.clone(),
        fingerprint: request.fingerprint,
        counterparty: request.command.counterparty().map(|other| other.account.clone()),
        operation: decision.operation(&request.command).cloned(),
        pricing: request.command.charge().and_then(Charge::pricing),
        purchase: request.command.purchase().and_then(Purchase::record),
        actor: request.actor.clone(),
        reason: request.reason.clone(),
        metadata: match kind {
            // It is the wallet's own, and kept there.
            TransactionKind::CreateWallet => purse_domain::Metadata::default(),
            TransactionKind::UpdateWallet
            | TransactionKind::Grant
            | TransactionKind::Spend
            | TransactionKind::VoidGrant
            | TransactionKind::ExpireGrant
            | TransactionKind::ChangeGrantExpiry
            | TransactionKind::CreateHold
            | TransactionKind::CaptureHold
            | TransactionKind::ReleaseHold
            | TransactionKind::ExtendHold
            | TransactionKind::ReverseSpend
            | TransactionKind::RevokeFunding
            | TransactionKind::Transfer
            | TransactionKind::PurchasePack
            | TransactionKind::FreezeWallet
            | TransactionKind::UnfreezeWallet
            | TransactionKind::DeclineTopUp
            | TransactionKind::CloseWallet => request.metadata.clone(),
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
        grants: match request.command {
            Command::Grant(_)
            | Command::CarryOver(_)
            | Command::Receive(_)
            | Command::PurchasePack(_) => decision.made_grants().cloned().collect(),
            Command::CreateWallet(_)
            | Command::UpdateWallet(_)
            | Command::Spend(_)
            | Command::VoidGrant(_)
            | Command::ExpireGrant(_)
            | Command::ChangeGrantExpiry(_)
            | Command::CreateHold(_)
            | Command::CaptureHold(_)
            | Command::ReleaseHold(_)
            | Command::ExtendHold(..)
            | Command::ReverseSpend(_)
            | Command::RevokeFunding(_)
            | Command::Transfer(_)
            | Command::FreezeWallet
            | Command::UnfreezeWallet
            | Command::DeclineTopUp(_)
            | Command::CloseWallet(_)
            | Command::Settle => Vec::new(),
        },
        hold: decision.hold().cloned(),
    })
}
