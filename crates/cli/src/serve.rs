//! `purse serve`: the service itself, on a private PostgreSQL or on one that it is given.

mod settings;

pub use settings::{LISTEN, ServeArgs};

use std::{pin::pin, process::ExitCode, sync::Arc};

use purse_server::{
    node::{Database, Node, start_embedded},
    telemetry::{Traces, init_logs},
};
use purse_storage::embedded::Embedded;
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};

use crate::exit::Failure;
use settings::Settings;

/// Serves until SIGTERM or Ctrl-C, then drains and stops the database last.
pub fn run(args: ServeArgs) -> Result<ExitCode, Failure> {
    let print_only = args.print_config;
    let settings = Settings::resolve(args)?;
    if print_only {
        print!("{}", settings.printable()?);
        return Ok(ExitCode::SUCCESS);
    }
    init_logs(settings.log_format(), "info");
    let runtime = Runtime::new().map_err(Failure::Runtime)?;
    let served = runtime.block_on(serve(&settings));
    // Nothing is left to wait for but, after a stop during the start, the start itself.
    runtime.shutdown_background();
    served.map(|()| ExitCode::SUCCESS)
}

async fn serve(settings: &Settings) -> Result<(), Failure> {
    // Before anything that takes time: a stop during the start is a stop too.
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Runtime)?;
    let embedded = tokio::select! {
        embedded = embedded(settings) => embedded?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    let until_told = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let served = serve_on(settings, embedded.as_ref(), until_told).await;
    if let Some(embedded) = embedded {
        blocking(move || embedded.stop()).await?;
    }
    served
}

/// The private PostgreSQL, unless the settings name another one.
async fn embedded(settings: &Settings) -> Result<Option<Arc<Embedded>>, Failure> {
    if settings.database_url.is_some() {
        return Ok(None);
    }
    let data_dir = settings.data_dir.clone();
    let embedded = blocking(|| start_embedded(data_dir, false)).await??;
    if let Some(notice) = embedded.notice() {
        eprintln!("purse: {notice}");
    }
    Ok(Some(embedded))
}

async fn serve_on(
    settings: &Settings,
    embedded: Option<&Arc<Embedded>>,
    until_told: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let mut until_told = pin!(until_told);
    let traces = Traces::start().map_err(|error| Failure::Usage(error.to_string()))?;
    let database = match (&settings.database_url, embedded) {
        (Some(url), _) => {
            let by = settings.migration_url.as_ref().unwrap_or(url);
            let migrate_by = settings.migrate.then(|| by.clone());
            Database::External { url: url.clone(), migrate_by }
        }
        (None, Some(embedded)) => Database::Embedded(Arc::clone(embedded)),
        (None, None) => return Err(Failure::Usage("there is no database".to_owned())),
    };
    let node = tokio::select! {
        node = Node::start(settings.node(database)?) => node?,
        () = &mut until_told => return Ok(()),
    };
    announce(settings, &node, embedded);
    until_told.await;
    eprintln!("purse: stopping");
    node.stop().await;
    blocking(move || traces.flush()).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::Runtime(std::io::Error::other(error)))
}

/// What a person wants to know at start, on stderr.
fn announce(settings: &Settings, node: &Node, embedded: Option<&Arc<Embedded>>) {
    eprintln!("purse: serving on http://{}", node.address());
    match embedded {
        Some(embedded) => {
            eprintln!("purse: private PostgreSQL in {}", embedded.data_dir().display());
        }
        None => eprintln!("purse: PostgreSQL from the settings; ready once it answers"),
    }
    if let Some(address) = node.metrics_address() {
        eprintln!("purse: metrics on http://{address}/metrics");
    }
    if settings.tokens.is_empty() {
        eprintln!(
            "purse: no tokens are set: callers on this machine are admin of the namespace default"
        );
    }
    if settings.test_clock {
        eprintln!("purse: TEST CLOCK: callers set the time");
    }
}
