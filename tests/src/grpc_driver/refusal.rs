//! From a status to the reason in it, checked against the contract in `error_reason.proto`.

use purse_proto::v1::ErrorReason;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::answer::Refusal;

/// What a status says. A status that breaks the contract is a reason that no file expects.
#[allow(clippy::needless_pass_by_value, reason = "it stands in map_err")]
pub(super) fn of(status: Status) -> Refusal {
    let details = status.get_error_details();
    let Some(info) = details.error_info() else {
        return broken(&status, "has no ErrorInfo");
    };
    if info.domain != "purse.v1" {
        return broken(&status, "has another domain than purse.v1");
    }
    let known = ErrorReason::from_str_name(&format!("ERROR_REASON_{}", info.reason));
    if known.map(code_of) != Some(status.code()) {
        return broken(&status, &format!("has the reason {}", info.reason));
    }
    let violations = details.bad_request().map(|request| request.field_violations.as_slice());
    Refusal {
        reason: info.reason.clone(),
        metadata: info.metadata.clone().into_iter().collect(),
        fields: violations
            .unwrap_or_default()
            .iter()
            .map(|violation| violation.field.clone())
            .collect(),
    }
}

fn broken(status: &Status, what: &str) -> Refusal {
    let found = format!("{:?} \"{}\" {what}", status.code(), status.message());
    Refusal::new("AGAINST_THE_CONTRACT", &[("found", found)])
}

/// The code that each reason comes with.
fn code_of(reason: ErrorReason) -> Code {
    match reason {
        ErrorReason::Unspecified => Code::Unknown,
        ErrorReason::InvalidField | ErrorReason::MalformedRequest => Code::InvalidArgument,
        ErrorReason::MessageTooLarge => Code::OutOfRange,
        ErrorReason::AssetNotFound
        | ErrorReason::WalletNotFound
        | ErrorReason::GrantNotFound
        | ErrorReason::TransactionNotFound
        | ErrorReason::SpendLimitNotFound
        | ErrorReason::FundingNotFound
        | ErrorReason::GrantRuleNotFound
        | ErrorReason::OperationNotFound
        | ErrorReason::PackNotFound
        | ErrorReason::HoldNotFound
        | ErrorReason::SubscriptionNotFound
        | ErrorReason::ApplicationNotFound => Code::NotFound,
        ErrorReason::InsufficientCredits
        | ErrorReason::GrantEnded
        | ErrorReason::GrantNotEffective
        | ErrorReason::BalanceLimitExceeded
        | ErrorReason::AssetScaleMismatch
        | ErrorReason::TransactionNotReversible
        | ErrorReason::NothingLeftToReverse
        | ErrorReason::ReversalExceedsSpend
        | ErrorReason::NeverWithinSpendLimit
        | ErrorReason::TooManySpendLimits
        | ErrorReason::HoldExpired
        | ErrorReason::HoldClosed
        | ErrorReason::GrantRuleDeleted
        | ErrorReason::WalletFrozen
        | ErrorReason::TopUpNotOutstanding
        | ErrorReason::WalletClosed
        | ErrorReason::WalletNotEmpty
        | ErrorReason::ExceedsHold => Code::FailedPrecondition,
        ErrorReason::IdempotencyKeyReused | ErrorReason::VersionContradicted => Code::AlreadyExists,
        ErrorReason::StaleEtag | ErrorReason::StaleCommitToken => Code::Aborted,
        ErrorReason::CredentialsMissing | ErrorReason::CredentialsInvalid => Code::Unauthenticated,
        ErrorReason::RoleMissing => Code::PermissionDenied,
        ErrorReason::DatabaseUnavailable | ErrorReason::ServerStopping => Code::Unavailable,
        ErrorReason::Overloaded | ErrorReason::SpendLimitExceeded => Code::ResourceExhausted,
        ErrorReason::DeadlineExceeded => Code::DeadlineExceeded,
        ErrorReason::Internal => Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    fn status(code: Code) -> Status {
        let metadata = [("available".to_owned(), "5".to_owned())];
        let details = ErrorDetails::with_error_info("INSUFFICIENT_CREDITS", "purse.v1", metadata);
        Status::with_error_details(code, "5 available, 10 required", details)
    }

    #[test]
    fn a_reason_comes_with_its_code() {
        let refusal = of(status(Code::FailedPrecondition));
        assert_eq!(refusal.reason, "INSUFFICIENT_CREDITS");
        assert_eq!(refusal.metadata.get("available").map(String::as_str), Some("5"));
        assert_eq!(of(status(Code::NotFound)).reason, "AGAINST_THE_CONTRACT");
        assert_eq!(of(Status::internal("oops")).reason, "AGAINST_THE_CONTRACT");
    }
}
