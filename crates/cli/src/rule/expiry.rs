//! When the grants of rules expire: settings as people type them, their change, and the calculator.

use clap::Args;
use prost_types::Timestamp;
use purse_client::{
    Client,
    v1::{
        BatchMode, BillingCycle, BulkUpdateExpirySettingsRequest, BulkUpdateExpirySettingsResult,
        CalculateExpiryRequest, CalculateExpiryResponse, DurationUnit, ExpiryBillingCycle,
        ExpiryDuration, ExpirySettings, ExpiryType, RulePeriod, UpdateExpirySettingsRequest,
        UpdateExpirySettingsResponse, bulk_update_expiry_settings_result::Outcome,
    },
};

use super::{show, words};
use crate::{
    exit::Failure,
    instant,
    output::Output,
    table::{self, Column},
    write_args::WriteArgs,
};

/// When grants expire.
#[derive(Debug, Args)]
pub struct SettingsArgs {
    /// Grants never expire
    #[arg(long, conflicts_with_all = ["expires_after", "billing_cycles"])]
    never_expires: bool,
    /// They expire so long after they become effective: days, weeks, months or years, such as 30d, 2w, 3mo
    /// or 1y
    #[arg(
        long,
        value_name = "TIME",
        value_parser = parse_duration,
        conflicts_with = "billing_cycles"
    )]
    expires_after: Option<ExpiryDuration>,
    /// They expire with the end of the billing period that they begin in, 1, or of a later one
    #[arg(long, value_name = "NUMBER")]
    billing_cycles: Option<i32>,
    /// They expire one second after the billing period and not at its very end
    #[arg(long, requires = "billing_cycles")]
    second_later: bool,
}

impl SettingsArgs {
    /// The settings; `None`: nothing was said.
    pub(super) fn settings(self) -> Option<ExpirySettings> {
        let Self { never_expires, expires_after, billing_cycles, second_later } = self;
        let billing_cycle = billing_cycles.map(|cycle_count| ExpiryBillingCycle {
            reset_at_period_end: !second_later,
            cycle_count,
        });
        let kind = match (&expires_after, &billing_cycle) {
            (Some(_), _) => ExpiryType::Duration,
            (None, Some(_)) => ExpiryType::BillingCycle,
            (None, None) if never_expires => ExpiryType::Never,
            (None, None) => return None,
        };
        Some(ExpirySettings { r#type: kind.into(), duration: expires_after, billing_cycle })
    }

    fn required(self) -> Result<ExpirySettings, Failure> {
        let hint = "say when: --never-expires, --expires-after or --billing-cycles";
        self.settings().ok_or_else(|| Failure::Usage(hint.to_owned()))
    }
}

/// Reads a whole number of days, weeks, months or years, such as `3mo`.
fn parse_duration(text: &str) -> Result<ExpiryDuration, String> {
    const HINT: &str = "expected a whole number and d, w, mo or y, such as 30d";
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or(HINT)?;
    let (amount, unit) = text.split_at(digits);
    let unit = match unit {
        "d" => DurationUnit::Day,
        "w" => DurationUnit::Week,
        "mo" => DurationUnit::Month,
        "y" => DurationUnit::Year,
        _ => return Err(HINT.to_owned()),
    };
    let amount = amount.parse().map_err(|_| HINT)?;
    Ok(ExpiryDuration { amount, unit: unit.into() })
}

/// What `rule expiry` takes.
#[derive(Debug, Args)]
pub struct ExpiryArgs {
    /// The ids of the rules: all of them change, or none
    #[arg(required = true, value_name = "RULE_ID")]
    rule_ids: Vec<String>,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Change those that can be changed, whatever becomes of the others
    #[arg(long)]
    each: bool,
    /// Change it only if this is still its etag; for one rule
    #[arg(long, default_value = "", hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Runs `purse rule expiry`.
pub(super) async fn change(
    args: ExpiryArgs,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    let ExpiryArgs { rule_ids, settings, each, etag, write } = args;
    write.refuse_commit_token()?;
    let expiry_settings = Some(settings.required()?);
    if rule_ids.len() > 1 && !etag.is_empty() {
        return Err(Failure::Usage("--etag is for one rule".to_owned()));
    }
    let key = write.key();
    let metadata = write.metadata();
    // Each has a key of its own, so that the same command again does nothing twice.
    let key_of = |rule_id: &str| match rule_ids.len() {
        1 => key.clone(),
        _ => format!("{key} {rule_id}"),
    };
    let request_of = |rule_id: &String| UpdateExpirySettingsRequest {
        rule_id: rule_id.clone(),
        expiry_settings,
        expire_in_days: None,
        etag: etag.clone(),
        idempotency_key: key_of(rule_id),
        metadata: metadata.clone(),
        actor: write.actor.clone(),
        reason: write.reason.clone(),
        validate_only: write.validate_only,
    };
    if let [rule_id] = &rule_ids[..] {
        let answer = client.update_expiry_settings(request_of(rule_id)).await?;
        return output.answer(&answer, |answer| changed(answer, write.validate_only));
    }
    let requests = rule_ids.iter().map(request_of);
    let mode = if each { BatchMode::EachOnItsOwn } else { BatchMode::AllOrNothing };
    let request =
        BulkUpdateExpirySettingsRequest { requests: requests.collect(), mode: mode.into() };
    let answer = client.bulk_update_expiry_settings(request).await?;
    output.answer(&answer, |answer| {
        let columns = [
            Column::Word("rule"),
            Column::Text("name"),
            Column::Text("before"),
            Column::Text("after"),
            Column::Text("outcome"),
        ];
        let rows = rule_ids.iter().zip(&answer.results);
        table::rows(&columns, rows.map(|(id, result)| row(id, result, write.validate_only)))
    })
}

fn changed(answer: &UpdateExpirySettingsResponse, validate_only: bool) -> String {
    let before = format!("before   {}\n", show::expiry(answer.before.as_ref()));
    let outcome = show::outcome(answer.replayed, validate_only);
    before + &show::record(answer.rule.as_ref(), outcome)
}

fn row(id: &str, result: &BulkUpdateExpirySettingsResult, validate_only: bool) -> Vec<String> {
    let [name, before, after, outcome] = match &result.outcome {
        Some(Outcome::Response(answer)) => {
            let rule = answer.rule.clone().unwrap_or_default();
            let before = show::expiry(answer.before.as_ref());
            let after = show::expiry(rule.expiry_settings.as_ref());
            let outcome = show::outcome(answer.replayed, validate_only);
            [rule.name, before, after, outcome.to_owned()]
        }
        Some(Outcome::Error(error)) => {
            let outcome = format!("{}: {}", error.reason, error.message);
            [String::new(), String::new(), String::new(), outcome]
        }
        None => Default::default(),
    };
    vec![id.to_owned(), name, before, after, outcome]
}

/// What `rule expiry-date` takes.
#[derive(Debug, Args)]
pub struct DateArgs {
    /// When the grant becomes effective; of recurring grants the first one: RFC 3339, or a date
    #[arg(value_parser = instant::parse, value_name = "INSTANT")]
    effective_at: Timestamp,
    /// By the expiry and the period of this rule
    #[arg(
        long,
        value_name = "RULE_ID",
        conflicts_with_all = ["never_expires", "expires_after", "billing_cycles", "recurs"]
    )]
    rule: Option<String>,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Where a billing period begins; its day is that of every period
    #[arg(long, value_parser = instant::parse, value_name = "INSTANT", requires = "billing_period")]
    billing_anchor: Option<Timestamp>,
    /// How long billing periods are: daily, weekly, monthly, quarterly, half-yearly or annual
    #[arg(long, value_parser = words::parse_period, value_name = "PERIOD", requires = "billing_anchor")]
    billing_period: Option<RulePeriod>,
    /// How many of --billing-period make one
    #[arg(long, value_name = "NUMBER", requires = "billing_period", default_value_t = 1)]
    billing_count: i32,
    /// Whose clocks count, such as Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE", default_value = "", hide_default_value = true)]
    time_zone: String,
    /// Grants recur: daily, weekly, monthly, quarterly, half-yearly or annual
    #[arg(long, value_parser = words::parse_period, value_name = "PERIOD")]
    recurs: Option<RulePeriod>,
    /// How many of --recurs lie between two of them
    #[arg(long, value_name = "NUMBER", requires = "recurs")]
    recurs_count: Option<i32>,
    /// The instant to tell of; without it now
    #[arg(long, value_parser = instant::parse, value_name = "INSTANT")]
    at: Option<Timestamp>,
}

/// Runs `purse rule expiry-date`.
pub(super) async fn date(
    args: DateArgs,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    let DateArgs {
        effective_at,
        rule,
        settings,
        billing_anchor,
        billing_period,
        billing_count,
        time_zone,
        recurs,
        recurs_count,
        at,
    } = args;
    let expiry_settings = match rule {
        Some(_) => None,
        None => Some(settings.required()?),
    };
    let billing_cycle =
        billing_anchor.zip(billing_period).map(|(anchor_at, period)| BillingCycle {
            anchor_at: Some(anchor_at),
            period: period.into(),
            period_count: billing_count,
        });
    let request = CalculateExpiryRequest {
        rule_id: rule.unwrap_or_default(),
        expiry_settings,
        expire_in_days: None,
        effective_at: Some(effective_at),
        billing_cycle,
        time_zone,
        recurs_every: recurs.unwrap_or(RulePeriod::Unspecified).into(),
        recurs_count: recurs_count.unwrap_or_default(),
        at,
    };
    let answer = client.calculate_expiry(request).await?;
    output.answer(&answer, calculated)
}

fn calculated(answer: &CalculateExpiryResponse) -> String {
    let CalculateExpiryResponse { expires_at, is_expired, next_expires_at, expiry_settings, at } =
        answer;
    let never = || "never".to_owned();
    let end = |end: &Option<Timestamp>| end.map_or_else(never, |end| instant::show(Some(end)));
    table::record([
        ("expires", end(expires_at)),
        ("at", instant::show(*at)),
        ("expired then", if *is_expired { "yes" } else { "no" }.to_owned()),
        ("next expiry", end(next_expires_at)),
        ("by", show::expiry(expiry_settings.as_ref())),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        let read = |text| parse_duration(text).map(|read| (read.amount, read.unit()));
        assert_eq!(read("30d"), Ok((30, DurationUnit::Day)));
        assert_eq!(read("3mo"), Ok((3, DurationUnit::Month)));
        for text in ["", "30", "d", "3m", "-3d", "99999999999y"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
