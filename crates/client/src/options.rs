//! What a client is told before it connects. Checks it, and turns it into an endpoint and a header.

use std::{fmt, time::Duration};

use thiserror::Error;
use tonic::{
    metadata::{Ascii, MetadataValue},
    transport::{Certificate, ClientTlsConfig, Endpoint},
};

use crate::RetryPolicy;

/// Longer than any write takes, short enough that a person still waits.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// A reachable host answers within a round trip; this leaves room for a slow one and for TLS.
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Below the idle limit of common load balancers, which is a minute.
const DEFAULT_KEEP_ALIVE: Duration = Duration::from_secs(20);
/// A ping that takes longer has lost its connection.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// How to reach the service and how to call it.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// The URL of the service: `http://host:port`, or `https://host:port` for TLS.
    pub endpoint: String,
    /// The bearer token, sent with every call. Without TLS anyone on the way can read it.
    pub token: Option<Token>,
    /// How long a call may take with all its tries, 10 seconds by default.
    pub timeout: Duration,
    /// How long making the connection may take, 5 seconds by default.
    pub connect_timeout: Duration,
    /// How often an idle connection is pinged, 20 seconds by default.
    pub keep_alive: Duration,
    /// How often and how soon a call is tried again.
    pub retry: RetryPolicy,
    /// Certificate authorities (PEM) to trust beside the system's. Only used with `https`.
    pub ca_certificates: Option<Vec<u8>>,
    /// The seed of the jitter between tries; absent: a seed of the process's own.
    pub jitter_seed: Option<u64>,
}

impl ClientOptions {
    /// The defaults for the service at this URL.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            token: None,
            timeout: DEFAULT_TIMEOUT,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            keep_alive: DEFAULT_KEEP_ALIVE,
            retry: RetryPolicy::default(),
            ca_certificates: None,
            jitter_seed: None,
        }
    }

    pub(crate) fn transport(&self) -> Result<Endpoint, OptionsError> {
        let refused = |source| OptionsError::Endpoint { endpoint: self.endpoint.clone(), source };
        let endpoint = Endpoint::from_shared(self.endpoint.clone()).map_err(refused)?;
        let is_tls = match endpoint.uri().scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) | None => {
                return Err(OptionsError::Scheme { endpoint: self.endpoint.clone() });
            }
        };
        let endpoint = endpoint
            .user_agent(concat!("purse-client/", env!("CARGO_PKG_VERSION")))
            .map_err(refused)?
            .connect_timeout(self.connect_timeout)
            .http2_keep_alive_interval(self.keep_alive)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        if !is_tls {
            return Ok(endpoint);
        }
        let mut tls = ClientTlsConfig::new().with_native_roots();
        if let Some(pem) = &self.ca_certificates {
            tls = tls.ca_certificate(Certificate::from_pem(pem));
        }
        endpoint.tls_config(tls).map_err(refused)
    }

    pub(crate) fn authorization(&self) -> Result<Option<MetadataValue<Ascii>>, OptionsError> {
        let Some(Token(token)) = &self.token else { return Ok(None) };
        let mut header =
            MetadataValue::try_from(format!("Bearer {token}")).map_err(|_| OptionsError::Token)?;
        header.set_sensitive(true);
        Ok(Some(header))
    }
}

/// A bearer token. Nothing prints it.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Takes the token as it was issued, without "Bearer".
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Why a client cannot be made of its options.
#[derive(Debug, Error)]
pub enum OptionsError {
    /// The endpoint is no URL, or its TLS settings are no good.
    #[error("{endpoint:?} is no endpoint; it looks like http://127.0.0.1:50051")]
    Endpoint {
        /// The endpoint as given.
        endpoint: String,
        /// What is wrong with it.
        source: tonic::transport::Error,
    },
    /// The endpoint does not say whether to use TLS.
    #[error("{endpoint:?} must begin with http:// or https://")]
    Scheme {
        /// The endpoint as given.
        endpoint: String,
    },
    /// The token holds characters that no header can carry.
    #[error("the token may only hold visible ASCII characters")]
    Token,
}
