//! Batch calls: many requests of one kind in a call, all or nothing, or each on its own.

use std::{collections::HashMap, time::Instant};

use purse_domain::{Group, Request};
use purse_proto::v1::{BatchMode, ItemError};
use purse_storage::Answer;
use tonic::Status;

use super::Shared;
use crate::{
    auth::Caller,
    backlog::Work,
    render, status,
    telemetry::CallTrace,
    terms::{Terms, TermsOf},
};

/// Most requests of a call.
const MOST_REQUESTS: usize = 1_000;

/// How the messages of a batch become requests.
pub(super) struct Parsing<'a, M> {
    pub(super) caller: &'a Caller,
    pub(super) terms_of: fn(&M) -> TermsOf<'_>,
    pub(super) parse: fn(&Caller, M, &Terms) -> Result<Request, Status>,
}

impl Shared {
    /// Runs a batch, and says of each of its requests what came of it.
    pub(super) async fn batch<M>(
        &self,
        (trace, began): (CallTrace, Instant),
        parsing: &Parsing<'_, M>,
        messages: Vec<M>,
        mode: i32,
    ) -> Result<Vec<Result<Answer, ItemError>>, Status> {
        let mode = mode_of(messages.len(), mode)?;
        let mut requests = Vec::with_capacity(messages.len());
        for message in messages {
            let terms_of = (parsing.terms_of)(&message);
            let terms = self.terms.terms(parsing.caller.namespace_id, terms_of).await?;
            requests.push((parsing.parse)(parsing.caller, message, &terms));
        }
        if mode == BatchMode::AllOrNothing {
            let group = all_or_nothing(requests)?;
            let answers = self
                .write_group(trace, began, group, |refused, index| located(&refused, index))
                .await?;
            return Ok(answers.into_iter().map(Ok).collect());
        }
        Ok(self.each_on_its_own(requests).await)
    }

    /// They come to their lanes together, so they share batches and keep their order.
    async fn each_on_its_own(
        &self,
        requests: Vec<Result<Request, Status>>,
    ) -> Vec<Result<Answer, ItemError>> {
        let groups = requests.into_iter().map(|request| request.map(Group::from)).collect();
        let waiting = self.lanes.send_all(groups, Work::New);
        let mut results = Vec::with_capacity(waiting.len());
        for waiting in waiting {
            let answer = match waiting {
                Ok(waiting) => waiting
                    .reply()
                    .await
                    .and_then(|reply| super::answers(reply.outcome, status::alone)),
                Err(refused) => Err(refused),
            };
            let answer = answer.and_then(super::only);
            results.push(answer.map_err(|refused| render::item_error(&refused)));
        }
        results
    }
}

/// The requests as a group, if they can be one.
fn all_or_nothing(requests: Vec<Result<Request, Status>>) -> Result<Group, Status> {
    let mut keys = HashMap::with_capacity(requests.len());
    let mut group: Vec<Request> = Vec::with_capacity(requests.len());
    for (index, request) in requests.into_iter().enumerate() {
        let request = request.map_err(|refused| located(&refused, index))?;
        let other = keys.insert((request.wallet.account_id, request.key.clone()), index);
        let first = group.first().map(|first| first.validate_only);
        check_together(other, first, request.validate_only)
            .map_err(|refused| located(&refused, index))?;
        group.push(request);
    }
    // There is one at least, and each has a key.
    Group::new(group).ok_or_else(status::unanswered)
}

/// The mode of a batch of so many requests.
pub(super) fn mode_of(requests: usize, mode: i32) -> Result<BatchMode, Status> {
    if !(1..=MOST_REQUESTS).contains(&requests) {
        let problem = format!("must be 1 to {MOST_REQUESTS}");
        return Err(status::invalid_field("requests", problem));
    }
    match BatchMode::try_from(mode) {
        Ok(mode @ (BatchMode::AllOrNothing | BatchMode::EachOnItsOwn)) => Ok(mode),
        Ok(BatchMode::Unspecified) | Err(_) => {
            let problem = "must be ALL_OR_NOTHING or EACH_ON_ITS_OWN".to_owned();
            Err(status::invalid_field("mode", problem))
        }
    }
}

/// Whether a request can be one of all or nothing: `other` is the one before it that has its key, and `first` whether
/// the first one only validates.
pub(super) fn check_together(
    other: Option<usize>,
    first: Option<bool>,
    validate_only: bool,
) -> Result<(), Status> {
    if let Some(other) = other {
        let problem = format!("is that of requests[{other}]");
        return Err(status::invalid_field("idempotency_key", problem));
    }
    if first.is_some_and(|first| first != validate_only) {
        let problem = "must be as in requests[0]".to_owned();
        return Err(status::invalid_field("validate_only", problem));
    }
    Ok(())
}

/// The error of one request, for the batch.
pub(super) fn located(refused: &Status, index: usize) -> Status {
    status::located(refused, "requests", index, |_| true)
}
