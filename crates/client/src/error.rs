//! Why a call failed, decoded. A caller decides by variant, code and reason, never by message text.

use std::{error::Error as StdError, fmt, time::Duration};

use purse_proto::v1::ErrorReason;
use tonic::{Code, Status};

use crate::Refusal;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The service answered with an error.
    Refused(Box<Refusal>),
    /// The service cannot be reached, or the connection was lost before it answered.
    Unreachable {
        /// The URL that was tried.
        endpoint: String,
        /// What the network said.
        cause: String,
        /// How many times the call was sent.
        attempts: u32,
    },
    /// The call's time was over before the service answered.
    DeadlineExceeded {
        /// How long the call had.
        timeout: Duration,
        /// How many times the call was sent.
        attempts: u32,
        /// What was wrong at the try before, if there was one.
        last: Option<String>,
    },
}

impl Error {
    /// The service's stable reason, if it answered one that this client knows.
    pub fn reason(&self) -> Option<ErrorReason> {
        match self {
            Self::Refused(refusal) => refusal.reason,
            Self::Unreachable { .. } | Self::DeadlineExceeded { .. } => None,
        }
    }

    /// Whether the service may do the same request later: it is away, busy or slow, not against it.
    pub fn is_temporary(&self) -> bool {
        match self {
            // Decided, and for as long as it says.
            Self::Refused(refusal) if refusal.reason == Some(ErrorReason::SpendLimitExceeded) => {
                false
            }
            Self::Refused(refusal) => {
                matches!(refusal.code, Code::Unavailable | Code::ResourceExhausted)
            }
            Self::Unreachable { .. } | Self::DeadlineExceeded { .. } => true,
        }
    }

    /// Whether a write may have happened although it failed here. Sent again with the same key, it happens
    /// once.
    pub fn outcome_is_unknown(&self) -> bool {
        match self {
            Self::Refused(refusal) => {
                matches!(refusal.code, Code::Unavailable | Code::Internal | Code::Unknown)
            }
            Self::Unreachable { .. } | Self::DeadlineExceeded { .. } => true,
        }
    }

    /// What is wrong, in one line.
    pub fn problem(&self) -> String {
        match self {
            Self::Refused(refusal) => refusal.to_string(),
            Self::Unreachable { endpoint, cause, attempts: _ } => {
                format!("cannot reach {endpoint}: {cause}")
            }
            Self::DeadlineExceeded { timeout, attempts: _, last } => {
                let last = last.as_ref().map(|last| format!(" (before: {last})"));
                format!("no answer within {timeout:?}{}", last.unwrap_or_default())
            }
        }
    }

    /// What to do about it, in one line, if there is something to do.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Refused(refusal) => refusal.reason.and_then(advice),
            Self::Unreachable { .. } => Some(
                "Check that the service runs at this address; a retry with the same key is safe.",
            ),
            Self::DeadlineExceeded { .. } => {
                Some("The write may still happen: retry with the same key, or allow more time.")
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem())?;
        match self.advice() {
            Some(advice) => write!(f, ". {advice}"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {}

/// What a person does about a reason. Exhaustive: a new reason needs a decision here.
fn advice(reason: ErrorReason) -> Option<&'static str> {
    match reason {
        ErrorReason::Unspecified => None,
        ErrorReason::InvalidField | ErrorReason::MalformedRequest => {
            Some("Correct the request; nothing was written.")
        }
        ErrorReason::MessageTooLarge => Some("Send a smaller request; nothing was written."),
        ErrorReason::AssetNotFound | ErrorReason::WalletNotFound => {
            Some("Check the names, or create the wallet first.")
        }
        ErrorReason::OperationNotFound => {
            Some("List the operations for their names, set a price, or give an amount.")
        }
        ErrorReason::TopUpNotOutstanding => Some("There is nothing left to do for this request."),
        ErrorReason::PackNotFound => Some("List the packs for their names."),
        ErrorReason::GrantNotFound => Some("List the wallet's grants for their numbers."),
        ErrorReason::GrantRuleNotFound => Some("List the grant rules for their ids."),
        ErrorReason::GrantRuleDeleted => Some("Make a new rule; nothing was written."),
        ErrorReason::HoldNotFound => Some("List the wallet's holds for their numbers."),
        ErrorReason::HoldExpired => Some("Hold again, or spend; nothing was written."),
        ErrorReason::HoldClosed => Some("There is nothing left to do for this hold."),
        ErrorReason::ExceedsHold => Some("Ask for less, or let the capture cap or extend."),
        ErrorReason::FundingNotFound => {
            Some("Check the wallet, or list its grants for what paid for them.")
        }
        ErrorReason::TransactionNotFound => {
            Some("Check the wallet, or list its entries for their transactions.")
        }
        ErrorReason::TransactionNotReversible => Some("Only spends can be reversed."),
        ErrorReason::NothingLeftToReverse => Some("There is nothing left to do for this spend."),
        ErrorReason::ReversalExceedsSpend => Some("Reverse less; nothing was written."),
        ErrorReason::InsufficientCredits => {
            Some("Grant credits or spend less; nothing was written and the key is still free.")
        }
        ErrorReason::SpendLimitExceeded => Some(
            "Wait until then, or raise the limit; nothing was written and the key is still free.",
        ),
        ErrorReason::NeverWithinSpendLimit => {
            Some("Ask for less, or raise the limit; nothing was written and the key is still free.")
        }
        ErrorReason::SpendLimitNotFound => Some("List the wallet's spend limits for their names."),
        ErrorReason::TooManySpendLimits => Some("Delete a spend limit first, or change one."),
        ErrorReason::SubscriptionNotFound => {
            Some("`purse events send` tells of subscriptions; is the account the right one?")
        }
        ErrorReason::ApplicationNotFound => {
            Some("`purse application list` shows what rules grant to a subscription.")
        }
        ErrorReason::VersionContradicted => {
            Some("The event that came first stays. Send what is right with a higher version.")
        }
        ErrorReason::GrantEnded => Some("There is nothing left to do for this grant."),
        ErrorReason::GrantNotEffective => Some("Void the grant instead."),
        ErrorReason::BalanceLimitExceeded => Some("Grant less; nothing was written."),
        ErrorReason::AssetScaleMismatch => Some("Leave the scale out, or give the asset's own."),
        ErrorReason::IdempotencyKeyReused => Some("Choose a new key for a new request."),
        ErrorReason::StaleEtag => Some("Read it again and repeat with its present etag."),
        ErrorReason::WalletFrozen => Some("Unfreeze the wallet first; nothing was written."),
        ErrorReason::WalletClosed => Some("There is nothing left to do for this wallet."),
        ErrorReason::WalletNotEmpty => {
            Some("Transfer, void, release or repay what is left; nothing was written.")
        }
        ErrorReason::StaleCommitToken => Some("Preview it again; nothing was written."),
        ErrorReason::CredentialsMissing => Some("Send a bearer token."),
        ErrorReason::CredentialsInvalid => Some("Check the bearer token."),
        ErrorReason::RoleMissing => Some("Use credentials with that role."),
        ErrorReason::DatabaseUnavailable
        | ErrorReason::ServerStopping
        | ErrorReason::DeadlineExceeded => {
            Some("The write may or may not have happened: retry with the same key.")
        }
        ErrorReason::Overloaded => Some("Nothing was done: retry later with the same key."),
        ErrorReason::Internal => {
            Some("The service's log has the cause; a retry with the same key is safe.")
        }
    }
}

/// How one try ended without an answer of use.
pub(crate) enum Failure {
    Status(Status),
    Elapsed,
}

/// What a call has seen so far.
pub(crate) struct Seen<'a> {
    pub(crate) endpoint: &'a str,
    pub(crate) timeout: Duration,
    pub(crate) attempts: u32,
    pub(crate) last: Option<String>,
}

impl Seen<'_> {
    pub(crate) fn error(&self, failure: Failure) -> Error {
        let attempts = self.attempts;
        let elapsed =
            || Error::DeadlineExceeded { timeout: self.timeout, attempts, last: self.last.clone() };
        let status = match failure {
            Failure::Elapsed => return elapsed(),
            Failure::Status(status) => status,
        };
        // Only a status made on this side has a source: the service's own arrive as text. tonic gives a
        // lost connection various codes (UNKNOWN, INTERNAL, CANCELLED) where other clients say
        // UNAVAILABLE; here it is one thing, because what to do about it is one thing.
        if let Some(source) = status.source() {
            let causes = || std::iter::successors(Some(source), |&cause| cause.source());
            if causes().any(<dyn StdError>::is::<tonic::TimeoutExpired>) {
                return elapsed();
            }
            let cause = causes().last().map(ToString::to_string).unwrap_or_default();
            return Error::Unreachable { endpoint: self.endpoint.to_owned(), cause, attempts };
        }
        // tonic's server says CANCELLED at the deadline that this client gave it.
        if matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled) {
            return elapsed();
        }
        Error::Refused(Box::new(Refusal::decode(&status, attempts)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic_types::{ErrorDetails, StatusExt as _};

    use super::*;

    fn decoded(status: Status) -> Error {
        let seen = Seen {
            endpoint: "http://127.0.0.1:50051",
            timeout: Duration::from_secs(10),
            attempts: 1,
            last: None,
        };
        seen.error(Failure::Status(status))
    }

    #[test]
    fn a_refusal_says_what_is_wrong_and_what_to_do() {
        let mut details = ErrorDetails::new();
        let metadata = HashMap::from([("available".to_owned(), "5".to_owned())]);
        details.set_error_info("INSUFFICIENT_CREDITS", "purse.v1", metadata);
        let error = decoded(Status::with_error_details(
            Code::FailedPrecondition,
            "5 available, 10 required",
            details,
        ));
        assert_eq!(error.reason(), Some(ErrorReason::InsufficientCredits));
        assert!(!error.outcome_is_unknown());
        assert_eq!(
            error.to_string(),
            "5 available, 10 required (INSUFFICIENT_CREDITS). Grant credits or spend less; nothing was \
             written and the key is still free."
        );
    }

    #[test]
    fn violations_name_their_fields() {
        let mut details = ErrorDetails::new();
        details.set_error_info("INVALID_FIELD", "purse.v1", HashMap::new());
        details.add_bad_request_violation("amount", "must be greater than zero");
        details.add_bad_request_violation("asset", "is missing");
        let error = decoded(Status::with_error_details(
            Code::InvalidArgument,
            "malformed request",
            details,
        ));
        assert_eq!(
            error.problem(),
            "malformed request (INVALID_FIELD); amount must be greater than zero; asset is missing"
        );
    }

    #[test]
    fn a_reason_of_another_domain_is_not_ours() {
        let mut details = ErrorDetails::new();
        details.set_error_info("INSUFFICIENT_CREDITS", "proxy.example", HashMap::new());
        let error = decoded(Status::with_error_details(Code::FailedPrecondition, "no", details));
        assert_eq!(error.reason(), None);
        assert_eq!(error.problem(), "no (INSUFFICIENT_CREDITS)");
    }
}
