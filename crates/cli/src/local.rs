//! The service that `demo` and `replay` work on: the one that runs or, if none does, the embedded default,
//! started in this process and stopped with it.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use purse_client::{Client, ClientOptions, Error, RetryPolicy};
use purse_proto::v1::ListWalletsRequest;
use purse_server::{
    auth::Credentials,
    node::{Database, Node, NodeOptions, default_lanes, start_embedded},
    sweeper::SweepOptions,
    telemetry::{LogFormat, init_logs},
    watch::WatchOptions,
};
use purse_storage::embedded::Embedded;
use tokio::runtime::Runtime;

use crate::{connection::ConnectionArgs, exit::Failure, serve::LISTEN};

/// Where the embedded default keeps its data.
#[derive(Debug, Args)]
pub struct LocalArgs {
    /// Where a private PostgreSQL keeps its data, if no service runs and one is started
    #[arg(long, env = "PURSE_DATA_DIR", value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

/// A service and a client of it.
pub struct Service {
    runtime: Runtime,
    client: Client,
    own: Option<Own>,
}

/// What this process has started.
struct Own {
    embedded: Arc<Embedded>,
    node: Node,
}

impl Service {
    /// Finds the service that runs or, unless the person named one, starts the embedded default.
    pub fn reach(connection: &ConnectionArgs, local: &LocalArgs) -> Result<Self, Failure> {
        let runtime = Runtime::new().map_err(Failure::Runtime)?;
        let entered = runtime.enter();
        let client = connection.client()?;
        drop(entered);
        if connection.is_named() || runtime.block_on(is_reachable(connection)) {
            eprintln!("purse: using the service at {}", connection.endpoint());
            return Ok(Self { runtime, client, own: None });
        }
        eprintln!("purse: no service at {}; starting the embedded default", connection.endpoint());
        // Only what goes wrong: the rest is told by the verb itself.
        init_logs(LogFormat::Text, "warn");
        let embedded = start_embedded(local.data_dir.clone(), false)?;
        if let Some(notice) = embedded.notice() {
            eprintln!("purse: {notice}");
        }
        match runtime.block_on(start_node(&embedded)) {
            Ok(node) => {
                let data = embedded.data_dir().display();
                eprintln!("purse: serving on http://{}, data in {data}\n", node.address());
                Ok(Self { runtime, client, own: Some(Own { embedded, node }) })
            }
            Err(failure) => {
                embedded.stop();
                Err(failure)
            }
        }
    }

    /// A client of the service.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Whether this process has started it.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Runs to completion.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Waits for Ctrl-C.
    pub fn stay(&self) {
        if let Err(error) = self.runtime.block_on(tokio::signal::ctrl_c()) {
            eprintln!("purse: cannot wait for Ctrl-C: {error}");
        }
    }

    /// Stops what this process has started; the database last.
    pub fn stop(self) {
        let Self { runtime, client, own } = self;
        drop(client);
        if let Some(Own { embedded, node }) = own {
            runtime.block_on(node.stop());
            embedded.stop();
        }
    }
}

async fn start_node(embedded: &Arc<Embedded>) -> Result<Node, Failure> {
    let options = NodeOptions {
        database: Database::Embedded(Arc::clone(embedded)),
        listen: LISTEN,
        metrics_listen: None,
        credentials: Credentials::open(),
        lanes: default_lanes(),
        watch: WatchOptions::default(),
        sweep: SweepOptions::default(),
        test_clock: false,
        allow_data_loss: false,
        append_only: true,
    };
    Ok(Node::start(options).await?)
}

/// Whether anything answers there; a refusal is an answer.
async fn is_reachable(connection: &ConnectionArgs) -> bool {
    let options =
        ClientOptions { retry: RetryPolicy::never(), ..ClientOptions::new(connection.endpoint()) };
    let Ok(client) = Client::connect(options) else { return false };
    let asked = ListWalletsRequest { page_size: 1, ..ListWalletsRequest::default() };
    !matches!(client.list_wallets(asked).await, Err(Error::Unreachable { .. }))
}
