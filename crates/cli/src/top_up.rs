//! `purse top-up`: rules by which wallets ask for more credits, and what they asked for.

use clap::{Args, Subcommand};
use purse_client::{
    Client,
    v1::{
        DeclineTopUpRequest, DeleteTopUpRuleRequest, GetTopUpsRequest, SetTopUpRuleRequest,
        TopUpRule, TopUps, top_up_rule::Window,
    },
};

use crate::{
    args::{EtagArgs, WalletArgs},
    exit::Failure,
    instant,
    output::Output,
    table, wallet,
    window::{self, WindowArgs},
    write_args::WriteArgs,
};

/// What to do with top-ups.
#[derive(Debug, Subcommand)]
pub enum TopUpCommand {
    /// Let a wallet ask for more credits when its balance is low
    Set(SetArgs),
    /// Show a wallet's rule, and what it asked for
    Get(WalletArgs),
    /// Let a wallet ask for nothing any more
    Delete(DeleteArgs),
    /// Say that what a wallet asked for will not come
    Decline(DeclineArgs),
}

/// What `top-up set` takes.
#[derive(Debug, Args)]
pub struct SetArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// The balance below which it asks
    threshold: String,
    /// How much it asks for
    amount: String,
    /// How often it asks within the window, 1 to 10
    #[arg(long, value_name = "N", default_value_t = 1)]
    most: i32,
    #[command(flatten)]
    window: WindowArgs,
    #[command(flatten)]
    condition: EtagArgs,
    #[command(flatten)]
    write: WriteArgs,
}

/// What `top-up delete` takes.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    #[command(flatten)]
    condition: EtagArgs,
    #[command(flatten)]
    write: WriteArgs,
}

/// What `top-up decline` takes.
#[derive(Debug, Args)]
pub struct DeclineArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// The reference of the request, as `purse top-up get` shows it
    reference: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Runs `purse top-up`.
pub async fn run(
    command: TopUpCommand,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    match command {
        TopUpCommand::Set(args) => set(args, client, output).await,
        TopUpCommand::Get(WalletArgs { account, asset }) => {
            let answer = client.get_top_ups(GetTopUpsRequest { account, asset }).await?;
            output.answer(&answer, |answer| record(answer.top_ups.as_ref()))
        }
        TopUpCommand::Delete(args) => delete(args, client, output).await,
        TopUpCommand::Decline(args) => decline(args, client, output).await,
    }
}

async fn set(args: SetArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let SetArgs {
        wallet: WalletArgs { account, asset },
        threshold,
        amount,
        most,
        window,
        condition: EtagArgs { etag },
        write,
    } = args;
    write.refuse_commit_token()?;
    let window = window.window()?.map(|window| match window {
        window::Window::Calendar(calendar) => Window::Calendar(calendar),
        window::Window::Rolling(length) => Window::Rolling(length),
    });
    let rule = TopUpRule { threshold, amount, most_requests: most, window };
    let request = SetTopUpRuleRequest {
        account,
        asset,
        rule: Some(rule),
        etag,
        idempotency_key: write.key(),
        metadata: write.metadata(),
        actor: write.actor,
        reason: write.reason,
        validate_only: write.validate_only,
    };
    let answer = client.set_top_up_rule(request).await?;
    output.answer(&answer, |answer| wallet::changed(answer.wallet.as_ref(), answer.replayed))
}

async fn delete(args: DeleteArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let DeleteArgs { wallet: WalletArgs { account, asset }, condition: EtagArgs { etag }, write } =
        args;
    write.refuse_commit_token()?;
    let request = DeleteTopUpRuleRequest {
        account,
        asset,
        etag,
        idempotency_key: write.key(),
        metadata: write.metadata(),
        actor: write.actor,
        reason: write.reason,
        validate_only: write.validate_only,
    };
    let answer = client.delete_top_up_rule(request).await?;
    output.answer(&answer, |answer| wallet::changed(answer.wallet.as_ref(), answer.replayed))
}

async fn decline(args: DeclineArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let DeclineArgs { wallet: WalletArgs { account, asset }, reference, write } = args;
    write.refuse_commit_token()?;
    let request = DeclineTopUpRequest {
        account,
        asset,
        reference,
        idempotency_key: write.key(),
        metadata: write.metadata(),
        actor: write.actor,
        reason: write.reason,
        validate_only: write.validate_only,
    };
    let answer = client.decline_top_up(request).await?;
    output.answer(&answer, |answer| wallet::changed(answer.wallet.as_ref(), answer.replayed))
}

fn record(top_ups: Option<&TopUps>) -> String {
    let TopUps { rule, outstanding, requested_at } = top_ups.cloned().unwrap_or_default();
    let asked: Vec<String> = requested_at.into_iter().map(|at| instant::show(Some(at))).collect();
    table::record([
        ("rule", rule.as_ref().map_or_else(|| "none".to_owned(), brief)),
        ("awaited", outstanding),
        ("asked at", asked.join(", ")),
    ])
}

/// A rule in a line, such as `500 below 100, at most 3 per month`.
pub fn brief(rule: &TopUpRule) -> String {
    let TopUpRule { threshold, amount, most_requests, window } = rule;
    let window = match window {
        None => String::new(),
        Some(Window::Rolling(length)) => format!(" {}", window::rolling(length)),
        Some(Window::Calendar(calendar)) => format!(" {}", window::calendar(calendar)),
    };
    format!("{amount} below {threshold}, at most {most_requests}{window}")
}

#[cfg(test)]
mod tests {
    use purse_client::v1::{CalendarUnit, CalendarWindow};

    use super::*;

    #[test]
    fn a_rule_is_told_in_a_line() {
        let calendar =
            CalendarWindow { unit: CalendarUnit::Month.into(), time_zone: "UTC".to_owned() };
        let rule = TopUpRule {
            threshold: "100".to_owned(),
            amount: "500".to_owned(),
            most_requests: 3,
            window: Some(Window::Calendar(calendar)),
        };
        assert_eq!(brief(&rule), "500 below 100, at most 3 per month in UTC");
    }
}
