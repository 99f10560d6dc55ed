//! Why a command may not happen. A rejection writes nothing and keeps no key.

use thiserror::Error;

use crate::{
    Amount, FundingRef, GrantNumber, HoldNumber, IdempotencyKey, LimitName, MOST_LIMITS, Scale,
    Timestamp, TransactionId, Unbuyable, Unpriced,
};

/// Why a well-formed command may not happen.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejection {
    /// There is no such wallet.
    #[error("the wallet does not exist")]
    WalletNotFound,
    /// The wallet has no such grant.
    #[error("the wallet has no grant {grant}")]
    GrantNotFound {
        /// The grant that was named.
        grant: GrantNumber,
    },
    /// What the operation may draw is too little.
    #[error("{available} available{}, {required} required", overdraft(*overdraft_left))]
    InsufficientCredits {
        /// What the operation may draw.
        available: Amount,
        /// What may be spent besides, as debt.
        overdraft_left: Amount,
        /// What it asked for.
        required: Amount,
    },
    /// What was asked for has no price.
    #[error(transparent)]
    Unpriced(#[from] Unpriced),
    /// What a payment is to have bought cannot be.
    #[error(transparent)]
    Unbuyable(#[from] Unbuyable),
    /// A spend limit leaves too little room.
    #[error("spend limit {limit}: {used} of {allowed} used, {required} required; {}", fits(*frees_at))]
    SpendLimitExceeded {
        /// The limit's name.
        limit: LimitName,
        /// What counts already in its window.
        used: Amount,
        /// What it allows.
        allowed: Amount,
        /// What was asked for.
        required: Amount,
        /// The first instant at which the request fits, if nothing else is spent; `None`: it never does.
        frees_at: Option<Timestamp>,
        /// When this was decided.
        now: Timestamp,
    },
    /// The wallet has no such spend limit.
    #[error("the wallet has no spend limit {limit}")]
    SpendLimitNotFound {
        /// The limit that was named.
        limit: LimitName,
    },
    /// The wallet has as many spend limits as it may have.
    #[error("the wallet has {MOST_LIMITS} spend limits already")]
    TooManySpendLimits,
    /// The grant has nothing left.
    #[error("grant {grant} has nothing left to take")]
    GrantEnded {
        /// The grant that was named.
        grant: GrantNumber,
    },
    /// A grant that is not effective yet cannot expire.
    #[error(
        "grant {grant} becomes effective at {effective_at} and cannot expire before; void it instead"
    )]
    GrantNotEffective {
        /// The grant that was named.
        grant: GrantNumber,
        /// When it becomes effective.
        effective_at: Timestamp,
    },
    /// The wallet would hold 10^15 or more.
    #[error("the wallet would hold 10^15 or more")]
    BalanceLimitExceeded,
    /// The asset has another scale for ever.
    #[error("the asset has {scale} decimal places for ever, {requested} were asked for", scale = scale.places(), requested = requested.places())]
    AssetScaleMismatch {
        /// The asset's scale.
        scale: Scale,
        /// The scale that was asked for.
        requested: Scale,
    },
    /// A low-balance threshold has more decimal places than the asset.
    #[error("a low-balance threshold has more than {} decimal places", scale.places())]
    ThresholdTooPrecise {
        /// The asset's scale.
        scale: Scale,
    },
    /// The wallet has no such hold.
    #[error("the wallet has no hold {hold}")]
    HoldNotFound {
        /// The hold that was named.
        hold: HoldNumber,
    },
    /// The deadline came first.
    #[error("hold {hold} ended at its deadline, {expires_at}")]
    HoldExpired {
        /// The hold that was named.
        hold: HoldNumber,
        /// Its deadline.
        expires_at: Timestamp,
    },
    /// Nothing is held any more.
    #[error("hold {hold} is closed: it was captured or released")]
    HoldClosed {
        /// The hold that was named.
        hold: HoldNumber,
    },
    /// More was to be captured than is held.
    #[error("hold {hold} holds {held}, {required} were to be captured")]
    CaptureExceedsHold {
        /// The hold that was named.
        hold: HoldNumber,
        /// What it still holds.
        held: Amount,
        /// What was asked for.
        required: Amount,
    },
    /// More was to be released than is held.
    #[error("hold {hold} holds {held}, {required} were to be released")]
    ReleaseExceedsHold {
        /// The hold that was named.
        hold: HoldNumber,
        /// What it still holds.
        held: Amount,
        /// What was asked for.
        required: Amount,
    },
    /// The overdraft limit has more decimal places than the asset.
    #[error("the asset has {} decimal places, the overdraft limit has more", scale.places())]
    OverdraftLimitTooPrecise {
        /// The asset's scale.
        scale: Scale,
    },
    /// The wallet has no such transaction.
    #[error("the wallet has no transaction {transaction}")]
    TransactionNotFound {
        /// The transaction that was named.
        transaction: TransactionId,
    },
    /// Only spends can be reversed.
    #[error("transaction {transaction} is no spend")]
    TransactionNotReversible {
        /// The transaction that was named.
        transaction: TransactionId,
    },
    /// The spend has been reversed already.
    #[error("nothing is left to reverse of the spend")]
    NothingLeftToReverse {
        /// What was asked for; `None`: all that is left.
        required: Option<Amount>,
    },
    /// Less is left to reverse.
    #[error("{left} left to reverse of the spend, {required} required")]
    ReversalExceedsSpend {
        /// What has not been reversed yet.
        left: Amount,
        /// What was asked for.
        required: Amount,
    },
    /// The wallet has no grant of that funding.
    #[error("the wallet has no grant of funding {funding_ref}")]
    FundingNotFound {
        /// The funding that was named.
        funding_ref: FundingRef,
    },
    /// More cannot be taken back than was funded.
    #[error("cumulative_amount must not be above what was funded, {funded}")]
    RevocationExceedsFunding {
        /// What was granted on that funding.
        funded: Amount,
    },
    /// The settings have changed.
    #[error("the wallet's settings have changed; its version is {version}")]
    StaleVersion {
        /// The version that they have.
        version: i64,
    },
    /// A grant or a hold must end after now.
    #[error("expires_at must be after now, {now}")]
    ExpiresAtNotAhead {
        /// When this was decided.
        now: Timestamp,
    },
    /// A grant must expire after it becomes effective.
    #[error("expires_at must be after effective_at, {effective_at}")]
    WindowEndsBeforeItStarts {
        /// When it would become effective.
        effective_at: Timestamp,
    },
    /// The wallet is frozen.
    #[error("the wallet is frozen: no credits can be taken until it is unfrozen")]
    WalletFrozen,
    /// The wallet is closed.
    #[error("the wallet is closed for good")]
    WalletClosed,
    /// A wallet that is to be closed holds or owes something.
    #[error(
        "the wallet is not empty: {available} available, {held} held, {debt} owed, {scheduled} scheduled"
    )]
    WalletNotEmpty {
        /// In effective grants, not held.
        available: Amount,
        /// Set aside.
        held: Amount,
        /// Owed.
        debt: Amount,
        /// Granted, not effective yet.
        scheduled: Amount,
    },
    /// It would not do what its preview said.
    #[error("what the commit token stands for has changed; preview it again")]
    StaleCommitToken,
    /// Usage cannot lie ahead.
    #[error("occurred_at must not be after now, {now}")]
    OccurredAtAhead {
        /// When this was decided.
        now: Timestamp,
    },
    /// The usage is too old to be charged.
    #[error("occurred_at must not be before {oldest}")]
    OccurredAtTooOld {
        /// The oldest usage that is still charged.
        oldest: Timestamp,
    },
    /// The account has used the key for another request.
    #[error("the idempotency key {key} was used for another request, in transaction {transaction}")]
    IdempotencyKeyReused {
        /// The key.
        key: IdempotencyKey,
        /// The transaction that used it.
        transaction: TransactionId,
    },
}

fn overdraft(left: Amount) -> String {
    if left.is_zero() { String::new() } else { format!(" and {left} of overdraft left") }
}

fn fits(frees_at: Option<Timestamp>) -> String {
    match frees_at {
        Some(frees_at) => format!("fits at {frees_at}"),
        None => "waiting does not help".to_owned(),
    }
}
