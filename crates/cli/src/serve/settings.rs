//! The settings of `purse serve`: flag over environment over file over default.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use purse_server::{
    auth::{Credentials, TokenSettings},
    node::{Database, NodeOptions, default_lanes},
    sweeper::SweepOptions,
    telemetry::LogFormat,
    watch::WatchOptions,
};
use serde::{Deserialize, Serialize};

use crate::{duration, exit::Failure};

/// Where it listens if it is not told otherwise.
pub const LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 50_051);
/// The port that OpenTelemetry gives to Prometheus exporters.
const METRICS_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9_464);
/// How long a watch of events pauses if it is not told otherwise.
const EVENTS_PAUSE: &str = "250ms";
/// How long the sweeper pauses if it is not told otherwise: soon enough for who watches events.
const SWEEP_INTERVAL: &str = "1s";
/// As many as a lane takes at once.
const MOST_SWEPT: usize = 256;
/// What is printed instead of a secret.
const HIDDEN: &str = "(hidden)";

/// Where metrics are scraped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsListen {
    /// Nowhere.
    Off,
    /// At this address.
    At(SocketAddr),
}

impl std::str::FromStr for MetricsListen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        text.parse().map(Self::At).map_err(|_| "must be ADDRESS:PORT or off".to_owned())
    }
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogStyle {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// What `serve` takes.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// A TOML file with the same settings, in `snake_case`, and the tokens
    #[arg(long, env = "PURSE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    /// Where to listen; default 127.0.0.1:50051. Without tokens only loopback is allowed
    #[arg(long, env = "PURSE_LISTEN", value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,

    /// Where metrics are scraped; default 127.0.0.1:9464
    #[arg(long, env = "PURSE_METRICS_LISTEN", value_name = "ADDRESS:PORT|off")]
    metrics_listen: Option<MetricsListen>,

    /// A PostgreSQL 14 or later; without it a private one is started
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: Option<String>,

    /// Where the private PostgreSQL keeps its data
    #[arg(long, env = "PURSE_DATA_DIR", value_name = "FOLDER")]
    data_dir: Option<PathBuf>,

    /// Bring the schema of --database-url up to date at start; the private one always is
    #[arg(long, env = "PURSE_MIGRATE", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    migrate: Option<bool>,

    /// The role that --migrate uses, if it is not that of --database-url, which may then only append to the ledger
    #[arg(long, env = "PURSE_MIGRATION_URL", hide_env_values = true, value_name = "URL")]
    migration_url: Option<String>,

    /// Lanes, each with a connection that writes; default: one a core
    #[arg(long, env = "PURSE_LANES", value_name = "NUMBER")]
    lanes: Option<usize>,

    /// How long a watch of events pauses when it has told all there is; default 250ms
    #[arg(long, env = "PURSE_EVENTS_PAUSE", value_name = "DURATION")]
    events_pause: Option<String>,

    /// How long the sweeper pauses when nothing is due any more of wallets that nobody touches; default 1s
    #[arg(long, env = "PURSE_SWEEP_INTERVAL", value_name = "DURATION|off")]
    sweep_interval: Option<String>,

    /// Most wallets that the sweeper settles at once; default 32. While it does, callers of their lanes wait
    #[arg(long, env = "PURSE_SWEEP_BATCH", value_name = "NUMBER")]
    sweep_batch: Option<usize>,

    /// For tests: callers set the time
    #[arg(long)]
    test_clock: bool,

    /// Refuse whatever only tests want: a test clock, no tokens, a database that may lose writes, a role that could
    /// change the ledger
    #[arg(long, env = "PURSE_PRODUCTION", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    production: Option<bool>,

    /// Work on a database whose `fsync` or `synchronous_commit` is off
    #[arg(long, env = "PURSE_ALLOW_DATA_LOSS", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    allow_data_loss: Option<bool>,

    /// How logs are written; `RUST_LOG` says which
    #[arg(long, env = "PURSE_LOG_FORMAT", value_enum)]
    log_format: Option<LogStyle>,

    /// Print the settings that result, without secrets, and exit
    #[arg(long)]
    pub print_config: bool,
}

/// The file's settings.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSettings {
    listen: Option<SocketAddr>,
    metrics_listen: Option<String>,
    database_url: Option<String>,
    data_dir: Option<PathBuf>,
    migrate: Option<bool>,
    migration_url: Option<String>,
    lanes: Option<usize>,
    events_pause: Option<String>,
    sweep_interval: Option<String>,
    sweep_batch: Option<usize>,
    production: Option<bool>,
    allow_data_loss: Option<bool>,
    log_format: Option<LogStyle>,
    #[serde(default)]
    tokens: Vec<TokenSettings>,
}

/// The settings that result.
#[derive(Debug, Clone, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where metrics are scraped.
    pub metrics_listen: String,
    /// The database; a private one without it.
    pub database_url: Option<String>,
    /// Where a private database keeps its data; the default place without it.
    pub data_dir: Option<PathBuf>,
    /// Whether the schema is brought up to date at start.
    pub migrate: bool,
    /// Who does that; whoever serves without it.
    pub migration_url: Option<String>,
    /// How many lanes there are.
    pub lanes: usize,
    /// How long a watch of events pauses when it has told all there is.
    pub events_pause: String,
    /// How long the sweeper pauses when nothing is due any more, or `off`.
    pub sweep_interval: String,
    /// Most wallets that it settles at once.
    pub sweep_batch: usize,
    /// Whether callers set the time.
    pub test_clock: bool,
    /// Whether what only tests want is refused.
    pub production: bool,
    /// Whether the database may lose what it acknowledged.
    pub allow_data_loss: bool,
    /// How logs are written.
    pub log_format: LogStyle,
    /// Who may call.
    pub tokens: Vec<TokenSettings>,
}

impl Settings {
    /// Flag over environment over file over default.
    pub fn resolve(args: ServeArgs) -> Result<Self, Failure> {
        let file = match &args.config {
            None => FileSettings::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    Failure::Usage(format!("cannot read {}: {error}", path.display()))
                })?;
                toml::from_str(&text)
                    .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?
            }
        };
        let metrics_listen = match (args.metrics_listen, &file.metrics_listen) {
            (Some(at), _) => at,
            (None, Some(text)) => {
                text.parse().map_err(|error| Failure::Usage(format!("metrics_listen {error}")))?
            }
            (None, None) => MetricsListen::At(METRICS_LISTEN),
        };
        let settings = Self {
            listen: args.listen.or(file.listen).unwrap_or(LISTEN),
            metrics_listen: match metrics_listen {
                MetricsListen::Off => "off".to_owned(),
                MetricsListen::At(address) => address.to_string(),
            },
            database_url: args.database_url.filter(|url| !url.is_empty()).or(file.database_url),
            data_dir: args.data_dir.or(file.data_dir),
            migrate: args.migrate.or(file.migrate).unwrap_or(false),
            migration_url: args.migration_url.filter(|url| !url.is_empty()).or(file.migration_url),
            lanes: args.lanes.or(file.lanes).unwrap_or_else(default_lanes),
            events_pause: args
                .events_pause
                .or(file.events_pause)
                .unwrap_or_else(|| EVENTS_PAUSE.to_owned()),
            sweep_interval: args
                .sweep_interval
                .or(file.sweep_interval)
                .unwrap_or_else(|| SWEEP_INTERVAL.to_owned()),
            sweep_batch: args
                .sweep_batch
                .or(file.sweep_batch)
                .unwrap_or_else(|| SweepOptions::default().batch),
            test_clock: args.test_clock,
            production: args.production.or(file.production).unwrap_or(false),
            allow_data_loss: args.allow_data_loss.or(file.allow_data_loss).unwrap_or(false),
            log_format: args.log_format.or(file.log_format).unwrap_or(LogStyle::Auto),
            tokens: file.tokens,
        };
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), Failure> {
        let refuse = |what: &str| Err(Failure::Usage(what.to_owned()));
        if self.lanes == 0 {
            return refuse("lanes must be at least 1");
        }
        self.watch()?;
        self.sweep()?;
        if self.tokens.is_empty() && !self.listen.ip().is_loopback() {
            return refuse(
                "without tokens only loopback is listened on, as anybody could spend; put tokens in the file of --config",
            );
        }
        if !self.production {
            return Ok(());
        }
        if self.test_clock {
            return refuse("--test-clock is for tests and does not go with --production");
        }
        if self.allow_data_loss {
            return refuse("--allow-data-loss does not go with --production");
        }
        if self.tokens.is_empty() {
            return refuse("--production needs tokens; put them in the file of --config");
        }
        Ok(())
    }

    /// The settings as TOML, without secrets.
    pub fn printable(&self) -> Result<String, Failure> {
        let mut shown = self.clone();
        shown.database_url = shown.database_url.map(|_| HIDDEN.to_owned());
        shown.migration_url = shown.migration_url.map(|_| HIDDEN.to_owned());
        for token in &mut shown.tokens {
            HIDDEN.clone_into(&mut token.sha256);
        }
        toml::to_string(&shown).map_err(|error| Failure::Wrong(error.to_string()))
    }

    /// How logs are written.
    pub fn log_format(&self) -> LogFormat {
        match self.log_format {
            LogStyle::Auto => LogFormat::Auto,
            LogStyle::Text => LogFormat::Text,
            LogStyle::Json => LogFormat::Json,
        }
    }

    fn watch(&self) -> Result<WatchOptions, Failure> {
        let pause = duration::parse(&self.events_pause);
        match pause.map_err(|error| Failure::Usage(format!("events_pause: {error}")))? {
            Duration::ZERO => Err(Failure::Usage("events_pause must be at least 1ms".to_owned())),
            pause => Ok(WatchOptions { pause, ..WatchOptions::default() }),
        }
    }

    fn sweep(&self) -> Result<SweepOptions, Failure> {
        if !(1..=MOST_SWEPT).contains(&self.sweep_batch) {
            return Err(Failure::Usage(format!("sweep_batch must be from 1 to {MOST_SWEPT}")));
        }
        let batch = self.sweep_batch;
        if self.sweep_interval == "off" {
            return Ok(SweepOptions { interval: None, batch });
        }
        let interval = duration::parse(&self.sweep_interval);
        match interval.map_err(|error| Failure::Usage(format!("sweep_interval: {error}")))? {
            Duration::ZERO => Err(Failure::Usage("sweep_interval must be at least 1ms".to_owned())),
            interval => Ok(SweepOptions { interval: Some(interval), batch }),
        }
    }

    /// The node that these settings describe.
    pub fn node(&self, database: Database) -> Result<NodeOptions, Failure> {
        let metrics_listen = match self.metrics_listen.parse().map_err(Failure::Usage)? {
            MetricsListen::Off => None,
            MetricsListen::At(address) => Some(address),
        };
        let credentials = Credentials::from_settings(&self.tokens)
            .map_err(|error| Failure::Usage(error.to_string()))?;
        Ok(NodeOptions {
            database,
            listen: self.listen,
            metrics_listen,
            credentials,
            lanes: self.lanes,
            watch: self.watch()?,
            sweep: self.sweep()?,
            test_clock: self.test_clock,
            allow_data_loss: self.allow_data_loss,
            append_only: self.production,
        })
    }
}
