//! Subscriptions on PostgreSQL: hearing of events, and finding what is to be done.
//!
//! [`Storage::advance`] is the one way in which a subscription's row changes. It locks the rows of a batch, in order; takes
//! in the events that are told and what has been done since; and answers what is to be done now. What is to be done
//! goes through the lanes as everything else does, under keys that make it happen once. So the two need not be one
//! transaction: whoever stops in between has left `next_due_at`, and the job goes on from there.

mod application;
mod history;
mod read;

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::Client;
use purse_domain::{
    AccountName, Action, Application, ApplicationId, ApplicationState, Applied, AssetCode, Failed,
    GrantRule, Heard, Horizon, KeptApplication, Known, NamespaceId, RuleScope, Scale,
    SourceEventId, SourceName, Subscription, SubscriptionEvent, SubscriptionId, SubscriptionName,
    Timestamp, actions, next_look_at, schedule, undone_since,
};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::{
    Storage, StorageError,
    row::{Columns, Instant},
    rules::load_rules,
};
use application::ApplicationRow;
pub use read::{FailedApplication, FailedQuery, StreamPosition, SubscriptionRecord};

/// How long what is not known yet is waited for.
pub const PATIENCE_MICROS: i64 = 3_600_000_000;
/// When somebody looks again whether what was to be done has been done: longer than a call and its retries take.
const LEASE_MICROS: i64 = 60_000_000;

/// What is told of a subscription, or asked.
#[derive(Debug, Clone)]
pub struct Told {
    /// Which.
    pub name: SubscriptionName,
    /// What happened to it; `None`: only time passed.
    pub event: Option<SubscriptionEvent>,
    /// What has been done for it since.
    pub done: Vec<Done>,
    /// A failed application that is to be tried once more.
    pub retry: Option<ApplicationId>,
}

impl Told {
    /// Only time passed.
    pub fn time(name: SubscriptionName) -> Self {
        Self { name, event: None, done: Vec::new(), retry: None }
    }
}

/// What came of an action.
#[derive(Debug, Clone)]
pub struct Done {
    /// The action.
    pub action: Action,
    /// What it made; the reason, if the wallet refused. An action that closes makes nothing.
    pub made: Result<Option<Applied>, String>,
}

impl Done {
    /// What is kept of it.
    fn kept(&self, now: Timestamp) -> KeptApplication {
        let Action { application, period, attempts, closes, asset, .. } = &self.action;
        let state = match (&self.made, closes) {
            // Whatever the wallet says of what is left, it is not asked for again.
            (_, Some(applied)) => {
                ApplicationState::Applied(Applied { is_closed: true, ..applied.clone() })
            }
            (Ok(Some(applied)), None) => ApplicationState::Applied(applied.clone()),
            (Ok(None), None) => {
                ApplicationState::Failed(Failed::again(*attempts, String::new(), now))
            }
            (Err(reason), None) => {
                ApplicationState::Failed(Failed::again(*attempts, reason.clone(), now))
            }
        };
        let (id, period, asset) = (*application, *period, asset.clone());
        KeptApplication { id, period, asset, recorded_at: now, state }
    }
}

/// What became of it.
#[derive(Debug, Clone)]
pub struct Advanced {
    /// What became of the event.
    pub heard: Option<Heard>,
    /// What is to be done now.
    pub actions: Vec<Action>,
    /// The applications that are at hand: those of periods that are not done with, and the next ones.
    pub applications: Vec<Application>,
}

/// The order in which rows are locked.
type Key = (Uuid, String);

/// A subscription while its row is locked.
struct Locked {
    name: SubscriptionName,
    subscription: Subscription,
    done_until: Timestamp,
    kept: Vec<KeptApplication>,
    has_heard: bool,
}

const LOCK: &str = "
    SELECT s.account_id,
        s.subscription_id,
        s.history,
        s.done_until
    FROM subscriptions AS s
    JOIN unnest($1::UUID[], $2::TEXT[]) AS k (account_id, subscription_id)
    ON s.account_id = k.account_id AND s.subscription_id = k.subscription_id
    ORDER BY s.account_id,
        s.subscription_id
    FOR UPDATE OF s";

/// New ones first get a row to lock. Two servers that do so at once meet in the key.
const OPEN: &str = "
    INSERT INTO subscriptions (account_id, subscription_id, namespace_id, account, version, history,
        done_until, next_due_at, updated_at)
    SELECT k.account_id, k.subscription_id, k.namespace_id, k.account, 0, '[]', $5, NULL, $6
    FROM unnest($1::UUID[], $2::TEXT[], $3::UUID[], $4::TEXT[])
        AS k (account_id, subscription_id, namespace_id, account)
    ORDER BY k.account_id,
        k.subscription_id
    ON CONFLICT (account_id, subscription_id) DO NOTHING";

const WRITE: &str = "
    UPDATE subscriptions AS s
    SET version = r.version,
        history = COALESCE(r.history, s.history),
        done_until = r.done_until,
        next_due_at = r.next_due_at,
        updated_at = r.updated_at
    FROM unnest($1::subscription_row[]) AS r
    WHERE s.account_id = r.account_id AND s.subscription_id = r.subscription_id";

const POSITION: &str = "
    INSERT INTO stream_positions (namespace_id, source, event_id, updated_at)
    VALUES ($1, $2, $3, $4)
    ON CONFLICT (namespace_id, source) DO UPDATE
    SET event_id = EXCLUDED.event_id,
        updated_at = EXCLUDED.updated_at";

const SCALES: &str = "
    SELECT a.namespace_id,
        a.asset,
        a.scale
    FROM assets AS a
    JOIN unnest($1::UUID[], $2::TEXT[]) AS k (namespace_id, asset)
    ON a.namespace_id = k.namespace_id AND a.asset = k.asset";

/// Due ones, each for one server at a time: whoever claims them has a lease.
const CLAIM: &str = "
    UPDATE subscriptions AS s
    SET next_due_at = $2
    FROM (
        SELECT account_id,
            subscription_id
        FROM subscriptions
        WHERE next_due_at <= $1
        ORDER BY next_due_at
        LIMIT $3
        FOR UPDATE SKIP LOCKED
    ) AS d
    WHERE s.account_id = d.account_id AND s.subscription_id = d.subscription_id
    RETURNING s.namespace_id,
        s.account,
        s.subscription_id";

#[derive(Debug, ToSql)]
#[postgres(name = "subscription_row")]
struct SubscriptionRow {
    account_id: Uuid,
    subscription_id: String,
    namespace_id: Uuid,
    account: String,
    version: i64,
    /// If anything new was heard; else what there is stays.
    history: Option<serde_json::Value>,
    done_until: Instant,
    next_due_at: Option<Instant>,
    updated_at: Instant,
}

impl Storage {
    /// Takes in what is told of subscriptions, in its order, and answers each what is to be done for it, as one
    /// transaction. What is told of one subscription several times is answered alike each time.
    pub async fn advance(&self, told: &[Told]) -> Result<Vec<Advanced>, StorageError> {
        let client = self.subscription_writer().await?;
        match Box::pin(self.advance_on(&client, told)).await {
            Ok(advanced) => Ok(advanced),
            Err(error) => {
                drop(Client::take(client));
                Err(error)
            }
        }
    }

    /// Claims subscriptions for which something is due, at most so many.
    pub async fn claim_due_subscriptions(
        &self,
        most: i64,
    ) -> Result<Vec<SubscriptionName>, StorageError> {
        let client = self.subscription_writer().await?;
        let now = self.clock().now();
        let lease = Instant(now.plus_micros(LEASE_MICROS));
        let statement = client.prepare_cached(CLAIM).await?;
        let rows = client.query(&statement, &[&Instant(now), &lease, &most]).await?;
        rows.iter().map(|row| name(&mut Columns::of(row))).collect()
    }

    async fn advance_on(
        &self,
        client: &Client,
        told: &[Told],
    ) -> Result<Vec<Advanced>, StorageError> {
        client.batch_execute("BEGIN").await?;
        let names: BTreeMap<Key, &SubscriptionName> =
            told.iter().map(|told| (key_of(&told.name), &told.name)).collect();
        let now = self.clock().now();
        let mut locked = lock(client, &names, now).await?;
        let mut heard = Vec::with_capacity(told.len());
        for told in told {
            let Some(locked) = locked.get_mut(&key_of(&told.name)) else {
                heard.push(None);
                continue;
            };
            heard.push(told.event.as_ref().map(|event| locked.hear(event, now)));
        }
        load_kept(client, &mut locked).await?;
        let mut kept = BTreeMap::new();
        for told in told {
            let key = key_of(&told.name);
            let Some(locked) = locked.get_mut(&key) else { continue };
            let retried = told.retry.and_then(|id| locked.retry(id, now));
            for done in told.done.iter().map(|done| done.kept(now)).chain(retried) {
                locked.keep(done.clone());
                kept.insert((key.clone(), done.id), ApplicationRow::of(&told.name, &done)?);
            }
        }
        let rules = rules_of(client, &locked).await?;
        let scales = scales_of(client, &rules).await?;
        let mut answers: BTreeMap<&Key, (Vec<Action>, Vec<Application>)> = BTreeMap::new();
        let mut written = Vec::with_capacity(locked.len());
        for (key, locked) in &locked {
            let (row, actions, applications) = locked.look(&rules, &scales, now)?;
            written.push(row);
            answers.insert(key, (actions, applications));
        }
        let kept: Vec<ApplicationRow> = kept.into_values().collect();
        write(client, &written, &kept).await?;
        client.batch_execute("COMMIT").await?;
        let advanced = told.iter().zip(heard).map(|(told, heard)| {
            let answer = answers.get(&key_of(&told.name)).cloned();
            let (actions, applications) = answer.unwrap_or_default();
            Advanced { heard, actions, applications }
        });
        Ok(advanced.collect())
    }

    /// Keeps how far a source of events has come.
    pub async fn keep_stream_position(
        &self,
        namespace: NamespaceId,
        source: &SourceName,
        event: &SourceEventId,
    ) -> Result<(), StorageError> {
        let client = self.subscription_writer().await?;
        let now = Instant(self.clock().now());
        let statement = client.prepare_cached(POSITION).await?;
        client
            .execute(&statement, &[&namespace.uuid(), &source.as_str(), &event.as_str(), &now])
            .await?;
        Ok(())
    }
}

async fn write(
    client: &Client,
    subscriptions: &[SubscriptionRow],
    applications: &[ApplicationRow],
) -> Result<(), StorageError> {
    let statement = client.prepare_cached(WRITE).await?;
    client.execute(&statement, &[&subscriptions]).await?;
    if !applications.is_empty() {
        let statement = client.prepare_cached(application::WRITE).await?;
        client.execute(&statement, &[&applications]).await?;
    }
    Ok(())
}

impl Locked {
    fn hear(&mut self, event: &SubscriptionEvent, now: Timestamp) -> Heard {
        let event = SubscriptionEvent { recorded_at: now, ..event.clone() };
        let from = event.effective_at.min(event.state.period.start).min(event.state.started_at);
        let heard = self.subscription.hear(event);
        if matches!(heard, Heard::Newest | Heard::Older) {
            self.done_until = self.done_until.min(from);
            self.has_heard = true;
        }
        heard
    }

    fn keep(&mut self, done: KeptApplication) {
        self.kept.retain(|kept| kept.id != done.id);
        self.kept.push(done);
    }

    /// A failed one as it is tried once more, now.
    fn retry(&self, id: ApplicationId, now: Timestamp) -> Option<KeptApplication> {
        let kept = self.kept.iter().find(|kept| kept.id == id)?;
        let failed = kept.state.failed()?;
        let again = Failed { next_attempt_at: Some(now), ..failed.clone() };
        Some(KeptApplication { state: ApplicationState::Failed(again), ..kept.clone() })
    }

    /// What is to be done for it, what is at hand, and its row.
    fn look(
        &self,
        rules: &[GrantRule],
        scales: &BTreeMap<(NamespaceId, AssetCode), Scale>,
        now: Timestamp,
    ) -> Result<(SubscriptionRow, Vec<Action>, Vec<Application>), StorageError> {
        let namespace_id = self.name.namespace_id;
        let scopes = scopes_of(&self.name, &self.subscription);
        let of_it =
            |rule: &&GrantRule| rule.namespace_id == namespace_id && scopes.contains(&rule.scope);
        let rules: Vec<GrantRule> = rules.iter().filter(of_it).cloned().collect();
        let scales = scales
            .iter()
            .filter(|((namespace, _), _)| *namespace == namespace_id)
            .map(|((_, asset), scale)| (asset.clone(), *scale))
            .collect();
        let known = Known {
            id: &self.name.id,
            subscription: &self.subscription,
            rules: &rules,
            kept: &self.kept,
            scales: &scales,
            since: self.done_until,
            patience_micros: PATIENCE_MICROS,
        };
        let applications = schedule(&known, now, Horizon::Next);
        let actions = actions(&self.name, &known, &applications, now);
        let next = if actions.is_empty() {
            next_look_at(&known, &applications, now)
        } else {
            Some(now.plus_micros(LEASE_MICROS))
        };
        let done_until =
            if actions.is_empty() { undone_since(&applications, now) } else { self.done_until };
        let row = SubscriptionRow {
            account_id: self.name.account_id.uuid(),
            subscription_id: self.name.id.as_str().to_owned(),
            namespace_id: namespace_id.uuid(),
            account: self.name.account.as_str().to_owned(),
            version: self.subscription.newest().map_or(0, |event| event.version),
            history: self.has_heard.then(|| history::json(&self.subscription)).transpose()?,
            done_until: Instant(done_until),
            next_due_at: next.map(Instant),
            updated_at: Instant(now),
        };
        Ok((row, actions, applications))
    }
}

fn key_of(name: &SubscriptionName) -> Key {
    (name.account_id.uuid(), name.id.as_str().to_owned())
}

/// Reads the columns that name a subscription.
fn name(columns: &mut Columns<'_>) -> Result<SubscriptionName, StorageError> {
    let namespace_id = NamespaceId::from_uuid(columns.take()?);
    let account = AccountName::from_stored(columns.take()?);
    let id = SubscriptionId::from_stored(columns.take()?);
    Ok(SubscriptionName::new(namespace_id, account, id))
}

async fn lock(
    client: &Client,
    names: &BTreeMap<Key, &SubscriptionName>,
    now: Timestamp,
) -> Result<BTreeMap<Key, Locked>, StorageError> {
    let accounts: Vec<Uuid> = names.keys().map(|(account, _)| *account).collect();
    let ids: Vec<&str> = names.keys().map(|(_, id)| id.as_str()).collect();
    let namespaces: Vec<Uuid> = names.values().map(|name| name.namespace_id.uuid()).collect();
    let account_names: Vec<&str> = names.values().map(|name| name.account.as_str()).collect();
    let statement = client.prepare_cached(OPEN).await?;
    let parameters: [&(dyn ToSql + Sync); 6] =
        [&accounts, &ids, &namespaces, &account_names, &Instant(Timestamp::FIRST), &Instant(now)];
    client.execute(&statement, &parameters).await?;
    let statement = client.prepare_cached(LOCK).await?;
    let mut locked = BTreeMap::new();
    for row in client.query(&statement, &[&accounts, &ids]).await? {
        let mut columns = Columns::of(&row);
        let key = (columns.take()?, columns.take()?);
        let subscription = history::subscription(columns.take()?)?;
        let done_until = columns.instant()?;
        if let Some(name) = names.get(&key) {
            let name = SubscriptionName::clone(name);
            let kept = Vec::new();
            let it = Locked { name, subscription, done_until, kept, has_heard: false };
            locked.insert(key, it);
        }
    }
    Ok(locked)
}

async fn load_kept(
    client: &Client,
    locked: &mut BTreeMap<Key, Locked>,
) -> Result<(), StorageError> {
    let accounts: Vec<Uuid> = locked.keys().map(|(account, _)| *account).collect();
    let ids: Vec<&str> = locked.keys().map(|(_, id)| id.as_str()).collect();
    let since: Vec<Instant> = locked.values().map(|it| Instant(it.done_until)).collect();
    let statement = client.prepare_cached(application::KEPT).await?;
    let rows = client.query(&statement, &[&accounts, &ids, &since]).await?;
    for row in &rows {
        let mut columns = Columns::of(row);
        let key = (columns.take()?, columns.take()?);
        let kept = application::kept(&mut columns)?;
        if let Some(locked) = locked.get_mut(&key) {
            locked.kept.push(kept);
        }
    }
    Ok(())
}

/// What the rules of a subscription may belong to.
fn scopes_of(name: &SubscriptionName, subscription: &Subscription) -> Vec<RuleScope> {
    let mut scopes = vec![RuleScope::Subscription(name.id.clone())];
    for event in subscription.events() {
        scopes.push(RuleScope::Plan(event.state.plan.clone()));
        scopes.extend(event.state.addons.iter().cloned().map(RuleScope::Addon));
    }
    scopes
}

async fn rules_of(
    client: &Client,
    locked: &BTreeMap<Key, Locked>,
) -> Result<Vec<GrantRule>, StorageError> {
    let scopes: BTreeSet<(NamespaceId, RuleScope)> = locked
        .values()
        .flat_map(|it| {
            let scopes = scopes_of(&it.name, &it.subscription).into_iter();
            scopes.map(|scope| (it.name.namespace_id, scope))
        })
        .collect();
    let scopes: Vec<(NamespaceId, RuleScope)> = scopes.into_iter().collect();
    load_rules(client, &scopes).await
}

async fn scales_of(
    client: &Client,
    rules: &[GrantRule],
) -> Result<BTreeMap<(NamespaceId, AssetCode), Scale>, StorageError> {
    let assets: BTreeSet<(NamespaceId, &AssetCode)> =
        rules.iter().map(|rule| (rule.namespace_id, &rule.asset)).collect();
    let namespaces: Vec<Uuid> = assets.iter().map(|(namespace, _)| namespace.uuid()).collect();
    let codes: Vec<&str> = assets.iter().map(|(_, asset)| asset.as_str()).collect();
    let statement = client.prepare_cached(SCALES).await?;
    let rows = client.query(&statement, &[&namespaces, &codes]).await?;
    let scales = rows.iter().map(|row| {
        let mut columns = Columns::of(row);
        let namespace = NamespaceId::from_uuid(columns.take()?);
        let asset = AssetCode::from_stored(columns.take()?);
        Ok(((namespace, asset), crate::row::scale(columns.take()?)?))
    });
    scales.collect()
}
