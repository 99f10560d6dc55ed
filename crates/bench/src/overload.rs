//! The workload `overload`: an open loop of more than Purse can do, and what comes after it.
//!
//! First what it can do is measured; then half of that is asked for, then a multiple, then half again.

mod arguments;
mod report;

pub use arguments::Arguments;

use purse_process::Server;

use crate::{
    check::FailedCalls,
    load::Window,
    machine::postgres_settings,
    open_loop::Phase,
    purse::Purse,
    session::{RunError, Session},
};
use report::Report;

/// Before the overload, as a check that half of the peak is no trouble, and after it, to see what recovers.
const CALM_SECONDS: u64 = 5;
/// Of the overload, until all queues are full: not measured.
const FILLING_SECONDS: u64 = 3;

/// Runs the workload and prints its report.
pub async fn run(arguments: &Arguments) -> Result<(), RunError> {
    let place = &arguments.place;
    let session = Session::begin(place).await?;
    let work = async |server: &Server, url: &str| measure(arguments, &session, server, url).await;
    let report = session.with_server_that_gives_way(place, work).await?;
    println!("{report}");
    place.write(&report)?;
    arguments.plot.write(&report.chart())?;
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
    let Arguments { spread, callers, times, seconds, warm_up, .. } = *arguments;
    let mut purse = Purse::set_up(arguments.purse(), server).await?;

    session.programs.checkpoint(url).await;
    let window = Window { warm_up_seconds: warm_up, measured_seconds: seconds };
    let peak = purse.closed(spread, callers, window).await?.calls_per_second;
    eprintln!("{peak} spends/s by {callers} callers who wait for their answers");

    session.programs.checkpoint(url).await;
    let (calm, overload) = (peak / 2, peak * times);
    let phases = [
        Phase { calls_per_second: calm, seconds: CALM_SECONDS },
        Phase { calls_per_second: overload, seconds: FILLING_SECONDS },
        Phase { calls_per_second: overload, seconds },
        Phase { calls_per_second: calm, seconds: CALM_SECONDS },
    ];
    let tally = purse.open(spread, &phases).await?;
    let (check, failures) = purse.check().await?;
    let [before, _, during, after] = tally.phases.as_slice() else {
        return Err(RunError::NoSuchSide);
    };
    Ok(Report {
        load: arguments.load(),
        machine: session.machine,
        postgres,
        peak_per_second: peak,
        before: before.into(),
        during: report::During::new(during, peak, seconds),
        after: after.into(),
        slices: tally.slices,
        failures: FailedCalls::of(failures),
        check,
    })
}
