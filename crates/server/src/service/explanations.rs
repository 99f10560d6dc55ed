//! The methods of `WalletService` that explain.

use purse_proto::v1;
use tonic::{Request, Status};

use super::Shared;
use crate::{
    auth::{Role, caller},
    parse, render, status,
};

impl Shared {
    pub(super) async fn explain_transaction(
        &self,
        request: Request<v1::ExplainTransactionRequest>,
    ) -> Result<v1::ExplainTransactionResponse, Status> {
        let caller = caller(&request, Role::Reader)?;
        let query = parse::explain_transaction(&caller, request.into_inner())?;
        let found = self.storage.explain_transaction(&query.wallet, query.what).await;
        let found = found.map_err(|error| status::storage(&error))?;
        let explained = found.map_err(|why| status::unanswerable(why, &query.wallet))?;
        Ok(render::explained_transaction(&query.wallet, &explained, query.most))
    }

    pub(super) async fn explain_balance(
        &self,
        request: Request<v1::ExplainBalanceRequest>,
    ) -> Result<v1::ExplainBalanceResponse, Status> {
        let caller = caller(&request, Role::Reader)?;
        let query = parse::explain_balance(&caller, request.into_inner())?;
        let found = self.storage.explain_balance(&query.wallet, query.what).await;
        let found = found.map_err(|error| status::storage(&error))?;
        let composed = found.map_err(|why| status::unanswerable(why, &query.wallet))?;
        Ok(render::composed_balance(&query.wallet, &composed, query.most))
    }
}
