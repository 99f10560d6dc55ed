//! The hash chain over a wallet's entries: each entry's hash covers its content, what it belongs to, and the
//! hash of the entry before it. Whoever changes an entry afterwards has to change all that follow.

use std::fmt;

use crate::{
    Entry, ExpiryChange, Fingerprint, FundingRef, GrantNumber, GrantTerms, IdempotencyKey,
    OperationName, WalletId, canonical::Canonical,
};

/// The hash of an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EntryHash([u8; 32]);

impl fmt::Debug for EntryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The transaction that an entry belongs to, as far as its hash covers it.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// Its key, if it is not a further leg.
    pub key: Option<&'a IdempotencyKey>,
    /// What the key stands for.
    pub fingerprint: &'a Fingerprint,
}

impl EntryHash {
    /// Before the first entry.
    pub const START: Self = Self([0; 32]);

    /// Takes a hash that was stored; `None` if it is none.
    pub fn from_stored(stored: &[u8]) -> Option<Self> {
        stored.try_into().ok().map(Self)
    }

    /// The bytes for PostgreSQL.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The hash of the entry after this one. `owner` is none of what time alone did; `terms` finds those of a
    /// grant that the entry makes.
    #[must_use]
    pub fn next<'t>(
        &self,
        wallet: WalletId,
        entry: &Entry,
        owner: Option<Owner<'_>>,
        terms: impl Fn(GrantNumber) -> Option<&'t GrantTerms>,
    ) -> Self {
        let Entry {
            sequence,
            kind,
            amount,
            balance_before,
            after,
            effective_at,
            recorded_at,
            allocations,
            debts,
            hold,
            about,
            expiry,
        } = entry;
        let mut canonical = Canonical::new();
        canonical.text(1, &self.0);
        canonical.text(2, wallet.uuid().as_bytes());
        canonical.text(3, &sequence.0.to_be_bytes());
        canonical.text(4, kind.name().as_bytes());
        canonical.decimal(5, amount.decimal());
        canonical.decimal(6, balance_before.decimal());
        for balance in [after.available, after.held, after.debt, after.scheduled] {
            canonical.decimal(7, balance.decimal());
        }
        canonical.instant(8, Some(*effective_at));
        canonical.instant(9, Some(*recorded_at));
        for part in allocations {
            canonical.text(10, &part.grant.0.to_be_bytes());
            canonical.decimal(11, part.amount.decimal());
            if kind.makes_grants()
                && let Some(terms) = terms(part.grant)
            {
                hash_terms(&mut canonical, terms);
            }
        }
        for part in debts {
            canonical.text(12, &part.entry.0.to_be_bytes());
            canonical.decimal(13, part.amount.decimal());
        }
        if let Some(hold) = hold {
            canonical.text(14, &hold.0.to_be_bytes());
        }
        if let Some(about) = about {
            canonical.text(17, &about.0.to_be_bytes());
        }
        // Never is not set, and that it is a change is in the kind.
        if let Some(ExpiryChange { from, to }) = expiry {
            canonical.instant(18, *from);
            canonical.instant(19, *to);
        }
        if let Some(Owner { key, fingerprint }) = owner {
            canonical.optional_text(15, key.map_or("", IdempotencyKey::as_str));
            canonical.text(16, fingerprint.as_bytes());
        }
        Self(canonical.finish())
    }
}

fn hash_terms(canonical: &mut Canonical, terms: &GrantTerms) {
    let GrantTerms {
        amount,
        granted_window,
        priority,
        category,
        cost_basis,
        applies_to,
        funding_ref,
    } = terms;
    canonical.decimal(20, amount.get().decimal());
    canonical.instant(21, Some(granted_window.effective_at()));
    canonical.instant(22, granted_window.expires_at());
    canonical.text(23, &priority.get().to_be_bytes());
    canonical.text(24, category.as_str().as_bytes());
    canonical.text(25, cost_basis.to_string().as_bytes());
    for operation in applies_to.iter().map(OperationName::as_str) {
        canonical.text(26, operation.as_bytes());
    }
    canonical.optional_text(27, funding_ref.as_ref().map_or("", FundingRef::as_str));
}

/// A chain while it is checked, from the first entry on.
#[derive(Debug, Clone, Copy)]
pub struct Chain {
    last: EntryHash,
    has_begun: bool,
}

impl Default for Chain {
    fn default() -> Self {
        Self { last: EntryHash::START, has_begun: false }
    }
}

impl Chain {
    /// Whether the next entry has the hash that it must have. Entries from before there were hashes have none,
    /// and come before all that have one.
    pub fn check<'t>(
        &mut self,
        wallet: WalletId,
        entry: &Entry,
        owner: Option<Owner<'_>>,
        terms: impl Fn(GrantNumber) -> Option<&'t GrantTerms>,
        stored: Option<EntryHash>,
    ) -> bool {
        let Some(stored) = stored else { return !self.has_begun };
        self.has_begun = true;
        self.last = self.last.next(wallet, entry, owner, terms);
        self.last == stored
    }

    /// The hash of the last entry so far.
    pub fn last(&self) -> EntryHash {
        self.last
    }
}
