//! `GrantService`.

use std::time::Instant;

use purse_domain::GrantNumber;
use purse_proto::v1::{self, grant_service_server::GrantService};
use purse_storage::GrantQuery;
use tonic::{Request, Response, Status};

use super::{Shared, batch::Parsing};
use crate::{
    auth::{Role, caller},
    parse, render, status,
    telemetry::CallTrace,
    terms::TermsOf,
};

/// The grants of the caller's namespace.
#[derive(Debug, Clone)]
pub struct Grants(pub Shared);

#[tonic::async_trait]
impl GrantService for Grants {
    async fn grant(
        &self,
        request: Request<v1::GrantRequest>,
    ) -> Result<Response<v1::GrantResponse>, Status> {
        let began = Instant::now();
        let caller = caller(&request, Role::Granter)?;
        let trace = CallTrace::of(&request);
        let message = request.into_inner();
        let scale = self.0.terms.scale(caller.namespace_id, &message.asset).await?;
        let command = parse::grant(&caller, message, scale)?;
        let answer = self.0.write(trace, began, command).await?;
        Ok(Response::new(render::granted(&answer)))
    }

    async fn batch_grant(
        &self,
        request: Request<v1::BatchGrantRequest>,
    ) -> Result<Response<v1::BatchGrantResponse>, Status> {
        let began = Instant::now();
        let caller = caller(&request, Role::Granter)?;
        let trace = CallTrace::of(&request);
        let v1::BatchGrantRequest { requests, mode } = request.into_inner();
        let parsing = Parsing::<v1::GrantRequest> {
            caller: &caller,
            terms_of: |message| {
                let v1::GrantRequest { asset, amount, .. } = message;
                TermsOf { asset, amount, operation: "" }
            },
            parse: |caller, message, terms| parse::grant(caller, message, terms.scale),
        };
        let results = self.0.batch((trace, began), &parsing, requests, mode).await?;
        let results = results.into_iter().map(|result| v1::BatchGrantResult {
            outcome: Some(match result {
                Ok(answer) => v1::batch_grant_result::Outcome::Response(render::granted(&answer)),
                Err(error) => v1::batch_grant_result::Outcome::Error(error),
            }),
        });
        Ok(Response::new(v1::BatchGrantResponse { results: results.collect() }))
    }

    async fn get_grant(
        &self,
        request: Request<v1::GetGrantRequest>,
    ) -> Result<Response<v1::GetGrantResponse>, Status> {
        let caller = caller(&request, Role::Reader)?;
        let (wallet, number) = parse::get_grant(&caller, request.into_inner())?;
        let query = GrantQuery {
            wallet,
            category: None,
            open_only: false,
            after: GrantNumber(number.0 - 1),
            most: 1,
        };
        let found = self.0.storage.list_grants(&query).await.map_err(|e| status::storage(&e))?;
        let found = found.ok_or_else(|| status::wallet_not_found(&query.wallet))?;
        let record = found.records.first().filter(|record| record.grant.number == number);
        let record = record.ok_or_else(|| status::grant_not_found(number))?;
        let grant = render::grant(&query.wallet, record);
        Ok(Response::new(v1::GetGrantResponse { grant: Some(grant) }))
    }

    async fn list_grants(
        &self,
        request: Request<v1::ListGrantsRequest>,
    ) -> Result<Response<v1::ListGrantsResponse>, Status> {
        let caller = caller(&request, Role::Reader)?;
        let (query, page) = parse::list_grants(&caller, request.into_inner())?;
        let found = self.0.storage.list_grants(&query).await.map_err(|e| status::storage(&e))?;
        let found = found.ok_or_else(|| status::wallet_not_found(&query.wallet))?;
        let next_page_token =
            found.more_after.map(|last| page.token(&last.to_string())).unwrap_or_default();
        let grants =
            found.records.iter().map(|record| render::grant(&query.wallet, record)).collect();
        Ok(Response::new(v1::ListGrantsResponse { grants, next_page_token }))
    }

    async fn void_grant(
        &self,
        request: Request<v1::VoidGrantRequest>,
    ) -> Result<Response<v1::VoidGrantResponse>, Status> {
        let began = Instant::now();
        let caller = caller(&request, Role::Granter)?;
        let trace = CallTrace::of(&request);
        let command = parse::void_grant(&caller, request.into_inner())?;
        let answer = self.0.write(trace, began, command).await?;
        let (transaction, balance) = render::written(&answer);
        Ok(Response::new(v1::VoidGrantResponse {
            transaction: Some(transaction),
            balance: Some(balance),
            replayed: answer.replayed,
        }))
    }

    async fn expire_grant(
        &self,
        request: Request<v1::ExpireGrantRequest>,
    ) -> Result<Response<v1::ExpireGrantResponse>, Status> {
        let began = Instant::now();
        let caller = caller(&request, Role::Granter)?;
        let trace = CallTrace::of(&request);
        let command = parse::expire_grant(&caller, request.into_inner())?;
        let answer = self.0.write(trace, began, command).await?;
        let (transaction, balance) = render::written(&answer);
        Ok(Response::new(v1::ExpireGrantResponse {
            transaction: Some(transaction),
            balance: Some(balance),
            replayed: answer.replayed,
        }))
    }

    async fn change_grant_expiry(
        &self,
        request: Request<v1::ChangeGrantExpiryRequest>,
    ) -> Result<Response<v1::ChangeGrantExpiryResponse>, Status> {
        let began = Instant::now();
        let caller = caller(&request, Role::Granter)?;
        let trace = CallTrace::of(&request);
        let command = parse::change_grant_expiry(&caller, request.into_inner())?;
        let answer = self.0.write(trace, began, command).await?;
        let (transaction, balance) = render::written(&answer);
        Ok(Response::new(v1::ChangeGrantExpiryResponse {
            transaction: Some(transaction),
            balance: Some(balance),
            replayed: answer.replayed,
        }))
    }

    async fn revoke_funding(
        &self,
        request: Request<v1::RevokeFundingRequest>,
    ) -> Result<Response<v1::RevokeFundingResponse>, Status> {
        let began = Instant::now();
        let caller = caller(&request, Role::Granter)?;
        let trace = CallTrace::of(&request);
        let message = request.into_inner();
        let scale = self.0.terms.scale(caller.namespace_id, &message.asset).await?;
        let command = parse::revoke_funding(&caller, message, scale)?;
        let answer = self.0.write(trace, began, command).await?;
        let (transaction, balance) = render::written(&answer);
        Ok(Response::new(v1::RevokeFundingResponse {
            transaction: Some(transaction),
            balance: Some(balance),
            replayed: answer.replayed,
        }))
    }

    async fn create_grant_rule(
        &self,
        request: Request<v1::CreateGrantRuleRequest>,
    ) -> Result<Response<v1::CreateGrantRuleResponse>, Status> {
        self.0.create_grant_rule(request).await.map(Response::new)
    }

    async fn get_grant_rule(
        &self,
        request: Request<v1::GetGrantRuleRequest>,
    ) -> Result<Response<v1::GetGrantRuleResponse>, Status> {
        self.0.get_grant_rule(request).await.map(Response::new)
    }

    async fn list_grant_rules(
        &self,
        request: Request<v1::ListGrantRulesRequest>,
    ) -> Result<Response<v1::ListGrantRulesResponse>, Status> {
        self.0.list_grant_rules(request).await.map(Response::new)
    }

    async fn update_grant_rule(
        &self,
        request: Request<v1::UpdateGrantRuleRequest>,
    ) -> Result<Response<v1::UpdateGrantRuleResponse>, Status> {
        self.0.update_grant_rule(request).await.map(Response::new)
    }

    async fn update_expiry_settings(
        &self,
        request: Request<v1::UpdateExpirySettingsRequest>,
    ) -> Result<Response<v1::UpdateExpirySettingsResponse>, Status> {
        self.0.update_expiry_settings(request).await.map(Response::new)
    }

    async fn bulk_update_expiry_settings(
        &self,
        request: Request<v1::BulkUpdateExpirySettingsRequest>,
    ) -> Result<Response<v1::BulkUpdateExpirySettingsResponse>, Status> {
        self.0.bulk_update_expiry_settings(request).await.map(Response::new)
    }

    async fn delete_grant_rule(
        &self,
        request: Request<v1::DeleteGrantRuleRequest>,
    ) -> Result<Response<v1::DeleteGrantRuleResponse>, Status> {
        self.0.delete_grant_rule(request).await.map(Response::new)
    }

    async fn list_grant_rule_changes(
        &self,
        request: Request<v1::ListGrantRuleChangesRequest>,
    ) -> Result<Response<v1::ListGrantRuleChangesResponse>, Status> {
        self.0.list_grant_rule_changes(request).await.map(Response::new)
    }

    async fn calculate_expiry(
        &self,
        request: Request<v1::CalculateExpiryRequest>,
    ) -> Result<Response<v1::CalculateExpiryResponse>, Status> {
        self.0.calculate_expiry(request).await.map(Response::new)
    }
}
