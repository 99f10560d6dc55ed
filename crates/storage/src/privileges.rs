//! What the server's role may do to each table: it appends to the ledger, and cannot change what it appended.
//!
//! Another role owns the tables and migrates them. So neither a defect nor whoever gets hold of the server's
//! connection can rewrite history; the hash chain tells of whoever else did.

use tokio_postgres::Client;

use crate::{Storage, StorageError, migrate::LOCK, row::Columns};

/// The role that the server has in a private PostgreSQL.
pub const SERVER_ROLE: &str = "purse_server";

/// What is granted of each table, and nothing else. A table that is not listed cannot be read.
const GRANTED: &[(&str, &str)] = &[
    ("purse_migrations", "SELECT"),
    ("assets", "SELECT, INSERT"),
    ("transactions", "SELECT, INSERT"),
    ("entries", "SELECT, INSERT"),
    ("events", "SELECT, INSERT"),
    ("catalog_changes", "SELECT, INSERT"),
    ("catalog", "SELECT, INSERT, UPDATE"),
    ("wallets", "SELECT, INSERT, UPDATE"),
    ("grants", "SELECT, INSERT, UPDATE"),
    ("debts", "SELECT, INSERT, UPDATE"),
    ("holds", "SELECT, INSERT, UPDATE"),
    ("subscriptions", "SELECT, INSERT, UPDATE"),
    ("applications", "SELECT, INSERT, UPDATE"),
    ("stream_positions", "SELECT, INSERT, UPDATE"),
    // Sums of what the ledger says, which are counted anew now and then.
    ("spending", "SELECT, INSERT, UPDATE, DELETE"),
    ("grant_rules", "SELECT, INSERT, UPDATE"),
    ("grant_rule_changes", "SELECT, INSERT"),
];

/// Makes a role that may log in, unless there is one of that name.
pub async fn ensure_role(client: &Client, role: &str) -> Result<(), StorageError> {
    let known = client.query_opt("SELECT 1 FROM pg_roles WHERE rolname = $1", &[&role]).await?;
    if known.is_none() {
        let create =
            client.query_one("SELECT format('CREATE ROLE %I LOGIN', $1::TEXT)", &[&role]).await?;
        client.batch_execute(Columns::of(&create).take()?).await?;
    }
    Ok(())
}

/// Lets a role serve on the schema as it is now. Once more after each migration; what it was granted before is
/// taken back. The role that owns the tables stays as it is.
pub async fn grant_to(client: &mut Client, role: &str) -> Result<(), StorageError> {
    let transaction = client.transaction().await?;
    // Servers that start at once would update the same catalogue rows at once.
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let row = transaction
        .query_one(
            "SELECT format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), $1::TEXT)",
            &[&role],
        )
        .await?;
    transaction.batch_execute(Columns::of(&row).take()?).await?;
    for (table, rights) in GRANTED {
        let row = transaction
            .query_one(
                "SELECT format(
                     'REVOKE ALL ON %1$I FROM %2$I; GRANT ' || $3::TEXT || ' ON %1$I TO %2$I',
                     $1::TEXT, $2::TEXT
                 ) AS statements,
                 tableowner = $2::TEXT AS is_owner
                 FROM pg_tables
                 WHERE schemaname = current_schema() AND tablename = $1::TEXT",
                &[&table, &role, &rights],
            )
            .await?;
        let mut columns = Columns::of(&row);
        let statements: &str = columns.take()?;
        if !columns.take::<bool>()? {
            transaction.batch_execute(statements).await?;
        }
    }
    transaction.commit().await?;
    Ok(())
}

/// The user that a URL names.
pub fn user_of(url: &str) -> Result<Option<String>, StorageError> {
    Ok(crate::pool::parse_url(url)?.get_user().map(str::to_owned))
}

impl Storage {
    /// Refuses a role that could change the ledger, or lacks what serving takes.
    pub async fn check_privileges(&self) -> Result<(), StorageError> {
        let client = self.reader().await?;
        let row = client
            .query_one(
                "SELECT has_table_privilege('entries', 'UPDATE, DELETE, TRUNCATE')
                     OR has_table_privilege('transactions', 'UPDATE, DELETE, TRUNCATE')
                     OR has_table_privilege('events', 'UPDATE, DELETE, TRUNCATE') AS may",
                &[],
            )
            .await?;
        if Columns::of(&row).take()? {
            return Err(StorageError::MayChangeLedger);
        }
        for (table, rights) in GRANTED {
            for right in rights.split(", ") {
                let row = client
                    .query_one("SELECT has_table_privilege($1, $2) AS may", &[&table, &right])
                    .await?;
                if !Columns::of(&row).take::<bool>()? {
                    return Err(StorageError::MayNotServe { table, right });
                }
            }
        }
        Ok(())
    }
}
