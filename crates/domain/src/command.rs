//! What can be asked of a wallet. A value of these types cannot be malformed; whether it may happen is
//! for [`crate::decide`].

use std::collections::BTreeSet;

use crate::{
    Actor, Amount, Bought, Category, Charge, CommitToken, CostBasis, DrawdownPolicy, ExpiredPolicy,
    Fingerprint, FundingRef, GrantNumber, HoldNumber, IdempotencyKey, LeadTimes, LimitChange,
    Metadata, OperationName, Pack, PackCount, PackName, PositiveAmount, Priority, PurchaseRecord,
    Reason, RolloverCap, Scale, Thresholds, Timestamp, TopUpChange, TransactionId, TransactionKind,
    Unbuyable, WalletName, Window,
};

/// Open a wallet, or find the one there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateWallet {
    /// The scale that was asked for; `None`: whichever the asset has.
    pub requested_scale: Option<Scale>,
    /// The scale that the asset has, filled in by whoever keeps the assets; `None`: it is a new asset.
    pub asset_scale: Option<Scale>,
    /// The order in which grants are drawn.
    pub drawdown_policy: DrawdownPolicy,
    /// How far spends may take the balance below zero.
    pub overdraft_limit: Amount,
    /// The amounts below which the balance is low.
    pub low_balance_thresholds: Thresholds,
    /// How long before a grant expires it is announced.
    pub expiring_soon_leads: LeadTimes,
}

/// Change a wallet's settings; `None` leaves one as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateWallet {
    /// Another order in which grants are drawn.
    pub drawdown_policy: Option<DrawdownPolicy>,
    /// Another limit of the overdraft. Debt above it stays and is repaid as ever.
    pub overdraft_limit: Option<Amount>,
    /// Other amounts below which the balance is low. That it is below one of them already is no event.
    pub low_balance_thresholds: Option<Thresholds>,
    /// Other lengths of time before a grant expires. That one has begun already is no event.
    pub expiring_soon_leads: Option<LeadTimes>,
    /// Another spend limit, or one fewer.
    pub spend_limit: Option<LimitChange>,
    /// Another rule for top-ups, or none.
    pub top_up: Option<TopUpChange>,
    /// Other metadata of the wallet.
    pub metadata: Option<Metadata>,
    /// The version that the settings must have.
    pub expected_version: Option<i64>,
}

/// Put credits in a wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGrant {
    /// How much.
    pub amount: PositiveAmount,
    /// From when; `None`: now.
    pub effective_at: Option<Timestamp>,
    /// Until when; `None`: for ever. After `effective_at`, if both are given.
    pub expires_at: Option<Timestamp>,
    /// Lower is drawn first.
    pub priority: Priority,
    /// What kind of credits.
    pub category: Category,
    /// What one credit cost.
    pub cost_basis: CostBasis,
    /// The only operations that may draw it; empty: all may.
    pub applies_to: BTreeSet<OperationName>,
    /// What paid for it.
    pub funding_ref: Option<FundingRef>,
}

/// The terms of a grant, once its window is known: as it was made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GrantTerms {
    /// How much was granted.
    pub amount: PositiveAmount,
    /// When it can be spent, unless its expiry is changed. As that may be, the grant has its own.
    pub granted_window: Window,
    /// Lower is drawn first.
    pub priority: Priority,
    /// What kind of credits.
    pub category: Category,
    /// What one credit cost.
    pub cost_basis: CostBasis,
    /// The only operations that may draw it; empty: all may.
    pub applies_to: BTreeSet<OperationName>,
    /// What paid for it.
    pub funding_ref: Option<FundingRef>,
}

/// Go on with some of what a grant had left when it expired, as a grant of the same terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CarryOver {
    /// The grant that has expired.
    pub grant: GrantNumber,
    /// How much of it.
    pub cap: RolloverCap,
    /// From when.
    pub effective_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Let a grant end at another instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeGrantExpiry {
    /// The grant.
    pub grant: GrantNumber,
    /// Until when; `None`: for ever.
    pub expires_at: Option<Timestamp>,
}

/// Take credits, all or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spend {
    /// How much. What is priced is for an operation.
    pub amount: Charge,
    /// What it pays for.
    pub operation: Option<OperationName>,
    /// When the usage happened, if not now.
    pub occurred_at: Option<Timestamp>,
}

/// Set credits aside, all or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateHold {
    /// How much. What is priced is for an operation.
    pub amount: Charge,
    /// What it will pay for.
    pub operation: Option<OperationName>,
    /// When it ends by itself.
    pub expires_at: Timestamp,
}

/// What to do with a capture of more than is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// Refuse it.
    Reject,
    /// Capture what is held.
    Cap,
    /// Capture what is held and spend the rest.
    Extend,
}

/// Take what is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureHold {
    /// The hold.
    pub hold: HoldNumber,
    /// How much.
    pub amount: PositiveAmount,
    /// What to do if that is more than is held.
    pub excess: Excess,
    /// Give back what is left then.
    pub is_final: bool,
}

/// Give back what is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseHold {
    /// The hold.
    pub hold: HoldNumber,
    /// How much; `None`: all that is left.
    pub amount: Option<PositiveAmount>,
}

/// Give back what a spend took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReverseSpend {
    /// The spend.
    pub transaction: TransactionId,
    /// How much of it; `None`: all that is left to reverse.
    pub amount: Option<PositiveAmount>,
    /// What becomes of credits whose grant has ended meanwhile.
    pub expired_policy: ExpiredPolicy,
}

/// Take back what was funded, as far as that was refunded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokeFunding {
    /// The funding.
    pub funding_ref: FundingRef,
    /// How much of it has been refunded in all. Less than before gives back.
    pub cumulative_amount: Amount,
}

/// Move credits to another wallet of the asset, all or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// The other wallet, of the same asset and namespace.
    pub to: WalletName,
    /// How much.
    pub amount: PositiveAmount,
    /// When the credits expire there.
    pub expiration_policy: ExpirationPolicy,
}

/// When credits expire in the wallet that they are moved to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ExpirationPolicy {
    /// When they would have expired.
    #[default]
    Preserve,
    /// Never.
    None,
    /// At this instant.
    Fixed(Timestamp),
}

/// Take in what another wallet sent: the other half of a transfer, which follows from the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receive {
    /// The wallet that sent it.
    pub from: WalletName,
    /// What it sent.
    pub grants: Vec<GrantTerms>,
}

/// Grant what a payment bought: credits and, if there is one, the bonus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    /// The pack.
    pub pack: PackName,
    /// How many.
    pub quantity: PackCount,
    /// The payment, which all that is granted names as its funding.
    pub payment_ref: FundingRef,
    /// What that grants.
    pub bought: Result<Bought, Unbuyable>,
}

impl Purchase {
    /// A purchase of a pack of that version, in an asset of that scale; `None`: there is no such pack.
    pub fn of(
        pack: PackName,
        quantity: PackCount,
        payment_ref: FundingRef,
        found: Option<(&Pack, i64)>,
        scale: Scale,
    ) -> Self {
        let bought = match found {
            None => Err(Unbuyable::NoPack { pack: pack.clone() }),
            Some((found, pack_version)) => {
                found.grants(quantity, scale).map(|grants| Bought { grants, pack_version })
            }
        };
        Self { pack, quantity, payment_ref, bought }
    }

    /// What is kept of it with its transaction.
    pub fn record(&self) -> Option<PurchaseRecord> {
        let Bought { pack_version, .. } = self.bought.as_ref().ok()?;
        let (pack, quantity) = (self.pack.clone(), self.quantity);
        Some(PurchaseRecord { pack, pack_version: *pack_version, quantity })
    }
}

/// Close a wallet for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseWallet {
    /// What becomes of what is left.
    pub rest: Rest,
}

/// What becomes of what a wallet has left when it is closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Rest {
    /// There must be none.
    #[default]
    Refuse,
    /// It is voided. Nothing may be held or owed.
    Void,
}

/// One write as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Open a wallet.
    CreateWallet(CreateWallet),
    /// Change a wallet's settings.
    UpdateWallet(UpdateWallet),
    /// Put credits in.
    Grant(NewGrant),
    /// Go on with some of what a grant had left when it expired.
    CarryOver(CarryOver),
    /// Take credits.
    Spend(Spend),
    /// Void what a grant has left.
    VoidGrant(GrantNumber),
    /// Let what a grant has left expire now.
    ExpireGrant(GrantNumber),
    /// Let a grant end at another instant.
    ChangeGrantExpiry(ChangeGrantExpiry),
    /// Set credits aside.
    CreateHold(CreateHold),
    /// Take what is held.
    CaptureHold(CaptureHold),
    /// Give back what is held.
    ReleaseHold(ReleaseHold),
    /// Move a hold's deadline.
    ExtendHold(HoldNumber, Timestamp),
    /// Give back what a spend took.
    ReverseSpend(ReverseSpend),
    /// Take back what was funded.
    RevokeFunding(RevokeFunding),
    /// Move credits to another wallet.
    Transfer(Transfer),
    /// Take in what another wallet sent.
    Receive(Receive),
    /// Grant what a payment bought.
    PurchasePack(Purchase),
    /// Let nothing be taken until it is unfrozen.
    FreezeWallet,
    /// Let credits be taken again.
    UnfreezeWallet,
    /// Await a top-up no more that was asked for.
    DeclineTopUp(FundingRef),
    /// Let nothing happen any more.
    CloseWallet(CloseWallet),
    /// Book what is due, and nothing else. No caller asks for it.
    Settle,
}

impl Command {
    /// The kind of transaction that this makes; `None`: it makes none, as what time does belongs to nobody.
    pub fn kind(&self) -> Option<TransactionKind> {
        Some(match self {
            Self::CreateWallet(_) => TransactionKind::CreateWallet,
            Self::UpdateWallet(_) => TransactionKind::UpdateWallet,
            Self::Grant(_) | Self::CarryOver(_) => TransactionKind::Grant,
            Self::Spend(_) => TransactionKind::Spend,
            Self::VoidGrant(_) => TransactionKind::VoidGrant,
            Self::ExpireGrant(_) => TransactionKind::ExpireGrant,
            Self::ChangeGrantExpiry(_) => TransactionKind::ChangeGrantExpiry,
            Self::CreateHold(_) => TransactionKind::CreateHold,
            Self::CaptureHold(_) => TransactionKind::CaptureHold,
            Self::ReleaseHold(_) => TransactionKind::ReleaseHold,
            Self::ExtendHold(..) => TransactionKind::ExtendHold,
            Self::ReverseSpend(_) => TransactionKind::ReverseSpend,
            Self::RevokeFunding(_) => TransactionKind::RevokeFunding,
            Self::Transfer(_) | Self::Receive(_) => TransactionKind::Transfer,
            Self::PurchasePack(_) => TransactionKind::PurchasePack,
            Self::FreezeWallet => TransactionKind::FreezeWallet,
            Self::UnfreezeWallet => TransactionKind::UnfreezeWallet,
            Self::DeclineTopUp(_) => TransactionKind::DeclineTopUp,
            Self::CloseWallet(_) => TransactionKind::CloseWallet,
            Self::Settle => return None,
        })
    }

    /// What it pays for, if it says so. A capture is for what its hold is for.
    pub fn operation(&self) -> Option<&OperationName> {
        match self {
            Self::Spend(spend) => spend.operation.as_ref(),
            Self::CreateHold(hold) => hold.operation.as_ref(),
            Self::CreateWallet(_)
            | Self::UpdateWallet(_)
            | Self::Grant(_)
            | Self::CarryOver(_)
            | Self::VoidGrant(_)
            | Self::ExpireGrant(_)
            | Self::ChangeGrantExpiry(_)
            | Self::CaptureHold(_)
            | Self::ReleaseHold(_)
            | Self::ExtendHold(..)
            | Self::ReverseSpend(_)
            | Self::RevokeFunding(_)
            | Self::Transfer(_)
            | Self::Receive(_)
            | Self::PurchasePack(_)
            | Self::FreezeWallet
            | Self::UnfreezeWallet
            | Self::DeclineTopUp(_)
            | Self::CloseWallet(_)
            | Self::Settle => None,
        }
    }

    /// How much it is to spend or to hold.
    pub fn charge(&self) -> Option<&Charge> {
        match self {
            Self::Spend(spend) => Some(&spend.amount),
            Self::CreateHold(hold) => Some(&hold.amount),
            Self::CreateWallet(_)
            | Self::UpdateWallet(_)
            | Self::Grant(_)
            | Self::CarryOver(_)
            | Self::VoidGrant(_)
            | Self::ExpireGrant(_)
            | Self::ChangeGrantExpiry(_)
            | Self::CaptureHold(_)
            | Self::ReleaseHold(_)
            | Self::ExtendHold(..)
            | Self::ReverseSpend(_)
            | Self::RevokeFunding(_)
            | Self::Transfer(_)
            | Self::Receive(_)
            | Self::PurchasePack(_)
            | Self::FreezeWallet
            | Self::UnfreezeWallet
            | Self::DeclineTopUp(_)
            | Self::CloseWallet(_)
            | Self::Settle => None,
        }
    }

    /// What it is to grant for a payment.
    pub fn purchase(&self) -> Option<&Purchase> {
        match self {
            Self::PurchasePack(purchase) => Some(purchase),
            Self::CreateWallet(_)
            | Self::UpdateWallet(_)
            | Self::Grant(_)
            | Self::CarryOver(_)
            | Self::Spend(_)
            | Self::VoidGrant(_)
            | Self::ExpireGrant(_)
            | Self::ChangeGrantExpiry(_)
            | Self::CreateHold(_)
            | Self::CaptureHold(_)
            | Self::ReleaseHold(_)
            | Self::ExtendHold(..)
            | Self::ReverseSpend(_)
            | Self::RevokeFunding(_)
            | Self::Transfer(_)
            | Self::Receive(_)
            | Self::FreezeWallet
            | Self::UnfreezeWallet
            | Self::DeclineTopUp(_)
            | Self::CloseWallet(_)
            | Self::Settle => None,
        }
    }

    /// The other wallet of a transfer.
    pub fn counterparty(&self) -> Option<&WalletName> {
        match self {
            Self::Transfer(transfer) => Some(&transfer.to),
            Self::Receive(receive) => Some(&receive.from),
            Self::CreateWallet(_)
            | Self::UpdateWallet(_)
            | Self::Grant(_)
            | Self::CarryOver(_)
            | Self::Spend(_)
            | Self::VoidGrant(_)
            | Self::ExpireGrant(_)
            | Self::ChangeGrantExpiry(_)
            | Self::CreateHold(_)
            | Self::CaptureHold(_)
            | Self::ReleaseHold(_)
            | Self::ExtendHold(..)
            | Self::ReverseSpend(_)
            | Self::RevokeFunding(_)
            | Self::PurchasePack(_)
            | Self::FreezeWallet
            | Self::UnfreezeWallet
            | Self::DeclineTopUp(_)
            | Self::CloseWallet(_)
            | Self::Settle => None,
        }
    }

    /// Whether it draws grants in drawdown order.
    pub fn draws(&self) -> bool {
        match self {
            Self::Spend(_) | Self::CreateHold(_) | Self::Transfer(_) => true,
            Self::CaptureHold(capture) => capture.excess == Excess::Extend,
            Self::CreateWallet(_)
            | Self::UpdateWallet(_)
            | Self::Grant(_)
            | Self::CarryOver(_)
            | Self::VoidGrant(_)
            | Self::ExpireGrant(_)
            | Self::ChangeGrantExpiry(_)
            | Self::ReleaseHold(_)
            | Self::ExtendHold(..)
            | Self::ReverseSpend(_)
            | Self::RevokeFunding(_)
            | Self::Receive(_)
            | Self::PurchasePack(_)
            | Self::FreezeWallet
            | Self::UnfreezeWallet
            | Self::DeclineTopUp(_)
            | Self::CloseWallet(_)
            | Self::Settle => false,
        }
    }

    /// The change of spend limits that it asks for.
    pub fn limit_change(&self) -> Option<&LimitChange> {
        match self {
            Self::UpdateWallet(update) => update.spend_limit.as_ref(),
            Self::CreateWallet(_)
            | Self::Grant(_)
            | Self::CarryOver(_)
            | Self::Spend(_)
            | Self::VoidGrant(_)
            | Self::ExpireGrant(_)
            | Self::CreateHold(_)
            | Self::CaptureHold(_)
            | Self::ReleaseHold(_)
            | Self::ExtendHold(..)
            | Self::ChangeGrantExpiry(_)
            | Self::ReverseSpend(_)
            | Self::RevokeFunding(_)
            | Self::Transfer(_)
            | Self::Receive(_)
            | Self::PurchasePack(_)
            | Self::FreezeWallet
            | Self::UnfreezeWallet
            | Self::DeclineTopUp(_)
            | Self::CloseWallet(_)
            | Self::Settle => None,
        }
    }

    /// The hold that it names.
    pub fn hold_number(&self) -> Option<HoldNumber> {
        match self {
            Self::CaptureHold(capture) => Some(capture.hold),
            Self::ReleaseHold(release) => Some(release.hold),
            Self::ExtendHold(number, _) => Some(*number),
            Self::CreateWallet(_)
            | Self::UpdateWallet(_)
            | Self::Grant(_)
            | Self::CarryOver(_)
            | Self::Spend(_)
            | Self::VoidGrant(_)
            | Self::ExpireGrant(_)
            | Self::ChangeGrantExpiry(_)
            | Self::CreateHold(_)
            | Self::ReverseSpend(_)
            | Self::RevokeFunding(_)
            | Self::Transfer(_)
            | Self::Receive(_)
            | Self::PurchasePack(_)
            | Self::FreezeWallet
            | Self::UnfreezeWallet
            | Self::DeclineTopUp(_)
            | Self::CloseWallet(_)
            | Self::Settle => None,
        }
    }

    /// The grant that it names.
    pub fn grant_number(&self) -> Option<GrantNumber> {
        match self {
            Self::VoidGrant(number) | Self::ExpireGrant(number) => Some(*number),
            Self::ChangeGrantExpiry(change) => Some(change.grant),
            Self::CarryOver(carry) => Some(carry.grant),
            Self::CreateWallet(_)
            | Self::UpdateWallet(_)
            | Self::Grant(_)
            | Self::Spend(_)
            | Self::CreateHold(_)
            | Self::CaptureHold(_)
            | Self::ReleaseHold(_)
            | Self::ExtendHold(..)
            | Self::ReverseSpend(_)
            | Self::RevokeFunding(_)
            | Self::Transfer(_)
            | Self::Receive(_)
            | Self::PurchasePack(_)
            | Self::FreezeWallet
            | Self::UnfreezeWallet
            | Self::DeclineTopUp(_)
            | Self::CloseWallet(_)
            | Self::Settle => None,
        }
    }

    /// The transaction that it reverses.
    pub fn reverses(&self) -> Option<TransactionId> {
        match self {
            Self::ReverseSpend(reverse) => Some(reverse.transaction),
            Self::CreateWallet(_)
            | Self::UpdateWallet(_)
            | Self::Grant(_)
            | Self::CarryOver(_)
            | Self::Spend(_)
            | Self::VoidGrant(_)
            | Self::ExpireGrant(_)
            | Self::ChangeGrantExpiry(_)
            | Self::CreateHold(_)
            | Self::CaptureHold(_)
            | Self::ReleaseHold(_)
            | Self::ExtendHold(..)
            | Self::RevokeFunding(_)
            | Self::Transfer(_)
            | Self::Receive(_)
            | Self::PurchasePack(_)
            | Self::FreezeWallet
            | Self::UnfreezeWallet
            | Self::DeclineTopUp(_)
            | Self::CloseWallet(_)
            | Self::Settle => None,
        }
    }

    /// The funding that it revokes.
    pub fn revokes(&self) -> Option<&FundingRef> {
        match self {
            Self::RevokeFunding(revoke) => Some(&revoke.funding_ref),
            Self::CreateWallet(_)
            | Self::UpdateWallet(_)
            | Self::Grant(_)
            | Self::CarryOver(_)
            | Self::Spend(_)
            | Self::VoidGrant(_)
            | Self::ExpireGrant(_)
            | Self::ChangeGrantExpiry(_)
            | Self::CreateHold(_)
            | Self::CaptureHold(_)
            | Self::ReleaseHold(_)
            | Self::ExtendHold(..)
            | Self::ReverseSpend(_)
            | Self::Transfer(_)
            | Self::Receive(_)
            | Self::PurchasePack(_)
            | Self::FreezeWallet
            | Self::UnfreezeWallet
            | Self::DeclineTopUp(_)
            | Self::CloseWallet(_)
            | Self::Settle => None,
        }
    }

    /// The past instant whose expired grants it may draw.
    pub fn occurred_at(&self) -> Option<Timestamp> {
        match self {
            Self::Spend(spend) => spend.occurred_at,
            Self::CreateWallet(_)
            | Self::UpdateWallet(_)
            | Self::Grant(_)
            | Self::CarryOver(_)
            | Self::VoidGrant(_)
            | Self::ExpireGrant(_)
            | Self::ChangeGrantExpiry(_)
            | Self::CreateHold(_)
            | Self::CaptureHold(_)
            | Self::ReleaseHold(_)
            | Self::ExtendHold(..)
            | Self::ReverseSpend(_)
            | Self::RevokeFunding(_)
            | Self::Transfer(_)
            | Self::Receive(_)
            | Self::PurchasePack(_)
            | Self::FreezeWallet
            | Self::UnfreezeWallet
            | Self::DeclineTopUp(_)
            | Self::CloseWallet(_)
            | Self::Settle => None,
        }
    }
}

/// A command with what every write carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The wallet that it is about.
    pub wallet: WalletName,
    /// What is asked.
    pub command: Command,
    /// What makes it happen once; `None`: it is a further leg of the transaction of the request before it in
    /// its [group](crate::Group).
    pub key: Option<IdempotencyKey>,
    /// What the key stands for.
    pub fingerprint: Fingerprint,
    /// Who asks.
    pub actor: Actor,
    /// Why.
    pub reason: Reason,
    /// The caller's own data.
    pub metadata: Metadata,
    /// Decide and answer, and write nothing.
    pub validate_only: bool,
    /// What its preview answered: do just that, or nothing. Of a further leg it is in the first.
    pub commit_token: Option<CommitToken>,
}

impl Request {
    /// What a sweeper asks: book what is due of a wallet.
    pub fn settle(wallet: WalletName) -> Self {
        let (actor, reason) =
            (Actor::from_stored(String::new()), Reason::from_stored(String::new()));
        let (command, metadata) = (Command::Settle, Metadata::default());
        Self {
            fingerprint: Fingerprint::of(&wallet, &command, &actor, &reason, &metadata),
            wallet,
            command,
            key: None,
            actor,
            reason,
            metadata,
            validate_only: false,
            commit_token: None,
        }
    }

    /// The wallets that it is decided on.
    pub fn wallets(&self) -> impl Iterator<Item = &WalletName> {
        [&self.wallet].into_iter().chain(self.command.counterparty())
    }
}
