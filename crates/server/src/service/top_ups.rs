//! The methods of `WalletService` that are about top-ups.

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
    pub(super) async fn set_top_up_rule(
        &self,
        request: tonic::Request<v1::SetTopUpRuleRequest>,
    ) -> Result<v1::SetTopUpRuleResponse, Status> {
        let began = Instant::now();
        let caller = caller(&request, Role::Admin)?;
        let trace = CallTrace::of(&request);
        let message = request.into_inner();
        let scale = self.terms.scale(caller.namespace_id, &message.asset).await?;
        let command = parse::set_top_up_rule(&caller, message, scale)?;
        let answer = self.write(trace, began, command).await?;
        Ok(v1::SetTopUpRuleResponse {
            wallet: answer.transaction.settings.as_ref().map(render::wallet),
            replayed: answer.replayed,
        })
    }

    pub(super) async fn delete_top_up_rule(
        &self,
        request: tonic::Request<v1::DeleteTopUpRuleRequest>,
    ) -> Result<v1::DeleteTopUpRuleResponse, Status> {
        let began = Instant::now();
        let caller = caller(&request, Role::Admin)?;
        let trace = CallTrace::of(&request);
        let command = parse::delete_top_up_rule(&caller, request.into_inner())?;
        let answer = self.write(trace, began, command).await?;
        Ok(v1::DeleteTopUpRuleResponse {
            wallet: answer.transaction.settings.as_ref().map(render::wallet),
            replayed: answer.replayed,
        })
    }

    pub(super) async fn decline_top_up(
        &self,
        request: tonic::Request<v1::DeclineTopUpRequest>,
    ) -> Result<v1::DeclineTopUpResponse, Status> {
        let began = Instant::now();
        let caller = caller(&request, Role::Granter)?;
        let trace = CallTrace::of(&request);
        let command = parse::decline_top_up(&caller, request.into_inner())?;
        let answer = self.write(trace, began, command).await?;
        Ok(v1::DeclineTopUpResponse {
            wallet: answer.transaction.settings.as_ref().map(render::wallet),
            replayed: answer.replayed,
        })
    }

    pub(super) async fn get_top_ups(
        &self,
        request: tonic::Request<v1::GetTopUpsRequest>,
    ) -> Result<v1::GetTopUpsResponse, Status> {
        let caller = caller(&request, Role::Reader)?;
        let name = parse::get_top_ups(&caller, request.into_inner())?;
        let found = self.storage.find_top_ups(&name).await.map_err(|e| status::storage(&e))?;
        let (settings, top_ups) = found.ok_or_else(|| status::wallet_not_found(&name))?;
        Ok(v1::GetTopUpsResponse { top_ups: Some(render::top_ups(&settings, &top_ups)) })
    }
}
