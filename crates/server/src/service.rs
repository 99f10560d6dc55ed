//! The methods of the services: who may call, parse, run, answer.

mod grants;
mod holds;
mod spend_limits;
mod test_clock;
mod wallets;

pub use grants::Grants;
pub use test_clock::TestClockControl;
pub use wallets::Wallets;

use std::{sync::Arc, time::Instant};

use purse_domain::{Request, WalletName};
use purse_storage::{Answer, Outcome, Storage};
use tonic::Status;

use crate::{assets::Assets, lane::Lanes, status, telemetry::CallTrace};

/// What the services share.
#[derive(Debug, Clone)]
pub struct Shared {
    /// For reads.
    pub storage: Storage,
    /// For writes.
    pub lanes: Arc<Lanes>,
    /// For parsing amounts.
    pub assets: Arc<Assets>,
}

impl Shared {
    /// Runs a parsed write; `parsing_since` is when its call was taken up.
    async fn write(
        &self,
        trace: CallTrace,
        parsing_since: Instant,
        request: Request,
    ) -> Result<(WalletName, Answer), Status> {
        let handed_over = Instant::now();
        trace.span("parse", parsing_since, handed_over);
        let wallet = request.wallet.clone();
        let reply = self.lanes.run(request).await?;
        trace.lane(handed_over, &reply);
        match reply.outcome {
            Ok(Outcome::Accepted(answer)) => Ok((wallet, answer)),
            Ok(Outcome::Rejected(rejection)) => Err(status::rejected(&rejection, &wallet)),
            Err(error) => Err(status::storage(&error)),
        }
    }
}
