//! `purse serve`: the service itself, on a private PostgreSQL or on one that it is given.

mod settings;

pub use settings::{LISTEN, ServeArgs};

use std::{process::ExitCode, sync::Arc};

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
    let embedded = if settings.database_url.is_some() {
        None
    } else {
        let embedded = start_embedded(settings.data_dir.clone(), false)?;
        if let Some(notice) = embedded.notice() {
            eprintln!("purse: {notice}");
        }
        Some(embedded)
    };
    let runtime = Runtime::new().map_err(Failure::Runtime)?;
    let served = runtime.block_on(serve(&settings, embedded.as_ref()));
    if let Some(embedded) = embedded {
        embedded.stop();
    }
    served.map(|()| ExitCode::SUCCESS)
}

async fn serve(settings: &Settings, embedded: Option<&Arc<Embedded>>) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Runtime)?;
    let traces = Traces::start().map_err(|error| Failure::Usage(error.to_string()))?;
    let database = match (&settings.database_url, embedded) {
        (Some(url), _) => Database::External { url: url.clone(), migrate: settings.migrate },
        (None, Some(embedded)) => Database::Embedded(Arc::clone(embedded)),
        (None, None) => return Err(Failure::Usage("there is no database".to_owned())),
    };
    let node = tokio::select! {
        node = Node::start(settings.node(database)?) => node?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    announce(settings, &node, embedded);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    eprintln!("purse: stopping");
    node.stop().await;
    // Sending what is left blocks.
    tokio::task::spawn_blocking(move || traces.flush()).await.ok();
    Ok(())
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
