//! Reading subscriptions, applications, and how far sources have come.

use purse_domain::{
    Application, ApplicationId, GrantRule, Horizon, KeptApplication, Known, NamespaceId,
    PATIENCE_MICROS, SourceEventId, SourceName, Subscription, SubscriptionName, Timestamp,
    schedule,
};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::{application, application::application_columns, history, name, scales_of, scopes_of};
use crate::{Storage, StorageError, row::Columns, rules::load_rules};

/// How far ahead a schedule is listed: two years.
const MOST_AHEAD_MICROS: i64 = 2 * 366 * 86_400_000_000;

const ONE: &str = "
    SELECT s.history,
        s.done_until,
        s.next_due_at,
        s.updated_at
    FROM subscriptions AS s
    WHERE s.account_id = $1 AND s.subscription_id = $2";

const APPLICATIONS: &str = concat!(
    "SELECT ",
    application_columns!(),
    " FROM applications AS a
      WHERE a.account_id = $1 AND a.subscription_id = $2
      ORDER BY a.period_start,
          a.rule_id"
);

const FAILURES: &str = concat!(
    "SELECT s.namespace_id,
         s.account,
         s.subscription_id,
         ",
    application_columns!(),
    " FROM applications AS a
      JOIN subscriptions AS s
      ON s.account_id = a.account_id AND s.subscription_id = a.subscription_id
      WHERE a.state = 2 AND a.namespace_id = $1
          AND (a.account_id, a.subscription_id, a.rule_id, a.period_start)
              > ($2, $3, $4, $5)
      ORDER BY a.account_id,
          a.subscription_id,
          a.rule_id,
          a.period_start
      LIMIT $6"
);

const POSITION: &str = "
    SELECT p.event_id,
        p.updated_at
    FROM stream_positions AS p
    WHERE p.namespace_id = $1 AND p.source = $2";

/// A subscription as it is kept.
#[derive(Debug, Clone)]
pub struct SubscriptionRecord {
    /// Which.
    pub name: SubscriptionName,
    /// What its events say.
    pub subscription: Subscription,
    /// The rules of its plans and add-ons, and its own.
    pub rules: Vec<GrantRule>,
    /// Its applications until the horizon that was asked for, by the instants from which they count.
    pub applications: Vec<Application>,
    /// What was applied or tried.
    pub kept: Vec<KeptApplication>,
    /// When it is looked at next.
    pub next_due_at: Option<Timestamp>,
    /// When it was touched last.
    pub updated_at: Timestamp,
}

/// How far a source of events has come.
#[derive(Debug, Clone)]
pub struct StreamPosition {
    /// The last event of it that was acknowledged.
    pub event_id: SourceEventId,
    /// When.
    pub updated_at: Timestamp,
}

/// Where a page of failures begins.
#[derive(Debug, Clone)]
pub struct FailedQuery {
    /// Whose.
    pub namespace_id: NamespaceId,
    /// The last one of the page before.
    pub after: Option<(SubscriptionName, ApplicationId)>,
    /// Most to answer.
    pub most: i64,
}

/// An application that failed.
#[derive(Debug, Clone)]
pub struct FailedApplication {
    /// Of which subscription.
    pub name: SubscriptionName,
    /// The application.
    pub kept: KeptApplication,
}

impl Storage {
    /// A subscription, and its schedule until `horizon`, as it is now or will be at an instant; `None`: nothing was heard
    /// of it.
    pub async fn subscription(
        &self,
        name: &SubscriptionName,
        at: Option<Timestamp>,
        horizon: Option<Timestamp>,
    ) -> Result<Option<SubscriptionRecord>, StorageError> {
        let at = at.unwrap_or_else(|| self.clock().now());
        let most = at.plus_micros(MOST_AHEAD_MICROS);
        let horizon = horizon.map_or(Horizon::Next, |until| Horizon::Until(until.min(most)));
        let snapshot = self.snapshot().await?;
        let client = snapshot.client()?;
        let (account, id) = (name.account_id.uuid(), name.id.as_str());
        let of_it: [&(dyn ToSql + Sync); 2] = [&account, &id];
        let statement = client.prepare_cached(ONE).await?;
        let Some(row) = client.query_opt(&statement, &of_it).await? else {
            snapshot.end().await?;
            return Ok(None);
        };
        let mut columns = Columns::of(&row);
        let subscription = history::subscription(columns.take()?)?;
        columns.instant()?;
        let (next_due_at, updated_at) = (columns.instant_or_never()?, columns.instant()?);
        let statement = client.prepare_cached(APPLICATIONS).await?;
        let rows = client.query(&statement, &of_it).await?;
        let kept = rows.iter().map(|row| application::kept(&mut Columns::of(row)));
        let kept: Vec<KeptApplication> = kept.collect::<Result<_, _>>()?;
        let scopes = scopes_of(name, &subscription);
        let scopes: Vec<_> = scopes.into_iter().map(|of| (name.namespace_id, of)).collect();
        let rules = load_rules(client, &scopes).await?;
        let scales = scales_of(client, &rules).await?;
        snapshot.end().await?;
        let scales = scales.into_iter().map(|((_, asset), scale)| (asset, scale)).collect();
        let known = Known {
            id: &name.id,
            subscription: &subscription,
            rules: &rules,
            kept: &kept,
            scales: &scales,
            since: Timestamp::FIRST,
            patience_micros: PATIENCE_MICROS,
        };
        let applications = schedule(&known, at, horizon);
        let name = name.clone();
        Ok(Some(SubscriptionRecord {
            name,
            subscription,
            rules,
            applications,
            kept,
            next_due_at,
            updated_at,
        }))
    }

    /// A page of the applications of a namespace that failed.
    pub async fn failed_applications(
        &self,
        query: &FailedQuery,
    ) -> Result<Vec<FailedApplication>, StorageError> {
        let client = self.reader().await?;
        let statement = client.prepare_cached(FAILURES).await?;
        let (account, id, rule, start) = match &query.after {
            Some((name, id)) => {
                (name.account_id.uuid(), name.id.as_str(), id.rule.uuid(), id.period_start)
            }
            None => (Uuid::nil(), "", Uuid::nil(), Timestamp::FIRST),
        };
        let start = crate::row::Instant(start);
        let namespace = query.namespace_id.uuid();
        let rows = client
            .query(&statement, &[&namespace, &account, &id, &rule, &start, &query.most])
            .await?;
        let failures = rows.iter().map(|row| {
            let mut columns = Columns::of(row);
            let name = name(&mut columns)?;
            Ok(FailedApplication { name, kept: application::kept(&mut columns)? })
        });
        failures.collect()
    }

    /// How far a source has come; `None`: nothing of it was acknowledged in a stream.
    pub async fn stream_position(
        &self,
        namespace: NamespaceId,
        source: &SourceName,
    ) -> Result<Option<StreamPosition>, StorageError> {
        let client = self.reader().await?;
        let statement = client.prepare_cached(POSITION).await?;
        let row = client.query_opt(&statement, &[&namespace.uuid(), &source.as_str()]).await?;
        let Some(row) = row else { return Ok(None) };
        let mut columns = Columns::of(&row);
        let event_id = SourceEventId::from_stored(columns.take()?);
        Ok(Some(StreamPosition { event_id, updated_at: columns.instant()? }))
    }
}
