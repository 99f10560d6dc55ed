//! Rows of `grant_rules` and `grant_rule_changes`. Codes are for ever.

use postgres_types::{Json, ToSql};
use purse_domain::{
    Actor, AddonId, AssetCode, Cadence, ExpirySettings, GrantRule, NamespaceId, PlanId, Reason,
    RuleChange, RuleChangeKind, RuleId, RuleRequest, RuleScope, RuleScopeKind, SubscriptionId,
};
use uuid::Uuid;

use super::snapshot::{RuleSnapshot, TermsSnapshot};
use crate::{
    StorageError,
    row::{Columns, Instant, MetadataJson, metadata_json},
};

/// How often a rule may grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CadenceKind {
    /// Once.
    OneTime,
    /// Every period.
    Recurring,
}

/// How a rule's grants may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiryKind {
    /// Never.
    Never,
    /// After a time.
    Duration,
    /// With a billing period.
    BillingCycle,
}

pub(super) fn scope_code(kind: RuleScopeKind) -> i16 {
    match kind {
        RuleScopeKind::Plan => 1,
        RuleScopeKind::Subscription => 2,
        RuleScopeKind::Addon => 3,
    }
}

impl CadenceKind {
    fn of(cadence: Cadence) -> Self {
        match cadence {
            Cadence::OneTime => Self::OneTime,
            Cadence::Recurring(_) => Self::Recurring,
        }
    }

    pub(super) fn code(self) -> i16 {
        match self {
            Self::OneTime => 1,
            Self::Recurring => 2,
        }
    }
}

impl ExpiryKind {
    fn of(expiry: ExpirySettings) -> Self {
        match expiry {
            ExpirySettings::Never => Self::Never,
            ExpirySettings::Duration(_) => Self::Duration,
            ExpirySettings::BillingCycle { .. } => Self::BillingCycle,
        }
    }

    pub(super) fn code(self) -> i16 {
        match self {
            Self::Never => 1,
            Self::Duration => 2,
            Self::BillingCycle => 3,
        }
    }
}

fn scope(code: i16, target: String) -> Result<RuleScope, StorageError> {
    match code {
        1 => Ok(RuleScope::Plan(PlanId::from_stored(target))),
        2 => Ok(RuleScope::Subscription(SubscriptionId::from_stored(target))),
        3 => Ok(RuleScope::Addon(AddonId::from_stored(target))),
        other => Err(StorageError::Corrupt(format!("scope {other} of a grant rule"))),
    }
}

fn change_kind_code(kind: RuleChangeKind) -> i16 {
    match kind {
        RuleChangeKind::Created => 1,
        RuleChangeKind::Updated => 2,
        RuleChangeKind::Deleted => 3,
    }
}

fn change_kind(code: i16) -> Result<RuleChangeKind, StorageError> {
    match code {
        1 => Ok(RuleChangeKind::Created),
        2 => Ok(RuleChangeKind::Updated),
        3 => Ok(RuleChangeKind::Deleted),
        other => Err(StorageError::Corrupt(format!("kind {other} of a change of a grant rule"))),
    }
}

/// The columns of [`rule`], in any statement that reads rules `r`.
macro_rules! rule_columns {
    () => {
        "r.namespace_id,
         r.rule_id,
         r.scope,
         r.target,
         r.asset,
         r.terms::TEXT AS terms,
         r.created_by,
         r.created_at,
         r.updated_by,
         r.updated_at,
         r.deleted_at,
         r.version"
    };
}
pub(super) use rule_columns;

pub(super) fn rule(columns: &mut Columns<'_>) -> Result<GrantRule, StorageError> {
    let namespace_id = NamespaceId::from_uuid(columns.take()?);
    let id = RuleId::from_uuid(columns.take()?);
    let code = columns.take()?;
    Ok(GrantRule {
        id,
        namespace_id,
        scope: scope(code, columns.take()?)?,
        asset: AssetCode::from_stored(columns.take()?),
        terms: parsed::<TermsSnapshot>(columns.take()?)?.into_terms()?,
        created_by: Actor::from_stored(columns.take()?),
        created_at: columns.instant()?,
        updated_by: Actor::from_stored(columns.take()?),
        updated_at: columns.instant()?,
        deleted_at: columns.instant_or_never()?,
        version: columns.take()?,
    })
}

/// The columns of [`change`], in any statement that reads changes `c`.
macro_rules! change_columns {
    () => {
        "c.rule_id,
         c.kind,
         c.before::TEXT AS before,
         c.after::TEXT AS after,
         c.actor,
         c.reason,
         c.metadata::TEXT AS metadata,
         c.recorded_at"
    };
}
pub(super) use change_columns;

pub(super) fn change(
    columns: &mut Columns<'_>,
    namespace: NamespaceId,
) -> Result<RuleChange, StorageError> {
    let id = RuleId::from_uuid(columns.take()?);
    let kind = change_kind(columns.take()?)?;
    let rule = |json: &str| parsed::<RuleSnapshot>(json)?.into_rule(namespace, id);
    Ok(RuleChange {
        kind,
        before: columns.take::<Option<&str>>()?.map(rule).transpose()?,
        after: rule(columns.take()?)?,
        actor: Actor::from_stored(columns.take()?),
        reason: Reason::from_stored(columns.take()?),
        metadata: columns.metadata()?,
        recorded_at: columns.instant()?,
    })
}

fn parsed<'a, T: serde::Deserialize<'a>>(json: &'a str) -> Result<T, StorageError> {
    serde_json::from_str(json).map_err(|_| StorageError::Corrupt("a grant rule".to_owned()))
}

/// A row of `grant_rules`.
#[derive(Debug, ToSql)]
#[postgres(name = "grant_rule_row")]
pub(super) struct RuleRow {
    namespace_id: Uuid,
    rule_id: Uuid,
    scope: i16,
    target: String,
    asset: String,
    is_active: bool,
    cadence: i16,
    expiry: i16,
    terms: Json<TermsSnapshot>,
    created_by: String,
    created_at: Instant,
    updated_by: String,
    updated_at: Instant,
    deleted_at: Option<Instant>,
    version: i64,
}

impl RuleRow {
    pub(super) fn new(rule: &GrantRule) -> Self {
        let GrantRule {
            id,
            namespace_id,
            scope,
            asset,
            terms,
            created_by,
            created_at,
            updated_by,
            updated_at,
            deleted_at,
            version,
        } = rule;
        Self {
            namespace_id: namespace_id.uuid(),
            rule_id: id.uuid(),
            scope: scope_code(scope.kind()),
            target: scope.target().to_owned(),
            asset: asset.as_str().to_owned(),
            is_active: terms.is_active,
            cadence: CadenceKind::of(terms.cadence).code(),
            expiry: ExpiryKind::of(terms.expiry).code(),
            terms: Json(TermsSnapshot::of(terms)),
            created_by: created_by.as_str().to_owned(),
            created_at: Instant(*created_at),
            updated_by: updated_by.as_str().to_owned(),
            updated_at: Instant(*updated_at),
            deleted_at: deleted_at.map(Instant),
            version: *version,
        }
    }
}

/// A row of `grant_rule_changes`.
#[derive(Debug, ToSql)]
#[postgres(name = "grant_rule_change_row")]
pub(super) struct ChangeRow {
    namespace_id: Uuid,
    rule_id: Uuid,
    change_number: i64,
    kind: i16,
    idempotency_key: String,
    fingerprint: Vec<u8>,
    actor: String,
    reason: String,
    metadata: Option<MetadataJson>,
    recorded_at: Instant,
    before: Option<Json<RuleSnapshot>>,
    after: Json<RuleSnapshot>,
}

impl ChangeRow {
    pub(super) fn new(request: &RuleRequest, change: &RuleChange) -> Self {
        let RuleChange { kind, before, after, actor, reason, metadata, recorded_at } = change;
        Self {
            namespace_id: after.namespace_id.uuid(),
            rule_id: after.id.uuid(),
            change_number: after.version,
            kind: change_kind_code(*kind),
            idempotency_key: request.key.as_str().to_owned(),
            fingerprint: request.fingerprint.as_bytes().to_vec(),
            actor: actor.as_str().to_owned(),
            reason: reason.as_str().to_owned(),
            metadata: metadata_json(metadata),
            recorded_at: Instant(*recorded_at),
            before: before.as_ref().map(|rule| Json(RuleSnapshot::of(rule))),
            after: Json(RuleSnapshot::of(after)),
        }
    }
}
