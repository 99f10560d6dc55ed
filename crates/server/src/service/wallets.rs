//! `WalletService`.

use std::time::Instant;

use purse_domain::WalletSettings;
use purse_proto::v1::{self, wallet_service_server::WalletService};
use tonic::{Request, Response, Status};

use super::{Shared, batch::Parsing, holds::Written};
use crate::{
    auth::{self, Role, caller},
    parse, render, status,
    telemetry::CallTrace,
    terms::TermsOf,
};

/// The wallets of the caller's namespace.
#[derive(Debug, Clone)]
pub struct Wallets(pub Shared);

#[tonic::async_trait]
impl WalletService for Wallets {
    async fn create_wallet(
        &self,
        request: Request<v1::CreateWalletRequest>,
    ) -> Result<Response<v1::CreateWalletResponse>, Status> {
        let began = Instant::now();
        let caller = caller(&request, Role::Granter)?;
        let trace = CallTrace::of(&request);
        let command = parse::create_wallet(&caller, request.into_inner())?;
        let answer = self.0.write(trace, began, command).await?;
        Ok(Response::new(v1::CreateWalletResponse {
            wallet: answer.transaction.settings.as_ref().map(render::wallet),
            created: answer.changes,
            replayed: answer.replayed,
        }))
    }

    async fn get_wallet(
        &self,
        request: Request<v1::GetWalletRequest>,
    ) -> Result<Response<v1::GetWalletResponse>, Status> {
        let caller = caller(&request, Role::Reader)?;
        let name = parse::get_wallet(&caller, request.into_inner())?;
        let found = self.0.storage.find_wallet(&name).await.map_err(|e| status::storage(&e))?;
        let wallet = found.ok_or_else(|| status::wallet_not_found(&name))?;
        Ok(Response::new(v1::GetWalletResponse { wallet: Some(render::wallet(&wallet)) }))
    }

    async fn list_wallets(
        &self,
        request: Request<v1::ListWalletsRequest>,
    ) -> Result<Response<v1::ListWalletsResponse>, Status> {
        let caller = caller(&request, Role::Reader)?;
        let (query, page) = parse::list_wallets(&caller, request.into_inner())?;
        let found = self.0.storage.list_wallets(&query).await.map_err(|e| status::storage(&e))?;
        let full = i64::try_from(found.len()).is_ok_and(|count| count == query.most);
        let cursor = |wallet: &WalletSettings| {
            page.token(&format!("{}\n{}", wallet.name.account, wallet.name.asset))
        };
        let next_page_token = found.last().filter(|_| full).map(cursor).unwrap_or_default();
        let wallets = found.iter().map(render::wallet).collect();
        Ok(Response::new(v1::ListWalletsResponse { wallets, next_page_token }))
    }

    async fn update_wallet(
        &self,
        request: Request<v1::UpdateWalletRequest>,
    ) -> Result<Response<v1::UpdateWalletResponse>, Status> {
        let began = Instant::now();
        let caller = caller(&request, Role::Admin)?;
        let trace = CallTrace::of(&request);
        let command = parse::update_wallet(&caller, request.into_inner())?;
        let answer = self.0.write(trace, began, command).await?;
        Ok(Response::new(v1::UpdateWalletResponse {
            wallet: answer.transaction.settings.as_ref().map(render::wallet),
            replayed: answer.replayed,
        }))
    }

    async fn freeze_wallet(
        &self,
        request: Request<v1::FreezeWalletRequest>,
    ) -> Result<Response<v1::FreezeWalletResponse>, Status> {
        let began = Instant::now();
        let caller = caller(&request, Role::Admin)?;
        let trace = CallTrace::of(&request);
        let command = parse::freeze_wallet(&caller, request.into_inner())?;
        let answer = self.0.write(trace, began, command).await?;
        let wallet = answer.transaction.settings.as_ref().map(render::wallet);
        Ok(Response::new(v1::FreezeWalletResponse { wallet, replayed: answer.replayed }))
    }

    async fn unfreeze_wallet(
        &self,
        request: Request<v1::UnfreezeWalletRequest>,
    ) -> Result<Response<v1::UnfreezeWalletResponse>, Status> {
        let began = Instant::now();
        let caller = caller(&request, Role::Admin)?;
        let trace = CallTrace::of(&request);
        let command = parse::unfreeze_wallet(&caller, request.into_inner())?;
        let answer = self.0.write(trace, began, command).await?;
        let wallet = answer.transaction.settings.as_ref().map(render::wallet);
        Ok(Response::new(v1::UnfreezeWalletResponse { wallet, replayed: answer.replayed }))
    }

    async fn close_wallet(
        &self,
        request: Request<v1::CloseWalletRequest>,
    ) -> Result<Response<v1::CloseWalletResponse>, Status> {
        let began = Instant::now();
        let caller = caller(&request, Role::Admin)?;
        let trace = CallTrace::of(&request);
        let command = parse::close_wallet(&caller, request.into_inner())?;
        let answer = self.0.write(trace, began, command).await?;
        let (transaction, balance) = render::written(&answer);
        Ok(Response::new(v1::CloseWalletResponse {
            wallet: answer.transaction.settings.as_ref().map(render::wallet),
            transaction: Some(transaction),
            balance: Some(balance),
            replayed: answer.replayed,
        }))
    }

    async fn get_balance(
        &self,
        request: Request<v1::GetBalanceRequest>,
    ) -> Result<Response<v1::GetBalanceResponse>, Status> {
        let caller = caller(&request, Role::Reader)?;
        let query = parse::get_balance(&caller, request.into_inner())?;
        let found = self.0.storage.balance(&query).await.map_err(|e| status::storage(&e))?;
        let found = found.map_err(|why| status::unanswerable(why, &query.wallet))?;
        let balance = render::balance(&query.wallet, found.at, &found.balances);
        Ok(Response::new(v1::GetBalanceResponse { balance: Some(balance) }))
    }

    async fn get_timeline(
        &self,
        request: Request<v1::GetTimelineRequest>,
    ) -> Result<Response<v1::GetTimelineResponse>, Status> {
        let caller = caller(&request, Role::Reader)?;
        let query = parse::get_timeline(&caller, request.into_inner())?;
        let found = self.0.storage.timeline(&query).await.map_err(|e| status::storage(&e))?;
        let found = found.map_err(|why| status::unanswerable(why, &query.wallet))?;
        Ok(Response::new(render::timeline(&query.wallet, &found)))
    }

    async fn spend(
        &self,
        request: Request<v1::SpendRequest>,
    ) -> Result<Response<v1::SpendResponse>, Status> {
        let began = Instant::now();
        let caller = caller(&request, Role::Spender)?;
        let trace = CallTrace::of(&request);
        let message = request.into_inner();
        let terms = self.0.terms.terms(caller.namespace_id, terms_of_spend(&message)).await?;
        let command = parse::spend(&caller, message, &terms)?;
        let answer = self.0.write(trace, began, command).await?;
        Ok(Response::new(render::spent(&answer)))
    }

    async fn batch_spend(
        &self,
        request: Request<v1::BatchSpendRequest>,
    ) -> Result<Response<v1::BatchSpendResponse>, Status> {
        let began = Instant::now();
        let caller = caller(&request, Role::Spender)?;
        let trace = CallTrace::of(&request);
        let v1::BatchSpendRequest { requests, mode } = request.into_inner();
        let parsing = Parsing::<v1::SpendRequest> {
            caller: &caller,
            terms_of: terms_of_spend,
            parse: parse::spend,
        };
        let results = self.0.batch((trace, began), &parsing, requests, mode).await?;
        let results = results.into_iter().map(|result| v1::BatchSpendResult {
            outcome: Some(match result {
                Ok(answer) => v1::batch_spend_result::Outcome::Response(render::spent(&answer)),
                Err(error) => v1::batch_spend_result::Outcome::Error(error),
            }),
        });
        Ok(Response::new(v1::BatchSpendResponse { results: results.collect() }))
    }

    async fn reverse_spend(
        &self,
        request: Request<v1::ReverseSpendRequest>,
    ) -> Result<Response<v1::ReverseSpendResponse>, Status> {
        let began = Instant::now();
        let caller = caller(&request, Role::Spender)?;
        match request.get_ref().expired_policy() {
            v1::ExpiredPolicy::Unspecified | v1::ExpiredPolicy::RestoreThenExpire => {}
            // Who may only spend could else prolong every grant: spend it, let it expire, and reverse that.
            v1::ExpiredPolicy::Reissue | v1::ExpiredPolicy::Grace => {
                auth::caller(&request, Role::Granter)?;
            }
        }
        let trace = CallTrace::of(&request);
        let message = request.into_inner();
        let scale = self.0.terms.scale(caller.namespace_id, &message.asset).await?;
        let (command, policy) = parse::reverse_spend(&caller, message, scale)?;
        let answer = self.0.write(trace, began, command).await?;
        let (transaction, balance) = render::written(&answer);
        Ok(Response::new(v1::ReverseSpendResponse {
            transaction: Some(transaction),
            balance: Some(balance),
            replayed: answer.replayed,
            slices: render::reversed_slices(&answer, policy),
        }))
    }

    async fn transfer(
        &self,
        request: Request<v1::TransferRequest>,
    ) -> Result<Response<v1::TransferResponse>, Status> {
        let began = Instant::now();
        let caller = caller(&request, Role::Spender)?;
        let keeps_expiry = match request.get_ref().expiration_policy() {
            v1::ExpirationPolicy::Unspecified => request.get_ref().expires_at.is_none(),
            v1::ExpirationPolicy::Preserve => true,
            v1::ExpirationPolicy::None | v1::ExpirationPolicy::Fixed => false,
        };
        if !keeps_expiry {
            // Who may only spend could else prolong every grant: send it away without expiry, and back.
            auth::caller(&request, Role::Granter)?;
        }
        let trace = CallTrace::of(&request);
        let message = request.into_inner();
        let scale = self.0.terms.scale(caller.namespace_id, &message.asset).await?;
        let command = parse::transfer(&caller, message, scale)?;
        let answers = self.0.write_group(trace, began, command.into(), status::alone).await?;
        render::transferred(&answers).map(Response::new).ok_or_else(status::unanswered)
    }

    async fn list_entries(
        &self,
        request: Request<v1::ListEntriesRequest>,
    ) -> Result<Response<v1::ListEntriesResponse>, Status> {
        let caller = caller(&request, Role::Reader)?;
        let (query, page) = parse::list_entries(&caller, request.into_inner())?;
        let found = self.0.storage.list_entries(&query).await.map_err(|e| status::storage(&e))?;
        let found = found.ok_or_else(|| status::wallet_not_found(&query.wallet))?;
        let next_page_token =
            found.more_after.map(|last| page.token(&last.to_string())).unwrap_or_default();
        let entries = found.records.iter().map(render::entry_record).collect();
        Ok(Response::new(v1::ListEntriesResponse { entries, next_page_token }))
    }

    async fn get_transaction(
        &self,
        request: Request<v1::GetTransactionRequest>,
    ) -> Result<Response<v1::GetTransactionResponse>, Status> {
        let caller = caller(&request, Role::Reader)?;
        let (wallet, id) = parse::get_transaction(&caller, request.into_inner())?;
        let found = self.0.storage.find_transaction(&wallet, id).await;
        let found = found.map_err(|error| status::storage(&error))?;
        let transaction = found.map_err(|why| status::unanswerable(why, &wallet))?;
        let transaction = Some(render::stored_transaction(&transaction));
        Ok(Response::new(v1::GetTransactionResponse { transaction }))
    }

    async fn create_hold(
        &self,
        request: Request<v1::CreateHoldRequest>,
    ) -> Result<Response<v1::CreateHoldResponse>, Status> {
        let Written { hold, transaction, balance, replayed } = self.0.create_hold(request).await?;
        Ok(Response::new(v1::CreateHoldResponse { hold, transaction, balance, replayed }))
    }

    async fn create_holds(
        &self,
        request: Request<v1::CreateHoldsRequest>,
    ) -> Result<Response<v1::CreateHoldsResponse>, Status> {
        self.0.create_holds(request).await.map(Response::new)
    }

    async fn capture_hold(
        &self,
        request: Request<v1::CaptureHoldRequest>,
    ) -> Result<Response<v1::CaptureHoldResponse>, Status> {
        let Written { hold, transaction, balance, replayed } = self.0.capture_hold(request).await?;
        Ok(Response::new(v1::CaptureHoldResponse { hold, transaction, balance, replayed }))
    }

    async fn release_hold(
        &self,
        request: Request<v1::ReleaseHoldRequest>,
    ) -> Result<Response<v1::ReleaseHoldResponse>, Status> {
        let Written { hold, transaction, balance, replayed } = self.0.release_hold(request).await?;
        Ok(Response::new(v1::ReleaseHoldResponse { hold, transaction, balance, replayed }))
    }

    async fn extend_hold(
        &self,
        request: Request<v1::ExtendHoldRequest>,
    ) -> Result<Response<v1::ExtendHoldResponse>, Status> {
        let Written { hold, transaction, balance, replayed } = self.0.extend_hold(request).await?;
        Ok(Response::new(v1::ExtendHoldResponse { hold, transaction, balance, replayed }))
    }

    async fn get_hold(
        &self,
        request: Request<v1::GetHoldRequest>,
    ) -> Result<Response<v1::GetHoldResponse>, Status> {
        let hold = Some(self.0.get_hold(request).await?);
        Ok(Response::new(v1::GetHoldResponse { hold }))
    }

    async fn list_holds(
        &self,
        request: Request<v1::ListHoldsRequest>,
    ) -> Result<Response<v1::ListHoldsResponse>, Status> {
        self.0.list_holds(request).await.map(Response::new)
    }

    async fn verify_wallet(
        &self,
        request: Request<v1::VerifyWalletRequest>,
    ) -> Result<Response<v1::VerifyWalletResponse>, Status> {
        let caller = caller(&request, Role::Reader)?;
        let name = parse::verify_wallet(&caller, request.into_inner())?;
        let found = self.0.storage.verify_wallet(&name).await.map_err(|e| status::storage(&e))?;
        let found = found.ok_or_else(|| status::wallet_not_found(&name))?;
        Ok(Response::new(render::verification(&found)))
    }

    async fn explain_transaction(
        &self,
        request: Request<v1::ExplainTransactionRequest>,
    ) -> Result<Response<v1::ExplainTransactionResponse>, Status> {
        self.0.explain_transaction(request).await.map(Response::new)
    }

    async fn explain_balance(
        &self,
        request: Request<v1::ExplainBalanceRequest>,
    ) -> Result<Response<v1::ExplainBalanceResponse>, Status> {
        self.0.explain_balance(request).await.map(Response::new)
    }

    async fn sweep_wallets(
        &self,
        request: Request<v1::SweepWalletsRequest>,
    ) -> Result<Response<v1::SweepWalletsResponse>, Status> {
        self.0.sweep_wallets(request).await.map(Response::new)
    }

    async fn set_top_up_rule(
        &self,
        request: Request<v1::SetTopUpRuleRequest>,
    ) -> Result<Response<v1::SetTopUpRuleResponse>, Status> {
        self.0.set_top_up_rule(request).await.map(Response::new)
    }

    async fn delete_top_up_rule(
        &self,
        request: Request<v1::DeleteTopUpRuleRequest>,
    ) -> Result<Response<v1::DeleteTopUpRuleResponse>, Status> {
        self.0.delete_top_up_rule(request).await.map(Response::new)
    }

    async fn decline_top_up(
        &self,
        request: Request<v1::DeclineTopUpRequest>,
    ) -> Result<Response<v1::DeclineTopUpResponse>, Status> {
        self.0.decline_top_up(request).await.map(Response::new)
    }

    async fn get_top_ups(
        &self,
        request: Request<v1::GetTopUpsRequest>,
    ) -> Result<Response<v1::GetTopUpsResponse>, Status> {
        self.0.get_top_ups(request).await.map(Response::new)
    }

    async fn set_spend_limit(
        &self,
        request: Request<v1::SetSpendLimitRequest>,
    ) -> Result<Response<v1::SetSpendLimitResponse>, Status> {
        self.0.set_spend_limit(request).await.map(Response::new)
    }

    async fn delete_spend_limit(
        &self,
        request: Request<v1::DeleteSpendLimitRequest>,
    ) -> Result<Response<v1::DeleteSpendLimitResponse>, Status> {
        self.0.delete_spend_limit(request).await.map(Response::new)
    }

    async fn list_spend_limits(
        &self,
        request: Request<v1::ListSpendLimitsRequest>,
    ) -> Result<Response<v1::ListSpendLimitsResponse>, Status> {
        self.0.list_spend_limits(request).await.map(Response::new)
    }
}

fn terms_of_spend(message: &v1::SpendRequest) -> TermsOf<'_> {
    let v1::SpendRequest { asset, amount, operation, .. } = message;
    TermsOf { asset, amount, operation }
}
