//! From what a scenario asks to a domain request, or the field that is wrong.

use purse_domain::{
    AccountName, Actor, Amount, AssetCode, CaptureHold, Category, ChangeGrantExpiry, CloseWallet,
    Command, CommitToken, CostBasis, CreateHold, CreateWallet, DrawdownPolicy, Excess,
    ExpirationPolicy, ExpiredPolicy, Fingerprint, FundingRef, GrantNumber, HoldNumber,
    IdempotencyKey, LeadTimes, LimitChange, Metadata, NamespaceId, NewGrant, OperationName, Period,
    PositiveAmount, Priority, Reason, ReleaseHold, Request, Rest, ReverseSpend, RevokeFunding,
    Scale, Spend, Thresholds, Timestamp, TopUpChange, TransactionId, Transfer, UpdateWallet,
    WalletName,
};
use uuid::Uuid;

use super::{packs::Packs, prices::Prices};
use crate::{
    answer::Refusal,
    driver::{Change, Notices, WalletRef, Write},
};

mod limit;

pub(super) use limit::chosen;

/// The wallet that is named.
pub(super) fn wallet_name(
    namespace_id: NamespaceId,
    wallet: &WalletRef,
) -> Result<WalletName, Refusal> {
    let account = AccountName::parse(&wallet.account).map_err(|_| Refusal::field("account"))?;
    let asset = AssetCode::parse(&wallet.asset).map_err(|_| Refusal::field("asset"))?;
    Ok(WalletName::new(namespace_id, account, asset))
}

/// The request that is asked for, with its key. Amounts need the asset's scale; `None`: there is no such asset.
pub(super) fn request(
    write: &Write,
    wallet: WalletName,
    scale: Option<Scale>,
    sold: (&Prices, &Packs),
) -> Result<(IdempotencyKey, Request), Refusal> {
    let command = command(&wallet, &write.change, scale.unwrap_or(Scale::MAX), sold)?;
    let key = match command.purchase() {
        Some(purchase) => IdempotencyKey::of_payment(&purchase.payment_ref),
        None => IdempotencyKey::parse(&write.key).map_err(|_| Refusal::field("idempotency_key"))?,
    };
    let has_amount = matches!(
        command,
        Command::Grant(_)
            | Command::Spend(_)
            | Command::PurchasePack(_)
            | Command::ReverseSpend(_)
            | Command::RevokeFunding(_)
            | Command::Transfer(_)
    ) || matches!(command.limit_change(), Some(LimitChange::Set(_)));
    if scale.is_none() && has_amount {
        return Err(Refusal::new("ASSET_NOT_FOUND", &[("asset", wallet.asset.to_string())]));
    }
    let actor = Actor::parse(&write.actor).map_err(|_| Refusal::field("actor"))?;
    let reason = Reason::from_stored(String::new());
    let metadata = Metadata::default();
    let fingerprint = Fingerprint::of(&wallet, &command, &actor, &reason, &metadata);
    let validate_only = write.validate_only;
    let request = Request {
        wallet,
        command,
        key: Some(key.clone()),
        fingerprint,
        actor,
        reason,
        metadata,
        validate_only,
        commit_token: commit_token(&write.commit_token)?,
    };
    Ok((key, request))
}

fn commit_token(text: &str) -> Result<Option<CommitToken>, Refusal> {
    match text {
        "" => Ok(None),
        text => CommitToken::parse(text).map(Some).map_err(|_| Refusal::field("commit_token")),
    }
}

fn update(
    policy: &str,
    overdraft_limit: &str,
    notices: &Notices,
    etag: &str,
) -> Result<UpdateWallet, Refusal> {
    Ok(UpdateWallet {
        drawdown_policy: match policy {
            "" => None,
            policy => Some(drawdown_policy("wallet.drawdown_policy", policy)?),
        },
        overdraft_limit: self::overdraft_limit("wallet.overdraft_limit", overdraft_limit)?,
        low_balance_thresholds: thresholds("wallet.low_balance_thresholds", notices)?,
        expiring_soon_leads: leads("wallet.expiring_soon_leads", notices)?,
        expected_version: match etag {
            "" => None,
            etag => Some(etag.parse().map_err(|_| Refusal::field("etag"))?),
        },
        ..UpdateWallet::default()
    })
}

#[expect(clippy::too_many_lines, reason = "one table, an arm for each change")]
fn command(
    wallet: &WalletName,
    change: &Change,
    scale: Scale,
    (prices, packs): (&Prices, &Packs),
) -> Result<Command, Refusal> {
    let amount = |text: &str| self::amount(text, scale);
    match change {
        Change::Create { scale, policy, overdraft_limit, notices } => {
            let places = |places| Scale::new(places).ok_or_else(|| Refusal::field("scale"));
            Ok(Command::CreateWallet(CreateWallet {
                requested_scale: scale.map(places).transpose()?,
                asset_scale: None,
                drawdown_policy: drawdown_policy("drawdown_policy", policy)?,
                overdraft_limit: self::overdraft_limit("overdraft_limit", overdraft_limit)?
                    .unwrap_or(Amount::ZERO),
                low_balance_thresholds: thresholds("low_balance_thresholds", notices)?
                    .unwrap_or_default(),
                expiring_soon_leads: leads("expiring_soon_leads", notices)?.unwrap_or_default(),
            }))
        }
        Change::Update { policy, overdraft_limit, notices, etag } => {
            update(policy, overdraft_limit, notices, etag).map(Command::UpdateWallet)
        }
        Change::Limit(limit) => limit::set(limit, scale),
        Change::Unlimit { name } => limit::delete(name),
        Change::Grant {
            amount: text,
            effective_at,
            expires_at,
            priority,
            category,
            cost_basis,
            applies_to,
            funding_ref,
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
            funding_ref: match funding_ref.as_str() {
                "" => None,
                name => Some(self::funding_ref(name)?),
            },
        })),
        Change::Spend { amount: text, operation, occurred_at, quantities } => {
            let operation = operation_name(operation)?;
            let asked = (operation.as_ref(), quantities);
            let amount = prices.charge(&wallet.asset, text, asked, scale)?;
            Ok(Command::Spend(Spend { amount, operation, occurred_at: *occurred_at }))
        }
        Change::Hold { amount: text, operation, expires_at, quantities } => {
            let operation = operation_name(operation)?;
            let asked = (operation.as_ref(), quantities);
            let amount = prices.charge(&wallet.asset, text, asked, scale)?;
            Ok(Command::CreateHold(CreateHold { amount, operation, expires_at: *expires_at }))
        }
        Change::Capture { .. } | Change::Release { .. } | Change::Extend { .. } => {
            hold_command(change, scale)
        }
        Change::Void { grant } => Ok(Command::VoidGrant(GrantNumber(*grant))),
        Change::Expire { grant } => Ok(Command::ExpireGrant(GrantNumber(*grant))),
        Change::ChangeExpiry { grant, expires_at, never } => {
            change_expiry(*grant, *expires_at, *never)
        }
        Change::Revoke { funding_ref, cumulative_amount } => {
            Ok(Command::RevokeFunding(RevokeFunding {
                funding_ref: self::funding_ref(funding_ref)?,
                cumulative_amount: Amount::parse(cumulative_amount, scale)
                    .map_err(|_| Refusal::field("cumulative_amount"))?,
            }))
        }
        Change::Freeze => Ok(Command::FreezeWallet),
        Change::Unfreeze => Ok(Command::UnfreezeWallet),
        Change::SetTopUp(asked) => limit::set_top_up(asked, scale),
        Change::DeleteTopUp => Ok(limit::change_top_up(TopUpChange::Delete)),
        Change::DeclineTopUp { reference } => FundingRef::parse(reference)
            .map(Command::DeclineTopUp)
            .map_err(|_| Refusal::field("reference")),
        Change::Purchase { pack, payment, quantity } => {
            packs.purchase(&wallet.asset, (pack, payment, *quantity), scale)
        }
        Change::Close { rest } => close(rest),
        Change::Transfer { to, amount, expiration_policy, expires_at } => {
            let amount = self::amount(amount, scale)?;
            transfer(wallet, to, amount, self::expiration_policy(expiration_policy, *expires_at)?)
        }
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

fn change_expiry(
    grant: i32,
    expires_at: Option<Timestamp>,
    never: bool,
) -> Result<Command, Refusal> {
    match (expires_at, never) {
        _ if grant < 1 => Err(Refusal::field("grant_number")),
        (None, false) => Err(Refusal::field("expires_at")),
        (Some(_), true) => Err(Refusal::field("never")),
        (Some(_), false) | (None, true) => {
            let grant = GrantNumber(grant);
            Ok(Command::ChangeGrantExpiry(ChangeGrantExpiry { grant, expires_at }))
        }
    }
}

fn funding_ref(name: &str) -> Result<FundingRef, Refusal> {
    FundingRef::parse(name).map_err(|_| Refusal::field("funding_ref"))
}

fn close(rest: &str) -> Result<Command, Refusal> {
    let rest = match rest {
        "" | "REFUSE" => Rest::Refuse,
        "VOID" => Rest::Void,
        _ => return Err(Refusal::field("rest")),
    };
    Ok(Command::CloseWallet(CloseWallet { rest }))
}

fn transfer(
    wallet: &WalletName,
    to: &WalletRef,
    amount: PositiveAmount,
    expiration_policy: ExpirationPolicy,
) -> Result<Command, Refusal> {
    let to = wallet_name(wallet.namespace_id, to)?;
    if to.asset != wallet.asset {
        return Err(Refusal::field("to_asset"));
    }
    if to == *wallet {
        return Err(Refusal::field("to_account"));
    }
    Ok(Command::Transfer(Transfer { to, amount, expiration_policy }))
}

fn amount(text: &str, scale: Scale) -> Result<PositiveAmount, Refusal> {
    PositiveAmount::parse(text, scale).map_err(|_| Refusal::field("amount"))
}

fn expiration_policy(
    name: &str,
    expires_at: Option<Timestamp>,
) -> Result<ExpirationPolicy, Refusal> {
    match (name, expires_at) {
        ("" | "PRESERVE", None) => Ok(ExpirationPolicy::Preserve),
        ("NONE", None) => Ok(ExpirationPolicy::None),
        ("" | "FIXED", Some(expires_at)) => Ok(ExpirationPolicy::Fixed(expires_at)),
        ("FIXED", None) | ("PRESERVE" | "NONE", Some(_)) => Err(Refusal::field("expires_at")),
        _ => Err(Refusal::field("expiration_policy")),
    }
}

fn expired_policy(name: &str, grace_micros: Option<i64>) -> Result<ExpiredPolicy, Refusal> {
    match (name, grace_micros) {
        ("" | "RESTORE_THEN_EXPIRE", None) => Ok(ExpiredPolicy::RestoreThenExpire),
        ("REISSUE", None) => Ok(ExpiredPolicy::Reissue),
        ("GRACE", Some(micros)) => Period::from_micros(micros)
            .map(ExpiredPolicy::Grace)
            .map_err(|_| Refusal::field("grace_period")),
        ("" | "RESTORE_THEN_EXPIRE" | "REISSUE" | "GRACE", _) => {
            Err(Refusal::field("grace_period"))
        }
        _ => Err(Refusal::field("expired_policy")),
    }
}

fn hold_command(change: &Change, scale: Scale) -> Result<Command, Refusal> {
    let amount = |text: &str| self::amount(text, scale);
    let hold_number = |number: &i32| {
        let number = Some(HoldNumber(*number)).filter(|number| number.0 > 0);
        number.ok_or_else(|| Refusal::field("hold_number"))
    };
    match change {
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
        | Change::Hold { .. }
        | Change::Void { .. }
        | Change::Expire { .. }
        | Change::Reverse { .. }
        | Change::Revoke { .. }
        | Change::Transfer { .. }
        | Change::ChangeExpiry { .. }
        | Change::Freeze
        | Change::Unfreeze
        | Change::SetTopUp(_)
        | Change::DeleteTopUp
        | Change::DeclineTopUp { .. }
        | Change::Purchase { .. }
        | Change::Close { .. } => Err(Refusal::new("NOT_ABOUT_A_HOLD", &[])),
    }
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

fn thresholds(field: &str, notices: &Notices) -> Result<Option<Thresholds>, Refusal> {
    let Some(texts) = &notices.thresholds else { return Ok(None) };
    let amounts = texts.iter().map(|text| PositiveAmount::parse(text, Scale::MAX));
    let amounts = amounts.collect::<Result<_, _>>().map_err(|_| Refusal::field(field))?;
    Thresholds::new(amounts).map(Some).map_err(|_| Refusal::field(field))
}

fn leads(field: &str, notices: &Notices) -> Result<Option<LeadTimes>, Refusal> {
    let Some(micros) = &notices.lead_micros else { return Ok(None) };
    let periods = micros.iter().copied().map(Period::from_micros);
    let periods = periods.collect::<Result<_, _>>().map_err(|_| Refusal::field(field))?;
    LeadTimes::new(periods).map(Some).map_err(|_| Refusal::field(field))
}

fn overdraft_limit(field: &str, limit: &str) -> Result<Option<Amount>, Refusal> {
    match limit {
        "" => Ok(None),
        limit => Amount::parse(limit, Scale::MAX).map(Some).map_err(|_| Refusal::field(field)),
    }
}
