//! `purse revoke`: take back what was granted on a payment.

use clap::Args;
use purse_client::{Client, v1::RevokeFundingRequest};

use crate::{args::WalletArgs, exit::Failure, output::Output, spend, write_args::WriteArgs};

/// What `revoke` takes.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// The payment, as the grants named it with --funding-ref
    funding_ref: String,
    /// How much of it has been refunded in all, such as 250; less than before gives back
    cumulative_amount: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Runs `purse revoke`.
pub async fn run(args: RevokeArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let RevokeArgs { wallet: WalletArgs { account, asset }, funding_ref, cumulative_amount, write } =
        args;
    let request = RevokeFundingRequest {
        account,
        asset,
        funding_ref,
        cumulative_amount,
        idempotency_key: write.key(),
        metadata: write.metadata(),
        actor: write.actor,
        reason: write.reason,
        validate_only: write.validate_only,
        commit_token: write.commit_token,
    };
    let answer = client.revoke_funding(request).await?;
    output.answer(&answer, |answer| {
        spend::record(answer.transaction.as_ref(), answer.balance.as_ref(), answer.replayed)
    })
}
