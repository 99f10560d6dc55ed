//! A caller's deadline is kept, and what it left unanswered is settled by asking again.

use tonic::{Code, Request};

use crate::fixture::{ACCOUNT, Server, spend};

#[tokio::test(flavor = "multi_thread")]
async fn a_spend_that_waits_too_long_is_answered_at_its_deadline() {
    let server = Server::start().await;
    server.open(ACCOUNT).await;
    server.fund(ACCOUNT, "100").await;

    // Somebody else holds the wallet.
    let sql = server.sql().await;
    sql.batch_execute("BEGIN; SELECT 1 FROM wallets FOR UPDATE").await.unwrap();
    let mut request = Request::new(spend(ACCOUNT, "10", "k"));
    request.metadata_mut().insert("grpc-timeout", "200m".parse().unwrap());
    let status = server.wallets().spend(request).await.unwrap_err();
    // The client's own timer may fire first; it says CANCELLED.
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status:?}");
    sql.batch_execute("ROLLBACK").await.unwrap();

    // The batch had begun, so it ran to its end; the retry finds it, or does it.
    server.spend(spend(ACCOUNT, "10", "k")).await.unwrap();
    assert_eq!(server.balance(ACCOUNT).await, "90");
    assert_eq!(server.rows("entries").await, 2);
}
