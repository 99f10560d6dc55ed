//! What a failure of the database means, decided by SQLSTATE and constraint name, never by message text.

use thiserror::Error;
use tokio_postgres::error::SqlState;

/// Why storage could not answer.
#[derive(Debug, Error)]
pub enum StorageError {
    /// The database is away, or was while it worked: the outcome of a write is unknown, and asking again
    /// with the same key is safe.
    #[error("the database is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database refused: a constraint, or two servers that met. Deciding again may succeed.
    #[error("the database refused{}", constraint.as_ref().map(|name| format!(" by {name}")).unwrap_or_default())]
    Refused {
        /// The constraint that refused.
        constraint: Option<String>,
        /// What the driver said.
        source: tokio_postgres::Error,
    },
    /// A row that cannot be, or a statement that does not fit the schema: a defect.
    #[error("the database holds or answered what cannot be: {0}")]
    Corrupt(String),
    /// The schema is not the one that this version works on.
    #[error("the schema is at version {found}, this server needs {needed}: run `purse migrate`")]
    SchemaVersion {
        /// The version that the database has; 0: none.
        found: i32,
        /// The version that this server needs.
        needed: i32,
    },
    /// The schema was made by other changes than this version's.
    #[error(
        "change {version} of the schema was \"{name}\", which this version does not know: use the version that made it"
    )]
    OtherSchema {
        /// The change.
        version: i32,
        /// What it was called.
        name: String,
    },
    /// An acknowledged write could be lost.
    #[error(
        "{setting} is off in the database: an acknowledged write could be lost; turn it on, or start with --allow-data-loss"
    )]
    UnsafeDurability {
        /// The setting that is off.
        setting: &'static str,
    },
    /// The server's role could rewrite history.
    #[error(
        "the database role may change entries: serve with a role of its own (`purse migrate --server-role`)"
    )]
    MayChangeLedger,
    /// The server's role cannot do its work.
    #[error(
        "the database role lacks {right} on {table}: run `purse migrate --server-role`, once more after each migration"
    )]
    MayNotServe {
        /// The table.
        table: &'static str,
        /// What it takes.
        right: &'static str,
    },
}

impl StorageError {
    /// Whether the same work may succeed when it is tried again at once.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Refused { .. } => true,
            Self::Corrupt(_)
            | Self::SchemaVersion { .. }
            | Self::OtherSchema { .. }
            | Self::UnsafeDurability { .. }
            | Self::MayChangeLedger
            | Self::MayNotServe { .. } => false,
        }
    }
}

impl From<tokio_postgres::Error> for StorageError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(refusal) = error.as_db_error() else {
            // A column that does not decode is ours; everything else without a SQLSTATE is the
            // connection.
            return if error.is_closed() || is_io(&error) {
                Self::Unavailable(Box::new(error))
            } else {
                Self::Corrupt(describe(&error))
            };
        };
        let code = refusal.code();
        if is_transient(code) {
            Self::Unavailable(Box::new(error))
        } else if code.code().starts_with("23") || is_contention(code) {
            let constraint = refusal.constraint().map(str::to_owned);
            Self::Refused { constraint, source: error }
        } else {
            Self::Corrupt(describe(&error))
        }
    }
}

impl From<deadpool_postgres::PoolError> for StorageError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        match error {
            deadpool_postgres::PoolError::Backend(error) if error.as_db_error().is_some() => {
                error.into()
            }
            other @ (deadpool_postgres::PoolError::Backend(_)
            | deadpool_postgres::PoolError::Timeout(_)
            | deadpool_postgres::PoolError::Closed
            | deadpool_postgres::PoolError::NoRuntimeSpecified
            | deadpool_postgres::PoolError::PostCreateHook(_)) => {
                Self::Unavailable(Box::new(other))
            }
        }
    }
}

/// The database is starting, stopping, full or out of connections, or somebody cancelled the statement:
/// waiting helps, and the outcome of a commit is unknown.
fn is_transient(code: &SqlState) -> bool {
    let code = code.code();
    ["08", "53", "57P", "57014", "25P03"].iter().any(|class| code.starts_with(class))
}

/// Two transactions met: trying again helps at once.
fn is_contention(code: &SqlState) -> bool {
    *code == SqlState::T_R_SERIALIZATION_FAILURE
        || *code == SqlState::T_R_DEADLOCK_DETECTED
        || *code == SqlState::LOCK_NOT_AVAILABLE
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if cause.is::<std::io::Error>() {
            return true;
        }
        source = cause.source();
    }
    false
}

fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(refusal) => format!("{} {}", refusal.code().code(), refusal.message()),
        None => match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}
