//! The job that finds subscriptions for which something is due by time alone, or was left undone.
//!
//! Any number of servers run it: each claims its share by moving `next_due_at`, so what one of them claims and does
//! not finish is claimed again later.

use std::{sync::Arc, time::Duration};

use purse_storage::{Storage, subscriptions::Told};
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::Subscriptions;

/// Claimed at once.
const CLAIM: i64 = 256;
/// Between a look that found nothing and the next one: how late credits come that nobody asked for.
const PAUSE: Duration = Duration::from_millis(500);
/// In work at once: two full batches.
const MOST_AT_ONCE: usize = 512;

/// Looks until `stop`.
pub(super) async fn run(storage: Storage, subscriptions: Subscriptions, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(MOST_AT_ONCE));
    let mut work = JoinSet::new();
    loop {
        let pause = match storage.claim_due_subscriptions(CLAIM).await {
            Ok(due) => {
                let pause = if due.is_empty() { PAUSE } else { Duration::ZERO };
                for name in due {
                    let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                    let subscriptions = subscriptions.clone();
                    work.spawn(async move {
                        let done = subscriptions.bring_about(Told::time(name.clone())).await;
                        if let Err(status) = done {
                            let (account, subscription) = (&name.account, &name.id);
                            tracing::warn!(
                                %account, %subscription, code = ?status.code(),
                                "a due subscription has to wait"
                            );
                        }
                        drop(place);
                    });
                }
                pause
            }
            Err(error) => {
                tracing::info!(%error, "cannot look for due subscriptions");
                PAUSE
            }
        };
        while work.try_join_next().is_some() {}
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = tokio::time::sleep(pause) => {}
        }
    }
    // What was begun is brought to its end while the lanes still run.
    while work.join_next().await.is_some() {}
}
