//! The sides of a run, each of which has its turn.

use std::time::Instant;

use super::arguments::{Arguments, Side};
use purse_process::Server;

use crate::{
    figures::{Latencies, Round},
    load::Window,
    naive::{Naive, Script, Turn},
    postgres::Programs,
    purse::{Purse, steady},
    session::{RunError, Session},
    spread::Spread,
};

/// Those sides that are measured.
pub struct Sides<'a> {
    pub purse: Option<Purse>,
    pub naive: Option<Naive<'a>>,
    programs: &'a Programs,
    url: &'a str,
    window: Window,
}

impl<'a> Sides<'a> {
    /// Makes the wallets of each side that was asked for.
    pub async fn set_up(
        arguments: &Arguments,
        session: &'a Session,
        server: Option<&Server>,
        url: &'a str,
    ) -> Result<Self, RunError> {
        let purse = match server {
            Some(server) if arguments.only != Some(Side::Naive) => {
                Some(Purse::set_up(arguments.purse(), server).await?)
            }
            Some(_) | None => None,
        };
        let programs = &session.programs;
        let naive = if arguments.only == Some(Side::Purse) {
            None
        } else {
            let begun_at = Instant::now();
            let folder = session.folder.path().join("naive");
            let naive = Naive::set_up(programs, url, arguments.naive(), folder).await?;
            let seconds = begun_at.elapsed().as_secs();
            eprintln!("naive: {} wallets made in {seconds} s", arguments.wallets);
            Some(naive)
        };
        Ok(Self { purse, naive, programs, url, window: arguments.pace.window() })
    }

    /// One side as fast as it can; without a script: Purse.
    pub async fn round(
        &mut self,
        script: Option<Script>,
        spread: Spread,
        callers: u32,
    ) -> Result<Round, RunError> {
        self.programs.checkpoint(self.url).await;
        match (script, &mut self.purse, &mut self.naive) {
            (None, Some(purse), _) => purse.closed(spread, callers, self.window).await,
            (Some(script), _, Some(naive)) => {
                let turn = Turn { script, spread, clients: callers, rate: None };
                Ok(naive.round(turn, self.window).await?)
            }
            (None, None, _) | (Some(_), _, None) => Err(RunError::NoSuchSide),
        }
    }

    /// One side at a rate: latencies from when a spend was due.
    pub async fn at_rate(
        &mut self,
        script: Option<Script>,
        spread: Spread,
        clients: u32,
        rate: u64,
    ) -> Result<Latencies, RunError> {
        self.programs.checkpoint(self.url).await;
        match (script, &mut self.purse, &mut self.naive) {
            (None, Some(purse), _) => {
                let tally = purse.open(spread, &steady(rate, self.window)).await?;
                let measured = tally.phases.into_iter().next_back();
                Ok(measured.map_or_else(Latencies::new, |phase| phase.accepted))
            }
            (Some(script), _, Some(naive)) => {
                let turn = Turn { script, spread, clients, rate: Some(rate.max(1)) };
                Ok(naive.round(turn, self.window).await?.latencies)
            }
            (None, None, _) | (Some(_), _, None) => Err(RunError::NoSuchSide),
        }
    }
}
