//! `purse migrate`: the schema of a PostgreSQL, up to date or back.

use std::process::ExitCode;

use clap::Args;
use purse_storage::{
    migrate::{SCHEMA_VERSION, migrate, version},
    pool::connect,
    privileges::grant_to,
};

use crate::exit::Failure;

/// Bring the schema up to date, or back to an earlier version.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// The database; its role must be allowed to change the schema
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: String,

    /// The version to go to; default: the newest. Going back deletes what the older one cannot hold
    #[arg(long, value_name = "VERSION")]
    to: Option<i32>,

    /// The role that `purse serve` has: it gets what it needs, and may only append to the ledger. Once more after
    /// each migration
    #[arg(long, value_name = "ROLE")]
    server_role: Option<String>,

    /// Going back deletes data: say so
    #[arg(long)]
    delete_data: bool,
}

/// Migrates and prints each step.
pub async fn run(args: MigrateArgs) -> Result<ExitCode, Failure> {
    let MigrateArgs { database_url, to, server_role, delete_data } = args;
    let target = to.unwrap_or(SCHEMA_VERSION);
    if !(0..=SCHEMA_VERSION).contains(&target) {
        return Err(Failure::Usage(format!("--to must be 0 to {SCHEMA_VERSION}")));
    }
    let mut client = connect(&database_url).await?;
    let found = version(&client).await?;
    if found > SCHEMA_VERSION {
        return Err(Failure::Usage(format!(
            "the schema is at version {found}, newer than this purse knows ({SCHEMA_VERSION})"
        )));
    }
    if target < found && !delete_data {
        return Err(Failure::Usage(format!(
            "going from version {found} back to {target} deletes data; add --delete-data if you mean it"
        )));
    }
    let steps = migrate(&mut client, target).await?;
    for step in &steps {
        let direction = if step.applied { "applied" } else { "taken back" };
        println!("{:04} {} {direction}", step.version, step.name);
    }
    println!("schema at version {target}");
    if let Some(role) = server_role {
        if target != SCHEMA_VERSION {
            let newest = "--server-role goes with the newest version";
            return Err(Failure::Usage(newest.to_owned()));
        }
        grant_to(&mut client, &role).await?;
        println!("{role} may serve");
    }
    Ok(ExitCode::SUCCESS)
}
