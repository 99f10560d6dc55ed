//! The methods of `WalletService` that are about holds.

use std::time::Instant;

use purse_domain::{HoldNumber, Request};
use purse_proto::v1;
use purse_storage::{Answer, HoldQuery};
use tonic::Status;

use super::Shared;
use crate::{
    auth::{Caller, Role, caller},
    parse, render, status,
    telemetry::CallTrace,
    terms::TermsOf,
};

/// What every write about a hold answers.
pub(super) struct Written {
    pub(super) hold: Option<v1::Hold>,
    pub(super) transaction: Option<v1::Transaction>,
    pub(super) balance: Option<v1::Balance>,
    pub(super) replayed: bool,
}

impl Written {
    fn of(answer: &Answer) -> Self {
        let (transaction, balance) = render::written(answer);
        Self {
            hold: render::hold_after(answer),
            transaction: Some(transaction),
            balance: Some(balance),
            replayed: answer.replayed,
        }
    }
}

impl Shared {
    pub(super) async fn create_hold(
        &self,
        request: tonic::Request<v1::CreateHoldRequest>,
    ) -> Result<Written, Status> {
        let began = Instant::now();
        let caller = caller(&request, Role::Spender)?;
        let trace = CallTrace::of(&request);
        let message = request.into_inner();
        let v1::CreateHoldRequest { asset, amount, operation, .. } = &message;
        let of = TermsOf { asset, amount, operation };
        let terms = self.terms.terms(caller.namespace_id, of).await?;
        let command = parse::create_hold(&caller, message, &terms)?;
        self.write(trace, began, command).await.map(|answer| Written::of(&answer))
    }

    pub(super) async fn create_holds(
        &self,
        request: tonic::Request<v1::CreateHoldsRequest>,
    ) -> Result<v1::CreateHoldsResponse, Status> {
        let began = Instant::now();
        let caller = caller(&request, Role::Spender)?;
        let trace = CallTrace::of(&request);
        let message = request.into_inner();
        let mut terms = Vec::with_capacity(message.legs.len());
        for v1::HoldLeg { asset, amount, operation, .. } in
            message.legs.iter().take(parse::MOST_LEGS)
        {
            let of = TermsOf { asset, amount, operation };
            terms.push(self.terms.terms(caller.namespace_id, of).await?);
        }
        let group = parse::create_holds(&caller, message, &terms)?;
        let located = |refused: Status, index| parse::located_in_leg(&refused, index);
        let answers = self.write_group(trace, began, group, located).await?;
        let legs = answers.iter().map(Written::of).map(
            |Written { hold, transaction, balance, replayed }| v1::CreateHoldResponse {
                hold,
                transaction,
                balance,
                replayed,
            },
        );
        let replayed = answers.iter().all(|answer| answer.replayed);
        Ok(v1::CreateHoldsResponse { legs: legs.collect(), replayed })
    }

    pub(super) async fn capture_hold(
        &self,
        request: tonic::Request<v1::CaptureHoldRequest>,
    ) -> Result<Written, Status> {
        let asset = request.get_ref().asset.clone();
        self.write_hold(request, Some(asset), parse::capture_hold).await
    }

    pub(super) async fn release_hold(
        &self,
        request: tonic::Request<v1::ReleaseHoldRequest>,
    ) -> Result<Written, Status> {
        let asset = request.get_ref().asset.clone();
        self.write_hold(request, Some(asset), parse::release_hold).await
    }

    pub(super) async fn extend_hold(
        &self,
        request: tonic::Request<v1::ExtendHoldRequest>,
    ) -> Result<Written, Status> {
        let parse = |caller: &Caller, message, _| parse::extend_hold(caller, message);
        self.write_hold(request, None, parse).await
    }

    /// `asset` is the one whose scale the request's amounts have, if it has any.
    async fn write_hold<M>(
        &self,
        request: tonic::Request<M>,
        asset: Option<String>,
        parse: impl FnOnce(&Caller, M, Option<purse_domain::Scale>) -> Result<Request, Status>,
    ) -> Result<Written, Status> {
        let began = Instant::now();
        let caller = caller(&request, Role::Spender)?;
        let trace = CallTrace::of(&request);
        let message = request.into_inner();
        let scale = match asset {
            Some(asset) => self.terms.scale(caller.namespace_id, &asset).await?,
            None => None,
        };
        let command = parse(&caller, message, scale)?;
        self.write(trace, began, command).await.map(|answer| Written::of(&answer))
    }

    pub(super) async fn get_hold(
        &self,
        request: tonic::Request<v1::GetHoldRequest>,
    ) -> Result<v1::Hold, Status> {
        let caller = caller(&request, Role::Reader)?;
        let (wallet, number) = parse::get_hold(&caller, request.into_inner())?;
        let after = HoldNumber(number.0 - 1);
        let query = HoldQuery { wallet, open_only: false, after, most: 1 };
        let found = self.storage.list_holds(&query).await.map_err(|e| status::storage(&e))?;
        let found = found.ok_or_else(|| status::wallet_not_found(&query.wallet))?;
        let record = found.records.first().filter(|record| record.hold.number == number);
        let record = record.ok_or_else(|| status::hold_not_found(number))?;
        Ok(render::hold(&query.wallet, &record.hold, Some(record.transaction_id)))
    }

    pub(super) async fn list_holds(
        &self,
        request: tonic::Request<v1::ListHoldsRequest>,
    ) -> Result<v1::ListHoldsResponse, Status> {
        let caller = caller(&request, Role::Reader)?;
        let (query, page) = parse::list_holds(&caller, request.into_inner())?;
        let found = self.storage.list_holds(&query).await.map_err(|e| status::storage(&e))?;
        let found = found.ok_or_else(|| status::wallet_not_found(&query.wallet))?;
        let next_page_token =
            found.more_after.map(|last| page.token(&last.to_string())).unwrap_or_default();
        let records = found.records.iter();
        let holds = records
            .map(|record| render::hold(&query.wallet, &record.hold, Some(record.transaction_id)));
        Ok(v1::ListHoldsResponse { holds: holds.collect(), next_page_token })
    }
}
