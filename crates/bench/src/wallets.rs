//! Our side's wallets, through the API alone: making and filling them, and adding them up.

use std::sync::Arc;

use prost_types::Timestamp;
use purse_proto::v1::{GrantRequest, grant_service_client::GrantServiceClient};
use rust_decimal::Decimal;

use crate::{
    api::{ASSET, ApiError, FIRST_EXPIRY_SECONDS, GRANT_AMOUNT, balance, failed, is_there, open},
    connection::Connection,
    workers::each,
};

const DAYS_30_SECONDS: i64 = 30 * 86_400;

/// Calls in flight while wallets are made or added up: enough to fill the server's batches.
const WORKERS: usize = 256;

/// The wallets of one run, by the names of their accounts.
#[derive(Debug)]
pub struct Wallets {
    pub connections: Vec<Connection>,
    grants: u64,
    pub many: Arc<[String]>,
    pub hot: Arc<[String]>,
    /// Its wallet is there once all others are complete.
    complete: String,
}

impl Wallets {
    /// Names the wallets; does not make them.
    pub fn new(connections: Vec<Connection>, wallets: u64, grants: u64) -> Self {
        Self {
            connections,
            grants,
            many: (1..=wallets).map(|wallet| format!("bench:{grants}x:{wallet:07}")).collect(),
            hot: [format!("bench:{grants}x:hot")].into(),
            complete: format!("bench:{grants}x:complete:{wallets}"),
        }
    }

    /// Makes what is not there yet. Answers whether there was anything to make.
    pub async fn set_up(&self) -> Result<bool, ApiError> {
        let first = &self.connections[0];
        if is_there(first.clone(), &self.complete).await? {
            return Ok(false);
        }
        // The asset comes into being with its first wallet: alone, so that nothing waits for it.
        make(first.clone(), self.hot[0].clone(), self.grants).await?;
        let grants = self.grants;
        let many = Arc::clone(&self.many);
        let make_one = move |connection, account| make(connection, account, grants);
        each(&self.connections, WORKERS, "wallets", many, make_one).await?;
        make(first.clone(), self.complete.clone(), 0).await?;
        Ok(true)
    }

    /// The sum of all balances.
    pub async fn total(&self) -> Result<Decimal, ApiError> {
        let hot = balance(self.connections[0].clone(), self.hot[0].clone()).await?;
        let many = Arc::clone(&self.many);
        let many = each(&self.connections, WORKERS, "balances", many, balance).await?;
        Ok(many.into_iter().fold(hot, |sum, balance| sum + balance))
    }
}

/// Makes one wallet. The keys are the same each time, so doing it again changes nothing.
async fn make(connection: Connection, account: String, grants: u64) -> Result<(), ApiError> {
    open(connection.clone(), &account).await?;
    let mut service = GrantServiceClient::new(connection);
    let mut expiry_seconds = FIRST_EXPIRY_SECONDS;
    for grant in 1..=grants {
        expiry_seconds += DAYS_30_SECONDS;
        let request = GrantRequest {
            account: account.clone(),
            asset: ASSET.to_owned(),
            amount: GRANT_AMOUNT.to_string(),
            expires_at: Some(Timestamp { seconds: expiry_seconds, nanos: 0 }),
            idempotency_key: format!("bench-grant-{grant}"),
            ..GrantRequest::default()
        };
        service.grant(request).await.map_err(failed("Grant", &account))?;
    }
    Ok(())
}
