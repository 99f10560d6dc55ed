//! Purse and a naive wallet under the same load, and large wallets beside small ones: on the same machine, in
//! the same run.
//!
//! Owns the load, the figures and their report. It knows Purse only as its users do, by its command
//! line and its gRPC API, and the naive wallet only as SQL that `pgbench` runs, so nothing here can
//! make either side faster than it is. In reading order:
//!
//! * [`spends`]: Purse beside a naive wallet; [`sizes`]: a large wallet beside small ones; [`renewals`]: a
//!   renewal day; [`changes`]: changes of rules;
//! * [`mod@arguments`]: what each workload begins and ends with;
//! * [`machine`], [`postgres`], and the server from [`purse_process`]: what is under load;
//! * [`api`], [`workers`], [`seeds`], [`load`]: how it is set up and how it is loaded;
//! * [`figures`], [`check`]: what comes out.

mod api;
mod arguments;
mod changes;
mod check;
mod figures;
mod load;
mod machine;
mod postgres;
mod renewals;
mod seeds;
mod sizes;
mod spends;
mod workers;

use std::{error::Error, process::ExitCode};

use clap::{Parser, Subcommand};

/// Load shares the processors with what it measures, so it gets few threads of its own.
const WORKER_THREADS: usize = 2;

/// Measures Purse: beside a naive wallet, and its large wallets beside small ones.
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
    /// Balances and spends of a large wallet, beside those of small ones.
    Sizes(sizes::Arguments),
    /// A renewal day: every subscription renews, in one stream, beside spends.
    Renewals(renewals::Arguments),
    /// Changes of rules' expiry settings, beside spends at half of the full rate.
    Changes(changes::Arguments),
}

fn main() -> ExitCode {
    let Arguments { workload } = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build();
    let outcome: Result<(), Box<dyn Error>> = match (runtime, workload) {
        (Ok(runtime), Workload::Spends(arguments)) => {
            runtime.block_on(spends::run(&arguments)).map_err(Into::into)
        }
        (Ok(runtime), Workload::Sizes(arguments)) => {
            runtime.block_on(sizes::run(&arguments)).map_err(Into::into)
        }
        (Ok(runtime), Workload::Renewals(arguments)) => {
            runtime.block_on(renewals::run(&arguments)).map_err(Into::into)
        }
        (Ok(runtime), Workload::Changes(arguments)) => {
            runtime.block_on(changes::run(&arguments)).map_err(Into::into)
        }
        (
            Err(error),
            Workload::Spends(_) | Workload::Sizes(_) | Workload::Renewals(_) | Workload::Changes(_),
        ) => Err(error.into()),
    };
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
