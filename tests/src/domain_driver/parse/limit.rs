//! Spend limits.

use purse_domain::{
    Actor, Amount, CalendarUnit, Command, LimitChange, LimitName, LimitWindow, OperationName,
    RollingSpan, Scale, Share, SpendLimit, TimeZone, UpdateWallet,
};

use super::operation_name;
use crate::{answer::Refusal, driver::Limit};

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
    Command::UpdateWallet(UpdateWallet {
        drawdown_policy: None,
        overdraft_limit: None,
        low_balance_thresholds: None,
        expiring_soon_leads: None,
        spend_limit: Some(change),
        metadata: None,
        expected_version: None,
    })
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
    let window = match rolling_micros {
        Some(micros) => LimitWindow::Rolling(
            RollingSpan::from_micros(*micros).map_err(|_| Refusal::field("limit.rolling"))?,
        ),
        None => LimitWindow::Calendar(
            match per.as_str() {
                "DAY" => CalendarUnit::Day,
                "WEEK" => CalendarUnit::Week,
                "MONTH" => CalendarUnit::Month,
                "YEAR" => CalendarUnit::Year,
                "" => return Err(Refusal::field("limit.window")),
                _ => return Err(Refusal::field("limit.calendar.unit")),
            },
            match zone.as_str() {
                "" => TimeZone::UTC,
                zone => {
                    TimeZone::parse(zone).map_err(|_| Refusal::field("limit.calendar.time_zone"))?
                }
            },
        ),
    };
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
