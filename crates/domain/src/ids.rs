//! The typed ids. Account and wallet ids follow from their names (UUIDv5), so creating one twice
//! meets in the same row without a look-up.

use std::fmt;

use uuid::Uuid;

use crate::text::{AccountName, AssetCode, IdempotencyKey, NamespaceName};

/// The root of all name-based ids, chosen once and fixed for ever.
const ROOT: Uuid = Uuid::from_u128(0x8f3c_52d1_6a0e_5b47_9d2e_71c4_0a8b_93f6);

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Takes an id that was made before.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

uuid_id!(
    /// A tenant's environment: UUIDv5 of its name.
    NamespaceId
);
uuid_id!(
    /// Who holds credits: UUIDv5 of namespace and account name; the unit of distribution.
    AccountId
);
uuid_id!(
    /// One account's holding of one asset: UUIDv5 of account and asset.
    WalletId
);
uuid_id!(
    /// What one accepted command did: UUIDv7, from the injected source.
    TransactionId
);

uuid_id!(
    /// A grant rule: UUIDv5 of its namespace and the key that it was created with.
    RuleId
);

impl RuleId {
    /// The id of the rule that a key creates.
    pub fn of(namespace: NamespaceId, key: &IdempotencyKey) -> Self {
        Self(Uuid::new_v5(&namespace.0, format!("rule {}", key.as_str()).as_bytes()))
    }
}

impl NamespaceId {
    /// The id of a namespace.
    pub fn of(name: &NamespaceName) -> Self {
        Self(Uuid::new_v5(&ROOT, name.as_str().as_bytes()))
    }
}

impl AccountId {
    /// The id of an account. It holds the namespace, so a query by it cannot cross into another one.
    pub fn of(namespace: NamespaceId, name: &AccountName) -> Self {
        Self(Uuid::new_v5(&namespace.0, name.as_str().as_bytes()))
    }
}

impl WalletId {
    /// The id of a wallet.
    pub fn of(account: AccountId, asset: &AssetCode) -> Self {
        Self(Uuid::new_v5(&account.0, asset.as_str().as_bytes()))
    }
}

/// A grant's number within its wallet: 1, 2, 3, …
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantNumber(pub i32);

impl GrantNumber {
    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for GrantNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A hold's number within its wallet: 1, 2, 3, …
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HoldNumber(pub i32);

impl HoldNumber {
    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for HoldNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// An entry's number within its wallet: 1, 2, 3, … without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub i64);

impl Sequence {
    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
