//! The methods of `WalletService` that are about spend limits.

use std::time::Instant;

use purse_proto::v1;
use tonic::Status;

use super::Shared;
use crate::{
    auth::{Role, caller},
    parse, render, status,
    telemetry::CallTrace,
};

impl Shared {
    pub(super) async fn set_spend_limit(
        &self,
        request: tonic::Request<v1::SetSpendLimitRequest>,
    ) -> Result<v1::SetSpendLimitResponse, Status> {
        let began = Instant::now();
        let caller = caller(&request, Role::Admin)?;
        let trace = CallTrace::of(&request);
        let message = request.into_inner();
        let scale = self.terms.scale(caller.namespace_id, &message.asset).await?;
        let command = parse::set_spend_limit(&caller, message, scale)?;
        let answer = self.write(trace, began, command).await?;
        Ok(v1::SetSpendLimitResponse {
            wallet: answer.transaction.settings.as_ref().map(render::wallet),
            replayed: answer.replayed,
        })
    }

    pub(super) async fn delete_spend_limit(
        &self,
        request: tonic::Request<v1::DeleteSpendLimitRequest>,
    ) -> Result<v1::DeleteSpendLimitResponse, Status> {
        let began = Instant::now();
        let caller = caller(&request, Role::Admin)?;
        let trace = CallTrace::of(&request);
        let command = parse::delete_spend_limit(&caller, request.into_inner())?;
        let answer = self.write(trace, began, command).await?;
        Ok(v1::DeleteSpendLimitResponse {
            wallet: answer.transaction.settings.as_ref().map(render::wallet),
            replayed: answer.replayed,
        })
    }

    pub(super) async fn list_spend_limits(
        &self,
        request: tonic::Request<v1::ListSpendLimitsRequest>,
    ) -> Result<v1::ListSpendLimitsResponse, Status> {
        let caller = caller(&request, Role::Reader)?;
        let query = parse::list_spend_limits(&caller, request.into_inner())?;
        let found = self.storage.list_spend_limits(&query).await;
        let found = found.map_err(|error| status::storage(&error))?;
        let found = found.ok_or_else(|| status::wallet_not_found(&query.wallet))?;
        Ok(render::spend_limits(&found))
    }
}
