//! The rows of several tables as one statement.
//!
//! The rows of a table are one parameter, an array of a composite type: an array for each column makes
//! PostgreSQL set up as many scans as there are columns, which costs more than small batches themselves.

use std::fmt::Write as _;

use deadpool_postgres::Client;
use tokio_postgres::{Statement, types::ToSql};

use crate::StorageError;

/// What is written of one row. The migrations define its type.
pub(super) trait Row: ToSql + Sync {
    /// The statement that writes an array of them, `$1`.
    const STATEMENT: &'static str;
}

/// The rows of one statement.
pub(super) trait Rows: Sync {
    /// The statement that writes them.
    fn statement(&self) -> &'static str;

    /// Its one parameter.
    fn parameter(&self) -> &(dyn ToSql + Sync);

    /// Whether there is no row.
    fn is_empty(&self) -> bool;
}

impl<R: Row> Rows for Vec<R> {
    fn statement(&self) -> &'static str {
        R::STATEMENT
    }

    fn parameter(&self) -> &(dyn ToSql + Sync) {
        self
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

/// The rows of several tables as one statement, in which each table's is a part. No two may write the same
/// row.
pub(super) struct Together<'a> {
    statement: Statement,
    parameters: Vec<&'a (dyn ToSql + Sync)>,
}

impl<'a> Together<'a> {
    /// Prepares the statement, on the connection that is to send it. Tables without rows are left out;
    /// `None`: no table has any.
    pub(super) async fn prepare(
        client: &Client,
        tables: &[&'a dyn Rows],
    ) -> Result<Option<Self>, StorageError> {
        let tables: Vec<&dyn Rows> =
            tables.iter().copied().filter(|table| !table.is_empty()).collect();
        let Some(sql) = joined(tables.iter().map(|table| table.statement())) else {
            return Ok(None);
        };
        let statement = client.prepare_cached(&sql).await?;
        let parameters = tables.iter().map(|table| table.parameter()).collect();
        Ok(Some(Self { statement, parameters }))
    }

    /// Sends it, when it is first polled.
    pub(super) async fn send(&self, client: &Client) -> Result<(), StorageError> {
        client.execute(&self.statement, &self.parameters).await?;
        Ok(())
    }
}

/// Statements of one parameter each as one statement. The last is its main part.
fn joined<'a>(statements: impl ExactSizeIterator<Item = &'a str>) -> Option<String> {
    let last = statements.len().checked_sub(1)?;
    let mut sql = String::new();
    for (index, statement) in statements.enumerate() {
        let statement = statement.replace("$1", &format!("${}", index + 1));
        let opening = if index == 0 { "WITH " } else { ", " };
        // Writing to a string does not fail.
        if index < last {
            write!(sql, "{opening}part_{index} AS ({statement})").ok();
        } else {
            write!(sql, " {statement}").ok();
        }
    }
    Some(sql)
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn parts_are_joined_and_their_parameters_numbered() {
        let statements = ["INSERT a $1", "INSERT b $1", "UPDATE c $1"];
        assert_eq!(
            joined(statements.into_iter()).as_deref(),
            Some("WITH part_0 AS (INSERT a $1), part_1 AS (INSERT b $2) UPDATE c $3")
        );
        assert_eq!(joined(["UPDATE c $1"].into_iter()).as_deref(), Some(" UPDATE c $1"));
        assert_eq!(joined(std::iter::empty()), None);
    }
}
