//! How many deadlocks there were.

use std::time::Duration;

use purse_storage::pool::connect;
use tokio_postgres::Client;

use crate::fixture::{PATIENCE, new_database};

/// Connections of others to this database.
const OTHERS: &str = "
    SELECT count(*)
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend'
        AND pid <> pg_backend_pid()";

const DEADLOCKS: &str = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";

/// Waits until all other connections to a database have ended. What a connection counts it reports late, at its end
/// at the latest.
pub async fn all_have_ended(client: &Client) {
    let wait = async {
        while client.query_one(OTHERS, &[]).await.unwrap().get::<_, i64>(0) > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("connections that end");
}

/// The deadlocks in a database whose servers have stopped.
pub async fn deadlocks(url: &str) -> i64 {
    let client = connect(url).await.unwrap();
    all_have_ended(&client).await;
    client.query_one(DEADLOCKS, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_deadlock_is_seen() {
    let url = new_database().await;
    let (one, other) = (connect(&url).await.unwrap(), connect(&url).await.unwrap());
    for (client, lock) in [(&one, 1), (&other, 2)] {
        let lock = format!("BEGIN; SELECT pg_advisory_xact_lock({lock})");
        client.batch_execute(&lock).await.unwrap();
    }
    let (first, second) = tokio::join!(
        one.batch_execute("SELECT pg_advisory_xact_lock(2)"),
        other.batch_execute("SELECT pg_advisory_xact_lock(1)"),
    );
    assert_ne!(first.is_ok(), second.is_ok());
    drop((one, other));
    assert_eq!(deadlocks(&url).await, 1);
}
