//! What every workload begins and ends with: PostgreSQL's programs, a look at the machine, a folder, and a server that is
//! stopped whatever happens.

use std::io;

use thiserror::Error;
use tonic::Status;

use purse_process::{Folder, Interrupted, Server, ServerError, Settings, interruptible};

use crate::{
    api::ApiError,
    arguments::{Place, warn_of_a_debug_build},
    check::Mismatch,
    connection::ConnectionError,
    load::LoadError,
    machine::Machine,
    naive::NaiveError,
    postgres::{PostgresError, Programs},
    trace::TraceError,
};

/// Why there are no figures.
#[derive(Debug, Error)]
pub enum RunError {
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    #[error("the files of the run")]
    Files(#[from] io::Error),
    #[error("PostgreSQL's programs")]
    Postgres(#[from] PostgresError),
    #[error("the server under load")]
    Server(#[from] ServerError),
    #[error("a connection of the load")]
    Connection(#[from] ConnectionError),
    #[error("the wallets of the run")]
    Wallets(#[from] ApiError),
    #[error("the load on Purse")]
    Load(#[from] LoadError),
    #[error("the naive side")]
    Naive(#[from] NaiveError),
    #[error("the usage trace")]
    Trace(#[from] TraceError),
    #[error("a call of Purse besides the load")]
    Call(#[from] Status),
    #[error("{wrong} of {all} events had another outcome than APPLIED with one grant")]
    Wrong { wrong: u64, all: u64 },
    #[error("{entries} entries are fewer than {grants} grants, each of which is one")]
    FewerEntriesThanGrants { entries: u64, grants: u64 },
    #[error("a side was asked for that is not measured in this run")]
    NoSuchSide,
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
}

/// One run of the bench.
#[derive(Debug)]
pub struct Session {
    pub programs: Programs,
    pub machine: Machine,
    pub folder: Folder,
}

impl Session {
    /// Finds what it needs, and looks whether the machine is free.
    pub async fn begin(place: &Place) -> Result<Self, RunError> {
        warn_of_a_debug_build();
        let programs = Programs::find(place.pg_bin.as_deref()).await?;
        let machine = Machine::look().await;
        Ok(Self { programs, machine, folder: Folder::create("purse-bench")? })
    }

    /// Works while a server serves. The work is given the server and the URL of its database.
    pub async fn with_server<T>(
        &self,
        place: &Place,
        work: impl AsyncFnOnce(&Server, &str) -> Result<T, RunError>,
    ) -> Result<T, RunError> {
        self.with(place.server(&self.folder)?, work).await
    }

    /// The same with a server that gives way to the load, as if that came from elsewhere.
    pub async fn with_server_that_gives_way<T>(
        &self,
        place: &Place,
        work: impl AsyncFnOnce(&Server, &str) -> Result<T, RunError>,
    ) -> Result<T, RunError> {
        self.with(Settings { gives_way: true, ..place.server(&self.folder)? }, work).await
    }

    async fn with<T>(
        &self,
        settings: Settings,
        work: impl AsyncFnOnce(&Server, &str) -> Result<T, RunError>,
    ) -> Result<T, RunError> {
        let mut server = Server::start(settings)?;
        let measured = interruptible(async {
            server.ready().await?;
            let url = server.database_url()?;
            work(&server, &url).await
        })
        .await;
        let stopped = server.stop().await;
        let outcome = measured?;
        stopped?;
        Ok(outcome)
    }
}
