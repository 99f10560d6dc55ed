//! Spend limits, and rules for top-ups.

use purse_domain::{
    Actor, Amount, CalendarUnit, Command, LimitChange, LimitName, LimitWindow, OperationName,
    PositiveAmount, RequestCount, RollingSpan, Scale, Share, SpendLimit, TimeZone, TopUpChange,
    TopUpRule, UpdateWallet,
};

use super::operation_name;
use crate::{
    answer::Refusal,
    driver::{Limit, TopUpAsked},
};

/// Sets a limit.
pub(super) fn set(limit: &Limit, scale: Scale) -> Result<Command, Refusal> {
    Ok(change(LimitChange::Set(spend_limit(limit, scale)?)))
}

/// Removes a limit.
pub(super) fn delete(name: &str) -> Result<Command, Refusal> {
    let name = LimitName::parse(name).map_err(|_| Refusal::field("name"))?;
    Ok(change(LimitChange::Delete(name)))
}

fn change(change: LimitChange) -> Command {
    Command::UpdateWallet(UpdateWallet { spend_limit: Some(change), ..UpdateWallet::default() })
}

fn spend_limit(limit: &Limit, scale: Scale) -> Result<SpendLimit, Refusal> {
    let Limit {
        name,
        amount,
        by,
        each_actor,
        operation,
        each_operation,
        rolling_micros,
        per,
        zone,
    } = limit;
    let (actor, operation) = (
        share("actor", by, *each_actor, Actor::parse)?,
        share("operation", operation, *each_operation, OperationName::parse)?,
    );
    let window = window("limit", *rolling_micros, per, zone)?;
    Ok(SpendLimit {
        name: LimitName::parse(name).map_err(|_| Refusal::field("limit.name"))?,
        amount: Amount::parse(amount, scale).map_err(|_| Refusal::field("limit.amount"))?,
        actor,
        operation,
        window,
    })
}

fn share<T, E>(
    field: &str,
    name: &str,
    is_each: bool,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Share<T>, Refusal> {
    match (name, is_each) {
        ("", true) => Ok(Share::Each),
        ("", false) => Ok(Share::All),
        (_, true) => Err(Refusal::field(&format!("limit.each_{field}"))),
        (name, false) => {
            let one = parse(name).map_err(|_| Refusal::field(&format!("limit.{field}")))?;
            Ok(Share::Only(one))
        }
    }
}

/// Whose usage to tell of limits that each actor or operation has.
pub(in super::super) fn chosen(
    actor: &str,
    operation: &str,
) -> Result<(Option<Actor>, Option<OperationName>), Refusal> {
    let actor = match actor {
        "" => None,
        name => Some(Actor::parse(name).map_err(|_| Refusal::field("actor"))?),
    };
    Ok((actor, operation_name(operation)?))
}

/// A window as `field` has it.
fn window(
    field: &str,
    rolling_micros: Option<i64>,
    per: &str,
    zone: &str,
) -> Result<LimitWindow, Refusal> {
    let wrong = |part: &str| Refusal::field(&format!("{field}.{part}"));
    if let Some(micros) = rolling_micros {
        let span = RollingSpan::from_micros(micros).map_err(|_| wrong("rolling"))?;
        return Ok(LimitWindow::Rolling(span));
    }
    let unit = match per {
        "DAY" => CalendarUnit::Day,
        "WEEK" => CalendarUnit::Week,
        "MONTH" => CalendarUnit::Month,
        "YEAR" => CalendarUnit::Year,
        "" => return Err(wrong("window")),
        _ => return Err(wrong("calendar.unit")),
    };
    let zone = match zone {
        "" => TimeZone::UTC,
        zone => TimeZone::parse(zone).map_err(|_| wrong("calendar.time_zone"))?,
    };
    Ok(LimitWindow::Calendar(unit, zone))
}

/// Sets a rule for top-ups.
pub(super) fn set_top_up(asked: &TopUpAsked, scale: Scale) -> Result<Command, Refusal> {
    let TopUpAsked { amount, threshold, most, rolling_micros, per } = asked;
    let positive = |text: &str, field: &str| {
        PositiveAmount::parse(text, scale).map_err(|_| Refusal::field(field))
    };
    let rule = TopUpRule {
        threshold: positive(threshold, "rule.threshold")?,
        amount: positive(amount, "rule.amount")?,
        most: RequestCount::new(*most).ok_or_else(|| Refusal::field("rule.most_requests"))?,
        window: window("rule", *rolling_micros, per, "")?,
    };
    Ok(change_top_up(TopUpChange::Set(rule)))
}

/// Sets or removes the rule for top-ups.
pub(super) fn change_top_up(change: TopUpChange) -> Command {
    Command::UpdateWallet(UpdateWallet { top_up: Some(change), ..UpdateWallet::default() })
}
