//! `CatalogService`.

use std::time::Instant;

use purse_domain::{CatalogItem, Group, Price, Rejection};
use purse_proto::v1::{self, catalog_service_server::CatalogService};
use purse_storage::{CatalogChanged, CatalogName, Outcome};
use tonic::{Request, Response, Status};

use super::{Shared, answers, only};
use crate::{
    auth::{Role, caller},
    parse::{self, OperationChange},
    render, status,
    telemetry::CallTrace,
    terms::TermsOf,
};

/// What the caller's namespace sells.
#[derive(Debug, Clone)]
pub struct Catalog(pub Shared);

#[tonic::async_trait]
impl CatalogService for Catalog {
    async fn set_operation(
        &self,
        request: Request<v1::SetOperationRequest>,
    ) -> Result<Response<v1::SetOperationResponse>, Status> {
        let caller = caller(&request, Role::Admin)?;
        let change = parse::set_operation(&caller, request.into_inner())?;
        let (operation, changed) = self.change(&change).await?;
        Ok(Response::new(v1::SetOperationResponse { operation: Some(operation), changed }))
    }

    async fn get_operation(
        &self,
        request: Request<v1::GetOperationRequest>,
    ) -> Result<Response<v1::GetOperationResponse>, Status> {
        let caller = caller(&request, Role::Reader)?;
        let name = parse::get_operation(&caller, request.into_inner())?;
        let operation = Some(render::operation(&name, &self.find(&name).await?));
        Ok(Response::new(v1::GetOperationResponse { operation }))
    }

    async fn list_operations(
        &self,
        request: Request<v1::ListOperationsRequest>,
    ) -> Result<Response<v1::ListOperationsResponse>, Status> {
        let caller = caller(&request, Role::Reader)?;
        let (query, page) = parse::list_operations(&caller, request.into_inner())?;
        let found = self.0.storage.list_sold::<Price>(&query).await;
        let found = found.map_err(|error| status::storage(&error))?;
        let is_full = i64::try_from(found.len()).is_ok_and(|count| count == query.most);
        let last = found.last().filter(|_| is_full);
        let next_page_token = last
            .map(|(name, _)| page.token(&format!("{}\n{}", name.asset, name.name)))
            .unwrap_or_default();
        let operations = found.iter().map(|(name, item)| render::operation(name, item));
        let operations = operations.collect();
        Ok(Response::new(v1::ListOperationsResponse { operations, next_page_token }))
    }

    async fn delete_operation(
        &self,
        request: Request<v1::DeleteOperationRequest>,
    ) -> Result<Response<v1::DeleteOperationResponse>, Status> {
        let caller = caller(&request, Role::Admin)?;
        let change = parse::delete_operation(&caller, request.into_inner())?;
        let (operation, changed) = self.change(&change).await?;
        Ok(Response::new(v1::DeleteOperationResponse { operation: Some(operation), changed }))
    }

    async fn list_operation_changes(
        &self,
        request: Request<v1::ListOperationChangesRequest>,
    ) -> Result<Response<v1::ListOperationChangesResponse>, Status> {
        let caller = caller(&request, Role::Reader)?;
        let (query, page) = parse::list_operation_changes(&caller, request.into_inner())?;
        let parse::VersionsQuery { name, after, most } = query;
        let found = self.0.storage.list_versions::<Price>(&name, after, most).await;
        let found = found.map_err(|error| status::storage(&error))?;
        if found.is_empty() && after == 0 {
            return Err(status::operation_not_found(&name.name, name.asset.as_str()));
        }
        let is_full = i64::try_from(found.len()).is_ok_and(|count| count == most);
        let last = found.last().filter(|_| is_full);
        let next_page_token =
            last.map(|item| page.token(&item.version.to_string())).unwrap_or_default();
        let changes = found.iter().map(|item| render::operation(&name, item)).collect();
        Ok(Response::new(v1::ListOperationChangesResponse { changes, next_page_token }))
    }

    async fn estimate_cost(
        &self,
        request: Request<v1::EstimateCostRequest>,
    ) -> Result<Response<v1::EstimateCostResponse>, Status> {
        let caller = caller(&request, Role::Reader)?;
        let message = request.into_inner();
        let asset = message.asset.trim().to_lowercase();
        let of = TermsOf { asset: &message.asset, amount: "", operation: &message.operation };
        let terms = self.0.terms.terms(caller.namespace_id, of).await?;
        let estimate = parse::estimate_cost(message, terms.scale)?;
        let operation = terms.operation.as_deref();
        let price = operation.and_then(|item| Some((item.definition.as_ref()?, item.version)));
        let (price, version) = price
            .ok_or_else(|| status::operation_not_found(estimate.operation.as_str(), &asset))?;
        let amount = price.cost(&estimate.quantities, estimate.scale);
        let amount = amount.map_err(|why| status::unpriced(&why, &asset))?;
        let (amount, etag) = (amount.to_string(), version.to_string());
        Ok(Response::new(v1::EstimateCostResponse { amount, etag }))
    }

    async fn can_afford(
        &self,
        request: Request<v1::CanAffordRequest>,
    ) -> Result<Response<v1::CanAffordResponse>, Status> {
        let began = Instant::now();
        let caller = caller(&request, Role::Reader)?;
        let trace = CallTrace::of(&request);
        let message = request.into_inner();
        let v1::CanAffordRequest { asset, amount, operation, .. } = &message;
        let of = TermsOf { asset, amount, operation };
        let terms = self.0.terms.terms(caller.namespace_id, of).await?;
        let spend = parse::can_afford(&caller, message, &terms)?;
        let amount = spend.command.charge().and_then(|charge| charge.amount().ok());
        let amount = amount.map(|amount| amount.get().to_string()).unwrap_or_default();
        let handed_over = Instant::now();
        trace.span("parse", began, handed_over);
        let reply = self.0.lanes.run(Group::from(spend)).await?;
        trace.lane(handed_over, &reply);
        let refusal = match &reply.outcome {
            Ok(Outcome::Rejected(refused)) if is_unaffordable(&refused.rejection) => {
                Some(status::rejected(&refused.rejection, &refused.wallet))
            }
            Ok(Outcome::Rejected(_) | Outcome::Accepted(_) | Outcome::Settled(_)) | Err(_) => None,
        };
        if let Some(refusal) = refusal {
            let refusal = Some(render::item_error(&refusal));
            let answer =
                v1::CanAffordResponse { affordable: false, amount, balance: None, refusal };
            return Ok(Response::new(answer));
        }
        let preview = only(answers(reply.outcome, status::alone)?)?;
        let (_, balance) = render::written(&preview);
        let (affordable, balance, refusal) = (true, Some(balance), None);
        Ok(Response::new(v1::CanAffordResponse { affordable, amount, balance, refusal }))
    }
}

/// Whether it is the wallet that stands against a spend, and not what was asked for.
fn is_unaffordable(rejection: &Rejection) -> bool {
    matches!(
        rejection,
        Rejection::InsufficientCredits { .. }
            | Rejection::SpendLimitExceeded { .. }
            | Rejection::WalletFrozen
            | Rejection::WalletClosed
    )
}

impl Catalog {
    async fn find(&self, name: &CatalogName) -> Result<CatalogItem<Price>, Status> {
        let found = self.0.storage.find_sold::<Price>(name).await;
        let found = found.map_err(|error| status::storage(&error))?;
        found
            .filter(|item| item.definition.is_some())
            .ok_or_else(|| status::operation_not_found(&name.name, name.asset.as_str()))
    }

    /// Changes an operation, and says whether it was otherwise before.
    async fn change(&self, change: &OperationChange) -> Result<(v1::Operation, bool), Status> {
        let OperationChange { name, change, validate_only } = change;
        let changed = self.0.storage.change_sold(name, change, *validate_only).await;
        self.0.terms.forget(name);
        let changed = changed.map_err(|error| status::storage(&error))?;
        let changed = changed.map_err(|stale| status::stale_item(&stale))?;
        let CatalogChanged { item, changed } = changed;
        let item =
            item.ok_or_else(|| status::operation_not_found(&name.name, name.asset.as_str()))?;
        Ok((render::operation(name, &item), changed))
    }
}
