//! What the service answers instead of a result, decoded from the gRPC status and its details.

use std::{collections::BTreeMap, fmt, time::Duration};

use purse_proto::v1::ErrorReason;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// The domain of the reasons that are Purse's own.
const DOMAIN: &str = "purse.v1";

/// What the service answered instead of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The gRPC code.
    pub code: Code,
    /// What is wrong, for people.
    pub message: String,
    /// The stable reason to decide by; `None` if this client does not know it.
    pub reason: Option<ErrorReason>,
    /// The reason as the service sent it, such as `INSUFFICIENT_CREDITS`; empty if it sent none.
    pub reason_name: String,
    /// Each figure of the message by name.
    pub metadata: BTreeMap<String, String>,
    /// The fields that are malformed.
    pub violations: Vec<Violation>,
    /// How long to wait before the next try, if the service says so.
    pub retry_after: Option<Duration>,
    /// How many times the call was sent.
    pub attempts: u32,
}

/// A malformed field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field's name.
    pub field: String,
    /// What is wrong with it.
    pub description: String,
}

impl Refusal {
    pub(crate) fn decode(status: &Status, attempts: u32) -> Self {
        let details = status.get_error_details();
        let (reason, reason_name, metadata) = match details.error_info() {
            Some(info) => {
                let name = format!("ERROR_REASON_{}", info.reason);
                let reason = ErrorReason::from_str_name(&name).filter(|_| info.domain == DOMAIN);
                let metadata = info.metadata.clone().into_iter().collect();
                (reason, info.reason.clone(), metadata)
            }
            None => (None, String::new(), BTreeMap::new()),
        };
        let violations = details.bad_request().map(|bad_request| {
            let violations = bad_request.field_violations.iter();
            violations
                .map(|violation| Violation {
                    field: violation.field.clone(),
                    description: violation.description.clone(),
                })
                .collect()
        });
        Self {
            code: status.code(),
            message: status.message().to_owned(),
            reason,
            reason_name,
            metadata,
            violations: violations.unwrap_or_default(),
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
            attempts,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name =
            if self.reason_name.is_empty() { self.code.description() } else { &self.reason_name };
        if self.message.is_empty() {
            f.write_str(name)?;
        } else {
            write!(f, "{} ({name})", self.message)?;
        }
        for Violation { field, description } in &self.violations {
            // The message of a request with one malformed field says it already.
            if !self.message.contains(description) {
                write!(f, "; {field} {description}")?;
            }
        }
        Ok(())
    }
}
