//! One write: what is asked for, by which key, and what the service says it did.

use std::num::NonZeroU32;

use purse_client::{
    Client, Error,
    v1::{
        CaptureHoldRequest, CreateHoldRequest, Entry, EntryKind, GrantRequest, SpendRequest,
        Transaction, TransferRequest,
    },
};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::world::{ASSET, World, account};

/// Cents: every amount has two decimal places.
const SCALE: u32 = 2;

/// A write. The same call is the same request, with the same key, whenever it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Who calls, and the caller's how manieth key it is: the key is made of both.
    pub caller: u32,
    pub number: u32,
    /// The wallet's place in the world.
    pub wallet: u32,
    pub cents: i64,
    pub what: What,
}

/// What a call asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Of usage now, or from so many seconds before the wallets were opened.
    Spend {
        seconds_late: Option<NonZeroU32>,
    },
    Grant,
    Hold,
    /// All that is taken of a hold.
    Capture {
        hold: i32,
    },
    /// To another wallet.
    Transfer {
        to: u32,
    },
}

/// What the service says that it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    pub transaction: Uuid,
    pub amount: Decimal,
    /// Entries of the transaction, in both wallets of a transfer.
    pub entries: u32,
    /// The number of the hold that was made; 0: none was.
    pub hold: i32,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    pub told: Told,
    /// The first answer again.
    pub replayed: bool,
}

/// A sum of cents as the service writes it.
pub fn amount(cents: i64) -> Decimal {
    Decimal::new(cents, SCALE)
}

impl Call {
    /// The idempotency key.
    pub fn key(&self) -> String {
        format!("{}/{}", self.caller, self.number)
    }

    /// What it does to the balances: wallets, and cents that come or go.
    pub fn moves(&self) -> [(u32, i64); 2] {
        let Self { wallet, cents, what, .. } = *self;
        match what {
            What::Spend { .. } | What::Capture { .. } => [(wallet, -cents), (wallet, 0)],
            What::Grant => [(wallet, cents), (wallet, 0)],
            // Each is captured in the end, which gives back the rest.
            What::Hold => [(wallet, 0), (wallet, 0)],
            What::Transfer { to } => [(wallet, -cents), (to, cents)],
        }
    }

    /// Sends it once, or as often as the client is told to.
    pub async fn send(&self, client: &Client, world: &World) -> Result<Answer, Error> {
        let (holder, asset) = (account(self.wallet), ASSET.to_owned());
        let (amount, idempotency_key) = (amount(self.cents).to_string(), self.key());
        Ok(match self.what {
            What::Spend { seconds_late } => {
                let request = SpendRequest {
                    account: holder,
                    asset,
                    amount,
                    occurred_at: seconds_late.map(|seconds| world.before_opening(seconds.get())),
                    idempotency_key,
                    ..SpendRequest::default()
                };
                let answer = client.spend(request).await?;
                answered(answer.transaction.as_ref(), EntryKind::Spent, answer.replayed)
            }
            What::Grant => {
                let request = GrantRequest {
                    account: holder,
                    asset,
                    amount,
                    idempotency_key,
                    ..GrantRequest::default()
                };
                let answer = client.grant(request).await?;
                answered(answer.transaction.as_ref(), EntryKind::Granted, answer.replayed)
            }
            What::Hold => {
                let expires_at = Some(world.never());
                let request = CreateHoldRequest {
                    account: holder,
                    asset,
                    amount,
                    expires_at,
                    idempotency_key,
                    ..CreateHoldRequest::default()
                };
                let answer = client.create_hold(request).await?;
                let mut made =
                    answered(answer.transaction.as_ref(), EntryKind::Held, answer.replayed);
                made.told.hold = answer.hold.unwrap_or_default().hold_number;
                made
            }
            What::Capture { hold } => {
                let request = CaptureHoldRequest {
                    account: holder,
                    asset,
                    hold_number: hold,
                    amount,
                    r#final: true,
                    idempotency_key,
                    ..CaptureHoldRequest::default()
                };
                let answer = client.capture_hold(request).await?;
                answered(answer.transaction.as_ref(), EntryKind::Captured, answer.replayed)
            }
            What::Transfer { to } => {
                let request = TransferRequest {
                    account: holder,
                    asset,
                    to_account: account(to),
                    amount,
                    idempotency_key,
                    ..TransferRequest::default()
                };
                let answer = client.transfer(request).await?;
                let received = entries(answer.received.as_ref()).count();
                let mut sent = answered(
                    answer.transaction.as_ref(),
                    EntryKind::TransferredOut,
                    answer.replayed,
                );
                sent.told.entries += u32::try_from(received).unwrap_or(u32::MAX);
                sent
            }
        })
    }
}

fn entries(transaction: Option<&Transaction>) -> impl Iterator<Item = &Entry> {
    transaction.into_iter().flat_map(|transaction| &transaction.entries)
}

/// What a transaction says: the amount is the sum of its entries of one kind. What does not parse is nothing that
/// was asked for, and the comparison with that finds it.
fn answered(transaction: Option<&Transaction>, kind: EntryKind, replayed: bool) -> Answer {
    let entries_of = || entries(transaction);
    let of_kind = entries_of().filter(|entry| entry.kind() == kind);
    let amounts = of_kind.filter_map(|entry| entry.amount.parse::<Decimal>().ok());
    let id = transaction.map(|transaction| transaction.transaction_id.as_str());
    let told = Told {
        transaction: id.and_then(|id| id.parse().ok()).unwrap_or_default(),
        amount: amounts.sum(),
        entries: u32::try_from(entries_of().count()).unwrap_or(u32::MAX),
        hold: 0,
    };
    Answer { told, replayed }
}
