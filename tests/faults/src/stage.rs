//! What a fault is tried on: a PostgreSQL of the run, servers on it, and what stands between.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use fastrand::Rng;
use purse_client::{Client, ClientOptions, RetryPolicy};
use purse_process::{Database, Folder, Server, Settings};
use purse_storage::{
    embedded::{Embedded, EmbeddedOptions},
    pool::connect,
    privileges::SERVER_ROLE,
};
use tokio::process::Command;

use crate::{
    balancer::Balancer,
    disk::Disk,
    error::RunError,
    fault::{Calling, Fault, Shape},
    load::{Routes, Routing},
    proxy::Proxy,
};

/// The database that the private PostgreSQL makes.
const DATABASE: &str = "purse";
/// Where PostgreSQL listens, in its socket folder.
const SOCKET: &str = ".s.PGSQL.5432";
/// How long one try may take.
const TRY: Duration = Duration::from_secs(5);
/// The deadlines of callers in haste.
const HASTE_MILLIS: [u64; 8] = [1, 2, 5, 10, 20, 30, 40, 50];
/// How much of each log is shown when something went wrong.
const LOG_LINES: usize = 15;
/// How long the last calls may take.
const LAST: Duration = Duration::from_secs(30);

/// Acknowledged before it is durable.
const ASYNCHRONOUS: &str = "ALTER DATABASE purse SET synchronous_commit = off";

/// What a run starts with.
#[derive(Debug, Clone)]
pub struct Plan {
    pub fault: Fault,
    pub purse: PathBuf,
    /// The planted bug: what was acknowledged may be lost at a crash.
    pub asynchronous_commit: bool,
    /// The planted bug: another key for each try.
    pub fresh_keys: bool,
}

/// All that runs. Whoever sets it up has to [`Stage::clear`] it.
#[derive(Debug)]
pub struct Stage {
    plan: Plan,
    servers: Vec<Option<Server>>,
    settings: Vec<Settings>,
    balancer: Option<Balancer>,
    pub proxy: Option<Proxy>,
    cluster: Option<Embedded>,
    options: EmbeddedOptions,
    url: String,
    pub disk: Option<Disk>,
    folder: Folder,
}

impl Stage {
    /// Makes the database and starts the servers.
    pub async fn set_up(plan: Plan, dice: &mut Rng) -> Result<Self, RunError> {
        let folder = Folder::create("purse-faults")?;
        let shape = plan.fault.shape();
        let disk = if shape.own_disk {
            Some(Disk::mount(folder.path().join("disk")).map_err(RunError::no_disk)?)
        } else {
            None
        };
        let root = disk.as_ref().map_or(folder.path(), Disk::path);
        let options = EmbeddedOptions { data_dir: Some(root.join("cluster")), throw_away: false };
        let cluster = start_cluster(&options).await?;
        let mut stage = Self {
            url: cluster.url().to_owned(),
            servers: Vec::new(),
            settings: Vec::new(),
            balancer: None,
            proxy: None,
            cluster: Some(cluster),
            options,
            disk,
            folder,
            plan,
        };
        match stage.begin(shape, dice).await {
            Ok(()) => Ok(stage),
            Err(error) => {
                stage.clear().await;
                Err(error)
            }
        }
    }

    async fn begin(&mut self, shape: Shape, dice: &mut Rng) -> Result<(), RunError> {
        let cluster = self.cluster.as_ref();
        let mut url = cluster.map(Embedded::server_url).unwrap_or_default();
        if let Some(cluster) = cluster {
            cluster.ensure_database().await?;
        }
        self.migrate().await?;
        if self.plan.asynchronous_commit {
            self.sql().await?.batch_execute(ASYNCHRONOUS).await?;
        }
        if let Some(meddling) = shape.meddling {
            let proxy = Proxy::start(&self.socket(), meddling, dice.fork()).await?;
            url = proxy.url(SERVER_ROLE, DATABASE);
            self.proxy = Some(proxy);
        }
        let mut arguments = Vec::new();
        if let Some(lanes) = shape.lanes {
            arguments.push(format!("--lanes={lanes}"));
        }
        if shape.test_clock {
            arguments.push("--test-clock".to_owned());
        }
        if self.plan.asynchronous_commit {
            arguments.push("--allow-data-loss".to_owned());
        }
        for number in 0..shape.servers {
            let server = Server::start(Settings {
                purse: self.plan.purse.clone(),
                data: self.folder.path().join("unused"),
                database: Some(Database { url: url.clone(), migrate: false }),
                log: self.folder.path().join(format!("server-{number}.log")),
                listen: None,
                arguments: arguments.clone(),
                gives_way: false,
            })?;
            // Again at the same address, whenever it is started again.
            let listen = Some(server.address());
            self.settings.push(Settings { listen, ..server.settings().clone() });
            self.servers.push(Some(server));
        }
        if shape.caller == Calling::Balanced {
            let addresses = self.settings.iter().filter_map(|settings| settings.listen).collect();
            self.balancer = Some(Balancer::start(addresses).await?);
        }
        self.ready().await
    }

    /// As an operator does it.
    async fn migrate(&self) -> Result<(), RunError> {
        let arguments = ["migrate", "--server-role", SERVER_ROLE];
        let mut command = Command::new(&self.plan.purse);
        let output = command.args(arguments).env("DATABASE_URL", &self.url).output().await?;
        if output.status.success() {
            return Ok(());
        }
        let arguments = arguments.join(" ");
        let output = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(RunError::Command { arguments, output })
    }

    /// The binary.
    pub fn purse(&self) -> &Path {
        &self.plan.purse
    }

    /// Where the first server listens.
    pub fn address(&self) -> SocketAddr {
        self.addresses().next().unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Where the servers listen.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.settings.iter().filter_map(|settings| settings.listen)
    }

    /// How many servers there are.
    pub fn servers(&self) -> usize {
        self.servers.len()
    }

    /// The process of PostgreSQL, if it runs.
    pub fn postmaster(&self) -> Option<i32> {
        self.cluster.as_ref().and_then(Embedded::server_pid)
    }

    /// A connection of the database's owner, beside all that meddles.
    pub async fn sql(&self) -> Result<tokio_postgres::Client, RunError> {
        Ok(connect(&self.url).await?)
    }

    fn socket(&self) -> PathBuf {
        let config: Option<tokio_postgres::Config> = self.url.parse().ok();
        let hosts = config.as_ref().map(tokio_postgres::Config::get_hosts).unwrap_or_default();
        let folder = hosts.iter().find_map(|host| match host {
            tokio_postgres::config::Host::Unix(folder) => Some(folder.clone()),
            tokio_postgres::config::Host::Tcp(_) => None,
        });
        folder.unwrap_or_default().join(SOCKET)
    }

    /// `kill -9` of a server.
    pub async fn kill_server(&mut self, number: usize) -> Result<(), RunError> {
        match self.servers[number].take() {
            Some(server) => Ok(server.kill().await?),
            None => Ok(()),
        }
    }

    /// SIGTERM to a server; waits for its orderly end.
    pub async fn stop_server(&mut self, number: usize) -> Result<(), RunError> {
        match self.servers[number].take() {
            Some(server) => Ok(server.stop().await?),
            None => Ok(()),
        }
    }

    /// Starts a server again, where it was.
    pub fn start_server(&mut self, number: usize) -> Result<(), RunError> {
        self.servers[number] = Some(Server::start(self.settings[number].clone())?);
        Ok(())
    }

    /// Stops PostgreSQL in order.
    pub async fn stop_cluster(&mut self) -> Result<(), RunError> {
        if let Some(cluster) = self.cluster.take() {
            tokio::task::spawn_blocking(move || cluster.stop()).await?;
        }
        Ok(())
    }

    /// Starts PostgreSQL again, on its data.
    pub async fn start_cluster(&mut self) -> Result<(), RunError> {
        self.cluster = Some(start_cluster(&self.options).await?);
        Ok(())
    }

    /// Waits until all servers serve.
    pub async fn ready(&mut self) -> Result<(), RunError> {
        for server in self.servers.iter_mut().flatten() {
            server.ready().await?;
        }
        Ok(())
    }

    /// How callers call.
    pub fn routes(&self, dice: &mut Rng) -> Result<Routes, RunError> {
        let calling = self.plan.fault.shape().caller;
        let mut client = |address, timeout, retry| {
            let jitter_seed = Some(dice.u64(..));
            let options = ClientOptions { timeout, retry, jitter_seed, ..at(address) };
            Client::connect(options).map_err(RunError::from)
        };
        let once = RetryPolicy::never();
        let clients: Result<Vec<Client>, RunError> = match calling {
            Calling::Directly(_) => {
                self.addresses().map(|address| client(address, TRY, once)).collect()
            }
            Calling::Balanced => {
                let address = self.balancer.as_ref().map_or(self.address(), Balancer::address);
                // A connection each for some of the callers, so that both servers have some.
                (0..8).map(|_| client(address, LAST, RetryPolicy::default())).collect()
            }
            Calling::Hastily => HASTE_MILLIS
                .iter()
                .map(|millis| client(self.address(), Duration::from_millis(*millis), once))
                .collect(),
        };
        let routing = match calling {
            Calling::Directly(routing) => routing,
            Calling::Balanced | Calling::Hastily => Routing::Any,
        };
        let fresh_keys = self.plan.fresh_keys;
        Ok(Routes { routing, clients: clients?, patient: self.patient_clients()?, fresh_keys })
    }

    /// Clients of each server that wait and retry, for what comes before and after the faults.
    pub fn patient_clients(&self) -> Result<Vec<Client>, RunError> {
        let connect = |address| {
            let retry = RetryPolicy { max_attempts: 10, ..RetryPolicy::default() };
            Ok(Client::connect(ClientOptions { timeout: LAST, retry, ..at(address) })?)
        };
        self.addresses().map(connect).collect()
    }

    /// Ends all that runs, whatever state it is in.
    pub async fn clear(mut self) {
        for server in self.servers.drain(..).flatten() {
            // It may have ended badly, which is for the verdict to say.
            server.kill().await.ok();
        }
        if let Err(error) = self.stop_cluster().await {
            eprintln!("PostgreSQL was not stopped: {error}");
        }
    }

    /// Shows the end of what the servers and PostgreSQL have logged, as the folder goes.
    pub fn show_logs(&self) {
        let postgres = self.options.data_dir.iter().map(|data| data.join("log/postgres.log"));
        for log in self.settings.iter().map(|settings| settings.log.clone()).chain(postgres) {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            eprintln!("the end of {}:", log.display());
            for line in &lines[lines.len().saturating_sub(LOG_LINES)..] {
                eprintln!("  {line}");
            }
        }
    }
}

fn at(address: SocketAddr) -> ClientOptions {
    ClientOptions::new(format!("http://{address}"))
}

async fn start_cluster(options: &EmbeddedOptions) -> Result<Embedded, RunError> {
    let options = options.clone();
    Ok(tokio::task::spawn_blocking(move || Embedded::start(&options)).await??)
}
