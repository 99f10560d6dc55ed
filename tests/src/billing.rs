//! The steps of a scenario that are about rules and subscriptions.

use serde::Deserialize;

use crate::{
    expiry::{Expires, Length},
    instant::{Instant, Span, render},
};
use purse_domain::Timestamp;

/// A rule of a plan: `{ rule = "basic", amount = "100", every = "month", expires = "cycle" }`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleStep {
    /// The plan; the file's name is put before it.
    pub rule: String,
    /// Of one subscription instead: its id, before which the file's name is put; empty: none.
    pub subscription: Option<String>,
    /// How much.
    pub amount: String,
    /// How often; absent: once.
    pub every: Option<Length>,
    /// When its grants expire; absent: never.
    pub expires: Option<Expires>,
    /// After how many days, as older callers say it.
    pub expire_in_days: Option<i32>,
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
    /// How long before a period its credits are granted; absent: as it begins.
    pub ahead: Option<Span>,
    /// From when on it grants; absent: since ever.
    pub starts_at: Option<Instant>,
    /// When its grants must be said to expire.
    pub settings: Option<Expires>,
    /// The reason of the refusal.
    pub error: Option<String>,
    /// The field that is wrong.
    pub field: Option<String>,
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
    /// The one subscription, if it is of one; empty: none.
    pub subscription: Option<String>,
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
