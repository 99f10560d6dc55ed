//! The calls of Purse that every workload makes before and after its load.

use purse_proto::v1::{
    CreateWalletRequest, GetBalanceRequest, GetWalletRequest, SpendResponse,
    wallet_service_client::WalletServiceClient,
};
use rust_decimal::Decimal;
use thiserror::Error;
use tokio::task::JoinError;
use tonic::{Code, Response, Status};

use crate::{connection::Connection, load::Failure};

/// What one spend takes.
pub const AMOUNT: u64 = 1;

/// What one grant holds: more than a day of hot spends, so none is ever refused and each draws one grant.
pub const GRANT_AMOUNT: u64 = 1_000_000_000;

pub const ASSET: &str = "credits";

/// 2100-01-01, so that the grants' order matters and none expires during a run.
pub const FIRST_EXPIRY_SECONDS: i64 = 4_102_444_800;

/// Why wallets could not be made or read.
#[derive(Debug, Error)]
pub enum ApiError {
    #[error("{call} for {account}")]
    Call { call: &'static str, account: String, source: Box<Status> },
    #[error("{call} for {account} refused an item: {reason}")]
    Item { call: &'static str, account: String, reason: String },
    #[error("the balance of {account}, {balance:?}, is no decimal")]
    Balance { account: String, balance: String },
    #[error("a worker stopped")]
    Worker(#[from] JoinError),
}

/// What a call for an account failed with.
pub fn failed(call: &'static str, account: &str) -> impl FnOnce(Status) -> ApiError {
    let account = account.to_owned();
    move |status| ApiError::Call { call, account, source: Box::new(status) }
}

/// Whether an account's wallet is there.
pub async fn is_there(connection: Connection, account: &str) -> Result<bool, ApiError> {
    let request = GetWalletRequest { account: account.to_owned(), asset: ASSET.to_owned() };
    match WalletServiceClient::new(connection).get_wallet(request).await {
        Ok(_) => Ok(true),
        Err(status) if status.code() == Code::NotFound => Ok(false),
        Err(status) => Err(failed("GetWallet", account)(status)),
    }
}

/// Opens an account's wallet. Doing it again changes nothing.
pub async fn open(connection: Connection, account: &str) -> Result<(), ApiError> {
    let request = CreateWalletRequest {
        account: account.to_owned(),
        asset: ASSET.to_owned(),
        idempotency_key: "bench-create".to_owned(),
        ..CreateWalletRequest::default()
    };
    let opened = WalletServiceClient::new(connection).create_wallet(request).await;
    opened.map(|_| ()).map_err(failed("CreateWallet", account))
}

/// An account's balance now.
pub async fn balance(connection: Connection, account: String) -> Result<Decimal, ApiError> {
    let request = GetBalanceRequest {
        account: account.clone(),
        asset: ASSET.to_owned(),
        ..GetBalanceRequest::default()
    };
    let answer = WalletServiceClient::new(connection)
        .get_balance(request)
        .await
        .map_err(failed("GetBalance", &account))?;
    let balance = answer.into_inner().balance.unwrap_or_default().balance;
    balance.parse().map_err(|_| ApiError::Balance { account, balance })
}

/// Whether a spend with a fresh key was acknowledged.
pub fn acknowledged(answer: Result<Response<SpendResponse>, Status>) -> Result<(), Failure> {
    match answer {
        Ok(answer) if answer.get_ref().replayed => Err(Failure {
            code: "Replayed".to_owned(),
            message: "a fresh key was answered with another spend".to_owned(),
            refused: false,
        }),
        Ok(_) => Ok(()),
        Err(status) => Err(Failure::from(status)),
    }
}
