//! `purse grant`: put credits in a wallet.

use clap::Args;
use prost_types::Timestamp;
use purse_client::{
    Client,
    v1::{Grant, GrantRequest, GrantResponse},
};

use crate::{
    args::WalletArgs, balance, exit::Failure, instant, label, output::Output, table,
    write_args::WriteArgs,
};

/// What `grant` takes.
#[derive(Debug, Args)]
pub struct GrantArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// How much, such as 12.50
    amount: String,
    /// The first instant at which it can be spent: RFC 3339, or a date; without it now
    #[arg(long, value_parser = instant::parse, value_name = "INSTANT")]
    effective_at: Option<Timestamp>,
    /// The first instant at which it no longer can; without it never
    #[arg(long, value_parser = instant::parse, value_name = "INSTANT")]
    expires_at: Option<Timestamp>,
    /// Lower is drawn first; 100 by default
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i32>,
    /// What kind of credits these are: monthly, purchased, promotional, …; adjustment by default
    #[arg(long, default_value = "", hide_default_value = true)]
    category: String,
    /// What one credit cost, such as 0.01; 0 by default
    #[arg(long, default_value = "", hide_default_value = true)]
    cost_basis: String,
    /// Only this operation may draw it; may be repeated
    #[arg(long, value_name = "OPERATION")]
    applies_to: Vec<String>,
    /// What paid for it, such as a charge; `purse revoke` names it
    #[arg(long, default_value = "", hide_default_value = true)]
    funding_ref: String,
    #[command(flatten)]
    write: WriteArgs,
}

/// Runs `purse grant`.
pub async fn run(args: GrantArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let GrantArgs {
        wallet: WalletArgs { account, asset },
        amount,
        effective_at,
        expires_at,
        priority,
        category,
        cost_basis,
        applies_to,
        funding_ref,
        write,
    } = args;
    let request = GrantRequest {
        account,
        asset,
        amount,
        effective_at,
        expires_at,
        priority,
        category,
        cost_basis,
        applies_to,
        funding_ref,
        idempotency_key: write.key(),
        metadata: write.metadata(),
        actor: write.actor,
        reason: write.reason,
        validate_only: write.validate_only,
        commit_token: write.commit_token,
    };
    let answer = client.grant(request).await?;
    output.answer(&answer, record)
}

fn record(answer: &GrantResponse) -> String {
    let grant = answer.grant.clone().unwrap_or_default();
    let status = label::grant_status(&grant);
    let expires = grant.expires_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
    let Grant {
        number,
        amount,
        effective_at,
        priority,
        category,
        cost_basis,
        applies_to,
        funding_ref,
        ..
    } = grant;
    let transaction = answer.transaction.clone().unwrap_or_default().transaction_id;
    let outcome = match (answer.replayed, transaction.is_empty()) {
        (true, _) => "replayed: the first answer to this key",
        (false, true) => "validated; nothing was written",
        (false, false) => "",
    };
    let grant = table::record([
        ("grant", format!("#{number}, {status}")),
        ("amount", amount),
        ("effective", instant::show(effective_at)),
        ("expires", expires),
        ("category", category),
        ("priority", priority.to_string()),
        ("cost basis", cost_basis),
        ("applies to", applies_to.join(", ")),
        ("funding", funding_ref),
        ("transaction", transaction),
        ("outcome", outcome.to_owned()),
    ]);
    format!("{grant}\n\nAfter it:\n{}", balance::record(answer.balance.as_ref()))
}
