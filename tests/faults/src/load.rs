//! The callers: each sends one call after the other, sends it again with the same key until it has an answer, and
//! remembers what it was told.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use fastrand::Rng;
use purse_client::{Client, Code, Error};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::{
    call::{Answer, Call, Told, What},
    error::RunError,
    world::{LATEST_SECONDS, WALLETS, World},
};

/// Once the faults have ended every caller is answered within this: the longest pause of a database that starts
/// again, and much more.
const PATIENCE: Duration = Duration::from_mins(1);
/// A caller waits so long, or up to twice as long, before it sends a call again.
const PAUSE_MILLIS: u64 = 10;
/// Largest amounts, in cents.
const MOST_SPENT: i64 = 999;
const MOST_GRANTED: i64 = 5_000;

/// How callers use the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routing {
    /// Each try goes to any client.
    Any,
    /// Each try goes to the first two at once.
    Both,
}

/// Whom callers call, and how.
#[derive(Debug, Clone)]
pub struct Routes {
    pub routing: Routing,
    /// While the faults last.
    pub clients: Vec<Client>,
    /// Afterwards, to finish what was begun.
    pub patient: Vec<Client>,
    /// The planted bug: a try that failed is repeated by another key.
    pub fresh_keys: bool,
}

/// A call and what came of it.
#[derive(Debug, Clone, Copy)]
pub struct Done {
    pub call: Call,
    pub told: Told,
}

/// What all callers remember.
#[derive(Debug, Default)]
pub struct Record {
    pub done: Vec<Done>,
    /// Tries that were not the last ones.
    pub retries: u64,
    /// Of those, tries that had no answer in time.
    pub late: u64,
    /// The longest that a caller waited for an answer, with all tries.
    pub longest: Duration,
    /// Answers to one key that differed, and refusals.
    pub contradictions: Vec<String>,
}

/// A load that runs until it is told to end.
#[derive(Debug)]
pub struct Load {
    is_over: Arc<AtomicBool>,
    callers: JoinSet<Record>,
}

impl Load {
    /// Starts the callers.
    pub fn start(callers: u32, routes: &Routes, world: &Arc<World>, dice: &mut Rng) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for number in 0..callers {
            let caller = Caller {
                number,
                keys: 0,
                dice: dice.fork(),
                routes: routes.clone(),
                world: Arc::clone(world),
                is_over: Arc::clone(&is_over),
                record: Record::default(),
            };
            tasks.spawn(caller.run());
        }
        Self { is_over, callers: tasks }
    }

    /// Lets each caller finish what it has begun, and gives what they remember.
    pub async fn finish(mut self) -> Result<Record, RunError> {
        self.is_over.store(true, Ordering::Relaxed);
        let mut record = Record::default();
        let finishing = async {
            while let Some(of_caller) = self.callers.join_next().await {
                record.add(of_caller?);
            }
            Ok::<_, RunError>(())
        };
        let finished = timeout(PATIENCE, finishing).await;
        finished.map_err(|_| RunError::NoProgress { waited: PATIENCE })??;
        Ok(record)
    }
}

impl Record {
    fn add(&mut self, other: Self) {
        let Self { done, retries, late, longest, contradictions } = other;
        self.done.extend(done);
        self.retries += retries;
        self.late += late;
        self.longest = self.longest.max(longest);
        self.contradictions.extend(contradictions);
    }
}

/// One of the callers.
struct Caller {
    number: u32,
    keys: u32,
    dice: Rng,
    routes: Routes,
    world: Arc<World>,
    is_over: Arc<AtomicBool>,
    record: Record,
}

impl Caller {
    async fn run(mut self) -> Record {
        while !self.is_over.load(Ordering::Relaxed) {
            let call = self.next();
            let told = self.until_told(call).await;
            if call.what == What::Hold
                && let Some(told) = told
            {
                let number = self.new_key();
                let cents = self.dice.i64(1..=call.cents);
                let what = What::Capture { hold: told.hold };
                self.until_told(Call { number, cents, what, ..call }).await;
            }
        }
        self.record
    }

    /// Mostly spends, and some of everything else. With the planted bug only spends: a hold that was captured by one
    /// key is closed for the next one, which would tell at once.
    fn next(&mut self) -> Call {
        let wallet = self.dice.u32(..WALLETS);
        let (what, most) = match self.dice.u8(..100) {
            _ if self.routes.fresh_keys => (What::Spend { seconds_late: None }, MOST_SPENT),
            0..5 => {
                let seconds_late = NonZeroU32::new(self.dice.u32(1..=LATEST_SECONDS));
                (What::Spend { seconds_late }, MOST_SPENT)
            }
            5..10 => (What::Grant, MOST_GRANTED),
            10..14 => (What::Hold, MOST_SPENT),
            14..16 => {
                let to = (wallet + self.dice.u32(1..WALLETS)) % WALLETS;
                (What::Transfer { to }, MOST_SPENT)
            }
            _ => (What::Spend { seconds_late: None }, MOST_SPENT),
        };
        let cents = self.dice.i64(1..=most);
        Call { caller: self.number, number: self.new_key(), wallet, cents, what }
    }

    fn new_key(&mut self) -> u32 {
        self.keys += 1;
        self.keys
    }

    /// Sends a call until it is answered, and remembers the answer. Nothing is asked for that may be refused, so a
    /// refusal contradicts what was told before: a hold that is not there was lost.
    async fn until_told(&mut self, mut call: Call) -> Option<Told> {
        let begun_at = Instant::now();
        loop {
            match self.attempt(&call).await {
                Ok(told) => {
                    self.record.longest = self.record.longest.max(begun_at.elapsed());
                    self.record.done.push(Done { call, told });
                    return Some(told);
                }
                Err(error) if is_transient(&error) => {
                    self.record.retries += 1;
                    let is_late = matches!(error, Error::DeadlineExceeded { .. });
                    self.record.late += u64::from(is_late);
                    if self.routes.fresh_keys {
                        call.number = self.new_key();
                    }
                    let millis = self.dice.u64(PAUSE_MILLIS..=2 * PAUSE_MILLIS);
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                }
                Err(error) => {
                    self.record.contradictions.push(format!("{call:?} was refused: {error}"));
                    return None;
                }
            }
        }
    }

    async fn attempt(&mut self, call: &Call) -> Result<Told, Error> {
        let is_over = self.is_over.load(Ordering::Relaxed);
        let Routes { routing, clients, patient, .. } = &self.routes;
        let clients = if is_over { patient } else { clients };
        match (routing, clients.as_slice()) {
            (Routing::Both, [one, other]) => {
                let sent = tokio::join!(call.send(one, &self.world), call.send(other, &self.world));
                let (one, other) = (sent.0?, sent.1?);
                if let Some(contradiction) = contradiction(&one, &other) {
                    self.record.contradictions.push(format!("{call:?}: {contradiction}"));
                }
                Ok(one.told)
            }
            (Routing::Both | Routing::Any, clients) => {
                let client = &clients[self.dice.usize(..clients.len())];
                Ok(call.send(client, &self.world).await?.told)
            }
        }
    }
}

/// Two answers to one key are one, whether each is the first one or not.
fn contradiction(one: &Answer, other: &Answer) -> Option<String> {
    if one.told != other.told {
        return Some(format!("{one:?} and {other:?}"));
    }
    (!one.replayed && !other.replayed).then(|| format!("both say that they did it: {one:?}"))
}

/// Whether a try may be repeated: nothing is known of it, or nothing was done.
fn is_transient(error: &Error) -> bool {
    match error {
        Error::Refused(refusal) => {
            matches!(refusal.code, Code::Unavailable | Code::ResourceExhausted)
        }
        Error::Unreachable { .. } | Error::DeadlineExceeded { .. } => true,
    }
}
