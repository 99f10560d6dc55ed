//! The steps of a scenario.
//!
//! A step is a table. One of its keys says what it does (`grant`, `spend`, `time`, …); without any of
//! these it looks at the wallet (`balance`, `entries`, `grants`). Keys that a step does not know are errors.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de};
use toml::{Table, Value};

use crate::{
    billing::{ApplicationsStep, EventStep, RuleStep},
    expiry::CalculateStep,
    instant::{Instant, Span},
};

/// One step.
#[derive(Debug)]
pub enum Step {
    /// Set the clock.
    Time(TimeStep),
    /// Move the clock.
    Advance(AdvanceStep),
    /// Write, and check the answer.
    Write(Box<WriteStep>),
    /// Ask for balances.
    Balance(BalanceStep),
    /// Ask for the ledger.
    Entries(EntriesStep),
    /// Ask for the grants.
    Grants(GrantsStep),
    /// Ask for the holds.
    Holds(HoldsStep),
    /// Ask for the spend limits.
    Limits(LimitsStep),
    /// Ask for the events.
    Events(EventsStep),
    /// Make a rule.
    Rule(Box<RuleStep>),
    /// Ask the expiry calculator.
    Calculate(Box<CalculateStep>),
    /// Tell an event of a subscription.
    Event(Box<EventStep>),
    /// Ask what rules grant.
    Applications(ApplicationsStep),
    /// Book what is due, as a sweeper does.
    Sweep(SweepStep),
    /// Give an operation a price.
    Price(PriceStep),
    /// Take an operation's price away.
    Unprice(UnpriceStep),
    /// Ask what an operation costs.
    Estimate(EstimateStep),
    /// Offer a pack.
    Pack(PackStep),
    /// Offer a pack no more.
    Withdraw(WithdrawStep),
}

/// `{ pack = "starter", credits = "1000", price = "49 USD", bonus = ["10% from 1"] }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackStep {
    /// Its name.
    pub pack: String,
    /// What is sold, if not the file's asset.
    pub asset: Option<String>,
    /// The credits of one.
    pub credits: String,
    /// What one costs, with its currency.
    pub price: Option<String>,
    /// For how long credits bought can be spent.
    pub valid_for: Option<Span>,
    /// What is given besides: `10% from 2`, `25 from 300 credits`.
    #[serde(default)]
    pub bonus: Vec<String>,
    /// For how long that can be spent.
    pub bonus_valid_for: Option<Span>,
    /// The reason of the refusal.
    pub error: Option<String>,
    /// The field that is wrong.
    pub field: Option<String>,
}

/// `{ withdraw = "starter" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WithdrawStep {
    /// The pack.
    pub withdraw: String,
    /// What is sold, if not the file's asset.
    pub asset: Option<String>,
    /// The reason of the refusal.
    pub error: Option<String>,
}

/// `{ top_up = "500", below = "100", most = 2, per = "DAY" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopUpAction {
    /// How much is asked for.
    pub top_up: String,
    /// The balance below which.
    pub below: String,
    /// How often within the window.
    pub most: i32,
    /// The length of a rolling window.
    pub rolling: Option<Span>,
    /// The unit of a calendar window, such as `DAY`.
    #[serde(default)]
    pub per: String,
}

/// `{ no_top_up = true }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoTopUpAction {
    /// That it is so.
    pub no_top_up: bool,
}

/// `{ decline_top_up = "top-up:credits:1" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclineTopUpAction {
    /// The reference of the request.
    pub decline_top_up: String,
}

/// `{ purchase = "starter", payment = "pay_1", received = ["1000 from 2026-01-01"] }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PurchaseAction {
    /// The pack.
    pub purchase: String,
    /// What paid for it.
    pub payment: String,
    /// How many.
    #[serde(default)]
    pub quantity: i64,
    /// The grants that must be made.
    pub received: Option<Vec<String>>,
}

/// `{ price = "upload", parts = ["10", "1 per megabytes"], step = "1" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceStep {
    /// The operation.
    pub price: String,
    /// What it is paid with, if not with the file's asset.
    pub asset: Option<String>,
    /// What it costs: `10`, `1 per megabytes` or `2 per megabytes UP to 1`.
    pub parts: Vec<String>,
    /// How the sum is rounded.
    #[serde(default)]
    pub rounding: String,
    /// To a multiple of what.
    #[serde(default)]
    pub step: String,
    /// No use costs less.
    #[serde(default)]
    pub minimum: String,
    /// No use costs more.
    #[serde(default)]
    pub maximum: String,
    /// The reason of the refusal.
    pub error: Option<String>,
    /// The field that is wrong.
    pub field: Option<String>,
}

/// `{ unprice = "upload" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnpriceStep {
    /// The operation.
    pub unprice: String,
    /// What it is paid with, if not with the file's asset.
    pub asset: Option<String>,
    /// The reason of the refusal.
    pub error: Option<String>,
}

/// `{ estimate = "upload", quantities = { megabytes = "5.2" }, cost = "16" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EstimateStep {
    /// The operation.
    pub estimate: String,
    /// What it is paid with, if not with the file's asset.
    pub asset: Option<String>,
    /// What it is priced by.
    #[serde(default)]
    pub quantities: BTreeMap<String, String>,
    /// What that costs.
    pub cost: Option<String>,
    /// The reason of the refusal.
    pub error: Option<String>,
    /// The field that is wrong.
    pub field: Option<String>,
}

/// `{ time = "2026-01-03" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeStep {
    /// What the clock shows from now on; never earlier than before.
    pub time: Instant,
}

/// `{ advance = "6h" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdvanceStep {
    /// How far the clock moves.
    pub advance: Span,
}

/// A write with what it must answer.
#[derive(Debug)]
pub struct WriteStep {
    /// What is asked.
    pub action: Action,
    /// What every write has.
    pub common: Common,
}

/// What a write asks for.
#[derive(Debug)]
pub enum Action {
    /// Open a wallet.
    Create(CreateAction),
    /// Change a wallet's settings.
    Update(UpdateAction),
    /// Put credits in.
    Grant(GrantAction),
    /// Take credits.
    Spend(SpendAction),
    /// Void a grant.
    Void(VoidAction),
    /// Expire a grant.
    Expire(ExpireAction),
    /// Set credits aside.
    Hold(HoldAction),
    /// Take what is held.
    Capture(CaptureAction),
    /// Give back what is held.
    Release(ReleaseAction),
    /// Move a hold's deadline.
    Extend(ExtendAction),
    /// Reverse a spend.
    Reverse(ReverseAction),
    /// Set a spend limit.
    Limit(LimitAction),
    /// Remove a spend limit.
    Unlimit(UnlimitAction),
    /// Revoke a funding.
    Revoke(RevokeAction),
    /// Move credits to another wallet.
    Transfer(TransferAction),
    /// Freeze, unfreeze or close the wallet.
    Status(StatusAction),
    /// Let a grant end at another instant.
    ChangeExpiry(ChangeExpiryAction),
    /// Grant what a payment bought.
    Purchase(PurchaseAction),
    /// Set a rule for top-ups.
    TopUp(TopUpAction),
    /// Remove it.
    NoTopUp(NoTopUpAction),
    /// Decline a top-up.
    DeclineTopUp(DeclineTopUpAction),
}

/// The keys that every write may have: how it is asked for, and what it must answer.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Common {
    /// Another account than the file's own; the file's name is put before it.
    pub account: Option<String>,
    /// Another asset.
    pub asset: Option<String>,
    /// The idempotency key; absent: one of its own.
    pub key: Option<String>,
    /// Who asks.
    #[serde(default)]
    pub actor: String,
    /// Only decide.
    #[serde(default)]
    pub validate_only: bool,
    /// The key of a preview whose token it brings, or a token.
    pub commit: Option<String>,
    /// The reason of the refusal; absent: it is accepted.
    pub error: Option<String>,
    /// Figures of the refusal.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// The field that is wrong.
    pub field: Option<String>,
    /// Whether it is the first answer again.
    #[serde(default)]
    pub replayed: bool,
    /// The balance after it.
    pub balance: Option<String>,
    /// How much of which grant its last entry moved: `["2: 50", "1: 10"]`.
    pub allocations: Option<Vec<String>>,
}

impl Common {
    const KEYS: [&'static str; 12] = [
        "account",
        "asset",
        "key",
        "actor",
        "validate_only",
        "commit",
        "error",
        "metadata",
        "field",
        "replayed",
        "balance",
        "allocations",
    ];
}

/// `{ create = " ORE " }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateAction {
    /// The asset as it is asked for.
    pub create: String,
    /// The number of decimal places to ask for.
    pub scale: Option<i32>,
    /// The order to ask for.
    #[serde(default)]
    pub policy: String,
    /// The overdraft limit to ask for.
    #[serde(default)]
    pub overdraft_limit: String,
    /// The amounts below which its balance is low.
    pub low_balance_thresholds: Option<Vec<String>>,
    /// How long before a grant expires it is announced.
    pub expiring_soon_leads: Option<Vec<Span>>,
    /// The asset's code that must be answered.
    pub code: Option<String>,
    /// The scale that must be answered.
    pub has_scale: Option<i32>,
    /// Whether it was opened just now.
    pub created: Option<bool>,
}

/// `{ update = "OLDEST_FIRST" }`, `{ update = "", overdraft_limit = "100" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateAction {
    /// The order to choose; empty: the one there is.
    pub update: String,
    /// The overdraft limit to choose; empty: the one there is.
    #[serde(default)]
    pub overdraft_limit: String,
    /// The amounts below which its balance is low; absent: those that there are.
    pub low_balance_thresholds: Option<Vec<String>>,
    /// How long before a grant expires it is announced; absent: as it is.
    pub expiring_soon_leads: Option<Vec<Span>>,
    /// Only if the settings are still the first, second, … that this file saw.
    pub if_version: Option<usize>,
}

/// `{ grant = "50", expires_at = "2026-01-03" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantAction {
    /// How much.
    pub grant: String,
    /// From when.
    pub effective_at: Option<Instant>,
    /// Until when.
    pub expires_at: Option<Instant>,
    /// Lower is drawn first.
    pub priority: Option<i32>,
    /// What kind of credits.
    #[serde(default)]
    pub category: String,
    /// What one credit cost.
    #[serde(default)]
    pub cost_basis: String,
    /// The only operations that may draw it.
    #[serde(default)]
    pub applies_to: Vec<String>,
    /// What paid for it.
    #[serde(default)]
    pub funding_ref: String,
    /// The number that it must get.
    pub number: Option<i32>,
}

/// `{ spend = "60", allocations = ["2: 50", "1: 10"] }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpendAction {
    /// How much.
    pub spend: String,
    /// What it pays for.
    #[serde(default)]
    pub operation: String,
    /// When the usage happened.
    pub occurred_at: Option<Instant>,
    /// What the operation is priced by, instead of an amount.
    #[serde(default)]
    pub quantities: BTreeMap<String, String>,
}

/// `{ void = 1 }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoidAction {
    /// The grant's number.
    pub void: i32,
}

/// `{ expire = 1 }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpireAction {
    /// The grant's number.
    pub expire: i32,
}

/// `{ hold = "60", until = "2026-01-03" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldAction {
    /// How much.
    pub hold: String,
    /// The deadline.
    pub until: Instant,
    /// What it is for.
    #[serde(default)]
    pub operation: String,
    /// The number that it must get.
    pub number: Option<i32>,
    /// What the operation is priced by, instead of an amount.
    #[serde(default)]
    pub quantities: BTreeMap<String, String>,
}

/// `{ capture = "25", of = 1, excess = "CAP", final = true }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptureAction {
    /// How much.
    pub capture: String,
    /// The hold's number.
    pub of: i32,
    /// What to do if that is too much, such as `EXTEND`.
    #[serde(default)]
    pub excess: String,
    /// Give back the rest.
    #[serde(default)]
    pub r#final: bool,
}

/// `{ release = 1, amount = "10" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseAction {
    /// The hold's number.
    pub release: i32,
    /// How much; absent: all.
    #[serde(default)]
    pub amount: String,
}

/// `{ extend = 1, until = "2026-01-04" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtendAction {
    /// The hold's number.
    pub extend: i32,
    /// The new deadline.
    pub until: Instant,
}

/// `{ holds = ["1 OPEN 60 until 2026-01-03: held 60"] }`: all holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldsStep {
    /// Another account than the file's own.
    pub account: Option<String>,
    /// Another asset.
    pub asset: Option<String>,
    /// The lines, by number.
    pub holds: Vec<String>,
}

/// `{ events = ["2026-01-02 DEPLETED: 75 -> 0 by 2"] }`: all events.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsStep {
    /// Another account than the file's own.
    pub account: Option<String>,
    /// Another asset.
    pub asset: Option<String>,
    /// The lines, by number.
    pub events: Vec<String>,
}

/// `{ reverse = "spend", amount = "30", slices = ["1: 30 RESTORED"] }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReverseAction {
    /// The key of the spend, or a transaction.
    pub reverse: String,
    /// How much; absent: all that is left.
    #[serde(default)]
    pub amount: String,
    /// What becomes of credits whose grant has ended.
    #[serde(default)]
    pub expired_policy: String,
    /// The life of new grants.
    pub grace: Option<Span>,
    /// What was reversed, and what became of it.
    pub slices: Option<Vec<String>>,
}

/// `{ limit = "daily", amount = "100", per = "DAY", zone = "Europe/Berlin", by = "ann" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitAction {
    /// Its name.
    pub limit: String,
    /// The most that may be spent and held.
    pub amount: String,
    /// Only what this actor asks for.
    #[serde(default)]
    pub by: String,
    /// Each actor on their own.
    #[serde(default)]
    pub each_actor: bool,
    /// Only what pays for this operation.
    #[serde(default)]
    pub operation: String,
    /// Each operation on its own.
    #[serde(default)]
    pub each_operation: bool,
    /// The length of a rolling window.
    pub rolling: Option<Span>,
    /// The unit of a calendar window, such as `DAY`.
    #[serde(default)]
    pub per: String,
    /// The time zone of a calendar window; absent: UTC.
    #[serde(default)]
    pub zone: String,
}

/// `{ unlimit = "daily" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnlimitAction {
    /// The limit's name.
    pub unlimit: String,
}

/// `{ limits = ["daily 100: spent 60, frees 2026-01-02"] }`: all spend limits.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsStep {
    /// Another account than the file's own.
    pub account: Option<String>,
    /// Another asset.
    pub asset: Option<String>,
    /// Whose usage, of limits that each actor has.
    #[serde(default)]
    pub by: String,
    /// Which usage, of limits that each operation has.
    #[serde(default)]
    pub operation: String,
    /// The lines, by name.
    pub limits: Vec<String>,
}

/// `{ change_expiry = 1, expires_at = "2026-02-01" }`, `{ change_expiry = 1, never = true }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeExpiryAction {
    /// The grant's number.
    pub change_expiry: i32,
    /// When it ends.
    pub expires_at: Option<Instant>,
    /// It does not.
    #[serde(default)]
    pub never: bool,
}

/// `{ revoke = "ch_1", cumulative = "250" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeAction {
    /// The funding.
    pub revoke: String,
    /// How much has been refunded in all.
    pub cumulative: String,
}

/// `{ status = "FROZEN" }`, `{ status = "ACTIVE" }`, `{ status = "CLOSED", rest = "VOID" }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusAction {
    /// What it becomes.
    pub status: String,
    /// What becomes of what is left, if it is closed.
    #[serde(default)]
    pub rest: String,
}

/// `{ transfer = "250", to = "shop", received = ["250 from 2026-01-01"] }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferAction {
    /// How much.
    pub transfer: String,
    /// The other account; the file's name is put before it.
    pub to: String,
    /// The other asset; absent: the same.
    pub to_asset: Option<String>,
    /// When the credits expire there.
    #[serde(default)]
    pub expiration_policy: String,
    /// That instant.
    pub expires_at: Option<Instant>,
    /// The grants that the other wallet must get.
    pub received: Option<Vec<String>>,
}

/// `{ balance = "90", scheduled = "1000", at = "2026-01-03", known_at = "2026-01-02" }`: any of these figures.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalanceStep {
    /// Another account than the file's own.
    pub account: Option<String>,
    /// Another asset.
    pub asset: Option<String>,
    /// The instant, past or future; absent: `known_at` or, without that, now.
    pub at: Option<Instant>,
    /// The instant as of whose knowledge; absent: now.
    pub known_at: Option<Instant>,
    /// Available minus debt.
    pub balance: Option<String>,
    /// In effective grants, not held.
    pub available: Option<String>,
    /// In holds.
    pub held: Option<String>,
    /// Owed.
    pub debt: Option<String>,
    /// Not effective yet.
    pub scheduled: Option<String>,
    /// The reason of the refusal.
    pub error: Option<String>,
}

/// `{ entries = ["2026-01-01 GRANTED 100: 0 -> 100 (1: 100)"] }`: the whole ledger.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntriesStep {
    /// Another account than the file's own.
    pub account: Option<String>,
    /// Another asset.
    pub asset: Option<String>,
    /// The lines, oldest first.
    pub entries: Vec<String>,
}

/// `{ grants = ["1 ACTIVE 100: available 40, consumed 60"] }`: all grants.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantsStep {
    /// Another account than the file's own.
    pub account: Option<String>,
    /// Another asset.
    pub asset: Option<String>,
    /// The lines, by number.
    pub grants: Vec<String>,
}

/// `{ sweep = 2 }`: that many entries are booked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepStep {
    /// Another account than the file's own.
    pub account: Option<String>,
    /// Another asset.
    pub asset: Option<String>,
    /// How many entries time alone has made since the last write.
    pub sweep: i64,
}

/// The keys that say what a step does. Without one it asks for balances; `balance` is not among them because
/// it is also what a write must answer.
const ACTIONS: &[&str] = &[
    "rule",
    "calculate",
    "event",
    "applications",
    "time",
    "advance",
    "create",
    "update",
    "grant",
    "spend",
    "void",
    "expire",
    "hold",
    "capture",
    "release",
    "extend",
    "reverse",
    "revoke",
    "transfer",
    "status",
    "change_expiry",
    "limit",
    "unlimit",
    "entries",
    "grants",
    "holds",
    "limits",
    "events",
    // A pack has a price.
    "pack",
    "price",
    "unprice",
    "estimate",
    "withdraw",
    "purchase",
    "sweep",
    "top_up",
    "no_top_up",
    "decline_top_up",
];

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = Table::deserialize(deserializer)?;
        Self::of(table).map_err(|error| de::Error::custom(error.message()))
    }
}

impl Step {
    fn of(mut table: Table) -> Result<Self, toml::de::Error> {
        let action =
            ACTIONS.iter().copied().find(|key| table.contains_key(*key)).unwrap_or_default();
        let action = match action {
            "time" => return into(table).map(Self::Time),
            "rule" => return into(table).map(|step| Self::Rule(Box::new(step))),
            "calculate" => return into(table).map(|step| Self::Calculate(Box::new(step))),
            "event" => return into(table).map(|step| Self::Event(Box::new(step))),
            "applications" => return into(table).map(Self::Applications),
            "advance" => return into(table).map(Self::Advance),
            "entries" => return into(table).map(Self::Entries),
            "grants" => return into(table).map(Self::Grants),
            "holds" => return into(table).map(Self::Holds),
            "limits" => return into(table).map(Self::Limits),
            "events" => return into(table).map(Self::Events),
            "price" => return into(table).map(Self::Price),
            "unprice" => return into(table).map(Self::Unprice),
            "estimate" => return into(table).map(Self::Estimate),
            "pack" => return into(table).map(Self::Pack),
            "withdraw" => return into(table).map(Self::Withdraw),
            "sweep" => return into(table).map(Self::Sweep),
            "create" | "update" | "grant" | "spend" | "void" | "expire" | "hold" | "capture"
            | "release" | "extend" | "reverse" | "revoke" | "transfer" | "status"
            | "change_expiry" | "limit" | "unlimit" | "purchase" | "top_up" | "no_top_up"
            | "decline_top_up" => action,
            _ => return into(table).map(Self::Balance),
        };
        let common =
            Common::KEYS.into_iter().filter_map(|key| table.remove_entry(key)).collect::<Table>();
        let common = into(common)?;
        let action = match action {
            "create" => Action::Create(into(table)?),
            "update" => Action::Update(into(table)?),
            "grant" => Action::Grant(into(table)?),
            "spend" => Action::Spend(into(table)?),
            "void" => Action::Void(into(table)?),
            "hold" => Action::Hold(into(table)?),
            "capture" => Action::Capture(into(table)?),
            "release" => Action::Release(into(table)?),
            "extend" => Action::Extend(into(table)?),
            "reverse" => Action::Reverse(into(table)?),
            "revoke" => Action::Revoke(into(table)?),
            "transfer" => Action::Transfer(into(table)?),
            "status" => Action::Status(into(table)?),
            "change_expiry" => Action::ChangeExpiry(into(table)?),
            "limit" => Action::Limit(into(table)?),
            "unlimit" => Action::Unlimit(into(table)?),
            "purchase" => Action::Purchase(into(table)?),
            "top_up" => Action::TopUp(into(table)?),
            "no_top_up" => Action::NoTopUp(into(table)?),
            "decline_top_up" => Action::DeclineTopUp(into(table)?),
            _ => Action::Expire(into(table)?),
        };
        Ok(Self::Write(Box::new(WriteStep { action, common })))
    }
}

fn into<T: de::DeserializeOwned>(table: Table) -> Result<T, toml::de::Error> {
    Value::Table(table).try_into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(text: &str) -> Result<Step, toml::de::Error> {
        Step::of(toml::from_str(text).unwrap())
    }

    #[test]
    fn the_balance_of_a_write_is_its_answer_and_alone_it_is_a_question() {
        assert!(matches!(step("spend = \"1\"\nbalance = \"9\""), Ok(Step::Write(_))));
        assert!(matches!(step("balance = \"9\""), Ok(Step::Balance(_))));
        assert!(matches!(step("scheduled = \"9\""), Ok(Step::Balance(_))));
    }

    #[test]
    fn a_key_that_a_step_does_not_know_is_an_error() {
        assert!(step("spend = \"1\"\nexpires_at = \"2026-01-03\"").is_err());
        assert!(step("grant = \"1\"\nspend = \"1\"").is_err());
        assert!(step("balanse = \"9\"").is_err());
        assert!(step("time = \"2026-01-03\"\nbalance = \"9\"").is_err());
    }
}
