//! Fresh idempotency keys for people who gave none.

use uuid::Uuid;

/// A key that nobody has used.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line is the outermost caller: a person's new key has to come from somewhere"
)]
pub fn key() -> String {
    Uuid::new_v4().to_string()
}
