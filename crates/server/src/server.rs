//! One gRPC server: services, layers, limits, start and graceful stop.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use purse_storage::Storage;
use purse_wire::Gathered;
use thiserror::Error;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_stream::StreamExt as _;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{
    service::Routes,
    transport::{Server as Transport, server::TcpIncoming},
};

use crate::{
    auth::Credentials,
    clock::TestClock,
    dispatch::Services,
    health::{Demands, READINESS, follow_database},
    lane::Lanes,
    service::Shared,
    subscriptions::Subscriptions,
    surround::SurroundLayer,
    sweeper::{SweepOptions, Sweeper},
    telemetry::{Metrics, serve_metrics},
    terms::TermsBook,
    watch::{WatchOptions, Watches},
};

/// Most calls at once on one connection. What a caller has beyond that waits with the caller, where no server sees it and
/// can refuse it, so it is several full batches.
const MOST_STREAMS: u32 = 1_024;
/// Most streams that a caller may open and reset before its connection is closed ("rapid reset").
const MOST_PENDING_RESETS: usize = 64;
/// Most bytes of a call's headers.
const MOST_HEADER_BYTES: u32 = 16 * 1_024;
/// A connection that is silent for this long is asked whether it lives, and closed if it does not answer.
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Callers reconnect now and then, so that they find servers that have come since.
const MOST_CONNECTION_AGE: Duration = Duration::from_mins(30);
/// How long calls may take to end once the server is to stop: within the ten seconds that containers are
/// given, with time left for the database.
const DRAIN: Duration = Duration::from_secs(7);

/// How a server runs.
#[derive(Debug)]
pub struct ServerOptions {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where metrics are scraped; `None`: nowhere.
    pub metrics_listen: Option<SocketAddr>,
    /// Who may call.
    pub credentials: Credentials,
    /// As many as the storage has writers.
    pub lanes: usize,
    /// How often watches do something.
    pub watch: WatchOptions,
    /// How it sweeps.
    pub sweep: SweepOptions,
    /// Where among all ids its sweeper begins.
    pub sweep_place: u128,
    /// A clock that callers may set.
    pub test_clock: Option<Arc<TestClock>>,
    /// What the database must be like.
    pub demands: Demands,
}

/// Why a server cannot start.
#[derive(Debug, Error)]
pub enum ServerError {
    /// The address cannot be bound.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Anybody on the network could spend.
    #[error(
        "refusing to listen on {address} without tokens: anybody could spend; set tokens, or listen on loopback"
    )]
    OpenToNetwork {
        /// The address.
        address: SocketAddr,
    },
    /// Reflection could not be built.
    #[error("cannot describe the services")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    stop: CancellationToken,
    accepting: CancellationToken,
    lanes_stop: CancellationToken,
    transport: JoinHandle<()>,
    health: JoinHandle<()>,
    tasks: TaskTracker,
}

impl Server {
    /// Starts to listen. It is not ready before the database is.
    pub async fn start(storage: Storage, options: ServerOptions) -> Result<Self, ServerError> {
        let ServerOptions {
            listen,
            metrics_listen,
            credentials,
            lanes,
            watch,
            sweep,
            sweep_place,
            test_clock,
            demands,
        } = options;
        if credentials.is_open() && !listen.ip().is_loopback() {
            return Err(ServerError::OpenToNetwork { address: listen });
        }
        let bind = |address| move |source| ServerError::Listen { address, source };
        let listener = TcpListener::bind(listen).await.map_err(bind(listen))?;
        let address = listener.local_addr().map_err(bind(listen))?;

        let metrics = Arc::new(Metrics::new());
        let tasks = TaskTracker::new();
        let [stop, accepting, lanes_stop] = std::array::from_fn(|_| CancellationToken::new());
        let metrics_address = match metrics_listen {
            None => None,
            Some(at) => Some(
                serve_metrics(at, Arc::clone(&metrics), stop.clone()).await.map_err(bind(at))?,
            ),
        };

        let (reporter, health_service) = tonic_health::server::health_reporter();
        for service in READINESS {
            reporter.set_service_status(service, tonic_health::ServingStatus::NotServing).await;
        }
        let health =
            tokio::spawn(follow_database(storage.clone(), demands, reporter, stop.clone()));

        let lanes = Arc::new(Lanes::start(&storage, lanes, &metrics, &tasks, &lanes_stop));
        let subscriptions = Subscriptions::start(&storage, &lanes, &tasks, (&stop, &lanes_stop));
        let sweeper = Arc::new(Sweeper::new(
            storage.clone(),
            Arc::clone(&lanes),
            Arc::clone(&metrics),
            sweep.batch,
            sweep_place,
        ));
        if let Some(interval) = sweep.interval {
            tasks.spawn(Arc::clone(&sweeper).run(interval, stop.clone()));
        }
        let shared = Shared {
            lanes,
            sweeper,
            terms: Arc::new(TermsBook::new(storage.clone())),
            watches: Arc::new(Watches::new(storage.clone(), watch, stop.clone())),
            storage,
        };
        tasks.close();
        let others = reflection(test_clock.is_some())?.add_service(health_service);
        let services = Services::new(credentials, shared, subscriptions, test_clock, others);

        let transport = Transport::builder()
            .max_concurrent_streams(MOST_STREAMS)
            .http2_max_pending_accept_reset_streams(Some(MOST_PENDING_RESETS))
            .http2_max_header_list_size(MOST_HEADER_BYTES)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
            .max_connection_age(MOST_CONNECTION_AGE)
            .layer(SurroundLayer::new(metrics))
            .serve_with_incoming_shutdown(
                services,
                // Without this, answers wait for the acknowledgement of the ones before them.
                TcpIncoming::from(listener)
                    .with_nodelay(Some(true))
                    .map(|accepted| accepted.map(Gathered::new)),
                accepting.clone().cancelled_owned(),
            );
        let transport = tokio::spawn(async move {
            if let Err(error) = transport.await {
                tracing::error!(%error, "the server has ended");
            }
        });
        Ok(Self { address, metrics_address, stop, accepting, lanes_stop, transport, health, tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where metrics are scraped.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// Stops: not ready, no new calls, running ones end, then the lanes. Streams that stay open are cut.
    pub async fn stop(self) {
        let Self { stop, accepting, lanes_stop, transport, health, tasks, .. } = self;
        stop.cancel();
        if let Err(error) = health.await {
            tracing::error!(%error, "the health task failed");
        }
        accepting.cancel();
        let abort = transport.abort_handle();
        if tokio::time::timeout(DRAIN, transport).await.is_err() {
            tracing::info!("cutting the streams that are still open");
            abort.abort();
        }
        // What waits in the lanes and what they run, they run to its end.
        lanes_stop.cancel();
        if tokio::time::timeout(DRAIN, tasks.wait()).await.is_err() {
            tracing::warn!("a batch takes long to end; leaving it to the database");
        }
    }
}

/// Reflection in both versions that clients use, with the descriptors of all messages that may come.
fn reflection(test_clock: bool) -> Result<Routes, tonic_reflection::server::Error> {
    let builder = || {
        let mut builder = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(purse_proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET);
        for service in READINESS {
            builder = builder.with_service_name(*service);
        }
        builder = builder.with_service_name("grpc.health.v1.Health");
        if test_clock {
            builder = builder.with_service_name("purse.testing.v1.TestClockService");
        }
        builder
    };
    Ok(Routes::new(builder().build_v1()?).add_service(builder().build_v1alpha()?))
}
