//! What every write takes.

use std::collections::BTreeMap;

use clap::Args;

use crate::{exit::Failure, fresh};

/// What every write takes.
#[derive(Debug, Clone, Args)]
pub struct WriteArgs {
    /// The idempotency key: repeated with the same key, a write happens once. Without it a fresh one is
    /// made and printed on stderr
    #[arg(long, value_name = "KEY", help_heading = "Write options")]
    key: Option<String>,

    /// Who asks; without it the name of the credentials
    #[arg(long, default_value = "", hide_default_value = true, help_heading = "Write options")]
    pub actor: String,

    /// Why, kept with the transaction
    #[arg(long, default_value = "", hide_default_value = true, help_heading = "Write options")]
    pub reason: String,

    /// Your own data; may be repeated
    #[arg(
        long,
        value_name = "NAME=VALUE",
        value_parser = parse_pair,
        help_heading = "Write options"
    )]
    metadata: Vec<(String, String)>,

    /// Decide and answer exactly, but write nothing
    #[arg(long, help_heading = "Write options")]
    pub validate_only: bool,

    /// What the answer to --validate-only gave as its commit token: do just that or nothing
    #[arg(
        long,
        value_name = "TOKEN",
        default_value = "",
        hide_default_value = true,
        help_heading = "Write options"
    )]
    pub commit_token: String,
}

impl WriteArgs {
    /// The key to write with. A fresh one is printed before the write is sent, so that the person has it
    /// whatever happens next.
    pub fn key(&self) -> String {
        if let Some(key) = &self.key {
            return key.clone();
        }
        let key = fresh::key();
        // Nothing is written that could have to be repeated.
        if !self.validate_only {
            eprintln!("purse: to repeat this write safely, add --key {key}");
        }
        key
    }

    /// For writes that move no credits: settings have etags.
    pub fn refuse_commit_token(&self) -> Result<(), Failure> {
        if self.commit_token.is_empty() {
            return Ok(());
        }
        Err(Failure::Usage("--commit-token is for writes that move credits".to_owned()))
    }

    /// The caller's own data.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        self.metadata.iter().cloned().collect()
    }
}

/// Reads `NAME=VALUE`.
pub fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
