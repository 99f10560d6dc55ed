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
    AccountName, Action, Answered, Application, ApplicationId, ApplicationState, AssetCode, Failed,
    GrantRule, Heard, KeptApplication, Known, Look, NamespaceId, PATIENCE_MICROS, RuleScope, Scale,
    SourceEventId, SourceName, Subscription, SubscriptionEvent, SubscriptionId, SubscriptionName,
    Timestamp, look,
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
    /// Whether to look at all its life, and not only at what is not done with.
    pub whole: bool,
}

impl Told {
    /// Only time passed.
    pub fn time(name: SubscriptionName) -> Self {
        Self { name, event: None, done: Vec::new(), retry: None, whole: false }
    }
}

/// What came of an action.
#[derive(Debug, Clone)]
pub struct Done {
    /// The action.
    pub action: Action,
    /// What the wallet answered.
    pub answered: Answered,
}

/// What became of it.
#[derive(Debug, Clone)]
pub struct Advanced {
    /// What became of the event.
    pub heard: Option<Heard>,
    /// What is to be done now; whoever told the same subscription something first has it to do.
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
    /// What is to be written of it.
    changed: BTreeMap<ApplicationId, KeptApplication>,
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
    /// transaction.
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

    async fn advance_on<'t>(
        &self,
        client: &Client,
        told: &'t [Told],
    ) -> Result<Vec<Advanced>, StorageError> {
        client.batch_execute("BEGIN").await?;
        let named = |told: &'t Told| (key_of(&told.name), &told.name);
        let new = told.iter().filter(|told| told.event.is_some());
        open(client, &new.map(named).collect(), self.clock().now()).await?;
        let mut locked = lock(client, &told.iter().map(named).collect()).await?;
        // The one instant of all that is decided here comes after the locks: nobody else is at these rows.
        let now = self.clock().now();
        let mut heard = Vec::with_capacity(told.len());
        for told in told {
            let Some(locked) = locked.get_mut(&key_of(&told.name)) else {
                heard.push(None);
                continue;
            };
            if told.whole {
                locked.done_until = Timestamp::FIRST;
            }
            heard.push(told.event.as_ref().map(|event| locked.hear(event, now)));
        }
        load_kept(client, &mut locked).await?;
        for told in told {
            let Some(locked) = locked.get_mut(&key_of(&told.name)) else { continue };
            let retried = told.retry.and_then(|id| locked.retry(id, now));
            let done = told.done.iter().map(|done| done.action.kept(&done.answered, now));
            for kept in done.chain(retried) {
                locked.keep(kept);
            }
        }
        let rules = rules_of(client, &locked).await?;
        let scales = scales_of(client, &rules).await?;
        let mut looks: BTreeMap<&Key, Look> = BTreeMap::new();
        let (mut written, mut kept) = (Vec::with_capacity(locked.len()), Vec::new());
        for (key, locked) in &mut locked {
            let look = locked.look(&rules, &scales, now);
            written.push(locked.row(&look, now)?);
            for changed in locked.changed.values() {
                kept.push(ApplicationRow::of(&locked.name, changed)?);
            }
            looks.insert(key, look);
        }
        write(client, &written, &kept).await?;
        client.batch_execute("COMMIT").await?;
        // Whoever told something waits until all is done: two that do the same thing do it once, by its key.
        let advanced = told.iter().zip(heard).map(|(told, heard)| {
            let look = looks.get(&key_of(&told.name));
            let (actions, applications) = look
                .map(|look| (look.actions.clone(), look.applications.clone()))
                .unwrap_or_default();
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
        let from = self.subscription.may_change_from(&event);
        let heard = self.subscription.hear(event);
        if matches!(heard, Heard::Newest | Heard::Older) {
            self.done_until = self.done_until.min(from);
            self.has_heard = true;
        }
        heard
    }

    /// Keeps what came of an application, unless more is known of it: two servers may have done the same thing.
    fn keep(&mut self, changed: KeptApplication) {
        let is_stale = self.kept.iter().filter(|kept| kept.id == changed.id).any(|kept| {
            changed.taken_back.times < kept.taken_back.times
                || kept.state.applied().is_some() && changed.state.failed().is_some()
        });
        if is_stale {
            return;
        }
        self.kept.retain(|kept| kept.id != changed.id);
        self.kept.push(changed.clone());
        self.changed.insert(changed.id, changed);
    }

    /// A failed one as it is tried once more, now.
    fn retry(&self, id: ApplicationId, now: Timestamp) -> Option<KeptApplication> {
        let kept = self.kept.iter().find(|kept| kept.id == id)?;
        let failed = kept.state.failed()?;
        let again = Failed { next_attempt_at: Some(now), ..failed.clone() };
        Some(KeptApplication { state: ApplicationState::Failed(again), ..kept.clone() })
    }

    /// What is to be done for it, and when to look again. What failed and is called for no more is given up.
    fn look(
        &mut self,
        rules: &[GrantRule],
        scales: &BTreeMap<(NamespaceId, AssetCode), Scale>,
        now: Timestamp,
    ) -> Look {
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
        let look = look(&self.name, &known, now);
        let given_up = look.applications.iter().filter(|application| {
            matches!(application.state, ApplicationState::Cancelled | ApplicationState::Skipped(_))
        });
        let given_up: BTreeSet<ApplicationId> = given_up.map(|it| it.id).collect();
        let failed = self.kept.iter().filter(|kept| kept.state.failed().is_some());
        let given_up = failed.filter(|kept| given_up.contains(&kept.id)).cloned();
        for kept in given_up.collect::<Vec<_>>() {
            self.keep(KeptApplication { state: ApplicationState::Cancelled, ..kept });
        }
        look
    }

    fn row(&self, look: &Look, now: Timestamp) -> Result<SubscriptionRow, StorageError> {
        // Whoever has it to do may fail to; then somebody else looks.
        let lease = (!look.actions.is_empty()).then(|| now.plus_micros(LEASE_MICROS));
        Ok(SubscriptionRow {
            account_id: self.name.account_id.uuid(),
            subscription_id: self.name.id.as_str().to_owned(),
            namespace_id: self.name.namespace_id.uuid(),
            account: self.name.account.as_str().to_owned(),
            version: self.subscription.newest().map_or(0, |event| event.version),
            history: self.has_heard.then(|| history::json(&self.subscription)).transpose()?,
            done_until: Instant(look.done_until),
            next_due_at: lease.or(look.next_look_at).map(Instant),
            updated_at: Instant(now),
        })
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

type Names<'t> = BTreeMap<Key, &'t SubscriptionName>;

async fn open(client: &Client, names: &Names<'_>, now: Timestamp) -> Result<(), StorageError> {
    if names.is_empty() {
        return Ok(());
    }
    let accounts: Vec<Uuid> = names.keys().map(|(account, _)| *account).collect();
    let ids: Vec<&str> = names.keys().map(|(_, id)| id.as_str()).collect();
    let namespaces: Vec<Uuid> = names.values().map(|name| name.namespace_id.uuid()).collect();
    let account_names: Vec<&str> = names.values().map(|name| name.account.as_str()).collect();
    let statement = client.prepare_cached(OPEN).await?;
    let parameters: [&(dyn ToSql + Sync); 6] =
        [&accounts, &ids, &namespaces, &account_names, &Instant(Timestamp::FIRST), &Instant(now)];
    client.execute(&statement, &parameters).await?;
    Ok(())
}

async fn lock(client: &Client, names: &Names<'_>) -> Result<BTreeMap<Key, Locked>, StorageError> {
    let accounts: Vec<Uuid> = names.keys().map(|(account, _)| *account).collect();
    let ids: Vec<&str> = names.keys().map(|(_, id)| id.as_str()).collect();
    let statement = client.prepare_cached(LOCK).await?;
    let mut locked = BTreeMap::new();
    for row in client.query(&statement, &[&accounts, &ids]).await? {
        let mut columns = Columns::of(&row);
        let key = (columns.take()?, columns.take()?);
        let subscription = history::subscription(columns.take()?)?;
        let done_until = columns.instant()?;
        if let Some(name) = names.get(&key) {
            let name = SubscriptionName::clone(name);
            let (kept, changed) = (Vec::new(), BTreeMap::new());
            let it = Locked { name, subscription, done_until, kept, changed, has_heard: false };
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
    let since = locked.values().map(|it| it.subscription.looks_back_to(it.done_until));
    let since: Vec<Instant> = since.map(Instant).collect();
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
fn scopes_of(name: &SubscriptionName, subscription: &Subscription) -> BTreeSet<RuleScope> {
    let mut scopes = BTreeSet::from([RuleScope::Subscription(name.id.clone())]);
    for event in subscription.events() {
        scopes.insert(RuleScope::Plan(event.state.plan.clone()));
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
