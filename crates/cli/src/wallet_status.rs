//! `purse wallet freeze`, `unfreeze` and `close`: what may happen to a wallet.

use clap::Args;
use purse_client::{
    Client,
    v1::{CloseWalletRequest, ClosingRest, FreezeWalletRequest, UnfreezeWalletRequest},
};

use crate::{
    args::WalletArgs, exit::Failure, output::Output, spend, wallet, write_args::WriteArgs,
};

/// What `wallet freeze` and `wallet unfreeze` take.
#[derive(Debug, Args)]
pub struct FreezeArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    #[command(flatten)]
    write: WriteArgs,
}

/// What `wallet close` takes.
#[derive(Debug, Args)]
pub struct CloseArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// Void what is available and scheduled; without this nothing may be left
    #[arg(long)]
    void_rest: bool,
    #[command(flatten)]
    write: WriteArgs,
}

/// Runs `purse wallet freeze`.
pub async fn freeze(args: FreezeArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let FreezeArgs { wallet: WalletArgs { account, asset }, write } = args;
    write.refuse_commit_token()?;
    let request = FreezeWalletRequest {
        account,
        asset,
        idempotency_key: write.key(),
        metadata: write.metadata(),
        actor: write.actor,
        reason: write.reason,
        validate_only: write.validate_only,
    };
    let answer = client.freeze_wallet(request).await?;
    output.answer(&answer, |answer| wallet::changed(answer.wallet.as_ref(), answer.replayed))
}

/// Runs `purse wallet unfreeze`.
pub async fn unfreeze(
    args: FreezeArgs,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    let FreezeArgs { wallet: WalletArgs { account, asset }, write } = args;
    write.refuse_commit_token()?;
    let request = UnfreezeWalletRequest {
        account,
        asset,
        idempotency_key: write.key(),
        metadata: write.metadata(),
        actor: write.actor,
        reason: write.reason,
        validate_only: write.validate_only,
    };
    let answer = client.unfreeze_wallet(request).await?;
    output.answer(&answer, |answer| wallet::changed(answer.wallet.as_ref(), answer.replayed))
}

/// Runs `purse wallet close`.
pub async fn close(args: CloseArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let CloseArgs { wallet: WalletArgs { account, asset }, void_rest, write } = args;
    let rest = if void_rest { ClosingRest::Void } else { ClosingRest::Refuse };
    let request = CloseWalletRequest {
        account,
        asset,
        rest: rest.into(),
        idempotency_key: write.key(),
        metadata: write.metadata(),
        actor: write.actor,
        reason: write.reason,
        validate_only: write.validate_only,
        commit_token: write.commit_token,
    };
    let answer = client.close_wallet(request).await?;
    output.answer(&answer, |answer| {
        let settings = wallet::record(answer.wallet.as_ref(), "");
        let written =
            spend::record(answer.transaction.as_ref(), answer.balance.as_ref(), answer.replayed);
        format!("{settings}\n\n{written}")
    })
}
