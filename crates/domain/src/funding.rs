//! Funding: what paid for grants, and how much of that has been taken back.

use crate::{Amount, Decision, Entry, EntryKind, FundingRef, Grant, Sequence};

/// What is known of a funding that is to be revoked. How much of it is revoked now follows from its grants and
/// from its debts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FundingRecord {
    /// The entry of its first grant, which revocations are about; `None`: it has funded nothing.
    pub entry: Option<Sequence>,
    /// What was granted on it. Credits that a reversal granted anew are not counted again.
    pub funded: Amount,
    /// The entries of the revocations that left debt, oldest first.
    pub debts: Vec<Sequence>,
}

impl FundingRecord {
    /// Adds a grant that was asked for; `entry` is the one that made it.
    pub fn add(&mut self, entry: Sequence, grant: &Grant) {
        self.entry.get_or_insert(entry);
        self.funded = self.funded + grant.terms.amount.get();
    }

    /// Takes note of what a command granted on it and revoked of it.
    pub(crate) fn apply(&mut self, funding_ref: &FundingRef, decision: &Decision) {
        let entries = decision.own_entries();
        let Some(first) = entries.first() else { return };
        let is_revocation = |entry: &&Entry| {
            entry.kind == EntryKind::Revoked && entry.about == self.entry && !entry.debts.is_empty()
        };
        self.debts.extend(entries.iter().filter(is_revocation).map(|entry| entry.sequence));
        if first.kind == EntryKind::Granted {
            let is_its = |grant: &&Grant| grant.terms.funding_ref.as_ref() == Some(funding_ref);
            for grant in decision.made_grants().filter(is_its) {
                self.add(first.sequence, grant);
            }
        }
    }
}
