//! What callers ask, and what they are told.

use std::mem;

use purse_proto::v1::{
    self, BatchMode, ItemError, batch_spend_result, grant_service_client::GrantServiceClient,
    wallet_service_client::WalletServiceClient,
};
use tonic::{Code, Response, Status, transport::Channel};

use crate::fixture::refusal;

/// One call that writes.
#[derive(Debug, Clone)]
pub enum Asked {
    Spend(v1::SpendRequest),
    Grant(v1::GrantRequest),
    CreateHold(v1::CreateHoldRequest),
    CreateHolds(v1::CreateHoldsRequest),
    CaptureHold(v1::CaptureHoldRequest),
    ReleaseHold(v1::ReleaseHoldRequest),
    ExtendHold(v1::ExtendHoldRequest),
    Transfer(v1::TransferRequest),
    BatchSpend(v1::BatchSpendRequest),
    ReverseSpend(v1::ReverseSpendRequest),
    RevokeFunding(v1::RevokeFundingRequest),
    UpdateWallet(Box<v1::UpdateWalletRequest>),
    FreezeWallet(v1::FreezeWalletRequest),
    UnfreezeWallet(v1::UnfreezeWalletRequest),
    VoidGrant(v1::VoidGrantRequest),
    ExpireGrant(v1::ExpireGrantRequest),
    ChangeGrantExpiry(v1::ChangeGrantExpiryRequest),
}

/// What was acknowledged.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// What the key is unique in.
    pub account: String,
    pub key: String,
    /// A leg in each wallet; none: changes of settings do not tell it.
    pub legs: Vec<v1::Transaction>,
    /// The whole answer, but for whether it was one again.
    pub answer: String,
    pub replayed: bool,
}

/// What was not, and did not happen.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    pub code: Code,
    pub reason: String,
}

/// What came of a call, or of each item of a batch.
pub type Told = Vec<Result<Done, Refused>>;

impl Asked {
    /// What it is, for the figures.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Spend(_) => "Spend",
            Self::Grant(_) => "Grant",
            Self::CreateHold(_) => "CreateHold",
            Self::CreateHolds(_) => "CreateHolds",
            Self::CaptureHold(_) => "CaptureHold",
            Self::ReleaseHold(_) => "ReleaseHold",
            Self::ExtendHold(_) => "ExtendHold",
            Self::Transfer(_) => "Transfer",
            Self::BatchSpend(batch) if batch.mode() == BatchMode::AllOrNothing => {
                "BatchSpend, all or nothing"
            }
            Self::BatchSpend(_) => "BatchSpend, each on its own",
            Self::ReverseSpend(_) => "ReverseSpend",
            Self::RevokeFunding(_) => "RevokeFunding",
            Self::UpdateWallet(_) => "UpdateWallet",
            Self::FreezeWallet(_) => "FreezeWallet",
            Self::UnfreezeWallet(_) => "UnfreezeWallet",
            Self::VoidGrant(_) => "VoidGrant",
            Self::ExpireGrant(_) => "ExpireGrant",
            Self::ChangeGrantExpiry(_) => "ChangeGrantExpiry",
        }
    }

    /// What of it was acknowledged; `None`: nothing.
    pub fn of_acknowledged(&self, told: &Told) -> Option<(Self, Told)> {
        let done: Told = told.iter().filter(|told| told.is_ok()).cloned().collect();
        if done.is_empty() {
            return None;
        }
        let mut asked = self.clone();
        if let Self::BatchSpend(batch) = &mut asked {
            let mut told = told.iter();
            batch.requests.retain(|_| told.next().is_some_and(Result::is_ok));
        }
        Some((asked, done))
    }

    /// Asks a server.
    pub async fn ask(&self, channel: &Channel) -> Told {
        let mut wallets = WalletServiceClient::new(channel.clone());
        let mut grants = GrantServiceClient::new(channel.clone());
        match self.clone() {
            Self::Spend(asked) => told(&asked, wallets.spend(asked.clone()).await),
            Self::Grant(asked) => told(&asked, grants.grant(asked.clone()).await),
            Self::CreateHold(asked) => told(&asked, wallets.create_hold(asked.clone()).await),
            Self::CreateHolds(asked) => told(&asked, wallets.create_holds(asked.clone()).await),
            Self::CaptureHold(asked) => told(&asked, wallets.capture_hold(asked.clone()).await),
            Self::ReleaseHold(asked) => told(&asked, wallets.release_hold(asked.clone()).await),
            Self::ExtendHold(asked) => told(&asked, wallets.extend_hold(asked.clone()).await),
            Self::Transfer(asked) => told(&asked, wallets.transfer(asked.clone()).await),
            Self::ReverseSpend(asked) => told(&asked, wallets.reverse_spend(asked.clone()).await),
            Self::RevokeFunding(asked) => told(&asked, grants.revoke_funding(asked.clone()).await),
            Self::UpdateWallet(asked) => told(&*asked, wallets.update_wallet(*asked.clone()).await),
            Self::FreezeWallet(asked) => told(&asked, wallets.freeze_wallet(asked.clone()).await),
            Self::UnfreezeWallet(asked) => {
                told(&asked, wallets.unfreeze_wallet(asked.clone()).await)
            }
            Self::VoidGrant(asked) => told(&asked, grants.void_grant(asked.clone()).await),
            Self::ExpireGrant(asked) => told(&asked, grants.expire_grant(asked.clone()).await),
            Self::ChangeGrantExpiry(asked) => {
                told(&asked, grants.change_grant_expiry(asked.clone()).await)
            }
            Self::BatchSpend(asked) => match wallets.batch_spend(asked.clone()).await {
                Ok(answer) => {
                    let results = answer.into_inner().results;
                    assert_eq!(results.len(), asked.requests.len());
                    asked
                        .requests
                        .iter()
                        .zip(results)
                        .map(|(item, result)| of(item, result))
                        .collect()
                }
                Err(status) => vec![Err(Refused::of(&status))],
            },
        }
    }
}

impl Refused {
    fn of(status: &Status) -> Self {
        let (code, reason) = refusal(status);
        Self { code, reason }
    }
}

fn of(item: &v1::SpendRequest, result: v1::BatchSpendResult) -> Result<Done, Refused> {
    match result.outcome.unwrap() {
        batch_spend_result::Outcome::Response(answer) => Ok(done(item, answer)),
        batch_spend_result::Outcome::Error(ItemError { code, reason, .. }) => {
            Err(Refused { code: code.into(), reason })
        }
    }
}

fn told<A: Answer>(asked: &impl Keyed, answer: Result<Response<A>, Status>) -> Told {
    let answer = answer.map(|answer| done(asked, answer.into_inner()));
    vec![answer.map_err(|status| Refused::of(&status))]
}

fn done<A: Answer>(asked: &impl Keyed, mut answer: A) -> Done {
    let (account, key) = asked.key();
    let replayed = answer.take_replayed();
    let legs = answer.legs().into_iter().flatten().cloned().collect();
    Done { account, key, legs, answer: format!("{answer:?}"), replayed }
}

/// A request with a key.
trait Keyed {
    /// The key, after the account that it is unique in.
    fn key(&self) -> (String, String);
}

macro_rules! keyed {
    ($($request:ident),*) => {$(
        impl Keyed for v1::$request {
            fn key(&self) -> (String, String) {
                (self.account.clone(), self.idempotency_key.clone())
            }
        }
    )*};
}

keyed!(
    SpendRequest,
    GrantRequest,
    CreateHoldRequest,
    CaptureHoldRequest,
    ReleaseHoldRequest,
    ExtendHoldRequest,
    TransferRequest,
    ReverseSpendRequest,
    RevokeFundingRequest,
    UpdateWalletRequest,
    FreezeWalletRequest,
    UnfreezeWalletRequest,
    VoidGrantRequest,
    ExpireGrantRequest,
    ChangeGrantExpiryRequest
);

impl Keyed for v1::CreateHoldsRequest {
    fn key(&self) -> (String, String) {
        (self.legs[0].account.clone(), self.idempotency_key.clone())
    }
}

/// What a write answers.
trait Answer: std::fmt::Debug {
    fn legs(&self) -> Vec<Option<&v1::Transaction>>;
    /// Whether it was one again, leaving what is the same either way.
    fn take_replayed(&mut self) -> bool;
}

macro_rules! answers {
    ($($answer:ident),*) => {$(
        impl Answer for v1::$answer {
            fn legs(&self) -> Vec<Option<&v1::Transaction>> {
                vec![self.transaction.as_ref()]
            }

            fn take_replayed(&mut self) -> bool {
                mem::take(&mut self.replayed)
            }
        }
    )*};
}

answers!(
    SpendResponse,
    GrantResponse,
    CreateHoldResponse,
    CaptureHoldResponse,
    ReleaseHoldResponse,
    ExtendHoldResponse,
    ReverseSpendResponse,
    RevokeFundingResponse,
    VoidGrantResponse,
    ExpireGrantResponse,
    ChangeGrantExpiryResponse
);

macro_rules! answers_with_settings {
    ($($answer:ident),*) => {$(
        impl Answer for v1::$answer {
            fn legs(&self) -> Vec<Option<&v1::Transaction>> {
                Vec::new()
            }

            fn take_replayed(&mut self) -> bool {
                mem::take(&mut self.replayed)
            }
        }
    )*};
}

answers_with_settings!(UpdateWalletResponse, FreezeWalletResponse, UnfreezeWalletResponse);

impl Answer for v1::TransferResponse {
    fn legs(&self) -> Vec<Option<&v1::Transaction>> {
        vec![self.transaction.as_ref(), self.received.as_ref()]
    }

    fn take_replayed(&mut self) -> bool {
        mem::take(&mut self.replayed)
    }
}

impl Answer for v1::CreateHoldsResponse {
    fn legs(&self) -> Vec<Option<&v1::Transaction>> {
        self.legs.iter().map(|leg| leg.transaction.as_ref()).collect()
    }

    fn take_replayed(&mut self) -> bool {
        for leg in &mut self.legs {
            assert_eq!(mem::take(&mut leg.replayed), self.replayed);
        }
        mem::take(&mut self.replayed)
    }
}
