//! Purse under load: beside a naive wallet, under more than it can do, and in what applications ask for. On the same
//! machine, in the same run.
//!
//! Owns the load, the figures and their report. It knows Purse only as its users do, by its command
//! line and its gRPC API, and the naive wallet only as SQL that `pgbench` runs, so nothing here can
//! make either side faster than it is. In reading order:
//!
//! * [`spends`]: Purse beside a naive wallet; [`overload`]: more than it can do; [`mixed`]: all kinds of calls at once;
//!   [`trace`]: real requests; [`sizes`]: a large wallet beside small ones; [`renewals`]: a renewal day; [`changes`]:
//!   changes of rules;
//! * [`mod@arguments`], [`session`]: what each workload begins and ends with;
//! * [`machine`], [`postgres`], and the server from [`purse_process`]: what is under load;
//! * [`purse`], [`naive`]: the sides; [`spread`], [`spender`], [`wallets`]: who spends from which wallet; [`health_check`]: what
//!   gRPC alone takes;
//! * [`load`], [`open_loop`]: callers who wait for their answers, and calls that are due whatever the answers;
//! * [`connection`], [`api`], [`workers`], [`seeds`]: how it is called and set up;
//! * [`figures`], [`check`], [`plot`]: what comes out.

mod api;
mod arguments;
mod changes;
mod check;
mod connection;
mod figures;
mod health_check;
mod load;
mod machine;
mod mixed;
mod naive;
mod open_loop;
mod overload;
mod plot;
mod postgres;
mod purse;
mod renewals;
mod seeds;
mod session;
mod sizes;
mod spender;
mod spends;
mod spread;
mod trace;
mod wallets;
mod workers;

use std::{error::Error, process::ExitCode};

use clap::{Parser, Subcommand};

/// Load shares the processors with what it measures, so it gets few threads of its own.
const WORKER_THREADS: usize = 2;

/// Measures Purse: beside a naive wallet, under overload, and in what applications ask for.
#[derive(Debug, Parser)]
#[command(name = "purse-bench", version)]
struct Arguments {
    #[command(subcommand)]
    workload: Workload,
}

#[derive(Debug, Subcommand)]
enum Workload {
    /// Spends over many wallets and from one hot wallet, against the naive transaction under pgbench.
    Spends(spends::Arguments),
    /// More spends than Purse can do, and what comes after them.
    Overload(overload::Arguments),
    /// Spends, balances, grants, holds with their capture, and pages of entries, all at once.
    Mixed(mixed::Arguments),
    /// The requests of a usage trace, when they were made or faster.
    Trace(trace::Arguments),
    /// Balances and spends of a large wallet, beside those of small ones.
    Sizes(sizes::Arguments),
    /// A renewal day: every subscription renews, in one stream, beside spends.
    Renewals(renewals::Arguments),
    /// Changes of rules' expiry settings, beside spends at half of the full rate.
    Changes(changes::Arguments),
}

/// The load shares the processors with what it measures, so it should take little of them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let Arguments { workload } = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build();
    let outcome = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run(workload)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("purse-bench: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  because: {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(workload: Workload) -> Result<(), Box<dyn Error>> {
    match workload {
        Workload::Spends(arguments) => spends::run(&arguments).await?,
        Workload::Overload(arguments) => overload::run(&arguments).await?,
        Workload::Mixed(arguments) => mixed::run(&arguments).await?,
        Workload::Trace(arguments) => trace::run(&arguments).await?,
        Workload::Sizes(arguments) => sizes::run(&arguments).await?,
        Workload::Renewals(arguments) => renewals::run(&arguments).await?,
        Workload::Changes(arguments) => changes::run(&arguments).await?,
    }
    Ok(())
}
