//! Instants in scenario files: UTC, and as short as they can be.
//!
//! `2026-01-03` is midnight, `2026-01-03T06:00Z` has no seconds, and all else is RFC 3339 in full.

use purse_domain::{Timestamp, TimestampError};
use serde::{Deserialize, Deserializer, de};

/// An instant as a file writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instant(pub Timestamp);

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).map(Self).map_err(|error| de::Error::custom(format!("\"{text}\" {error}")))
    }
}

/// Reads an instant.
pub fn parse(text: &str) -> Result<Timestamp, TimestampError> {
    let full = match text.strip_suffix('Z') {
        None if text.len() == "2026-01-03".len() => format!("{text}T00:00:00Z"),
        Some(minute) if minute.len() == "2026-01-03T06:00".len() => format!("{minute}:00Z"),
        Some(_) | None => text.to_owned(),
    };
    Timestamp::parse(&full)
}

/// Writes an instant.
pub fn render(at: Timestamp) -> String {
    let full = at.to_string();
    match (full.strip_suffix("T00:00:00Z"), full.strip_suffix(":00Z")) {
        (Some(date), _) => date.to_owned(),
        (None, Some(minute)) => format!("{minute}Z"),
        (None, None) => full,
    }
}

/// How long the clock is moved: a whole number and a unit, `90s`, `5m`, `6h` or `3d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Microseconds.
    pub micros: i64,
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        span(&text).ok_or_else(|| de::Error::custom(format!("\"{text}\" is no span such as 6h")))
    }
}

fn span(text: &str) -> Option<Span> {
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let count: i64 = count.parse().ok()?;
    Some(Span { micros: count.checked_mul(seconds * 1_000_000)? })
}

/// Writes a span in the largest unit that it is a whole number of.
pub fn render_span(micros: i64) -> String {
    let units = [("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000)];
    match units.into_iter().find(|(_, unit)| micros % unit == 0) {
        Some((name, unit)) => format!("{}{name}", micros / unit),
        None => format!("{micros}us"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_as_short_as_they_can_be_read() {
        for text in [
            "2026-01-03",
            "2026-01-03T06:00Z",
            "2026-01-03T06:00:01Z",
            "2026-01-02T23:59:59.999999Z",
        ] {
            assert_eq!(render(parse(text).unwrap()), text);
        }
        assert_eq!(parse("2026-01-03"), parse("2026-01-03T00:00:00Z"));
        assert!(parse("2026-01-03T06:00").is_err(), "without Z it could be any zone");
    }

    #[test]
    fn a_span_is_a_number_and_a_unit() {
        assert_eq!(span("6h"), Some(Span { micros: 6 * 3_600_000_000 }));
        assert_eq!(span("6"), None);
        assert_eq!(span(""), None);
        for text in ["7d", "25h", "90m", "61s"] {
            assert_eq!(render_span(span(text).unwrap().micros), text);
        }
    }
}
