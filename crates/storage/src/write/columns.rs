//! Rows of a table as one array a column: what a statement takes through `unnest`.

/// Defines a struct of columns, in the order of the statement's parameters, with `is_empty` and `send`.
/// Sending no row sends nothing.
macro_rules! columns {
    ($(#[$doc:meta])* $name:ident, $statement:expr, { $($column:ident: $type:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(super) struct $name {
            $($column: Vec<$type>,)+
        }

        impl $name {
            pub(super) fn is_empty(&self) -> bool {
                [$(self.$column.is_empty()),+].contains(&true)
            }

            pub(super) async fn send(
                &self,
                client: &deadpool_postgres::Client,
            ) -> Result<(), crate::StorageError> {
                if self.is_empty() {
                    return Ok(());
                }
                let statement = client.prepare_cached($statement).await?;
                client.execute(&statement, &[$(&self.$column),+]).await?;
                Ok(())
            }
        }
    };
}
pub(super) use columns;
