//! Purse on PostgreSQL.
//!
//! Loads the wallets that a batch of requests touches, lets the domain decide each, and writes all that
//! came of it in one database transaction. It decides nothing itself, and no SQL leaves it.
//!
//! In reading order:
//!
//! * [`environment`]: the injected clock and ids;
//! * [`batch`]: the write path, with [`load`], [`write`] and [`replay`] as its steps;
//! * [`pipeline`]: the batches that a lane has under way, with [`kept`], which spares most of them the load;
//! * [`catalog`]: what a namespace sells;
//! * [`read`]: balances, grants, entries and wallets for readers, who never lock;
//! * [`rules`]: grant rules, which are written beside the batches;
//! * [`row`], `event_data`, `words`: how domain values and columns correspond; [`spending`]: what spend limits count;
//! * [`subscriptions`]: what events say of them, and what is to be done;
//! * [`pool`], [`error`]: connections, and what their failures mean;
//! * [`migrate`], [`privileges`]: the schema, there and back, and what the server may do to it;
//! * [`embedded`]: a private PostgreSQL as a child process.

pub mod batch;
pub mod catalog;
pub mod embedded;
pub mod environment;
pub mod error;
mod event_data;
pub mod kept;
pub mod load;
pub mod migrate;
pub mod pipeline;
pub mod pool;
pub mod privileges;
pub mod read;
pub mod replay;
pub mod row;
pub mod rules;
pub mod spending;
pub mod subscriptions;
mod words;
pub mod write;

pub use batch::{Answer, BatchTimings, Outcome, Settled};
pub use catalog::{CatalogChanged, CatalogName, CatalogQuery, Sellable};
pub use environment::{Clock, IdSource};
pub use error::StorageError;
pub use kept::Kept;
pub use pipeline::{Ended, Pipeline};
pub use pool::{Storage, StorageOptions};
pub use read::{
    BalanceAt, BalanceQuery, ComposedBalance, CostQuery, DuePage, DuePosition, DueQuery,
    EntryFilter, EntryPage, EntryQuery, EntryRecord, EventPage, EventPosition, EventRecord,
    EventScope, EventsUnreadable, ExpiryQuery, ExplainedTransaction, GrantPage, GrantQuery,
    GrantRecord, HoldPage, HoldQuery, HoldRecord, NoReport, ReportPage, ReportedWallets,
    SpendLimitQuery, SpendLimitRecord, SpendLimitsAt, TimelineQuery, TimelineRecord, Unanswerable,
    Verification, WalletQuery,
};
pub use rules::{
    CadenceKind, ExpiryKind, RuleAnswer, RuleBatch, RuleChangePage, RuleChangeQuery, RuleFilter,
    RuleOutcomes, RulePage, RuleQuery, RuleState,
};
