//! The steps of a scenario that are about rules and subscriptions.

use serde::{Deserialize, Deserializer, de};

use crate::instant::{Instant, Span, render};
use purse_domain::Timestamp;

/// A rule of a plan: `{ rule = "basic", amount = "100", every = "month", expires = "cycle" }`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleStep {
    /// The plan; the file's name is put before it.
    pub rule: String,
    /// How much.
    pub amount: String,
    /// How often; absent: once.
    pub every: Option<Length>,
    /// When its grants expire; absent: never.
    pub expires: Option<Expires>,
    /// Lower is drawn first.
    pub priority: Option<i32>,
    /// What kind of credits; absent: the rule's amount and plan make one.
    pub category: Option<String>,
    /// `PAID`, `TRIAL` or `ANY`.
    #[serde(default)]
    pub stage: String,
    /// `NONE`, `FIRST`, `LAST` or `BOTH`.
    #[serde(default)]
    pub proration: String,
    /// `ALL`, `LATEST` or `NONE`.
    #[serde(default)]
    pub catch_up: String,
    /// `TOP_UP`, `FULL` or `NEXT_PERIOD`.
    #[serde(default)]
    pub plan_change: String,
    /// `KEEP` or `EXPIRE`.
    #[serde(default)]
    pub on_cancel: String,
    /// `all`, an amount, or a part in a hundred such as `50%`.
    #[serde(default)]
    pub rollover: String,
    /// How long before a period its credits are granted.
    pub ahead: Option<Span>,
}

/// An event: `{ event = "STARTED", version = 1, at = "2026-01-01", plan = "basic", outcome = "APPLIED" }`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventStep {
    /// What happened.
    pub event: String,
    /// Its version.
    pub version: i64,
    /// Since when, or from when on.
    pub at: Instant,
    /// The plan.
    pub plan: String,
    /// `ACTIVE` if it is not given.
    pub status: Option<String>,
    /// When the subscription began; absent: on the file's first day.
    pub started: Option<Instant>,
    /// An instant in the billing period that it speaks of; absent: `at`.
    pub within: Option<Instant>,
    /// A bound of its billing periods; absent: when it began.
    pub anchor: Option<Instant>,
    /// The time zone; absent: UTC.
    pub zone: Option<String>,
    /// When the trial ends.
    pub trial_end: Option<Instant>,
    /// When it ends.
    pub ends: Option<Instant>,
    /// What must become of it.
    pub outcome: String,
}

/// What rules grant: `{ applications = ["2026-01-01 50 APPLIED as 1"], until = "2026-03-01" }`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplicationsStep {
    /// The lines, by when they count.
    pub applications: Vec<String>,
    /// The last instant from which they may count.
    pub until: Instant,
}

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
        length(&text).ok_or_else(|| de::Error::custom(format!("\"{text}\" is no length")))
    }
}

fn length(text: &str) -> Option<Length> {
    let (count, unit) = text.split_once(' ').unwrap_or(("1", text));
    let unit = match unit.trim_end_matches('s') {
        "day" => Unit::Day,
        "week" => Unit::Week,
        "month" => Unit::Month,
        "quarter" => Unit::Quarter,
        "half-year" => Unit::HalfYear,
        "year" => Unit::Year,
        _ => return None,
    };
    Some(Length { count: count.parse().ok()?, unit })
}

/// `cycle`, `2 cycles`, or a length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expires {
    /// With the end of so many billing periods.
    Cycles(u32),
    /// So long after it begins.
    After(Length),
}

impl<'de> Deserialize<'de> for Expires {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (count, unit) = text.split_once(' ').unwrap_or(("1", &text));
        let cycles = (unit.trim_end_matches('s') == "cycle").then(|| count.parse().ok()).flatten();
        let expires = cycles.map(Self::Cycles).or_else(|| length(&text).map(Self::After));
        expires.ok_or_else(|| de::Error::custom(format!("\"{text}\" is no life of a grant")))
    }
}

/// An application as drivers answer it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationView {
    /// From when on it counts.
    pub effective_at: Timestamp,
    /// How much.
    pub amount: String,
    /// What has become of it.
    pub state: String,
    /// Why.
    pub reason: String,
    /// Its grant; 0: none.
    pub grant: i32,
}

impl ApplicationView {
    /// As files write it.
    pub fn line(&self) -> String {
        let Self { effective_at, amount, state, reason, grant } = self;
        let more = match (reason.as_str(), grant) {
            ("", 0) => String::new(),
            ("", grant) => format!(" as {grant}"),
            (reason, _) => format!(" {reason}"),
        };
        format!("{} {amount} {state}{more}", render(*effective_at))
    }
}

/// A rule as a driver is asked for it: with the names of the file, and the wallet's asset.
#[derive(Debug, Clone)]
pub struct NewRule {
    /// The plan.
    pub plan: String,
    /// What it grants.
    pub asset: String,
    /// All else.
    pub step: RuleStep,
}

impl NewRule {
    /// The key that it is created with. Its id follows from that, and the order of rules from their ids.
    pub fn key(&self) -> String {
        let RuleStep { amount, category, stage, .. } = &self.step;
        format!("{} {amount} {} {stage}", self.plan, category.as_deref().unwrap_or_default())
    }
}

/// An event as a driver is asked for it.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The subscriber; the one subscription is called `sub`.
    pub account: String,
    /// The plan.
    pub plan: String,
    /// When the subscription began.
    pub started_at: Timestamp,
    /// All else.
    pub step: EventStep,
}

/// The one subscription of each account.
pub const SUBSCRIPTION: &str = "sub";
