//! Entries, the lines of the ledger, and the transactions that they belong to.

use crate::{
    AccountName, Actor, Amount, Balances, Debt, DebtPart, DrawdownPolicy, ExpiryChange,
    Fingerprint, Grant, GrantNumber, Hold, HoldNumber, IdempotencyKey, Metadata, OperationName,
    Part, Pricing, PurchaseRecord, Reason, Sequence, SignedAmount, Timestamp, TransactionId,
    WalletName, WalletSettings,
};

/// What an entry did. What each kind moves is decided in [`EntryKind::moves`] and [`Balances::book`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// Credits came in.
    Granted,
    /// A scheduled grant became effective.
    Activated,
    /// What a grant had left expired.
    Expired,
    /// A spend drew grants.
    Spent,
    /// What a grant had left was voided.
    Voided,
    /// Late usage took back what a grant had lost to expiry.
    ExpiryReversed,
    /// A grant that became effective, or got credits back, repaid debt.
    Repaid,
    /// Credits were set aside.
    Held,
    /// What was set aside was taken.
    Captured,
    /// What was set aside was given back.
    Released,
    /// What was set aside was given back at the deadline.
    HoldExpired,
    /// A reversal gave back what a spend, or a revocation's debt, had taken, and forgave what the spend still owed.
    Reversed,
    /// The funding of grants was refunded: what was left of them was taken, and the rest is owed.
    Revoked,
    /// Less was refunded after all: debt was forgiven, and credits came back.
    RevocationReversed,
    /// Credits went to another wallet.
    TransferredOut,
    /// Credits came from another wallet.
    TransferredIn,
    /// What a grant has left ends at another instant. It moves nothing; its amount is what that is about.
    ExpiryChanged,
}

/// What an entry does to the debts that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DebtMove {
    /// It owes them: part of its amount.
    Makes,
    /// Its allocations go to them, one for one.
    Repays,
    /// It cancels them: part of its amount.
    Forgives,
}

impl EntryKind {
    /// Whether it makes the grants that it names.
    pub fn makes_grants(self) -> bool {
        match self {
            Self::Granted | Self::TransferredIn => true,
            Self::Activated
            | Self::Expired
            | Self::Spent
            | Self::Voided
            | Self::ExpiryReversed
            | Self::Repaid
            | Self::Held
            | Self::Captured
            | Self::Released
            | Self::HoldExpired
            | Self::Reversed
            | Self::Revoked
            | Self::RevocationReversed
            | Self::TransferredOut
            | Self::ExpiryChanged => false,
        }
    }

    /// From which part of a grant to which other one an entry's share goes; `None`: it stays where it is. What each
    /// kind moves is decided here and nowhere else.
    pub fn moves(self) -> Option<(Part, Part)> {
        use Part::{Available, Consumed, Expired, Held, Revoked, TransferredOut, Voided};
        match self {
            // A change of expiry is of the window, not of a part.
            Self::Granted | Self::TransferredIn | Self::Activated | Self::ExpiryChanged => None,
            Self::Expired => Some((Available, Expired)),
            Self::ExpiryReversed => Some((Expired, Available)),
            Self::Spent | Self::Repaid => Some((Available, Consumed)),
            Self::Reversed => Some((Consumed, Available)),
            Self::Voided => Some((Available, Voided)),
            Self::Held => Some((Available, Held)),
            Self::Captured => Some((Held, Consumed)),
            Self::Released | Self::HoldExpired => Some((Held, Available)),
            Self::Revoked => Some((Available, Revoked)),
            Self::RevocationReversed => Some((Revoked, Available)),
            Self::TransferredOut => Some((Available, TransferredOut)),
        }
    }

    /// Its name, for ever.
    pub fn name(self) -> &'static str {
        match self {
            Self::Granted => "GRANTED",
            Self::Activated => "ACTIVATED",
            Self::Expired => "EXPIRED",
            Self::Spent => "SPENT",
            Self::Voided => "VOIDED",
            Self::ExpiryReversed => "EXPIRY_REVERSED",
            Self::Repaid => "REPAID",
            Self::Held => "HELD",
            Self::Captured => "CAPTURED",
            Self::Released => "RELEASED",
            Self::HoldExpired => "HOLD_EXPIRED",
            Self::Reversed => "REVERSED",
            Self::Revoked => "REVOKED",
            Self::RevocationReversed => "REVOCATION_REVERSED",
            Self::TransferredOut => "TRANSFERRED_OUT",
            Self::TransferredIn => "TRANSFERRED_IN",
            Self::ExpiryChanged => "EXPIRY_CHANGED",
        }
    }

    /// What an entry of this kind does to the debts that it names.
    pub fn debt_move(self) -> DebtMove {
        match self {
            Self::Repaid => DebtMove::Repays,
            Self::Reversed | Self::RevocationReversed => DebtMove::Forgives,
            Self::Granted
            | Self::Activated
            | Self::Expired
            | Self::Spent
            | Self::Voided
            | Self::ExpiryReversed
            | Self::Held
            | Self::Captured
            | Self::Released
            | Self::HoldExpired
            | Self::Revoked
            | Self::TransferredOut
            | Self::TransferredIn
            | Self::ExpiryChanged => DebtMove::Makes,
        }
    }
}

impl EntryKind {
    /// Moves an entry's share of a grant, in the grant and in the wallet's balances. Writing a ledger
    /// ([`Draft::book`](crate::draft::Draft::book)) and reading it back ([`Fold`](crate::Fold)) both do it
    /// by this, so they cannot differ.
    pub(crate) fn book(
        self,
        share: Amount,
        (effective_at, came_back): (Timestamp, bool),
        grant: &mut Grant,
        balances: &mut Balances,
    ) {
        balances.book(self, share, grant.activated);
        grant.book(self, share, effective_at);
        if self == Self::Expired && !came_back {
            grant.lost = grant.lost + share;
        } else if self == Self::ExpiryReversed {
            grant.lost = grant.lost - share;
        }
    }

    /// Moves an entry's share of a debt, likewise; `repaying` is the share of a grant that it came from.
    pub(crate) fn book_debt(
        self,
        share: Amount,
        repaying: Option<Allocation>,
        debt: &mut Debt,
        balances: &mut Balances,
    ) {
        balances.book_debt(self, share);
        debt.book(self, share, repaying);
    }
}

/// How much of which grant an entry took or gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocation {
    /// The grant.
    pub grant: GrantNumber,
    /// How much; greater than zero.
    pub amount: Amount,
}

/// One line of a wallet's ledger, append-only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The entry's number within its wallet.
    pub sequence: Sequence,
    /// What it did.
    pub kind: EntryKind,
    /// How much it moved: the sum of its allocations and the debt that it made or forgave (invariant 3).
    pub amount: Amount,
    /// The balance before it (invariant 2).
    pub balance_before: SignedAmount,
    /// All balances after it.
    pub after: Balances,
    /// The instant at which it counts.
    pub effective_at: Timestamp,
    /// The instant at which it was written.
    pub recorded_at: Timestamp,
    /// How much of which grant, in drawdown order; of a reversal, in the opposite order.
    pub allocations: Vec<Allocation>,
    /// The debt that it made or forgave or, if it repays, that its allocations went to, one for one.
    pub debts: Vec<DebtPart>,
    /// The hold that it is about: of an expiry, the one that its credits came back from.
    pub hold: Option<HoldNumber>,
    /// The entry that this one undoes; of an expiry or a void, the one whose credits had come back; of a revocation,
    /// more or less of it, the one that made the first grant of the funding.
    pub about: Option<Sequence>,
    /// Of a change of expiry, from when to when.
    pub expiry: Option<ExpiryChange>,
}

impl Entry {
    /// Whether its allocations and the debt that it moves sum to its amount, or what repays debt to that debt
    /// (invariant 3).
    pub fn sums_up(&self) -> bool {
        let allocated: Amount = self.allocations.iter().map(|part| part.amount).sum();
        let in_debt: Amount = self.debts.iter().map(|part| part.amount).sum();
        match self.kind.debt_move() {
            DebtMove::Makes | DebtMove::Forgives => allocated + in_debt == self.amount,
            DebtMove::Repays => allocated == self.amount && in_debt == self.amount,
        }
    }
}

/// The command of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionKind {
    /// A wallet was opened.
    CreateWallet,
    /// A wallet's settings changed.
    UpdateWallet,
    /// Credits were granted.
    Grant,
    /// Credits were spent.
    Spend,
    /// A grant was voided.
    VoidGrant,
    /// A grant was expired early.
    ExpireGrant,
    /// A grant got another expiry.
    ChangeGrantExpiry,
    /// Credits were set aside.
    CreateHold,
    /// What was set aside was taken.
    CaptureHold,
    /// What was set aside was given back.
    ReleaseHold,
    /// A hold's deadline was moved.
    ExtendHold,
    /// A spend was reversed, whole or in part.
    ReverseSpend,
    /// Funding was refunded, more or less of it than before.
    RevokeFunding,
    /// Credits were moved to another wallet: a leg in each.
    Transfer,
    /// What a payment bought was granted.
    PurchasePack,
    /// A wallet was frozen.
    FreezeWallet,
    /// A wallet was unfrozen.
    UnfreezeWallet,
    /// A wallet was closed.
    CloseWallet,
}

/// What one accepted command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Its id.
    pub id: TransactionId,
    /// The wallet. One that spans wallets has a leg of this type in each, with one id.
    pub wallet: WalletName,
    /// The command.
    pub kind: TransactionKind,
    /// What makes it happen once; `None`: it is a further leg, and the first one has the key.
    pub key: Option<IdempotencyKey>,
    /// What the key was used for.
    pub fingerprint: Fingerprint,
    /// The account at the other end of a transfer.
    pub counterparty: Option<AccountName>,
    /// What a spend paid for.
    pub operation: Option<OperationName>,
    /// By which price its amount was worked out; `None`: the request gave it, or there is none.
    pub pricing: Option<Pricing>,
    /// What it bought, if it is a purchase.
    pub purchase: Option<PurchaseRecord>,
    /// Who asked.
    pub actor: Actor,
    /// Why.
    pub reason: Reason,
    /// The caller's own data.
    pub metadata: Metadata,
    /// The order by which grants were drawn.
    pub drawdown_policy: DrawdownPolicy,
    /// The version of that order.
    pub policy_version: i16,
    /// The one instant at which the command was decided.
    pub recorded_at: Timestamp,
    /// The entries that the command itself appended; what was merely due before is not among them.
    pub entries: Vec<Entry>,
    /// The wallet's balances right after it.
    pub balances: Balances,
    /// The wallet's last entry right after it.
    pub after_sequence: Sequence,
    /// The wallet's settings after it, if the command was about them.
    pub settings: Option<WalletSettings>,
    /// The grants as they were made, if the command was to make some.
    pub grants: Vec<Grant>,
    /// The hold after it, if the command was about one.
    pub hold: Option<Hold>,
}
