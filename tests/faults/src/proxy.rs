//! A proxy between server and database that cuts connections around commits, or answers late.
//!
//! It forwards every message as it is. Which commits it cuts is up to its seed and the order in which they come.

use std::{
    collections::VecDeque,
    io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::BytesMut;
use fastrand::Rng;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream, UnixStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
        unix,
    },
    sync::mpsc,
    task::JoinHandle,
    time::Instant,
};

use crate::wire::{Meaning, Messages, Session};

/// Of a hundred commits so many are cut.
const CUT_PERCENT: u8 = 2;
/// PostgreSQL says this when it is ready for the next round.
const READY: u8 = b'Z';
const ERROR: u8 = b'E';

/// What the proxy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meddling {
    /// Cuts instead of forwarding the commit.
    CutBefore,
    /// Forwards the commit and cuts instead of forwarding what it was answered.
    CutAfter,
    /// Forwards each answer so much later.
    Delay(Duration),
}

#[derive(Debug)]
struct Shared {
    database: PathBuf,
    meddling: Meddling,
    is_on: AtomicBool,
    done: AtomicU64,
}

/// A proxy that runs until it is dropped. It begins by forwarding only.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port, for a database that listens on a socket of the file system.
    pub async fn start(database: &Path, meddling: Meddling, mut dice: Rng) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            database: database.to_owned(),
            meddling,
            is_on: AtomicBool::new(false),
            done: AtomicU64::new(0),
        });
        let accepting = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(forward(client, Arc::clone(&shared), dice.fork()));
                }
            }
        });
        Ok(Self { port, shared, accepting })
    }

    /// How the server connects.
    pub fn url(&self, user: &str, database: &str) -> String {
        let port = self.port;
        format!("host=127.0.0.1 port={port} user={user} dbname={database} sslmode=disable")
    }

    /// Meddles from now on, or no more.
    pub fn turn(&self, is_on: bool) {
        self.shared.is_on.store(is_on, Ordering::Relaxed);
    }

    /// How often it has meddled.
    pub fn done(&self) -> u64 {
        self.shared.done.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Rounds that the client waits for, in order, and whether the connection is cut instead.
type Rounds = Mutex<VecDeque<bool>>;

/// Both directions of one connection, until either ends; then both are closed.
async fn forward(client: TcpStream, shared: Arc<Shared>, dice: Rng) {
    let Ok(server) = UnixStream::connect(&shared.database).await else { return };
    client.set_nodelay(true).ok();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // After its start the server says that it is ready, which nobody asked for.
    let rounds = Mutex::new(VecDeque::from([false]));
    // Whichever ends and however: to the two ends it is a connection that was lost.
    tokio::select! {
        _ = requests(from_client, to_server, &shared, dice, &rounds) => {}
        _ = answers(from_server, to_client, &shared, &rounds) => {}
    }
}

async fn requests(
    mut from: OwnedReadHalf,
    mut to: unix::OwnedWriteHalf,
    shared: &Shared,
    mut dice: Rng,
    rounds: &Rounds,
) -> io::Result<()> {
    let (mut messages, mut session) = (Messages::of_client(), Session::default());
    while from.read_buf(messages.buffer()).await? > 0 {
        let mut forwarded = BytesMut::new();
        while let Some(message) = messages.next() {
            let meaning = session.hear(&message);
            let is_chosen = meaning == Meaning::Commit
                && shared.is_on.load(Ordering::Relaxed)
                && dice.u8(..100) < CUT_PERCENT;
            let cut_after = match shared.meddling {
                Meddling::CutBefore if is_chosen => {
                    shared.done.fetch_add(1, Ordering::Relaxed);
                    return to.write_all(&forwarded).await;
                }
                Meddling::CutAfter => is_chosen,
                Meddling::CutBefore | Meddling::Delay(_) => false,
            };
            if meaning != Meaning::Part {
                rounds.lock().unwrap_or_else(PoisonError::into_inner).push_back(cut_after);
            }
            forwarded.extend_from_slice(&message.bytes);
        }
        to.write_all(&forwarded).await?;
    }
    Ok(())
}

/// Forwards answers, each when it is due: those behind it are under way meanwhile.
async fn answers(
    from: unix::OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    rounds: &Rounds,
) -> io::Result<()> {
    let (under_way, mut arriving) = mpsc::unbounded_channel::<(Instant, BytesMut)>();
    let deliver = async {
        while let Some((due_at, bytes)) = arriving.recv().await {
            tokio::time::sleep_until(due_at).await;
            to.write_all(&bytes).await?;
        }
        Ok(())
    };
    tokio::try_join!(hear(from, under_way, shared, rounds), deliver)?;
    Ok(())
}

/// Hears answers and sends them on their way, until the connection ends or is to be cut.
async fn hear(
    mut from: unix::OwnedReadHalf,
    under_way: mpsc::UnboundedSender<(Instant, BytesMut)>,
    shared: &Shared,
    rounds: &Rounds,
) -> io::Result<()> {
    let mut messages = Messages::of_server();
    let mut has_failed = false;
    while from.read_buf(messages.buffer()).await? > 0 {
        let delay = match shared.meddling {
            Meddling::Delay(delay) if shared.is_on.load(Ordering::Relaxed) => delay,
            Meddling::Delay(_) | Meddling::CutBefore | Meddling::CutAfter => Duration::ZERO,
        };
        shared.done.fetch_add(u64::from(!delay.is_zero()), Ordering::Relaxed);
        let mut forwarded = BytesMut::new();
        let mut is_last = false;
        while let Some(message) = messages.next() {
            let is_cut = is_next_cut(rounds);
            has_failed |= message.kind == ERROR;
            if message.kind == READY {
                rounds.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                // It is durable, or was refused, and nobody will be told.
                if is_cut {
                    shared.done.fetch_add(u64::from(!has_failed), Ordering::Relaxed);
                    is_last = true;
                    break;
                }
                has_failed = false;
            }
            if !is_cut {
                forwarded.extend_from_slice(&message.bytes);
            }
        }
        let sent = under_way.send((Instant::now() + delay, forwarded));
        if is_last || sent.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn is_next_cut(rounds: &Rounds) -> bool {
    let rounds = rounds.lock().unwrap_or_else(PoisonError::into_inner);
    rounds.front().copied().unwrap_or_default()
}
