//! Callers that spend from one wallet, one spend after the other, each with keys of its own.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use purse_client::Client;
use tokio::task::JoinHandle;

use crate::{
    ledger::Spend,
    process::{LOOK, PATIENCE},
    server::Server,
};

/// Enough that batches hold several spends.
const CALLERS: usize = 8;

/// What a caller does about a spend that was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// Goes home.
    Stop,
    /// Sends it again with the same key until it is accepted.
    Retry,
}

#[derive(Debug, Default)]
struct Shared {
    acknowledged: AtomicUsize,
    failures: AtomicUsize,
    stop: AtomicBool,
}

/// A load that runs until it is stopped.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    callers: Vec<JoinHandle<Vec<Spend>>>,
}

impl Load {
    pub fn start(server: &Server, on_failure: OnFailure) -> Self {
        let shared = Arc::new(Shared::default());
        let callers = (0..CALLERS)
            .map(|caller| {
                tokio::spawn(call(caller, server.client(), Arc::clone(&shared), on_failure))
            })
            .collect();
        Self { shared, callers }
    }

    /// Waits until so many more spends are acknowledged.
    pub async fn wait_for_more(&self, spends: usize) {
        let wanted = self.shared.acknowledged.load(Ordering::SeqCst) + spends;
        let reached = async {
            while self.shared.acknowledged.load(Ordering::SeqCst) < wanted {
                tokio::time::sleep(LOOK).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, reached).await;
        assert!(in_time.is_ok(), "the load stands still: {:?}", self.shared);
    }

    /// How many calls were not answered.
    pub fn failures(&self) -> usize {
        self.shared.failures.load(Ordering::SeqCst)
    }

    /// Lets each caller end what it has begun, and gives what they remember.
    pub async fn stop(self) -> Vec<Spend> {
        self.shared.stop.store(true, Ordering::SeqCst);
        let mut spends = Vec::new();
        for caller in self.callers {
            spends.extend(tokio::time::timeout(PATIENCE, caller).await.unwrap().unwrap());
        }
        spends
    }
}

async fn call(
    caller: usize,
    client: Client,
    shared: Arc<Shared>,
    on_failure: OnFailure,
) -> Vec<Spend> {
    let mut spends = Vec::new();
    for amount in (1..=3).cycle() {
        if shared.stop.load(Ordering::SeqCst) {
            break;
        }
        let mut spend = Spend::new(&format!("caller {caller}, spend {}", spends.len()), amount);
        loop {
            match client.spend(spend.request()).await {
                Ok(answer) => {
                    spend.answer = Some(answer);
                    shared.acknowledged.fetch_add(1, Ordering::SeqCst);
                    break;
                }
                Err(error) => {
                    assert!(error.is_temporary(), "{error:?}");
                    shared.failures.fetch_add(1, Ordering::SeqCst);
                }
            }
            if on_failure == OnFailure::Stop {
                spends.push(spend);
                return spends;
            }
            tokio::time::sleep(LOOK).await;
        }
        spends.push(spend);
    }
    spends
}
