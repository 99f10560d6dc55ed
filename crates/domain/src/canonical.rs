//! Canonical bytes for hashing: each field that is set gives its tag, its length and its bytes, and a field
//! that is not set gives nothing. So a field that is added later changes no hash of what has none. Tags are for
//! ever.

use rust_decimal::Decimal;
use sha2::{Digest as _, Sha256};

use crate::{Timestamp, amount::MAX_SCALE, exact::scaled};

/// What most entries and requests take.
const USUAL_BYTES: usize = 512;

/// SHA-256 over fields, which are gathered and hashed at once.
pub(crate) struct Canonical(Vec<u8>);

impl Canonical {
    /// Of nothing yet.
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(USUAL_BYTES))
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }

    pub(crate) fn instant(&mut self, tag: u8, instant: Option<Timestamp>) {
        if let Some(instant) = instant {
            self.text(tag, &instant.micros().to_be_bytes());
        }
    }

    /// An amount, whatever zeros it ends with: the number of its millionths.
    pub(crate) fn decimal(&mut self, tag: u8, decimal: Decimal) {
        self.text(tag, &scaled(decimal, u32::from(MAX_SCALE)).to_be_bytes());
    }

    pub(crate) fn optional_text(&mut self, tag: u8, text: &str) {
        if !text.is_empty() {
            self.text(tag, text.as_bytes());
        }
    }

    pub(crate) fn text(&mut self, tag: u8, bytes: &[u8]) {
        self.0.push(tag);
        self.0.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        self.0.extend_from_slice(bytes);
    }
}
