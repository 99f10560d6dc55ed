//! The wallets that everybody calls about, and how they begin.

use prost_types::Timestamp;
use purse_client::{
    Client,
    v1::{CreateWalletRequest, GrantRequest},
};

use tokio::task::JoinSet;

use crate::{call::amount, error::RunError};

pub const ASSET: &str = "credits";
/// How many wallets there are: enough that callers meet in some and pass each other in others.
pub const WALLETS: u32 = 100;
/// More than any run can spend from one wallet.
pub const GRANTED_CENTS: i64 = 100_000_000_000;
/// Late usage is no older than this.
pub const LATEST_SECONDS: u32 = 3_600;
/// The first grants count from so long before the wallets were opened, so that late usage finds them.
const GRANTED_BEFORE_SECONDS: i64 = 7_200;
/// Later than any run.
const NEVER_SECONDS: i64 = 400 * 24 * 3_600;

/// The wallets.
#[derive(Debug)]
pub struct World {
    opened_at: Timestamp,
}

impl World {
    /// Opens all wallets, each with a first grant; the service's clock says when that is.
    pub async fn open(client: &Client) -> Result<Self, RunError> {
        let first = create(client, account(0)).await?;
        let world = Self { opened_at: first };
        let funded_at = Timestamp {
            seconds: world.opened_at.seconds - GRANTED_BEFORE_SECONDS,
            ..world.opened_at
        };
        let mut opening = JoinSet::new();
        for wallet in 0..WALLETS {
            let client = client.clone();
            opening.spawn(async move {
                create(&client, account(wallet)).await?;
                let grant = GrantRequest {
                    account: account(wallet),
                    asset: ASSET.to_owned(),
                    amount: amount(GRANTED_CENTS).to_string(),
                    effective_at: Some(funded_at),
                    idempotency_key: "opening grant".to_owned(),
                    ..GrantRequest::default()
                };
                client.grant(grant).await.map_err(RunError::refused("Grant"))
            });
        }
        while let Some(opened) = opening.join_next().await {
            opened??;
        }
        Ok(world)
    }

    /// So long before the wallets were opened.
    pub fn before_opening(&self, seconds: u32) -> Timestamp {
        Timestamp { seconds: self.opened_at.seconds - i64::from(seconds), ..self.opened_at }
    }

    /// After any run.
    pub fn never(&self) -> Timestamp {
        Timestamp { seconds: self.opened_at.seconds + NEVER_SECONDS, ..self.opened_at }
    }
}

/// The account of a wallet.
pub fn account(wallet: u32) -> String {
    format!("org:{wallet}")
}

async fn create(client: &Client, account: String) -> Result<Timestamp, RunError> {
    let request = CreateWalletRequest {
        account,
        asset: ASSET.to_owned(),
        scale: Some(2),
        idempotency_key: "opening".to_owned(),
        ..CreateWalletRequest::default()
    };
    let answer = client.create_wallet(request).await.map_err(RunError::refused("CreateWallet"))?;
    Ok(answer.wallet.and_then(|wallet| wallet.created_at).unwrap_or_default())
}
