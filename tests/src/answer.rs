//! What drivers answer: texts and figures as a caller sees them, the same from both drivers.

use std::collections::BTreeMap;

use purse_domain::{ExpiryChange, Timestamp};

/// The balances of a wallet, as decimal texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holdings {
    /// Available minus debt.
    pub balance: String,
    /// In effective grants, not held.
    pub available: String,
    /// In holds.
    pub held: String,
    /// Owed.
    pub debt: String,
    /// Not effective yet.
    pub scheduled: String,
}

/// One line of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryView {
    /// Its number.
    pub sequence: i64,
    /// What it did, such as `SPENT`.
    pub kind: String,
    /// How much it moved.
    pub amount: String,
    /// The balance before it.
    pub balance_before: String,
    /// The balances after it.
    pub after: Holdings,
    /// When it counts.
    pub effective_at: Timestamp,
    /// When it was written.
    pub recorded_at: Timestamp,
    /// How much of which grant.
    pub allocations: Vec<(i32, String)>,
    /// How much of which entry's debt.
    pub debts: Vec<(i64, String)>,
    /// The entry that it undoes; 0: none.
    pub about: i64,
    /// The account at the other end of a transfer.
    pub counterparty: String,
    /// Of a change of expiry, from when to when.
    pub expiry: Option<ExpiryChange>,
}

/// A grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantView {
    /// Its number.
    pub number: i32,
    /// What it is now, such as `ACTIVE`.
    pub status: String,
    /// What was granted.
    pub amount: String,
    /// Where that is: each part's name and amount, in the order of the design.
    pub parts: Vec<(&'static str, String)>,
    /// When it can be spent first.
    pub effective_at: Timestamp,
    /// When it no longer can.
    pub expires_at: Option<Timestamp>,
    /// When what was left expired.
    pub expired_at: Option<Timestamp>,
    /// What paid for it; empty: nothing was named.
    pub funding_ref: String,
}

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldView {
    /// Its number.
    pub number: i32,
    /// What became of it, such as `OPEN`.
    pub status: String,
    /// What was set aside.
    pub amount: String,
    /// Where that is: each part's name and amount.
    pub parts: Vec<(&'static str, String)>,
    /// The deadline.
    pub expires_at: Timestamp,
}

/// A spend limit, and what is used of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitView {
    /// Its name.
    pub name: String,
    /// The most that may be spent and held.
    pub amount: String,
    /// What was spent in its window; `None`: each has it on their own, and none was named.
    pub spent: Option<String>,
    /// What open holds set aside.
    pub held: Option<String>,
    /// When less is used.
    pub frees_at: Option<Timestamp>,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventView {
    /// Its number.
    pub sequence: i64,
    /// When it counts.
    pub effective_at: Timestamp,
    /// When it was written.
    pub recorded_at: Timestamp,
    /// The entry that it is about; 0: none.
    pub entry: i64,
    /// What happened.
    pub occurrence: OccurrenceView,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OccurrenceView {
    /// The balance crossed something.
    Crossing {
        /// Such as `LOW_BALANCE`.
        kind: &'static str,
        /// The threshold; empty: nothing.
        threshold: String,
        /// The balance before.
        before: String,
        /// The balance after.
        after: String,
    },
    /// More credits are asked for.
    TopUpRequested {
        /// What the answer names.
        reference: String,
        /// How much.
        amount: String,
        /// The balance that it is below.
        threshold: String,
        /// The balance before.
        before: String,
        /// The balance after.
        after: String,
    },
    /// A grant expires soon.
    ExpiringSoon {
        /// Its number.
        grant: i32,
        /// What it has available.
        amount: String,
        /// When that expires.
        expires_at: Timestamp,
        /// The lead, in microseconds.
        lead_micros: i64,
    },
}

/// What an accepted write answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Whether this is an earlier answer again.
    pub replayed: bool,
    /// The transaction; `None` for a preview and where the method answers none.
    pub transaction_id: Option<String>,
    /// The entries that the command made.
    pub entries: Vec<EntryView>,
    /// The balances right after it; `None` where the method answers none.
    pub balances: Option<Holdings>,
    /// The grant that it made.
    pub grant: Option<GrantView>,
    /// The hold after it.
    pub hold: Option<HoldView>,
    /// The wallet that it opened or changed.
    pub wallet: Option<WalletView>,
    /// What it reversed.
    pub slices: Vec<SliceView>,
    /// The grants that another wallet received.
    pub received: Vec<GrantView>,
    /// What makes the preview binding.
    pub commit_token: Option<String>,
}

/// A slice of a reversed spend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceView {
    /// The grant that it came from; 0: it was owed.
    pub grant: i32,
    /// How much.
    pub amount: String,
    /// What became of it, such as `RESTORED`.
    pub outcome: String,
    /// The grant that it is in now, if that is a new one; else 0.
    pub new_grant: i32,
}

/// A wallet's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletView {
    /// The asset's code.
    pub asset: String,
    /// The asset's number of decimal places.
    pub scale: i32,
    /// The order in which grants are drawn, such as `EXPIRY_FIRST`.
    pub policy: String,
    /// How far spends may take the balance below zero.
    pub overdraft_limit: String,
    /// The amounts below which its balance is low.
    pub low_balance_thresholds: Vec<String>,
    /// How long before a grant expires it is announced, in microseconds.
    pub expiring_soon_lead_micros: Vec<i64>,
    /// Whether it was opened just now; `None` where the method does not say.
    pub created: Option<bool>,
    /// The version of these settings.
    pub etag: String,
    /// What may happen to it, such as `FROZEN`.
    pub status: String,
}

/// Why something was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reason of the `ErrorInfo`, such as `INSUFFICIENT_CREDITS`.
    pub reason: String,
    /// Its figures.
    pub metadata: BTreeMap<String, String>,
    /// The fields that are wrong.
    pub fields: Vec<String>,
}

impl Refusal {
    /// A refusal with figures.
    pub fn new(reason: &str, metadata: &[(&str, String)]) -> Self {
        let metadata =
            metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        Self { reason: reason.to_owned(), metadata, fields: Vec::new() }
    }

    /// A field that is wrong.
    pub fn field(field: &str) -> Self {
        Self {
            fields: vec![field.to_owned()],
            ..Self::new("INVALID_FIELD", &[("field", field.to_owned())])
        }
    }
}
