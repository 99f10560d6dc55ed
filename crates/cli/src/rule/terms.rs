//! What a rule may say besides its name and amount: alike for a new one and for a change.

use std::{collections::BTreeMap, time::Duration};

use clap::Args;
use prost_types::Timestamp;
use purse_client::v1::{
    GrantRule, RuleCadence, RuleCatchUp, RuleOnCancel, RulePeriod, RulePlanChange, RuleProration,
    RuleRollover, RuleStage, RuleStatus, rule_rollover::Cap,
};

use super::{expiry::SettingsArgs, words};
use crate::{duration, exit::Failure, instant, write_args::parse_pair};

/// The terms of a rule.
#[derive(Debug, Args)]
pub struct TermArgs {
    /// Grant once every period: daily, weekly, monthly, quarterly, half-yearly or annual; without it once
    /// for each subscription
    #[arg(long, value_parser = words::parse_period)]
    period: Option<RulePeriod>,
    /// How many of --period make one, such as 3
    #[arg(long, value_name = "NUMBER", requires = "period")]
    period_count: Option<i32>,
    #[command(flatten)]
    expiry: SettingsArgs,
    /// Lower is drawn first; 100 by default
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i32>,
    /// What kind of credits these are: monthly, promotional, trial, …; adjustment by default
    #[arg(long)]
    category: Option<String>,
    /// What one credit cost, such as 0.01; 0 by default
    #[arg(long)]
    cost_basis: Option<String>,
    /// Only this operation may draw the grants; may be repeated
    #[arg(long, value_name = "OPERATION")]
    applies_to: Vec<String>,
    /// The rule's own metadata, in place of all it has; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair)]
    rule_metadata: Vec<(String, String)>,
    /// Grant nothing that counts from an earlier instant: RFC 3339, or a date; default: now. An earlier one asks for the past,
    /// which `purse reconcile --apply` grants
    #[arg(long, value_parser = instant::parse, value_name = "INSTANT")]
    starts_at: Option<Timestamp>,
    /// Nor for periods that begin then or later
    #[arg(long, value_parser = instant::parse, value_name = "INSTANT")]
    ends_at: Option<Timestamp>,
    /// Whether it grants anything: active, by default, or inactive
    #[arg(long, value_parser = words::parse_status)]
    status: Option<RuleStatus>,
    /// The stage of a subscription in which it grants: paid, by default, trial or any
    #[arg(long, value_parser = words::parse_stage)]
    stage: Option<RuleStage>,
    /// Which partial periods are granted in part: none, by default, first, last or both
    #[arg(long, value_parser = words::parse_proration)]
    proration: Option<RuleProration>,
    /// Which missed periods are granted: all, by default, latest or none
    #[arg(long, value_parser = words::parse_catch_up)]
    catch_up: Option<RuleCatchUp>,
    /// What is granted after a change of plan within a period: top-up, by default, full or next-period
    #[arg(long, value_parser = words::parse_plan_change)]
    plan_change: Option<RulePlanChange>,
    /// What becomes of the credits on cancellation: keep, by default, or expire
    #[arg(long, value_parser = words::parse_on_cancel)]
    on_cancel: Option<RuleOnCancel>,
    /// What is carried into the next period: all, at most an amount such as 50, or a part such as 50%
    #[arg(long, value_name = "CAP", value_parser = parse_cap)]
    rollover: Option<Cap>,
    /// For how many periods that is carried; 1 by default
    #[arg(long, value_name = "NUMBER", requires = "rollover", default_value_t = 1)]
    rollover_periods: i32,
    /// How long before a period its credits are granted, such as 1d; 0s by default
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    grant_ahead: Option<Duration>,
}

impl TermArgs {
    /// A rule that says what was given, and the names of those fields.
    pub(super) fn rule(self) -> Result<(GrantRule, Vec<String>), Failure> {
        let Self {
            period,
            period_count,
            expiry,
            priority,
            category,
            cost_basis,
            applies_to,
            rule_metadata,
            starts_at,
            ends_at,
            status,
            stage,
            proration,
            catch_up,
            plan_change,
            on_cancel,
            rollover,
            rollover_periods,
            grant_ahead,
        } = self;
        let expiry_settings = expiry.settings();
        let given = [
            ("cadence", period.is_some()),
            ("expiry_settings", expiry_settings.is_some()),
            ("priority", priority.is_some()),
            ("category", category.is_some()),
            ("cost_basis", cost_basis.is_some()),
            ("applies_to", !applies_to.is_empty()),
            ("metadata", !rule_metadata.is_empty()),
            ("starts_at", starts_at.is_some()),
            ("ends_at", ends_at.is_some()),
            ("status", status.is_some()),
            ("stage", stage.is_some()),
            ("proration", proration.is_some()),
            ("catch_up", catch_up.is_some()),
            ("plan_change", plan_change.is_some()),
            ("on_cancel", on_cancel.is_some()),
            ("rollover", rollover.is_some()),
            ("grant_ahead", grant_ahead.is_some()),
        ];
        let paths = given.into_iter().filter(|(_, given)| *given).map(|(path, _)| path.to_owned());
        let paths = paths.collect();
        let grant_ahead = grant_ahead.map(TryInto::try_into).transpose();
        let grant_ahead =
            grant_ahead.map_err(|_| Failure::Usage("--grant-ahead is too long".to_owned()))?;
        let cadence = period.map_or(RuleCadence::Unspecified, |_| RuleCadence::Recurring);
        let rule = GrantRule {
            cadence: cadence.into(),
            period: period.unwrap_or(RulePeriod::Unspecified).into(),
            period_count: period_count.unwrap_or_default(),
            expiry_settings,
            priority,
            category: category.unwrap_or_default(),
            cost_basis: cost_basis.unwrap_or_default(),
            applies_to,
            metadata: BTreeMap::from_iter(rule_metadata),
            starts_at,
            ends_at,
            status: status.unwrap_or(RuleStatus::Unspecified).into(),
            stage: stage.unwrap_or(RuleStage::Unspecified).into(),
            proration: proration.unwrap_or(RuleProration::Unspecified).into(),
            catch_up: catch_up.unwrap_or(RuleCatchUp::Unspecified).into(),
            plan_change: plan_change.unwrap_or(RulePlanChange::Unspecified).into(),
            on_cancel: on_cancel.unwrap_or(RuleOnCancel::Unspecified).into(),
            rollover: rollover
                .map(|cap| RuleRollover { cap: Some(cap), periods: rollover_periods }),
            grant_ahead,
            ..GrantRule::default()
        };
        Ok((rule, paths))
    }
}

/// Reads `all`, `50` or `50%`. Whether the figure is one is for the service.
#[expect(clippy::unnecessary_wraps, reason = "what clap calls a parser")]
fn parse_cap(text: &str) -> Result<Cap, String> {
    Ok(match (text, text.strip_suffix('%')) {
        ("all", _) => Cap::All(true),
        (_, Some(percent)) => Cap::Percent(percent.to_owned()),
        (amount, None) => Cap::Amount(amount.to_owned()),
    })
}
