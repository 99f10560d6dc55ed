//! Rows of a table as one array a column: what a statement takes through `unnest`.

use std::fmt::Write as _;

use deadpool_postgres::Client;
use tokio_postgres::{Statement, types::ToSql};

use crate::StorageError;

/// Rows for one statement.
pub(super) trait Rows: Sync {
    /// The statement, with parameters from `$1` on.
    fn statement(&self) -> &'static str;

    /// The columns, in the order of the parameters.
    fn parameters(&self) -> Vec<&(dyn ToSql + Sync)>;

    /// Whether there is no row.
    fn is_empty(&self) -> bool;
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
        let Some((last, others)) = tables.split_last() else { return Ok(None) };
        let mut sql = String::new();
        let mut parameters: Vec<&(dyn ToSql + Sync)> = Vec::new();
        for (index, table) in others.iter().enumerate() {
            let opening = if index == 0 { "WITH " } else { ", " };
            // Writing to a string does not fail.
            write!(sql, "{opening}part_{index} AS (").ok();
            renumber(&mut sql, table.statement(), parameters.len());
            sql.push(')');
            parameters.extend(table.parameters());
        }
        renumber(&mut sql, last.statement(), parameters.len());
        parameters.extend(last.parameters());
        let statement = client.prepare_cached(&sql).await?;
        Ok(Some(Self { statement, parameters }))
    }

    /// Sends it, when it is first polled.
    pub(super) async fn send(&self, client: &Client) -> Result<(), StorageError> {
        client.execute(&self.statement, &self.parameters).await?;
        Ok(())
    }
}

/// Appends a statement whose parameters come after `before` others.
fn renumber(sql: &mut String, statement: &str, before: usize) {
    let mut parts = statement.split('$');
    sql.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = part.split_at(digits);
        let number = number.parse::<usize>().unwrap_or_default() + before;
        write!(sql, "${number}{rest}").ok();
    }
}

/// Defines a struct of columns, in the order of the statement's parameters.
macro_rules! columns {
    ($(#[$doc:meta])* $name:ident, $statement:expr, { $($column:ident: $type:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(super) struct $name {
            $($column: Vec<$type>,)+
        }

        impl super::columns::Rows for $name {
            fn statement(&self) -> &'static str {
                $statement
            }

            fn parameters(&self) -> Vec<&(dyn tokio_postgres::types::ToSql + Sync)> {
                vec![$(&self.$column),+]
            }

            fn is_empty(&self) -> bool {
                [$(self.$column.is_empty()),+].contains(&true)
            }
        }
    };
}
pub(super) use columns;

#[cfg(test)]
mod tests {
    use super::renumber;

    #[test]
    fn parameters_are_numbered_on() {
        let mut sql = String::new();
        renumber(&mut sql, "SELECT $1::UUID[], $12 WHERE a = $2", 30);
        assert_eq!(sql, "SELECT $31::UUID[], $42 WHERE a = $32");
    }
}
