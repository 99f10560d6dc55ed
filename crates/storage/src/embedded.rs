//! A private PostgreSQL as a child process: the embedded default.
//!
//! Finds the installed binaries, makes a cluster in a data folder of its own (checksums on, unix socket
//! only, full durability), runs it as a child that dies with this process, starts it again if it dies
//! alone, and stops it cleanly. PostgreSQL refuses to run as root, so for root it runs as `postgres` or
//! `nobody`.
//!
//! In reading order: [`binaries`], [`owner`], [`place`], [`cluster`], [`supervisor`].

mod binaries;
mod cluster;
mod owner;
mod place;
mod supervisor;

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use thiserror::Error;

use crate::{
    StorageError,
    privileges::{SERVER_ROLE, ensure_role},
};
use binaries::Binaries;
use cluster::Cluster;
use owner::Owner;
use place::Place;
use supervisor::Supervisor;

pub use place::default_data_dir;

/// The database in the cluster that Purse uses.
const DATABASE: &str = "purse";

/// Why the private PostgreSQL cannot run.
#[derive(Debug, Error)]
pub enum EmbeddedError {
    /// No usable server binaries are installed.
    #[error(
        "no PostgreSQL server binaries (14 or later) are installed; on Debian or Ubuntu: apt-get install postgresql, or run scripts/setup, which starts no system-wide cluster"
    )]
    NoBinaries,
    /// Another process uses the data folder.
    #[error("the data folder {} is in use by another process; stop that one or choose another with --data-dir", path.display())]
    InUse {
        /// The data folder.
        path: PathBuf,
    },
    /// The user that PostgreSQL runs as cannot reach the folder.
    #[error("the user {user}, as whom PostgreSQL runs, cannot reach {}; choose another folder with --data-dir", path.display())]
    Unreachable {
        /// The data folder.
        path: PathBuf,
        /// Who cannot reach it.
        user: String,
    },
    /// A file or process operation failed.
    #[error("cannot {what}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// A PostgreSQL program failed.
    #[error("{program} failed: {output}")]
    Program {
        /// The program.
        program: &'static str,
        /// The end of what it printed.
        output: String,
    },
    /// The server did not become ready.
    #[error("PostgreSQL did not become ready within {} s; its log: {}", waited.as_secs(), log.display())]
    NotReady {
        /// How long it was waited for.
        waited: Duration,
        /// Its log.
        log: PathBuf,
    },
    /// It runs, but its database could not be made.
    #[error("cannot create the database in the private PostgreSQL")]
    Database(#[source] StorageError),
}

impl EmbeddedError {
    fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// Where and how the private PostgreSQL runs.
#[derive(Debug, Clone)]
pub struct EmbeddedOptions {
    /// The data folder; `None`: the default one, or a fallback that the user of the server can reach.
    pub data_dir: Option<PathBuf>,
    /// Remove the data folder once this process has ended, however it ends: for tests and benchmarks.
    pub throw_away: bool,
}

/// A running private PostgreSQL. Stop it with [`Embedded::stop`]; if the process dies instead, it stops too.
#[derive(Debug)]
pub struct Embedded {
    url: String,
    data_dir: PathBuf,
    notice: Option<String>,
    supervisor: Supervisor,
}

impl Embedded {
    /// Makes the cluster if there is none, and starts it. Blocks until it is ready. Call it before a
    /// runtime is started, or from a blocking task.
    pub fn start(options: &EmbeddedOptions) -> Result<Self, EmbeddedError> {
        let binaries = Binaries::find()?;
        let owner = Owner::of_this_process()?;
        let place = Place::prepare(options.data_dir.as_deref(), &owner)?;
        let notice = place.notice();
        let data_dir = place.root().to_owned();
        let url = format!(
            "host={} user={} dbname={DATABASE}",
            place.socket_dir().display(),
            cluster::SUPERUSER
        );
        write_connection_file(&place)?;
        let cluster = Cluster::prepare(binaries, owner, place)?;
        let supervisor = Supervisor::start(cluster, options.throw_away)?;
        Ok(Self { url, data_dir, notice, supervisor })
    }

    /// How its owner connects, as a libpq key-value string.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same for the role that the server has.
    pub fn server_url(&self) -> String {
        self.url.replace(&format!("user={}", cluster::SUPERUSER), &format!("user={SERVER_ROLE}"))
    }

    /// The same for another database of the cluster.
    pub fn url_of(&self, database: &str) -> String {
        self.url.replace(&format!("dbname={DATABASE}"), &format!("dbname={database}"))
    }

    /// The data folder.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// What a person should know about where the data is, if it is not where they would look.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// The process id of the running server, for tests that kill it.
    pub fn server_pid(&self) -> Option<i32> {
        self.supervisor.server_pid()
    }

    /// Makes the database and the server's role, if they are not there.
    pub async fn ensure_database(&self) -> Result<(), EmbeddedError> {
        let ensure = async {
            let client = crate::pool::connect(&self.url_of("postgres")).await?;
            let known = client
                .query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&DATABASE])
                .await?;
            if known.is_none() {
                client.batch_execute(&format!("CREATE DATABASE {DATABASE}")).await?;
            }
            ensure_role(&client, SERVER_ROLE).await
        };
        ensure.await.map_err(EmbeddedError::Database)
    }

    /// Stops the server cleanly and waits for it. Blocks. A second call does nothing.
    pub fn stop(&self) {
        self.supervisor.stop();
    }
}

/// Other tools find the socket here.
fn write_connection_file(place: &Place) -> Result<(), EmbeddedError> {
    let url = format!(
        "postgresql://{}@/{DATABASE}?host={}\n",
        cluster::SUPERUSER,
        place.socket_dir().display()
    );
    std::fs::write(place.root().join("connection"), url)
        .map_err(EmbeddedError::io("write the connection file"))
}
