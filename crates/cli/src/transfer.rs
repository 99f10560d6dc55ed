//! `purse transfer`: move credits to another account's wallet.

use clap::Args;
use prost_types::Timestamp;
use purse_client::{
    Client,
    v1::{ExpirationPolicy, Grant, TransferRequest},
};

use crate::{
    args::WalletArgs,
    exit::Failure,
    instant,
    output::Output,
    spend,
    table::{self, Column},
    write_args::WriteArgs,
};

/// What `transfer` takes.
#[derive(Debug, Args)]
pub struct TransferArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// The account that gets the credits
    to: String,
    /// How much, such as 12.50
    amount: String,
    /// The credits never expire there; without this and --expires-at they expire when they would have here
    #[arg(long, conflicts_with = "expires_at")]
    never_expires: bool,
    /// The first instant at which they can no longer be spent there: RFC 3339, or a date
    #[arg(long, value_parser = instant::parse, value_name = "INSTANT")]
    expires_at: Option<Timestamp>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Runs `purse transfer`.
pub async fn run(args: TransferArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let TransferArgs {
        wallet: WalletArgs { account, asset },
        to,
        amount,
        never_expires,
        expires_at,
        write,
    } = args;
    let expiration_policy = match (never_expires, expires_at) {
        (true, _) => ExpirationPolicy::None,
        (false, Some(_)) => ExpirationPolicy::Fixed,
        (false, None) => ExpirationPolicy::Preserve,
    };
    let request = TransferRequest {
        account,
        asset,
        to_account: to,
        to_asset: String::new(),
        amount,
        expiration_policy: expiration_policy.into(),
        expires_at,
        idempotency_key: write.key(),
        metadata: write.metadata(),
        actor: write.actor,
        reason: write.reason,
        validate_only: write.validate_only,
        commit_token: write.commit_token,
    };
    let answer = client.transfer(request).await?;
    output.answer(&answer, |answer| {
        let written =
            spend::record(answer.transaction.as_ref(), answer.balance.as_ref(), answer.replayed);
        let there = answer.to_balance.clone().unwrap_or_default();
        let grants = grants(&answer.grants);
        format!("{written}\n\n{} got, and has {} now:\n{grants}", there.account, there.balance)
    })
}

/// The grants that were received, a line for each.
fn grants(grants: &[Grant]) -> String {
    let columns = [
        Column::Text("grant"),
        Column::Figure("amount"),
        Column::Word("category"),
        Column::Text("expires"),
    ];
    table::rows(
        &columns,
        grants.iter().map(|grant| {
            let expires = grant.expires_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
            vec![
                format!("#{}", grant.number),
                grant.amount.clone(),
                grant.category.clone(),
                expires,
            ]
        }),
    )
}
