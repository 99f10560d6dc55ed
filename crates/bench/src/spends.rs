//! The workload `spends`: both sides on one PostgreSQL, in turns, round by round.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::Instant,
};

use rust_decimal::Decimal;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    arguments::{Arguments, Side},
    figures::{Round, Summary},
    folder::Folder,
    load::{FailureCount, LoadError, closed_loop},
    machine::{Machine, postgres_settings},
    naive::{self, Naive, NaiveError},
    postgres::{PostgresError, Programs},
    report::{Check, Failures, Report, WorkloadReport},
    server::{self, Server, ServerError},
    spender::{Seeds, spenders},
    wallets::{AMOUNT, Wallets, WalletsError},
};

/// What the project wants to reach, in hundredths: printed beside the ratio, not enforced.
const TARGET_MANY_HUNDREDTHS: u64 = 250;
const TARGET_HOT_HUNDREDTHS: u64 = 800;

/// Why there are no figures.
#[derive(Debug, Error)]
pub enum SpendsError {
    #[error("interrupted")]
    Interrupted,
    #[error("the files of the run")]
    Files(#[from] io::Error),
    #[error("PostgreSQL's programs")]
    Postgres(#[from] PostgresError),
    #[error("the server under load")]
    Server(#[from] ServerError),
    #[error("the wallets of the run")]
    Wallets(#[from] WalletsError),
    #[error("the load on Purse")]
    Load(#[from] LoadError),
    #[error("the naive side")]
    Naive(#[from] NaiveError),
    #[error("the report as JSON")]
    Json(#[from] serde_json::Error),
    #[error(
        "the balances say that {booked} was spent, {acknowledged} spends were acknowledged and \
         {failed} failed"
    )]
    Mismatch { booked: Decimal, acknowledged: u64, failed: u64 },
}

/// Runs the workload and prints its report.
pub async fn run(arguments: &Arguments) -> Result<(), SpendsError> {
    if cfg!(debug_assertions) {
        eprintln!("A debug build: the figures mean nothing. Run it with --release.");
    }
    let programs = Programs::find(arguments.pg_bin.as_deref()).await?;
    let machine = Machine::look().await;
    let folder = Folder::create()?;
    let report = if arguments.only == Some(Side::Naive)
        && let Some(url) = &arguments.database
    {
        interruptible(measure(arguments, machine, &programs, &folder, None, url)).await?
    } else {
        with_server(arguments, machine, &programs, &folder).await?
    };

    println!("{report}");
    if let Some(file) = &arguments.json {
        fs::write(file, serde_json::to_string_pretty(&report)?)?;
        eprintln!("Written to {}.", file.display());
    }
    report.check.as_ref().map_or(Ok(()), verdict)
}

/// Runs everything while a server serves, which is stopped whatever happens.
async fn with_server(
    arguments: &Arguments,
    machine: Machine,
    programs: &Programs,
    folder: &Folder,
) -> Result<Report, SpendsError> {
    let data = arguments.data_dir.clone().unwrap_or_else(|| folder.path().join("data"));
    let mut server = Server::start(server::Settings {
        purse: arguments.purse.clone().map_or_else(purse_beside_this, Ok)?,
        data,
        database_url: arguments.database.clone(),
        log: folder.path().join("server.log"),
    })?;
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

fn purse_beside_this() -> io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("purse"))
}

/// Ends early, in order, when the user or the system asks for it.
async fn interruptible<T>(
    work: impl Future<Output = Result<T, SpendsError>>,
) -> Result<T, SpendsError> {
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        outcome = work => outcome,
        _ = tokio::signal::ctrl_c() => Err(SpendsError::Interrupted),
        _ = terminated.recv() => Err(SpendsError::Interrupted),
    }
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
        for round in 1..=arguments.rounds {
            if let Some(purse) = &mut purse {
                checkpoint(programs, url).await;
                let measured = purse.round(arguments, hot).await?;
                announce(name, round, arguments.rounds, "purse", &measured);
                rounds[0].push(measured);
            }
            if let Some(naive) = &mut naive {
                checkpoint(programs, url).await;
                let measured = naive.round(hot, arguments.window()).await?;
                announce(name, round, arguments.rounds, "naive", &measured);
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
        None => (None, BTreeMap::new()),
    };
    Ok(Report {
        load: arguments.load(),
        machine,
        postgres,
        workloads,
        check,
        failures: failures.into_iter().map(Failures::from).collect(),
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

/// Writes out what one side left behind, so that it does not slow the other down.
async fn checkpoint(programs: &Programs, url: &str) {
    if let Err(error) = programs.query(url, "CHECKPOINT").await {
        eprintln!("No checkpoint between the sides: {error}");
    }
}

fn announce(workload: &str, round: u32, rounds: u32, side: &str, measured: &Round) {
    eprintln!(
        "{workload}, round {round} of {rounds}, {side}: {} spends/s",
        measured.spends_per_second
    );
}

/// Our side between its rounds.
#[derive(Debug)]
struct Purse {
    wallets: Wallets,
    seeds: Seeds,
    total_before: Decimal,
    acknowledged: u64,
    failures: BTreeMap<String, FailureCount>,
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
            failures: BTreeMap::new(),
        })
    }

    async fn round(&mut self, arguments: &Arguments, hot: bool) -> Result<Round, SpendsError> {
        let callers = spenders(&self.wallets, hot, arguments.callers, &mut self.seeds);
        let tally = closed_loop(callers, arguments.window()).await?;
        let round = tally.round(arguments.window());
        self.acknowledged += tally.acknowledged;
        for (code, FailureCount { count, first_message }) in tally.failures {
            self.failures
                .entry(code)
                .or_insert_with(|| FailureCount { count: 0, first_message })
                .count += count;
        }
        Ok(round)
    }

    /// Holds what was acknowledged against what the balances say.
    async fn check(self) -> Result<(Check, BTreeMap<String, FailureCount>), SpendsError> {
        let booked = (self.total_before - self.wallets.total().await?) / Decimal::from(AMOUNT);
        let failed = self.failures.values().map(|failure| failure.count).sum();
        Ok((
            Check { acknowledged: self.acknowledged, failed, booked: booked.normalize() },
            self.failures,
        ))
    }
}

/// A call that failed may have been booked all the same: its answer may be what got lost. More than
/// that, or an acknowledged spend that is not booked, is an error of Purse.
fn verdict(check: &Check) -> Result<(), SpendsError> {
    let Check { acknowledged, failed, booked } = *check;
    if booked >= acknowledged.into() && booked <= (acknowledged + failed).into() {
        return Ok(());
    }
    Err(SpendsError::Mismatch { booked, acknowledged, failed })
}

#[cfg(test)]
mod tests {
    use super::{Check, verdict};

    #[test]
    fn acknowledged_spends_must_be_booked_and_others_only_if_they_failed() {
        for (acknowledged, failed, booked, accepted) in [
            (100, 0, 100, true),
            (100, 0, 99, false),
            (100, 0, 101, false),
            (100, 2, 102, true),
            (100, 2, 103, false),
        ] {
            let check = Check { acknowledged, failed, booked: booked.into() };
            assert_eq!(verdict(&check).is_ok(), accepted, "{check:?}");
        }
    }
}
