//! The flags of `purse-bench spends`.

use clap::{Args, ValueEnum, value_parser};

use crate::{
    arguments::{Pace, Place, PlotPlace},
    naive, purse,
    spread::Spread,
};

/// Flags of `purse-bench spends`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// How spends are spread over wallets, one workload each.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["many", "hot", "hundredth"])]
    pub workloads: Vec<Spread>,
    /// Only one side; no ratio then.
    #[arg(long, value_name = "SIDE")]
    pub only: Option<Side>,
    /// Callers of Purse at once; several numbers, one after another.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 256], value_parser = value_parser!(u32).range(1..))]
    pub callers: Vec<u32>,
    /// HTTP/2 connections that the callers share.
    #[arg(long, default_value_t = 8, value_parser = value_parser!(u32).range(1..))]
    pub connections: u32,
    /// Wallets on each side, besides the hot one.
    #[arg(long, default_value_t = 10_000, value_parser = value_parser!(u64).range(1..))]
    pub wallets: u64,
    /// Grants per wallet.
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u64).range(1..=1_000))]
    pub grants: u64,
    /// Connections of pgbench: the fastest number of these is what Purse is held against.
    #[arg(long, value_delimiter = ',', default_values_t = [8, 16, 32], value_parser = value_parser!(u32).range(1..))]
    pub naive_clients: Vec<u32>,
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
    pub plot: PlotPlace,
    #[command(flatten)]
    pub place: Place,
}

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Side {
    /// Purse through gRPC.
    Purse,
    /// The naive and the one-statement transaction under pgbench.
    Naive,
}

impl Arguments {
    /// What Purse's side makes.
    pub fn purse(&self) -> purse::Settings {
        let Self { connections, wallets, grants, seed, run, .. } = *self;
        purse::Settings { connections, wallets, grants, seed, run }
    }

    /// What the naive side makes.
    pub fn naive(&self) -> naive::Settings {
        let Self { wallets, grants, naive_threads: threads, .. } = *self;
        naive::Settings { wallets, grants, threads }
    }

    /// The load in words, for the report.
    pub fn load(&self) -> String {
        let numbers = |numbers: &[u32]| {
            numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        format!(
            "{} wallets with {} grants; Purse: {} callers on {} connections; naive: the best of {} clients in \
             {} threads; {}",
            self.wallets,
            self.grants,
            numbers(&self.callers),
            self.connections,
            numbers(&self.naive_clients),
            self.naive_threads,
            self.pace.in_words()
        )
    }
}
