//! The methods of the services: who may call, parse, run, answer.

mod batch;
mod catalog;
mod events;
mod explanations;
mod grants;
mod holds;
mod reports;
mod rules;
mod spend_limits;
mod subscriptions;
mod sweeping;
mod test_clock;
mod top_ups;
mod wallets;

pub use catalog::Catalog;
pub use events::Events;
pub use grants::Grants;
pub use reports::Reports;
pub use subscriptions::SubscriptionEvents;
pub use test_clock::TestClockControl;
pub use wallets::Wallets;

use std::{sync::Arc, time::Instant};

use purse_domain::{Group, Request};
use purse_storage::{Answer, Outcome, Storage, StorageError};
use tonic::Status;

use crate::{
    backlog::Work, lane::Lanes, status, sweeper::Sweeper, telemetry::CallTrace, terms::TermsBook,
    watch::Watches,
};

/// What the services share.
#[derive(Debug, Clone)]
pub struct Shared {
    /// For reads.
    pub storage: Storage,
    /// For writes.
    pub lanes: Arc<Lanes>,
    /// For parsing amounts.
    pub terms: Arc<TermsBook>,
    /// For settling wallets that nobody touches.
    pub sweeper: Arc<Sweeper>,
    /// For streams of events.
    pub watches: Arc<Watches>,
}

impl Shared {
    /// Runs a parsed write; `parsing_since` is when its call was taken up.
    fn write(
        &self,
        trace: CallTrace,
        parsing_since: Instant,
        request: Request,
    ) -> impl Future<Output = Result<Answer, Status>> + Send + use<> {
        let answers = self.write_group(trace, parsing_since, Group::from(request), status::alone);
        async move { only(answers.await?) }
    }

    /// Runs requests that happen together or not at all, and answers each. `located` says in a refusal which of
    /// them it is about. They are handed over at once: a call that waits holds the way back, and no copies of its request.
    fn write_group<L: FnOnce(Status, usize) -> Status + Send>(
        &self,
        trace: CallTrace,
        parsing_since: Instant,
        group: Group,
        located: L,
    ) -> impl Future<Output = Result<Vec<Answer>, Status>> + Send + use<L> {
        let handed_over = Instant::now();
        trace.span("parse", parsing_since, handed_over);
        let pending = self.lanes.send(group, Work::New);
        async move {
            let reply = pending?.reply().await?;
            trace.lane(handed_over, &reply);
            answers(reply.outcome, located)
        }
    }
}

/// The answers of a group that was run; `located` says in a refusal which of its requests it is about.
fn answers(
    outcome: Result<Outcome, Arc<StorageError>>,
    located: impl FnOnce(Status, usize) -> Status,
) -> Result<Vec<Answer>, Status> {
    match outcome {
        Ok(Outcome::Accepted(answers)) => Ok(answers),
        Ok(Outcome::Rejected(refused)) => {
            Err(located(status::rejected(&refused.rejection, &refused.wallet), refused.index))
        }
        // No call asks for that alone.
        Ok(Outcome::Settled(_)) => Err(status::unanswered()),
        Err(error) => Err(status::storage(&error)),
    }
}

/// The answer of a group of one.
fn only(answers: Vec<Answer>) -> Result<Answer, Status> {
    answers.into_iter().next().ok_or_else(status::unanswered)
}
