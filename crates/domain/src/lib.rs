//! The rules of Purse.
//!
//! A wallet is the fold of its ledger. [`decide`] takes a wallet's state, a command and an instant,
//! and returns the entries to append or a rejection; it is the only place that decides, and preview,
//! batches and tests all call it. This crate does no IO and knows no clock, no chance, no database
//! and no wire format: whatever it needs is an argument.
//!
//! In reading order:
//!
//! * values that cannot be wrong: [`amount`], [`timestamp`], [`window`], [`calendar`], [`exact`], [`text`],
//!   [`ids`], [`names`];
//! * what a wallet consists of: [`grant`], [`order`], [`debt`], [`hold`], [`entry`], [`chain`], [`reversal`],
//!   [`funding`], [`wallet`];
//! * what is for sale: [`catalog`], [`price`], [`pack`];
//! * how much may be spent: [`limit`], [`spending`], [`sums`], [`tally`], [`counts`], [`room`];
//! * what is told of it: [`notice`], [`event`], [`top_up`];
//! * what is asked: [`command`], [`fingerprint`];
//! * what makes grants by itself: [`cycle`], [`expiry`], [`rule`], [`rule_change`], [`subscription`],
//!   [`application`], [`mod@schedule`], [`action`];
//! * what is answered: [`decide`], with [`mod@settle`], [`drawing`], [`draft`] and [`rejection`] behind it, [`group`]
//!   and [`commit_token`] over it;
//! * what a ledger tells: [`fold`], [`timeline`], [`explain`], [`composition`], [`cost_report`], [`expiry_report`],
//!   [`recount`], [`mod@verify`].

pub mod action;
pub mod amount;
pub mod application;
pub mod calendar;
mod canonical;
pub mod catalog;
pub mod chain;
pub mod command;
pub mod commit_token;
pub mod composition;
pub mod cost_report;
pub mod counts;
pub mod cycle;
pub mod debt;
pub mod decide;
pub mod draft;
pub mod drawing;
pub mod entry;
pub mod event;
pub mod exact;
pub mod expiry;
pub mod expiry_report;
pub mod explain;
pub mod fingerprint;
pub mod fold;
pub mod funding;
mod give_back;
pub mod grant;
pub mod group;
pub mod hold;
pub mod ids;
pub mod limit;
pub mod names;
pub mod notice;
pub mod order;
pub mod pack;
pub mod period;
pub mod price;
pub mod recount;
pub mod rejection;
pub mod reversal;
pub mod room;
pub mod rule;
pub mod rule_change;
pub mod schedule;
pub mod settle;
pub mod spending;
pub mod subscription;
pub mod sums;
pub mod tally;
pub mod text;
pub mod timeline;
pub mod timestamp;
pub mod top_up;
pub mod verify;
pub mod wallet;
pub mod window;

pub use action::{Action, Answered, Look, Purpose, look};
pub use amount::{Amount, AmountError, CostBasis, PositiveAmount, Scale, SignedAmount, UnitPrice};
pub use application::{
    Application, ApplicationId, ApplicationState, Applied, Awaited, Failed, KeptApplication,
    Skipped, TakenBack,
};
pub use calendar::{CalendarPeriod, CalendarUnit, TimeZone, UnknownTimeZone};
pub use catalog::{CatalogChange, CatalogItem, StaleItem, change_item};
pub use chain::{Chain, EntryHash, Owner};
pub use command::{
    CaptureHold, CarryOver, ChangeGrantExpiry, CloseWallet, Command, CreateHold, CreateWallet,
    Excess, ExpirationPolicy, GrantTerms, NewGrant, Purchase, Receive, ReleaseHold, Request, Rest,
    ReverseSpend, RevokeFunding, Spend, Transfer, UpdateWallet,
};
pub use commit_token::{CommitToken, CommitTokenError};
pub use composition::{Composer, Composition};
pub use cost_report::{CostBooks, CostReport, CostStatement, Periods, TooManyPeriods};
pub use counts::{Counts, OpenHold, Unknown};
pub use cycle::{CalendarSpan, CalendarSpanError, Cycle, CyclePeriod, SpanUnit};
pub use debt::{Debt, DebtPart};
pub use decide::{Decision, Verdict, decide};
pub use drawing::PassedOver;
pub use entry::{Allocation, DebtMove, Entry, EntryKind, Transaction, TransactionKind};
pub use event::{Crossing, Event, EventSequence, Lows, Movement, Occurrence};
pub use exact::Exact;
pub use expiry::{Billing, BillingCycleMissing, ExpiryAnswer, ExpiryQuestion, ExpirySettings};
pub use expiry_report::{ExpiryGroup, ExpiryGrouping, ExpiryStatement, expiry_statements};
pub use explain::{Explainer, Explanation, Unexplained};
pub use fingerprint::Fingerprint;
pub use fold::{Fold, FoldError};
pub use funding::FundingRecord;
pub use grant::{Grant, GrantParts, GrantStatus, Part, Priority};
pub use group::{Decided, Group, GroupVerdict, Refused, decide_group};
pub use hold::{Hold, HoldStatus};
pub use ids::{
    AccountId, GrantNumber, HoldNumber, NamespaceId, RuleId, Sequence, TransactionId, WalletId,
};
pub use limit::{
    LimitChange, LimitWindow, MOST_LIMITS, RollingSpan, RollingSpanError, Share, SpendLimit,
    SpendLimits,
};
pub use names::WalletName;
pub use notice::{LeadTimes, Thresholds};
pub use order::{DrawdownKey, DrawdownPolicy, DrawdownRule, POLICY_VERSION};
pub use pack::{
    Bonus, BonusSlab, Bought, Money, Pack, PackCount, PackError, PackGrant, PackShare, PackTerms,
    PerCent, PerCentError, PurchaseRecord, SlabFrom, Unbuyable,
};
pub use period::{Period, PeriodError};
pub use price::{
    Charge, Cost, Price, PriceError, PricePart, PriceTerms, Priced, Pricing, Quantities,
    QuantitiesError, Quantity, Rounding, RoundingMode, Unpriced,
};
pub use recount::{NoticesFrom, Recount};
pub use rejection::Rejection;
pub use reversal::{ExpiredPolicy, Slice, SliceOutcome, SpendRecord, Undone, slices};
pub use room::{LimitUsage, limit_usage};
pub use rule::{
    Cadence, CatchUp, GrantRule, OnCancel, Percent, PercentError, PlanChange, Proration, Rollover,
    RolloverCap, RuleScope, RuleScopeKind, RuleTerms, Stage,
};
pub use rule_change::{
    AskedExpiry, CycleCountMissing, EndsBeforeItStarts, NewRule, RuleChange, RuleChangeKind,
    RuleCommand, RuleRejection, RuleRequest, TermChange, change_rule, check_bounds,
};
pub use schedule::{Horizon, Known, PATIENCE_MICROS, schedule};
pub use settle::{balances_at, forecast};
pub use spending::{Counted, Origin, Spender, Whose};
pub use subscription::{
    Heard, Stretch, Subscription, SubscriptionEvent, SubscriptionEventKind, SubscriptionName,
    SubscriptionState, SubscriptionStatus,
};
pub use sums::{Scan, Span, Sum, Width};
pub use tally::Tally;
pub use text::{
    AccountName, Actor, AddonId, AssetCode, Category, Currency, FundingRef, IdempotencyKey,
    LimitName, Metadata, NamespaceName, OperationName, PackName, PlanId, QuantityName, Reason,
    RuleName, SourceEventId, SourceName, SubscriptionId, TextError,
};
pub use timeline::{Step, TimeRange, TimeRangeError, Timeline};
pub use timestamp::{Timestamp, TimestampError};
pub use top_up::{MOST_REQUESTS, RequestCount, TopUpChange, TopUpRule, TopUps, ToppedStep};
pub use verify::{Discrepancy, verify, verify_event, verify_spending, verify_transfer};
pub use wallet::{Balances, Coverage, Head, Missing, WalletSettings, WalletState, WalletStatus};
pub use window::{ExpiryChange, Window, WindowError};
