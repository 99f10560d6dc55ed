//! `purse change-expiry`: let a grant end at another instant.
//!
//! A verb of its own and no flag of `expire`: whoever forgot the flag would end the grant now.

use clap::Args;
use prost_types::Timestamp;
use purse_client::{Client, v1::ChangeGrantExpiryRequest};

use crate::{
    args::WalletArgs, exit::Failure, instant, output::Output, spend, write_args::WriteArgs,
};

/// What `change-expiry` takes.
#[derive(Debug, Args)]
pub struct ChangeExpiryArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// The grant's number within the wallet, as `purse grants` lists it
    number: i32,
    /// The first instant at which it can no longer be spent: RFC 3339, or a date
    #[arg(
        long,
        value_parser = instant::parse,
        value_name = "INSTANT",
        required_unless_present = "never"
    )]
    expires_at: Option<Timestamp>,
    /// It never expires
    #[arg(long, conflicts_with = "expires_at")]
    never: bool,
    #[command(flatten)]
    write: WriteArgs,
}

/// Runs `purse change-expiry`.
pub async fn run(
    args: ChangeExpiryArgs,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    let ChangeExpiryArgs {
        wallet: WalletArgs { account, asset },
        number,
        expires_at,
        never,
        write,
    } = args;
    let request = ChangeGrantExpiryRequest {
        account,
        asset,
        grant_number: number,
        expires_at,
        never,
        idempotency_key: write.key(),
        metadata: write.metadata(),
        actor: write.actor,
        reason: write.reason,
        validate_only: write.validate_only,
        commit_token: write.commit_token,
    };
    let answer = client.change_grant_expiry(request).await?;
    output.answer(&answer, |answer| {
        spend::record(answer.transaction.as_ref(), answer.balance.as_ref(), answer.replayed)
    })
}
