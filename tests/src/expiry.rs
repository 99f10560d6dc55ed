//! How a scenario writes when grants expire, and what it asks the expiry calculator.

use serde::{Deserialize, Deserializer, de};

use crate::instant::Instant;
use purse_domain::Timestamp;

/// A unit of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A day.
    Day,
    /// Seven of them.
    Week,
    /// A month.
    Month,
    /// Three.
    Quarter,
    /// Six.
    HalfYear,
    /// Twelve.
    Year,
}

/// `month`, `2 weeks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    /// How many.
    pub count: u32,
    /// Of what.
    pub unit: Unit,
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let length =
            counted(&text).and_then(|(count, unit)| Some(Self { count, unit: unit_of(unit)? }));
        length.ok_or_else(|| de::Error::custom(format!("\"{text}\" is no length")))
    }
}

/// When a grant expires, right or wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expires {
    /// `never`.
    Never,
    /// `cycle`, `2 cycles`: with the end of so many billing periods; `cycle and a second`: a second later.
    Cycles {
        /// How many.
        count: u32,
        /// Not at the very end.
        and_a_second: bool,
    },
    /// `3 months`: so long after it begins; `3`: of what is not said.
    After {
        /// How many.
        count: u32,
        /// Of what.
        unit: Option<Unit>,
    },
    /// `?`: a way that there is not.
    Unknown,
}

impl<'de> Deserialize<'de> for Expires {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        expires(&text).ok_or_else(|| de::Error::custom(format!("\"{text}\" is no life of a grant")))
    }
}

fn expires(text: &str) -> Option<Expires> {
    match text {
        "never" => return Some(Expires::Never),
        "?" => return Some(Expires::Unknown),
        _ => {}
    }
    if let Ok(count) = text.parse() {
        return Some(Expires::After { count, unit: None });
    }
    let (text, and_a_second) =
        text.strip_suffix(" and a second").map_or((text, false), |text| (text, true));
    let (count, unit) = counted(text)?;
    match (unit, and_a_second) {
        ("cycle", and_a_second) => Some(Expires::Cycles { count, and_a_second }),
        (unit, false) => Some(Expires::After { count, unit: Some(unit_of(unit)?) }),
        (_, true) => None,
    }
}

/// A number, which may be left out if it is one, and the singular of what it counts.
fn counted(text: &str) -> Option<(u32, &str)> {
    let (count, unit) = text.split_once(' ').unwrap_or(("1", text));
    Some((count.parse().ok()?, unit.trim_end_matches('s')))
}

fn unit_of(unit: &str) -> Option<Unit> {
    match unit {
        "day" => Some(Unit::Day),
        "week" => Some(Unit::Week),
        "month" => Some(Unit::Month),
        "quarter" => Some(Unit::Quarter),
        "half-year" => Some(Unit::HalfYear),
        "year" => Some(Unit::Year),
        _ => None,
    }
}

/// A question to the calculator: `{ calculate = "3 months", from = "2026-01-31", expires_at = "2026-04-30" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalculateStep {
    /// When the grant expires.
    pub calculate: Expires,
    /// When it becomes effective.
    pub from: Instant,
    /// Whose clocks count; absent: UTC.
    pub zone: Option<String>,
    /// Where a billing period begins.
    pub anchor: Option<Instant>,
    /// How long the billing periods are; absent: a month.
    pub every: Option<Length>,
    /// How often it recurs; absent: never.
    pub recurs: Option<Length>,
    /// The instant to tell of; absent: now.
    pub at: Option<Instant>,
    /// When it expires; absent: never.
    pub expires_at: Option<Instant>,
    /// Whether it has by then; absent: it does not matter.
    pub expired: Option<bool>,
    /// The first expiry after that; absent: it does not matter.
    pub next: Option<Instant>,
    /// The reason of the refusal.
    pub error: Option<String>,
    /// The field that is wrong.
    pub field: Option<String>,
}

/// What drivers answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiryView {
    /// When the grant expires.
    pub expires_at: Option<Timestamp>,
    /// Whether it has.
    pub is_expired: bool,
    /// The first expiry to come.
    pub next_expires_at: Option<Timestamp>,
}
