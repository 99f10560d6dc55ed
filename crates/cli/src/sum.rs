//! Sums of figures as the service writes them: exact, however many digits they have. Pure.
//!
//! A report's figures have up to 18 decimal places, which together with what stands before the point is more than a
//! `Decimal` can hold.

use crate::exit::Failure;

/// Decimal places of the smallest part.
const PLACES: usize = 18;
/// So many of the smallest part are one.
const WHOLE: i128 = 1_000_000_000_000_000_000;

/// The sum of two figures.
pub fn add(one: &str, other: &str) -> Result<String, Failure> {
    let wrong = |figure: &str| {
        Failure::Wrong(format!("the service answered {figure:?} as a figure of a report"))
    };
    let (one, other) =
        (read(one).ok_or_else(|| wrong(one))?, read(other).ok_or_else(|| wrong(other))?);
    let parts = one.1 + other.1;
    let carried = (one.0 + other.0 + parts.div_euclid(WHOLE), parts.rem_euclid(WHOLE));
    Ok(show(carried))
}

/// A figure rounded down, and what is beyond that in the smallest part.
fn read(figure: &str) -> Option<(i128, i128)> {
    let (digits, is_negative) = match figure.strip_prefix('-') {
        Some(digits) => (digits, true),
        None => (figure, false),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if fraction.len() > PLACES || !are_digits(whole) || !are_digits(fraction) {
        return None;
    }
    let whole: i128 = whole.parse().ok()?;
    let parts: i128 = format!("{fraction:0<PLACES$}").parse().ok()?;
    Some(match (is_negative, parts) {
        (false, parts) => (whole, parts),
        (true, 0) => (-whole, 0),
        (true, parts) => (-whole - 1, WHOLE - parts),
    })
}

fn show((whole, parts): (i128, i128)) -> String {
    let (sign, whole, parts) = match (whole < 0, parts) {
        (false, parts) => ("", whole, parts),
        (true, 0) => ("-", -whole, 0),
        (true, parts) => ("-", -whole - 1, WHOLE - parts),
    };
    let fraction = format!("{parts:0>PLACES$}");
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact() {
        for (one, other, sum) in [
            ("1", "2", "3"),
            ("0.1", "0.2", "0.3"),
            ("-0.5", "0.25", "-0.25"),
            ("-1", "0.000000000000000001", "-0.999999999999999999"),
            ("999999999999.999999999999999999", "0.000000000000000001", "1000000000000"),
            ("-3.5", "3.5", "0"),
            ("-3.5", "-0.5", "-4"),
            ("123456789012345678901234567890.5", "0.5", "123456789012345678901234567891"),
        ] {
            assert_eq!(add(one, other).unwrap(), sum, "{one} + {other}");
            assert_eq!(add(other, one).unwrap(), sum, "{other} + {one}");
        }
    }

    #[test]
    fn what_is_no_figure_is_said() {
        for figure in ["", "-", "1e3", "NaN", "0.0000000000000000001", "+1", "1.-1"] {
            assert!(matches!(add(figure, "1"), Err(Failure::Wrong(_))), "{figure}");
        }
    }
}
