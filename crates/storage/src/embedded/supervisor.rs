//! The thread that keeps the server running.
//!
//! The death signal belongs to the thread that spawned the child, so this thread lives as long as the
//! server is wanted. If the server dies alone, it is started again; meanwhile callers get UNAVAILABLE.

use std::{
    process::Child,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI32, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{
    EmbeddedError,
    cluster::{Cluster, pid, remove_afterwards},
};

/// Between looks at the child.
const LOOK: Duration = Duration::from_millis(50);
/// Before a server that died is started again, doubled up to [`LONGEST_PAUSE`] while it keeps dying.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A fast shutdown writes a checkpoint; after this long the immediate one is safe too, only slower later.
const STOP_TIMEOUT: Duration = Duration::from_mins(1);

/// Keeps a cluster's server running until it is told to stop.
#[derive(Debug)]
pub(super) struct Supervisor {
    shared: Arc<Shared>,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    thread: JoinHandle<()>,
    /// Closing its input lets it remove the data folder.
    remover: Option<Child>,
}

#[derive(Debug, Default)]
struct Shared {
    stopping: AtomicBool,
    server: AtomicI32,
}

impl Supervisor {
    /// Starts the server and waits until it is ready.
    pub(super) fn start(cluster: Cluster, throw_away: bool) -> Result<Self, EmbeddedError> {
        let remover = throw_away.then(|| remove_afterwards(cluster.place().root())).transpose()?;
        let shared = Arc::new(Shared::default());
        let (ready, first_start) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("postgres".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || supervise(&cluster, &shared, &ready)
            })
            .map_err(EmbeddedError::io("start a thread"))?;
        match first_start.recv() {
            Ok(Ok(())) => {
                Ok(Self { shared, running: Mutex::new(Some(Running { thread, remover })) })
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(EmbeddedError::Io {
                what: "start PostgreSQL: its thread ended".to_owned(),
                source: std::io::ErrorKind::Other.into(),
            }),
        }
    }

    pub(super) fn server_pid(&self) -> Option<i32> {
        Some(self.shared.server.load(Ordering::Acquire)).filter(|pid| *pid > 0)
    }

    pub(super) fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Release);
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Running { thread, remover }) = running else { return };
        if thread.join().is_err() {
            tracing::error!("the thread of PostgreSQL panicked");
        }
        if let Some(mut remover) = remover {
            drop(remover.stdin.take());
            if let Err(error) = remover.wait() {
                tracing::warn!(%error, "cannot remove the throw-away cluster");
            }
        }
    }
}

fn supervise(cluster: &Cluster, shared: &Shared, ready: &mpsc::Sender<Result<(), EmbeddedError>>) {
    let mut pause = SHORTEST_PAUSE;
    let mut is_first = true;
    while !shared.stopping.load(Ordering::Acquire) {
        match start_once(cluster, shared) {
            Ok(mut child) => {
                if is_first {
                    is_first = false;
                    // The receiver waits for exactly this.
                    ready.send(Ok(())).ok();
                } else {
                    tracing::info!("PostgreSQL runs again");
                }
                pause = SHORTEST_PAUSE;
                watch(&mut child, shared);
            }
            Err(error) if is_first => {
                ready.send(Err(error)).ok();
                return;
            }
            Err(error) => tracing::warn!(%error, "cannot start PostgreSQL; trying again"),
        }
        shared.server.store(0, Ordering::Release);
        if !shared.stopping.load(Ordering::Acquire) {
            thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

fn start_once(cluster: &Cluster, shared: &Shared) -> Result<Child, EmbeddedError> {
    let mut child = cluster.spawn()?;
    if let Some(server) = pid(&child) {
        shared.server.store(server.as_raw_nonzero().get(), Ordering::Release);
    }
    match cluster.wait_ready(&mut child) {
        Ok(()) => Ok(child),
        Err(error) => {
            stop(&mut child);
            Err(error)
        }
    }
}

/// Returns when the server has ended, by itself or because it was to stop.
fn watch(child: &mut Child, shared: &Shared) {
    loop {
        if shared.stopping.load(Ordering::Acquire) {
            stop(child);
            return;
        }
        match child.try_wait() {
            Ok(None) => thread::sleep(LOOK),
            Ok(Some(status)) => {
                tracing::error!(%status, "PostgreSQL ended by itself; starting it again");
                return;
            }
            Err(error) => {
                tracing::error!(%error, "cannot watch PostgreSQL");
                return;
            }
        }
    }
}

/// A fast shutdown, then an immediate one if that takes too long.
fn stop(child: &mut Child) {
    let Some(server) = pid(child) else { return };
    signal(server, Signal::INT);
    let asked = Instant::now();
    while asked.elapsed() < STOP_TIMEOUT {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(LOOK);
    }
    tracing::warn!("PostgreSQL takes long to stop; stopping it at once");
    signal(server, Signal::QUIT);
    if let Err(error) = child.wait() {
        tracing::error!(%error, "cannot wait for PostgreSQL");
    }
}

fn signal(server: Pid, signal: Signal) {
    if let Err(error) = kill_process(server, signal) {
        tracing::debug!(%error, "PostgreSQL was gone already");
    }
}
