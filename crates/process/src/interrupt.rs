//! Ending early, in order, so that what was started is stopped.

use std::{io, sync::OnceLock};

use thiserror::Error;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// The user or the system asked for an end.
#[derive(Debug, Error)]
#[error("interrupted")]
pub struct Interrupted;

/// Whether somebody has asked for an end since the first work: between two works nobody else would hear it.
static ASKED: OnceLock<watch::Receiver<bool>> = OnceLock::new();

/// Works until it is done, or until somebody asks for an end. Who asked during an earlier work, or after it, asked for the
/// end of this one as well.
pub async fn interruptible<T, E: From<Interrupted> + From<io::Error>>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let mut asked = asked()?;
    tokio::select! {
        biased;
        Ok(_) = asked.wait_for(|asked| *asked) => Err(Interrupted.into()),
        outcome = work => outcome,
    }
}

/// Listens from the first call on.
fn asked() -> io::Result<watch::Receiver<bool>> {
    if let Some(asked) = ASKED.get() {
        return Ok(asked.clone());
    }
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let (ask, asked) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        ask.send_replace(true);
    });
    Ok(ASKED.get_or_init(|| asked).clone())
}
