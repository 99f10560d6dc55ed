//! From a bearer token to a namespace, roles and a name.
//!
//! The namespace comes from the credentials and from nowhere else, and every wallet's id is made from it,
//! so no query exists without one. Tokens are kept as SHA-256, so the settings hold no secret.

use std::{collections::HashMap, sync::Arc};

use http::HeaderMap;
use purse_domain::{Actor, NamespaceId, NamespaceName};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tonic::{Request, Status};

use crate::status;

/// What a caller may do. Every role may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Read.
    Reader,
    /// Spend.
    Spender,
    /// Create wallets, grant credits and end grants, by hand and by rule.
    Granter,
    /// Everything, also changing a wallet's settings.
    Admin,
}

impl Role {
    /// The name in settings and errors.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Spender => "spender",
            Self::Granter => "granter",
            Self::Admin => "admin",
        }
    }
}

/// Who calls.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The tenant's environment.
    pub namespace_id: NamespaceId,
    /// The name of the credentials: the actor of requests that name none.
    pub name: Actor,
    roles: Arc<[Role]>,
}

impl Caller {
    /// Whether the caller may do what `needed` allows.
    fn has(&self, needed: Role) -> bool {
        needed == Role::Reader || self.roles.contains(&needed) || self.roles.contains(&Role::Admin)
    }
}

/// A token in the settings.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSettings {
    /// SHA-256 of the token, in hex.
    pub sha256: String,
    /// The namespace that it opens.
    pub namespace: String,
    /// What it allows.
    pub roles: Vec<Role>,
    /// Who uses it.
    pub name: String,
}

/// Why the settings of a token are wrong.
#[derive(Debug, Error)]
#[error("token {index} of the settings: {what}")]
pub struct TokenError {
    index: usize,
    what: String,
}

/// Who may call.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// Anybody, as admin of one namespace: for a service on loopback only.
    Open(Caller),
    /// Holders of these tokens.
    Tokens(Arc<HashMap<[u8; 32], Caller>>),
}

impl Credentials {
    /// Anybody, as admin of the namespace `default`.
    pub fn open() -> Self {
        let namespace = NamespaceName::from_stored("default".to_owned());
        Self::Open(Caller {
            namespace_id: NamespaceId::of(&namespace),
            name: Actor::from_stored(String::new()),
            roles: Arc::new([Role::Admin]),
        })
    }

    /// Holders of the tokens in the settings; with none, anybody.
    pub fn from_settings(settings: &[TokenSettings]) -> Result<Self, TokenError> {
        if settings.is_empty() {
            return Ok(Self::open());
        }
        let mut tokens = HashMap::new();
        for (index, token) in settings.iter().enumerate() {
            let wrong = |what: String| TokenError { index: index + 1, what };
            let TokenSettings { sha256, namespace, roles, name } = token;
            let digest = parse_hex(sha256)
                .ok_or_else(|| wrong("sha256 must be 64 hexadecimal digits".to_owned()))?;
            let namespace = NamespaceName::parse(namespace)
                .map_err(|error| wrong(format!("namespace {error}")))?;
            let name = Actor::parse(name).map_err(|error| wrong(format!("name {error}")))?;
            let caller = Caller {
                namespace_id: NamespaceId::of(&namespace),
                name,
                roles: roles.clone().into(),
            };
            if tokens.insert(digest, caller).is_some() {
                return Err(wrong("is there twice".to_owned()));
            }
        }
        Ok(Self::Tokens(Arc::new(tokens)))
    }

    /// Whether everybody may call.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// Who sends these headers, if they have credentials to show.
    pub fn caller(&self, headers: &HeaderMap) -> Result<Caller, Status> {
        match self {
            Self::Open(caller) => Ok(caller.clone()),
            Self::Tokens(tokens) => {
                let token = headers
                    .get("authorization")
                    .and_then(|value| value.to_str().ok())
                    .and_then(|value| value.strip_prefix("Bearer "))
                    .ok_or_else(status::credentials_missing)?;
                // The digest is looked up, not the token, so timing tells nothing about a token.
                let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
                tokens.get(&digest).cloned().ok_or_else(status::credentials_invalid)
            }
        }
    }
}

/// The caller, whom a request to a service of Purse's own has with it, and who must have a role.
pub fn caller<T>(request: &Request<T>, needed: Role) -> Result<Caller, Status> {
    let caller =
        request.extensions().get::<Caller>().cloned().ok_or_else(status::credentials_missing)?;
    if caller.has(needed) { Ok(caller) } else { Err(status::role_missing(needed)) }
}

fn parse_hex(text: &str) -> Option<[u8; 32]> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let bytes: Vec<u8> =
        digits?.chunks(2).map(|pair| pair.iter().fold(0, |b, d| b * 16 + d)).collect();
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;

    use super::*;

    fn settings(roles: &[Role]) -> TokenSettings {
        let digest = Sha256::digest(b"secret");
        let sha256 = digest.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        TokenSettings {
            sha256,
            namespace: "acme".to_owned(),
            roles: roles.to_vec(),
            name: "checkout".to_owned(),
        }
    }

    fn call(
        credentials: &Credentials,
        header: Option<&str>,
        needed: Role,
    ) -> Result<Caller, Status> {
        let header = header.map(|text| (AUTHORIZATION, text.parse().unwrap()));
        let mut request = Request::new(());
        let headers = HeaderMap::from_iter(header);
        request.extensions_mut().insert(credentials.caller(&headers)?);
        caller(&request, needed)
    }

    #[test]
    fn a_token_opens_its_namespace_for_its_roles() {
        let credentials = Credentials::from_settings(&[settings(&[Role::Spender])]).unwrap();
        let acme = NamespaceId::of(&NamespaceName::parse("acme").unwrap());
        let spender = call(&credentials, Some("Bearer secret"), Role::Spender).unwrap();
        assert_eq!(spender.namespace_id, acme);
        assert!(call(&credentials, Some("Bearer secret"), Role::Reader).is_ok());
        let refused = call(&credentials, Some("Bearer secret"), Role::Granter).unwrap_err();
        assert_eq!(refused.code(), tonic::Code::PermissionDenied);
    }

    #[test]
    fn no_token_and_a_wrong_token_are_refused() {
        let credentials = Credentials::from_settings(&[settings(&[Role::Admin])]).unwrap();
        for header in [None, Some("Bearer wrong"), Some("Basic secret"), Some("Bearer ")] {
            let refused = call(&credentials, header, Role::Reader).unwrap_err();
            assert_eq!(refused.code(), tonic::Code::Unauthenticated, "{header:?}");
        }
    }

    #[test]
    fn a_token_that_is_no_digest_is_refused_at_start() {
        let broken = TokenSettings { sha256: "abc".to_owned(), ..settings(&[Role::Admin]) };
        assert!(Credentials::from_settings(&[broken]).is_err());
    }
}
