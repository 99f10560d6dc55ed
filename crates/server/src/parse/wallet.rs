//! Requests of the `WalletService`.

use purse_domain::{
    AccountName, Amount, AssetCode, Command, CreateWallet, DrawdownPolicy, LeadTimes, Metadata,
    PositiveAmount, Request, Scale, Spend, Thresholds, TimeRange, UpdateWallet, WalletName,
};
use purse_proto::v1;
use purse_storage::{BalanceQuery, TimelineQuery, WalletQuery};
use tonic::Status;

use super::{Fields, Write};
use crate::{auth::Caller, page, terms::Terms};

/// The points of a timeline if none are asked for: about as many as a screen has columns.
const DEFAULT_POINTS: usize = 1_000;
/// A larger number means this: an answer stays well below the message limit.
const MOST_POINTS: usize = 10_000;

/// What an update mask may name.
const UPDATABLE: &str =
    "drawdown_policy, overdraft_limit, low_balance_thresholds, expiring_soon_leads and metadata";

/// A request to open a wallet.
pub fn create_wallet(caller: &Caller, message: v1::CreateWalletRequest) -> Result<Request, Status> {
    let v1::CreateWalletRequest {
        account,
        asset,
        scale,
        drawdown_policy,
        overdraft_limit,
        low_balance_thresholds,
        expiring_soon_leads,
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
    } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let requested_scale = fields
        .check_optional("scale", scale.map(|places| Scale::new(places).ok_or("must be 0 to 6")));
    let policy = policy(&mut fields, "drawdown_policy", drawdown_policy);
    let overdraft_limit = self::overdraft_limit(&mut fields, "overdraft_limit", &overdraft_limit);
    let thresholds = thresholds(&mut fields, "low_balance_thresholds", &low_balance_thresholds);
    let leads = leads(&mut fields, "expiring_soon_leads", expiring_soon_leads);
    let command = (|| {
        Some(Command::CreateWallet(CreateWallet {
            requested_scale: requested_scale?,
            asset_scale: None,
            drawdown_policy: policy?,
            overdraft_limit: overdraft_limit?,
            low_balance_thresholds: thresholds?,
            expiring_soon_leads: leads?,
        }))
    })();
    Write { idempotency_key, actor, reason, metadata, validate_only, commit_token: String::new() }
        .request(fields, caller, wallet, command)
}

/// A request to change settings.
pub fn update_wallet(caller: &Caller, message: v1::UpdateWalletRequest) -> Result<Request, Status> {
    let v1::UpdateWalletRequest {
        account,
        asset,
        wallet: settings,
        update_mask,
        etag,
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
    } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let paths = update_mask.map(|mask| mask.paths).unwrap_or_default();
    if paths.is_empty() {
        fields.note("update_mask", format!("must name at least one of {UPDATABLE}"));
    }
    if settings.is_none() {
        fields.note("wallet", "is missing");
    }
    let settings = settings.unwrap_or_default();
    let mut update = UpdateWallet::default();
    for path in &paths {
        match path.as_str() {
            "drawdown_policy" => {
                update.drawdown_policy =
                    policy(&mut fields, "wallet.drawdown_policy", settings.drawdown_policy);
            }
            "overdraft_limit" => {
                let field = "wallet.overdraft_limit";
                update.overdraft_limit =
                    overdraft_limit(&mut fields, field, &settings.overdraft_limit);
            }
            "low_balance_thresholds" => {
                let field = "wallet.low_balance_thresholds";
                update.low_balance_thresholds =
                    thresholds(&mut fields, field, &settings.low_balance_thresholds);
            }
            "expiring_soon_leads" => {
                let field = "wallet.expiring_soon_leads";
                update.expiring_soon_leads =
                    leads(&mut fields, field, settings.expiring_soon_leads.clone());
            }
            "metadata" => {
                update.metadata =
                    fields.check("wallet.metadata", Metadata::parse(settings.metadata.clone()));
            }
            _ => fields.note("update_mask", format!("may name {UPDATABLE} only")),
        }
    }
    update.expected_version = fields.etag(&etag).flatten();
    Write { idempotency_key, actor, reason, metadata, validate_only, commit_token: String::new() }
        .request(fields, caller, wallet, Some(Command::UpdateWallet(update)))
}

/// A request to spend.
pub fn spend(caller: &Caller, message: v1::SpendRequest, terms: &Terms) -> Result<Request, Status> {
    let v1::SpendRequest {
        account,
        asset,
        amount,
        operation,
        occurred_at,
        quantities,
        idempotency_key,
        actor,
        reason,
        metadata,
        validate_only,
        commit_token,
    } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let operation = fields.operation(&operation);
    let amount = fields.charge(&amount, &quantities, operation.as_ref(), terms);
    let occurred_at = fields.instant("occurred_at", occurred_at);
    let command = (|| {
        Some(Command::Spend(Spend {
            amount: amount?,
            operation: operation?,
            occurred_at: occurred_at?,
        }))
    })();
    Write { idempotency_key, actor, reason, metadata, validate_only, commit_token }.request_in(
        (&asset, terms.scale),
        fields,
        caller,
        wallet,
        command,
    )
}

/// The wallet that a request names.
pub fn get_wallet(caller: &Caller, message: v1::GetWalletRequest) -> Result<WalletName, Status> {
    let v1::GetWalletRequest { account, asset } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    fields.finish(wallet)
}

/// Which balance to tell.
pub fn get_balance(
    caller: &Caller,
    message: v1::GetBalanceRequest,
) -> Result<BalanceQuery, Status> {
    let v1::GetBalanceRequest { account, asset, at, known_at } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let at = fields.instant("at", at);
    let known_at = fields.instant("known_at", known_at);
    let query = (|| Some(BalanceQuery { wallet: wallet?, at: at?, known_at: known_at? }))();
    fields.finish(query)
}

/// Which balances to tell.
pub fn get_timeline(
    caller: &Caller,
    message: v1::GetTimelineRequest,
) -> Result<TimelineQuery, Status> {
    let v1::GetTimelineRequest { account, asset, start, end, max_points } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let start = fields.instant("start", start);
    let end = fields.instant("end", end);
    if let (Some(Some(start)), Some(Some(end))) = (start, end) {
        fields.check("end", TimeRange::new(start, end));
    }
    let most = fields.most("max_points", max_points, DEFAULT_POINTS, MOST_POINTS);
    let query =
        (|| Some(TimelineQuery { wallet: wallet?, start: start?, end: end?, most: most? }))();
    fields.finish(query)
}

/// The wallet to verify.
pub fn verify_wallet(
    caller: &Caller,
    message: v1::VerifyWalletRequest,
) -> Result<WalletName, Status> {
    let v1::VerifyWalletRequest { account, asset } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    fields.finish(wallet)
}

/// Which wallets to list, and the query for the next page's token.
pub fn list_wallets(
    caller: &Caller,
    message: v1::ListWalletsRequest,
) -> Result<(WalletQuery, page::Query), Status> {
    let (page_size, page_token) = (message.page_size, message.page_token.clone());
    let message = v1::ListWalletsRequest { page_size: 0, page_token: String::new(), ..message };
    let query = page::Query::of("ListWallets", &message);
    let v1::ListWalletsRequest { account, asset, page_size: _, page_token: _ } = message;
    let mut fields = Fields::default();
    let account = (!account.is_empty()).then(|| AccountName::parse(&account));
    let account = fields.check_optional("account", account);
    let asset = (!asset.is_empty()).then(|| AssetCode::parse(&asset));
    let asset = fields.check_optional("asset", asset);
    let most = fields.take(page::size(page_size));
    let cursor = fields.take(query.cursor(&page_token));
    let parsed = (|| {
        // An account holds no line feed, so the first one ends it.
        let after = cursor?.map(|cursor| {
            let (account, asset) = cursor.split_once('\n').unwrap_or((&cursor, ""));
            (account.to_owned(), asset.to_owned())
        });
        Some(WalletQuery {
            namespace_id: caller.namespace_id,
            account: account?,
            asset: asset?,
            after,
            most: most?,
        })
    })();
    Ok((fields.finish(parsed)?, query))
}

fn policy(fields: &mut Fields, field: &'static str, policy: i32) -> Option<DrawdownPolicy> {
    match v1::DrawdownPolicy::try_from(policy) {
        Ok(v1::DrawdownPolicy::Unspecified) => Some(DrawdownPolicy::default()),
        Ok(v1::DrawdownPolicy::ExpiryFirst) => Some(DrawdownPolicy::ExpiryFirst),
        Ok(v1::DrawdownPolicy::OldestFirst) => Some(DrawdownPolicy::OldestFirst),
        Err(_) => {
            fields.note(field, "is no known value");
            None
        }
    }
}

/// The amounts below which a balance is low. Whether the asset has so many decimal places is for the domain.
fn thresholds(fields: &mut Fields, field: &'static str, amounts: &[String]) -> Option<Thresholds> {
    let parsed = amounts.iter().map(|amount| PositiveAmount::parse(amount, Scale::MAX));
    let parsed = fields.check(field, parsed.collect::<Result<_, _>>())?;
    fields.check(field, Thresholds::new(parsed))
}

/// How long before a grant expires it is told.
fn leads(
    fields: &mut Fields,
    field: &'static str,
    leads: Vec<prost_types::Duration>,
) -> Option<LeadTimes> {
    let parsed = leads.into_iter().map(super::period).collect::<Result<_, _>>();
    let parsed = fields.check(field, parsed)?;
    fields.check(field, LeadTimes::new(parsed))
}

/// Empty is none. Whether the asset has so many decimal places is for the domain: it may be new.
fn overdraft_limit(fields: &mut Fields, field: &'static str, limit: &str) -> Option<Amount> {
    let limit = if limit.is_empty() { "0" } else { limit };
    fields.check(field, Amount::parse(limit, Scale::MAX))
}
