//! How a run ends: the failures, what a person reads about them, and the exit codes.

use std::{error::Error as _, io, process::ExitCode};

use purse_client::OptionsError;
use purse_server::node::NodeError;
use purse_storage::StorageError;
use thiserror::Error;

/// The exit codes, as `--help` documents them.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the service refused, and stderr says why; or a check found something wrong
  2  the command line is wrong
  3  the service cannot be reached, is unavailable or overloaded, or did not answer in time:
     a write may have happened; repeat it with the same --key";

/// The service refused, or a check found something wrong.
const REFUSED: u8 = 1;
/// The command line is wrong. clap exits with this too.
const USAGE: u8 = 2;
/// The service is away, busy or slow.
const UNAVAILABLE: u8 = 3;

/// Why a command failed.
#[derive(Debug, Error)]
pub enum Failure {
    /// A call failed.
    #[error(transparent)]
    Call(#[from] purse_client::Error),
    /// A call failed for good in the middle of something that can be run again.
    #[error("{stopped}: {}", error.problem())]
    Stopped {
        /// What had to stop, and where.
        stopped: String,
        /// Why.
        error: purse_client::Error,
        /// What to do about it.
        advice: &'static str,
    },
    /// The address or the token is no good.
    #[error("{0}")]
    Options(#[from] OptionsError),
    /// The arguments do not go together, or a file that they name is no good.
    #[error("{0}")]
    Usage(String),
    /// The service answered something that cannot be right.
    #[error("{0}")]
    Wrong(String),
    /// The output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    /// The service cannot start.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The database cannot be worked on.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The process cannot start its threads.
    #[error("cannot start: {0}")]
    Runtime(#[source] io::Error),
}

impl Failure {
    /// Tells the person on stderr, in one or two lines, and gives the exit code.
    pub fn report(&self) -> ExitCode {
        match self {
            // Whoever read the output has read enough: `purse entries … | head`.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return ExitCode::SUCCESS;
            }
            Self::Call(error) => {
                eprintln!("purse: {}", error.problem());
                if let Some(advice) = error.advice() {
                    eprintln!("       {advice}");
                }
            }
            Self::Stopped { advice, .. } => eprintln!("purse: {self}\n       {advice}"),
            Self::Options(error) => {
                eprintln!("purse: {error}");
                if let Some(source) = error.source() {
                    eprintln!("       {source}");
                }
            }
            Self::Node(_) | Self::Storage(_) => {
                eprintln!("purse: {self}");
                let mut source = self.source();
                while let Some(cause) = source {
                    eprintln!("       {cause}");
                    source = cause.source();
                }
            }
            Self::Usage(_) | Self::Wrong(_) | Self::Output(_) | Self::Runtime(_) => {
                eprintln!("purse: {self}");
            }
        }
        ExitCode::from(self.code())
    }

    fn code(&self) -> u8 {
        match self {
            Self::Call(error) | Self::Stopped { error, .. } if error.is_temporary() => UNAVAILABLE,
            Self::Call(_)
            | Self::Stopped { .. }
            | Self::Node(_)
            | Self::Storage(_)
            | Self::Wrong(_)
            | Self::Output(_)
            | Self::Runtime(_) => REFUSED,
            Self::Options(_) | Self::Usage(_) => USAGE,
        }
    }
}

/// The exit code of a run that went through and found something wrong.
pub fn check_failed() -> ExitCode {
    ExitCode::from(REFUSED)
}
