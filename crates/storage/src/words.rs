//! Enums of the domain as words, in what is kept as JSON.

use purse_domain::SpanUnit;
use serde::{Deserialize, Serialize};

/// An enum of the domain as the word for it.
macro_rules! words {
    ($name:ident for $domain:ident: $($variant:ident),*) => {
        #[derive(Debug, Clone, Copy, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub(crate) enum $name {
            $($variant),*
        }

        impl From<$domain> for $name {
            fn from(value: $domain) -> Self {
                match value {
                    $($domain::$variant => Self::$variant),*
                }
            }
        }

        impl From<$name> for $domain {
            fn from(word: $name) -> Self {
                match word {
                    $($name::$variant => Self::$variant),*
                }
            }
        }
    };
}
pub(crate) use words;

words!(UnitWord for SpanUnit: Day, Week, Month, Quarter, HalfYear, Year);
