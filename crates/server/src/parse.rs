//! Proto to domain: the step after which nothing can be malformed.
//!
//! Messages are destructured, so a field that is added to a proto breaks the build here until it is read.
//! All violations of a request are answered at once, each with its field's name.

mod catalog;
mod event;
mod explanation;
mod grant;
mod history;
mod hold;
mod pack;
mod report;
mod reversal;
mod rule;
mod spend_limit;
mod subscription;
mod sweep;
mod top_up;
mod transfer;
mod wallet;
mod wallet_status;

pub use catalog::{
    CatalogEdit, Estimate, VersionsQuery, can_afford, delete_operation, estimate_cost,
    get_operation, list_operation_changes, list_operations, set_operation,
};
pub use event::{EventQuery, WatchFrom, list_events, watch_events};
pub use explanation::{ExplainQuery, explain_balance, explain_transaction};
pub use grant::{change_grant_expiry, expire_grant, get_grant, grant, list_grants, void_grant};
pub use history::{get_transaction, list_entries};
pub use hold::{
    MOST_LEGS, capture_hold, create_hold, create_holds, extend_hold, get_hold, list_holds,
    located_in_leg, release_hold,
};
pub use pack::{delete_pack, get_pack, list_pack_changes, list_packs, purchase_pack, set_pack};
pub use report::{cursor as report_cursor, report_cost_basis, report_expiry};
pub use reversal::{reverse_spend, revoke_funding};
pub use rule::{
    About, CYCLE_COUNT, CYCLE_COUNT_OF_RULE, Calculation, calculate_expiry, changes_amounts,
    create_grant_rule, delete_grant_rule, get_grant_rule, list_grant_rule_changes,
    list_grant_rules, rule_cursor, update_expiry_settings, update_grant_rule,
};
pub use spend_limit::{delete_spend_limit, list_spend_limits, set_spend_limit};
pub use subscription::{
    SourcedEvent, failed_place, get_subscription, list_applications, list_failed_applications,
    reconcile_subscription, retry_application, stream_source, subscription_event,
};
pub use sweep::{Sweep, sweep_wallets};
pub use top_up::{decline_top_up, delete_top_up_rule, get_top_ups, set_top_up_rule};
pub use transfer::transfer;
pub use wallet::{
    create_wallet, get_balance, get_timeline, get_wallet, list_wallets, spend, update_wallet,
    verify_wallet,
};

pub use wallet_status::{close_wallet, freeze_wallet, unfreeze_wallet};

use std::{collections::BTreeMap, fmt::Display};

use purse_domain::{
    AccountName, Actor, AssetCode, Charge, Command, CommitToken, Fingerprint, GrantNumber,
    HoldNumber, IdempotencyKey, Metadata, OperationName, Period, PeriodError, PositiveAmount,
    Quantities, Reason, Request, RuleId, Scale, Timestamp, TransactionId, WalletName,
};
use tonic::Status;
use uuid::Uuid;

use crate::{
    auth::Caller,
    page,
    status::{self, Violation},
    terms::Terms,
};

/// Gathers what is wrong with a request while it is parsed.
#[derive(Debug, Default)]
pub struct Fields {
    violations: Vec<Violation>,
}

impl Fields {
    /// The parsed field, or a note of what is wrong with it.
    fn check<T, E: Display>(&mut self, field: &'static str, parsed: Result<T, E>) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(problem) => {
                self.note(field, problem.to_string());
                None
            }
        }
    }

    /// A field that may be absent: `Some(None)` if it is.
    #[expect(clippy::option_option, reason = "wrong, absent and present are three cases")]
    fn check_optional<T, E: Display>(
        &mut self,
        field: &'static str,
        parsed: Option<Result<T, E>>,
    ) -> Option<Option<T>> {
        match parsed {
            None => Some(None),
            Some(parsed) => self.check(field, parsed).map(Some),
        }
    }

    fn take<T>(&mut self, parsed: Result<T, Violation>) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(violation) => {
                self.violations.push(violation);
                None
            }
        }
    }

    fn note(&mut self, field: &'static str, problem: impl Into<String>) {
        self.violations.push(Violation { field, problem: problem.into() });
    }

    /// `value` if all fields were right. Each part of it that is missing has been noted.
    fn finish<T>(self, value: Option<T>) -> Result<T, Status> {
        match value {
            Some(value) if self.violations.is_empty() => Ok(value),
            Some(_) | None => Err(status::invalid_fields(&self.violations)),
        }
    }

    fn wallet(&mut self, caller: &Caller, account: &str, asset: &str) -> Option<WalletName> {
        let account = self.check("account", AccountName::parse(account));
        let asset = self.check("asset", AssetCode::parse(asset));
        Some(WalletName::new(caller.namespace_id, account?, asset?))
    }

    #[expect(clippy::option_option, reason = "wrong, absent and present are three cases")]
    fn instant(
        &mut self,
        field: &'static str,
        instant: Option<prost_types::Timestamp>,
    ) -> Option<Option<Timestamp>> {
        self.check_optional(
            field,
            instant.map(|instant| Timestamp::from_parts(instant.seconds, instant.nanos)),
        )
    }

    /// An amount in an asset of that scale; `None`: there is no such asset, and any scale will do.
    fn amount(&mut self, amount: &str, scale: Option<Scale>) -> Option<PositiveAmount> {
        self.check("amount", PositiveAmount::parse(amount, scale.unwrap_or(Scale::MAX)))
    }

    /// An amount or, if that is absent, what the price of the operation makes of quantities.
    fn charge(
        &mut self,
        amount: &str,
        quantities: &BTreeMap<String, String>,
        operation: Option<&Option<OperationName>>,
        terms: &Terms,
    ) -> Option<Charge> {
        if !amount.is_empty() {
            if !quantities.is_empty() {
                self.note("quantities", "does not go with amount");
            }
            return self.amount(amount, terms.scale).map(Charge::Amount);
        }
        let given = self.check("quantities", Quantities::parse(quantities));
        let Some(operation) = operation? else {
            if quantities.is_empty() {
                self.note("amount", "is missing");
            } else {
                self.note("operation", "is missing: its price is needed for quantities");
            }
            return None;
        };
        let price = terms.operation.as_deref();
        let price = price.and_then(|item| Some((item.definition.as_ref()?, item.version)));
        Some(Charge::priced(operation, price, given?, terms.scale.unwrap_or(Scale::MAX)))
    }

    /// An amount that may be absent.
    #[expect(clippy::option_option, reason = "wrong, absent and present are three cases")]
    fn optional_amount(
        &mut self,
        amount: &str,
        scale: Option<Scale>,
    ) -> Option<Option<PositiveAmount>> {
        if amount.is_empty() { Some(None) } else { self.amount(amount, scale).map(Some) }
    }

    #[expect(clippy::option_option, reason = "wrong, absent and present are three cases")]
    fn operation(&mut self, operation: &str) -> Option<Option<OperationName>> {
        let operation = (!operation.is_empty()).then(|| OperationName::parse(operation));
        self.check_optional("operation", operation)
    }

    fn required_instant(
        &mut self,
        field: &'static str,
        instant: Option<prost_types::Timestamp>,
    ) -> Option<Timestamp> {
        if instant.is_none() {
            self.note(field, "is missing");
        }
        self.instant(field, instant).flatten()
    }

    fn transaction_id(&mut self, id: &str) -> Option<TransactionId> {
        if id.is_empty() {
            self.note("transaction_id", "is missing");
            return None;
        }
        let parsed = Uuid::parse_str(id).map_err(|_| "is no UUID");
        self.check("transaction_id", parsed).map(TransactionId::from_uuid)
    }

    fn rule_id(&mut self, id: &str) -> Option<RuleId> {
        if id.is_empty() {
            self.note("rule_id", "is missing");
            return None;
        }
        let parsed = Uuid::parse_str(id).map_err(|_| "is no UUID");
        self.check("rule_id", parsed).map(RuleId::from_uuid)
    }

    /// The most of something to answer: `default` if it is 0, and never more than `most`.
    fn most(
        &mut self,
        field: &'static str,
        asked: i32,
        default: usize,
        most: usize,
    ) -> Option<usize> {
        match usize::try_from(asked) {
            Ok(0) => Some(default),
            Ok(asked) => Some(asked.min(most)),
            Err(_) => {
                self.note(field, "must not be negative");
                None
            }
        }
    }

    /// The version that the settings must have; empty: any.
    #[expect(clippy::option_option, reason = "wrong, absent and present are three cases")]
    fn etag(&mut self, etag: &str) -> Option<Option<i64>> {
        let version = (!etag.is_empty()).then(|| etag.parse());
        self.check_optional(
            "etag",
            version.map(|version| version.map_err(|_| "is not one that this service gave")),
        )
    }

    fn hold_number(&mut self, number: i32) -> Option<HoldNumber> {
        if number > 0 {
            return Some(HoldNumber(number));
        }
        self.note("hold_number", "must be greater than zero");
        None
    }

    /// The number that a page begins after; 0 without a token.
    fn after(&mut self, query: &page::Query, token: &str) -> Option<i32> {
        match self.take(query.cursor(token))? {
            None => Some(0),
            Some(cursor) => self.check(
                "page_token",
                cursor.parse().map_err(|_| "is not a token that this service gave"),
            ),
        }
    }

    fn grant_number(&mut self, number: i32) -> Option<GrantNumber> {
        if number > 0 {
            return Some(GrantNumber(number));
        }
        self.note("grant_number", "must be greater than zero");
        None
    }
}

/// A duration in microseconds; what is finer is cut off, and one that is too long is as long as can be.
fn micros(duration: prost_types::Duration) -> i64 {
    let prost_types::Duration { seconds, nanos } = duration;
    seconds.saturating_mul(1_000_000).saturating_add(i64::from(nanos / 1_000))
}

/// A length of time; what is finer than a microsecond is cut off.
fn period(duration: prost_types::Duration) -> Result<Period, PeriodError> {
    Period::from_micros(micros(duration))
}

/// What every write carries, as it came.
struct Write {
    idempotency_key: String,
    actor: String,
    reason: String,
    metadata: BTreeMap<String, String>,
    validate_only: bool,
    commit_token: String,
}

impl Write {
    /// The request, if there is such an asset. That comes after all violations: a malformed request is
    /// malformed whatever exists.
    fn request_in(
        self,
        (asset, scale): (&str, Option<Scale>),
        fields: Fields,
        caller: &Caller,
        wallet: Option<WalletName>,
        command: Option<Command>,
    ) -> Result<Request, Status> {
        let request = self.request(fields, caller, wallet, command)?;
        match scale {
            Some(_) => Ok(request),
            None => Err(status::asset_not_found(&asset.trim().to_lowercase())),
        }
    }

    /// The request, once its wallet and command are parsed too.
    fn request(
        self,
        mut fields: Fields,
        caller: &Caller,
        wallet: Option<WalletName>,
        command: Option<Command>,
    ) -> Result<Request, Status> {
        let Self { idempotency_key, actor, reason, metadata, validate_only, commit_token } = self;
        let key = fields.check("idempotency_key", IdempotencyKey::parse(&idempotency_key));
        let asked = fields.check("actor", Actor::parse(&actor));
        let reason = fields.check("reason", Reason::parse(&reason));
        let metadata = fields.check("metadata", Metadata::parse(metadata));
        let token = (!commit_token.is_empty()).then(|| CommitToken::parse(&commit_token));
        let token = fields.check_optional("commit_token", token);
        let parts = (|| Some((wallet?, command?, key?, asked?, reason?, metadata?, token?)))();
        let (wallet, command, key, asked, reason, metadata, commit_token) = fields.finish(parts)?;
        let fingerprint = Fingerprint::of(&wallet, &command, &asked, &reason, &metadata);
        let actor = if asked.as_str().is_empty() { caller.name.clone() } else { asked };
        let key = Some(key);
        Ok(Request {
            wallet,
            command,
            key,
            fingerprint,
            actor,
            reason,
            metadata,
            validate_only,
            commit_token,
        })
    }
}
