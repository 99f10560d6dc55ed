//! What a replay sends: names, keys and requests, as functions of the settings and the row. Sends nothing.

use std::{collections::BTreeMap, time::Duration};

use prost_types::Timestamp;
use purse_client::v1::{CreateWalletRequest, GetWalletRequest, GrantRequest, SpendRequest};
use rust_decimal::Decimal;

use super::{
    price::{Prices, SCALE},
    trace::Row,
};
use crate::instant;

/// Leaves room for ":" and an account's index, or for the rest of a key, within the 255 characters of a name.
const MAX_NAME: usize = 200;

/// The settings of a replay.
#[derive(Debug)]
pub struct Plan {
    /// The trace's name.
    pub trace: String,
    /// What the accounts' names begin with.
    pub prefix: String,
    /// What is counted.
    pub asset: String,
    /// How many accounts there are.
    pub accounts: u64,
    /// What tokens cost.
    pub prices: Prices,
    /// The amount of each account's monthly grant.
    pub monthly: Decimal,
    /// How long the monthly grant lives, from the opening of its wallet.
    pub monthly_ttl: Duration,
    /// The amount of each account's purchased grant.
    pub purchased: Decimal,
}

impl Plan {
    /// Checks that the names that will be made are not too long.
    pub fn check_names(&self) -> Result<(), String> {
        for (what, name) in [("the trace's name", &self.trace), ("--prefix", &self.prefix)] {
            if name.chars().count() > MAX_NAME {
                return Err(format!("{what} has more than {MAX_NAME} characters"));
            }
        }
        Ok(())
    }

    /// The index of the account that pays for a row.
    pub fn account_index(&self, row: &Row) -> u64 {
        row.number % self.accounts
    }

    /// The name of an account.
    pub fn account(&self, index: u64) -> String {
        format!("{}:{index}", self.prefix)
    }

    /// The key of a row's spend: the same row of the same trace has the same one, whoever replays it.
    pub fn key(&self, row: &Row) -> String {
        format!("{}:{}:{}", self.trace, row.number, row.hash)
    }

    /// Everything that a second run must have in common with the first, as the wallets keep it.
    pub fn settings(&self) -> BTreeMap<String, String> {
        let decimal = |decimal: Decimal| decimal.normalize().to_string();
        [
            ("replay_trace", self.trace.clone()),
            ("replay_accounts", self.accounts.to_string()),
            ("replay_context_price", decimal(self.prices.context_per_1000)),
            ("replay_generated_price", decimal(self.prices.generated_per_1000)),
            ("replay_monthly", decimal(self.monthly)),
            ("replay_monthly_ttl_ms", self.monthly_ttl.as_millis().to_string()),
            ("replay_purchased", decimal(self.purchased)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Opens an account's wallet.
    pub fn wallet(&self, index: u64) -> CreateWalletRequest {
        CreateWalletRequest {
            account: self.account(index),
            asset: self.asset.clone(),
            scale: Some(SCALE.cast_signed()),
            idempotency_key: format!("{}:wallet", self.prefix),
            metadata: self.settings(),
            ..CreateWalletRequest::default()
        }
    }

    /// Reads an account's wallet.
    pub fn existing_wallet(&self, index: u64) -> GetWalletRequest {
        GetWalletRequest { account: self.account(index), asset: self.asset.clone() }
    }

    /// The monthly grant of an account whose wallet was opened then.
    pub fn monthly_grant(&self, index: u64, wallet_created_at: Timestamp) -> GrantRequest {
        GrantRequest {
            amount: self.monthly.to_string(),
            expires_at: Some(instant::later(wallet_created_at, self.monthly_ttl)),
            priority: Some(10),
            category: "monthly".to_owned(),
            idempotency_key: format!("{}:monthly", self.prefix),
            ..self.grant(index)
        }
    }

    /// The purchased grant of an account: one unit of the asset cost one.
    pub fn purchased_grant(&self, index: u64) -> GrantRequest {
        GrantRequest {
            amount: self.purchased.to_string(),
            category: "purchased".to_owned(),
            cost_basis: "1".to_owned(),
            idempotency_key: format!("{}:purchased", self.prefix),
            ..self.grant(index)
        }
    }

    fn grant(&self, index: u64) -> GrantRequest {
        GrantRequest {
            account: self.account(index),
            asset: self.asset.clone(),
            reason: format!("replay of {}", self.trace),
            ..GrantRequest::default()
        }
    }

    /// The spend of a row at its price.
    pub fn spend(&self, row: &Row, price: Decimal) -> SpendRequest {
        let key = self.key(row);
        let metadata = [
            ("timestamp", row.timestamp.clone()),
            ("context_tokens", row.context_tokens.to_string()),
            ("generated_tokens", row.generated_tokens.to_string()),
        ];
        SpendRequest {
            account: self.account(self.account_index(row)),
            asset: self.asset.clone(),
            amount: price.to_string(),
            operation: "completion".to_owned(),
            idempotency_key: key,
            metadata: metadata.map(|(name, value)| (name.to_owned(), value)).into(),
            ..SpendRequest::default()
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn plan() -> Plan {
        Plan {
            trace: "code".to_owned(),
            prefix: "replay:code".to_owned(),
            asset: "tokens_usd".to_owned(),
            accounts: 20,
            prices: Prices {
                context_per_1000: Decimal::new(3, 3),
                generated_per_1000: Decimal::new(15, 3),
            },
            monthly: Decimal::from(2),
            monthly_ttl: Duration::from_mins(10),
            purchased: Decimal::new(9, 1),
        }
    }

    fn row() -> Row {
        Row {
            number: 41,
            timestamp: "2023-11-16 18:17:03.9799600".to_owned(),
            context_tokens: 4_808,
            generated_tokens: 10,
            hash: "00112233aabbccdd".to_owned(),
        }
    }

    #[test]
    fn a_row_always_makes_the_same_spend() {
        let (plan, row) = (plan(), row());
        let spend = plan.spend(&row, plan.prices.of(&row));
        assert_eq!(spend, plan.spend(&row, plan.prices.of(&row)));
        assert_eq!(spend.account, "replay:code:1");
        assert_eq!(spend.amount, "0.014574");
        assert_eq!(spend.idempotency_key, "code:41:00112233aabbccdd");
    }

    #[test]
    fn the_monthly_window_hangs_on_the_wallet_and_not_on_the_run() {
        let opened = instant::parse("2026-01-01T00:00:00.000001Z").unwrap();
        let grant = plan().monthly_grant(3, opened);
        assert_eq!(grant, plan().monthly_grant(3, opened));
        assert_eq!(grant.expires_at.unwrap().to_string(), "2026-01-01T00:10:00.000001Z");
        assert_eq!(grant.effective_at, None);
    }

    #[test]
    fn names_leave_room_for_what_is_added() {
        let plan = Plan { prefix: "é".repeat(200), ..plan() };
        assert_eq!(plan.check_names(), Ok(()));
        assert!(plan.account(u64::MAX).chars().count() <= 255);
        let plan = Plan { prefix: "é".repeat(201), ..plan };
        assert_eq!(plan.check_names(), Err("--prefix has more than 200 characters".to_owned()));
    }
}
