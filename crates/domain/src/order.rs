//! The drawdown order: the one total order in which a spend draws grants.
//!
//! The order is a key of bytes that compare as the rule says. The database keeps the key of each open
//! grant and reads by it, so the rule stands here only. A change of the rule is a new
//! [`POLICY_VERSION`] and a rewrite of the keys.

use crate::{Grant, Timestamp};

/// The version of both policies, recorded with every transaction.
pub const POLICY_VERSION: i16 = 1;

/// A total order of grants; a wallet names one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DrawdownPolicy {
    /// Priority, then earlier expiry, narrower `applies_to`, free before paid, earlier `effective_at`,
    /// number.
    #[default]
    ExpiryFirst,
    /// Priority, then narrower `applies_to`, free before paid, earlier `effective_at`, earlier expiry,
    /// number.
    OldestFirst,
}

/// The place of a grant in the drawdown order: lower is drawn first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DrawdownKey([u8; Self::LEN]);

impl DrawdownKey {
    /// Priority 4, expiry 8, narrowness 1, cost 1, effectiveness 8 and number 4 bytes.
    pub const LEN: usize = 26;

    /// After every grant.
    pub const LAST: Self = Self([u8::MAX; Self::LEN]);

    /// The place of a grant under a policy.
    pub fn of(policy: DrawdownPolicy, grant: &Grant) -> Self {
        let terms = &grant.terms;
        let priority = ordered_i32(terms.priority.get());
        let expiry = grant.window.expires_at().map_or([u8::MAX; 8], ordered_instant);
        // Fewer operations are narrower; unrestricted comes last. At most 64 are allowed.
        let narrowness = match terms.applies_to.len() {
            0 => [u8::MAX],
            operations => [u8::try_from(operations).unwrap_or(u8::MAX - 1)],
        };
        let paid = [u8::from(!grant.is_free())];
        let effective = ordered_instant(grant.window.effective_at());
        let number = ordered_i32(grant.number.0);
        let fields: [&[u8]; 6] = match policy {
            DrawdownPolicy::ExpiryFirst => {
                [&priority, &expiry, &narrowness, &paid, &effective, &number]
            }
            DrawdownPolicy::OldestFirst => {
                [&priority, &narrowness, &paid, &effective, &expiry, &number]
            }
        };
        let mut key = [0; Self::LEN];
        let mut start = 0;
        for field in fields {
            key[start..start + field.len()].copy_from_slice(field);
            start += field.len();
        }
        Self(key)
    }

    /// The bytes for PostgreSQL, whose BYTEA compares as they do.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Big-endian with the sign bit flipped compares as the number does.
fn ordered_i32(number: i32) -> [u8; 4] {
    (number ^ i32::MIN).to_be_bytes()
}

fn ordered_instant(instant: Timestamp) -> [u8; 8] {
    (instant.micros() ^ i64::MIN).to_be_bytes()
}
