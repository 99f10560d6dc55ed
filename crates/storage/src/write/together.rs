//! The rows of several tables as one statement.
//!
//! The rows of a table are one parameter, an array of a composite type: an array for each column makes
//! PostgreSQL set up as many scans as there are columns, which costs more than small batches themselves.

use std::fmt::Write as _;

use deadpool_postgres::Client;
use tokio_postgres::{Statement, types::ToSql};

use crate::StorageError;

/// What is written of one row, or asked of it. The migrations define its type.
pub(super) trait Row: ToSql + Sync {
    /// The statement that does so with an array of them, `$1`.
    const STATEMENT: &'static str;
}

/// The rows of one statement.
pub(super) trait Rows: Sync {
    /// The statement for them.
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

/// Prepares the statement that writes the rows of several tables, each table's as a part of it, on the connection that is
/// to send it. No two may write the same row. Tables without rows are left out; `None`: no table has any.
pub(super) async fn prepare(
    client: &Client,
    tables: &[&dyn Rows],
) -> Result<Option<Statement>, StorageError> {
    let statements: Vec<&str> = filled(tables).map(Rows::statement).collect();
    let Some(sql) = joined(statements.into_iter()) else { return Ok(None) };
    Ok(Some(client.prepare_cached(&sql).await?))
}

/// Sends the statement that was prepared for these tables, when it is first polled.
pub(super) async fn send(
    client: &Client,
    statement: &Statement,
    tables: &[&dyn Rows],
) -> Result<(), StorageError> {
    let parameters: Vec<&(dyn ToSql + Sync)> = filled(tables).map(Rows::parameter).collect();
    client.execute(statement, &parameters).await?;
    Ok(())
}

fn filled<'a>(tables: &[&'a dyn Rows]) -> impl Iterator<Item = &'a dyn Rows> {
    tables.iter().copied().filter(|table| !table.is_empty())
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
