//! `purse void` and `purse expire`: end a grant before its time.

use clap::Args;
use purse_client::{
    Client,
    v1::{ExpireGrantRequest, VoidGrantRequest},
};

use crate::{args::WalletArgs, exit::Failure, output::Output, spend, write_args::WriteArgs};

/// What `void` and `expire` take.
#[derive(Debug, Args)]
pub struct EndGrantArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// The grant's number within the wallet, as `purse grants` lists it
    number: i32,
    #[command(flatten)]
    write: WriteArgs,
}

/// Runs `purse void`.
pub async fn void(args: EndGrantArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let EndGrantArgs { wallet: WalletArgs { account, asset }, number, write } = args;
    let request = VoidGrantRequest {
        account,
        asset,
        grant_number: number,
        idempotency_key: write.key(),
        metadata: write.metadata(),
        actor: write.actor,
        reason: write.reason,
        validate_only: write.validate_only,
        commit_token: write.commit_token,
    };
    let answer = client.void_grant(request).await?;
    output.answer(&answer, |answer| {
        spend::record(answer.transaction.as_ref(), answer.balance.as_ref(), answer.replayed)
    })
}

/// Runs `purse expire`.
pub async fn expire(
    args: EndGrantArgs,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    let EndGrantArgs { wallet: WalletArgs { account, asset }, number, write } = args;
    let request = ExpireGrantRequest {
        account,
        asset,
        grant_number: number,
        idempotency_key: write.key(),
        metadata: write.metadata(),
        actor: write.actor,
        reason: write.reason,
        validate_only: write.validate_only,
        commit_token: write.commit_token,
    };
    let answer = client.expire_grant(request).await?;
    output.answer(&answer, |answer| {
        spend::record(answer.transaction.as_ref(), answer.balance.as_ref(), answer.replayed)
    })
}
