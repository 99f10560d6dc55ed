//! Requests about grant rules.

mod expiry;
mod terms;

pub use expiry::{About, CYCLE_COUNT, CYCLE_COUNT_OF_RULE, Calculation, calculate_expiry};

use std::collections::BTreeMap;

use purse_domain::{
    Actor, AddonId, AssetCode, Fingerprint, IdempotencyKey, Metadata, NewRule, PlanId, Reason,
    RuleCommand, RuleId, RuleRequest, RuleScope, RuleScopeKind, Scale, SubscriptionId, TermChange,
    Timestamp,
};
use purse_proto::v1;
use purse_storage::{CadenceKind, ExpiryKind, RuleChangeQuery, RuleFilter, RuleQuery, RuleState};
use tonic::Status;
use uuid::Uuid;

use super::Fields;
use crate::{auth::Caller, page};

/// What every write to a rule carries, as it came.
struct RuleWrite {
    idempotency_key: String,
    actor: String,
    reason: String,
    metadata: BTreeMap<String, String>,
    validate_only: bool,
}

/// Which rule a write is about.
enum Target {
    /// The one that its key makes.
    New,
    /// One that is there.
    Rule(RuleId),
}

impl RuleWrite {
    /// The request, once its rule and command are parsed too.
    fn request(
        self,
        mut fields: Fields,
        caller: &Caller,
        target: Option<Target>,
        command: Option<RuleCommand>,
    ) -> Result<RuleRequest, Status> {
        let Self { idempotency_key, actor, reason, metadata, validate_only } = self;
        let key = fields.check("idempotency_key", IdempotencyKey::parse(&idempotency_key));
        let asked = fields.check("actor", Actor::parse(&actor));
        let reason = fields.check("reason", Reason::parse(&reason));
        let metadata = fields.check("metadata", Metadata::parse(metadata));
        let parts = (|| Some((target?, command?, key?, asked?, reason?, metadata?)))();
        let (target, command, key, asked, reason, metadata) = fields.finish(parts)?;
        let namespace_id = caller.namespace_id;
        let rule_id = match target {
            Target::New => RuleId::of(namespace_id, &key),
            Target::Rule(id) => id,
        };
        let fingerprint = Fingerprint::of_rule(rule_id, &command, &asked, &reason, &metadata);
        let actor = if asked.as_str().is_empty() { caller.name.clone() } else { asked };
        Ok(RuleRequest {
            namespace_id,
            rule_id,
            command,
            key,
            fingerprint,
            actor,
            reason,
            metadata,
            validate_only,
        })
    }
}

/// A request for a rule. `scale` is the asset's; `None`: it may come into being later.
pub fn create_grant_rule(
    caller: &Caller,
    message: v1::CreateGrantRuleRequest,
    scale: Option<Scale>,
) -> Result<RuleRequest, Status> {
    let v1::CreateGrantRuleRequest {
        rule,
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
    } = message;
    let mut fields = Fields::default();
    if rule.is_none() {
        fields.note("rule", "is missing");
    }
    let new = rule.and_then(|rule| new_rule(&mut fields, &rule, scale));
    let command = new.map(|new| RuleCommand::Create(Box::new(new)));
    RuleWrite { idempotency_key, actor, reason, metadata, validate_only }.request(
        fields,
        caller,
        Some(Target::New),
        command,
    )
}

/// Whether an update is about amounts, which are in the rule's asset.
pub fn changes_amounts(message: &v1::UpdateGrantRuleRequest) -> bool {
    let paths = message.update_mask.iter().flat_map(|mask| &mask.paths);
    paths.into_iter().any(|path| matches!(path.as_str(), "amount" | "rollover"))
}

/// A request for other terms. `scale` is that of the rule's asset, as far as there is one.
pub fn update_grant_rule(
    caller: &Caller,
    message: v1::UpdateGrantRuleRequest,
    scale: Option<Scale>,
) -> Result<RuleRequest, Status> {
    let v1::UpdateGrantRuleRequest {
        rule_id,
        rule,
        update_mask,
        etag,
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
    } = message;
    let mut fields = Fields::default();
    let id = fields.rule_id(&rule_id);
    if rule.is_none() {
        fields.note("rule", "is missing");
    }
    let rule = rule.unwrap_or_default();
    let paths = update_mask.map(|mask| mask.paths).unwrap_or_default();
    let changes = terms::changes(&mut fields, &rule, &paths, scale);
    let expected_version = fields.etag(&etag);
    let command =
        expected_version.map(|expected_version| RuleCommand::Update { changes, expected_version });
    RuleWrite { idempotency_key, actor, reason, metadata, validate_only }.request(
        fields,
        caller,
        id.map(Target::Rule),
        command,
    )
}

/// A request for other expiry settings.
pub fn update_expiry_settings(
    caller: &Caller,
    message: v1::UpdateExpirySettingsRequest,
) -> Result<RuleRequest, Status> {
    let v1::UpdateExpirySettingsRequest {
        rule_id,
        expiry_settings,
        expire_in_days,
        etag,
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
    } = message;
    let mut fields = Fields::default();
    let id = fields.rule_id(&rule_id);
    let asked = expiry::required(&mut fields, expiry_settings.as_ref(), expire_in_days);
    let expected_version = fields.etag(&etag);
    let command = asked.zip(expected_version).map(|(asked, expected_version)| {
        let changes = vec![TermChange::Expiry(asked)];
        RuleCommand::Update { changes, expected_version }
    });
    RuleWrite { idempotency_key, actor, reason, metadata, validate_only }.request(
        fields,
        caller,
        id.map(Target::Rule),
        command,
    )
}

/// A request to delete a rule.
pub fn delete_grant_rule(
    caller: &Caller,
    message: v1::DeleteGrantRuleRequest,
) -> Result<RuleRequest, Status> {
    let v1::DeleteGrantRuleRequest {
        rule_id,
        etag,
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
    } = message;
    let mut fields = Fields::default();
    let id = fields.rule_id(&rule_id);
    let expected_version = fields.etag(&etag);
    let command = expected_version.map(|expected_version| RuleCommand::Delete { expected_version });
    RuleWrite { idempotency_key, actor, reason, metadata, validate_only }.request(
        fields,
        caller,
        id.map(Target::Rule),
        command,
    )
}

/// The rule that a request names.
pub fn get_grant_rule(message: v1::GetGrantRuleRequest) -> Result<RuleId, Status> {
    let v1::GetGrantRuleRequest { rule_id } = message;
    let mut fields = Fields::default();
    let id = fields.rule_id(&rule_id);
    fields.finish(id)
}

/// Which rules to list, and the query for the next page's token.
pub fn list_grant_rules(
    caller: &Caller,
    message: v1::ListGrantRulesRequest,
) -> Result<(RuleQuery, page::Query), Status> {
    let (page_size, page_token) = (message.page_size, message.page_token.clone());
    let message = v1::ListGrantRulesRequest { page_size: 0, page_token: String::new(), ..message };
    let query = page::Query::of("ListGrantRules", &message);
    let mut fields = Fields::default();
    let filter = filter(&mut fields, message);
    let most = fields.take(page::size(page_size));
    let after = fields.take(query.cursor(&page_token)).and_then(|cursor| {
        let parsed = cursor.as_deref().map(cursor_of);
        fields.check_optional("page_token", parsed)
    });
    let parsed = (|| {
        let namespace_id = caller.namespace_id;
        Some(RuleQuery { namespace_id, filter: filter?, after: after?, most: most? })
    })();
    Ok((fields.finish(parsed)?, query))
}

/// The cursor of a page of rules that ends with the one of that age and id.
pub fn rule_cursor((created_at, id): (Timestamp, RuleId)) -> String {
    format!("{} {id}", created_at.micros())
}

fn cursor_of(cursor: &str) -> Result<(Timestamp, RuleId), &'static str> {
    let (micros, id) = cursor.split_once(' ').unwrap_or_default();
    match (micros.parse(), Uuid::parse_str(id)) {
        (Ok(micros), Ok(id)) => Ok((Timestamp::from_micros(micros), RuleId::from_uuid(id))),
        (Ok(_) | Err(_), Ok(_) | Err(_)) => Err("is not a token that this service gave"),
    }
}

/// Which changes to list, and the query for the next page's token.
pub fn list_grant_rule_changes(
    caller: &Caller,
    message: v1::ListGrantRuleChangesRequest,
) -> Result<(RuleChangeQuery, page::Query), Status> {
    let v1::ListGrantRuleChangesRequest { rule_id, page_size, page_token } = message;
    let query = v1::ListGrantRuleChangesRequest {
        rule_id: rule_id.clone(),
        page_size: 0,
        page_token: String::new(),
    };
    let query = page::Query::of("ListGrantRuleChanges", &query);
    let mut fields = Fields::default();
    let id = fields.rule_id(&rule_id);
    let most = fields.take(page::size(page_size));
    let after = fields.after(&query, &page_token);
    let parsed = (|| {
        let (namespace_id, after) = (caller.namespace_id, i64::from(after?));
        Some(RuleChangeQuery { namespace_id, rule_id: id?, after, most: most? })
    })();
    Ok((fields.finish(parsed)?, query))
}

fn new_rule(fields: &mut Fields, rule: &v1::GrantRule, scale: Option<Scale>) -> Option<NewRule> {
    let kind = scope_kind(fields, "rule.scope", rule.scope);
    if let Some(None) = kind {
        fields.note("rule.scope", "is missing");
    }
    let kind = kind.flatten();
    let scope = scope(fields, rule, kind);
    let asset = fields.check("rule.asset", AssetCode::parse(&rule.asset));
    let terms = terms::all(fields, rule, kind, scale);
    Some(NewRule { scope: scope?, asset: asset?, terms: terms? })
}

#[expect(clippy::option_option, reason = "wrong, absent and present are three cases")]
fn scope_kind(
    fields: &mut Fields,
    field: &'static str,
    scope: i32,
) -> Option<Option<RuleScopeKind>> {
    match v1::RuleScope::try_from(scope) {
        Ok(v1::RuleScope::Unspecified) => Some(None),
        Ok(v1::RuleScope::Plan) => Some(Some(RuleScopeKind::Plan)),
        Ok(v1::RuleScope::Subscription) => Some(Some(RuleScopeKind::Subscription)),
        Ok(v1::RuleScope::Addon) => Some(Some(RuleScopeKind::Addon)),
        Err(_) => {
            fields.note(field, "is no known value");
            None
        }
    }
}

/// The scope: of the three ids just the one that it names.
fn scope(
    fields: &mut Fields,
    rule: &v1::GrantRule,
    kind: Option<RuleScopeKind>,
) -> Option<RuleScope> {
    let kind = kind?;
    for (field, id, of) in [
        ("rule.plan_id", &rule.plan_id, RuleScopeKind::Plan),
        ("rule.subscription_id", &rule.subscription_id, RuleScopeKind::Subscription),
        ("rule.addon_id", &rule.addon_id, RuleScopeKind::Addon),
    ] {
        if kind != of && !id.is_empty() {
            fields.note(field, "does not go with this scope");
        }
    }
    match kind {
        RuleScopeKind::Plan => {
            fields.check("rule.plan_id", PlanId::parse(&rule.plan_id)).map(RuleScope::Plan)
        }
        RuleScopeKind::Subscription => fields
            .check("rule.subscription_id", SubscriptionId::parse(&rule.subscription_id))
            .map(RuleScope::Subscription),
        RuleScopeKind::Addon => {
            fields.check("rule.addon_id", AddonId::parse(&rule.addon_id)).map(RuleScope::Addon)
        }
    }
}

/// Which rules pass, of a message whose page was taken out.
fn filter(fields: &mut Fields, message: v1::ListGrantRulesRequest) -> Option<RuleFilter> {
    let v1::ListGrantRulesRequest {
        scope,
        plan_id,
        subscription_id,
        addon_id,
        asset,
        status,
        cadence,
        expiry_type,
        page_size: _,
        page_token: _,
    } = message;
    let mut scope = scope_kind(fields, "scope", scope)?;
    let plan = (!plan_id.is_empty()).then(|| PlanId::parse(&plan_id).map(RuleScope::Plan));
    let subscription = (!subscription_id.is_empty())
        .then(|| SubscriptionId::parse(&subscription_id).map(RuleScope::Subscription));
    let addon = (!addon_id.is_empty()).then(|| AddonId::parse(&addon_id).map(RuleScope::Addon));
    let mut target = None;
    for (field, named) in
        [("plan_id", plan), ("subscription_id", subscription), ("addon_id", addon)]
    {
        let Some(named) = fields.check_optional(field, named).flatten() else { continue };
        // An id says the scope by itself, and a second one names another.
        if *scope.get_or_insert(named.kind()) == named.kind() {
            target = Some(named.target().to_owned());
        } else {
            fields.note(field, "does not go with the scope or with another id");
        }
    }
    let asset = (!asset.is_empty()).then(|| AssetCode::parse(&asset));
    let asset = fields.check_optional("asset", asset);
    let state = match v1::RuleStatus::try_from(status) {
        Ok(v1::RuleStatus::Unspecified) => Ok(None),
        Ok(v1::RuleStatus::Active) => Ok(Some(RuleState::Active)),
        Ok(v1::RuleStatus::Inactive) => Ok(Some(RuleState::Inactive)),
        Ok(v1::RuleStatus::Deleted) => Ok(Some(RuleState::Deleted)),
        Err(_) => Err("is no known value"),
    };
    let state = fields.check("status", state);
    let cadence = match v1::RuleCadence::try_from(cadence) {
        Ok(v1::RuleCadence::Unspecified) => Ok(None),
        Ok(v1::RuleCadence::Onetime) => Ok(Some(CadenceKind::OneTime)),
        Ok(v1::RuleCadence::Recurring) => Ok(Some(CadenceKind::Recurring)),
        Err(_) => Err("is no known value"),
    };
    let cadence = fields.check("cadence", cadence);
    let expiry = match v1::ExpiryType::try_from(expiry_type) {
        Ok(v1::ExpiryType::Unspecified) => Ok(None),
        Ok(v1::ExpiryType::Never) => Ok(Some(ExpiryKind::Never)),
        Ok(v1::ExpiryType::Duration) => Ok(Some(ExpiryKind::Duration)),
        Ok(v1::ExpiryType::BillingCycle) => Ok(Some(ExpiryKind::BillingCycle)),
        Err(_) => Err("is no known value"),
    };
    let expiry = fields.check("expiry_type", expiry);
    Some(RuleFilter {
        scope,
        target,
        asset: asset?,
        state: state?,
        cadence: cadence?,
        expiry: expiry?,
    })
}
