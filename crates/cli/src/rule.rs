//! `purse rule`: the templates on plans, subscriptions and add-ons that make grants.

mod expiry;
mod show;
mod terms;
mod words;

use clap::{Args, Subcommand};
use prost_types::FieldMask;
use purse_client::{
    Client,
    v1::{
        CreateGrantRuleRequest, DeleteGrantRuleRequest, ExpiryType, GetGrantRuleRequest, GrantRule,
        ListGrantRuleChangesRequest, ListGrantRulesRequest, RuleCadence, RuleScope, RuleStatus,
        UpdateGrantRuleRequest,
    },
};

use crate::{exit::Failure, output::Output, pages, write_args::WriteArgs};
use expiry::{DateArgs, ExpiryArgs};
use terms::TermArgs;

/// What to do with grant rules.
#[derive(Debug, Subcommand)]
pub enum RuleCommand {
    /// Make a rule, which makes grants for subscriptions from then on
    Create(Box<CreateArgs>),
    /// Show a rule
    Get(GetArgs),
    /// List rules
    List(ListArgs),
    /// Change a rule; what it granted before stays as it was granted
    Update(Box<UpdateArgs>),
    /// Change when the grants that one or more rules make from now on expire
    Expiry(ExpiryArgs),
    /// End a rule; what it granted stays
    Delete(DeleteArgs),
    /// List every change of a rule: who, when, why, before and after
    Changes(ChangesArgs),
    /// Calculate when grants expire, by a rule or by settings; nothing is granted
    ExpiryDate(DateArgs),
}

/// What `rule create` takes.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// What people call it
    name: String,
    /// What is granted, such as credits
    asset: String,
    /// How much, such as 100
    amount: String,
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    terms: TermArgs,
    #[command(flatten)]
    write: WriteArgs,
}

/// What a rule belongs to.
#[derive(Debug, Args)]
#[group(id = "scope", required = true, multiple = false)]
pub struct ScopeArgs {
    /// Grant to every subscription to this plan
    #[arg(long, value_name = "PLAN")]
    plan: Option<String>,
    /// Grant to this subscription
    #[arg(long, value_name = "SUBSCRIPTION")]
    subscription: Option<String>,
    /// Grant to every subscription that has this add-on
    #[arg(long, value_name = "ADDON")]
    addon: Option<String>,
}

/// What `rule get` takes.
#[derive(Debug, Args)]
pub struct GetArgs {
    /// The rule's id
    rule_id: String,
}

/// What `rule list` takes.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only rules of this plan
    #[arg(long, default_value = "", hide_default_value = true)]
    plan: String,
    /// Only rules of this subscription
    #[arg(long, default_value = "", hide_default_value = true)]
    subscription: String,
    /// Only rules of this add-on
    #[arg(long, default_value = "", hide_default_value = true)]
    addon: String,
    /// Only rules of plans, subscriptions or add-ons: plan, subscription or addon
    #[arg(long, value_parser = words::parse_scope)]
    scope: Option<RuleScope>,
    /// Only rules that grant this
    #[arg(long, default_value = "", hide_default_value = true)]
    asset: String,
    /// Only active, inactive or deleted ones; without it all but deleted ones
    #[arg(long, value_parser = words::parse_status)]
    status: Option<RuleStatus>,
    /// Only rules that grant onetime, or recurring
    #[arg(long, value_parser = words::parse_cadence)]
    cadence: Option<RuleCadence>,
    /// Only rules whose grants end never, by duration or by billing-cycle
    #[arg(long, value_parser = words::parse_expiry_type)]
    expiry: Option<ExpiryType>,
    /// The most to list; 0 lists all
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

/// What `rule update` takes. Its `--metadata` is the change's.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// The rule's id
    rule_id: String,
    /// What people are to call it
    #[arg(long)]
    name: Option<String>,
    /// How much it is to grant
    #[arg(long)]
    amount: Option<String>,
    /// Let it grant once for each subscription
    #[arg(long, conflicts_with = "period")]
    onetime: bool,
    #[command(flatten)]
    terms: TermArgs,
    /// Give this field its default again, such as ends-at; may be repeated
    #[arg(long, value_name = "FIELD")]
    reset: Vec<String>,
    /// Change it only if this is still its etag
    #[arg(long, default_value = "", hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// What `rule delete` takes.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// The rule's id
    rule_id: String,
    /// Delete it only if this is still its etag
    #[arg(long, default_value = "", hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// What `rule changes` takes.
#[derive(Debug, Args)]
pub struct ChangesArgs {
    /// The rule's id
    rule_id: String,
    /// The most to list; 0 lists all
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

/// Runs `purse rule`.
pub async fn run(
    command: RuleCommand,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    match command {
        RuleCommand::Create(args) => create(*args, client, output).await,
        RuleCommand::Get(args) => get(args, client, output).await,
        RuleCommand::List(args) => list(args, client, output).await,
        RuleCommand::Update(args) => update(*args, client, output).await,
        RuleCommand::Expiry(args) => expiry::change(args, client, output).await,
        RuleCommand::Delete(args) => delete(args, client, output).await,
        RuleCommand::Changes(args) => changes(args, client, output).await,
        RuleCommand::ExpiryDate(args) => expiry::date(args, client, output).await,
    }
}

async fn create(args: CreateArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let CreateArgs { name, asset, amount, scope, terms, write } = args;
    write.refuse_commit_token()?;
    let ScopeArgs { plan, subscription, addon } = scope;
    let scope = match (&plan, &subscription) {
        (Some(_), _) => RuleScope::Plan,
        (None, Some(_)) => RuleScope::Subscription,
        (None, None) => RuleScope::Addon,
    };
    let (rule, _) = terms.rule()?;
    let cadence = if rule.cadence == 0 { RuleCadence::Onetime.into() } else { rule.cadence };
    let rule = GrantRule {
        name,
        scope: scope.into(),
        plan_id: plan.unwrap_or_default(),
        subscription_id: subscription.unwrap_or_default(),
        addon_id: addon.unwrap_or_default(),
        asset,
        amount,
        cadence,
        ..rule
    };
    let validate_only = write.validate_only;
    let request = CreateGrantRuleRequest {
        rule: Some(rule),
        idempotency_key: write.key(),
        metadata: write.metadata(),
        actor: write.actor,
        reason: write.reason,
        validate_only,
    };
    let answer = client.create_grant_rule(request).await?;
    output.answer(&answer, |answer| {
        show::record(answer.rule.as_ref(), show::outcome(answer.replayed, validate_only))
    })
}

async fn get(args: GetArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let GetArgs { rule_id } = args;
    let answer = client.get_grant_rule(GetGrantRuleRequest { rule_id }).await?;
    output.answer(&answer, |answer| show::record(answer.rule.as_ref(), ""))
}

async fn list(args: ListArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let ListArgs { plan, subscription, addon, scope, asset, status, cadence, expiry, limit } = args;
    let request = ListGrantRulesRequest {
        scope: scope.unwrap_or(RuleScope::Unspecified).into(),
        plan_id: plan,
        subscription_id: subscription,
        addon_id: addon,
        asset,
        status: status.unwrap_or(RuleStatus::Unspecified).into(),
        cadence: cadence.unwrap_or(RuleCadence::Unspecified).into(),
        expiry_type: expiry.unwrap_or(ExpiryType::Unspecified).into(),
        page_size: 0,
        page_token: String::new(),
    };
    let answer = pages::list_grant_rules(client, request, limit).await?;
    output.answer(&answer, |answer| show::table(&answer.rules))?;
    pages::note_cut(&answer.next_page_token, limit);
    Ok(())
}

async fn update(args: UpdateArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let UpdateArgs { rule_id, name, amount, onetime, terms, reset, etag, write } = args;
    write.refuse_commit_token()?;
    let (mut rule, mut paths) = terms.rule()?;
    if let Some(name) = name {
        rule.name = name;
        paths.push("name".to_owned());
    }
    if let Some(amount) = amount {
        rule.amount = amount;
        paths.push("amount".to_owned());
    }
    if onetime {
        rule.cadence = RuleCadence::Onetime.into();
        paths.push("cadence".to_owned());
    }
    for field in reset {
        let field = field.replace('-', "_");
        if paths.contains(&field) {
            return Err(Failure::Usage(format!("--reset {field} goes with no value for it")));
        }
        paths.push(field);
    }
    if paths.is_empty() {
        let hint = "say what to change, such as --amount, --priority or --expires-after";
        return Err(Failure::Usage(hint.to_owned()));
    }
    let validate_only = write.validate_only;
    let request = UpdateGrantRuleRequest {
        rule_id,
        rule: Some(rule),
        update_mask: Some(FieldMask { paths }),
        etag,
        idempotency_key: write.key(),
        metadata: write.metadata(),
        actor: write.actor,
        reason: write.reason,
        validate_only,
    };
    let answer = client.update_grant_rule(request).await?;
    output.answer(&answer, |answer| {
        show::record(answer.rule.as_ref(), show::outcome(answer.replayed, validate_only))
    })
}

async fn delete(args: DeleteArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let DeleteArgs { rule_id, etag, write } = args;
    write.refuse_commit_token()?;
    let validate_only = write.validate_only;
    let request = DeleteGrantRuleRequest {
        rule_id,
        etag,
        idempotency_key: write.key(),
        metadata: write.metadata(),
        actor: write.actor,
        reason: write.reason,
        validate_only,
    };
    let answer = client.delete_grant_rule(request).await?;
    output.answer(&answer, |answer| {
        show::record(answer.rule.as_ref(), show::outcome(answer.replayed, validate_only))
    })
}

async fn changes(args: ChangesArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let ChangesArgs { rule_id, limit } = args;
    let request = ListGrantRuleChangesRequest { rule_id, page_size: 0, page_token: String::new() };
    let answer = pages::list_grant_rule_changes(client, request, limit).await?;
    output.answer(&answer, |answer| show::changes(&answer.changes))?;
    pages::note_cut(&answer.next_page_token, limit);
    Ok(())
}
