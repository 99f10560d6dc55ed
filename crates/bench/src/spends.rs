//! The workload `spends`: all sides on one PostgreSQL, in turns, round by round, each as fast as it can; then Purse and the
//! naive side at half of their own best.

mod arguments;
mod report;
mod sides;

pub use arguments::Arguments;

use purse_process::{Server, interruptible};

use crate::{
    arguments::Pace,
    check::FailedCalls,
    figures::{Round, Summary},
    load::Failures,
    machine::postgres_settings,
    naive::Script,
    session::{RunError, Session},
    spread::Spread,
};
use arguments::Side;
use report::{HEALTH_CHECKS, Half, OURS, Report, SideReport, WorkloadReport};
use sides::Sides;

/// Runs the workload and prints its report.
pub async fn run(arguments: &Arguments) -> Result<(), RunError> {
    let place = &arguments.place;
    let session = Session::begin(place).await?;
    let report = if arguments.only == Some(Side::Naive)
        && let Some(url) = &place.database
    {
        interruptible(measure(arguments, &session, None, url)).await?
    } else {
        let work = async |server: &Server, url: &str| {
            measure(arguments, &session, Some(server), url).await
        };
        session.with_server(place, work).await?
    };

    println!("{report}");
    place.write(&report)?;
    arguments.plot.write(&report.chart())?;
    if let Some(check) = report.check {
        check.verdict()?;
    }
    Ok(())
}

/// Sets all sides up and measures all workloads. Without a server there is only the naive side.
async fn measure(
    arguments: &Arguments,
    session: &Session,
    server: Option<&Server>,
    url: &str,
) -> Result<Report, RunError> {
    let postgres = postgres_settings(&session.programs, url).await?;
    let mut sides = Sides::set_up(arguments, session, server, url).await?;
    let health_checks = health_checks(&sides, arguments).await?;
    let mut workloads = Vec::new();
    for spread in &arguments.workloads {
        workloads.push(workload(&mut sides, arguments, *spread).await?);
    }

    let Sides { purse, naive, .. } = sides;
    let naive_spends = match naive {
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
        machine: session.machine,
        postgres,
        health_checks,
        workloads,
        check,
        failures: FailedCalls::of(failures),
        naive_spends,
    })
}

/// What gRPC alone makes: a turn with each number of callers.
async fn health_checks(
    sides: &Sides<'_>,
    arguments: &Arguments,
) -> Result<Vec<SideReport>, RunError> {
    let Some(purse) = &sides.purse else { return Ok(Vec::new()) };
    let mut measured = Vec::new();
    for callers in &arguments.callers {
        let round = purse.health_checks(*callers, arguments.pace.window()).await?;
        eprintln!("health checks with {callers}: {} calls/s", round.calls_per_second);
        let summary = Summary::of(&[round]);
        let side = HEALTH_CHECKS;
        measured.extend(summary.map(|summary| SideReport { side, callers: *callers, summary }));
    }
    Ok(measured)
}

/// One side with so many callers or clients, and what its rounds measured.
struct Contender {
    script: Option<Script>,
    callers: u32,
    rounds: Vec<Round>,
}

async fn workload(
    sides: &mut Sides<'_>,
    arguments: &Arguments,
    spread: Spread,
) -> Result<WorkloadReport, RunError> {
    let mut contenders = Vec::new();
    if sides.purse.is_some() {
        contenders.extend(arguments.callers.iter().map(|callers| (None, *callers)));
    }
    if let Some(naive) = &mut sides.naive {
        for script in [Script::Naive, Script::OneStatement] {
            let clients = naive.best_clients(script, spread, &arguments.naive_clients).await?;
            contenders.push((Some(script), clients));
        }
    }
    let with_rounds = |(script, callers)| Contender { script, callers, rounds: Vec::new() };
    let mut contenders: Vec<Contender> = contenders.into_iter().map(with_rounds).collect();

    let Pace { rounds, .. } = arguments.pace;
    for round in 1..=rounds {
        for Contender { script, callers, rounds: measured } in &mut contenders {
            let one = sides.round(*script, spread, *callers).await?;
            eprintln!(
                "{}, round {round} of {rounds}, {} with {callers}: {} spends/s",
                spread.name(),
                script.map_or(OURS, Script::name),
                one.calls_per_second
            );
            measured.push(one);
        }
    }

    let mut measured = Vec::new();
    for Contender { script, callers, rounds } in contenders {
        let side = script.map_or(OURS, Script::name);
        let summary = Summary::of(&rounds);
        measured.extend(summary.map(|summary| SideReport { side, callers, summary }));
    }
    let mut halves = Vec::new();
    for script in [None, Some(Script::Naive)] {
        let side = script.map_or(OURS, Script::name);
        let ours = measured.iter().filter(|measured| measured.side == side);
        let Some(best) = ours.max_by_key(|measured| measured.summary.median) else { continue };
        let rate = best.summary.median / 2;
        let latencies = sides.at_rate(script, spread, best.callers, rate).await?;
        halves.push(Half::new(side, rate, &latencies, arguments.pace.seconds));
    }
    Ok(WorkloadReport::new(spread, measured, halves))
}
