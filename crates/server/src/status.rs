//! The one place that makes a `tonic::Status`.
//!
//! Every error carries one `google.rpc.ErrorInfo` with a reason of `purse.v1.ErrorReason`; each figure in
//! the message is in its metadata too. What is internal stays in the log.

use std::{collections::HashMap, time::Duration};

use purse_domain::{
    ApplicationId, CyclePeriod, GrantNumber, HoldNumber, MOST_LIMITS, Rejection, RuleId,
    RuleRejection, Scale, StaleItem, SubscriptionName, TooManyPeriods, TransactionId, Unbuyable,
    Unpriced, WalletName,
};
use purse_proto::v1::ErrorReason;
use purse_storage::{
    EventScope, EventsUnreadable, NoReport, ReportedWallets, StorageError, Unanswerable,
};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use crate::auth::Role;

/// The domain of every `ErrorInfo`.
pub const DOMAIN: &str = "purse.v1";

/// How long a caller should wait when there is too much to do: some batches.
const OVERLOAD_DELAY: Duration = Duration::from_millis(100);
/// How long a caller should wait for a stream when there are too many: another one has to end first.
const STREAM_DELAY: Duration = Duration::from_secs(5);
/// How long a caller should wait when the database is away: about a restart's tenth.
const UNAVAILABLE_DELAY: Duration = Duration::from_millis(250);

/// The name of a reason on the wire: without the prefix that enums need.
pub fn reason_name(reason: ErrorReason) -> &'static str {
    reason.as_str_name().trim_start_matches("ERROR_REASON_")
}

type Metadata<'a> = &'a [(&'a str, String)];

fn details(reason: ErrorReason, metadata: Metadata<'_>) -> ErrorDetails {
    let metadata: HashMap<String, String> =
        metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    ErrorDetails::with_error_info(reason_name(reason), DOMAIN, metadata)
}

fn status(
    code: Code,
    message: impl Into<String>,
    reason: ErrorReason,
    metadata: Metadata<'_>,
) -> Status {
    Status::with_error_details(code, message, details(reason, metadata))
}

/// A field that is wrong, with what is wrong about it.
#[derive(Debug, Clone)]
pub struct Violation {
    /// The field's path in the request.
    pub field: &'static str,
    /// What is wrong, as the rest of a sentence that begins with the field.
    pub problem: String,
}

/// Bad input. There is at least one violation.
pub fn invalid_fields(violations: &[Violation]) -> Status {
    let first = violations.first().map_or("", |violation| violation.field);
    let message = violations
        .iter()
        .map(|violation| format!("{} {}", violation.field, violation.problem))
        .collect::<Vec<_>>()
        .join("; ");
    let mut details = details(ErrorReason::InvalidField, &[("field", first.to_owned())]);
    details.set_bad_request(
        violations
            .iter()
            .map(|violation| FieldViolation::new(violation.field, violation.problem.clone()))
            .collect::<Vec<_>>(),
    );
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// One wrong field.
pub fn invalid_field(field: &'static str, problem: String) -> Status {
    invalid_fields(&[Violation { field, problem }])
}

fn too_precise(field: &'static str, scale: Scale) -> Status {
    invalid_field(field, format!("has more than {} decimal places", scale.places()))
}

/// The error of one item of a list, for the request that the list is a field of: `metadata.index` says which item,
/// and the fields that are the item's get their path in the request.
pub fn located(
    refused: &Status,
    list: &str,
    index: usize,
    is_of_item: impl Fn(&str) -> bool,
) -> Status {
    let mut details = refused.get_error_details();
    let path = |field: &str| {
        if is_of_item(field) { format!("{list}[{index}].{field}") } else { field.to_owned() }
    };
    if let Some(request) = details.bad_request() {
        let violations = request.field_violations.iter();
        let located = violations
            .map(|violation| FieldViolation::new(path(&violation.field), &violation.description));
        details.set_bad_request(located.collect::<Vec<_>>());
    }
    if let Some(info) = details.error_info() {
        let mut metadata = info.metadata.clone();
        if let Some(field) = metadata.get_mut("field") {
            *field = path(field);
        }
        metadata.insert("index".to_owned(), index.to_string());
        details.set_error_info(info.reason.clone(), info.domain.clone(), metadata);
    }
    let message = format!("{list}[{index}]: {}", refused.message());
    Status::with_error_details(refused.code(), message, details)
}

/// The error of a request that is no item of a list.
pub fn alone(refused: Status, _: usize) -> Status {
    refused
}

/// No wallet of the namespace has the asset yet.
pub fn asset_not_found(asset: &str) -> Status {
    status(
        Code::NotFound,
        format!("no wallet of asset {asset} exists; create one first"),
        ErrorReason::AssetNotFound,
        &[("asset", asset.to_owned())],
    )
}

/// There is no such wallet.
pub fn wallet_not_found(wallet: &WalletName) -> Status {
    no_wallet(wallet.account.as_str(), wallet.asset.as_str())
}

fn no_wallet(account: &str, asset: &str) -> Status {
    status(
        Code::NotFound,
        format!("account {account} has no wallet of {asset}; create it first"),
        ErrorReason::WalletNotFound,
        &[("account", account.to_owned()), ("asset", asset.to_owned())],
    )
}

/// Of several wallets, the one that stands against it.
fn named(wallet: &WalletName) -> [(&'static str, String); 2] {
    [("account", wallet.account.to_string()), ("asset", wallet.asset.to_string())]
}

/// The wallet has no such grant.
pub fn grant_not_found(grant: GrantNumber) -> Status {
    status(
        Code::NotFound,
        format!("the wallet has no grant {grant}"),
        ErrorReason::GrantNotFound,
        &[("grant_number", grant.to_string())],
    )
}

/// The wallet has no such hold.
pub fn hold_not_found(hold: HoldNumber) -> Status {
    status(
        Code::NotFound,
        format!("the wallet has no hold {hold}"),
        ErrorReason::HoldNotFound,
        &[("hold_number", hold.to_string())],
    )
}

/// The wallet has no such transaction.
pub fn transaction_not_found(transaction: TransactionId) -> Status {
    status(
        Code::NotFound,
        format!("the wallet has no transaction {transaction}"),
        ErrorReason::TransactionNotFound,
        &[("transaction_id", transaction.to_string())],
    )
}

/// The namespace has no such rule.
pub fn rule_not_found(rule: RuleId) -> Status {
    status(
        Code::NotFound,
        format!("the namespace has no grant rule {rule}"),
        ErrorReason::GrantRuleNotFound,
        &[("rule_id", rule.to_string())],
    )
}

/// A change of a rule that may not happen. `cycle_count` is where the request says for how many periods grants live.
pub fn rule_rejected(rejection: &RuleRejection, cycle_count: &'static str) -> Status {
    let message = rejection.to_string();
    match rejection {
        RuleRejection::RuleNotFound { rule } => rule_not_found(*rule),
        RuleRejection::RuleDeleted { rule } => status(
            Code::FailedPrecondition,
            message,
            ErrorReason::GrantRuleDeleted,
            &[("rule_id", rule.to_string())],
        ),
        RuleRejection::StaleVersion { version } => {
            status(Code::Aborted, message, ErrorReason::StaleEtag, &[("etag", version.to_string())])
        }
        RuleRejection::CycleCountMissing(_) => invalid_field(cycle_count, message),
        RuleRejection::EndsBeforeItStarts(_) => invalid_field("rule.ends_at", message),
        RuleRejection::IdempotencyKeyReused { key, rule } => status(
            Code::AlreadyExists,
            message,
            ErrorReason::IdempotencyKeyReused,
            &[("idempotency_key", key.to_string()), ("rule_id", rule.to_string())],
        ),
    }
}

/// An operation that has no price.
pub fn operation_not_found(operation: &str, asset: &str) -> Status {
    status(
        Code::NotFound,
        format!("operation {operation} has no price in {asset}"),
        ErrorReason::OperationNotFound,
        &[("operation", operation.to_owned()), ("asset", asset.to_owned())],
    )
}

/// What an operation's price makes nothing of.
pub fn unpriced(why: &Unpriced, asset: &str) -> Status {
    match why {
        Unpriced::NoPrice { operation } => operation_not_found(operation.as_str(), asset),
        Unpriced::QuantityMissing { .. }
        | Unpriced::QuantityUnknown { .. }
        | Unpriced::Nothing
        | Unpriced::TooLarge => invalid_field("quantities", why.to_string()),
    }
}

/// There is no such pack.
pub fn pack_not_found(pack: &str, asset: &str) -> Status {
    status(
        Code::NotFound,
        format!("there is no pack {pack} of {asset}"),
        ErrorReason::PackNotFound,
        &[("pack", pack.to_owned()), ("asset", asset.to_owned())],
    )
}

fn unbuyable(why: &Unbuyable, asset: &str) -> Status {
    match why {
        Unbuyable::NoPack { pack } => pack_not_found(pack.as_str(), asset),
        Unbuyable::TooPrecise { .. } => invalid_field("pack", why.to_string()),
        Unbuyable::TooMany => invalid_field("quantity", why.to_string()),
    }
}

/// Something of the catalog that has changed since.
pub fn stale_item(StaleItem { version }: &StaleItem) -> Status {
    status(
        Code::Aborted,
        "it has changed; read it again",
        ErrorReason::StaleEtag,
        &[("etag", version.to_string())],
    )
}

/// Nothing was heard of the subscription.
pub fn subscription_not_found(name: &SubscriptionName) -> Status {
    status(
        Code::NotFound,
        format!("account {} has no subscription {}", name.account, name.id),
        ErrorReason::SubscriptionNotFound,
        &[("account", name.account.to_string()), ("subscription_id", name.id.to_string())],
    )
}

/// No rule grants that.
pub fn application_not_found(name: &SubscriptionName, id: ApplicationId) -> Status {
    let ApplicationId { rule, period_start } = id;
    let once = CyclePeriod::ALWAYS.start == period_start;
    let period_start = if once { String::new() } else { period_start.to_string() };
    let of = if once { "that happens once".to_owned() } else { format!("for {period_start}") };
    status(
        Code::NotFound,
        format!("subscription {} has no application of rule {rule} {of}", name.id),
        ErrorReason::ApplicationNotFound,
        &[("rule_id", rule.to_string()), ("period_start", period_start)],
    )
}

/// Two events have one version.
pub fn version_contradicted() -> Status {
    status(
        Code::AlreadyExists,
        "another event of this version says otherwise; send it with a higher version",
        ErrorReason::VersionContradicted,
        &[],
    )
}

/// The reason that a refusal gives, and the field if it is about one.
pub fn reason_of(refused: &Status) -> String {
    let details = refused.get_error_details();
    let Some(info) = details.error_info() else { return String::new() };
    let field = info.metadata.get("field").map(|field| format!(" {field}"));
    format!("{}{}", info.reason, field.unwrap_or_default())
}

/// Whether the same request is refused again, whenever it comes.
pub fn is_final(refused: &Status) -> bool {
    matches!(refused.code(), Code::InvalidArgument | Code::AlreadyExists | Code::NotFound)
}

/// A command that may not happen.
#[expect(clippy::too_many_lines, reason = "one table, an arm for each rejection")]
pub fn rejected(rejection: &Rejection, wallet: &WalletName) -> Status {
    let message = rejection.to_string();
    let precondition = |reason, metadata: Metadata<'_>| {
        status(Code::FailedPrecondition, message.clone(), reason, metadata)
    };
    match rejection {
        Rejection::WalletNotFound => wallet_not_found(wallet),
        Rejection::GrantNotFound { grant } => grant_not_found(*grant),
        Rejection::InsufficientCredits { available, overdraft_left, required } => precondition(
            ErrorReason::InsufficientCredits,
            &[
                ("available", available.to_string()),
                ("overdraft_left", overdraft_left.to_string()),
                ("required", required.to_string()),
            ],
        ),
        Rejection::Unbuyable(why) => unbuyable(why, wallet.asset.as_str()),
        Rejection::Unpriced(why) => unpriced(why, wallet.asset.as_str()),
        Rejection::SpendLimitExceeded { limit, used, allowed, required, frees_at, now } => {
            let figures = [
                ("limit_name", limit.to_string()),
                ("used", used.to_string()),
                ("limit", allowed.to_string()),
                ("required", required.to_string()),
            ];
            let Some(frees_at) = frees_at else {
                return precondition(ErrorReason::NeverWithinSpendLimit, &figures);
            };
            let frees = ("frees_at", frees_at.to_string());
            let metadata: Vec<_> = figures.into_iter().chain([frees]).collect();
            let mut details = details(ErrorReason::SpendLimitExceeded, &metadata);
            let wait = frees_at.micros().saturating_sub(now.micros());
            details.set_retry_info(u64::try_from(wait).ok().map(Duration::from_micros));
            Status::with_error_details(Code::ResourceExhausted, message, details)
        }
        Rejection::SpendLimitNotFound { limit } => status(
            Code::NotFound,
            message,
            ErrorReason::SpendLimitNotFound,
            &[("limit_name", limit.to_string())],
        ),
        Rejection::TooManySpendLimits => {
            precondition(ErrorReason::TooManySpendLimits, &[("limit", MOST_LIMITS.to_string())])
        }
        Rejection::GrantEnded { grant } => {
            precondition(ErrorReason::GrantEnded, &[("grant_number", grant.to_string())])
        }
        Rejection::GrantNotEffective { grant, effective_at } => precondition(
            ErrorReason::GrantNotEffective,
            &[("grant_number", grant.to_string()), ("effective_at", effective_at.to_string())],
        ),
        Rejection::BalanceLimitExceeded => precondition(
            ErrorReason::BalanceLimitExceeded,
            &[("limit", "1000000000000000".to_owned())],
        ),
        Rejection::AssetScaleMismatch { scale, requested } => precondition(
            ErrorReason::AssetScaleMismatch,
            &[
                ("scale", scale.places().to_string()),
                ("requested_scale", requested.places().to_string()),
            ],
        ),
        Rejection::HoldNotFound { hold } => hold_not_found(*hold),
        Rejection::HoldExpired { hold, expires_at } => precondition(
            ErrorReason::HoldExpired,
            &[("hold_number", hold.to_string()), ("expires_at", expires_at.to_string())],
        ),
        Rejection::HoldClosed { hold } => {
            precondition(ErrorReason::HoldClosed, &[("hold_number", hold.to_string())])
        }
        Rejection::CaptureExceedsHold { hold, held, required }
        | Rejection::ReleaseExceedsHold { hold, held, required } => precondition(
            ErrorReason::ExceedsHold,
            &[
                ("hold_number", hold.to_string()),
                ("held", held.to_string()),
                ("required", required.to_string()),
            ],
        ),
        Rejection::OverdraftLimitTooPrecise { scale } => too_precise("overdraft_limit", *scale),
        Rejection::ThresholdTooPrecise { scale } => too_precise("low_balance_thresholds", *scale),
        Rejection::TransactionNotFound { transaction } => transaction_not_found(*transaction),
        Rejection::TransactionNotReversible { transaction } => precondition(
            ErrorReason::TransactionNotReversible,
            &[("transaction_id", transaction.to_string())],
        ),
        Rejection::NothingLeftToReverse { required } => {
            let left = ("left", "0".to_owned());
            let required = required.map(|required| ("required", required.to_string()));
            let metadata: Vec<_> = [left].into_iter().chain(required).collect();
            precondition(ErrorReason::NothingLeftToReverse, &metadata)
        }
        Rejection::ReversalExceedsSpend { left, required } => precondition(
            ErrorReason::ReversalExceedsSpend,
            &[("left", left.to_string()), ("required", required.to_string())],
        ),
        Rejection::FundingNotFound { funding_ref } => status(
            Code::NotFound,
            message,
            ErrorReason::FundingNotFound,
            &[("funding_ref", funding_ref.to_string())],
        ),
        Rejection::RevocationExceedsFunding { funded } => invalid_field(
            "cumulative_amount",
            format!("must not be above what was funded, {funded}"),
        ),
        Rejection::StaleVersion { version } => status(
            Code::Aborted,
            "the wallet has changed; read it again",
            ErrorReason::StaleEtag,
            &[("etag", version.to_string())],
        ),
        Rejection::TopUpNotOutstanding { reference } => {
            precondition(ErrorReason::TopUpNotOutstanding, &[("reference", reference.to_string())])
        }
        Rejection::WalletFrozen => precondition(ErrorReason::WalletFrozen, &named(wallet)),
        Rejection::WalletClosed => precondition(ErrorReason::WalletClosed, &named(wallet)),
        Rejection::WalletNotEmpty { available, held, debt, scheduled } => precondition(
            ErrorReason::WalletNotEmpty,
            &[
                ("available", available.to_string()),
                ("held", held.to_string()),
                ("debt", debt.to_string()),
                ("scheduled", scheduled.to_string()),
            ],
        ),
        Rejection::StaleCommitToken => {
            status(Code::Aborted, message, ErrorReason::StaleCommitToken, &[])
        }
        Rejection::ExpiresAtNotAhead { now } => {
            invalid_field("expires_at", format!("must be after now, {now}"))
        }
        Rejection::WindowEndsBeforeItStarts { effective_at } => {
            invalid_field("expires_at", format!("must be after effective_at, {effective_at}"))
        }
        Rejection::OccurredAtAhead { now } => {
            invalid_field("occurred_at", format!("must not be after now, {now}"))
        }
        Rejection::OccurredAtTooOld { oldest } => {
            invalid_field("occurred_at", format!("must not be before {oldest}"))
        }
        Rejection::IdempotencyKeyReused { key, transaction } => status(
            Code::AlreadyExists,
            key.payment().map_or(message, |payment| {
                format!("payment {payment} bought something else, in transaction {transaction}")
            }),
            ErrorReason::IdempotencyKeyReused,
            &[
                key.payment().map_or_else(
                    || ("idempotency_key", key.to_string()),
                    |payment| ("payment_ref", payment.to_owned()),
                ),
                ("transaction_id", transaction.to_string()),
            ],
        ),
    }
}

/// A report that cannot be made.
pub fn no_report(why: &NoReport, wallets: &ReportedWallets) -> Status {
    match why {
        NoReport::WalletNotFound => {
            let account = wallets.account.as_ref().map(ToString::to_string).unwrap_or_default();
            no_wallet(&account, wallets.asset.as_str())
        }
        NoReport::RangeInverted { start, end } => {
            invalid_field("end", format!("must not be before start: {end} is before {start}"))
        }
        NoReport::TooManyPeriods => invalid_field("period", TooManyPeriods.to_string()),
        NoReport::TooManyLines { lines, most } => invalid_field(
            "period",
            format!(
                "makes {lines} lines for one wallet, and {most} are the most; ask for fewer periods"
            ),
        ),
    }
}

/// A read that has no answer.
pub fn unanswerable(why: Unanswerable, wallet: &WalletName) -> Status {
    match why {
        Unanswerable::WalletNotFound => wallet_not_found(wallet),
        Unanswerable::TransactionNotFound { transaction } => transaction_not_found(transaction),
        Unanswerable::KnownAtAhead { now } => {
            invalid_field("known_at", format!("must not be after now, {now}"))
        }
        Unanswerable::RangeInverted { start, end } => {
            invalid_field("end", format!("must not be before start: {end} is before {start}"))
        }
    }
}

/// Events that cannot be read, by a position in `field`.
pub fn events_unreadable(why: EventsUnreadable, scope: &EventScope, field: &'static str) -> Status {
    match (why, scope) {
        (EventsUnreadable::WalletNotFound, EventScope::Wallet(wallet)) => wallet_not_found(wallet),
        (EventsUnreadable::WalletNotFound | EventsUnreadable::OtherPosition, _) => {
            invalid_field(field, "is of another database; begin anew without it".to_owned())
        }
    }
}

/// The database failed.
pub fn storage(error: &StorageError) -> Status {
    match error {
        StorageError::Unavailable(source) => {
            tracing::warn!(error = %source, "the database is unavailable");
            unavailable()
        }
        StorageError::SchemaVersion { .. }
        | StorageError::OtherSchema { .. }
        | StorageError::UnsafeDurability { .. }
        | StorageError::MayChangeLedger
        | StorageError::MayNotServe { .. } => {
            tracing::error!(%error, "the database cannot be used");
            unavailable()
        }
        // Without a constraint it was contention, for longer than it was tried.
        StorageError::Refused { constraint: None, source } => {
            tracing::warn!(%error, %source, "the database is too contended");
            unavailable()
        }
        StorageError::Refused { constraint: Some(_), source } => {
            tracing::error!(%error, %source, "the database refused a single request");
            internal()
        }
        StorageError::Corrupt(_) => {
            tracing::error!(%error, "a defect");
            internal()
        }
    }
}

fn unavailable() -> Status {
    let mut details = details(ErrorReason::DatabaseUnavailable, &[]);
    details.set_retry_info(Some(UNAVAILABLE_DELAY));
    Status::with_error_details(
        Code::Unavailable,
        "the database is unavailable; retry with the same key",
        details,
    )
}

fn internal() -> Status {
    status(Code::Internal, "an internal error; the log has the cause", ErrorReason::Internal, &[])
}

/// A write was accepted and has no answer.
pub fn unanswered() -> Status {
    tracing::error!("a write was accepted and has no answer: a defect");
    internal()
}

/// There is too much to do already.
pub fn overloaded() -> Status {
    let mut details = details(ErrorReason::Overloaded, &[]);
    details.set_retry_info(Some(OVERLOAD_DELAY));
    Status::with_error_details(Code::ResourceExhausted, "too many requests are waiting", details)
}

/// The server is shutting down.
pub fn stopping() -> Status {
    status(
        Code::Unavailable,
        "this server is shutting down; retry with the same key",
        ErrorReason::ServerStopping,
        &[],
    )
}

/// The server is shutting down, and a stream ends.
pub fn stream_stopping() -> Status {
    status(
        Code::Unavailable,
        "this server is shutting down; call again with the last position",
        ErrorReason::ServerStopping,
        &[],
    )
}

/// There are as many streams as a server has.
pub fn too_many_streams() -> Status {
    let mut details = details(ErrorReason::Overloaded, &[]);
    details.set_retry_info(Some(STREAM_DELAY));
    Status::with_error_details(Code::ResourceExhausted, "too many streams are open", details)
}

/// The caller's deadline has passed.
pub fn deadline_exceeded() -> Status {
    status(
        Code::DeadlineExceeded,
        "the deadline passed; the write may still happen, retry with the same key",
        ErrorReason::DeadlineExceeded,
        &[],
    )
}

/// There are no credentials.
pub fn credentials_missing() -> Status {
    status(
        Code::Unauthenticated,
        "send \"authorization: Bearer TOKEN\"",
        ErrorReason::CredentialsMissing,
        &[],
    )
}

/// The token is not known.
pub fn credentials_invalid() -> Status {
    status(Code::Unauthenticated, "the token is not known", ErrorReason::CredentialsInvalid, &[])
}

/// The token's roles do not allow this.
pub fn role_missing(role: Role) -> Status {
    status(
        Code::PermissionDenied,
        format!("this takes the role {}", role.name()),
        ErrorReason::RoleMissing,
        &[("role", role.name().to_owned())],
    )
}

/// What the framework answers by itself gets a reason too. Its own text about bytes that it cannot read
/// stays inside.
pub fn dressed(code: Code, message: &str) -> Option<Status> {
    match code {
        // tonic answers INTERNAL when a message cannot be decoded; our own INTERNAL carries details.
        Code::Internal => Some(status(
            Code::InvalidArgument,
            "the request is no message of this method",
            ErrorReason::MalformedRequest,
            &[],
        )),
        Code::OutOfRange => Some(status(
            Code::OutOfRange,
            "the message is larger than this server takes",
            ErrorReason::MessageTooLarge,
            &[],
        )),
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Unimplemented
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => {
            tracing::trace!(?code, message, "answered by the framework");
            None
        }
    }
}
