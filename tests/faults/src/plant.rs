//! Bugs that are planted on purpose: a harness that cannot see them proves nothing.

use clap::ValueEnum;

use crate::{error::RunError, fault::Fault, stage::Stage};

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Bug {
    /// Callers that repeat a call with another key
    FreshKeys,
    /// A database that acknowledges before it is durable, and an immediate stop
    AsynchronousCommit,
    /// An entry that is changed by hand
    EditedEntry,
}

/// A hundredth more, in one of the wallets.
const EDIT: &str = "
    UPDATE entries
    SET amount = amount + 0.01
    WHERE (wallet_id, sequence) = (
        SELECT wallet_id, sequence
        FROM entries
        ORDER BY wallet_id, sequence DESC
        LIMIT 1
    )";

impl Bug {
    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// What goes wrong beside it.
    pub fn fault(self) -> Fault {
        match self {
            Self::FreshKeys => Fault::KillServer,
            Self::AsynchronousCommit => Fault::StopImmediate,
            Self::EditedEntry => Fault::TwoServers,
        }
    }

    /// What is done by hand once the load has ended.
    pub async fn edit(self, stage: &Stage) -> Result<(), RunError> {
        match self {
            Self::FreshKeys | Self::AsynchronousCommit => Ok(()),
            Self::EditedEntry => Ok(stage.sql().await?.batch_execute(EDIT).await?),
        }
    }
}
