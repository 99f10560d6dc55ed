//! The method of `WalletService` that settles wallets.

use purse_proto::v1;
use tonic::{Request, Status};

use super::Shared;
use crate::{
    auth::{Role, caller},
    parse::{self, Sweep},
    render, status,
};

/// Most due wallets that are counted.
const MOST_COUNTED: i64 = 10_000;

impl Shared {
    pub(super) async fn sweep_wallets(
        &self,
        request: Request<v1::SweepWalletsRequest>,
    ) -> Result<v1::SweepWalletsResponse, Status> {
        let caller = caller(&request, Role::Admin)?;
        match parse::sweep_wallets(&caller, request.into_inner())? {
            Sweep::One(name) => {
                let swept = self.sweeper.settle_one(&name).await?;
                let swept = swept.ok_or_else(|| status::wallet_not_found(&name))?;
                Ok(render::swept(&swept, 0))
            }
            Sweep::Due { most } => {
                let namespace = caller.namespace_id;
                let swept = self.sweeper.sweep(namespace, most).await;
                let swept = swept.map_err(|e| status::storage(&e))?;
                let due = self.storage.count_due_wallets(namespace, MOST_COUNTED).await;
                Ok(render::swept(&swept, due.map_err(|e| status::storage(&e))?))
            }
        }
    }
}
