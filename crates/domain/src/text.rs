//! Names, keys and the caller's own words: each a type whose constructor checks it.
//!
//! Lengths count characters, as the protos say. NUL is refused everywhere because PostgreSQL cannot
//! keep it.

use std::{collections::BTreeMap, fmt};

use thiserror::Error;

/// Most characters of an account, an actor, an idempotency key and a funding reference.
const MAX_NAME: usize = 255;
/// Most characters of a code: asset, operation, category, namespace, limit.
const MAX_CODE: usize = 64;
/// Most characters of a reason.
const MAX_REASON: usize = 1_024;
/// Most bytes of metadata, keys and values together.
pub const MAX_METADATA_BYTES: usize = 16 * 1_024;

/// Why a text is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TextError {
    /// The text is empty.
    #[error("is missing")]
    Missing,
    /// The text is too long.
    #[error("has more than {max} characters")]
    TooLong {
        /// The most that are allowed.
        max: usize,
    },
    /// The text holds a NUL or another control character.
    #[error("must not hold control characters")]
    ControlCharacter,
    /// The text begins or ends with a blank.
    #[error("must not begin or end with a blank")]
    BlankEnds,
    /// The text begins with a blank.
    #[error("must not begin with a blank")]
    BlankStart,
    /// A code holds something else than its few characters.
    #[error("may only hold a-z, 0-9, \"_\", \"-\" and \".\"")]
    NotACode,
    /// A currency is something else than three capital letters.
    #[error("must be three capital letters, such as USD")]
    NotACurrency,
    /// The metadata is too large.
    #[error("has more than {max} bytes, keys and values together")]
    TooManyBytes {
        /// The most that are allowed.
        max: usize,
    },
    /// A metadata key is empty.
    #[error("must not have an empty key")]
    EmptyKey,
    /// A text holds a NUL character.
    #[error("must not hold NUL characters")]
    Nul,
}

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Checks the text.
            pub fn parse(text: &str) -> Result<Self, TextError> {
                let check: fn(&str) -> Result<String, TextError> = $check;
                check(text).map(Self)
            }

            /// Takes a text that was checked before it was stored.
            pub fn from_stored(stored: String) -> Self {
                Self(stored)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_type!(
    /// Who holds credits, as the caller names it: case-sensitive.
    AccountName,
    |text| {
        if text.trim() != text {
            return Err(TextError::BlankEnds);
        }
        name(text)
    }
);
text_type!(
    /// What makes a write happen once, unique within the account. Those that begin with a blank are the service's own.
    IdempotencyKey,
    |text| {
        if text.starts_with(' ') {
            return Err(TextError::BlankStart);
        }
        name(text)
    }
);
text_type!(
    /// What paid for grants, as the caller names it: a charge, an invoice.
    FundingRef,
    name
);
text_type!(
    /// What a subscription is to, as the billing system names it.
    PlanId,
    name
);
text_type!(
    /// A subscription, as the billing system names it; one account's.
    SubscriptionId,
    name
);
text_type!(
    /// What a subscription may have besides its plan, as the billing system names it.
    AddonId,
    name
);
text_type!(
    /// What people call a grant rule.
    RuleName,
    name
);
text_type!(
    /// The system that sends events, as it names itself.
    SourceName,
    name
);
text_type!(
    /// An event, as the system that sends it names it.
    SourceEventId,
    name
);
text_type!(
    /// What is counted. Trimmed and lower-cased, so that " ORE " is `ore`.
    AssetCode,
    |text| code(&text.trim().to_lowercase())
);
text_type!(
    /// What a spend pays for.
    OperationName,
    code
);
text_type!(
    /// What a use of an operation takes so and so much of.
    QuantityName,
    code
);
text_type!(
    /// What is called a pack of credits that are for sale.
    PackName,
    code
);
text_type!(
    /// A currency: its ISO 4217 code.
    Currency,
    |text| {
        if text.is_empty() {
            return Err(TextError::Missing);
        }
        let is_code = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
        if is_code { Ok(text.to_owned()) } else { Err(TextError::NotACurrency) }
    }
);
text_type!(
    /// What kind of credits a grant holds.
    Category,
    code
);
text_type!(
    /// A tenant's environment.
    NamespaceName,
    code
);
text_type!(
    /// What a wallet calls one of its spend limits.
    LimitName,
    code
);
text_type!(
    /// Who asked for a write. Empty: nobody said.
    Actor,
    |text| if text.is_empty() { Ok(String::new()) } else { name(text) }
);
text_type!(
    /// Why a write was asked for. Empty: nobody said.
    Reason,
    |text| {
        without_nul(text)?;
        within(text, MAX_REASON)?;
        Ok(text.to_owned())
    }
);

/// No caller's key begins with a blank.
const OF_PAYMENT: &str = " payment ";

impl IdempotencyKey {
    /// The key of what a payment bought, so that it is granted once.
    pub fn of_payment(payment_ref: &FundingRef) -> Self {
        Self(format!("{OF_PAYMENT}{payment_ref}"))
    }

    /// The payment, if it is the key of what one bought.
    pub fn payment(&self) -> Option<&str> {
        self.0.strip_prefix(OF_PAYMENT)
    }

    /// A key that no transaction has: of a preview that nobody asked for as such.
    pub fn of_nothing() -> Self {
        Self(" ".to_owned())
    }

    /// The key of what the service does by itself, so that it is done once.
    pub fn internal(id: uuid::Uuid) -> Self {
        Self(format!(" {id}"))
    }
}

impl Category {
    /// The category of a grant whose request names none.
    pub fn adjustment() -> Self {
        Self("adjustment".to_owned())
    }
}

/// The caller's own data: at most 16 KiB, keys and values together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata(BTreeMap<String, String>);

impl Metadata {
    /// Checks keys, values and size.
    pub fn parse(map: BTreeMap<String, String>) -> Result<Self, TextError> {
        let mut bytes = 0;
        for (key, value) in &map {
            if key.is_empty() {
                return Err(TextError::EmptyKey);
            }
            without_nul(key)?;
            without_nul(value)?;
            bytes += key.len() + value.len();
        }
        if bytes > MAX_METADATA_BYTES {
            return Err(TextError::TooManyBytes { max: MAX_METADATA_BYTES });
        }
        Ok(Self(map))
    }

    /// Takes metadata that was checked before it was stored.
    pub fn from_stored(stored: BTreeMap<String, String>) -> Self {
        Self(stored)
    }

    /// The keys and values, by key.
    pub fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

fn name(text: &str) -> Result<String, TextError> {
    if text.is_empty() {
        return Err(TextError::Missing);
    }
    if text.chars().any(char::is_control) {
        return Err(TextError::ControlCharacter);
    }
    within(text, MAX_NAME)?;
    Ok(text.to_owned())
}

fn code(text: &str) -> Result<String, TextError> {
    if text.is_empty() {
        return Err(TextError::Missing);
    }
    within(text, MAX_CODE)?;
    let plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'.')
    };
    if text.bytes().all(plain) { Ok(text.to_owned()) } else { Err(TextError::NotACode) }
}

fn within(text: &str, max: usize) -> Result<(), TextError> {
    if text.chars().count() > max { Err(TextError::TooLong { max }) } else { Ok(()) }
}

fn without_nul(text: &str) -> Result<(), TextError> {
    if text.contains('\0') { Err(TextError::Nul) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_is_trimmed_and_lower_cased() {
        assert_eq!(AssetCode::parse(" ORE ").unwrap().as_str(), "ore");
        assert_eq!(AssetCode::parse("o re"), Err(TextError::NotACode));
        assert_eq!(AssetCode::parse("  "), Err(TextError::Missing));
    }

    #[test]
    fn names_have_1_to_255_characters() {
        assert!(AccountName::parse(&"ä".repeat(255)).is_ok());
        assert_eq!(AccountName::parse(&"a".repeat(256)), Err(TextError::TooLong { max: 255 }));
        assert_eq!(IdempotencyKey::parse(""), Err(TextError::Missing));
        assert_eq!(IdempotencyKey::parse(" k"), Err(TextError::BlankStart));
        assert_eq!(IdempotencyKey::parse("a\0b"), Err(TextError::ControlCharacter));
        assert_eq!(AccountName::parse(" org:42"), Err(TextError::BlankEnds));
    }

    #[test]
    fn metadata_has_16_kib_at_most() {
        let map = |bytes: usize| BTreeMap::from([("k".to_owned(), "v".repeat(bytes))]);
        assert!(Metadata::parse(map(MAX_METADATA_BYTES - 1)).is_ok());
        assert!(Metadata::parse(map(MAX_METADATA_BYTES)).is_err());
        let nul = BTreeMap::from([("k".to_owned(), "\0".to_owned())]);
        assert_eq!(Metadata::parse(nul), Err(TextError::Nul));
    }
}
