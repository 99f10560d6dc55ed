//! `purse limit`: set, list and delete spend limits.

use clap::{Args, Subcommand};
use purse_client::{
    Client,
    v1::{
        DeleteSpendLimitRequest, ListSpendLimitsRequest, SetSpendLimitRequest, SpendLimit,
        SpendLimitUsage, spend_limit::Window,
    },
};

use crate::{
    args::{EtagArgs, WalletArgs},
    exit::Failure,
    instant,
    output::Output,
    plot,
    table::{self, Column},
    wallet,
    window::{self, WindowArgs},
    write_args::WriteArgs,
};

/// What to do with spend limits.
#[derive(Debug, Subcommand)]
pub enum LimitCommand {
    /// Add a spend limit, or put it in the place of the one of its name
    Set(SetArgs),
    /// List the spend limits, and how much of each is used now
    List(ListArgs),
    /// Remove a spend limit
    Delete(DeleteArgs),
}

/// What `limit set` takes.
#[derive(Debug, Args)]
pub struct SetArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// The limit's own name within the wallet, such as daily
    name: String,
    /// The most that may be spent and held within the window
    amount: String,
    #[command(flatten)]
    window: WindowArgs,
    /// Limit only this actor
    #[arg(long, value_name = "ACTOR", default_value = "", hide_default_value = true)]
    only_actor: String,
    /// Limit each actor on their own
    #[arg(long, conflicts_with = "only_actor")]
    each_actor: bool,
    /// Limit only this operation
    #[arg(long, value_name = "OPERATION", default_value = "", hide_default_value = true)]
    only_operation: String,
    /// Limit each operation on its own
    #[arg(long, conflicts_with = "only_operation")]
    each_operation: bool,
    #[command(flatten)]
    condition: EtagArgs,
    #[command(flatten)]
    write: WriteArgs,
}

/// What `limit list` takes.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// Whose usage to show of limits that each actor has
    #[arg(long, default_value = "", hide_default_value = true)]
    actor: String,
    /// Which usage to show of limits that each operation has
    #[arg(long, default_value = "", hide_default_value = true)]
    operation: String,
}

/// What `limit delete` takes.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// The limit's name
    name: String,
    #[command(flatten)]
    condition: EtagArgs,
    #[command(flatten)]
    write: WriteArgs,
}

/// Runs `purse limit`.
pub async fn run(
    command: LimitCommand,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    match command {
        LimitCommand::Set(args) => set(args, client, output).await,
        LimitCommand::List(args) => list(args, client, output).await,
        LimitCommand::Delete(args) => delete(args, client, output).await,
    }
}

async fn set(args: SetArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let SetArgs {
        wallet: WalletArgs { account, asset },
        name,
        amount,
        window,
        only_actor,
        each_actor,
        only_operation,
        each_operation,
        condition: EtagArgs { etag },
        write,
    } = args;
    write.refuse_commit_token()?;
    let window = window.window()?.map(|window| match window {
        window::Window::Calendar(calendar) => Window::Calendar(calendar),
        window::Window::Rolling(length) => Window::Rolling(length),
    });
    let limit = SpendLimit {
        name,
        amount,
        actor: only_actor,
        each_actor,
        operation: only_operation,
        each_operation,
        window,
    };
    let request = SetSpendLimitRequest {
        account,
        asset,
        limit: Some(limit),
        etag,
        idempotency_key: write.key(),
        metadata: write.metadata(),
        actor: write.actor,
        reason: write.reason,
        validate_only: write.validate_only,
    };
    let answer = client.set_spend_limit(request).await?;
    output.answer(&answer, |answer| wallet::changed(answer.wallet.as_ref(), answer.replayed))
}

async fn delete(args: DeleteArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let DeleteArgs {
        wallet: WalletArgs { account, asset },
        name,
        condition: EtagArgs { etag },
        write,
    } = args;
    write.refuse_commit_token()?;
    let request = DeleteSpendLimitRequest {
        account,
        asset,
        name,
        etag,
        idempotency_key: write.key(),
        metadata: write.metadata(),
        actor: write.actor,
        reason: write.reason,
        validate_only: write.validate_only,
    };
    let answer = client.delete_spend_limit(request).await?;
    output.answer(&answer, |answer| wallet::changed(answer.wallet.as_ref(), answer.replayed))
}

async fn list(args: ListArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let ListArgs { wallet: WalletArgs { account, asset }, actor, operation } = args;
    let request = ListSpendLimitsRequest { account, asset, actor, operation };
    let answer = client.list_spend_limits(request).await?;
    let bars = answer.limits.iter().map(bar).collect::<Result<Vec<_>, _>>()?;
    output.answer(&answer, |answer| {
        let columns = [
            Column::Word("name"),
            Column::Text("whose"),
            Column::Text("window"),
            Column::Figure("spent"),
            Column::Figure("held"),
            Column::Figure("of"),
            Column::Word("used"),
            Column::Text("frees"),
        ];
        let rows = answer.limits.iter().zip(bars);
        table::rows(
            &columns,
            rows.map(|(usage, bar)| {
                let limit = usage.limit.clone().unwrap_or_default();
                let frees = usage.frees_at.map(|at| instant::brief(Some(at)));
                vec![
                    limit.name.clone(),
                    whose(&limit),
                    window(&limit),
                    usage.spent.clone(),
                    table::unless_zero(&usage.held),
                    limit.amount,
                    bar,
                    frees.unwrap_or_default(),
                ]
            }),
        )
    })
}

/// What is used, as a bar that is full with all of it; none where each has the limit and none was named.
fn bar(usage: &SpendLimitUsage) -> Result<String, Failure> {
    let amount = usage.limit.as_ref().map_or("0", |limit| &limit.amount);
    if usage.used.is_empty() {
        return Ok(String::new());
    }
    let (used, most) = (plot::height(&usage.used)?, plot::height(amount)?);
    Ok(plot::bar(used.min(most), most))
}

/// A limit in a few words, such as `daily: 100 per day in Europe/Berlin, each actor`.
pub fn brief(limit: &SpendLimit) -> String {
    let (name, amount, window, whose) = (&limit.name, &limit.amount, window(limit), whose(limit));
    let whose = if whose.is_empty() { whose } else { format!(", {whose}") };
    format!("{name}: {amount} {window}{whose}")
}

fn window(limit: &SpendLimit) -> String {
    match &limit.window {
        None => String::new(),
        Some(Window::Rolling(length)) => window::rolling(length),
        Some(Window::Calendar(calendar)) => window::calendar(calendar),
    }
}

fn whose(limit: &SpendLimit) -> String {
    let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    let actor = named(&limit.actor).or(limit.each_actor.then(|| "each actor".to_owned()));
    let operation =
        named(&limit.operation).or(limit.each_operation.then(|| "each operation".to_owned()));
    let operation = operation.map(|operation| format!("for {operation}"));
    actor.into_iter().chain(operation).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use purse_client::v1::{CalendarUnit, CalendarWindow};

    use super::*;
    use crate::duration;

    #[test]
    fn a_limit_is_told_in_a_few_words() {
        let berlin = CalendarWindow {
            unit: CalendarUnit::Day.into(),
            time_zone: "Europe/Berlin".to_owned(),
        };
        let day = duration::parse("24h").unwrap().try_into().unwrap();
        let limit = SpendLimit {
            name: "daily".to_owned(),
            amount: "100".to_owned(),
            each_actor: true,
            operation: "chat".to_owned(),
            window: Some(Window::Calendar(berlin)),
            ..SpendLimit::default()
        };
        assert_eq!(brief(&limit), "daily: 100 per day in Europe/Berlin, each actor for chat");
        let limit = SpendLimit {
            name: "any".to_owned(),
            amount: "0".to_owned(),
            window: Some(Window::Rolling(day)),
            ..SpendLimit::default()
        };
        assert_eq!(brief(&limit), "any: 0 in 1d");
    }

    #[test]
    fn a_bar_is_full_when_all_is_used_or_more() {
        let used = |used: &str| {
            let limit = Some(SpendLimit { amount: "8".to_owned(), ..SpendLimit::default() });
            bar(&SpendLimitUsage { limit, used: used.to_owned(), ..SpendLimitUsage::default() })
        };
        assert_eq!(used("2").unwrap(), "█".repeat(6));
        assert_eq!(used("8").unwrap(), used("9").unwrap());
        assert_eq!(used("").unwrap(), "");
        assert!(used("some").is_err());
    }
}
