//! `purse reverse`: give back what a spend took.

use std::time::Duration;

use clap::Args;
use purse_client::{
    Client,
    v1::{ExpiredPolicy, ReverseSpendRequest, ReversedSlice},
};

use crate::{
    args::WalletArgs,
    duration,
    exit::Failure,
    label,
    output::Output,
    spend,
    table::{self, Column},
    write_args::WriteArgs,
};

/// What `reverse` takes.
#[derive(Debug, Args)]
pub struct ReverseArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// The transaction of the spend, as its answer or `purse entries -o json` names it
    transaction: String,
    /// How much of it, such as 12.50; without it all that is left to reverse
    #[arg(long, default_value = "", hide_default_value = true)]
    amount: String,
    /// What becomes of credits whose grant has ended: restore-then-expire (the default), reissue or grace
    #[arg(long, value_parser = label::parse_expired_policy)]
    expired_policy: Option<ExpiredPolicy>,
    /// The life of new grants, such as 1d; with --expired-policy grace
    #[arg(long, value_parser = duration::parse, value_name = "DURATION")]
    grace: Option<Duration>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Runs `purse reverse`.
pub async fn run(args: ReverseArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let ReverseArgs {
        wallet: WalletArgs { account, asset },
        transaction,
        amount,
        expired_policy,
        grace,
        write,
    } = args;
    let grace_period = grace.map(prost_types::Duration::try_from).transpose();
    let request = ReverseSpendRequest {
        account,
        asset,
        transaction_id: transaction,
        amount,
        expired_policy: expired_policy.unwrap_or(ExpiredPolicy::Unspecified).into(),
        grace_period: grace_period.map_err(|_| Failure::Usage("--grace is too long".to_owned()))?,
        idempotency_key: write.key(),
        metadata: write.metadata(),
        actor: write.actor,
        reason: write.reason,
        validate_only: write.validate_only,
        commit_token: write.commit_token,
    };
    let answer = client.reverse_spend(request).await?;
    output.answer(&answer, |answer| {
        let slices = table(&answer.slices);
        let written =
            spend::record(answer.transaction.as_ref(), answer.balance.as_ref(), answer.replayed);
        format!("{slices}\n\n{written}")
    })
}

/// Slices, a line for each.
fn table(slices: &[ReversedSlice]) -> String {
    let columns = [
        Column::Text("came from"),
        Column::Figure("amount"),
        Column::Word("outcome"),
        Column::Text("now in"),
    ];
    table::rows(
        &columns,
        slices.iter().map(|slice| {
            let source = match slice.grant_number {
                0 => "debt".to_owned(),
                number => format!("grant #{number}"),
            };
            let now_in = match slice.new_grant_number {
                0 => String::new(),
                number => format!("grant #{number}"),
            };
            vec![source, slice.amount.clone(), label::slice_outcome(slice), now_in]
        }),
    )
}
