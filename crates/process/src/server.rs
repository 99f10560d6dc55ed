//! One `purse serve`: its start, its readiness and its end, in order or not.

use std::{
    env,
    fs::{self, OpenOptions},
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use thiserror::Error;
use tokio::process::{Child, Command};
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

/// What has to be SERVING before load makes sense.
const SERVICE: &str = "purse.v1.WalletService";

/// Making a cluster, starting it and migrating it takes seconds; a slow disk takes many.
const START_SECONDS: u64 = 120;

/// PostgreSQL writes a checkpoint when it stops.
const STOP_SECONDS: u64 = 120;

/// Between two looks at a server that starts.
const POLL_MILLIS: u64 = 100;

/// How much of the server's log an error shows.
const LOG_LINES: usize = 20;

/// The server writes the connection URL of its embedded PostgreSQL here, in its data folder.
const CONNECTION_FILE: &str = "connection";

/// What to start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The binary.
    pub purse: PathBuf,
    /// Where the embedded PostgreSQL lives.
    pub data: PathBuf,
    /// In place of the embedded PostgreSQL.
    pub database: Option<Database>,
    /// What the server prints is added here.
    pub log: PathBuf,
    /// Where it listens; `None`: on a free port.
    pub listen: Option<SocketAddr>,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// Whether it and its PostgreSQL give way to whoever starts it, by `nice`.
    pub gives_way: bool,
}

/// A PostgreSQL that the server is given.
#[derive(Debug, Clone)]
pub struct Database {
    /// How the server connects.
    pub url: String,
    /// Whether it brings the schema up to date at start.
    pub migrate: bool,
}

/// Why there was no server, or no clean end of it.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "each variant's message says it all")]
pub enum ServerError {
    #[error("{} is not there; build it with `cargo build --release -p purse-cli`", .0.display())]
    NotBuilt(PathBuf),
    #[error("purse serve could not be started")]
    Start(#[source] io::Error),
    #[error("purse serve ended with {status} before it was ready:\n{log}")]
    Ended { status: ExitStatus, log: String },
    #[error("purse serve was not ready after {START_SECONDS} s:\n{log}")]
    NotReady { log: String },
    #[error("the connection URL in {}", .path.display())]
    Connection { path: PathBuf, source: io::Error },
    #[error("no connection to purse serve")]
    Connect(#[from] tonic::transport::Error),
    #[error("purse serve could not be stopped")]
    Stop(#[source] io::Error),
    #[error("purse serve was still running {STOP_SECONDS} s after SIGTERM and was killed:\n{log}")]
    Killed { log: String },
    #[error("purse serve stopped with {status}:\n{log}")]
    StoppedBadly { status: ExitStatus, log: String },
}

/// A running `purse serve`.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    settings: Settings,
}

impl Server {
    /// Starts the server without waiting for it. Whoever starts it has to [`Server::stop`] it.
    pub fn start(settings: Settings) -> Result<Self, ServerError> {
        if !settings.purse.is_file() {
            return Err(ServerError::NotBuilt(settings.purse));
        }
        let address = settings.listen.map_or_else(free_address, Ok).map_err(ServerError::Start)?;
        let log = OpenOptions::new().create(true).append(true).open(&settings.log);
        let log = log.map_err(ServerError::Start)?;
        let mut command =
            Command::new(if settings.gives_way { Path::new("nice") } else { &settings.purse });
        command
            .args(settings.gives_way.then_some(&settings.purse))
            .arg("serve")
            .args(["--listen", &address.to_string()])
            .arg("--data-dir")
            .arg(&settings.data)
            .args(["--metrics-listen", "off"])
            .args(&settings.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(ServerError::Start)?)
            .stderr(log)
            // Its own group: Ctrl-C ends the measurement, which then stops the server in order.
            .process_group(0)
            // Only if this process fails half-way: whoever started it stops it.
            .kill_on_drop(true);
        match &settings.database {
            Some(Database { url, migrate }) => {
                command.env("DATABASE_URL", url).args(migrate.then_some("--migrate"))
            }
            None => command.env_remove("DATABASE_URL"),
        };
        let child = command.spawn().map_err(ServerError::Start)?;
        Ok(Self { child, address, settings })
    }

    /// Waits until the server serves.
    pub async fn ready(&mut self) -> Result<(), ServerError> {
        let gives_up_at = Instant::now() + Duration::from_secs(START_SECONDS);
        let mut health = HealthClient::new(self.endpoint()?.connect_lazy());
        while Instant::now() < gives_up_at {
            if let Some(status) = self.child.try_wait().map_err(ServerError::Start)? {
                return Err(ServerError::Ended { status, log: self.log() });
            }
            let request = HealthCheckRequest { service: SERVICE.to_owned() };
            if let Ok(answer) = health.check(request).await
                && answer.into_inner().status() == ServingStatus::Serving
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(POLL_MILLIS)).await;
        }
        Err(ServerError::NotReady { log: self.log() })
    }

    /// A connection to it.
    pub async fn connect(&self) -> Result<Channel, ServerError> {
        Ok(self.endpoint()?.connect_with_connector(purse_wire::connector(None)).await?)
    }

    /// What it was started with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn endpoint(&self) -> Result<Endpoint, tonic::transport::Error> {
        Endpoint::from_shared(format!("http://{}", self.address))
    }

    /// The libpq URL of the PostgreSQL that the server works on.
    pub fn database_url(&self) -> Result<String, ServerError> {
        if let Some(database) = &self.settings.database {
            return Ok(database.url.clone());
        }
        let path = self.settings.data.join(CONNECTION_FILE);
        match fs::read_to_string(&path) {
            Ok(url) => Ok(url.trim().to_owned()),
            Err(source) => Err(ServerError::Connection { path, source }),
        }
    }

    /// How much memory the server has in use, in MiB; 0: nobody says.
    pub fn resident_mebibytes(&self) -> u64 {
        let Some(process) = self.child.id() else { return 0 };
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kibibytes.unwrap_or_default() / 1_024
    }

    /// `kill -9`, without a chance to clean up.
    pub async fn kill(mut self) -> Result<(), ServerError> {
        self.child.kill().await.map_err(ServerError::Stop)
    }

    /// Stops the server and, with it, its PostgreSQL.
    pub async fn stop(mut self) -> Result<(), ServerError> {
        let process = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let Some(process) = process else {
            // It has ended before, which whoever waited for it has reported.
            return Ok(());
        };
        kill_process(process, Signal::TERM).map_err(|error| ServerError::Stop(error.into()))?;
        let limit = Duration::from_secs(STOP_SECONDS);
        match tokio::time::timeout(limit, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(ServerError::StoppedBadly { status, log: self.log() }),
            Ok(Err(error)) => Err(ServerError::Stop(error)),
            Err(_) => {
                self.child.kill().await.map_err(ServerError::Stop)?;
                Err(ServerError::Killed { log: self.log() })
            }
        }
    }

    fn log(&self) -> String {
        last_lines(&self.settings.log)
    }
}

/// The binary beside the one that runs.
pub fn purse_beside_this() -> io::Result<PathBuf> {
    Ok(env::current_exe()?.with_file_name("purse"))
}

fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn last_lines(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}
