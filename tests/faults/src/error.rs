//! Why a run came to no verdict. What it finds wrong is no error: that is the verdict.

use std::{io, time::Duration};

use purse_client::OptionsError;
use purse_process::{Interrupted, ServerError};
use purse_storage::{StorageError, embedded::EmbeddedError};
use thiserror::Error;
use tokio::task::JoinError;

/// Why a run came to no verdict.
#[derive(Debug, Error)]
pub enum RunError {
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    #[error("the files of the run")]
    Files(#[from] io::Error),
    #[error(
        "this process may not mount a disk that can be filled: root may, outside of most containers"
    )]
    MayNotMount,
    #[error("a server")]
    Server(#[from] ServerError),
    #[error("the PostgreSQL of the run")]
    Postgres(#[from] EmbeddedError),
    #[error("a connection to PostgreSQL")]
    Storage(#[from] StorageError),
    #[error("a query of the run")]
    Query(#[from] tokio_postgres::Error),
    #[error("a client")]
    Client(#[from] OptionsError),
    #[error("a task of the run")]
    Task(#[from] JoinError),
    #[error("the test clock")]
    Clock(#[from] Box<tonic::Status>),
    #[error("{call} was refused: {source}")]
    Refused { call: String, source: Box<purse_client::Error> },
    #[error("callers were still not answered {} s after the faults had ended", waited.as_secs())]
    NoProgress { waited: Duration },
    #[error("PostgreSQL took no connection {} s after it was stopped", waited.as_secs())]
    NotRestarted { waited: Duration },
    #[error("`purse {arguments}` failed: {output}")]
    Command { arguments: String, output: String },
}

impl RunError {
    /// Why there is no disk that can be filled.
    pub fn no_disk(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::PermissionDenied {
            Self::MayNotMount
        } else {
            Self::Files(error)
        }
    }

    /// A call that the service refused for good.
    pub fn refused(call: impl Into<String>) -> impl FnOnce(purse_client::Error) -> Self {
        let call = call.into();
        move |source| Self::Refused { call, source: Box::new(source) }
    }
}
