//! Expiry reports: what expires when, and what is owed to the holders of credits meanwhile.
//!
//! The figures are those of a [cost report](crate::cost_report), so they need no rule of their own: what is left at the
//! bounds of a period is the liability, what expired in it breakage. Grants are grouped, and in each group those that
//! never expire are told apart, by the ends that they have now.

use std::ops::Add;

use crate::{CostReport, CostStatement, FundingRef, Grant, cost_report::Worth};

/// What the grants of an expiry report are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiryGrouping {
    /// Nothing: all together.
    None,
    /// Their category.
    Category,
    /// What paid for them.
    FundingRef,
}

impl ExpiryGrouping {
    /// The group of a grant.
    pub fn group_of(self, grant: &Grant) -> ExpiryGroup {
        let name = match self {
            Self::None => String::new(),
            Self::Category => grant.terms.category.to_string(),
            Self::FundingRef => {
                grant.terms.funding_ref.as_ref().map(FundingRef::to_string).unwrap_or_default()
            }
        };
        ExpiryGroup { name, never_expires: grant.window.expires_at().is_none() }
    }
}

/// Grants of a wallet, or of many.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExpiryGroup {
    /// The category, or what paid for them; empty: nothing did, or they are not grouped.
    pub name: String,
    /// Whether they end never, as it is now.
    pub never_expires: bool,
}

/// A period of a group: what was left at its start, what expired, what else happened, what was left at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExpiryStatement {
    /// What was left just before its first instant.
    pub opening: Worth,
    /// What expired from then on, less what late usage took back.
    pub expired: Worth,
    /// What came in or came back, less what was taken.
    pub other: Worth,
    /// What was left just before the first instant after it.
    pub closing: Worth,
    /// What of that never expires.
    pub never_expiring: Worth,
}

impl ExpiryStatement {
    fn of(statement: &CostStatement, never_expires: bool) -> Self {
        let CostStatement { opening, flow, closing } = *statement;
        Self {
            opening,
            expired: flow.expired,
            other: flow.net() + flow.expired,
            closing,
            never_expiring: if never_expires { closing } else { Worth::default() },
        }
    }
}

impl Add for ExpiryStatement {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            opening: self.opening + other.opening,
            expired: self.expired + other.expired,
            other: self.other + other.other,
            closing: self.closing + other.closing,
            never_expiring: self.never_expiring + other.never_expiring,
        }
    }
}

/// The statements of each group by name, those of the periods in order.
pub fn expiry_statements(report: &CostReport<ExpiryGroup>) -> Vec<(&str, Vec<ExpiryStatement>)> {
    let mut groups: Vec<(&str, Vec<ExpiryStatement>)> = Vec::new();
    for (group, statements) in report.groups() {
        let of = |statement| ExpiryStatement::of(statement, group.never_expires);
        let statements = statements.iter().map(of);
        match groups.last_mut() {
            // Those that expire come just before those that never do.
            Some((name, sums)) if *name == group.name => {
                for (sum, statement) in sums.iter_mut().zip(statements) {
                    *sum = *sum + statement;
                }
            }
            Some(_) | None => groups.push((&group.name, statements.collect())),
        }
    }
    groups
}
