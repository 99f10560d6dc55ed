//! Each migration has its way back.

use purse_storage::{
    StorageError,
    migrate::{SCHEMA_VERSION, migrate, version},
    pool::connect,
};

use crate::fixture::{ACCOUNT, Server, at_once, new_database};

/// Every column of every table, index and type in the schema but the record of migrations.
const OBJECTS: &str = "
    SELECT concat_ws(' ', c.relkind, c.relname, a.attname, format_type(a.atttypid, a.atttypmod))
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = c.oid
    WHERE n.nspname = 'public' AND c.relname NOT LIKE 'purse_migrations%'
        AND c.relkind IN ('r', 'i', 'c') AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY 1";

async fn objects(client: &tokio_postgres::Client) -> Vec<String> {
    client.query(OBJECTS, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn every_version_goes_up_and_back_and_up_again() {
    let mut client = connect(&new_database().await).await.unwrap();
    assert_eq!(version(&client).await.unwrap(), 0);
    let mut up = vec![objects(&client).await];
    for target in 1..=SCHEMA_VERSION {
        assert_eq!(migrate(&mut client, target).await.unwrap().len(), 1);
        up.push(objects(&client).await);
    }
    assert!(up.last().unwrap().iter().any(|name| name.starts_with("r entries ")));
    for target in (0..SCHEMA_VERSION).rev() {
        migrate(&mut client, target).await.unwrap();
        let expected = &up[usize::try_from(target).unwrap()];
        assert_eq!(&objects(&client).await, expected, "back at {target}");
        assert_eq!(version(&client).await.unwrap(), target);
    }
    migrate(&mut client, SCHEMA_VERSION).await.unwrap();
    assert_eq!(&objects(&client).await, up.last().unwrap());
}

#[tokio::test]
async fn a_schema_that_other_changes_made_is_refused() {
    let mut client = connect(&new_database().await).await.unwrap();
    migrate(&mut client, SCHEMA_VERSION).await.unwrap();
    let renamed = "UPDATE purse_migrations SET name = 'of a branch' WHERE version = 2";
    client.execute(renamed, &[]).await.unwrap();
    let refused = migrate(&mut client, 0).await.unwrap_err();
    assert!(
        matches!(&refused, StorageError::OtherSchema { version: 2, name } if name == "of a branch")
    );
    assert!(!objects(&client).await.is_empty());
}

/// Keys that begin with a blank are the service's own, and stand for payments.
#[tokio::test]
async fn the_way_back_and_up_again_keeps_the_keys_of_payments() {
    let server = Server::start().await;
    server.open(ACCOUNT).await;
    server.fund(ACCOUNT, "10").await;
    let mut client = connect(&server.url).await.unwrap();
    let pay = "UPDATE transactions SET idempotency_key = ' payment pay_1' WHERE kind = 3";
    assert_eq!(client.execute(pay, &[]).await.unwrap(), 1);
    for target in [7, SCHEMA_VERSION] {
        migrate(&mut client, target).await.unwrap();
    }
    let kept = "SELECT idempotency_key FROM transactions WHERE kind = 3";
    let key: Option<String> = client.query_one(kept, &[]).await.unwrap().get(0);
    assert_eq!(key.as_deref(), Some(" payment pay_1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_migrate_at_once_do_it_once() {
    let url = new_database().await;
    let steps = at_once(8, |_| {
        let url = url.clone();
        async move {
            let mut client = connect(&url).await.unwrap();
            migrate(&mut client, SCHEMA_VERSION).await.unwrap().len()
        }
    })
    .await;
    assert_eq!(steps.into_iter().sum::<usize>(), usize::try_from(SCHEMA_VERSION).unwrap());
}
