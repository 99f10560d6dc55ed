//! The open loop: calls become due at a given rate, whether or not those before them have been answered.
//!
//! Latency counts from the instant at which a call was due, not from when it was sent: what waits because the server, the
//! connection or this very bench is late, is late in the figures as well.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::{runtime::Handle, sync::mpsc};

use crate::{
    figures::Latencies,
    load::{Caller, Failure, Failures, LoadError, STRAGGLERS_SECONDS},
    seeds::{Seed, Seeds},
};

/// An accepted call that takes longer is no good answer.
pub const LATE_MICROS: u64 = 250_000;
/// The timeline has a slice for each tenth of a second.
pub const SLICE_MICROS: u64 = 100_000;
const SECOND_MICROS: u64 = 1_000_000;
/// The dispatcher sleeps no shorter: what it then sends late counts as late.
const SHORTEST_SLEEP: Duration = Duration::from_micros(200);

/// A time of one rate.
#[derive(Debug, Clone, Copy)]
pub struct Phase {
    /// Calls that become due, on average: their instants are by chance, as those of callers who know nothing of each
    /// other are. At most a million.
    pub calls_per_second: u64,
    pub seconds: u64,
}

/// What became of the calls that were due in a phase, whenever they were answered.
#[derive(Debug, Clone)]
pub struct PhaseTally {
    /// Calls that were due.
    pub due: u64,
    /// How long after they were due they were made: what this bench, or its processors, were late.
    pub made: Latencies,
    /// Of those that were acknowledged.
    pub accepted: Latencies,
    /// Of those that were refused before any work.
    pub refused: Latencies,
    /// Those that failed otherwise.
    pub failed: u64,
    /// Acknowledgements that arrived while the phase lasted, of whichever call, none of them late.
    pub good_answers: u64,
    /// When the last call was due that got no good answer, from the beginning of the phase.
    pub last_bad_micros: Option<u64>,
}

/// A tenth of a second.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Slice {
    /// Calls that became due.
    pub due: u64,
    /// Answers that arrived: acknowledged and not late, refused before any work, and all others.
    pub good: u64,
    pub refused: u64,
    pub other: u64,
}

/// What all calls came to.
#[derive(Debug)]
pub struct OpenTally {
    /// In the order of the phases.
    pub phases: Vec<PhaseTally>,
    pub slices: Vec<Slice>,
    /// All that were acknowledged.
    pub acknowledged: u64,
    /// All that were not, refused ones included, by code.
    pub failures: Failures,
}

/// Makes calls due by chance, phase by phase, and waits for all answers.
pub async fn open_loop<C: Caller>(
    callers: impl Iterator<Item = C> + Send + 'static,
    phases: &[Phase],
    seeds: &mut Seeds,
) -> Result<OpenTally, LoadError> {
    // Before the first is due: to draw them takes the processors too.
    let arrivals = Arrivals::new(phases, seeds.next_caller()).collect();
    on_schedule(callers, arrivals, ends(phases)).await
}

/// Makes calls due when `arrivals` says, in microseconds from now and in order, and waits for all answers. `callers` never
/// ends: a call that finds no idle caller takes a new one, so that none waits for another. A phase ends at each of `ends`.
pub async fn on_schedule<C: Caller>(
    callers: impl Iterator<Item = C> + Send + 'static,
    arrivals: Vec<u64>,
    ends: Vec<u64>,
) -> Result<OpenTally, LoadError> {
    let begun_at = Instant::now();
    let last = ends.last().copied().unwrap_or_default();
    let record = Arc::new(Mutex::new(Record::new(ends)));
    // Nothing is sent: the last sender goes with the last call, and this receiver if nobody waits any more.
    let (running, mut ended) = mpsc::channel(1);
    let dispatcher = Dispatcher { begun_at, record: Arc::clone(&record), running };
    let runtime = Handle::current();
    let sent =
        tokio::task::spawn_blocking(move || dispatcher.dispatch(&runtime, arrivals, callers));

    let gives_up_after = Duration::from_micros(last) + Duration::from_secs(STRAGGLERS_SECONDS);
    tokio::time::timeout_at((begun_at + gives_up_after).into(), ended.recv())
        .await
        .map_err(|_| LoadError::Unanswered)?;
    sent.await?;
    let record = std::mem::replace(&mut *locked(&record), Record::new(Vec::new()));
    Ok(record.tally)
}

/// When each phase ends, in microseconds from the beginning of the first.
fn ends(phases: &[Phase]) -> Vec<u64> {
    let mut end = 0;
    let end_of = |phase: &Phase| {
        end += phase.seconds * SECOND_MICROS;
        end
    };
    phases.iter().map(end_of).collect()
}

/// Sends what is due.
struct Dispatcher {
    begun_at: Instant,
    record: Arc<Mutex<Record>>,
    running: mpsc::Sender<()>,
}

impl Dispatcher {
    fn dispatch<C: Caller>(
        self,
        runtime: &Handle,
        arrivals: Vec<u64>,
        mut callers: impl Iterator<Item = C>,
    ) {
        let Self { begun_at, record, running } = self;
        let idle: Arc<Mutex<Vec<C>>> = Arc::default();
        for due_micros in arrivals {
            if running.is_closed() {
                return;
            }
            let due_at = begun_at + Duration::from_micros(due_micros);
            let wait = due_at.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                thread::sleep(wait.max(SHORTEST_SLEEP));
            }
            let waiting = locked(&idle).pop();
            let Some(mut caller) = waiting.or_else(|| callers.next()) else { return };
            let (idle, record, running) = (Arc::clone(&idle), Arc::clone(&record), running.clone());
            runtime.spawn(async move {
                let micros = || u64::try_from(begun_at.elapsed().as_micros()).unwrap_or(u64::MAX);
                let made_micros = micros();
                let outcome = caller.call().await;
                locked(&record).add(due_micros, made_micros, micros(), outcome);
                locked(&idle).push(caller);
                drop(running);
            });
        }
    }
}

/// When calls are due: each microsecond has the same chance of one, and none remembers the others.
struct Arrivals {
    seed: Seed,
    micros: u64,
    /// Where phases end, and their calls in a million microseconds.
    phases: std::vec::IntoIter<(u64, u64)>,
    phase: Option<(u64, u64)>,
}

impl Arrivals {
    fn new(phases: &[Phase], seed: Seed) -> Self {
        let rates = phases.iter().map(|phase| phase.calls_per_second);
        let mut phases = ends(phases).into_iter().zip(rates).collect::<Vec<_>>().into_iter();
        Self { seed, micros: 0, phase: phases.next(), phases }
    }
}

impl Iterator for Arrivals {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        while let Some((end, rate)) = self.phase {
            while self.micros < end {
                self.micros += 1;
                if self.seed.draw(self.micros, SECOND_MICROS) < rate {
                    return Some(self.micros - 1);
                }
            }
            self.phase = self.phases.next();
        }
        None
    }
}

/// Where calls write down what became of them.
struct Record {
    ends: Vec<u64>,
    tally: OpenTally,
}

impl Record {
    fn new(ends: Vec<u64>) -> Self {
        let tally = OpenTally {
            phases: ends.iter().map(|_| PhaseTally::new()).collect(),
            slices: Vec::new(),
            acknowledged: 0,
            failures: Failures::default(),
        };
        Self { ends, tally }
    }

    fn add(&mut self, due: u64, made: u64, answered: u64, outcome: Result<(), Failure>) {
        let latency = answered.saturating_sub(due);
        let good = outcome.is_ok() && latency <= LATE_MICROS;
        let refused = outcome.as_ref().is_err_and(|failure| failure.refused);
        self.slice(due).due += 1;
        let slice = self.slice(answered);
        *(if good {
            &mut slice.good
        } else if refused {
            &mut slice.refused
        } else {
            &mut slice.other
        }) += 1;
        if good && let Some(phase) = self.phase(answered) {
            self.tally.phases[phase].good_answers += 1;
        }
        if let Some(phase) = self.phase(due) {
            let begin = phase.checked_sub(1).map_or(0, |before| self.ends[before]);
            let phase = &mut self.tally.phases[phase];
            phase.due += 1;
            phase.made.record(made.saturating_sub(due));
            match &outcome {
                Ok(()) => phase.accepted.record(latency),
                Err(_) if refused => phase.refused.record(latency),
                Err(_) => phase.failed += 1,
            }
            if !good {
                phase.last_bad_micros = phase.last_bad_micros.max(Some(due - begin));
            }
        }
        match outcome {
            Ok(()) => self.tally.acknowledged += 1,
            Err(Failure { code, message, refused: _ }) => {
                self.tally.failures.count(code, 1, message);
            }
        }
    }

    /// The phase that an instant lies in; `None`: it is after all of them.
    fn phase(&self, micros: u64) -> Option<usize> {
        self.ends.iter().position(|end| micros < *end)
    }

    fn slice(&mut self, micros: u64) -> &mut Slice {
        let index = usize::try_from(micros / SLICE_MICROS).unwrap_or(usize::MAX - 1);
        if self.tally.slices.len() <= index {
            self.tally.slices.resize(index + 1, Slice::default());
        }
        &mut self.tally.slices[index]
    }
}

impl PhaseTally {
    fn new() -> Self {
        Self {
            due: 0,
            made: Latencies::new(),
            accepted: Latencies::new(),
            refused: Latencies::new(),
            failed: 0,
            good_answers: 0,
            last_bad_micros: None,
        }
    }
}

/// What a caller that panicked left is as good as before.
fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Arrivals, LATE_MICROS, Phase, Record, ends, open_loop};
    use crate::{
        load::{Caller, Failure},
        seeds::Seeds,
    };

    const PHASES: [Phase; 2] = [
        Phase { calls_per_second: 10_000, seconds: 1 },
        Phase { calls_per_second: 40_000, seconds: 2 },
    ];

    #[test]
    fn each_phase_has_about_as_many_calls_as_its_rate_says() {
        let due: Vec<u64> = Arrivals::new(&PHASES, Seeds::new(1, Some(1)).next_caller()).collect();
        let first = due.iter().filter(|micros| **micros < 1_000_000).count();
        assert!((9_700..10_300).contains(&first), "{first}");
        assert!((79_000..81_000).contains(&(due.len() - first)), "{}", due.len());
        assert!(due.is_sorted() && due.iter().all(|micros| *micros < 3_000_000));
    }

    #[test]
    fn latency_counts_from_when_a_call_was_due_and_only_what_is_in_time_is_good() {
        let mut record = Record::new(ends(&PHASES));
        let refusal = Failure { code: "R".to_owned(), message: String::new(), refused: true };
        record.add(900_000, 900_100, 1_100_000, Ok(()));
        record.add(1_200_000, 1_200_100, 1_200_000 + LATE_MICROS + 1, Ok(()));
        record.add(1_300_000, 1_300_100, 1_300_400, Err(refusal));
        let [before, after] = record.tally.phases.as_slice() else { panic!("two phases") };
        assert_eq!((before.due, before.accepted.count(), before.good_answers), (1, 1, 0));
        assert_eq!(before.accepted.percentiles().max_micros / 1_000, 200);
        assert_eq!((after.due, after.accepted.count(), after.good_answers), (2, 1, 1));
        assert_eq!((after.refused.count(), after.last_bad_micros), (1, Some(300_000)));
        assert_eq!((after.made.count(), after.made.percentiles().max_micros), (2, 100));
        assert_eq!((record.tally.acknowledged, record.tally.failures.total()), (2, 1));
    }

    /// Takes longer than the next call is away.
    struct Slow;

    impl Caller for Slow {
        async fn call(&mut self) -> Result<(), Failure> {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok(())
        }
    }

    #[tokio::test]
    async fn no_call_waits_for_another() {
        let phases = [Phase { calls_per_second: 1_000, seconds: 1 }];
        let mut seeds = Seeds::new(1, Some(1));
        let tally = open_loop(std::iter::repeat_with(|| Slow), &phases, &mut seeds).await;
        let Ok(tally) = tally else { panic!("all calls are answered") };
        assert!((850..1_150).contains(&tally.acknowledged), "{}", tally.acknowledged);
        assert_eq!(tally.phases[0].due, tally.acknowledged);
    }
}
