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

/// What the order compares. The rules of a policy, one after another, are the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrawdownRule {
    /// The lower priority number comes first.
    Priority,
    /// What expires earlier comes first, what never expires last.
    ExpiresAt,
    /// What fewer operations may draw comes first, what all may draw last.
    AppliesTo,
    /// What cost nothing comes first.
    CostBasis,
    /// What became effective earlier comes first.
    EffectiveAt,
    /// The lower grant number comes first: no two grants have the same.
    Number,
}

impl DrawdownPolicy {
    /// What is compared, the first difference decides.
    pub fn rules(self) -> [DrawdownRule; 6] {
        use DrawdownRule::{AppliesTo, CostBasis, EffectiveAt, ExpiresAt, Number, Priority};
        match self {
            Self::ExpiryFirst => [Priority, ExpiresAt, AppliesTo, CostBasis, EffectiveAt, Number],
            Self::OldestFirst => [Priority, AppliesTo, CostBasis, EffectiveAt, ExpiresAt, Number],
        }
    }

    /// The rule that puts one grant before the other.
    pub fn deciding_rule(self, one: &Grant, other: &Grant) -> DrawdownRule {
        let differs = |rule: &DrawdownRule| rule.bytes(one) != rule.bytes(other);
        self.rules().into_iter().find(differs).unwrap_or(DrawdownRule::Number)
    }
}

impl DrawdownRule {
    /// What it compares of a grant, as bytes that compare as it says; the first of so many.
    fn bytes(self, grant: &Grant) -> ([u8; 8], usize) {
        let terms = &grant.terms;
        match self {
            Self::Priority => short(ordered_i32(terms.priority.get())),
            Self::ExpiresAt => (grant.window.expires_at().map_or([u8::MAX; 8], ordered_instant), 8),
            // Fewer operations are narrower; unrestricted comes last. At most 64 are allowed.
            Self::AppliesTo => short(match terms.applies_to.len() {
                0 => [u8::MAX],
                operations => [u8::try_from(operations).unwrap_or(u8::MAX - 1)],
            }),
            Self::CostBasis => short([u8::from(!grant.is_free())]),
            Self::EffectiveAt => (ordered_instant(grant.window.effective_at()), 8),
            Self::Number => short(ordered_i32(grant.number.0)),
        }
    }
}

/// Bytes with nothing after them.
fn short<const LENGTH: usize>(bytes: [u8; LENGTH]) -> ([u8; 8], usize) {
    let mut padded = [0; 8];
    padded[..LENGTH].copy_from_slice(&bytes);
    (padded, LENGTH)
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
        let mut key = [0; Self::LEN];
        let mut start = 0;
        for rule in policy.rules() {
            let (bytes, length) = rule.bytes(grant);
            key[start..start + length].copy_from_slice(&bytes[..length]);
            start += length;
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
