//! Spend limits, and how much of each is used now.

use purse_domain::{
    Actor, LimitUsage, OperationName, SpendLimit, Timestamp, WalletName, limit_usage,
};

use crate::{Storage, StorageError, load::supplied};

/// Which limits to tell, and of whom.
#[derive(Debug, Clone)]
pub struct SpendLimitQuery {
    /// The wallet.
    pub wallet: WalletName,
    /// Of limits that each actor has, this one's; `None`: nobody's.
    pub actor: Option<Actor>,
    /// Of limits that each operation has, this one's; `None`: none's.
    pub operation: Option<OperationName>,
}

/// A limit, and how much of it is used.
#[derive(Debug, Clone)]
pub struct SpendLimitRecord {
    /// The limit.
    pub limit: SpendLimit,
    /// How much of it is used; `None`: each actor or operation has it, and none was named.
    pub usage: Option<LimitUsage>,
}

/// A wallet's limits at an instant.
#[derive(Debug, Clone)]
pub struct SpendLimitsAt {
    /// The instant.
    pub at: Timestamp,
    /// The limits, by name.
    pub records: Vec<SpendLimitRecord>,
}

impl Storage {
    /// A wallet's limits and how much of each is used now; `None`: no such wallet.
    pub async fn list_spend_limits(
        &self,
        query: &SpendLimitQuery,
    ) -> Result<Option<SpendLimitsAt>, StorageError> {
        let SpendLimitQuery { wallet, actor, operation } = query;
        let clock = self.clock().now();
        let snapshot = self.snapshot().await?;
        let client = snapshot.client()?;
        let Some(mut state) = super::wallet(client, wallet).await? else { return Ok(None) };
        let at = clock.max(state.head.recorded_at);
        let limits = state.settings.spend_limits.clone();
        let mut records = Vec::new();
        for limit in limits.iter() {
            let usage = match limit.chosen(actor.as_ref(), operation.as_ref()) {
                None => None,
                Some(spender) => {
                    let ask = |state: &_| limit_usage(state, limit, spender.clone(), at);
                    Some(supplied(client, &mut state, ask).await?)
                }
            };
            records.push(SpendLimitRecord { limit: limit.clone(), usage });
        }
        snapshot.end().await?;
        Ok(Some(SpendLimitsAt { at, records }))
    }
}
