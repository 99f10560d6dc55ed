//! The flags of `purse-bench sizes`.

use clap::{Args, value_parser};

use crate::arguments::{Pace, Place};

/// Flags of `purse-bench sizes`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Entries of the large wallet before anything is measured.
    #[arg(long, default_value_t = 1_000_000, value_parser = value_parser!(u64).range(1..))]
    pub entries: u64,
    /// Grants of the large wallet, all of which stay open; each is one of its entries.
    #[arg(long, default_value_t = 10_000, value_parser = value_parser!(u64).range(1..))]
    pub grants: u64,
    /// Small wallets, which spends use up one after another, so that they stay small.
    #[arg(long, default_value_t = 1_000, value_parser = value_parser!(u64).range(1..))]
    pub small_wallets: u64,
    /// Callers at once, all on one wallet: few, so that a call's own cost is not lost in a batch. Cold spends have
    /// one caller.
    #[arg(long, default_value_t = 8, value_parser = value_parser!(u32).range(1..))]
    pub callers: u32,
    /// HTTP/2 connections that the callers share.
    #[arg(long, default_value_t = 4, value_parser = value_parser!(u32).range(1..))]
    pub connections: u32,
    /// Decides the idempotency keys and the names of the small wallets; default: others in each run.
    #[arg(long, value_name = "NUMBER")]
    pub run: Option<u64>,
    #[command(flatten)]
    pub pace: Pace,
    #[command(flatten)]
    pub place: Place,
}

impl Arguments {
    /// The load in words, for the report.
    pub fn load(&self) -> String {
        format!(
            "{} callers on {} connections; {}",
            self.callers,
            self.connections,
            self.pace.in_words()
        )
    }
}
