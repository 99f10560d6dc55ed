//! The Rust client of the Purse API.
//!
//! A [`Client`] is one shared HTTP/2 connection, made when the first call needs it. It is cheap to clone
//! and every method takes `&self`, so one client serves a whole process:
//!
//! ```no_run
//! use purse_client::{Client, ClientOptions, Token, v1::SpendRequest};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect(ClientOptions {
//!     token: Some(Token::new("secret")),
//!     ..ClientOptions::new("http://127.0.0.1:50051")
//! })?;
//!
//! let answer = client
//!     .spend(SpendRequest {
//!         account: "org:42".to_owned(),
//!         asset: "credits".to_owned(),
//!         amount: "12.5".to_owned(),
//!         operation: "completion".to_owned(),
//!         idempotency_key: "completion:2026-01-01:8f14".to_owned(),
//!         ..SpendRequest::default()
//!     })
//!     .await?;
//! println!("left: {}", answer.balance.unwrap_or_default().available);
//! # Ok(())
//! # }
//! ```
//!
//! **Keys.** Every write needs an `idempotency_key`, and the caller chooses it, because only the caller
//! knows what "the same write" is. Derive it from what is paid for, or keep it beside it, and a crash of
//! the caller is covered too. The answer to a key that was used for the same request is the first answer
//! again, with `replayed` set.
//!
//! **Deadlines.** [`ClientOptions::timeout`] bounds a call with all its tries. What is left of it goes to
//! the server with each try.
//!
//! **Retries.** A call is tried up to [`RetryPolicy::max_attempts`] times, with jittered exponential waits,
//! if the service is unavailable or the connection is lost, and if the service is overloaded and says when
//! to come back. Every try sends the same request and so the same key: however many of them arrive, the
//! write happens once.
//!
//! **Watches.** [`Client::watch_events`] gives a [`Watch`], which tells events as they happen and goes on by itself
//! where it was cut. Keep the position of the last message that was dealt with to go on after a crash.
//!
//! **Billing.** [`Client::send_subscription_events`] streams events of subscriptions, and sends again what was not
//! acknowledged when it was cut.
//!
//! **Errors.** An [`Error`] says whether the service refused, cannot be reached or did not answer in time.
//! A [`Refusal`] has the stable reason to decide by:
//!
//! ```
//! use purse_client::{Error, v1::ErrorReason};
//!
//! fn is_out_of_credits(error: &Error) -> bool {
//!     error.reason() == Some(ErrorReason::InsufficientCredits)
//! }
//! ```
//!
//! After [`Error::outcome_is_unknown`] a write may have happened or not: send it again with the same key.

mod calls;
mod client;
mod error;
mod options;
mod refusal;
mod retry;
mod subscription_events;
mod watch;

pub use client::Client;
pub use error::Error;
pub use options::{ClientOptions, OptionsError, Token};
pub use purse_proto::v1;
pub use refusal::{Refusal, Violation};
pub use retry::RetryPolicy;
pub use tonic::Code;
pub use watch::Watch;
