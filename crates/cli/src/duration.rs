//! Durations as people type them: a whole number and a unit.

use std::time::Duration;

/// Reads `500ms`, `10s`, `5m`, `2h` or `30d`.
pub fn parse(text: &str) -> Result<Duration, String> {
    const HINT: &str = "expected a whole number and ms, s, m, h or d, such as 10s";
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or(HINT)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| HINT)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(HINT.to_owned()),
    };
    let millis = number.checked_mul(millis).ok_or("is too long")?;
    Ok(Duration::from_millis(millis))
}

/// Writes a duration of the service in the largest unit that it is a whole number of.
pub fn show(duration: &prost_types::Duration) -> String {
    let millis = duration.seconds.saturating_mul(1_000) + i64::from(duration.nanos / 1_000_000);
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    match units.into_iter().find(|(_, unit)| millis % unit == 0) {
        Some((name, unit)) if duration.nanos == 0 => format!("{}{name}", millis / unit),
        Some(_) | None => duration.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit() {
        for (text, millis) in [("500ms", 500), ("10s", 10_000), ("2m", 120_000), ("1d", 86_400_000)]
        {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", "10", "s", "-1s", "1.5s", "10 s", "99999999999999999999s", "9999999999999999d"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_duration_is_shown_as_it_is_typed() {
        for text in ["7d", "36h", "90m", "61s"] {
            assert_eq!(show(&parse(text).unwrap().try_into().unwrap()), text);
        }
        assert_eq!(show(&parse("1500ms").unwrap().try_into().unwrap()), "1.500s");
    }
}
