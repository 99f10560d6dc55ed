//! The workload `mixed`: what an application asks for, all at once, by the same callers.

mod caller;
mod report;

use clap::{Args, value_parser};

use purse_process::Server;

use crate::{
    arguments::{Pace, Place},
    check::{Check, FailedCalls},
    connection::Connection,
    figures::{Round, Summary},
    load::{Failures, Window, closed_loop},
    machine::postgres_settings,
    open_loop::open_loop,
    purse::{steady, take},
    seeds::Seeds,
    session::{RunError, Session},
    wallets::Wallets,
};
use caller::{MixedCaller, Seen, callers};
use report::Report;

/// Flags of `purse-bench mixed`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Callers at once.
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u32).range(1..))]
    pub callers: u32,
    /// HTTP/2 connections that they share.
    #[arg(long, default_value_t = 8, value_parser = value_parser!(u32).range(1..))]
    pub connections: u32,
    /// Wallets.
    #[arg(long, default_value_t = 10_000, value_parser = value_parser!(u64).range(1..))]
    pub wallets: u64,
    #[command(flatten)]
    pub pace: Pace,
    #[command(flatten)]
    pub place: Place,
}

/// Runs the workload and prints its report.
pub async fn run(arguments: &Arguments) -> Result<(), RunError> {
    let place = &arguments.place;
    let session = Session::begin(place).await?;
    let work = async |server: &Server, url: &str| measure(arguments, &session, server, url).await;
    let report = session.with_server(place, work).await?;
    println!("{report}");
    place.write(&report)?;
    report.check.verdict()?;
    Ok(())
}

async fn measure(
    arguments: &Arguments,
    session: &Session,
    server: &Server,
    url: &str,
) -> Result<Report, RunError> {
    let postgres = postgres_settings(&session.programs, url).await?;
    let Arguments { callers: count, connections, wallets, pace, .. } = arguments;
    let wallets = Wallets::new(Connection::open(server, *connections).await?, *wallets, 5);
    wallets.set_up().await?;
    let before = wallets.total().await?;
    let mut seeds = Seeds::new(1, None);
    let window = pace.window();
    let mut failures = Failures::default();

    // What the warm-up sees counts for the check, not for the figures.
    let (warm_up, measured) = (Seen::default(), Seen::default());
    let mut rounds = Vec::new();
    for round in 1..=pace.rounds {
        session.programs.checkpoint(url).await;
        if window.warm_up_seconds > 0 {
            let warming = take(callers(&wallets, &mut seeds, &warm_up), *count);
            closed(warming, window.warm_up_seconds, &mut failures).await?;
        }
        let measuring = take(callers(&wallets, &mut seeds, &measured), *count);
        let one = closed(measuring, window.measured_seconds, &mut failures).await?;
        eprintln!("round {round} of {}: {} operations/s", pace.rounds, one.calls_per_second);
        rounds.push(one);
    }

    let summary = Summary::of(&rounds).ok_or(RunError::NoSuchSide)?;
    let half_per_second = summary.median / 2;
    let at_half = Seen::default();
    let phases = steady(half_per_second, window);
    let open = open_loop(callers(&wallets, &mut seeds, &at_half), &phases, &mut seeds).await?;
    failures.add(open.failures);
    let half = open.phases.last().map(|phase| phase.accepted.percentiles());

    let (mut spent, mut granted) = (0, 0);
    for seen in [&warm_up, &measured, &at_half] {
        spent += seen.spent();
        granted += seen.granted();
    }
    let before = before + rust_decimal::Decimal::from(granted);
    Ok(Report {
        load: format!(
            "{} wallets; {count} callers on {connections} connections; {}",
            arguments.wallets,
            pace.in_words()
        ),
        machine: session.machine,
        postgres,
        summary,
        operations: report::operations(&measured),
        half_per_second,
        half: half.ok_or(RunError::NoSuchSide)?,
        check: Check::new(spent, failures.total(), before, wallets.total().await?),
        failures: FailedCalls::of(failures),
    })
}

/// All callers for so many seconds, each waiting for its answers.
async fn closed(
    callers: Vec<MixedCaller>,
    measured_seconds: u64,
    failures: &mut Failures,
) -> Result<Round, RunError> {
    let window = Window { warm_up_seconds: 0, measured_seconds };
    let tally = closed_loop(callers, window).await?;
    let round = tally.round(window);
    failures.add(tally.failures);
    Ok(round)
}
