//! What must hold of every wallet at the end of every scenario, whatever its steps look at: invariants 1 to 3
//! of the design as a caller sees them.

use rust_decimal::Decimal;

use crate::{
    answer::{EntryView, GrantView, Holdings},
    line,
};

/// Checks a wallet's ledger, grants and balances against each other.
pub fn audit(
    entries: &[EntryView],
    grants: &[GrantView],
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
    equal("available", &holdings.available, available)?;
    equal("scheduled", &holdings.scheduled, scheduled)?;
    equal("balance", &holdings.balance, decimal(&holdings.available)? - decimal(&holdings.debt)?)
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
        Err(format!("{what} is {answered}, the sum over the grants is {}", summed.normalize()))
    }
}

fn sum<'a>(amounts: impl Iterator<Item = &'a String>) -> Result<Decimal, String> {
    amounts.map(|amount| decimal(amount)).sum()
}

fn decimal(text: &str) -> Result<Decimal, String> {
    text.parse().map_err(|_| format!("\"{text}\" is no decimal"))
}
