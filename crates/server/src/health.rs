//! Readiness, which follows the database. Liveness (the service "") never touches it.

use std::time::Duration;

use purse_storage::{Storage, StorageError};
use tokio_util::sync::CancellationToken;
use tonic_health::{ServingStatus, server::HealthReporter};

/// The services whose health is readiness.
pub const READINESS: &[&str] = &[
    "purse.v1.SubscriptionService",
    "purse.v1.WalletService",
    "purse.v1.GrantService",
    "purse.v1.EventService",
    "purse.v1.ReportService",
    "purse.v1.CatalogService",
];

/// Between looks while all is well, and while it is not: recovery should be seen soon.
const WELL: Duration = Duration::from_secs(1);
const UNWELL: Duration = Duration::from_millis(200);
/// A database that takes longer to answer nothing is not ready.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a server demands of its database before it is ready.
#[derive(Debug, Clone, Copy)]
pub struct Demands {
    /// `fsync` and `synchronous_commit` are on.
    pub durability: bool,
    /// The server's role cannot change the ledger.
    pub append_only: bool,
}

/// Sets the services' health by what the database answers, until `stop`.
pub async fn follow_database(
    storage: Storage,
    demands: Demands,
    reporter: HealthReporter,
    stop: CancellationToken,
) {
    let mut was_ready = false;
    let mut checked = false;
    let mut said = None;
    loop {
        let answer = tokio::time::timeout(PATIENCE, look(&storage, demands, checked)).await;
        let error = match answer {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("it does not answer in time".to_owned()),
        };
        let is_ready = error.is_none();
        checked |= is_ready;
        if is_ready != was_ready || !checked {
            set(&reporter, is_ready).await;
        }
        match (was_ready, &error) {
            (true, Some(error)) => tracing::warn!(%error, "not ready: the database failed"),
            (false, Some(error)) if !checked && said.as_ref() != Some(error) => {
                tracing::info!(%error, "waiting for the database");
                said = Some(error.clone());
            }
            (false, None) => tracing::info!("ready"),
            (true, None) | (false, Some(_)) => {}
        }
        was_ready = is_ready;
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(if is_ready { WELL } else { UNWELL }) => {}
        }
    }
    set(&reporter, false).await;
}

/// The first look also checks what does not change while the server runs.
async fn look(storage: &Storage, demands: Demands, checked: bool) -> Result<(), StorageError> {
    if checked { storage.ping().await } else { fit(storage, demands).await }
}

/// Whether the database is one that this build can work on, and loses nothing.
pub async fn fit(storage: &Storage, demands: Demands) -> Result<(), StorageError> {
    storage.check_schema().await?;
    if demands.durability {
        storage.check_durability().await?;
    }
    match storage.check_privileges().await {
        Err(error @ StorageError::MayChangeLedger) if !demands.append_only => {
            tracing::warn!(%error, "serving all the same");
            Ok(())
        }
        checked => checked,
    }
}

async fn set(reporter: &HealthReporter, is_ready: bool) {
    let status = if is_ready { ServingStatus::Serving } else { ServingStatus::NotServing };
    for service in READINESS {
        reporter.set_service_status(service, status).await;
    }
}
