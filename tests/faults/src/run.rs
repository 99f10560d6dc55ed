//! One run: set up, load under a fault, verdict, report.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use fastrand::Rng;
use purse_process::interruptible;
use tokio::time::Instant;

use crate::{
    check::{Verdict, check},
    error::RunError,
    fault::{Calling, Fault},
    inject::inject,
    load::Load,
    plant::Bug,
    stage::{Plan, Stage},
    world::World,
};

/// What a run is told.
#[derive(Debug, Clone)]
pub struct Orders {
    pub purse: PathBuf,
    pub time: Duration,
    pub seed: u64,
    /// As many at least as the fault wants.
    pub callers: Option<u32>,
}

/// Enough that batches hold several calls.
const CALLERS: u32 = 64;

/// What an immediate stop loses of asynchronous commits is the last page of the log, so one stop may lose nothing.
const LEAST_WITH_A_BUG: u64 = 4;

/// What came out.
#[derive(Debug)]
pub struct Report {
    pub fault: Fault,
    pub seed: u64,
    /// How long the load took, with what it takes to finish.
    pub load_time: Duration,
    pub acknowledged: usize,
    pub retries: u64,
    pub late: u64,
    /// The longest that a caller waited for an answer, with all tries.
    pub longest: Duration,
    /// How often the fault struck; `None`: it lasts.
    pub injected: Option<u64>,
    pub verdict: Verdict,
}

impl Report {
    /// Whether all held that must hold.
    pub fn is_good(&self) -> bool {
        self.verdict.is_clean()
            && self.acknowledged > 0
            && self.injected != Some(0)
            && !self.has_failed_calls()
    }

    /// With a rolling restart the client's own retries are enough.
    fn has_failed_calls(&self) -> bool {
        self.fault.shape().caller == Calling::Balanced && self.retries > 0
    }
}

/// Runs one fault, with a planted bug or without.
pub async fn run(fault: Fault, bug: Option<Bug>, orders: &Orders) -> Result<Report, RunError> {
    let plan = Plan {
        fault,
        purse: orders.purse.clone(),
        asynchronous_commit: bug == Some(Bug::AsynchronousCommit),
        fresh_keys: bug == Some(Bug::FreshKeys),
    };
    let mut dice = Rng::with_seed(orders.seed);
    let mut stage = Stage::set_up(plan, &mut dice).await?;
    let outcome = interruptible(play(fault, bug, orders, &mut stage, &mut dice)).await;
    if bug.is_none() && !outcome.as_ref().is_ok_and(Report::is_good) {
        stage.show_logs();
    }
    stage.clear().await;
    outcome
}

async fn play(
    fault: Fault,
    bug: Option<Bug>,
    orders: &Orders,
    stage: &mut Stage,
    dice: &mut Rng,
) -> Result<Report, RunError> {
    let patient = stage.patient_clients()?;
    let world = Arc::new(World::open(&patient[0]).await?);
    let callers = orders.callers.max(fault.shape().callers).unwrap_or(CALLERS);
    let least = bug.map_or(1, |_| LEAST_WITH_A_BUG);
    let begun_at = Instant::now();
    let load = Load::start(callers, &stage.routes(dice)?, &world, dice);
    let injected = inject(fault, stage, orders.time, least, dice).await?;
    stage.ready().await?;
    let record = load.finish().await?;
    let load_time = begun_at.elapsed();
    if let Some(bug) = bug {
        bug.edit(stage).await?;
    }
    let (acknowledged, longest) = (record.done.len(), record.longest);
    let (retries, late) = (record.retries, record.late);
    let verdict = check(stage, &world, record).await?;
    let seed = orders.seed;
    Ok(Report { fault, seed, load_time, acknowledged, retries, late, longest, injected, verdict })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            fault,
            seed,
            load_time,
            acknowledged,
            retries,
            late,
            longest,
            injected,
            verdict,
        } = self;
        let Verdict {
            lost,
            doubled,
            wrong_balances,
            contradictions,
            unsound,
            wallets,
            entries,
            findings,
        } = verdict;
        let struck = injected.map_or("throughout".to_owned(), |count| count.to_string());
        write!(
            f,
            "{}: seed {seed}, {} s, faults {struck}, acknowledged {acknowledged}, retries {retries} \
             ({late} for want of time), longest wait {} ms, lost {lost}, doubled {doubled}, wrong balances {wrong_balances}, \
             contradictions {contradictions}, verify: {unsound} of {wallets} wallets unsound, {entries} entries",
            fault.name(),
            load_time.as_secs(),
            longest.as_millis(),
        )?;
        if self.has_failed_calls() {
            write!(f, "\n  {retries} calls failed although the client retries")?;
        }
        if self.injected == Some(0) {
            write!(f, "\n  the fault never struck")?;
        }
        findings.iter().try_for_each(|finding| write!(f, "\n  {finding}"))
    }
}
