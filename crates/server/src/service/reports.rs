//! `ReportService`.

use purse_proto::v1::{self, report_service_server::ReportService};
use tonic::{Request, Response, Status};

use super::Shared;
use crate::{
    auth::{Role, caller},
    parse, render, status,
};

/// Figures over the wallets of the caller's namespace.
#[derive(Debug, Clone)]
pub struct Reports(pub Shared);

#[tonic::async_trait]
impl ReportService for Reports {
    async fn report_cost_basis(
        &self,
        request: Request<v1::ReportCostBasisRequest>,
    ) -> Result<Response<v1::ReportCostBasisResponse>, Status> {
        let caller = caller(&request, Role::Reader)?;
        let (query, page) = parse::report_cost_basis(&caller, request.into_inner())?;
        let scale = self.0.terms.scale(caller.namespace_id, query.asset.as_str()).await?;
        if scale.is_none() {
            return Err(status::asset_not_found(query.asset.as_str()));
        }
        let found = self.0.storage.cost_report(&query).await.map_err(|e| status::storage(&e))?;
        let found = found.map_err(|why| status::no_report(&why, &query))?;
        Ok(Response::new(render::cost_page(&query, &found, &page)))
    }
}
