//! `purse wallet`: create, get, list and update.

use std::{collections::BTreeMap, time::Duration};

use clap::{Args, Subcommand};
use prost_types::FieldMask;
use purse_client::{
    Client,
    v1::{
        CreateWalletRequest, DrawdownPolicy, GetWalletRequest, ListWalletsRequest,
        UpdateWalletRequest, Wallet,
    },
};

use crate::{
    args::WalletArgs,
    duration,
    exit::Failure,
    instant, label, limit,
    output::Output,
    pages,
    table::{self, Column},
    top_up,
    wallet_status::{self, CloseArgs, FreezeArgs},
    write_args::{WriteArgs, parse_pair},
};

/// What to do with wallets.
#[derive(Debug, Subcommand)]
pub enum WalletCommand {
    /// Open the wallet of an account and an asset, or show the one there is
    Create(CreateArgs),
    /// Show a wallet's settings
    Get(WalletArgs),
    /// List wallets by account and asset
    List(ListArgs),
    /// Change a wallet's settings
    Update(UpdateArgs),
    /// Let no credits be taken; those that are held may still be captured
    Freeze(FreezeArgs),
    /// Let credits be taken again
    Unfreeze(FreezeArgs),
    /// Close an empty wallet for good
    Close(CloseArgs),
}

/// What `wallet create` takes. Its `--metadata` is the wallet's.
#[derive(Debug, Args)]
pub struct CreateArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// The asset's number of decimal places, 0 to 6; its first wallet fixes it for ever (6 by default)
    #[arg(long)]
    scale: Option<i32>,
    /// The order in which grants are drawn: expiry-first (the default) or oldest-first
    #[arg(long, value_parser = label::parse_drawdown_policy)]
    policy: Option<DrawdownPolicy>,
    /// How far spends may take the balance below zero [default: not at all]
    #[arg(long, value_name = "AMOUNT")]
    overdraft_limit: Option<String>,
    #[command(flatten)]
    notices: NoticeArgs,
    #[command(flatten)]
    write: WriteArgs,
}

/// What a wallet is to be told of.
#[derive(Debug, Args)]
pub struct NoticeArgs {
    /// An amount below which the balance is low, told by `purse events`; may be repeated
    #[arg(long, value_name = "AMOUNT")]
    low_balance: Vec<String>,
    /// How long before a grant expires it is told, such as 7d; may be repeated
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    expiring_soon: Vec<Duration>,
}

impl NoticeArgs {
    fn leads(&self) -> Result<Vec<prost_types::Duration>, Failure> {
        let leads = self.expiring_soon.iter().map(|lead| (*lead).try_into());
        let leads = leads.collect::<Result<_, _>>();
        leads.map_err(|_| Failure::Usage("--expiring-soon is too long".to_owned()))
    }
}

/// What `wallet list` takes.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only this account's
    #[arg(long, default_value = "", hide_default_value = true)]
    account: String,
    /// Only of this asset
    #[arg(long, default_value = "", hide_default_value = true)]
    asset: String,
    /// The most to list; 0 lists all
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

/// What `wallet update` takes. Its `--metadata` is the transaction's.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// The new order in which grants are drawn: expiry-first or oldest-first
    #[arg(long, value_parser = label::parse_drawdown_policy)]
    policy: Option<DrawdownPolicy>,
    /// How far spends may take the balance below zero from now on; 0: not at all
    #[arg(long, value_name = "AMOUNT")]
    overdraft_limit: Option<String>,
    #[command(flatten)]
    notices: NoticeArgs,
    /// Take all amounts of --low-balance from the wallet
    #[arg(long, conflicts_with = "low_balance")]
    clear_low_balance: bool,
    /// Take all durations of --expiring-soon from the wallet
    #[arg(long, conflicts_with = "expiring_soon")]
    clear_expiring_soon: bool,
    /// The wallet's new metadata, in place of all it has; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_pair)]
    wallet_metadata: Vec<(String, String)>,
    /// Take all metadata from the wallet
    #[arg(long, conflicts_with = "wallet_metadata")]
    clear_wallet_metadata: bool,
    /// Change it only if this is still its etag
    #[arg(long, default_value = "", hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Runs `purse wallet`.
pub async fn run(
    command: WalletCommand,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    match command {
        WalletCommand::Create(args) => create(args, client, output).await,
        WalletCommand::Get(args) => get(args, client, output).await,
        WalletCommand::List(args) => list(args, client, output).await,
        WalletCommand::Update(args) => update(args, client, output).await,
        WalletCommand::Freeze(args) => wallet_status::freeze(args, client, output).await,
        WalletCommand::Unfreeze(args) => wallet_status::unfreeze(args, client, output).await,
        WalletCommand::Close(args) => wallet_status::close(args, client, output).await,
    }
}

async fn create(args: CreateArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let CreateArgs { wallet, scale, policy, overdraft_limit, notices, write } = args;
    write.refuse_commit_token()?;
    let validate_only = write.validate_only;
    let WalletArgs { account, asset } = wallet;
    let request = CreateWalletRequest {
        account,
        asset,
        scale,
        drawdown_policy: policy.unwrap_or(DrawdownPolicy::Unspecified).into(),
        overdraft_limit: overdraft_limit.unwrap_or_default(),
        expiring_soon_leads: notices.leads()?,
        low_balance_thresholds: notices.low_balance,
        idempotency_key: write.key(),
        metadata: write.metadata(),
        actor: write.actor,
        reason: write.reason,
        validate_only: write.validate_only,
    };
    let answer = client.create_wallet(request).await?;
    output.answer(&answer, |answer| {
        let outcome = match (answer.created, answer.replayed) {
            (_, true) => "replayed: the first answer to this key",
            (true, false) if validate_only => "validated; nothing was written",
            (true, false) => "created",
            (false, false) => "there before; nothing was written",
        };
        record(answer.wallet.as_ref(), outcome)
    })
}

async fn get(args: WalletArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let WalletArgs { account, asset } = args;
    let answer = client.get_wallet(GetWalletRequest { account, asset }).await?;
    output.answer(&answer, |answer| record(answer.wallet.as_ref(), ""))
}

async fn list(args: ListArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let ListArgs { account, asset, limit } = args;
    let request = ListWalletsRequest { account, asset, ..ListWalletsRequest::default() };
    let answer = pages::list_wallets(client, request, limit).await?;
    output.answer(&answer, |answer| {
        let columns = [
            Column::Text("account"),
            Column::Text("asset"),
            Column::Figure("scale"),
            Column::Text("policy"),
            Column::Text("created"),
        ];
        table::rows(
            &columns,
            answer.wallets.iter().map(|wallet| {
                vec![
                    wallet.account.clone(),
                    wallet.asset.clone(),
                    wallet.scale.to_string(),
                    label::drawdown_policy(wallet.drawdown_policy()),
                    instant::brief(wallet.created_at),
                ]
            }),
        )
    })?;
    pages::note_cut(&answer.next_page_token, limit);
    Ok(())
}

async fn update(args: UpdateArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let UpdateArgs {
        wallet,
        policy,
        overdraft_limit,
        notices,
        clear_low_balance,
        clear_expiring_soon,
        wallet_metadata,
        clear_wallet_metadata,
        etag,
        write,
    } = args;
    write.refuse_commit_token()?;
    let mut paths = Vec::new();
    if policy.is_some() {
        paths.push("drawdown_policy".to_owned());
    }
    if overdraft_limit.is_some() {
        paths.push("overdraft_limit".to_owned());
    }
    if clear_low_balance || !notices.low_balance.is_empty() {
        paths.push("low_balance_thresholds".to_owned());
    }
    if clear_expiring_soon || !notices.expiring_soon.is_empty() {
        paths.push("expiring_soon_leads".to_owned());
    }
    if clear_wallet_metadata || !wallet_metadata.is_empty() {
        paths.push("metadata".to_owned());
    }
    if paths.is_empty() {
        return Err(Failure::Usage(
            "say what to change, such as --policy, --overdraft-limit, --low-balance or --expiring-soon"
                .to_owned(),
        ));
    }
    let WalletArgs { account, asset } = wallet;
    let request = UpdateWalletRequest {
        account,
        asset,
        wallet: Some(Wallet {
            drawdown_policy: policy.unwrap_or(DrawdownPolicy::Unspecified).into(),
            overdraft_limit: overdraft_limit.unwrap_or_default(),
            expiring_soon_leads: notices.leads()?,
            low_balance_thresholds: notices.low_balance,
            metadata: BTreeMap::from_iter(wallet_metadata),
            ..Wallet::default()
        }),
        update_mask: Some(FieldMask { paths }),
        etag,
        idempotency_key: write.key(),
        metadata: write.metadata(),
        actor: write.actor,
        reason: write.reason,
        validate_only: write.validate_only,
    };
    let answer = client.update_wallet(request).await?;
    output.answer(&answer, |answer| changed(answer.wallet.as_ref(), answer.replayed))
}

/// A wallet's settings after a change of them.
pub fn changed(wallet: Option<&Wallet>, replayed: bool) -> String {
    record(wallet, if replayed { "replayed: the first answer to this key" } else { "" })
}

/// A wallet's settings.
pub fn record(wallet: Option<&Wallet>, outcome: &str) -> String {
    let wallet = wallet.cloned().unwrap_or_default();
    let policy = label::drawdown_policy(wallet.drawdown_policy());
    let status = label::wallet_status(wallet.status());
    let metadata = label::metadata(&wallet.metadata);
    let limits: Vec<String> = wallet.spend_limits.iter().map(limit::brief).collect();
    let leads: Vec<String> = wallet.expiring_soon_leads.iter().map(duration::show).collect();
    table::record([
        ("account", wallet.account),
        ("asset", wallet.asset),
        ("status", status),
        ("scale", wallet.scale.to_string()),
        ("policy", policy),
        ("overdraft limit", wallet.overdraft_limit),
        ("low balance", wallet.low_balance_thresholds.join(", ")),
        ("expiring soon", leads.join(", ")),
        ("spend limits", limits.join("; ")),
        ("top-ups", wallet.top_up_rule.as_ref().map(top_up::brief).unwrap_or_default()),
        ("metadata", metadata),
        ("created", instant::show(wallet.created_at)),
        ("updated", instant::show(wallet.updated_at)),
        ("etag", wallet.etag),
        ("id", wallet.wallet_id),
        ("outcome", outcome.to_owned()),
    ])
}
