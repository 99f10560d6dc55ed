//! `purse subscription`, `purse application` and `purse reconcile`: what the billing system told, and what rules made
//! of it.

use clap::{Args, Subcommand};
use prost_types::Timestamp;
use purse_client::{
    Client,
    v1::{
        Application, GetSubscriptionRequest, GetSubscriptionResponse, ListApplicationsRequest,
        ListFailedApplicationsRequest, ReconcileSubscriptionRequest, RetryApplicationRequest,
        SubscriptionState,
    },
};

use crate::{
    exit::Failure,
    instant, label,
    output::Output,
    pages,
    table::{self, Column},
};

/// The two names of a subscription.
#[derive(Debug, Args)]
pub struct SubscriptionArgs {
    /// Who subscribes, such as org:42
    account: String,
    /// The subscription, as the billing system names it
    subscription: String,
}

/// What `application` does.
#[derive(Debug, Subcommand)]
pub enum ApplicationCommand {
    /// List what rules grant to a subscription, period by period: what was, what is to come, what is not
    List(ListArgs),
    /// List the applications that a wallet refused
    Failed(FailedArgs),
    /// Try an application that failed once more, now
    Retry(RetryArgs),
}

/// What `application list` takes.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    subscription: SubscriptionArgs,
    /// As far as this instant, two years ahead at most: RFC 3339, or a date
    #[arg(long, value_parser = instant::parse, value_name = "INSTANT")]
    until: Option<Timestamp>,
}

/// What `application failed` takes.
#[derive(Debug, Args)]
pub struct FailedArgs {
    /// The most to list; 0 lists all
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

/// What `application retry` takes.
#[derive(Debug, Args)]
pub struct RetryArgs {
    #[command(flatten)]
    subscription: SubscriptionArgs,
    /// The rule
    rule: String,
    /// Where the period begins: RFC 3339, or a date; nothing of a rule that grants once
    #[arg(value_parser = instant::parse)]
    period_start: Option<Timestamp>,
}

/// What `reconcile` takes.
#[derive(Debug, Args)]
pub struct ReconcileArgs {
    #[command(flatten)]
    subscription: SubscriptionArgs,
    /// As of this instant instead of now: RFC 3339, or a date
    #[arg(long, value_parser = instant::parse, value_name = "INSTANT", conflicts_with = "apply")]
    as_of: Option<Timestamp>,
    /// Grant what is missing
    #[arg(long)]
    apply: bool,
}

/// Runs `purse subscription`.
pub async fn show(
    args: SubscriptionArgs,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    let SubscriptionArgs { account, subscription } = args;
    let request = GetSubscriptionRequest { account, subscription_id: subscription };
    let answer = client.get_subscription(request).await?;
    output.answer(&answer, record)
}

/// Runs `purse application`.
pub async fn application(
    command: ApplicationCommand,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    match command {
        ApplicationCommand::List(args) => list(args, client, output).await,
        ApplicationCommand::Failed(args) => failed(args, client, output).await,
        ApplicationCommand::Retry(args) => retry(args, client, output).await,
    }
}

/// Runs `purse reconcile`.
pub async fn reconcile(
    args: ReconcileArgs,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    let ReconcileArgs { subscription, as_of, apply } = args;
    let SubscriptionArgs { account, subscription } = subscription;
    let request =
        ReconcileSubscriptionRequest { account, subscription_id: subscription, as_of, apply };
    let answer = client.reconcile_subscription(request).await?;
    output.answer(&answer, |answer| match answer.missing.as_slice() {
        [] => "nothing is missing".to_owned(),
        missing => applications(missing),
    })
}

async fn list(args: ListArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let ListArgs { subscription, until } = args;
    let SubscriptionArgs { account, subscription } = subscription;
    let request = ListApplicationsRequest { account, subscription_id: subscription, until };
    let answer = client.list_applications(request).await?;
    output.answer(&answer, |answer| applications(&answer.applications))
}

async fn failed(args: FailedArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let FailedArgs { limit } = args;
    let request = ListFailedApplicationsRequest::default();
    let answer = pages::list_failed_applications(client, request, limit).await?;
    output.answer(&answer, |answer| {
        let columns = [
            Column::Text("account"),
            Column::Text("subscription"),
            Column::Word("rule"),
            Column::Text("period"),
            Column::Text("asset"),
            Column::Word("reason"),
            Column::Figure("attempts"),
            Column::Text("next attempt"),
        ];
        let rows = answer.applications.iter().map(|failed| {
            let application = failed.application.clone().unwrap_or_default();
            vec![
                failed.account.clone(),
                failed.subscription_id.clone(),
                application.rule_id,
                instant::brief(application.period_start),
                application.asset,
                application.reason,
                application.attempts.to_string(),
                instant::brief(application.next_attempt_at),
            ]
        });
        table::rows(&columns, rows)
    })?;
    pages::note_cut(&answer.next_page_token, limit);
    Ok(())
}

async fn retry(args: RetryArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let RetryArgs { subscription, rule, period_start } = args;
    let SubscriptionArgs { account, subscription } = subscription;
    let request = RetryApplicationRequest {
        account,
        subscription_id: subscription,
        rule_id: rule,
        period_start,
    };
    let answer = client.retry_application(request).await?;
    output.answer(&answer, |answer| applications(answer.application.as_slice()))
}

/// Applications, a line for each.
fn applications(applications: &[Application]) -> String {
    let columns = [
        Column::Text("counts from"),
        Column::Figure("amount"),
        Column::Text("asset"),
        Column::Text("until"),
        Column::Word("state"),
        Column::Word("why"),
        Column::Figure("grant"),
        Column::Text("due"),
        Column::Word("rule"),
    ];
    let rows = applications.iter().map(|application| {
        let state = label::application_state(application.state());
        let grant = match application.grant_number {
            0 => String::new(),
            number => format!("#{number}"),
        };
        vec![
            instant::brief(application.effective_at.or(application.period_start)),
            application.amount.clone(),
            application.asset.clone(),
            instant::brief(application.expires_at),
            state,
            application.reason.clone(),
            grant,
            instant::brief(application.due_at),
            application.rule_id.clone(),
        ]
    });
    table::rows(&columns, rows)
}

/// A subscription, a line for each of its fields.
fn record(answer: &GetSubscriptionResponse) -> String {
    let state: SubscriptionState = answer.state.clone().unwrap_or_default();
    let status = label::subscription_status(state.status());
    let period = format!(
        "{} to {}",
        instant::brief(state.current_period_start),
        instant::brief(state.current_period_end)
    );
    table::record([
        ("status", status),
        ("plan", state.plan_id),
        ("add-ons", state.addon_ids.join(", ")),
        ("since", instant::brief(answer.effective_at)),
        ("period", period),
        ("began", instant::brief(state.started_at)),
        ("anchor", instant::brief(state.anchor_at)),
        ("time zone", state.time_zone),
        ("trial ends", instant::brief(state.trial_ends_at)),
        ("ends", instant::brief(state.ends_at)),
        ("version", answer.version.to_string()),
        ("next look", instant::brief(answer.next_due_at)),
    ])
}
