//! What can go wrong, and what each of it is tried on.

use std::time::Duration;

use clap::{Subcommand, ValueEnum};

use crate::{load::Routing, proxy::Meddling};

/// How late each answer of the database is.
const DELAY: Duration = Duration::from_millis(50);
/// Connections that write, where there should be few.
const FEW_LANES: u32 = 4;
/// Callers, where there should be many.
const MANY_CALLERS: u32 = 500;

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Subcommand)]
pub enum Fault {
    /// `kill -9` of the server, again and again
    KillServer,
    /// `kill -9` of PostgreSQL, again and again
    KillPostgres,
    /// Immediate stops of PostgreSQL
    StopImmediate,
    /// All backends of PostgreSQL terminated every 300 ms
    TerminateBackends,
    /// Connections to the database cut instead of a commit, 2 of 100
    CutBeforeCommit,
    /// Connections to the database cut when a commit is done and nobody was told, 2 of 100
    CutAfterCommit,
    /// Every answer of the database 50 ms late
    SlowReplies,
    /// Two servers on one database, each call with its key sent to both at once
    TwoServers,
    /// Two servers behind a balancer, stopped by SIGTERM and started again in turns
    RollingRestart,
    /// Deadlines of 1 to 50 ms
    Deadlines,
    /// 500 callers on a pool of 4 connections that write
    ManyCallers,
    /// A disk that is full and then grows, again and again
    FullDisk,
    /// Two servers whose clocks are an hour apart
    ClocksApart,
    /// A database that comes up after the server, again and again
    LateDatabase,
}

/// What a fault is tried on.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub servers: usize,
    /// Connections that write; `None`: the server's default.
    pub lanes: Option<u32>,
    pub callers: Option<u32>,
    pub meddling: Option<Meddling>,
    pub test_clock: bool,
    /// The data is on a disk of its own.
    pub own_disk: bool,
    pub caller: Calling,
}

/// How callers call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calling {
    /// The client tries once; the caller repeats with the same key for as long as it takes.
    Directly(Routing),
    /// Through a balancer, and the client's own retries must be enough.
    Balanced,
    /// With short deadlines.
    Hastily,
}

impl Fault {
    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// What it is tried on.
    pub fn shape(self) -> Shape {
        let one = Shape {
            servers: 1,
            lanes: None,
            callers: None,
            meddling: None,
            test_clock: false,
            own_disk: false,
            caller: Calling::Directly(Routing::Any),
        };
        match self {
            Self::KillServer
            | Self::KillPostgres
            | Self::StopImmediate
            | Self::TerminateBackends
            | Self::LateDatabase => one,
            Self::CutBeforeCommit => Shape { meddling: Some(Meddling::CutBefore), ..one },
            Self::CutAfterCommit => Shape { meddling: Some(Meddling::CutAfter), ..one },
            Self::SlowReplies => Shape { meddling: Some(Meddling::Delay(DELAY)), ..one },
            Self::TwoServers => {
                Shape { servers: 2, caller: Calling::Directly(Routing::Both), ..one }
            }
            Self::RollingRestart => Shape { servers: 2, caller: Calling::Balanced, ..one },
            Self::Deadlines => Shape { caller: Calling::Hastily, ..one },
            Self::ManyCallers => {
                Shape { lanes: Some(FEW_LANES), callers: Some(MANY_CALLERS), ..one }
            }
            Self::FullDisk => Shape { own_disk: true, ..one },
            Self::ClocksApart => Shape { servers: 2, test_clock: true, ..one },
        }
    }
}
