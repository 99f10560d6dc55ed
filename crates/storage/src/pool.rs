//! Connections: one for each lane, a few that write other things, and a few that read.

use std::{str::FromStr as _, sync::Arc, time::Duration};

use deadpool_postgres::{
    Client, Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime,
};
use rustls::RootCertStore;
use tokio_postgres::{Config, NoTls, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{Clock, IdSource, StorageError, row::Columns};

/// How long a request waits for a connection before the database counts as away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// Connections that write subscriptions: a batch of events while another one is claimed.
const SUBSCRIPTION_WRITERS: usize = 2;
/// Connections that write rules and the catalog. Lanes keep theirs for as long as they have something under way.
const CATALOG_WRITERS: usize = 2;
/// Half-open connections are noticed within this.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(10);

/// Every statement of Purse is a look-up by key. Fresh tables have no statistics, and a plan that scans
/// them, once cached, stays; so plans that scan are switched off. A writer that stalls must not keep its
/// locks for ever, hence the two timeouts; no statement is ever cancelled, least of all a commit.
const SESSION: &str = "
    SET plan_cache_mode = force_generic_plan;
    SET enable_seqscan = off;
    SET enable_hashjoin = off;
    SET enable_mergejoin = off;
    SET jit = off;
    SET statement_timeout = 0;
    SET lock_timeout = '10s';
    SET idle_in_transaction_session_timeout = '30s';
    SET timezone = 'UTC'";

/// How to reach the database.
#[derive(Debug, Clone)]
pub struct StorageOptions {
    /// `postgresql://…` or a libpq key-value string.
    pub url: String,
    /// Connections that write: one for each lane.
    pub writers: usize,
    /// Connections that read.
    pub readers: usize,
}

/// Purse's data on one PostgreSQL.
#[derive(Clone)]
pub struct Storage {
    lane_writers: Pool,
    readers: Pool,
    subscription_writers: Pool,
    catalog_writers: Pool,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Storage").finish_non_exhaustive()
    }
}

impl Storage {
    /// Prepares connections; none is made yet, so the database may come up later.
    pub fn new(
        options: &StorageOptions,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Result<Self, StorageError> {
        let config = parse_url(&options.url)?;
        let lane_writers = pool(&config, options.writers)?;
        let readers = pool(&config, options.readers)?;
        let subscription_writers = pool(&config, SUBSCRIPTION_WRITERS)?;
        let catalog_writers = pool(&config, CATALOG_WRITERS)?;
        Ok(Self { lane_writers, readers, subscription_writers, catalog_writers, clock, ids })
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StorageError> {
        self.reader().await?.batch_execute("SELECT 1").await?;
        Ok(())
    }

    /// Refuses a database that could lose what it acknowledged (invariant 7).
    pub async fn check_durability(&self) -> Result<(), StorageError> {
        let client = self.reader().await?;
        for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
            let row = client.query_one("SELECT current_setting($1) AS value", &[&setting]).await?;
            if Columns::of(&row).take::<&str>()? == "off" {
                return Err(StorageError::UnsafeDurability { setting });
            }
        }
        Ok(())
    }

    /// Closes all connections once they are idle.
    pub fn close(&self) {
        self.lane_writers.close();
        self.readers.close();
        self.subscription_writers.close();
        self.catalog_writers.close();
    }

    pub(crate) async fn lane_writer(&self) -> Result<Client, StorageError> {
        Ok(self.lane_writers.get().await?)
    }

    pub(crate) async fn subscription_writer(&self) -> Result<Client, StorageError> {
        Ok(self.subscription_writers.get().await?)
    }

    pub(crate) async fn catalog_writer(&self) -> Result<Client, StorageError> {
        Ok(self.catalog_writers.get().await?)
    }

    pub(crate) async fn reader(&self) -> Result<Client, StorageError> {
        Ok(self.readers.get().await?)
    }

    /// The present instant, by the clock that writes are dated by.
    pub fn now(&self) -> purse_domain::Timestamp {
        self.clock.now()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(crate) fn ids(&self) -> &dyn IdSource {
        &*self.ids
    }
}

/// Parses a URL and fills in what keeps a dead connection from being waited for.
pub fn parse_url(url: &str) -> Result<Config, StorageError> {
    let mut config =
        Config::from_str(url).map_err(|error| StorageError::Unavailable(Box::new(error)))?;
    config.application_name("purse");
    config.connect_timeout(ACQUIRE_TIMEOUT);
    config.tcp_user_timeout(TCP_USER_TIMEOUT);
    Ok(config)
}

/// One connection outside of the pools, for migrations.
pub async fn connect(url: &str) -> Result<tokio_postgres::Client, StorageError> {
    let config = parse_url(url)?;
    let client = if config.get_ssl_mode() == SslMode::Disable || !has_tcp_host(&config) {
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        client
    } else {
        let (client, connection) = config.connect(tls()?).await?;
        tokio::spawn(connection);
        client
    };
    Ok(client)
}

fn pool(config: &Config, size: usize) -> Result<Pool, StorageError> {
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = if has_tcp_host(config) {
        Manager::from_config(config.clone(), tls()?, recycling)
    } else {
        Manager::from_config(config.clone(), NoTls, recycling)
    };
    let prepare_session = Hook::async_fn(|client, _| {
        Box::pin(async move { client.batch_execute(SESSION).await.map_err(HookError::Backend) })
    });
    Pool::builder(manager)
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(ACQUIRE_TIMEOUT))
        .create_timeout(Some(ACQUIRE_TIMEOUT))
        .recycle_timeout(Some(ACQUIRE_TIMEOUT))
        .post_create(prepare_session)
        .build()
        .map_err(|error| StorageError::Unavailable(Box::new(error)))
}

fn has_tcp_host(config: &Config) -> bool {
    config.get_hosts().iter().any(|host| match host {
        tokio_postgres::config::Host::Tcp(_) => true,
        #[cfg(unix)]
        tokio_postgres::config::Host::Unix(_) => false,
    })
}

/// TLS with the system's certificates; whether it is used is up to the URL's sslmode.
fn tls() -> Result<MakeRustlsConnect, StorageError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StorageError::Unavailable(Box::new(error)))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
