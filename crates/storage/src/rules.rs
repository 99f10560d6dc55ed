//! Grant rules and their audit trail.
//!
//! Rules are few, belong to no account and change seldom, so they are written beside the lanes: one transaction, in
//! which the rules concerned are locked in id order. What is decided is the domain's (`change_rule`).

mod read;
mod row;
mod snapshot;

pub use read::{
    RuleChangePage, RuleChangeQuery, RuleFilter, RulePage, RuleQuery, RuleState, load_rules,
};
pub use row::{CadenceKind, ExpiryKind};

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use deadpool_postgres::Transaction;
use purse_domain::{
    Fingerprint, GrantRule, IdempotencyKey, NamespaceId, RuleChange, RuleId, RuleRejection,
    RuleRequest, change_rule,
};
use uuid::Uuid;

use crate::{
    Storage, StorageError,
    row::{self as columns, Columns},
};
use row::{ChangeRow, RuleRow, change_columns, rule_columns};

/// How often requests are tried before their error is answered: the second time sees what another server committed in
/// between.
const MOST_TRIES: u32 = 3;
/// Pause before another try.
const PAUSE: Duration = Duration::from_millis(20);

const LOCKED: &str = concat!(
    "SELECT ",
    rule_columns!(),
    " FROM grant_rules AS r
      WHERE r.namespace_id = $1 AND r.rule_id = ANY($2)
      ORDER BY r.rule_id
      FOR UPDATE"
);

const USED: &str = concat!(
    "SELECT c.idempotency_key,
         c.fingerprint,",
    change_columns!(),
    " FROM grant_rule_changes AS c
      WHERE c.namespace_id = $1 AND c.idempotency_key = ANY($2)"
);

const INSERT: &str = "
    INSERT INTO grant_rules (namespace_id, rule_id, scope, target, asset, is_active, cadence, expiry,
        terms, created_by, created_at, updated_by, updated_at, deleted_at, version)
    SELECT r.* FROM unnest($1::grant_rule_row[]) AS r";

const UPDATE: &str = "
    UPDATE grant_rules AS k
    SET is_active = r.is_active,
        cadence = r.cadence,
        expiry = r.expiry,
        terms = r.terms,
        updated_by = r.updated_by,
        updated_at = r.updated_at,
        deleted_at = r.deleted_at,
        version = r.version
    FROM unnest($1::grant_rule_row[]) AS r
    WHERE k.namespace_id = r.namespace_id AND k.rule_id = r.rule_id";

const APPEND: &str = "
    INSERT INTO grant_rule_changes (namespace_id, rule_id, change_number, kind, idempotency_key,
        fingerprint, actor, reason, metadata, recorded_at, before, after)
    SELECT r.* FROM unnest($1::grant_rule_change_row[]) AS r";

/// What becomes of several requests if some may not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleBatch {
    /// Then none does.
    AllOrNothing,
    /// The others do.
    EachOnItsOwn,
}

/// An accepted request's answer.
#[derive(Debug, Clone)]
pub struct RuleAnswer {
    /// What was written, or would be.
    pub change: RuleChange,
    /// The key had been used for this very request: this is the first answer again.
    pub replayed: bool,
}

/// What came of each request, in their order.
pub type RuleOutcomes = Vec<Result<RuleAnswer, RuleRejection>>;

impl Storage {
    /// Changes a rule.
    pub async fn change_rule(
        &self,
        request: &RuleRequest,
    ) -> Result<Result<RuleAnswer, RuleRejection>, StorageError> {
        let requests = std::slice::from_ref(request);
        let outcomes = self.change_rules(request.namespace_id, requests, RuleBatch::EachOnItsOwn);
        let outcome = outcomes.await?.pop();
        outcome
            .ok_or_else(|| StorageError::Corrupt("a change of a rule without outcome".to_owned()))
    }

    /// Changes rules of a namespace in one transaction, each on the state that the one before it left. All or nothing:
    /// nothing is written if one of the outcomes is a rejection.
    pub async fn change_rules(
        &self,
        namespace: NamespaceId,
        requests: &[RuleRequest],
        mode: RuleBatch,
    ) -> Result<RuleOutcomes, StorageError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.try_to_change_rules(namespace, requests, mode).await {
                // Another server used a key or made a rule at the same time, or the connection broke.
                Err(error) if error.is_retryable() && tries < MOST_TRIES => {
                    tracing::debug!(%error, tries, "trying to change rules again");
                    tokio::time::sleep(PAUSE).await;
                }
                done => return done,
            }
        }
    }

    async fn try_to_change_rules(
        &self,
        namespace: NamespaceId,
        requests: &[RuleRequest],
        mode: RuleBatch,
    ) -> Result<RuleOutcomes, StorageError> {
        let mut client = self.catalog_writer().await?;
        // A caller that goes away rolls it back.
        let transaction = client.transaction().await?;
        let mut rules = locked(&transaction, namespace, requests).await?;
        let mut used = used(&transaction, namespace, requests).await?;
        let now = self.clock().now();
        let mut writes = Writes::default();
        let mut outcomes = Vec::with_capacity(requests.len());
        for request in requests {
            let known = used.get(&request.key);
            if let Some(known) = known {
                outcomes.push(known.answer(request));
                continue;
            }
            let change = match change_rule(rules.get(&request.rule_id), request, now) {
                Ok(change) => change,
                Err(rejection) => {
                    outcomes.push(Err(rejection));
                    continue;
                }
            };
            // A preview of all or nothing shows each request what the ones before it would leave.
            if !request.validate_only || mode == RuleBatch::AllOrNothing {
                rules.insert(request.rule_id, change.after.clone());
            }
            if !request.validate_only {
                writes.add(request, &change);
                let (fingerprint, change) = (request.fingerprint, change.clone());
                used.insert(request.key.clone(), Used { fingerprint, change });
            }
            outcomes.push(Ok(RuleAnswer { change, replayed: false }));
        }
        let may_write = mode == RuleBatch::EachOnItsOwn || outcomes.iter().all(Result::is_ok);
        if may_write {
            writes.commit(transaction).await?;
        }
        Ok(outcomes)
    }
}

/// What a key was used for.
struct Used {
    fingerprint: Fingerprint,
    change: RuleChange,
}

impl Used {
    fn answer(&self, request: &RuleRequest) -> Result<RuleAnswer, RuleRejection> {
        if self.fingerprint == request.fingerprint {
            return Ok(RuleAnswer { change: self.change.clone(), replayed: true });
        }
        let (key, rule) = (request.key.clone(), self.change.after.id);
        Err(RuleRejection::IdempotencyKeyReused { key, rule })
    }
}

/// The rules that requests are about, locked in id order.
async fn locked(
    transaction: &Transaction<'_>,
    namespace: NamespaceId,
    requests: &[RuleRequest],
) -> Result<HashMap<RuleId, GrantRule>, StorageError> {
    let statement = transaction.prepare_cached(LOCKED).await?;
    let ids: Vec<Uuid> = requests.iter().map(|request| request.rule_id.uuid()).collect();
    let rows = transaction.query(&statement, &[&namespace.uuid(), &ids]).await?;
    let rules = rows.iter().map(|row| {
        let rule = row::rule(&mut Columns::of(row))?;
        Ok((rule.id, rule))
    });
    rules.collect()
}

/// The keys of requests that were used before. Read after the locks, so that what another server did to these rules is
/// seen.
async fn used(
    transaction: &Transaction<'_>,
    namespace: NamespaceId,
    requests: &[RuleRequest],
) -> Result<HashMap<IdempotencyKey, Used>, StorageError> {
    let statement = transaction.prepare_cached(USED).await?;
    let keys: Vec<&str> = requests.iter().map(|request| request.key.as_str()).collect();
    let rows = transaction.query(&statement, &[&namespace.uuid(), &keys]).await?;
    let used = rows.iter().map(|row| {
        let mut columns = Columns::of(row);
        let key = IdempotencyKey::from_stored(columns.take()?);
        let fingerprint = columns::fingerprint(columns.take()?)?;
        let change = row::change(&mut columns, namespace)?;
        Ok((key, Used { fingerprint, change }))
    });
    used.collect()
}

/// What is to be written.
#[derive(Default)]
struct Writes {
    /// Each rule as its last change left it, and whether it is new.
    rules: BTreeMap<RuleId, (bool, GrantRule)>,
    changes: Vec<ChangeRow>,
}

impl Writes {
    fn add(&mut self, request: &RuleRequest, change: &RuleChange) {
        let was_new = self.rules.get(&request.rule_id).is_some_and(|(is_new, _)| *is_new);
        let is_new = was_new || change.before.is_none();
        self.rules.insert(request.rule_id, (is_new, change.after.clone()));
        self.changes.push(ChangeRow::new(request, change));
    }

    /// Writes all, if there is anything.
    async fn commit(self, transaction: Transaction<'_>) -> Result<(), StorageError> {
        let Self { rules, changes } = self;
        if changes.is_empty() {
            return Ok(());
        }
        for (sql, new) in [(INSERT, true), (UPDATE, false)] {
            let of_kind = rules.values().filter(|(is_new, _)| *is_new == new);
            let rows: Vec<RuleRow> = of_kind.map(|(_, rule)| RuleRow::new(rule)).collect();
            if !rows.is_empty() {
                let statement = transaction.prepare_cached(sql).await?;
                transaction.execute(&statement, &[&rows]).await?;
            }
        }
        let statement = transaction.prepare_cached(APPEND).await?;
        transaction.execute(&statement, &[&changes]).await?;
        Ok(transaction.commit().await?)
    }
}
