//! The methods of the services: who may call, parse, run, answer.

mod events;
mod explanations;
mod grants;
mod holds;
mod test_clock;
mod wallets;

pub use events::Events;
pub use grants::Grants;
pub use test_clock::TestClockControl;
pub use wallets::Wallets;

use std::{sync::Arc, time::Instant};

use purse_domain::{Group, Request};
use purse_storage::{Answer, Outcome, Storage};
use tonic::Status;

use crate::{assets::Assets, lane::Lanes, status, telemetry::CallTrace, watch::Watches};

/// What the services share.
#[derive(Debug, Clone)]
pub struct Shared {
    /// For reads.
    pub storage: Storage,
    /// For writes.
    pub lanes: Arc<Lanes>,
    /// For parsing amounts.
    pub assets: Arc<Assets>,
    /// For streams of events.
    pub watches: Arc<Watches>,
}

impl Shared {
    /// Runs a parsed write; `parsing_since` is when its call was taken up.
    async fn write(
        &self,
        trace: CallTrace,
        parsing_since: Instant,
        request: Request,
    ) -> Result<Answer, Status> {
        let answers = self.write_group(trace, parsing_since, Group::from(request)).await?;
        answers.into_iter().next().ok_or_else(status::unanswered)
    }

    /// Runs requests that happen together or not at all, and answers each.
    async fn write_group(
        &self,
        trace: CallTrace,
        parsing_since: Instant,
        group: Group,
    ) -> Result<Vec<Answer>, Status> {
        let handed_over = Instant::now();
        trace.span("parse", parsing_since, handed_over);
        let reply = self.lanes.run(group).await?;
        trace.lane(handed_over, &reply);
        match reply.outcome {
            Ok(Outcome::Accepted(answers)) => Ok(answers),
            Ok(Outcome::Rejected(refused)) => {
                Err(status::rejected(&refused.rejection, &refused.wallet))
            }
            Err(error) => Err(status::storage(&error)),
        }
    }
}
