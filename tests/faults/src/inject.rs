//! The faults themselves, for as long as a run lasts. When they end, everything runs again.

use std::time::Duration;

use fastrand::Rng;
use purse_proto::testing::v1::{
    AdvanceTimeRequest, test_clock_service_client::TestClockServiceClient,
};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep, sleep_until};
use tonic::{Status, transport::Channel};

use crate::{error::RunError, fault::Fault, stage::Stage};

/// Between two blows, at most: recovery takes a second or two, and then there should be some load.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// About so many are in a short run.
const BLOWS: u32 = 3;
const TERMINATIONS: Duration = Duration::from_millis(300);
/// How long a disk stays full and a database away, and a server serves before the next one is stopped.
const AWAY: Duration = Duration::from_millis(500);
/// A PostgreSQL that was struck takes connections again within this.
const RESTART: Duration = Duration::from_mins(1);
/// How much the second server's clock is ahead.
const SKEW_SECONDS: i64 = 3_600;
/// Test clocks stand still; these go. Also between two looks at what starts again.
const TICK: Duration = Duration::from_millis(20);

/// Every backend of the database but the one that asks.
const TERMINATE: &str = "
    SELECT count(*) FILTER (WHERE pg_terminate_backend(pid))
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()";

/// Faults, and how often they struck; `None`: they cannot be counted. Those that it takes time to recover from strike
/// `least` times, if it takes longer than asked for.
pub async fn inject(
    fault: Fault,
    stage: &mut Stage,
    time: Duration,
    least: u64,
    dice: &mut Rng,
) -> Result<Option<u64>, RunError> {
    let ends_at = Instant::now() + time;
    let blows = Blows { ends_at, pause: (time / (BLOWS + 1)).min(LONGEST_PAUSE), least };
    match fault {
        Fault::KillServer => kill_server(stage, blows, dice).await.map(Some),
        Fault::KillPostgres => signal(stage, Signal::KILL, blows, dice).await.map(Some),
        Fault::StopImmediate => signal(stage, Signal::QUIT, blows, dice).await.map(Some),
        Fault::TerminateBackends => terminate(stage, ends_at).await.map(Some),
        Fault::CutBeforeCommit | Fault::CutAfterCommit | Fault::SlowReplies => {
            Ok(meddle(stage, ends_at).await)
        }
        Fault::RollingRestart => roll(stage, ends_at).await.map(Some),
        Fault::TwoServers | Fault::Deadlines | Fault::ManyCallers => {
            sleep_until(ends_at).await;
            Ok(None)
        }
        Fault::FullDisk => fill(stage, blows, dice).await.map(Some),
        Fault::ClocksApart => tick(stage, ends_at).await.map(|()| None),
        Fault::LateDatabase => come_late(stage, blows, dice).await.map(Some),
    }
}

/// When faults strike that it takes time to recover from.
#[derive(Debug, Clone, Copy)]
struct Blows {
    ends_at: Instant,
    pause: Duration,
    least: u64,
}

impl Blows {
    /// Waits for the next one after so many, half of the pause at least; whether there is one.
    async fn next(&self, struck: u64, dice: &mut Rng) -> bool {
        let micros = u64::try_from(self.pause.as_micros()).unwrap_or(u64::MAX);
        let strikes_at = Instant::now() + Duration::from_micros(dice.u64(micros / 2..=micros));
        let is_due = struck < self.least || strikes_at < self.ends_at;
        sleep_until(if is_due { strikes_at } else { self.ends_at }).await;
        is_due
    }
}

async fn kill_server(stage: &mut Stage, blows: Blows, dice: &mut Rng) -> Result<u64, RunError> {
    let mut killed = 0;
    while blows.next(killed, dice).await {
        stage.kill_server(0).await?;
        stage.start_server(0)?;
        stage.ready().await?;
        killed += 1;
    }
    Ok(killed)
}

/// Its supervisor starts it again. The next one strikes some time after that, so that it strikes under load.
async fn signal(
    stage: &mut Stage,
    signal: Signal,
    blows: Blows,
    dice: &mut Rng,
) -> Result<u64, RunError> {
    let mut sent = 0;
    while blows.next(sent, dice).await {
        let struck = stage.postmaster();
        let Some(postmaster) = struck.and_then(Pid::from_raw) else { continue };
        sent += u64::from(kill_process(postmaster, signal).is_ok());
        let gives_up_at = Instant::now() + RESTART;
        while stage.postmaster() == struck || stage.sql().await.is_err() {
            if Instant::now() > gives_up_at {
                return Err(RunError::NotRestarted { waited: RESTART });
            }
            sleep(TICK).await;
        }
    }
    Ok(sent)
}

async fn terminate(stage: &Stage, ends_at: Instant) -> Result<u64, RunError> {
    let sql = stage.sql().await?;
    let mut terminated = 0;
    while Instant::now() < ends_at {
        sleep(TERMINATIONS).await;
        let backends: i64 = sql.query_one(TERMINATE, &[]).await?.try_get(0)?;
        terminated += u64::try_from(backends).unwrap_or_default();
    }
    Ok(terminated)
}

async fn meddle(stage: &Stage, ends_at: Instant) -> Option<u64> {
    let proxy = stage.proxy.as_ref()?;
    proxy.turn(true);
    sleep_until(ends_at).await;
    proxy.turn(false);
    Some(proxy.done())
}

/// One server after the other, as deployments do it.
async fn roll(stage: &mut Stage, ends_at: Instant) -> Result<u64, RunError> {
    let mut restarted = 0;
    while Instant::now() < ends_at {
        for number in 0..stage.servers() {
            stage.stop_server(number).await?;
            stage.start_server(number)?;
            stage.ready().await?;
            sleep(AWAY).await;
            restarted += 1;
        }
    }
    Ok(restarted)
}

async fn fill(stage: &mut Stage, blows: Blows, dice: &mut Rng) -> Result<u64, RunError> {
    let mut filled = 0;
    while blows.next(filled, dice).await {
        let Some(disk) = &mut stage.disk else { break };
        disk.fill()?;
        sleep(AWAY).await;
        disk.grow()?;
        filled += 1;
    }
    stage.ready().await?;
    Ok(filled)
}

async fn come_late(stage: &mut Stage, blows: Blows, dice: &mut Rng) -> Result<u64, RunError> {
    let mut late = 0;
    while blows.next(late, dice).await {
        stage.kill_server(0).await?;
        stage.stop_cluster().await?;
        stage.start_server(0)?;
        sleep(AWAY).await;
        stage.start_cluster().await?;
        stage.ready().await?;
        late += 1;
    }
    Ok(late)
}

/// Sets the second clock ahead, then lets both go.
async fn tick(stage: &Stage, ends_at: Instant) -> Result<(), RunError> {
    let channel = |address| {
        let endpoint = Channel::from_shared(format!("http://{address}"));
        endpoint
            .map(|endpoint| endpoint.connect_lazy())
            .map_err(|error| Status::unknown(error.to_string()))
    };
    let clocks: Result<Vec<_>, Status> = stage
        .addresses()
        .map(|address| channel(address).map(TestClockServiceClient::new))
        .collect();
    let mut clocks = clocks.map_err(Box::new)?;
    let ahead = prost_types::Duration { seconds: SKEW_SECONDS, nanos: 0 };
    if let Some(second) = clocks.get_mut(1) {
        second.advance_time(AdvanceTimeRequest { by: Some(ahead) }).await.map_err(Box::new)?;
    }
    let nanos = i32::try_from(TICK.as_nanos()).unwrap_or(i32::MAX);
    let by = prost_types::Duration { seconds: 0, nanos };
    let mut ticks = tokio::time::interval(TICK);
    while Instant::now() < ends_at {
        ticks.tick().await;
        for clock in &mut clocks {
            clock.advance_time(AdvanceTimeRequest { by: Some(by) }).await.map_err(Box::new)?;
        }
    }
    Ok(())
}
