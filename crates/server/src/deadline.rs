//! Deadlines: a call that takes longer than its caller waits is answered `DEADLINE_EXCEEDED`.
//!
//! The framework has a time-out of its own that answers CANCELLED; this one is inside it and comes first.
//! Only the handler is dropped: a write goes on in its lane.

use std::time::Duration;

use http::HeaderMap;

/// For callers that set none: longer than any call takes, short enough to end one that hangs.
const DEFAULT: Duration = Duration::from_secs(30);

/// How long a call may take: as long as its caller waits.
pub fn of(headers: &HeaderMap) -> Duration {
    asked(headers).unwrap_or(DEFAULT)
}

/// `grpc-timeout`: at most eight digits and a unit.
fn asked(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    match unit {
        "H" => Some(Duration::from_hours(count)),
        "M" => Some(Duration::from_mins(count)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_deadline_is_understood() {
        for (text, expected) in [
            ("5S", Some(Duration::from_secs(5))),
            ("100m", Some(Duration::from_millis(100))),
            ("2H", Some(Duration::from_hours(2))),
            ("123456789S", None),
            ("S", None),
            ("5x", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().unwrap());
            assert_eq!(asked(&headers), expected, "{text:?}");
        }
    }
}
