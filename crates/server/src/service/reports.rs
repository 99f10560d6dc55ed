//! `ReportService`.

use purse_proto::v1::{self, report_service_server::ReportService};
use purse_storage::ReportedWallets;
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
        self.check_asset(&query.wallets).await?;
        let found = self.0.storage.cost_report(&query).await.map_err(|e| status::storage(&e))?;
        let found = found.map_err(|why| status::no_report(&why, &query.wallets))?;
        Ok(Response::new(render::cost_page(&query, &found, &page)))
    }

    async fn report_expiry(
        &self,
        request: Request<v1::ReportExpiryRequest>,
    ) -> Result<Response<v1::ReportExpiryResponse>, Status> {
        let caller = caller(&request, Role::Reader)?;
        let (query, page) = parse::report_expiry(&caller, request.into_inner())?;
        self.check_asset(&query.wallets).await?;
        let found = self.0.storage.expiry_report(&query).await.map_err(|e| status::storage(&e))?;
        let found = found.map_err(|why| status::no_report(&why, &query.wallets))?;
        Ok(Response::new(render::expiry_page(&query, &found, &page)))
    }
}

impl Reports {
    async fn check_asset(&self, wallets: &ReportedWallets) -> Result<(), Status> {
        let asset = wallets.asset.as_str();
        match self.0.terms.scale(wallets.namespace_id, asset).await? {
            Some(_) => Ok(()),
            None => Err(status::asset_not_found(asset)),
        }
    }
}
