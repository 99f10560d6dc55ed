//! Our side's wallets, through the API alone: making and filling them, and adding them up.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use indicatif::{ProgressBar, ProgressStyle};
use prost_types::Timestamp;
use purse_proto::v1::{
    CreateWalletRequest, GetBalanceRequest, GetWalletRequest, GrantRequest,
    grant_service_client::GrantServiceClient, wallet_service_client::WalletServiceClient,
};
use rust_decimal::Decimal;
use thiserror::Error;
use tokio::task::{JoinError, JoinSet};
use tonic::{Code, Status, transport::Channel};

/// What one spend takes, on both sides.
pub const AMOUNT: u64 = 1;

/// What one grant holds, on both sides: more than a day of hot spends, so none is ever refused and
/// each draws one grant.
pub const GRANT_AMOUNT: u64 = 1_000_000_000;

pub const ASSET: &str = "credits";

/// 2100-01-01, so that the grants' order matters and none expires during a run.
const FIRST_EXPIRY_SECONDS: i64 = 4_102_444_800;
const DAYS_30_SECONDS: i64 = 30 * 86_400;

/// Calls in flight while wallets are made or added up: enough to fill the server's batches.
const WORKERS: usize = 256;

/// Why wallets could not be made or read.
#[derive(Debug, Error)]
pub enum WalletsError {
    #[error("{call} for {account}")]
    Call { call: &'static str, account: String, source: Box<Status> },
    #[error("the balance of {account}, {balance:?}, is no decimal")]
    Balance { account: String, balance: String },
    #[error("a worker stopped")]
    Worker(#[from] JoinError),
}

fn failed(call: &'static str, account: &str) -> impl FnOnce(Status) -> WalletsError {
    let account = account.to_owned();
    move |status| WalletsError::Call { call, account, source: Box::new(status) }
}

/// The wallets of one run, by the names of their accounts.
#[derive(Debug)]
pub struct Wallets {
    pub channels: Vec<Channel>,
    grants: u64,
    pub many: Arc<[String]>,
    pub hot: Arc<[String]>,
    /// Its wallet is there once all others are complete.
    complete: String,
}

impl Wallets {
    /// Names the wallets; does not make them.
    pub fn new(channels: Vec<Channel>, wallets: u64, grants: u64) -> Self {
        Self {
            channels,
            grants,
            many: (1..=wallets).map(|wallet| format!("bench:{grants}x:{wallet:07}")).collect(),
            hot: [format!("bench:{grants}x:hot")].into(),
            complete: format!("bench:{grants}x:complete:{wallets}"),
        }
    }

    /// Makes what is not there yet. Answers whether there was anything to make.
    pub async fn set_up(&self) -> Result<bool, WalletsError> {
        let first = &self.channels[0];
        let request = GetWalletRequest { account: self.complete.clone(), asset: ASSET.to_owned() };
        match WalletServiceClient::new(first.clone()).get_wallet(request).await {
            Ok(_) => return Ok(false),
            Err(status) if status.code() == Code::NotFound => {}
            Err(status) => return Err(failed("GetWallet", &self.complete)(status)),
        }
        // The asset comes into being with its first wallet: alone, so that nothing waits for it.
        make(first.clone(), self.hot[0].clone(), self.grants).await?;
        let grants = self.grants;
        self.each("wallets", move |channel, account| make(channel, account, grants)).await?;
        make(first.clone(), self.complete.clone(), 0).await?;
        Ok(true)
    }

    /// The sum of all balances.
    pub async fn total(&self) -> Result<Decimal, WalletsError> {
        let hot = balance(self.channels[0].clone(), self.hot[0].clone()).await?;
        let many = self.each("balances", balance).await?;
        Ok(many.into_iter().fold(hot, |sum, balance| sum + balance))
    }

    /// Does the same for each of the many wallets, many at a time.
    async fn each<T, W, F>(&self, what: &'static str, work: W) -> Result<Vec<T>, WalletsError>
    where
        T: Send + 'static,
        W: Fn(Channel, String) -> F + Copy + Send + 'static,
        F: Future<Output = Result<T, WalletsError>> + Send,
    {
        let progress = progress_bar(what, self.many.len());
        let next = Arc::new(AtomicUsize::new(0));
        let mut workers = JoinSet::new();
        for channel in self.channels.iter().cycle().take(WORKERS) {
            let (channel, next) = (channel.clone(), Arc::clone(&next));
            let (many, progress) = (Arc::clone(&self.many), progress.clone());
            workers.spawn(async move {
                let mut done = Vec::new();
                while let Some(account) = many.get(next.fetch_add(1, Ordering::Relaxed)) {
                    done.push(work(channel.clone(), account.clone()).await?);
                    progress.inc(1);
                }
                Ok::<Vec<T>, WalletsError>(done)
            });
        }
        let mut all = Vec::with_capacity(self.many.len());
        while let Some(done) = workers.join_next().await {
            all.extend(done??);
        }
        progress.finish_and_clear();
        Ok(all)
    }
}

fn progress_bar(what: &'static str, length: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:>10} {wide_bar} {pos}/{len} {eta}")
        .expect("the template is a constant");
    ProgressBar::new(u64::try_from(length).unwrap_or(u64::MAX)).with_style(style).with_message(what)
}

/// Makes one wallet. The keys are the same each time, so doing it again changes nothing.
async fn make(channel: Channel, account: String, grants: u64) -> Result<(), WalletsError> {
    let request = CreateWalletRequest {
        account: account.clone(),
        asset: ASSET.to_owned(),
        idempotency_key: "bench-create".to_owned(),
        ..CreateWalletRequest::default()
    };
    let mut wallets = WalletServiceClient::new(channel.clone());
    wallets.create_wallet(request).await.map_err(failed("CreateWallet", &account))?;
    let mut service = GrantServiceClient::new(channel);
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

async fn balance(channel: Channel, account: String) -> Result<Decimal, WalletsError> {
    let request = GetBalanceRequest {
        account: account.clone(),
        asset: ASSET.to_owned(),
        ..GetBalanceRequest::default()
    };
    let answer = WalletServiceClient::new(channel)
        .get_balance(request)
        .await
        .map_err(failed("GetBalance", &account))?;
    let balance = answer.into_inner().balance.unwrap_or_default().balance;
    balance.parse().map_err(|_| WalletsError::Balance { account, balance })
}
