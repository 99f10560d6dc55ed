//! The flags of `purse-bench overload`.

use clap::{Args, value_parser};

use crate::{
    arguments::{Place, PlotPlace},
    purse,
    spread::Spread,
};

/// Flags of `purse-bench overload`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// How spends are spread over wallets.
    #[arg(long, value_enum, default_value = "many")]
    pub spread: Spread,
    /// Callers who wait for their answers, while the peak is measured.
    #[arg(long, default_value_t = 256, value_parser = value_parser!(u32).range(1..))]
    pub callers: u32,
    /// HTTP/2 connections. Each takes 1,024 calls at once, and only what has a place on one can be refused: with too few of
    /// them, calls queue in front of the server.
    #[arg(long, default_value_t = 8, value_parser = value_parser!(u32).range(1..))]
    pub connections: u32,
    /// How many times the peak is asked for.
    #[arg(long, default_value_t = 2, value_parser = value_parser!(u64).range(1..=10))]
    pub times: u64,
    /// Seconds measured, of the peak and of the overload.
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u64).range(1..))]
    pub seconds: u64,
    /// Seconds before the peak is measured.
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    pub warm_up: u64,
    /// Wallets, besides the hot one.
    #[arg(long, default_value_t = 10_000, value_parser = value_parser!(u64).range(1..))]
    pub wallets: u64,
    #[command(flatten)]
    pub plot: PlotPlace,
    #[command(flatten)]
    pub place: Place,
}

impl Arguments {
    /// What is made.
    pub fn purse(&self) -> purse::Settings {
        let Self { connections, wallets, .. } = *self;
        purse::Settings { connections, wallets, grants: 5, seed: 1, run: None }
    }

    /// The load in words, for the report.
    pub fn load(&self) -> String {
        let Self { spread, callers, connections, times, seconds, warm_up, wallets, .. } = self;
        format!(
            "{wallets} wallets with 5 grants, spends: {}; peak: {callers} callers on {connections} connections, {seconds} s \
             after {warm_up} s of warm-up; then {times} times as many, due by chance, for {seconds} s",
            spread.name()
        )
    }
}
