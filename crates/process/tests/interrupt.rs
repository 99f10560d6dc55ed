//! An end that is asked for is heard, whenever that was. One test, as the signal is the whole process's.

use std::{future::pending, io, time::Duration};

use purse_process::{Interrupted, interruptible};
use rustix::process::{Signal, getpid, kill_process};

#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    #[error(transparent)]
    Files(#[from] io::Error),
}

#[tokio::test]
async fn who_asks_for_an_end_between_two_works_is_heard() {
    let first = interruptible(async { Ok::<_, Ended>(1) }).await;
    assert!(matches!(first, Ok(1)), "{first:?}");
    kill_process(getpid(), Signal::TERM).expect("a signal to this process");
    // Long enough that nobody who begins to listen now hears it.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let second = interruptible(pending::<Result<(), Ended>>());
    let second = tokio::time::timeout(Duration::from_secs(10), second).await;
    assert!(matches!(second, Ok(Err(Ended::Interrupted(_)))), "{second:?}");
}
