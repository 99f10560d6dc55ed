//! What must hold of every wallet at the end of every scenario, whatever its steps look at: invariants 1 to 3
//! of the design as a caller sees them.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::{
    answer::{EntryView, EventView, GrantView, HoldView, Holdings, OccurrenceView},
    line,
};

/// Checks a wallet's ledger, grants and balances against each other.
pub fn audit(
    entries: &[EntryView],
    grants: &[GrantView],
    holds: &[HoldView],
    holdings: &Holdings,
) -> Result<(), String> {
    ledger(entries)?;
    let mut available = Decimal::ZERO;
    let mut scheduled = Decimal::ZERO;
    for grant in grants {
        let total = sum(grant.parts.iter().map(|(_, amount)| amount))?;
        if total != decimal(&grant.amount)? {
            return Err(format!("the parts do not sum to the amount: {}", line::grant(grant)));
        }
        let part = grant.parts.iter().find(|(name, _)| *name == "available");
        let left = part.map_or(Ok(Decimal::ZERO), |(_, amount)| decimal(amount))?;
        match grant.status.as_str() {
            "SCHEDULED" => scheduled += left,
            "ACTIVE" => available += left,
            _ if left.is_zero() => {}
            _ => return Err(format!("something is left of {}", line::grant(grant))),
        }
    }
    let mut held = Decimal::ZERO;
    for hold in holds {
        if sum(hold.parts.iter().map(|(_, amount)| amount))? != decimal(&hold.amount)? {
            return Err(format!("the parts do not sum to the amount: {}", line::hold(hold)));
        }
        let part = hold.parts.iter().find(|(name, _)| *name == "held");
        held += part.map_or(Ok(Decimal::ZERO), |(_, amount)| decimal(amount))?;
    }
    equal("held", &holdings.held, held)?;
    equal("available", &holdings.available, available)?;
    equal("scheduled", &holdings.scheduled, scheduled)?;
    equal("balance", &holdings.balance, decimal(&holdings.available)? - decimal(&holdings.debt)?)
}

/// Checks a wallet's events: no gap, and each threshold falls and recovers in turns. Files do not take back a
/// threshold between the two.
pub fn audit_events(events: &[EventView]) -> Result<(), String> {
    let mut low: BTreeMap<&str, bool> = BTreeMap::new();
    for (number, event) in (1..).zip(events) {
        let wrong = |what: &str| Err(format!("event {number} {what}: {}", line::event(event)));
        if event.sequence != number {
            return wrong("is out of sequence");
        }
        if event.effective_at > event.recorded_at {
            return wrong("is dated ahead");
        }
        if let OccurrenceView::Crossing { kind, threshold, .. } = &event.occurrence {
            let falls = *kind != "RECOVERED";
            if low.insert(threshold, falls).unwrap_or(false) == falls {
                return wrong("repeats the one before it");
            }
        }
    }
    Ok(())
}

fn ledger(entries: &[EntryView]) -> Result<(), String> {
    let mut balance = "0";
    for (number, entry) in (1..).zip(entries) {
        let EntryView { sequence, kind, amount, balance_before, after, allocations, debts, .. } =
            entry;
        let wrong = |what: &str| Err(format!("entry {sequence} {what}: {}", line::entry(entry)));
        if *sequence != number {
            return wrong("is out of sequence");
        }
        if balance_before != balance {
            return wrong("does not begin where the one before it ended");
        }
        let allocated = sum(allocations.iter().map(|(_, amount)| amount))?;
        let in_debt = sum(debts.iter().map(|(_, amount)| amount))?;
        let (moved, repaid) = match kind.as_str() {
            "REPAID" => (allocated, in_debt),
            _ => (allocated + in_debt, decimal(amount)?),
        };
        if moved != decimal(amount)? || repaid != decimal(amount)? {
            return wrong("has allocations and debt that do not sum to its amount");
        }
        if entry.effective_at > entry.recorded_at {
            return wrong("is dated ahead");
        }
        balance = &after.balance;
    }
    Ok(())
}

fn equal(what: &str, answered: &str, summed: Decimal) -> Result<(), String> {
    if decimal(answered)? == summed {
        Ok(())
    } else {
        Err(format!("{what} is {answered}, the sum over its parts is {}", summed.normalize()))
    }
}

fn sum<'a>(amounts: impl Iterator<Item = &'a String>) -> Result<Decimal, String> {
    amounts.map(|amount| decimal(amount)).sum()
}

fn decimal(text: &str) -> Result<Decimal, String> {
    text.parse().map_err(|_| format!("\"{text}\" is no decimal"))
}
