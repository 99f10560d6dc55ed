//! The workload `sizes`: the same calls on small wallets and on a large one, in turns, round by round.

mod arguments;
mod callers;
mod report;
mod wallets;

pub use arguments::Arguments;

use std::time::Instant;

use prost_types::Timestamp;

use purse_process::{Database, Server, Settings, interruptible};

use crate::{
    check::{Check, FailedCalls},
    connection::Connection,
    figures::{Round, Summary},
    load::{Failures, closed_loop},
    machine::postgres_settings,
    seeds::Seeds,
    session::{RunError, Session},
};
use callers::{Asked, Turns, askers};
use report::{Growth, Report, WorkloadReport};
use wallets::{SMALL_GRANTS, Wallets};

/// What the project wants to stay under, in hundredths: printed beside the ratio, not enforced.
const TARGET_HUNDREDTHS: u64 = 150;

/// A caller that waits for nobody: what it takes to read a wallet is then all there is.
const COLD_CALLERS: u32 = 1;

/// Runs the workload and prints its report.
pub async fn run(arguments: &Arguments) -> Result<(), RunError> {
    let Arguments { entries, grants, place, .. } = arguments;
    if entries < grants {
        let (entries, grants) = (*entries, *grants);
        return Err(RunError::FewerEntriesThanGrants { entries, grants });
    }
    let session = Session::begin(place).await?;
    let settings = place.server(&session.folder)?;

    let mut one = Server::start(settings.clone())?;
    let begun = interruptible(async {
        one.ready().await?;
        Ok::<_, RunError>(one.database_url()?)
    })
    .await;
    let measured = match begun {
        Ok(url) => {
            let log = session.folder.path().join("other-server.log");
            let database = Some(Database { url: url.clone(), migrate: true });
            let settings = Settings { database, log, ..settings };
            with_other(arguments, &session, &one, settings, &url).await
        }
        Err(error) => Err(error),
    };
    let stopped = one.stop().await;
    let report = measured?;
    stopped?;

    println!("{report}");
    place.write(&report)?;
    Ok(report.check.verdict()?)
}

/// Measures while another server works on the same database, which is stopped whatever happens.
async fn with_other(
    arguments: &Arguments,
    session: &Session,
    one: &Server,
    settings: Settings,
    url: &str,
) -> Result<Report, RunError> {
    let mut other = Server::start(settings)?;
    let measured = interruptible(async {
        other.ready().await?;
        let connections = arguments.connections;
        let servers = [
            Connection::open(one, connections).await?,
            Connection::open(&other, connections).await?,
        ];
        measure(arguments, session, &servers, url).await
    })
    .await;
    let stopped = other.stop().await;
    let report = measured?;
    stopped?;
    Ok(report)
}

/// What is measured.
#[derive(Debug, Clone, Copy)]
struct Workload {
    name: &'static str,
    call: Call,
    target_hundredths: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    /// The balance now.
    BalanceNow,
    /// The balance halfway through the wallet's past.
    BalanceThen,
    /// A spend from a wallet that the server has kept since the last one.
    WarmSpend,
    /// A spend from a wallet that another server has written to since, so that it has to be read.
    ColdSpend,
}

const WORKLOADS: [Workload; 4] = [
    Workload {
        name: "balance now",
        call: Call::BalanceNow,
        target_hundredths: Some(TARGET_HUNDREDTHS),
    },
    Workload { name: "balance then", call: Call::BalanceThen, target_hundredths: None },
    Workload {
        name: "spend warm",
        call: Call::WarmSpend,
        target_hundredths: Some(TARGET_HUNDREDTHS),
    },
    Workload {
        name: "spend cold",
        call: Call::ColdSpend,
        target_hundredths: Some(TARGET_HUNDREDTHS),
    },
];

/// The small wallets or the large one.
#[derive(Debug)]
struct Side {
    name: &'static str,
    read: Turns,
    spent: Turns,
    middle: Timestamp,
}

/// Makes the wallets and measures all workloads on them.
async fn measure(
    arguments: &Arguments,
    session: &Session,
    servers: &[Vec<Connection>; 2],
    url: &str,
) -> Result<Report, RunError> {
    let Session { programs, machine, .. } = session;
    let postgres = postgres_settings(programs, url).await?;
    let seeds = Seeds::new(0, arguments.run);
    let Arguments { entries, grants, small_wallets, .. } = *arguments;
    let wallets = Wallets::new(servers[0].clone(), (entries, grants), small_wallets, seeds.run());
    let begun_at = Instant::now();
    let made = wallets.make_large().await?;
    let large_made_in_seconds = made.then(|| begun_at.elapsed().as_secs());
    if let Some(seconds) = large_made_in_seconds {
        eprintln!("the large wallet made in {seconds} s");
    }
    wallets.make_small().await?;
    let total_before = wallets.total().await?;
    let (small, large) = (&wallets.small[0], &wallets.large[0]);
    let before = [wallets.extent(small).await?, wallets.extent(large).await?];

    let sides = [
        Side {
            name: "small",
            read: Turns::new(&wallets.still),
            spent: Turns::new(&wallets.small),
            middle: wallets.extent(&wallets.still[0]).await?.middle,
        },
        Side {
            name: "large",
            read: Turns::new(&wallets.large),
            spent: Turns::new(&wallets.large),
            middle: before[1].middle,
        },
    ];
    let mut load = Load {
        arguments,
        servers,
        seeds,
        acknowledged: 0,
        failed: 0,
        failures: Failures::default(),
    };
    let mut workloads = Vec::new();
    for workload in WORKLOADS {
        let mut rounds: [Vec<Round>; 2] = [Vec::new(), Vec::new()];
        for round in 1..=arguments.pace.rounds {
            for (side, rounds) in sides.iter().zip(&mut rounds) {
                programs.checkpoint(url).await;
                let measured = load.round(workload.call, side).await?;
                let (name, rate) = (workload.name, measured.calls_per_second);
                let all = arguments.pace.rounds;
                eprintln!("{name}, round {round} of {all}, {}: {rate} calls/s", side.name);
                rounds.push(measured);
            }
        }
        let [small, large] = rounds.map(|rounds| Summary::of(&rounds));
        let Workload { name, target_hundredths, .. } = workload;
        let (Some(small), Some(large)) = (small, large) else { return Err(RunError::NoSuchSide) };
        workloads.push(WorkloadReport::new(name, target_hundredths, small, large));
    }

    let after = [wallets.extent(small).await?, wallets.extent(large).await?];
    let total_after = wallets.total().await?;
    let growth = |side: usize, grants| Growth {
        grants,
        entries_before: before[side].entries,
        entries_after: after[side].entries,
    };
    Ok(Report {
        load: arguments.load(),
        machine: *machine,
        postgres,
        large_made_in_seconds,
        small: growth(0, SMALL_GRANTS),
        large: growth(1, grants),
        workloads,
        check: Check::new(load.acknowledged, load.failed, total_before, total_after),
        failures: FailedCalls::of(load.failures),
    })
}

/// The load between its rounds.
struct Load<'a> {
    arguments: &'a Arguments,
    servers: &'a [Vec<Connection>; 2],
    seeds: Seeds,
    /// Spends that were acknowledged, and that failed.
    acknowledged: u64,
    failed: u64,
    failures: Failures,
}

impl Load<'_> {
    async fn round(&mut self, call: Call, side: &Side) -> Result<Round, RunError> {
        let [one, other] = self.servers;
        let callers = self.arguments.callers;
        let (servers, callers): (&[&[Connection]], u32) = match call {
            Call::BalanceNow | Call::BalanceThen | Call::WarmSpend => (&[one], callers),
            Call::ColdSpend => (&[one, other], COLD_CALLERS),
        };
        let (turns, asked) = match call {
            Call::BalanceNow => (&side.read, Asked::Balance(None)),
            Call::BalanceThen => (&side.read, Asked::Balance(Some(side.middle))),
            Call::WarmSpend | Call::ColdSpend => (&side.spent, Asked::Spend),
        };
        let askers = askers(servers, turns, asked, callers, &mut self.seeds);
        let window = self.arguments.pace.window();
        let tally = closed_loop(askers, window).await?;
        let round = tally.round(window);
        if asked == Asked::Spend {
            self.acknowledged += tally.acknowledged;
            self.failed += tally.failures.total();
        }
        self.failures.add(tally.failures);
        Ok(round)
    }
}
