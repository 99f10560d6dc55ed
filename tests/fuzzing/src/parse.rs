//! Bytes as a request of one of the methods, parsed as the server does.
//!
//! The first byte says which method, the second by which terms it is parsed (the asset's scale, a priced operation),
//! and the rest is the message as it comes over the wire. What is refused is refused as the caller's mistake. What is
//! accepted keeps what its types promise, and whatever the domain makes of it is sound too.

mod accepted;
mod methods;
mod texts;
mod world;

use prost::Message;
use tonic::{Code, Status};

pub use self::world::World;

/// Parses a request.
///
/// # Panics
///
/// If that is accepted or refused as it must not be.
pub fn check(bytes: &[u8]) {
    let [selector, terms, message @ ..] = bytes else { return };
    // Methods come and go with the API; texts keep their place.
    match selector.checked_sub(128) {
        Some(text) => texts::check(text, message),
        None => methods::check(*selector, &World::of(*terms), message),
    }
}

/// The message, if the bytes are one.
fn message<M: Message + Default>(bytes: &[u8]) -> Option<M> {
    M::decode(bytes).ok()
}

/// What was parsed; a refusal says what is wrong with the request.
#[track_caller]
fn accepted<T>(parsed: Result<T, Status>) -> Option<T> {
    match parsed {
        Ok(parsed) => Some(parsed),
        Err(refused) => {
            let is_callers = matches!(refused.code(), Code::InvalidArgument | Code::NotFound);
            assert!(is_callers, "refused with {refused:?}");
            assert!(!refused.message().is_empty(), "refused without a word: {refused:?}");
            None
        }
    }
}
