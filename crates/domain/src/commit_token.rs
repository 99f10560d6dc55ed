//! Commit tokens: what makes a preview binding.
//!
//! A preview answers with a token that stands for what it would do: which entries, of which grants, on which
//! revision of each wallet. A request that brings the token does just that or is refused.

use std::fmt::{self, Display};

use thiserror::Error;

use crate::{Decided, Decision, canonical::Canonical};

/// Half of a SHA-256: callers pass it on as text, and nobody gains by a second request that fits it.
const BYTES: usize = 16;

/// Stands for what a transaction does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitToken([u8; BYTES]);

/// A text is no commit token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is not a token that this service gave")]
pub struct CommitTokenError;

impl CommitToken {
    /// The token of a transaction, of all its legs.
    pub fn of(legs: &[Decided<'_>]) -> Self {
        let mut canonical = Canonical::new();
        for Decided { request, decision } in legs {
            canonical.text(1, request.wallet.wallet_id.uuid().as_bytes());
            // What is asked, so that a token is of no use to another request that would move as much.
            canonical.text(8, request.fingerprint.as_bytes());
            add(&mut canonical, decision);
        }
        let mut token = [0; BYTES];
        token.copy_from_slice(&canonical.finish()[..BYTES]);
        Self(token)
    }

    /// Parses what [`Display`] writes.
    pub fn parse(text: &str) -> Result<Self, CommitTokenError> {
        let digits = text.as_bytes();
        let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
        if digits.len() != 2 * BYTES || !is_hex {
            return Err(CommitTokenError);
        }
        let mut token = [0; BYTES];
        for (byte, pair) in token.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| CommitTokenError)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| CommitTokenError)?;
        }
        Ok(Self(token))
    }
}

impl Display for CommitToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a decision moves. The instant is not part of it: the call comes later than its preview.
fn add(canonical: &mut Canonical, decision: &Decision) {
    canonical.text(2, &decision.head.revision.to_be_bytes());
    for grant in decision.made_grants() {
        canonical.text(9, &[u8::from(grant.activated)]);
    }
    for entry in decision.own_entries() {
        canonical.text(3, entry.kind.name().as_bytes());
        canonical.decimal(4, entry.amount.decimal());
        for part in &entry.allocations {
            canonical.text(5, &part.grant.0.to_be_bytes());
            canonical.decimal(6, part.amount.decimal());
        }
        for part in &entry.debts {
            canonical.decimal(7, part.amount.decimal());
        }
        canonical.instant(8, entry.expiry.and_then(|change| change.to));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_is_written() {
        let token = CommitToken([7; BYTES]);
        assert_eq!(CommitToken::parse(&token.to_string()), Ok(token));
        for text in
            ["", "07", "0707070707070707070707070707070g", "+7070707070707070707070707070707"]
        {
            assert_eq!(CommitToken::parse(text), Err(CommitTokenError), "{text}");
        }
    }
}
