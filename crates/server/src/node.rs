//! A whole Purse: the database it was given or a private one, the schema, and a server.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use purse_storage::{
    Clock, Storage, StorageError, StorageOptions,
    embedded::{Embedded, EmbeddedError, EmbeddedOptions},
    migrate::{SCHEMA_VERSION, migrate},
    pool::connect,
    privileges::{SERVER_ROLE, grant_to, user_of},
};
use thiserror::Error;

use crate::{
    auth::Credentials,
    clock::{RandomIds, SystemClock, TestClock},
    health::{Demands, fit},
    server::{Server, ServerError, ServerOptions},
    sweeper::SweepOptions,
    watch::WatchOptions,
};

/// Connections that read.
const READERS: usize = 8;

/// Which database a node works on.
#[derive(Debug, Clone)]
pub enum Database {
    /// A private PostgreSQL that is already running.
    Embedded(Arc<Embedded>),
    /// One that somebody else runs.
    External {
        /// `postgresql://…`
        url: String,
        /// Bring the schema up to date at start, by this URL, and let the role of the other one serve on it.
        migrate_by: Option<String>,
    },
}

/// How a node runs.
#[derive(Debug)]
pub struct NodeOptions {
    /// Its database.
    pub database: Database,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where metrics are scraped.
    pub metrics_listen: Option<SocketAddr>,
    /// Who may call.
    pub credentials: Credentials,
    /// Lanes, each with a connection.
    pub lanes: usize,
    /// How often watches do something.
    pub watch: WatchOptions,
    /// How it sweeps.
    pub sweep: SweepOptions,
    /// A clock that callers may set, instead of the system's.
    pub test_clock: bool,
    /// Work on a database that may lose what it acknowledged.
    pub allow_data_loss: bool,
    /// Refuse a database role that could change the ledger.
    pub append_only: bool,
}

/// Why a node cannot start.
#[derive(Debug, Error)]
pub enum NodeError {
    /// The private PostgreSQL.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The server.
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// About one for each of the database's cores; more only wait for each other.
pub fn default_lanes() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 16)
}

/// Starts the private PostgreSQL of a node. Blocks; see [`Embedded::start`].
pub fn start_embedded(
    data_dir: Option<PathBuf>,
    throw_away: bool,
) -> Result<Arc<Embedded>, NodeError> {
    Ok(Arc::new(Embedded::start(&EmbeddedOptions { data_dir, throw_away })?))
}

/// A running node.
#[derive(Debug)]
pub struct Node {
    server: Server,
    storage: Storage,
}

impl Node {
    /// Starts a node. With an external database that is away it starts too, and is ready once that is.
    pub async fn start(options: NodeOptions) -> Result<Self, NodeError> {
        let NodeOptions {
            database,
            listen,
            metrics_listen,
            credentials,
            lanes,
            watch,
            sweep,
            test_clock,
            allow_data_loss,
            append_only,
        } = options;
        let url = match database {
            Database::Embedded(embedded) => {
                embedded.ensure_database().await?;
                bring_up_to_date(embedded.url(), Some(SERVER_ROLE)).await?;
                embedded.server_url()
            }
            Database::External { url, migrate_by } => {
                if let Some(by) = migrate_by {
                    bring_up_to_date(&by, user_of(&url)?.as_deref()).await?;
                }
                url
            }
        };
        let test_clock = test_clock.then(|| Arc::new(TestClock::new(SystemClock.now())));
        let clock: Arc<dyn Clock> = match &test_clock {
            Some(clock) => Arc::clone(clock) as Arc<dyn Clock>,
            None => Arc::new(SystemClock),
        };
        let storage = Storage::new(
            &StorageOptions { url, writers: lanes, readers: READERS },
            clock,
            Arc::new(RandomIds),
        )?;
        let demands = Demands { durability: !allow_data_loss, append_only };
        refuse_unfit(&storage, demands).await?;
        let server = Server::start(
            storage.clone(),
            ServerOptions {
                listen,
                metrics_listen,
                credentials,
                lanes,
                watch,
                sweep,
                sweep_place: RandomIds.place(),
                test_clock,
                demands,
            },
        )
        .await?;
        Ok(Self { server, storage })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Where metrics are scraped.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.server.metrics_address()
    }

    /// Its storage.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Drains and stops it; the database, if it is a private one, is stopped by whoever started it, last.
    pub async fn stop(self) {
        self.server.stop().await;
        self.storage.close();
    }
}

/// Refuses a database that answers and is unfit. One that is away is waited for, and looked at then.
async fn refuse_unfit(storage: &Storage, demands: Demands) -> Result<(), StorageError> {
    match fit(storage, demands).await {
        Err(
            error @ (StorageError::SchemaVersion { .. }
            | StorageError::OtherSchema { .. }
            | StorageError::UnsafeDurability { .. }
            | StorageError::MayChangeLedger
            | StorageError::MayNotServe { .. }),
        ) => Err(error),
        Ok(())
        | Err(
            StorageError::Unavailable(_) | StorageError::Refused { .. } | StorageError::Corrupt(_),
        ) => Ok(()),
    }
}

/// By the owner of the tables; `role` is the server's.
async fn bring_up_to_date(url: &str, role: Option<&str>) -> Result<(), StorageError> {
    let mut client = connect(url).await?;
    for step in migrate(&mut client, SCHEMA_VERSION).await? {
        tracing::info!(version = step.version, name = step.name, "migrated");
    }
    if let Some(role) = role {
        grant_to(&mut client, role).await?;
    }
    Ok(())
}
