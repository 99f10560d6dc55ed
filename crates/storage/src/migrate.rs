//! The schema, there and back.
//!
//! Each change is one pair of files under `migrations/`, embedded at build time. A change runs in one
//! transaction with the record of it, under a lock, so several servers that start at once do it once.

use tokio_postgres::Client;

use crate::{Storage, StorageError, row::Columns};

/// A change of the schema and its way back.
struct Migration {
    version: i32,
    name: &'static str,
    up: &'static str,
    down: &'static str,
}

/// A migration from its pair of files, whose names begin with its number.
macro_rules! migration {
    ($version:literal, $name:literal, $file:literal) => {
        Migration {
            version: $version,
            name: $name,
            up: include_str!(concat!("../../../migrations/", $file, ".up.sql")),
            down: include_str!(concat!("../../../migrations/", $file, ".down.sql")),
        }
    };
}

const MIGRATIONS: &[Migration] = &[
    migration!(1, "foundation", "0001_foundation"),
    migration!(2, "kept wallets", "0002_kept_wallets"),
    migration!(3, "overdraft", "0003_overdraft"),
    migration!(4, "holds", "0004_holds"),
    migration!(5, "reversals", "0005_reversals"),
    migration!(6, "hash chain", "0006_hash_chain"),
    migration!(7, "funding", "0007_funding"),
    migration!(8, "transfers", "0008_transfers"),
    migration!(9, "grant expiry", "0009_grant_expiry"),
    migration!(10, "events", "0010_events"),
    migration!(11, "wallets by asset", "0011_wallets_by_asset"),
    migration!(12, "wallet status", "0012_wallet_status"),
    migration!(13, "spend limits", "0013_spend_limits"),
    migration!(14, "operations", "0014_operations"),
    migration!(15, "grant rules", "0015_grant_rules"),
    migration!(16, "sweeping", "0016_sweeping"),
    migration!(17, "packs", "0017_packs"),
    migration!(18, "subscriptions", "0018_subscriptions"),
    migration!(19, "top-ups", "0019_top_ups"),
    migration!(20, "history words", "0020_history_words"),
    migration!(21, "taken back", "0021_taken_back"),
    migration!(22, "transactions in time order", "0022_transactions_in_time_order"),
    migration!(23, "batches under way", "0023_batches_under_way"),
    migration!(24, "reliance", "0024_reliance"),
];

/// The version that this build works on.
pub const SCHEMA_VERSION: i32 = MIGRATIONS[MIGRATIONS.len() - 1].version;

/// Any number will do, as long as it is always the same.
pub(crate) const LOCK: i64 = 0x7075_7273_6500_0001;

/// A step that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The migration.
    pub version: i32,
    /// Its name.
    pub name: &'static str,
    /// Whether it was applied; otherwise it was taken back.
    pub applied: bool,
}

/// The version that the database has; 0: none. Refuses one that was made by other changes than this build's, as
/// a build of a branch may have made it.
pub async fn version(client: &Client) -> Result<i32, StorageError> {
    let known = client
        .query_one(
            "SELECT to_regclass('purse_migrations') IS NOT NULL AS known,
                 COALESCE(has_table_privilege(to_regclass('purse_migrations'), 'SELECT'), true) AS may",
            &[],
        )
        .await?;
    let mut columns = Columns::of(&known);
    let is_known: bool = columns.take()?;
    if !columns.take::<bool>()? {
        return Err(StorageError::MayNotServe { table: "purse_migrations", right: "SELECT" });
    }
    if !is_known {
        return Ok(0);
    }
    let rows =
        client.query("SELECT version, name FROM purse_migrations ORDER BY version", &[]).await?;
    let mut last = 0;
    for row in &rows {
        let mut columns = Columns::of(row);
        last = columns.take()?;
        let name: &str = columns.take()?;
        // One that is not known here comes from a later build.
        let known = MIGRATIONS.iter().find(|migration| migration.version == last);
        if known.is_some_and(|migration| migration.name != name) {
            return Err(StorageError::OtherSchema { version: last, name: name.to_owned() });
        }
    }
    Ok(last)
}

/// Brings the schema to `target`, up or down, and says which steps it took.
pub async fn migrate(client: &mut Client, target: i32) -> Result<Vec<Step>, StorageError> {
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await?;
    let steps = run(client, target).await;
    // If this fails the connection is gone, and the lock with it.
    let unlocked = client.execute("SELECT pg_advisory_unlock($1)", &[&LOCK]).await;
    let steps = steps?;
    unlocked?;
    Ok(steps)
}

async fn run(client: &mut Client, target: i32) -> Result<Vec<Step>, StorageError> {
    client
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS purse_migrations (
                version INTEGER NOT NULL,
                name TEXT NOT NULL,
                applied_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
                CONSTRAINT purse_migrations_pkey PRIMARY KEY (version)
            )",
        )
        .await?;
    let mut steps = Vec::new();
    let found = version(client).await?;
    for migration in MIGRATIONS.iter().filter(|m| m.version > found && m.version <= target) {
        let transaction = client.transaction().await?;
        transaction.batch_execute(migration.up).await?;
        transaction
            .execute(
                "INSERT INTO purse_migrations (version, name) VALUES ($1, $2)",
                &[&migration.version, &migration.name],
            )
            .await?;
        transaction.commit().await?;
        steps.push(Step { version: migration.version, name: migration.name, applied: true });
    }
    for migration in MIGRATIONS.iter().rev().filter(|m| m.version <= found && m.version > target) {
        let transaction = client.transaction().await?;
        transaction.batch_execute(migration.down).await?;
        transaction
            .execute("DELETE FROM purse_migrations WHERE version = $1", &[&migration.version])
            .await?;
        transaction.commit().await?;
        steps.push(Step { version: migration.version, name: migration.name, applied: false });
    }
    Ok(steps)
}

impl Storage {
    /// Whether the schema is the one that this build works on.
    pub async fn check_schema(&self) -> Result<(), StorageError> {
        let client = self.reader().await?;
        let found = version(&client).await?;
        if found == SCHEMA_VERSION {
            Ok(())
        } else {
            Err(StorageError::SchemaVersion { found, needed: SCHEMA_VERSION })
        }
    }
}
