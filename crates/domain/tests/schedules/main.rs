//! What subscriptions are granted by their rules, whatever the order in which it is told.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod cases;
mod orders;
mod turns;
mod world;
