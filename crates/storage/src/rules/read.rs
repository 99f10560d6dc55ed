//! Rules for readers, and for whoever applies them.

use deadpool_postgres::Client;
use purse_domain::{
    AssetCode, GrantRule, NamespaceId, RuleChange, RuleId, RuleScope, RuleScopeKind, Timestamp,
};
use uuid::Uuid;

use super::row::{self, CadenceKind, ExpiryKind, change_columns, rule_columns};
use crate::{
    Storage, StorageError,
    row::{Columns, Instant},
};

const RULE: &str = concat!(
    "SELECT ",
    rule_columns!(),
    " FROM grant_rules AS r
      WHERE r.namespace_id = $1 AND r.rule_id = $2"
);

/// Each scope is one range of `grant_rules_by_scope`.
const OF_SCOPES: &str = concat!(
    "SELECT ",
    rule_columns!(),
    " FROM (
          SELECT DISTINCT namespace_id, scope, target
          FROM unnest($1::UUID[], $2::SMALLINT[], $3::TEXT[]) AS a (namespace_id, scope, target)
      ) AS a
      JOIN grant_rules AS r
          ON r.namespace_id = a.namespace_id AND r.scope = a.scope AND r.target = a.target
      ORDER BY r.rule_id"
);

/// What passes a filter, in the order of an index.
///
/// The filters stand outside of a query that is planned by itself: told of them PostgreSQL expects few rows, and then
/// reads all there are and sorts them. The limit of the inner query, none at all (`$12`), lets it expect that only the
/// first of its rows are wanted, and so keep to the order of the index, in which they come.
macro_rules! filtered {
    ($from:literal) => {
        concat!(
            "SELECT ",
            rule_columns!(),
            " FROM (
                  SELECT *
                  FROM grant_rules
                  WHERE ",
            $from,
            "
                      AND (created_at, rule_id) > ($9, $10)
                  ORDER BY created_at, rule_id
                  LIMIT $12
              ) AS r
              WHERE ($2::SMALLINT IS NULL OR r.scope = $2)
                  AND ($3::TEXT IS NULL OR r.target = $3)
                  AND ($4::TEXT IS NULL OR r.asset = $4)
                  AND ($5::BOOLEAN IS NULL OR r.is_active = $5)
                  AND (r.deleted_at IS NOT NULL) = $6
                  AND ($7::SMALLINT IS NULL OR r.cadence = $7)
                  AND ($8::SMALLINT IS NULL OR r.expiry = $8)
              LIMIT $11"
        )
    };
}

/// The rules of a whole namespace.
const RULES: &str = filtered!("namespace_id = $1");

/// Those of one plan, subscription or add-on.
const RULES_OF_TARGET: &str = filtered!("namespace_id = $1 AND scope = $2 AND target = $3");

/// No limit.
const ALL: Option<i64> = None;

const CHANGES: &str = concat!(
    "SELECT ",
    change_columns!(),
    " FROM grant_rule_changes AS c
      WHERE c.namespace_id = $1 AND c.rule_id = $2 AND c.change_number > $3
      ORDER BY c.change_number
      LIMIT $4"
);

/// In which state a rule may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleState {
    /// It grants.
    Active,
    /// It grants nothing now.
    Inactive,
    /// It was deleted.
    Deleted,
}

/// Which rules to list.
#[derive(Debug, Clone, Default)]
pub struct RuleFilter {
    /// Only of this scope.
    pub scope: Option<RuleScopeKind>,
    /// Only of this plan, subscription or add-on.
    pub target: Option<String>,
    /// Only of this asset.
    pub asset: Option<AssetCode>,
    /// Only in this state; `None`: all but deleted ones.
    pub state: Option<RuleState>,
    /// Only of this cadence.
    pub cadence: Option<CadenceKind>,
    /// Only whose grants end so.
    pub expiry: Option<ExpiryKind>,
}

/// A page of rules to list.
#[derive(Debug, Clone)]
pub struct RuleQuery {
    /// Whose.
    pub namespace_id: NamespaceId,
    /// Which.
    pub filter: RuleFilter,
    /// Only those that were made after this one.
    pub after: Option<(Timestamp, RuleId)>,
    /// At most this many.
    pub most: i64,
}

/// A page of rules.
#[derive(Debug, Clone)]
pub struct RulePage {
    /// The rules, the oldest first.
    pub rules: Vec<GrantRule>,
    /// More may follow after this one.
    pub more_after: Option<(Timestamp, RuleId)>,
}

/// Which changes of a rule to list.
#[derive(Debug, Clone)]
pub struct RuleChangeQuery {
    /// Whose.
    pub namespace_id: NamespaceId,
    /// Of which rule.
    pub rule_id: RuleId,
    /// Only those with a higher number.
    pub after: i64,
    /// At most this many.
    pub most: i64,
}

/// A page of changes.
#[derive(Debug, Clone)]
pub struct RuleChangePage {
    /// The changes, by number.
    pub changes: Vec<RuleChange>,
    /// More may follow after this number.
    pub more_after: Option<i64>,
}

impl Storage {
    /// A rule, also if it was deleted; `None`: there is none of that id in the namespace.
    pub async fn find_rule(
        &self,
        namespace: NamespaceId,
        rule: RuleId,
    ) -> Result<Option<GrantRule>, StorageError> {
        let client = self.reader().await?;
        let statement = client.prepare_cached(RULE).await?;
        let row = client.query_opt(&statement, &[&namespace.uuid(), &rule.uuid()]).await?;
        row.map(|row| row::rule(&mut Columns::of(&row))).transpose()
    }

    /// Rules in the order in which they were made.
    pub async fn list_rules(&self, query: &RuleQuery) -> Result<RulePage, StorageError> {
        let RuleQuery { namespace_id, filter, after, most } = query;
        let RuleFilter { scope, target, asset, state, cadence, expiry } = filter;
        let (is_active, is_deleted) = match state {
            None => (None, false),
            Some(RuleState::Active) => (Some(true), false),
            Some(RuleState::Inactive) => (Some(false), false),
            Some(RuleState::Deleted) => (None, true),
        };
        let sql = if scope.is_some() && target.is_some() { RULES_OF_TARGET } else { RULES };
        let (made_at, id) = after.unwrap_or((Timestamp::FIRST, RuleId::from_uuid(Uuid::nil())));
        let client = self.reader().await?;
        let statement = client.prepare_cached(sql).await?;
        let rows = client
            .query(
                &statement,
                &[
                    &namespace_id.uuid(),
                    &scope.map(row::scope_code),
                    target,
                    &asset.as_ref().map(AssetCode::as_str),
                    &is_active,
                    &is_deleted,
                    &cadence.map(CadenceKind::code),
                    &expiry.map(ExpiryKind::code),
                    &Instant(made_at),
                    &id.uuid(),
                    most,
                    &ALL,
                ],
            )
            .await?;
        let rules: Result<Vec<_>, _> =
            rows.iter().map(|row| row::rule(&mut Columns::of(row))).collect();
        let rules = rules?;
        let full = i64::try_from(rules.len()).is_ok_and(|count| count == *most);
        let more_after = rules.last().filter(|_| full).map(|rule| (rule.created_at, rule.id));
        Ok(RulePage { rules, more_after })
    }

    /// The audit trail of a rule, from its making on; `None`: there is no such rule.
    pub async fn list_rule_changes(
        &self,
        query: &RuleChangeQuery,
    ) -> Result<Option<RuleChangePage>, StorageError> {
        let RuleChangeQuery { namespace_id, rule_id, after, most } = query;
        let client = self.reader().await?;
        let statement = client.prepare_cached(CHANGES).await?;
        let parameters: [&(dyn postgres_types::ToSql + Sync); 4] =
            [&namespace_id.uuid(), &rule_id.uuid(), after, most];
        let rows = client.query(&statement, &parameters).await?;
        // A rule has the change that made it.
        if rows.is_empty() && *after == 0 {
            return Ok(None);
        }
        let changes: Result<Vec<_>, _> =
            rows.iter().map(|row| row::change(&mut Columns::of(row), *namespace_id)).collect();
        let changes = changes?;
        let full = i64::try_from(changes.len()).is_ok_and(|count| count == *most);
        let more_after = changes.last().filter(|_| full).map(|change| change.after.version);
        Ok(Some(RuleChangePage { changes, more_after }))
    }
}

/// All rules of these scopes, deleted ones too, by id.
pub async fn load_rules(
    client: &Client,
    scopes: &[(NamespaceId, RuleScope)],
) -> Result<Vec<GrantRule>, StorageError> {
    let namespaces: Vec<Uuid> = scopes.iter().map(|(namespace, _)| namespace.uuid()).collect();
    let kinds: Vec<i16> = scopes.iter().map(|(_, scope)| row::scope_code(scope.kind())).collect();
    let targets: Vec<&str> = scopes.iter().map(|(_, scope)| scope.target()).collect();
    let statement = client.prepare_cached(OF_SCOPES).await?;
    let rows = client.query(&statement, &[&namespaces, &kinds, &targets]).await?;
    rows.iter().map(|row| row::rule(&mut Columns::of(row))).collect()
}
