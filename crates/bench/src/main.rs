//! Purse and a naive wallet under the same load, on the same machine, in the same run.
//!
//! Owns the load, the figures and their report. It knows Purse only as its users do, by its command
//! line and its gRPC API, and the naive wallet only as SQL that `pgbench` runs, so nothing here can
//! make either side faster than it is. In reading order:
//!
//! * [`spends`] and its [`mod@arguments`]: the workload, side by side, round by round;
//! * [`machine`], [`server`], [`postgres`]: what is under load;
//! * [`wallets`], [`spender`], [`load`]: our side; [`naive`]: the other;
//! * [`figures`], [`report`]: what comes out.

mod arguments;
mod figures;
mod folder;
mod load;
mod machine;
mod naive;
mod postgres;
mod report;
mod server;
mod spender;
mod spends;
mod wallets;

use std::{error::Error, process::ExitCode};

use clap::{Parser, Subcommand};

/// Load shares the processors with what it measures, so it gets few threads of its own.
const WORKER_THREADS: usize = 2;

/// Measures Purse side by side with a naive wallet.
#[derive(Debug, Parser)]
#[command(name = "purse-bench", version)]
struct Arguments {
    #[command(subcommand)]
    workload: Workload,
}

#[derive(Debug, Subcommand)]
enum Workload {
    /// Spends over many wallets and from one hot wallet, against the naive transaction under pgbench.
    Spends(arguments::Arguments),
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
        (Err(error), Workload::Spends(_)) => Err(error.into()),
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
