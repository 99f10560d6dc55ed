//! Breaks what Purse runs on, under load, and then compares what callers were told with what is there.
//!
//! Knows Purse as its users do: the binary, the client, the protos. Of its inside it uses the private PostgreSQL,
//! as a database to break, and reads tables only to compare. In reading order:
//!
//! * [`fault`], [`plant`]: what goes wrong, and which bugs are planted;
//! * [`run`]: one run from end to end;
//! * [`stage`], [`disk`], [`proxy`] with [`wire`], [`balancer`]: what it is tried on;
//! * [`world`], [`call`], [`load`]: the load and what callers remember;
//! * [`inject`]: the faults;
//! * [`mod@check`]: the verdict.

mod balancer;
mod call;
mod check;
mod disk;
mod error;
mod fault;
mod inject;
mod load;
mod plant;
mod proxy;
mod run;
mod stage;
mod wire;
mod world;

use std::{
    collections::hash_map::RandomState, error::Error as _, hash::BuildHasher as _, path::PathBuf,
    process::ExitCode, time::Duration,
};

use clap::{Args, Parser, Subcommand, ValueEnum as _, value_parser};
use purse_process::purse_beside_this;
use tokio::runtime::Runtime;

use crate::{
    error::RunError,
    fault::Fault,
    plant::Bug,
    run::{Orders, run},
};

/// Exit code if something was lost, doubled or wrong. A run that came to no verdict ends with 2.
const WRONG: u8 = 1;
const NO_VERDICT: u8 = 2;

/// Breaks what Purse runs on, under load, and checks that nothing is lost or doubled.
#[derive(Debug, Parser)]
#[command(name = "purse-faults", version)]
struct Arguments {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Subcommand)]
enum What {
    /// All faults, one after the other
    All,
    /// A bug planted on purpose: exit code 1 if it is seen, as it must be
    Plant { bug: Bug },
    #[command(flatten)]
    One(Fault),
}

#[derive(Debug, Args)]
struct Flags {
    /// How long each fault lasts
    #[arg(long, global = true, default_value_t = 10, value_parser = value_parser!(u64).range(1..))]
    seconds: u64,
    /// What chance begins with, to ask the same again; default: another one each time. What meets what is up to the
    /// machine all the same
    #[arg(long, global = true)]
    seed: Option<u64>,
    /// Callers at once; default: 64, and 500 with many-callers
    #[arg(long, global = true, value_parser = value_parser!(u32).range(1..))]
    callers: Option<u32>,
    /// The server's binary; default: `purse` beside this one
    #[arg(long, global = true, value_name = "FILE")]
    purse: Option<PathBuf>,
}

fn main() -> ExitCode {
    let Arguments { what, flags } = Arguments::parse();
    let outcome = Runtime::new().map_err(RunError::from).and_then(|runtime| {
        let orders = orders(flags)?;
        runtime.block_on(async {
            match what {
                What::All => all(&orders).await,
                What::Plant { bug } => plant(bug, &orders).await,
                What::One(fault) => one(fault, &orders).await.map(|(is_good, _)| is_good),
            }
        })
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(WRONG),
        Err(error) => {
            eprintln!("purse-faults: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  because: {cause}");
                source = cause.source();
            }
            ExitCode::from(NO_VERDICT)
        }
    }
}

fn orders(flags: Flags) -> Result<Orders, RunError> {
    let Flags { seconds, seed, callers, purse } = flags;
    Ok(Orders {
        purse: purse.map_or_else(purse_beside_this, Ok)?,
        time: Duration::from_secs(seconds),
        seed: seed.unwrap_or_else(|| RandomState::new().hash_one(std::process::id())),
        callers,
    })
}

/// One after the other, to the end even if one fails.
async fn all(orders: &Orders) -> Result<bool, RunError> {
    let (mut is_good, mut acknowledged) = (true, 0);
    for fault in Fault::value_variants() {
        let (was_good, calls) = one(*fault, orders).await?;
        is_good &= was_good;
        acknowledged += calls;
    }
    println!("all: acknowledged {acknowledged}, {}", if is_good { "good" } else { "NOT GOOD" });
    Ok(is_good)
}

/// Whether it was good, and how many calls were acknowledged.
async fn one(fault: Fault, orders: &Orders) -> Result<(bool, usize), RunError> {
    match run(fault, None, orders).await {
        Ok(report) => {
            println!("{report}");
            Ok((report.is_good(), report.acknowledged))
        }
        Err(error @ RunError::MayNotMount) => {
            println!("{}: skipped: {error}", fault.name());
            Ok((true, 0))
        }
        Err(error) => {
            eprintln!("{}: seed {}: no verdict", fault.name(), orders.seed);
            Err(error)
        }
    }
}

/// Whether all seemed good, which it is not.
async fn plant(bug: Bug, orders: &Orders) -> Result<bool, RunError> {
    let report = run(bug.fault(), Some(bug), orders).await?;
    println!("{report}");
    let is_seen = !report.verdict.is_clean();
    println!("{}: {}", bug.name(), if is_seen { "seen" } else { "NOT SEEN" });
    Ok(!is_seen)
}
