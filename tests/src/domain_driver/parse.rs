//! From what a scenario asks to a domain request, or the field that is wrong.

use purse_domain::{
    AccountName, Actor, Amount, AssetCode, CalendarUnit, CaptureHold, Category, Command, CostBasis,
    CreateHold, CreateWallet, DrawdownPolicy, Excess, ExpiredPolicy, Fingerprint, GracePeriod,
    GrantNumber, HoldNumber, IdempotencyKey, LimitChange, LimitName, LimitWindow, Metadata,
    NamespaceId, NewGrant, OperationName, PositiveAmount, Priority, Reason, ReleaseHold, Request,
    ReverseSpend, RollingSpan, Scale, Share, Spend, SpendLimit, TimeZone, TransactionId,
    UpdateWallet, WalletName,
};
use uuid::Uuid;

use crate::{
    answer::Refusal,
    driver::{Change, Limit, WalletRef, Write},
};

/// The wallet that is named.
pub(super) fn wallet_name(
    namespace_id: NamespaceId,
    wallet: &WalletRef,
) -> Result<WalletName, Refusal> {
    let account = AccountName::parse(&wallet.account).map_err(|_| Refusal::field("account"))?;
    let asset = AssetCode::parse(&wallet.asset).map_err(|_| Refusal::field("asset"))?;
    Ok(WalletName::new(namespace_id, account, asset))
}

/// The request that is asked for. Amounts need the asset's scale; `None`: there is no such asset.
pub(super) fn request(
    write: &Write,
    wallet: WalletName,
    scale: Option<Scale>,
) -> Result<Request, Refusal> {
    let command = command(&write.change, scale.unwrap_or(Scale::MAX))?;
    let key = IdempotencyKey::parse(&write.key).map_err(|_| Refusal::field("idempotency_key"))?;
    let has_amount =
        matches!(command, Command::Grant(_) | Command::Spend(_) | Command::ReverseSpend(_))
            || matches!(command.limit_change(), Some(LimitChange::Set(_)));
    if scale.is_none() && has_amount {
        return Err(Refusal::new("ASSET_NOT_FOUND", &[("asset", wallet.asset.to_string())]));
    }
    let actor = Actor::parse(&write.actor).map_err(|_| Refusal::field("actor"))?;
    let reason = Reason::from_stored(String::new());
    let metadata = Metadata::default();
    let fingerprint = Fingerprint::of(&wallet, &command, &actor, &reason, &metadata);
    let validate_only = write.validate_only;
    Ok(Request { wallet, command, key, fingerprint, actor, reason, metadata, validate_only })
}

fn command(change: &Change, scale: Scale) -> Result<Command, Refusal> {
    let amount =
        |text: &str| PositiveAmount::parse(text, scale).map_err(|_| Refusal::field("amount"));
    match change {
        Change::Create { scale, policy, overdraft_limit } => {
            let places = |places| Scale::new(places).ok_or_else(|| Refusal::field("scale"));
            Ok(Command::CreateWallet(CreateWallet {
                requested_scale: scale.map(places).transpose()?,
                asset_scale: None,
                drawdown_policy: drawdown_policy("drawdown_policy", policy)?,
                overdraft_limit: self::overdraft_limit("overdraft_limit", overdraft_limit)?
                    .unwrap_or(Amount::ZERO),
            }))
        }
        Change::Update { policy, overdraft_limit, etag } => {
            Ok(Command::UpdateWallet(UpdateWallet {
                drawdown_policy: match policy.as_str() {
                    "" => None,
                    policy => Some(drawdown_policy("wallet.drawdown_policy", policy)?),
                },
                overdraft_limit: self::overdraft_limit("wallet.overdraft_limit", overdraft_limit)?,
                spend_limit: None,
                metadata: None,
                expected_version: match etag.as_str() {
                    "" => None,
                    etag => Some(etag.parse().map_err(|_| Refusal::field("etag"))?),
                },
            }))
        }
        Change::Limit(limit) => Ok(limit_change(LimitChange::Set(spend_limit(limit, scale)?))),
        Change::Unlimit { name } => {
            let name = LimitName::parse(name).map_err(|_| Refusal::field("name"))?;
            Ok(limit_change(LimitChange::Delete(name)))
        }
        Change::Grant {
            amount: text,
            effective_at,
            expires_at,
            priority,
            category,
            cost_basis,
            applies_to,
        } => Ok(Command::Grant(NewGrant {
            amount: amount(text)?,
            effective_at: *effective_at,
            expires_at: *expires_at,
            priority: match priority {
                None => Priority::DEFAULT,
                Some(priority) => {
                    Priority::new(*priority).ok_or_else(|| Refusal::field("priority"))?
                }
            },
            category: match category.as_str() {
                "" => Category::adjustment(),
                category => Category::parse(category).map_err(|_| Refusal::field("category"))?,
            },
            cost_basis: match cost_basis.as_str() {
                "" => CostBasis::ZERO,
                cost => CostBasis::parse(cost).map_err(|_| Refusal::field("cost_basis"))?,
            },
            applies_to: applies_to
                .iter()
                .map(|name| OperationName::parse(name).map_err(|_| Refusal::field("applies_to")))
                .collect::<Result<_, _>>()?,
        })),
        Change::Spend { amount: text, operation, occurred_at } => Ok(Command::Spend(Spend {
            amount: amount(text)?,
            operation: operation_name(operation)?,
            occurred_at: *occurred_at,
        })),
        Change::Hold { .. }
        | Change::Capture { .. }
        | Change::Release { .. }
        | Change::Extend { .. } => hold_command(change, scale),
        Change::Void { grant } => Ok(Command::VoidGrant(GrantNumber(*grant))),
        Change::Expire { grant } => Ok(Command::ExpireGrant(GrantNumber(*grant))),
        Change::Reverse { transaction, amount: text, expired_policy, grace_micros } => {
            let id = Uuid::parse_str(transaction).map_err(|_| Refusal::field("transaction_id"))?;
            Ok(Command::ReverseSpend(ReverseSpend {
                transaction: TransactionId::from_uuid(id),
                amount: if text.is_empty() { None } else { Some(amount(text)?) },
                expired_policy: self::expired_policy(expired_policy, *grace_micros)?,
            }))
        }
    }
}

fn expired_policy(name: &str, grace_micros: Option<i64>) -> Result<ExpiredPolicy, Refusal> {
    match (name, grace_micros) {
        ("" | "RESTORE_THEN_EXPIRE", None) => Ok(ExpiredPolicy::RestoreThenExpire),
        ("REISSUE", None) => Ok(ExpiredPolicy::Reissue),
        ("GRACE", Some(micros)) => GracePeriod::from_micros(micros)
            .map(ExpiredPolicy::Grace)
            .map_err(|_| Refusal::field("grace_period")),
        ("" | "RESTORE_THEN_EXPIRE" | "REISSUE" | "GRACE", _) => {
            Err(Refusal::field("grace_period"))
        }
        _ => Err(Refusal::field("expired_policy")),
    }
}

fn hold_command(change: &Change, scale: Scale) -> Result<Command, Refusal> {
    let amount =
        |text: &str| PositiveAmount::parse(text, scale).map_err(|_| Refusal::field("amount"));
    let hold_number = |number: &i32| {
        let number = Some(HoldNumber(*number)).filter(|number| number.0 > 0);
        number.ok_or_else(|| Refusal::field("hold_number"))
    };
    match change {
        Change::Hold { amount: text, operation, expires_at } => {
            Ok(Command::CreateHold(CreateHold {
                amount: amount(text)?,
                operation: operation_name(operation)?,
                expires_at: *expires_at,
            }))
        }
        Change::Capture { hold, amount: text, excess, is_final } => {
            Ok(Command::CaptureHold(CaptureHold {
                hold: hold_number(hold)?,
                amount: amount(text)?,
                excess: match excess.as_str() {
                    "" | "REJECT" => Excess::Reject,
                    "CAP" => Excess::Cap,
                    "EXTEND" => Excess::Extend,
                    _ => return Err(Refusal::field("excess")),
                },
                is_final: *is_final,
            }))
        }
        Change::Release { hold, amount: text } => Ok(Command::ReleaseHold(ReleaseHold {
            hold: hold_number(hold)?,
            amount: match text.as_str() {
                "" => None,
                text => Some(amount(text)?),
            },
        })),
        Change::Extend { hold, expires_at } => {
            Ok(Command::ExtendHold(hold_number(hold)?, *expires_at))
        }
        Change::Create { .. }
        | Change::Update { .. }
        | Change::Limit(_)
        | Change::Unlimit { .. }
        | Change::Grant { .. }
        | Change::Spend { .. }
        | Change::Void { .. }
        | Change::Expire { .. }
        | Change::Reverse { .. } => Err(Refusal::new("NOT_ABOUT_A_HOLD", &[])),
    }
}

fn limit_change(change: LimitChange) -> Command {
    Command::UpdateWallet(UpdateWallet {
        drawdown_policy: None,
        overdraft_limit: None,
        spend_limit: Some(change),
        metadata: None,
        expected_version: None,
    })
}

fn spend_limit(limit: &Limit, scale: Scale) -> Result<SpendLimit, Refusal> {
    let Limit {
        name,
        amount,
        by,
        each_actor,
        operation,
        each_operation,
        rolling_micros,
        per,
        zone,
    } = limit;
    let (actor, operation) = (
        share("actor", by, *each_actor, Actor::parse)?,
        share("operation", operation, *each_operation, OperationName::parse)?,
    );
    let window = match rolling_micros {
        Some(micros) => LimitWindow::Rolling(
            RollingSpan::from_micros(*micros).map_err(|_| Refusal::field("limit.rolling"))?,
        ),
        None => LimitWindow::Calendar(
            match per.as_str() {
                "DAY" => CalendarUnit::Day,
                "WEEK" => CalendarUnit::Week,
                "MONTH" => CalendarUnit::Month,
                "YEAR" => CalendarUnit::Year,
                "" => return Err(Refusal::field("limit.window")),
                _ => return Err(Refusal::field("limit.calendar.unit")),
            },
            match zone.as_str() {
                "" => TimeZone::UTC,
                zone => {
                    TimeZone::parse(zone).map_err(|_| Refusal::field("limit.calendar.time_zone"))?
                }
            },
        ),
    };
    Ok(SpendLimit {
        name: LimitName::parse(name).map_err(|_| Refusal::field("limit.name"))?,
        amount: Amount::parse(amount, scale).map_err(|_| Refusal::field("limit.amount"))?,
        actor,
        operation,
        window,
    })
}

fn share<T, E>(
    field: &str,
    name: &str,
    is_each: bool,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Share<T>, Refusal> {
    match (name, is_each) {
        ("", true) => Ok(Share::Each),
        ("", false) => Ok(Share::All),
        (_, true) => Err(Refusal::field(&format!("limit.each_{field}"))),
        (name, false) => {
            let one = parse(name).map_err(|_| Refusal::field(&format!("limit.{field}")))?;
            Ok(Share::Only(one))
        }
    }
}

/// Whose usage to tell of limits that each actor or operation has.
pub(super) fn chosen(
    actor: &str,
    operation: &str,
) -> Result<(Option<Actor>, Option<OperationName>), Refusal> {
    let actor = match actor {
        "" => None,
        name => Some(Actor::parse(name).map_err(|_| Refusal::field("actor"))?),
    };
    Ok((actor, operation_name(operation)?))
}

fn operation_name(name: &str) -> Result<Option<OperationName>, Refusal> {
    match name {
        "" => Ok(None),
        name => OperationName::parse(name).map(Some).map_err(|_| Refusal::field("operation")),
    }
}

fn drawdown_policy(field: &str, name: &str) -> Result<DrawdownPolicy, Refusal> {
    match name {
        "" | "EXPIRY_FIRST" => Ok(DrawdownPolicy::ExpiryFirst),
        "OLDEST_FIRST" => Ok(DrawdownPolicy::OldestFirst),
        _ => Err(Refusal::field(field)),
    }
}

fn overdraft_limit(field: &str, limit: &str) -> Result<Option<Amount>, Refusal> {
    match limit {
        "" => Ok(None),
        limit => Amount::parse(limit, Scale::MAX).map(Some).map_err(|_| Refusal::field(field)),
    }
}
