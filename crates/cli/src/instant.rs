//! Instants: as people type them, as the service takes them, and moved about.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime};
use prost_types::Timestamp;

/// Reads an RFC 3339 instant, or a date, which means its first instant in UTC.
pub fn parse(text: &str) -> Result<Timestamp, String> {
    const HINT: &str =
        "expected an instant such as 2026-01-31T12:00:00Z, or a date such as 2026-01-31";
    let instant = if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        instant.to_utc()
    } else {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| HINT)?;
        date.and_time(NaiveTime::MIN).and_utc()
    };
    let nanos = i32::try_from(instant.timestamp_subsec_nanos()).map_err(|_| HINT)?;
    Ok(Timestamp { seconds: instant.timestamp(), nanos })
}

/// The instant that is so much later, to the microsecond.
pub fn later(instant: Timestamp, by: Duration) -> Timestamp {
    moved(instant, i64::try_from(by.as_micros()).unwrap_or(i64::MAX))
}

/// The last microsecond before an instant.
pub fn just_before(instant: Timestamp) -> Timestamp {
    moved(instant, -1)
}

/// How long it is from one instant to another; nothing if that one has passed.
pub fn until(from: Timestamp, to: Timestamp) -> Duration {
    let micros = micros(to).saturating_sub(micros(from));
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// An instant to show, to the second if there is nothing finer; "-" if there is none.
pub fn show(instant: Option<Timestamp>) -> String {
    instant.map_or_else(|| "-".to_owned(), |instant| instant.to_string())
}

/// An instant in a row of a table: cut off after the second, with a blank at which a narrow cell breaks.
pub fn brief(instant: Option<Timestamp>) -> String {
    let cut = instant.map(|Timestamp { seconds, .. }| Timestamp { seconds, nanos: 0 });
    show(cut).replacen('T', " ", 1)
}

fn moved(instant: Timestamp, by_micros: i64) -> Timestamp {
    let micros = micros(instant).saturating_add(by_micros);
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or(0);
    Timestamp { seconds: micros.div_euclid(1_000_000), nanos }
}

fn micros(instant: Timestamp) -> i64 {
    instant.seconds.saturating_mul(1_000_000).saturating_add(i64::from(instant.nanos / 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_offsets_are_read_as_utc() {
        for (text, shown) in [
            ("2026-01-31", "2026-01-31T00:00:00Z"),
            ("2026-01-31T12:00:00.25Z", "2026-01-31T12:00:00.250Z"),
            ("2026-01-31T01:00:00+02:00", "2026-01-30T23:00:00Z"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), shown);
            assert_eq!(parse(&brief(parse(text).ok())).unwrap().to_string()[..19], shown[..19]);
        }
        for text in ["", "tomorrow", "2026-02-30", "2026-01-31T12:00:00", "20260131"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn instants_move_by_microseconds_across_seconds() {
        let instant = parse("2026-01-01").unwrap();
        assert_eq!(just_before(instant).to_string(), "2025-12-31T23:59:59.999999Z");
        assert_eq!(later(just_before(instant), Duration::from_micros(1)), instant);
        assert_eq!(until(just_before(instant), instant), Duration::from_micros(1));
        assert_eq!(until(instant, just_before(instant)), Duration::ZERO);
    }
}
