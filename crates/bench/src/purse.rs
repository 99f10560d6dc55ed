//! Our side of a run of spends: its wallets, its load, and whether the balances say what the callers were told.

use std::time::Instant;

use rust_decimal::Decimal;

use purse_process::Server;

use crate::{
    check::Check,
    connection::Connection,
    figures::Round,
    health_check::health_checkers,
    load::{Caller, Failures, Window, closed_loop},
    open_loop::{OpenTally, Phase, open_loop},
    seeds::Seeds,
    session::RunError,
    spender::spenders,
    spread::Spread,
    wallets::Wallets,
};

/// What to make.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// HTTP/2 connections that the callers share.
    pub connections: u32,
    /// Wallets, besides the hot one.
    pub wallets: u64,
    /// Grants per wallet.
    pub grants: u64,
    /// Decides which wallets are chosen.
    pub seed: u64,
    /// Decides the idempotency keys; `None`: others in each run.
    pub run: Option<u64>,
}

/// Our side between its rounds.
#[derive(Debug)]
pub struct Purse {
    pub wallets: Wallets,
    pub seeds: Seeds,
    total_before: Decimal,
    acknowledged: u64,
    failures: Failures,
}

impl Purse {
    /// Makes the wallets, or finds them.
    pub async fn set_up(settings: Settings, server: &Server) -> Result<Self, RunError> {
        let connections = Connection::open(server, settings.connections).await?;
        let wallets = Wallets::new(connections, settings.wallets, settings.grants);
        let begun_at = Instant::now();
        if wallets.set_up().await? {
            let seconds = begun_at.elapsed().as_secs();
            eprintln!("purse: {} wallets made in {seconds} s", settings.wallets);
        } else {
            eprintln!("purse: {} wallets found", settings.wallets);
        }
        Ok(Self {
            total_before: wallets.total().await?,
            wallets,
            seeds: Seeds::new(settings.seed, settings.run),
            acknowledged: 0,
            failures: Failures::default(),
        })
    }

    /// Spends by so many callers, each of whom waits for an answer before the next.
    pub async fn closed(
        &mut self,
        spread: Spread,
        callers: u32,
        window: Window,
    ) -> Result<Round, RunError> {
        let callers = take(spenders(&self.wallets, spread, &mut self.seeds), callers);
        let tally = closed_loop(callers, window).await?;
        let round = tally.round(window);
        self.acknowledged += tally.acknowledged;
        self.failures.add(tally.failures);
        Ok(round)
    }

    /// Health checks in place of spends.
    pub async fn health_checks(&self, callers: u32, window: Window) -> Result<Round, RunError> {
        let callers = take(health_checkers(self.wallets.connections.clone()), callers);
        Ok(closed_loop(callers, window).await?.round(window))
    }

    /// Spends at a rate, whatever the answers.
    pub async fn open(&mut self, spread: Spread, phases: &[Phase]) -> Result<OpenTally, RunError> {
        let callers = spenders(&self.wallets, spread, &mut self.seeds);
        let mut tally = open_loop(callers, phases, &mut self.seeds).await?;
        self.acknowledged += tally.acknowledged;
        self.failures.add(std::mem::take(&mut tally.failures));
        Ok(tally)
    }

    /// Holds what was acknowledged against what the balances say.
    pub async fn check(self) -> Result<(Check, Failures), RunError> {
        let Self { wallets, total_before, acknowledged, failures, .. } = self;
        let after = wallets.total().await?;
        Ok((Check::new(acknowledged, failures.total(), total_before, after), failures))
    }
}

/// So many callers.
pub fn take<C: Caller>(callers: impl Iterator<Item = C>, count: u32) -> Vec<C> {
    callers.take(usize::try_from(count).unwrap_or(usize::MAX)).collect()
}

/// The phases of a warm-up at a rate, and of the same rate measured.
pub fn steady(calls_per_second: u64, window: Window) -> [Phase; 2] {
    let Window { warm_up_seconds, measured_seconds } = window;
    [warm_up_seconds, measured_seconds].map(|seconds| Phase { calls_per_second, seconds })
}
