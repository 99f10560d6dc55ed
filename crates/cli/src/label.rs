//! The API's enums and lists as words for people.

use prost_types::Timestamp;
use purse_client::v1::{
    Allocation, ApplicationState, CalendarUnit, DebtPart, DrawdownPolicy, Entry, EntryKind,
    EventOutcome, ExcessPolicy, ExpiredPolicy, ExpiryChange, ExpiryGrouping, Grant, Hold,
    PassedOverReason, PlacementRule, Pricing, Purchase, ReportPeriod, ReversedSlice,
    ReversibleSlice, RoundingMode, SubscriptionStatus, TransactionKind, WalletStatus,
};

use crate::instant;

/// How this program was called, for commands that a person copies.
pub fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "purse".to_owned())
}

/// What an entry did, such as `spent`.
pub fn entry_kind(kind: EntryKind) -> String {
    word(kind.as_str_name(), "ENTRY_KIND_")
}

/// What a grant is, such as `active`.
pub fn grant_status(grant: &Grant) -> String {
    word(grant.status().as_str_name(), "GRANT_STATUS_")
}

/// What became of a hold, such as `open`.
pub fn hold_status(hold: &Hold) -> String {
    word(hold.status().as_str_name(), "HOLD_STATUS_")
}

/// The order in which grants are drawn, such as `expiry-first`.
pub fn drawdown_policy(policy: DrawdownPolicy) -> String {
    word(policy.as_str_name(), "DRAWDOWN_POLICY_")
}

/// What may happen to a wallet, such as `frozen`.
pub fn wallet_status(status: WalletStatus) -> String {
    word(status.as_str_name(), "WALLET_STATUS_")
}

/// What has become of an application, such as `applied`.
pub fn application_state(state: ApplicationState) -> String {
    word(state.as_str_name(), "APPLICATION_STATE_")
}

/// What became of an event of a subscription, such as `stale`.
pub fn event_outcome(outcome: EventOutcome) -> String {
    word(outcome.as_str_name(), "EVENT_OUTCOME_")
}

/// Where a subscription is in its life, such as `active`.
pub fn subscription_status(status: SubscriptionStatus) -> String {
    word(status.as_str_name(), "SUBSCRIPTION_STATUS_")
}

/// What a transaction did, such as `spend`.
pub fn transaction_kind(kind: TransactionKind) -> String {
    word(kind.as_str_name(), "TRANSACTION_KIND_")
}

/// What became of a slice of a reversed spend, such as `restored`.
pub fn slice_outcome(slice: &ReversedSlice) -> String {
    word(slice.outcome().as_str_name(), "REVERSED_SLICE_OUTCOME_")
}

/// What puts a grant after the one before it, such as `expires-at`.
pub fn placement_rule(rule: PlacementRule) -> String {
    unless(rule == PlacementRule::Unspecified, word(rule.as_str_name(), "PLACEMENT_RULE_"))
}

/// Why something was passed over, such as `not-needed`; nothing if it was not.
pub fn passed_over(why: PassedOverReason) -> String {
    unless(why == PassedOverReason::Unspecified, word(why.as_str_name(), "PASSED_OVER_REASON_"))
}

/// Where a spend had a part from, such as `drawn`.
pub fn slice_source(slice: &ReversibleSlice) -> String {
    word(slice.source().as_str_name(), "SLICE_SOURCE_")
}

/// Allocations by grant number and, where it is told, category, such as `#1 10 monthly, #3 2.5 purchased`.
pub fn allocations(allocations: &[Allocation]) -> String {
    let slices = allocations.iter().map(|Allocation { grant_number, amount, category }| {
        format!("#{grant_number} {amount} {category}").trim_end().to_owned()
    });
    slices.collect::<Vec<_>>().join(", ")
}

/// A change of a grant's expiry, such as `2026-01-31 00:00:00Z to never`; nothing of other entries.
pub fn expiry_change(entry: &Entry) -> String {
    let end = |at: Option<Timestamp>| match at {
        None => "never".to_owned(),
        at => instant::brief(at),
    };
    let Some(ExpiryChange { before, after }) = entry.expiry_change else { return String::new() };
    format!("{} to {}", end(before), end(after))
}

/// Debts by the entry that made them, such as `owes 15` of the entry itself, `#7 15` of another.
pub fn debts(entry: &Entry) -> String {
    let parts = entry.debts.iter().map(|DebtPart { entry_sequence, amount }| {
        if *entry_sequence == entry.sequence {
            format!("owes {amount}")
        } else {
            format!("#{entry_sequence} {amount}")
        }
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// A unit of the calendar, such as `week`.
pub fn calendar_unit(unit: CalendarUnit) -> String {
    word(unit.as_str_name(), "CALENDAR_UNIT_")
}

/// Metadata, such as `invoice=17, plan=pro`.
pub fn metadata<'a>(metadata: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    let pairs = metadata.into_iter().map(|(key, value)| format!("{key}={value}"));
    pairs.collect::<Vec<_>>().join(", ")
}

/// How an amount was worked out, such as `megabytes=5.2, etag 3`; nothing if the request gave it.
pub fn pricing(pricing: Option<&Pricing>) -> String {
    pricing.map_or_else(String::new, |Pricing { quantities, etag }| {
        let etag = [format!("etag {etag}")];
        let quantities = quantities.iter().map(|(name, figure)| format!("{name}={figure}"));
        quantities.chain(etag).collect::<Vec<_>>().join(", ")
    })
}

/// What was bought, such as `starter x 2, etag 3`; nothing if nothing was.
pub fn purchase(purchase: Option<&Purchase>) -> String {
    purchase.map_or_else(String::new, |Purchase { pack, etag, quantity }| {
        format!("{pack} x {quantity}, etag {etag}")
    })
}

/// How a price is rounded, such as `half-even`; nothing if it is not.
pub fn rounding_mode(mode: RoundingMode) -> String {
    unless(mode == RoundingMode::Unspecified, word(mode.as_str_name(), "ROUNDING_MODE_"))
}

/// Reads how a price is rounded as [`rounding_mode`] writes it.
pub fn parse_rounding_mode(text: &str) -> Result<RoundingMode, String> {
    RoundingMode::from_str_name(&format!("ROUNDING_MODE_{}", screaming(text)))
        .filter(|mode| *mode != RoundingMode::Unspecified)
        .ok_or_else(|| "expected up, down, half-up, half-down or half-even".to_owned())
}

/// Reads the kind of an entry as [`entry_kind`] writes it.
pub fn parse_entry_kind(text: &str) -> Result<EntryKind, String> {
    EntryKind::from_str_name(&format!("ENTRY_KIND_{}", screaming(text)))
        .filter(|kind| *kind != EntryKind::Unspecified)
        .ok_or_else(|| {
            "expected a kind as `purse entries` shows it, such as spent or hold-expired".to_owned()
        })
}

/// Reads a drawdown policy as [`drawdown_policy`] writes it.
pub fn parse_drawdown_policy(text: &str) -> Result<DrawdownPolicy, String> {
    DrawdownPolicy::from_str_name(&format!("DRAWDOWN_POLICY_{}", screaming(text)))
        .filter(|policy| *policy != DrawdownPolicy::Unspecified)
        .ok_or_else(|| "expected expiry-first or oldest-first".to_owned())
}

/// Reads a unit of the calendar as [`calendar_unit`] writes it.
pub fn parse_calendar_unit(text: &str) -> Result<CalendarUnit, String> {
    CalendarUnit::from_str_name(&format!("CALENDAR_UNIT_{}", screaming(text)))
        .filter(|unit| *unit != CalendarUnit::Unspecified)
        .ok_or_else(|| "expected day, week, month or year".to_owned())
}

/// Reads what a report is cut into.
pub fn parse_report_period(text: &str) -> Result<ReportPeriod, String> {
    ReportPeriod::from_str_name(&format!("REPORT_PERIOD_{}", screaming(text)))
        .filter(|period| *period != ReportPeriod::Unspecified)
        .ok_or_else(|| "expected day, week, month or year".to_owned())
}

/// Reads what the grants of a report are grouped by.
pub fn parse_expiry_grouping(text: &str) -> Result<ExpiryGrouping, String> {
    ExpiryGrouping::from_str_name(&format!("EXPIRY_GROUPING_{}", screaming(text)))
        .filter(|grouping| *grouping != ExpiryGrouping::Unspecified)
        .ok_or_else(|| "expected category or funding-ref".to_owned())
}

/// Reads what to do with a capture of more than is held.
pub fn parse_excess(text: &str) -> Result<ExcessPolicy, String> {
    ExcessPolicy::from_str_name(&format!("EXCESS_POLICY_{}", screaming(text)))
        .filter(|policy| *policy != ExcessPolicy::Unspecified)
        .ok_or_else(|| "expected reject, cap or extend".to_owned())
}

/// Reads what becomes of credits whose grant has ended.
pub fn parse_expired_policy(text: &str) -> Result<ExpiredPolicy, String> {
    ExpiredPolicy::from_str_name(&format!("EXPIRED_POLICY_{}", screaming(text)))
        .filter(|policy| *policy != ExpiredPolicy::Unspecified)
        .ok_or_else(|| "expected restore-then-expire, reissue or grace".to_owned())
}

fn unless(nothing: bool, word: String) -> String {
    if nothing { String::new() } else { word }
}

/// The name of a value without its prefix, as people write words: `half-yearly`.
pub fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase().replace('_', "-")
}

/// A word as names of values are written: `HALF_YEARLY`.
pub fn screaming(word: &str) -> String {
    word.to_uppercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        let kind = EntryKind::ExpiryReversed;
        assert_eq!(entry_kind(kind), "expiry-reversed");
        assert_eq!(parse_entry_kind("expiry-reversed"), Ok(kind));
        assert_eq!(parse_drawdown_policy("oldest-first"), Ok(DrawdownPolicy::OldestFirst));
        assert_eq!(parse_expired_policy("reissue"), Ok(ExpiredPolicy::Reissue));
        assert!(parse_entry_kind("unspecified").is_err());
        assert!(parse_drawdown_policy("newest-first").is_err());
    }
}
