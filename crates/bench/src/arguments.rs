//! The flags of `purse-bench spends`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, value_parser};

use crate::load::Window;

/// Flags of `purse-bench spends`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only the workload in which all spends are from one wallet.
    #[arg(long, conflicts_with = "many")]
    pub hot: bool,
    /// Only the workload in which spends are spread over many wallets.
    #[arg(long)]
    pub many: bool,
    /// Only one side; no ratio then.
    #[arg(long, value_name = "SIDE")]
    pub only: Option<Side>,
    /// Callers of Purse at once.
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u32).range(1..))]
    pub callers: u32,
    /// HTTP/2 connections that the callers share.
    #[arg(long, default_value_t = 8, value_parser = value_parser!(u32).range(1..))]
    pub connections: u32,
    /// Wallets on each side, besides the hot one.
    #[arg(long, default_value_t = 10_000, value_parser = value_parser!(u64).range(1..))]
    pub wallets: u64,
    /// Grants per wallet.
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u64).range(1..=1_000))]
    pub grants: u64,
    /// Seconds measured, per round and side.
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u64).range(1..))]
    pub seconds: u64,
    /// Seconds before that, not measured.
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    pub warm_up: u64,
    /// Rounds per workload; the sides take turns.
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Connections of pgbench.
    #[arg(long, default_value_t = 32, value_parser = value_parser!(u32).range(1..))]
    pub naive_clients: u32,
    /// Threads of pgbench.
    #[arg(long, default_value_t = 2, value_parser = value_parser!(u32).range(1..))]
    pub naive_threads: u32,
    /// Decides which wallets are chosen.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Decides the idempotency keys; default: another one in each run.
    #[arg(long, value_name = "NUMBER")]
    pub run: Option<u64>,
    /// The server's binary; default: `purse` beside this one.
    #[arg(long, value_name = "FILE")]
    pub purse: Option<PathBuf>,
    /// A data folder to keep, so that the next run finds its wallets there; default: a throw-away one.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The PostgreSQL for both sides, as a URL; default: the one that `purse serve` embeds.
    #[arg(long, value_name = "URL", conflicts_with = "data_dir")]
    pub database: Option<String>,
    /// The folder of `pgbench` and `psql`; default: found.
    #[arg(long, value_name = "DIR")]
    pub pg_bin: Option<PathBuf>,
    /// Also write the report there, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Side {
    /// Purse through gRPC.
    Purse,
    /// The naive transaction under pgbench.
    Naive,
}

impl Arguments {
    /// The time of one round.
    pub fn window(&self) -> Window {
        Window { warm_up_seconds: self.warm_up, measured_seconds: self.seconds }
    }

    /// The load in words, for the report.
    pub fn load(&self) -> String {
        format!(
            "{} wallets with {} grants; Purse: {} callers on {} connections; naive: {} clients in \
             {} threads; {} s measured after {} s of warm-up; rounds in turns: {}",
            self.wallets,
            self.grants,
            self.callers,
            self.connections,
            self.naive_clients,
            self.naive_threads,
            self.seconds,
            self.warm_up,
            self.rounds
        )
    }
}
