//! How to reach the service: the global flags that make a client.

use std::{fmt, time::Duration};

use clap::Args;
use purse_client::{Client, ClientOptions, Token};

use crate::{duration, exit::Failure};

/// Where `purse serve` listens if it is not told otherwise.
pub const DEFAULT_SERVER: &str = "http://127.0.0.1:50051";

/// How to reach the service.
#[derive(Clone, Args)]
pub struct ConnectionArgs {
    /// The service's URL, http:// or https://; default `http://127.0.0.1:50051`
    #[arg(
        long,
        global = true,
        help_heading = "Global options",
        env = "PURSE_SERVER",
        value_name = "URL"
    )]
    server: Option<String>,

    /// The bearer token; better given by the environment, where no process list shows it
    #[arg(
        long,
        global = true,
        help_heading = "Global options",
        env = "PURSE_TOKEN",
        hide_env_values = true
    )]
    token: Option<String>,

    /// How long one call may take with its retries, such as 500ms, 10s or 2m
    #[arg(long, global = true, help_heading = "Global options", default_value = "10s", value_parser = duration::parse, value_name = "DURATION")]
    timeout: Duration,
}

impl ConnectionArgs {
    /// The service's URL.
    pub fn endpoint(&self) -> &str {
        self.server.as_deref().unwrap_or(DEFAULT_SERVER)
    }

    /// Whether the person named the service, so that no other will do.
    pub fn is_named(&self) -> bool {
        self.server.is_some()
    }

    /// A client for these flags. Must be called within the runtime; connects with its first call.
    pub fn client(&self) -> Result<Client, Failure> {
        let token = self.token.as_deref().filter(|token| !token.is_empty()).map(Token::new);
        let options =
            ClientOptions { token, timeout: self.timeout, ..ClientOptions::new(self.endpoint()) };
        Ok(Client::connect(options)?)
    }

    /// Whether calls carry a token.
    pub fn has_token(&self) -> bool {
        self.token.as_deref().is_some_and(|token| !token.is_empty())
    }
}

impl fmt::Debug for ConnectionArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionArgs")
            .field("server", &self.endpoint())
            .field("has_token", &self.has_token())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
