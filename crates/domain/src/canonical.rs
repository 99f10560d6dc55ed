//! Canonical bytes for hashing: each field that is set gives its tag, its length and its bytes, and a field
//! that is not set gives nothing. So a field that is added later changes no hash of what has none. Tags are for
//! ever.

use rust_decimal::Decimal;
use sha2::{Digest as _, Sha256};

use crate::{Timestamp, amount::MAX_SCALE};

/// SHA-256 over fields.
pub(crate) struct Canonical(Sha256);

impl Canonical {
    /// Of nothing yet.
    pub(crate) fn new() -> Self {
        Self(Sha256::new())
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }

    pub(crate) fn instant(&mut self, tag: u8, instant: Option<Timestamp>) {
        if let Some(instant) = instant {
            self.text(tag, &instant.micros().to_be_bytes());
        }
    }

    /// An amount, whatever zeros it ends with: the number of its millionths.
    pub(crate) fn decimal(&mut self, tag: u8, mut decimal: Decimal) {
        decimal.rescale(u32::from(MAX_SCALE));
        self.text(tag, &decimal.mantissa().to_be_bytes());
    }

    pub(crate) fn optional_text(&mut self, tag: u8, text: &str) {
        if !text.is_empty() {
            self.text(tag, text.as_bytes());
        }
    }

    pub(crate) fn text(&mut self, tag: u8, bytes: &[u8]) {
        self.0.update([tag]);
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }
}
