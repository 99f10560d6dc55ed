//! The rules of Purse.
//!
//! A wallet is the fold of its ledger. [`decide`] takes a wallet's state, a command and an instant,
//! and returns the entries to append or a rejection; it is the only place that decides, and preview,
//! batches and tests all call it. This crate does no IO and knows no clock, no chance, no database
//! and no wire format: whatever it needs is an argument.
//!
//! In reading order:
//!
//! * values that cannot be wrong: [`amount`], [`timestamp`], [`window`], [`calendar`], [`text`],
//!   [`ids`], [`names`];
//! * what a wallet consists of: [`grant`], [`order`], [`debt`], [`hold`], [`entry`], [`chain`], [`reversal`],
//!   [`wallet`];
//! * how much may be spent: [`limit`], [`spending`], [`sums`], [`tally`], [`usage`],
//!   [`room`];
//! * what is asked: [`command`], [`fingerprint`];
//! * what is answered: [`decide`], with [`mod@settle`], [`draft`] and [`rejection`] behind it;
//! * what a ledger tells: [`fold`], [`timeline`], [`mod@verify`].

pub mod amount;
pub mod calendar;
mod canonical;
pub mod chain;
pub mod command;
pub mod debt;
pub mod decide;
pub mod draft;
pub mod entry;
pub mod fingerprint;
pub mod fold;
mod give_back;
pub mod grant;
pub mod hold;
pub mod ids;
pub mod limit;
pub mod names;
pub mod order;
pub mod rejection;
pub mod reversal;
pub mod room;
pub mod settle;
pub mod spending;
pub mod sums;
pub mod tally;
pub mod text;
pub mod timeline;
pub mod timestamp;
pub mod usage;
pub mod verify;
pub mod wallet;
pub mod window;

pub use amount::{Amount, AmountError, CostBasis, PositiveAmount, Scale, SignedAmount};
pub use calendar::{CalendarUnit, Period, TimeZone, UnknownTimeZone};
pub use chain::{Chain, EntryHash, Owner};
pub use command::{
    CaptureHold, Command, CreateHold, CreateWallet, Excess, GrantTerms, NewGrant, ReleaseHold,
    Request, ReverseSpend, Spend, UpdateWallet,
};
pub use debt::{Debt, DebtPart};
pub use decide::{Decision, Verdict, decide};
pub use entry::{Allocation, DebtMove, Entry, EntryKind, Transaction, TransactionKind};
pub use fingerprint::Fingerprint;
pub use fold::{Fold, FoldError};
pub use grant::{Grant, GrantParts, GrantStatus, Priority};
pub use hold::{Hold, HoldStatus};
pub use ids::{AccountId, GrantNumber, HoldNumber, NamespaceId, Sequence, TransactionId, WalletId};
pub use limit::{
    LimitChange, LimitWindow, MOST_LIMITS, RollingSpan, RollingSpanError, Share, SpendLimit,
    SpendLimits,
};
pub use names::WalletName;
pub use order::{DrawdownKey, DrawdownPolicy, POLICY_VERSION};
pub use rejection::Rejection;
pub use reversal::{ExpiredPolicy, GracePeriod, Slice, SliceOutcome, SpendRecord, slices};
pub use room::{LimitUsage, limit_usage};
pub use settle::{balances_at, forecast};
pub use spending::{Counted, Origin, Part, Spender};
pub use sums::{Scan, Span, Sum, Width};
pub use tally::Tally;
pub use text::{
    AccountName, Actor, AssetCode, Category, IdempotencyKey, LimitName, Metadata, NamespaceName,
    OperationName, Reason, TextError,
};
pub use timeline::{Step, TimeRange, TimeRangeError, Timeline};
pub use timestamp::{Timestamp, TimestampError};
pub use usage::{OpenHold, Unknown, Usage};
pub use verify::{Discrepancy, verify, verify_spending};
pub use wallet::{Balances, Coverage, Head, Missing, WalletSettings, WalletState};
pub use window::{Window, WindowError};
