//! Page tokens: opaque to callers, a cursor and a fingerprint of the query inside (AIP-158).

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use prost::Message;
use sha2::{Digest as _, Sha256};

use crate::status::Violation;

/// What an absent size means.
const DEFAULT_SIZE: i32 = 50;
/// A larger size means this: a page stays well below the message limit.
const MOST: i32 = 1_000;
/// Bytes of fingerprint in a token: enough to tell queries of one caller apart.
const MARK: usize = 8;

/// The most to answer, from the size that a request asks for.
pub fn size(asked: i32) -> Result<i64, Violation> {
    match asked {
        0 => Ok(i64::from(DEFAULT_SIZE)),
        size if size < 0 => {
            Err(Violation { field: "page_size", problem: "must not be negative".to_owned() })
        }
        size => Ok(i64::from(size.min(MOST))),
    }
}

/// A query, which a token must be of. `query` is the request without token and size.
pub struct Query([u8; MARK]);

impl Query {
    /// The query of a method's request whose token and size were taken out.
    pub fn of(method: &str, query: &impl Message) -> Self {
        let mut digest = Sha256::new_with_prefix(method);
        digest.update(query.encode_to_vec());
        let digest = digest.finalize();
        let mut mark = [0; MARK];
        mark.copy_from_slice(&digest[..MARK]);
        Self(mark)
    }

    /// The token that asks for what comes after `cursor`.
    pub fn token(&self, cursor: &str) -> String {
        let mut bytes = self.0.to_vec();
        bytes.extend_from_slice(cursor.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The cursor of a token; `None` for the first page.
    pub fn cursor(&self, token: &str) -> Result<Option<String>, Violation> {
        self.cursor_of("page_token", token)
    }

    /// The cursor of the token in a field; `None`: there is none.
    pub fn cursor_of(&self, field: &'static str, token: &str) -> Result<Option<String>, Violation> {
        if token.is_empty() {
            return Ok(None);
        }
        let wrong = |problem: &str| Violation { field, problem: problem.to_owned() };
        let bytes = BASE64_URL_SAFE_NO_PAD
            .decode(token)
            .ok()
            .filter(|bytes| bytes.len() >= MARK)
            .ok_or_else(|| wrong("is not a token that this service gave"))?;
        let (mark, cursor) = bytes.split_at(MARK);
        if mark != self.0 {
            return Err(wrong("belongs to another query; keep the other fields as they were"));
        }
        String::from_utf8(cursor.to_vec())
            .map(Some)
            .map_err(|_| wrong("is not a token that this service gave"))
    }
}

#[cfg(test)]
mod tests {
    use purse_proto::v1::GetWalletRequest;

    use super::*;

    fn query(account: &str) -> Query {
        of_method("ListEntries", account)
    }

    fn of_method(method: &str, account: &str) -> Query {
        Query::of(method, &GetWalletRequest { account: account.to_owned(), asset: String::new() })
    }

    #[test]
    fn a_token_holds_for_its_query_only() {
        let token = query("a").token("42");
        assert_eq!(query("a").cursor(&token).unwrap().as_deref(), Some("42"));
        assert_eq!(query("b").cursor(&token).unwrap_err().field, "page_token");
        assert_eq!(of_method("ListGrants", "a").cursor(&token).unwrap_err().field, "page_token");
        assert_eq!(query("a").cursor("nonsense!").unwrap_err().field, "page_token");
        assert_eq!(query("a").cursor("").unwrap(), None);
    }

    #[test]
    fn sizes_have_a_default_and_a_most() {
        assert_eq!(size(0).unwrap(), 50);
        assert_eq!(size(7).unwrap(), 7);
        assert_eq!(size(5_000).unwrap(), 1_000);
        assert_eq!(size(-1).unwrap_err().field, "page_size");
    }
}
