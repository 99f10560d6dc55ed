//! The methods of `GrantService` that are about grant rules.

use std::collections::HashMap;

use purse_domain::{Cadence, ExpiryQuestion, RuleId, RuleRejection, RuleRequest, Scale};
use purse_proto::v1::{self, BatchMode};
use purse_storage::{RuleAnswer, RuleBatch};
use tonic::{Request, Status};

use super::{Shared, batch};
use crate::{
    auth::{Caller, Role, caller},
    parse::{self, About, CYCLE_COUNT, CYCLE_COUNT_OF_RULE, Calculation},
    render, status,
};

impl Shared {
    pub(super) async fn create_grant_rule(
        &self,
        request: Request<v1::CreateGrantRuleRequest>,
    ) -> Result<v1::CreateGrantRuleResponse, Status> {
        let caller = caller(&request, Role::Granter)?;
        let message = request.into_inner();
        let asset = message.rule.as_ref().map_or("", |rule| &rule.asset);
        let scale = self.terms.scale(caller.namespace_id, asset).await?;
        let request = parse::create_grant_rule(&caller, message, scale)?;
        let RuleAnswer { change, replayed } =
            self.change_rule(&request, CYCLE_COUNT_OF_RULE).await?;
        let rule = Some(render::grant_rule(&change.after));
        Ok(v1::CreateGrantRuleResponse { rule, replayed })
    }

    pub(super) async fn get_grant_rule(
        &self,
        request: Request<v1::GetGrantRuleRequest>,
    ) -> Result<v1::GetGrantRuleResponse, Status> {
        let caller = caller(&request, Role::Reader)?;
        let id = parse::get_grant_rule(request.into_inner())?;
        let found = self.storage.find_rule(caller.namespace_id, id).await;
        let found = found.map_err(|error| status::storage(&error))?;
        let rule = found.ok_or_else(|| status::rule_not_found(id))?;
        Ok(v1::GetGrantRuleResponse { rule: Some(render::grant_rule(&rule)) })
    }

    pub(super) async fn list_grant_rules(
        &self,
        request: Request<v1::ListGrantRulesRequest>,
    ) -> Result<v1::ListGrantRulesResponse, Status> {
        let caller = caller(&request, Role::Reader)?;
        let (query, page) = parse::list_grant_rules(&caller, request.into_inner())?;
        let found = self.storage.list_rules(&query).await;
        let found = found.map_err(|error| status::storage(&error))?;
        let more_after = found.more_after.map(|last| page.token(&parse::rule_cursor(last)));
        Ok(v1::ListGrantRulesResponse {
            rules: found.rules.iter().map(render::grant_rule).collect(),
            next_page_token: more_after.unwrap_or_default(),
        })
    }

    pub(super) async fn update_grant_rule(
        &self,
        request: Request<v1::UpdateGrantRuleRequest>,
    ) -> Result<v1::UpdateGrantRuleResponse, Status> {
        let caller = caller(&request, Role::Granter)?;
        let message = request.into_inner();
        let scale = self.scale_of_update(&caller, &message).await?;
        let request = parse::update_grant_rule(&caller, message, scale)?;
        let RuleAnswer { change, replayed } =
            self.change_rule(&request, CYCLE_COUNT_OF_RULE).await?;
        let rule = Some(render::grant_rule(&change.after));
        Ok(v1::UpdateGrantRuleResponse { rule, replayed })
    }

    /// The scale of the rule's asset, if the update is about amounts. A rule's asset never changes.
    async fn scale_of_update(
        &self,
        caller: &Caller,
        message: &v1::UpdateGrantRuleRequest,
    ) -> Result<Option<Scale>, Status> {
        let id = uuid::Uuid::parse_str(&message.rule_id).map(RuleId::from_uuid);
        let (true, Ok(id)) = (parse::changes_amounts(message), id) else { return Ok(None) };
        let found = self.storage.find_rule(caller.namespace_id, id).await;
        match found.map_err(|error| status::storage(&error))? {
            Some(rule) => self.terms.scale(caller.namespace_id, rule.asset.as_str()).await,
            None => Ok(None),
        }
    }

    pub(super) async fn update_expiry_settings(
        &self,
        request: Request<v1::UpdateExpirySettingsRequest>,
    ) -> Result<v1::UpdateExpirySettingsResponse, Status> {
        let caller = caller(&request, Role::Granter)?;
        let request = parse::update_expiry_settings(&caller, request.into_inner())?;
        let RuleAnswer { change, replayed } = self.change_rule(&request, CYCLE_COUNT).await?;
        Ok(render::expiry_change(&change, replayed))
    }

    pub(super) async fn bulk_update_expiry_settings(
        &self,
        request: Request<v1::BulkUpdateExpirySettingsRequest>,
    ) -> Result<v1::BulkUpdateExpirySettingsResponse, Status> {
        let caller = caller(&request, Role::Granter)?;
        let v1::BulkUpdateExpirySettingsRequest { requests, mode } = request.into_inner();
        let mode = batch::mode_of(requests.len(), mode)?;
        let parsed: Vec<_> = requests
            .into_iter()
            .map(|message| parse::update_expiry_settings(&caller, message))
            .collect();
        let outcomes = match mode {
            BatchMode::AllOrNothing => {
                let answers = self.change_together(&caller, parsed).await?;
                answers.into_iter().map(Ok).collect()
            }
            BatchMode::Unspecified | BatchMode::EachOnItsOwn => {
                self.change_each(&caller, parsed).await?
            }
        };
        let results = outcomes.into_iter().map(|outcome: Result<RuleAnswer, Status>| {
            use v1::bulk_update_expiry_settings_result::Outcome;
            let outcome = Some(match outcome {
                Ok(RuleAnswer { change, replayed }) => {
                    Outcome::Response(render::expiry_change(&change, replayed))
                }
                Err(refused) => Outcome::Error(render::item_error(&refused)),
            });
            v1::BulkUpdateExpirySettingsResult { outcome }
        });
        Ok(v1::BulkUpdateExpirySettingsResponse { results: results.collect() })
    }

    pub(super) async fn delete_grant_rule(
        &self,
        request: Request<v1::DeleteGrantRuleRequest>,
    ) -> Result<v1::DeleteGrantRuleResponse, Status> {
        let caller = caller(&request, Role::Granter)?;
        let request = parse::delete_grant_rule(&caller, request.into_inner())?;
        let RuleAnswer { change, replayed } =
            self.change_rule(&request, CYCLE_COUNT_OF_RULE).await?;
        let rule = Some(render::grant_rule(&change.after));
        Ok(v1::DeleteGrantRuleResponse { rule, replayed })
    }

    pub(super) async fn list_grant_rule_changes(
        &self,
        request: Request<v1::ListGrantRuleChangesRequest>,
    ) -> Result<v1::ListGrantRuleChangesResponse, Status> {
        let caller = caller(&request, Role::Reader)?;
        let (query, page) = parse::list_grant_rule_changes(&caller, request.into_inner())?;
        let found = self.storage.list_rule_changes(&query).await;
        let found = found.map_err(|error| status::storage(&error))?;
        let found = found.ok_or_else(|| status::rule_not_found(query.rule_id))?;
        let more_after = found.more_after.map(|last| page.token(&last.to_string()));
        Ok(v1::ListGrantRuleChangesResponse {
            changes: found.changes.iter().map(render::grant_rule_change).collect(),
            next_page_token: more_after.unwrap_or_default(),
        })
    }

    pub(super) async fn calculate_expiry(
        &self,
        request: Request<v1::CalculateExpiryRequest>,
    ) -> Result<v1::CalculateExpiryResponse, Status> {
        let caller = caller(&request, Role::Reader)?;
        let asked = parse::calculate_expiry(request.into_inner())?;
        let Calculation { about, effective_at, zone, billing, at } = asked;
        let (settings, recurs_every) = match about {
            About::Settings(settings, recurs_every) => (settings, recurs_every),
            About::Rule(id) => {
                let found = self.storage.find_rule(caller.namespace_id, id).await;
                let found = found.map_err(|error| status::storage(&error))?;
                let terms = found.ok_or_else(|| status::rule_not_found(id))?.terms;
                let recurs_every = match terms.cadence {
                    Cadence::OneTime => None,
                    Cadence::Recurring(span) => Some(span),
                };
                (terms.expiry, recurs_every)
            }
        };
        let at = at.unwrap_or_else(|| self.storage.now());
        let question = ExpiryQuestion { settings, effective_at, zone, billing, recurs_every, at };
        let answer = question.answer();
        let answer = answer
            .map_err(|missing| status::invalid_field("billing_cycle", missing.to_string()))?;
        Ok(render::calculated(&answer, settings, at))
    }

    /// Changes a rule. `cycle_count` is where the request says for how many periods grants live.
    async fn change_rule(
        &self,
        request: &RuleRequest,
        cycle_count: &'static str,
    ) -> Result<RuleAnswer, Status> {
        let outcome = self.storage.change_rule(request).await;
        let outcome = outcome.map_err(|error| status::storage(&error))?;
        outcome.map_err(|rejection| status::rule_rejected(&rejection, cycle_count))
    }

    async fn change_together(
        &self,
        caller: &Caller,
        parsed: Vec<Result<RuleRequest, Status>>,
    ) -> Result<Vec<RuleAnswer>, Status> {
        let mut keys = HashMap::with_capacity(parsed.len());
        let mut requests: Vec<RuleRequest> = Vec::with_capacity(parsed.len());
        for (index, request) in parsed.into_iter().enumerate() {
            let request = request.map_err(|refused| batch::located(&refused, index))?;
            let other = keys.insert(request.key.clone(), index);
            let first = requests.first().map(|first| first.validate_only);
            batch::check_together(other, first, request.validate_only)
                .map_err(|refused| batch::located(&refused, index))?;
            requests.push(request);
        }
        let outcomes =
            self.storage.change_rules(caller.namespace_id, &requests, RuleBatch::AllOrNothing);
        let outcomes = outcomes.await.map_err(|error| status::storage(&error))?;
        let is_reuse = |outcome: &Result<_, RuleRejection>| {
            matches!(outcome, Err(RuleRejection::IdempotencyKeyReused { .. }))
        };
        let refused = outcomes.iter().position(is_reuse);
        let refused = refused.or_else(|| outcomes.iter().position(Result::is_err));
        let answers = outcomes.into_iter().enumerate().filter_map(|(index, outcome)| {
            // Of several that may not happen the one that is told.
            if refused.is_some_and(|refused| refused != index) {
                return None;
            }
            let refusal =
                |rejection| batch::located(&status::rule_rejected(&rejection, CYCLE_COUNT), index);
            Some(outcome.map_err(refusal))
        });
        answers.collect()
    }

    async fn change_each(
        &self,
        caller: &Caller,
        parsed: Vec<Result<RuleRequest, Status>>,
    ) -> Result<Vec<Result<RuleAnswer, Status>>, Status> {
        let requests: Vec<RuleRequest> =
            parsed.iter().filter_map(|request| request.as_ref().ok()).cloned().collect();
        let outcomes =
            self.storage.change_rules(caller.namespace_id, &requests, RuleBatch::EachOnItsOwn);
        let outcomes = outcomes.await.map_err(|error| status::storage(&error))?;
        let mut outcomes = outcomes.into_iter();
        let answer = |request: Result<RuleRequest, Status>| {
            request?;
            let outcome = outcomes.next().ok_or_else(status::unanswered)?;
            outcome.map_err(|rejection| status::rule_rejected(&rejection, CYCLE_COUNT))
        };
        Ok(parsed.into_iter().map(answer).collect())
    }
}
