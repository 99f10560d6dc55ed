//! The flags of `purse-bench spends`.

use clap::{Args, ValueEnum, value_parser};

use crate::arguments::{Pace, Place};

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
    #[command(flatten)]
    pub pace: Pace,
    #[command(flatten)]
    pub place: Place,
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
    /// The load in words, for the report.
    pub fn load(&self) -> String {
        format!(
            "{} wallets with {} grants; Purse: {} callers on {} connections; naive: {} clients in \
             {} threads; {}",
            self.wallets,
            self.grants,
            self.callers,
            self.connections,
            self.naive_clients,
            self.naive_threads,
            self.pace.in_words()
        )
    }
}
