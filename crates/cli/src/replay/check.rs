//! Whether one account's ledger adds up. Pure: is shown the entries one after the other, then the grants
//! and the balance, and compares them with each other and with what the replay was told.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use purse_client::v1::{Allocation, Balance, DebtPart, Entry, EntryKind, Grant};
use rust_decimal::Decimal;

use super::spending::Spent;

/// What does not add up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discrepancy {
    /// The account.
    pub account: String,
    /// The number of the entry, if it is about one.
    pub entry: Option<i64>,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for Discrepancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.entry {
            Some(entry) => write!(f, "{}, entry {entry}: {}", self.account, self.problem),
            None => write!(f, "{}: {}", self.account, self.problem),
        }
    }
}

/// What an account's ledger adds up to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many entries there are.
    pub entries: u64,
    /// How many grants there are.
    pub grants: u64,
    /// What was spent from grants of each category.
    pub spent_by_category: BTreeMap<String, Decimal>,
}

impl Totals {
    /// Adds another account's.
    pub fn add(&mut self, other: &Self) {
        self.entries += other.entries;
        self.grants += other.grants;
        for (category, spent) in &other.spent_by_category {
            *self.spent_by_category.entry(category.clone()).or_default() += spent;
        }
    }
}

/// A check of one account's ledger that is under way.
pub struct Check<'a> {
    account: &'a str,
    /// Spends that were answered and have not been met yet, by key.
    missing: HashMap<&'a str, &'a Spent>,
    /// Whether some spends failed, so that the ledger may hold more than was answered.
    may_hold_more: bool,
    sequence: i64,
    balance: String,
    spent_by_grant: BTreeMap<i32, Decimal>,
}

impl<'a> Check<'a> {
    /// Begins with an empty ledger and the spends that it must come to hold.
    pub fn new(account: &'a str, spent: &'a [Spent], may_hold_more: bool) -> Self {
        Self {
            account,
            missing: spent.iter().map(|spent| (spent.key.as_str(), spent)).collect(),
            may_hold_more,
            sequence: 0,
            balance: "0".to_owned(),
            spent_by_grant: BTreeMap::new(),
        }
    }

    /// Meets the next entry.
    pub fn entry(&mut self, entry: &Entry) -> Result<(), Discrepancy> {
        self.meet(entry).map_err(|problem| Discrepancy {
            account: self.account.to_owned(),
            entry: Some(entry.sequence),
            problem,
        })
    }

    fn meet(&mut self, entry: &Entry) -> Result<(), String> {
        self.sequence += 1;
        if entry.sequence != self.sequence {
            return Err(format!("number {} should be here", self.sequence));
        }
        let (before, after) = (decimal(&entry.balance_before)?, decimal(&entry.balance_after)?);
        if before != decimal(&self.balance)? {
            return Err(format!(
                "begins at {before}, and the one before ended at {}",
                self.balance
            ));
        }
        let amount = decimal(&entry.amount)?;
        if !may_change(entry.kind(), amount, after - before) {
            let kind = entry.kind().as_str_name();
            return Err(format!("{kind} of {amount} leads from {before} to {after}"));
        }
        let mut allocated = Decimal::ZERO;
        for Allocation { grant_number, amount, category: _ } in &entry.allocations {
            let slice = decimal(amount)?;
            allocated += slice;
            let consumed = consumes(entry.kind(), slice);
            if !consumed.is_zero() {
                *self.spent_by_grant.entry(*grant_number).or_default() += consumed;
            }
        }
        let mut in_debt = Decimal::ZERO;
        for DebtPart { amount, .. } in &entry.debts {
            in_debt += decimal(amount)?;
        }
        // What repays is allocated, and goes to the debts.
        if entry.kind() != EntryKind::Repaid {
            allocated += in_debt;
        }
        if allocated != amount {
            return Err(format!("moves {amount}, and its allocations sum to {allocated}"));
        }
        if entry.kind() == EntryKind::Spent {
            self.spent(entry, amount)?;
        }
        self.balance.clone_from(&entry.balance_after);
        Ok(())
    }

    /// Each spend that was answered is there exactly once, with its amount and its transaction. As nothing
    /// else is there either, the sums agree.
    fn spent(&mut self, entry: &Entry, amount: Decimal) -> Result<(), String> {
        let key = entry.idempotency_key.as_str();
        match self.missing.remove(key) {
            Some(spent) if spent.amount != amount => {
                Err(format!("spends {amount} for {key}, which cost {}", spent.amount))
            }
            Some(spent) if spent.transaction_id != entry.transaction_id => Err(format!(
                "spends for {key} in transaction {}, and the answer named {}",
                entry.transaction_id, spent.transaction_id
            )),
            Some(_) => Ok(()),
            None if self.may_hold_more => Ok(()),
            None => Err(format!("spends {amount} for {key:?} twice, or without an answer")),
        }
    }

    /// Ends the check with the grants as they are, and the balance at the last entry's `recorded_at`: later
    /// on a grant may have expired that no entry tells of yet.
    pub fn finish(
        self,
        grants: &[Grant],
        balance: Option<&Balance>,
    ) -> Result<Totals, Discrepancy> {
        let account = self.account.to_owned();
        self.conclude(grants, balance).map_err(|(entry, problem)| Discrepancy {
            account,
            entry,
            problem,
        })
    }

    fn conclude(
        mut self,
        grants: &[Grant],
        balance: Option<&Balance>,
    ) -> Result<Totals, (Option<i64>, String)> {
        let of_account = |problem| (None, problem);
        if let Some(key) = self.missing.keys().min() {
            let missing = self.missing.len();
            return Err((None, format!("{missing} answered spends are not there, such as {key}")));
        }
        let mut totals = Totals {
            entries: u64::try_from(self.sequence).unwrap_or(0),
            grants: u64::try_from(grants.len()).unwrap_or(u64::MAX),
            ..Totals::default()
        };
        for grant in grants {
            let number = grant.number;
            parts(grant).map_err(of_account)?;
            let spent = self.spent_by_grant.remove(&number).unwrap_or_default();
            if spent != decimal(&grant.consumed).map_err(of_account)? {
                return Err((
                    None,
                    format!("grant {number} consumed {}, entries say {spent}", grant.consumed),
                ));
            }
            *totals.spent_by_category.entry(grant.category.clone()).or_default() += spent;
        }
        if let Some(number) = self.spent_by_grant.keys().next() {
            return Err((None, format!("entries draw grant {number}, which is not there")));
        }
        if let Some(balance) = balance {
            let last = Some(self.sequence);
            let there = decimal(&balance.balance).map_err(|problem| (last, problem))?;
            if there != decimal(&self.balance).map_err(|problem| (last, problem))? {
                let problem =
                    format!("ends at {}, and the balance at that instant is {there}", self.balance);
                return Err((last, problem));
            }
        }
        Ok(totals)
    }
}

/// Whether an entry of a kind may change the balance so. Only what is effective counts, so what is done to a
/// scheduled grant changes nothing.
fn may_change(kind: EntryKind, amount: Decimal, change: Decimal) -> bool {
    match kind {
        EntryKind::Granted => [amount, Decimal::ZERO].contains(&change),
        EntryKind::Activated
        | EntryKind::ExpiryReversed
        | EntryKind::Released
        | EntryKind::HoldExpired
        | EntryKind::Reversed
        | EntryKind::TransferredIn => change == amount,
        EntryKind::Expired | EntryKind::Spent | EntryKind::Held | EntryKind::TransferredOut => {
            change == -amount
        }
        EntryKind::Voided => [-amount, Decimal::ZERO].contains(&change),
        // Of several grants, some may be scheduled.
        EntryKind::Revoked => (-amount..=Decimal::ZERO).contains(&change),
        EntryKind::RevocationReversed => (Decimal::ZERO..=amount).contains(&change),
        // Available and debt fall alike, or neither changes.
        EntryKind::Repaid | EntryKind::Captured | EntryKind::ExpiryChanged => change.is_zero(),
        EntryKind::Unspecified => false,
    }
}

/// What an entry of a kind adds to what a grant has consumed.
fn consumes(kind: EntryKind, slice: Decimal) -> Decimal {
    match kind {
        EntryKind::Spent | EntryKind::Captured | EntryKind::Repaid => slice,
        EntryKind::Reversed => -slice,
        EntryKind::Granted
        | EntryKind::Activated
        | EntryKind::Expired
        | EntryKind::Voided
        | EntryKind::ExpiryReversed
        | EntryKind::Held
        | EntryKind::Released
        | EntryKind::HoldExpired
        | EntryKind::Revoked
        | EntryKind::RevocationReversed
        | EntryKind::TransferredOut
        | EntryKind::TransferredIn
        | EntryKind::ExpiryChanged
        | EntryKind::Unspecified => Decimal::ZERO,
    }
}

/// A grant's parts sum to its amount.
fn parts(grant: &Grant) -> Result<(), String> {
    let parts = [
        &grant.available,
        &grant.held,
        &grant.consumed,
        &grant.expired,
        &grant.voided,
        &grant.revoked,
        &grant.transferred_out,
    ];
    let mut sum = Decimal::ZERO;
    for part in parts {
        let part = decimal(part)?;
        if part.is_sign_negative() && !part.is_zero() {
            return Err(format!("grant {} has a negative part: {part}", grant.number));
        }
        sum += part;
    }
    if sum == decimal(&grant.amount)? {
        Ok(())
    } else {
        Err(format!("the parts of grant {} sum to {sum}, not to {}", grant.number, grant.amount))
    }
}

/// Reads an amount of an answer.
fn decimal(text: &str) -> Result<Decimal, String> {
    Decimal::from_str_exact(text).map_err(|_| format!("{text:?} is no amount"))
}

#[cfg(test)]
mod tests;
