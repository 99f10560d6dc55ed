//! The server's role appends to the ledger and cannot change it.

use purse_storage::{StorageError, pool::connect, privileges::grant_to};

use crate::fixture::{ACCOUNT, Server, as_server, spend};

#[tokio::test]
async fn the_servers_role_can_append_and_nothing_else() {
    let server = Server::start().await;
    server.open(ACCOUNT).await;
    server.fund(ACCOUNT, "10").await;
    server.spend(spend(ACCOUNT, "1", "k")).await.unwrap();
    let role = connect(&as_server(&server.url)).await.unwrap();
    for statement in [
        "UPDATE entries SET amount = amount + 1",
        "DELETE FROM entries",
        "TRUNCATE entries",
        "ALTER TABLE entries DISABLE TRIGGER ALL",
        "UPDATE transactions SET reason = 'another'",
        "DELETE FROM transactions",
        "DELETE FROM grants",
        "DELETE FROM wallets",
        "DROP TABLE entries",
        "CREATE TABLE entries_too (sequence BIGINT)",
    ] {
        let refused = role.batch_execute(statement).await.unwrap_err();
        let code = refused.code().unwrap().code();
        assert_eq!(code, "42501", "{statement}: {refused}");
    }
    assert_eq!(server.balance(ACCOUNT).await, "9");
}

#[tokio::test]
async fn a_role_that_owns_the_ledger_is_told_from_one_that_does_not() {
    let server = Server::start().await;
    server.node.storage().check_privileges().await.unwrap();
    let mut owner = connect(&server.url).await.unwrap();
    // Granting to the owner takes nothing from it.
    let name: String = owner.query_one("SELECT current_user::TEXT", &[]).await.unwrap().get(0);
    grant_to(&mut owner, &name).await.unwrap();
    owner.batch_execute("UPDATE entries SET amount = amount").await.unwrap();
    owner.batch_execute("GRANT UPDATE ON entries TO purse_server").await.unwrap();
    let refused = server.node.storage().check_privileges().await.unwrap_err();
    assert!(matches!(refused, StorageError::MayChangeLedger), "{refused}");
    owner.batch_execute("REVOKE ALL ON entries FROM purse_server").await.unwrap();
    let refused = server.node.storage().check_privileges().await.unwrap_err();
    assert!(matches!(refused, StorageError::MayNotServe { table: "entries", .. }), "{refused}");
}

/// It is refused, and not waited for.
#[tokio::test]
async fn a_role_that_was_granted_nothing_is_told_what_it_lacks() {
    let server = Server::start().await;
    let owner = connect(&server.url).await.unwrap();
    owner
        .batch_execute("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM purse_server")
        .await
        .unwrap();
    let refused = server.node.storage().check_schema().await.unwrap_err();
    assert!(matches!(refused, StorageError::MayNotServe { right: "SELECT", .. }), "{refused}");
}

/// Whoever adds a table says what the server may do to it.
#[tokio::test]
async fn each_table_has_its_rights() {
    let server = Server::start().await;
    let unnamed = "
        SELECT tablename
        FROM pg_tables
        WHERE schemaname = 'public' AND NOT has_table_privilege(
            'purse_server', format('%I.%I', schemaname, tablename), 'SELECT')";
    let unnamed = server.sql().await.query(unnamed, &[]).await.unwrap();
    let names: Vec<String> = unnamed.iter().map(|row| row.get(0)).collect();
    assert!(names.is_empty(), "{names:?}");
}
