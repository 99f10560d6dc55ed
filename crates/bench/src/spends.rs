//! The workload `spends`: both sides on one PostgreSQL, in turns, round by round.

mod arguments;
mod naive;
mod report;
mod spender;
mod wallets;

pub use arguments::Arguments;
pub use spender::spenders;
pub use wallets::Wallets;

use std::{io, path::Path, time::Instant};

use rust_decimal::Decimal;
use thiserror::Error;

use purse_process::{Folder, Interrupted, Server, ServerError, interruptible};

use crate::{
    api::ApiError,
    arguments::warn_of_a_debug_build,
    check::{Check, FailedCalls, Mismatch},
    figures::{Round, Summary},
    load::{Failures, LoadError, closed_loop},
    machine::{Machine, postgres_settings},
    postgres::{PostgresError, Programs},
    seeds::Seeds,
};
use arguments::Side;
use naive::{Naive, NaiveError};
use report::{Report, WorkloadReport};

/// What the project wants to reach, in hundredths: printed beside the ratio, not enforced.
const TARGET_MANY_HUNDREDTHS: u64 = 250;
const TARGET_HOT_HUNDREDTHS: u64 = 800;

/// Why there are no figures.
#[derive(Debug, Error)]
pub enum SpendsError {
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    #[error("the files of the run")]
    Files(#[from] io::Error),
    #[error("PostgreSQL's programs")]
    Postgres(#[from] PostgresError),
    #[error("the server under load")]
    Server(#[from] ServerError),
    #[error("the wallets of the run")]
    Wallets(#[from] ApiError),
    #[error("the load on Purse")]
    Load(#[from] LoadError),
    #[error("the naive side")]
    Naive(#[from] NaiveError),
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
}

/// Runs the workload and prints its report.
pub async fn run(arguments: &Arguments) -> Result<(), SpendsError> {
    warn_of_a_debug_build();
    let programs = Programs::find(arguments.place.pg_bin.as_deref()).await?;
    let machine = Machine::look().await;
    let folder = Folder::create("purse-bench")?;
    let report = if arguments.only == Some(Side::Naive)
        && let Some(url) = &arguments.place.database
    {
        interruptible(measure(arguments, machine, &programs, &folder, None, url)).await?
    } else {
        with_server(arguments, machine, &programs, &folder).await?
    };

    println!("{report}");
    arguments.place.write(&report)?;
    Ok(report.check.map_or(Ok(()), Check::verdict)?)
}

/// Runs everything while a server serves, which is stopped whatever happens.
async fn with_server(
    arguments: &Arguments,
    machine: Machine,
    programs: &Programs,
    folder: &Folder,
) -> Result<Report, SpendsError> {
    let mut server = Server::start(arguments.place.server(folder)?)?;
    let measured = interruptible(async {
        server.ready().await?;
        let url = server.database_url()?;
        measure(arguments, machine, programs, folder, Some(&server), &url).await
    })
    .await;
    let stopped = server.stop().await;
    let report = measured?;
    stopped?;
    Ok(report)
}

/// Sets both sides up and measures all workloads. Without a server there is only the naive side.
async fn measure(
    arguments: &Arguments,
    machine: Machine,
    programs: &Programs,
    folder: &Folder,
    server: Option<&Server>,
    url: &str,
) -> Result<Report, SpendsError> {
    let postgres = postgres_settings(programs, url).await?;
    let mut purse = match server {
        Some(server) if arguments.only != Some(Side::Naive) => {
            Some(Purse::set_up(arguments, server).await?)
        }
        Some(_) | None => None,
    };
    let mut naive = if arguments.only == Some(Side::Purse) {
        None
    } else {
        Some(set_up_naive(arguments, programs, url, folder.path()).await?)
    };

    let mut workloads = Vec::new();
    for (name, hot, target_hundredths) in
        [("many", false, TARGET_MANY_HUNDREDTHS), ("hot", true, TARGET_HOT_HUNDREDTHS)]
    {
        if (hot && arguments.many) || (!hot && arguments.hot) {
            continue;
        }
        let mut rounds: [Vec<Round>; 2] = [Vec::new(), Vec::new()];
        for round in 1..=arguments.pace.rounds {
            if let Some(purse) = &mut purse {
                programs.checkpoint(url).await;
                let measured = purse.round(arguments, hot).await?;
                announce(name, round, arguments.pace.rounds, "purse", &measured);
                rounds[0].push(measured);
            }
            if let Some(naive) = &mut naive {
                programs.checkpoint(url).await;
                let measured = naive.round(hot, arguments.pace.window()).await?;
                announce(name, round, arguments.pace.rounds, "naive", &measured);
                rounds[1].push(measured);
            }
        }
        let [ours, theirs] = rounds;
        workloads.push(WorkloadReport::new(
            name,
            target_hundredths,
            Summary::of(&ours),
            Summary::of(&theirs),
        ));
    }

    let naive_spends = match &naive {
        Some(naive) => Some(naive.check().await?),
        None => None,
    };
    let (check, failures) = match purse {
        Some(purse) => {
            let (check, failures) = purse.check().await?;
            (Some(check), failures)
        }
        None => (None, Failures::default()),
    };
    Ok(Report {
        load: arguments.load(),
        machine,
        postgres,
        workloads,
        check,
        failures: FailedCalls::of(failures),
        naive_spends,
    })
}

async fn set_up_naive<'a>(
    arguments: &Arguments,
    programs: &'a Programs,
    url: &str,
    folder: &Path,
) -> Result<Naive<'a>, NaiveError> {
    let settings = naive::Settings {
        wallets: arguments.wallets,
        grants: arguments.grants,
        clients: arguments.naive_clients,
        threads: arguments.naive_threads,
    };
    let begun_at = Instant::now();
    let naive = Naive::set_up(programs, url, settings, folder.join("naive")).await?;
    eprintln!("naive: {} wallets made in {} s", arguments.wallets, begun_at.elapsed().as_secs());
    Ok(naive)
}

fn announce(workload: &str, round: u32, rounds: u32, side: &str, measured: &Round) {
    eprintln!(
        "{workload}, round {round} of {rounds}, {side}: {} spends/s",
        measured.calls_per_second
    );
}

/// Our side between its rounds.
#[derive(Debug)]
struct Purse {
    wallets: Wallets,
    seeds: Seeds,
    total_before: Decimal,
    acknowledged: u64,
    failures: Failures,
}

impl Purse {
    async fn set_up(arguments: &Arguments, server: &Server) -> Result<Self, SpendsError> {
        let channels = server.connect(arguments.connections).await?;
        let wallets = Wallets::new(channels, arguments.wallets, arguments.grants);
        let begun_at = Instant::now();
        if wallets.set_up().await? {
            let seconds = begun_at.elapsed().as_secs();
            eprintln!("purse: {} wallets made in {seconds} s", arguments.wallets);
        } else {
            eprintln!("purse: {} wallets found", arguments.wallets);
        }
        Ok(Self {
            total_before: wallets.total().await?,
            wallets,
            seeds: Seeds::new(arguments.seed, arguments.run),
            acknowledged: 0,
            failures: Failures::default(),
        })
    }

    async fn round(&mut self, arguments: &Arguments, hot: bool) -> Result<Round, SpendsError> {
        let callers = spenders(&self.wallets, hot, arguments.callers, &mut self.seeds);
        let tally = closed_loop(callers, arguments.pace.window()).await?;
        let round = tally.round(arguments.pace.window());
        self.acknowledged += tally.acknowledged;
        self.failures.add(tally.failures);
        Ok(round)
    }

    /// Holds what was acknowledged against what the balances say.
    async fn check(self) -> Result<(Check, Failures), SpendsError> {
        let Self { wallets, total_before, acknowledged, failures, .. } = self;
        let after = wallets.total().await?;
        Ok((Check::new(acknowledged, failures.total(), total_before, after), failures))
    }
}
