//! A lane takes what it gets through in time, and refuses the rest at once.

use purse_proto::v1::{
    self, BatchMode, BatchSpendRequest, batch_spend_result::Outcome,
    wallet_service_client::WalletServiceClient,
};
use tokio::task::JoinSet;
use tonic::transport::Channel;

use crate::fixture::{ACCOUNT, Server, spend, unique};

/// As many as a call may have.
const MOST_REQUESTS: usize = 1_000;

/// Spends of one credit in one call, each on its own; the reasons of those that did not happen.
async fn batch_of(
    mut wallets: WalletServiceClient<Channel>,
    requests: usize,
) -> Vec<v1::ItemError> {
    let request = BatchSpendRequest {
        requests: (0..requests)
            .map(|_| spend(ACCOUNT, "1", &format!("batch {}", unique())))
            .collect(),
        mode: BatchMode::EachOnItsOwn.into(),
    };
    let results = wallets.batch_spend(request).await.unwrap().into_inner().results;
    assert_eq!(results.len(), requests);
    results
        .into_iter()
        .filter_map(|result| match result.outcome.unwrap() {
            Outcome::Response(_) => None,
            Outcome::Error(error) => Some(error),
        })
        .collect()
}

/// However slow it knows itself to be.
#[tokio::test]
async fn a_lane_that_has_nothing_to_do_takes_all_of_the_largest_call() {
    let server = Server::start().await;
    server.open(ACCOUNT).await;
    server.fund(ACCOUNT, "100000").await;
    for _ in 0..6 {
        assert_eq!(batch_of(server.wallets(), MOST_REQUESTS).await, []);
    }
    assert_eq!(server.balance(ACCOUNT).await, "94000");
}

/// Those under way count as well: who comes waits for them too. One call of nine has no place, whichever it is. What is
/// under way waits for the lock for ten seconds at most.
#[tokio::test]
async fn a_lane_that_has_too_many_refuses_what_comes_and_is_free_when_they_are_answered() {
    let server = Server::start().await;
    server.open(ACCOUNT).await;
    server.fund(ACCOUNT, "100000").await;
    let holder = server.sql().await;
    holder.batch_execute("BEGIN; SELECT FROM wallets FOR UPDATE").await.unwrap();
    let mut calls: JoinSet<_> = (0..9).map(|_| batch_of(server.wallets(), MOST_REQUESTS)).collect();
    let refused = calls.join_next().await.unwrap().unwrap();
    assert_eq!(refused.len(), MOST_REQUESTS);
    for error in refused {
        assert_eq!((&*error.reason, error.retry_delay.is_some()), ("OVERLOADED", true));
    }

    holder.batch_execute("COMMIT").await.unwrap();
    for answered in calls.join_all().await {
        assert_eq!(answered, []);
    }
    assert_eq!(batch_of(server.wallets(), 200).await, []);
    assert_eq!(server.balance(ACCOUNT).await, "91800");
}
