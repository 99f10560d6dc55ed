//! What the write path takes from outside: the time and fresh ids.

use purse_domain::{Timestamp, TransactionId};

/// Says what time it is.
pub trait Clock: Send + Sync + 'static {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// Makes ids.
pub trait IdSource: Send + Sync + 'static {
    /// A fresh transaction id, a UUIDv7 dated `at`.
    fn transaction_id(&self, at: Timestamp) -> TransactionId;
}
