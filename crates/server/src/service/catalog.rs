//! `CatalogService`.

use std::time::Instant;

use purse_domain::{CatalogItem, Group, Pack, Price, Rejection};
use purse_proto::v1::{self, catalog_service_server::CatalogService};
use purse_storage::{CatalogChanged, CatalogName, CatalogQuery, Outcome, Sellable};
use tonic::{Request, Response, Status};

use super::{Shared, answers, only};
use crate::{
    auth::{Role, caller},
    backlog::Work,
    page,
    parse::{self, CatalogEdit, VersionsQuery},
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
        let (operation, changed) = self.change_operation(&change).await?;
        Ok(Response::new(v1::SetOperationResponse { operation: Some(operation), changed }))
    }

    async fn get_operation(
        &self,
        request: Request<v1::GetOperationRequest>,
    ) -> Result<Response<v1::GetOperationResponse>, Status> {
        let caller = caller(&request, Role::Reader)?;
        let name = parse::get_operation(&caller, request.into_inner())?;
        let operation =
            Some(render::operation(&name, &self.find(&name, status::operation_not_found).await?));
        Ok(Response::new(v1::GetOperationResponse { operation }))
    }

    async fn list_operations(
        &self,
        request: Request<v1::ListOperationsRequest>,
    ) -> Result<Response<v1::ListOperationsResponse>, Status> {
        let caller = caller(&request, Role::Reader)?;
        let query = parse::list_operations(&caller, request.into_inner())?;
        let (found, next_page_token) = self.list::<Price>(query).await?;
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
        let (operation, changed) = self.change_operation(&change).await?;
        Ok(Response::new(v1::DeleteOperationResponse { operation: Some(operation), changed }))
    }

    async fn list_operation_changes(
        &self,
        request: Request<v1::ListOperationChangesRequest>,
    ) -> Result<Response<v1::ListOperationChangesResponse>, Status> {
        let caller = caller(&request, Role::Reader)?;
        let (query, page) = parse::list_operation_changes(&caller, request.into_inner())?;
        let found = self.versions::<Price>((&query, page), status::operation_not_found).await?;
        let (found, next_page_token) = found;
        let changes = found.iter().map(|item| render::operation(&query.name, item)).collect();
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
        let reply = self.0.lanes.run(Group::from(spend), Work::New).await?;
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

    async fn set_pack(
        &self,
        request: Request<v1::SetPackRequest>,
    ) -> Result<Response<v1::SetPackResponse>, Status> {
        let caller = caller(&request, Role::Admin)?;
        let message = request.into_inner();
        let scale = self.0.terms.scale(caller.namespace_id, &message.asset).await?;
        let edit = parse::set_pack(&caller, message, scale)?;
        let (item, changed) = self.change(&edit, status::pack_not_found).await?;
        let pack = Some(render::pack(&edit.name, &item));
        Ok(Response::new(v1::SetPackResponse { pack, changed }))
    }

    async fn get_pack(
        &self,
        request: Request<v1::GetPackRequest>,
    ) -> Result<Response<v1::GetPackResponse>, Status> {
        let caller = caller(&request, Role::Reader)?;
        let name = parse::get_pack(&caller, request.into_inner())?;
        let found = self.find(&name, status::pack_not_found).await?;
        let pack = Some(render::pack(&name, &found));
        Ok(Response::new(v1::GetPackResponse { pack }))
    }

    async fn list_packs(
        &self,
        request: Request<v1::ListPacksRequest>,
    ) -> Result<Response<v1::ListPacksResponse>, Status> {
        let caller = caller(&request, Role::Reader)?;
        let query = parse::list_packs(&caller, request.into_inner())?;
        let (found, next_page_token) = self.list::<Pack>(query).await?;
        let packs = found.iter().map(|(name, item)| render::pack(name, item)).collect();
        Ok(Response::new(v1::ListPacksResponse { packs, next_page_token }))
    }

    async fn delete_pack(
        &self,
        request: Request<v1::DeletePackRequest>,
    ) -> Result<Response<v1::DeletePackResponse>, Status> {
        let caller = caller(&request, Role::Admin)?;
        let edit = parse::delete_pack(&caller, request.into_inner())?;
        let (item, changed) = self.change(&edit, status::pack_not_found).await?;
        let pack = Some(render::pack(&edit.name, &item));
        Ok(Response::new(v1::DeletePackResponse { pack, changed }))
    }

    async fn list_pack_changes(
        &self,
        request: Request<v1::ListPackChangesRequest>,
    ) -> Result<Response<v1::ListPackChangesResponse>, Status> {
        let caller = caller(&request, Role::Reader)?;
        let (query, page) = parse::list_pack_changes(&caller, request.into_inner())?;
        let found = self.versions::<Pack>((&query, page), status::pack_not_found).await?;
        let (found, next_page_token) = found;
        let changes = found.iter().map(|item| render::pack(&query.name, item)).collect();
        Ok(Response::new(v1::ListPackChangesResponse { changes, next_page_token }))
    }

    async fn purchase_pack(
        &self,
        request: Request<v1::PurchasePackRequest>,
    ) -> Result<Response<v1::PurchasePackResponse>, Status> {
        let began = Instant::now();
        let caller = caller(&request, Role::Granter)?;
        let trace = CallTrace::of(&request);
        let message = request.into_inner();
        let v1::PurchasePackRequest { asset, pack, .. } = &message;
        let scale = self.0.terms.scale(caller.namespace_id, asset).await?;
        let pack = self.0.terms.pack(caller.namespace_id, asset, pack).await?;
        let purchase = parse::purchase_pack(&caller, message, scale, pack.as_ref())?;
        let answer = self.0.write(trace, began, purchase).await?;
        Ok(Response::new(render::purchased(&answer)))
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

/// What is sold by a name that was never given.
type NotFound = fn(&str, &str) -> Status;

impl Catalog {
    /// What is sold under a name.
    async fn find<T: Sellable>(
        &self,
        name: &CatalogName,
        not_found: NotFound,
    ) -> Result<CatalogItem<T>, Status> {
        let found = self.0.storage.find_sold::<T>(name).await;
        let found = found.map_err(|error| status::storage(&error))?;
        found
            .filter(|item| item.definition.is_some())
            .ok_or_else(|| not_found(&name.name, name.asset.as_str()))
    }

    /// A page of what is sold, and the token of the next one.
    async fn list<T: Sellable>(
        &self,
        (query, page): (CatalogQuery, page::Query),
    ) -> Result<(Vec<(CatalogName, CatalogItem<T>)>, String), Status> {
        let found = self.0.storage.list_sold::<T>(&query).await;
        let found = found.map_err(|error| status::storage(&error))?;
        let is_full = i64::try_from(found.len()).is_ok_and(|count| count == query.most);
        let last = found.last().filter(|_| is_full);
        let token = |(name, _): &(CatalogName, CatalogItem<T>)| {
            page.token(&format!("{}\n{}", name.asset, name.name))
        };
        let next_page_token = last.map(token).unwrap_or_default();
        Ok((found, next_page_token))
    }

    /// A page of versions, and the token of the next one.
    async fn versions<T: Sellable>(
        &self,
        (query, page): (&VersionsQuery, page::Query),
        not_found: NotFound,
    ) -> Result<(Vec<CatalogItem<T>>, String), Status> {
        let VersionsQuery { name, after, most } = query;
        let found = self.0.storage.list_versions::<T>(name, *after, *most).await;
        let found = found.map_err(|error| status::storage(&error))?;
        if found.is_empty() && *after == 0 {
            return Err(not_found(&name.name, name.asset.as_str()));
        }
        let is_full = i64::try_from(found.len()).is_ok_and(|count| count == *most);
        let last = found.last().filter(|_| is_full);
        let next_page_token =
            last.map(|item| page.token(&item.version.to_string())).unwrap_or_default();
        Ok((found, next_page_token))
    }

    /// Changes what is sold, and says whether it was otherwise before.
    async fn change<T: Sellable>(
        &self,
        edit: &CatalogEdit<T>,
        not_found: NotFound,
    ) -> Result<(CatalogItem<T>, bool), Status> {
        let CatalogEdit { name, change, validate_only } = edit;
        let changed = self.0.storage.change_sold(name, change, *validate_only).await;
        let changed = changed.map_err(|error| status::storage(&error))?;
        let CatalogChanged { item, changed } =
            changed.map_err(|stale| status::stale_item(&stale))?;
        let item = item.ok_or_else(|| not_found(&name.name, name.asset.as_str()))?;
        Ok((item, changed))
    }

    /// Changes an operation. Whatever comes of it, its price is read again.
    async fn change_operation(
        &self,
        edit: &CatalogEdit<Price>,
    ) -> Result<(v1::Operation, bool), Status> {
        let changed = self.change(edit, status::operation_not_found).await;
        self.0.terms.forget(&edit.name);
        let (item, changed) = changed?;
        Ok((render::operation(&edit.name, &item), changed))
    }
}
