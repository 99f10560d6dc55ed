//! What a scenario asks of whoever plays Purse.

use std::{collections::BTreeMap, future::Future};

use purse_domain::Timestamp;

use crate::{
    answer::{EntryView, EventView, GrantView, HoldView, Holdings, LimitView, Refusal, Written},
    billing::{ApplicationView, NewEvent, NewRule},
    expiry::{CalculateStep, Expires, ExpiryView},
};

/// A wallet as a request names it, well-formed or not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WalletRef {
    /// The holder.
    pub account: String,
    /// What is counted.
    pub asset: String,
}

/// A write as a caller asks for it, well-formed or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The wallet.
    pub wallet: WalletRef,
    /// The idempotency key.
    pub key: String,
    /// Who asks; empty: nobody says.
    pub actor: String,
    /// Only decide.
    pub validate_only: bool,
    /// What a preview answered; empty: none.
    pub commit_token: String,
    /// What is asked.
    pub change: Change,
}

/// What a wallet is to be told of; `None`: what it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notices {
    /// The amounts below which its balance is low.
    pub thresholds: Option<Vec<String>>,
    /// How long before a grant expires it is announced, in microseconds.
    pub lead_micros: Option<Vec<i64>>,
}

/// What a write asks for. Empty texts are as good as absent ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Open a wallet.
    Create {
        /// The asset's number of decimal places.
        scale: Option<i32>,
        /// The order in which grants are drawn, such as `OLDEST_FIRST`.
        policy: String,
        /// How far spends may take the balance below zero.
        overdraft_limit: String,
        /// What it is to be told of.
        notices: Notices,
    },
    /// Choose other settings; empty ones stay.
    Update {
        /// The order.
        policy: String,
        /// How far spends may take the balance below zero.
        overdraft_limit: String,
        /// What it is to be told of.
        notices: Notices,
        /// The version that the settings must have.
        etag: String,
    },
    /// Set a spend limit.
    Limit(Limit),
    /// Remove a spend limit.
    Unlimit {
        /// Its name.
        name: String,
    },
    /// Put credits in.
    Grant {
        /// How much.
        amount: String,
        /// From when.
        effective_at: Option<Timestamp>,
        /// Until when.
        expires_at: Option<Timestamp>,
        /// Lower is drawn first.
        priority: Option<i32>,
        /// What kind of credits.
        category: String,
        /// What one credit cost.
        cost_basis: String,
        /// The only operations that may draw it.
        applies_to: Vec<String>,
        /// What paid for it.
        funding_ref: String,
    },
    /// Take credits.
    Spend {
        /// How much; empty: what the operation's price makes of quantities.
        amount: String,
        /// What it pays for.
        operation: String,
        /// When the usage happened.
        occurred_at: Option<Timestamp>,
        /// What the operation is priced by.
        quantities: BTreeMap<String, String>,
    },
    /// Void a grant.
    Void {
        /// Its number.
        grant: i32,
    },
    /// Expire a grant.
    Expire {
        /// Its number.
        grant: i32,
    },
    /// Let a grant end at another instant.
    ChangeExpiry {
        /// Its number.
        grant: i32,
        /// When it ends.
        expires_at: Option<Timestamp>,
        /// It does not.
        never: bool,
    },
    /// Set credits aside.
    Hold {
        /// How much; empty: what the operation's price makes of quantities.
        amount: String,
        /// What it is for.
        operation: String,
        /// The deadline.
        expires_at: Timestamp,
        /// What the operation is priced by.
        quantities: BTreeMap<String, String>,
    },
    /// Take what is held.
    Capture {
        /// The hold's number.
        hold: i32,
        /// How much.
        amount: String,
        /// What to do if that is too much, such as `EXTEND`.
        excess: String,
        /// Give back the rest.
        is_final: bool,
    },
    /// Give back what is held.
    Release {
        /// The hold's number.
        hold: i32,
        /// How much; empty: all.
        amount: String,
    },
    /// Move a hold's deadline.
    Extend {
        /// The hold's number.
        hold: i32,
        /// The new deadline.
        expires_at: Timestamp,
    },
    /// Grant what a payment bought. The payment is its key.
    Purchase {
        /// The pack.
        pack: String,
        /// The payment.
        payment: String,
        /// How many packs; 0: by default.
        quantity: i64,
    },
    /// Ask for more credits when the balance is low.
    SetTopUp(TopUpAsked),
    /// Ask for nothing any more.
    DeleteTopUp,
    /// Await a top-up no more.
    DeclineTopUp {
        /// The reference of the request.
        reference: String,
    },
    /// Let nothing be taken.
    Freeze,
    /// Let credits be taken again.
    Unfreeze,
    /// Close the wallet.
    Close {
        /// What becomes of the rest, such as `VOID`.
        rest: String,
    },
    /// Move credits to another wallet.
    Transfer {
        /// The other wallet.
        to: WalletRef,
        /// How much.
        amount: String,
        /// When they expire there, such as `NONE`.
        expiration_policy: String,
        /// That instant.
        expires_at: Option<Timestamp>,
    },
    /// Reverse a spend.
    Reverse {
        /// Its transaction.
        transaction: String,
        /// How much; empty: all that is left.
        amount: String,
        /// What becomes of credits whose grant has ended, such as `REISSUE`.
        expired_policy: String,
        /// The life of new grants, in microseconds.
        grace_micros: Option<i64>,
    },
    /// Revoke a funding.
    Revoke {
        /// Which.
        funding_ref: String,
        /// How much has been refunded in all.
        cumulative_amount: String,
    },
}

/// A spend limit as a caller asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Its name.
    pub name: String,
    /// The most that may be spent and held.
    pub amount: String,
    /// Only what this actor asks for.
    pub by: String,
    /// Each actor on their own.
    pub each_actor: bool,
    /// Only what pays for this operation.
    pub operation: String,
    /// Each operation on its own.
    pub each_operation: bool,
    /// The length of a rolling window, in microseconds.
    pub rolling_micros: Option<i64>,
    /// The unit of a calendar window, such as `DAY`; empty: none.
    pub per: String,
    /// The time zone of a calendar window.
    pub zone: String,
}

/// A price as a caller asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceAsked {
    /// What it is the sum of.
    pub parts: Vec<PartAsked>,
    /// How the sum is rounded, such as `HALF_EVEN`; empty: by default.
    pub rounding: String,
    /// To a multiple of what.
    pub step: String,
    /// No use costs less.
    pub minimum: String,
    /// No use costs more.
    pub maximum: String,
}

/// A part of a price as a caller asks for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartAsked {
    /// What it costs.
    pub price: String,
    /// Each unit of what; empty: each use.
    pub quantity: String,
    /// How that is rounded, such as `UP`; empty: not at all.
    pub rounding: String,
    /// To a multiple of what.
    pub step: String,
}

/// A pack as a caller asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackAsked {
    /// The credits of one.
    pub credits: String,
    /// What one costs, and in which currency.
    pub price: Option<(String, String)>,
    /// For how long credits bought can be spent, in microseconds.
    pub valid_for: Option<i64>,
    /// What is given besides.
    pub slabs: Vec<SlabAsked>,
    /// For how long that can be spent.
    pub bonus_valid_for: Option<i64>,
}

/// A slab of a bonus as a caller asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlabAsked {
    /// From how many on it applies.
    pub from: String,
    /// Of credits and not of packs.
    pub of_credits: bool,
    /// How much it gives.
    pub bonus: String,
    /// Of what was bought, in per cent.
    pub is_per_cent: bool,
}

/// A rule for top-ups as a caller asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopUpAsked {
    /// How much is asked for.
    pub amount: String,
    /// The balance below which.
    pub threshold: String,
    /// How often within the window.
    pub most: i32,
    /// The length of a rolling window, in microseconds.
    pub rolling_micros: Option<i64>,
    /// The unit of a calendar window, such as `DAY`; empty: none.
    pub per: String,
}

/// Which balance is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AsOf {
    /// The instant; `None`: `known_at` or, without that, now.
    pub at: Option<Timestamp>,
    /// The instant as of whose knowledge; `None`: now.
    pub known_at: Option<Timestamp>,
}

/// Plays Purse: the domain alone, or a server.
pub trait Driver {
    /// Sets the clock, and does what has become due for subscriptions.
    fn set_time(&mut self, now: Timestamp) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Asks for a write.
    fn write(&mut self, write: &Write) -> impl Future<Output = Result<Written, Refusal>> + Send;

    /// A wallet's balances.
    fn balance(
        &mut self,
        wallet: &WalletRef,
        as_of: AsOf,
    ) -> impl Future<Output = Result<Holdings, Refusal>> + Send;

    /// A wallet's whole ledger.
    fn entries(
        &mut self,
        wallet: &WalletRef,
    ) -> impl Future<Output = Result<Vec<EntryView>, Refusal>> + Send;

    /// All of a wallet's grants, as they are now.
    fn grants(
        &mut self,
        wallet: &WalletRef,
    ) -> impl Future<Output = Result<Vec<GrantView>, Refusal>> + Send;

    /// Recomputes a wallet from its entries; an error says what is wrong.
    fn verify(&mut self, wallet: &WalletRef) -> impl Future<Output = Result<(), String>> + Send;

    /// A wallet's spend limits and what is used of them: of those that each actor or operation has, of these.
    fn limits(
        &mut self,
        wallet: &WalletRef,
        actor: &str,
        operation: &str,
    ) -> impl Future<Output = Result<Vec<LimitView>, Refusal>> + Send;

    /// Gives an operation a price, or takes it away.
    fn set_price(
        &mut self,
        asset: &str,
        operation: &str,
        price: Option<&PriceAsked>,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Offers a pack, or offers it no more.
    fn set_pack(
        &mut self,
        asset: &str,
        name: &str,
        pack: Option<&PackAsked>,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// What quantities cost.
    fn estimate(
        &mut self,
        asset: &str,
        operation: &str,
        quantities: &BTreeMap<String, String>,
    ) -> impl Future<Output = Result<String, Refusal>> + Send;

    /// Settles a wallet as a sweeper does; the number of entries that it booked.
    fn sweep(&mut self, wallet: &WalletRef) -> impl Future<Output = Result<i64, Refusal>> + Send;

    /// All of a wallet's events.
    fn events(
        &mut self,
        wallet: &WalletRef,
    ) -> impl Future<Output = Result<Vec<EventView>, Refusal>> + Send;

    /// Makes a grant rule, and says when its grants expire.
    fn rule(&mut self, rule: &NewRule) -> impl Future<Output = Result<Expires, Refusal>> + Send;

    /// Asks the expiry calculator.
    fn calculate(
        &mut self,
        question: &CalculateStep,
    ) -> impl Future<Output = Result<ExpiryView, Refusal>> + Send;

    /// Tells an event of a subscription, and says what became of it.
    fn event(&mut self, event: &NewEvent) -> impl Future<Output = Result<String, Refusal>> + Send;

    /// What rules grant to an account's subscription.
    fn applications(
        &mut self,
        account: &str,
        until: Timestamp,
    ) -> impl Future<Output = Result<Vec<ApplicationView>, Refusal>> + Send;

    /// All of a wallet's holds, as they are now.
    fn holds(
        &mut self,
        wallet: &WalletRef,
    ) -> impl Future<Output = Result<Vec<HoldView>, Refusal>> + Send;
}
