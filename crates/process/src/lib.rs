//! `purse serve` as a child process, as a user would start it: for the benchmark, which measures it, and for
//! the fault runs, which break it.
//!
//! Knows Purse only by its command line and its health service. In reading order: [`Server`], [`Folder`],
//! [`interruptible`].

mod folder;
mod interrupt;
mod server;

pub use folder::Folder;
pub use interrupt::{Interrupted, interruptible};
pub use server::{Database, Server, ServerError, Settings, purse_beside_this};
