//! Ending early, in order, so that what was started is stopped.

use std::io;

use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

/// The user or the system asked for an end.
#[derive(Debug, Error)]
#[error("interrupted")]
pub struct Interrupted;

/// Works until it is done, or until somebody asks for an end.
pub async fn interruptible<T, E: From<Interrupted> + From<io::Error>>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        outcome = work => outcome,
        _ = tokio::signal::ctrl_c() => Err(Interrupted.into()),
        _ = terminated.recv() => Err(Interrupted.into()),
    }
}
