//! `purse spend`: take credits from a wallet.

use clap::Args;
use prost_types::Timestamp;
use purse_client::{
    Client,
    v1::{Balance, SpendRequest, Transaction},
};

use crate::{
    args::WalletArgs,
    balance, entries,
    exit::Failure,
    instant, label,
    output::Output,
    table,
    write_args::{WriteArgs, parse_pair},
};

/// What `spend` takes.
#[derive(Debug, Args)]
pub struct SpendArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// How much, such as 12.50; without it what the price of --operation makes of --quantity
    #[arg(default_value = "", hide_default_value = true, required_unless_present = "operation")]
    amount: String,
    /// What is paid for; grants that apply to some operations only are drawn by those
    #[arg(long, default_value = "", hide_default_value = true)]
    operation: String,
    /// What the operation is priced by, such as megabytes=5.2; may be repeated
    #[arg(
        long = "quantity",
        value_name = "NAME=FIGURE",
        value_parser = parse_pair,
        conflicts_with = "amount",
        requires = "operation"
    )]
    quantities: Vec<(String, String)>,
    /// When the usage happened, if that was earlier, 72 hours at most: RFC 3339, or a date
    #[arg(long, value_parser = instant::parse, value_name = "INSTANT")]
    occurred_at: Option<Timestamp>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Runs `purse spend`.
pub async fn run(args: SpendArgs, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let SpendArgs {
        wallet: WalletArgs { account, asset },
        amount,
        operation,
        quantities,
        occurred_at,
        write,
    } = args;
    let request = SpendRequest {
        account,
        asset,
        amount,
        operation,
        occurred_at,
        quantities: quantities.into_iter().collect(),
        idempotency_key: write.key(),
        metadata: write.metadata(),
        actor: write.actor,
        reason: write.reason,
        validate_only: write.validate_only,
        commit_token: write.commit_token,
    };
    let answer = client.spend(request).await?;
    output.answer(&answer, |answer| {
        record(answer.transaction.as_ref(), answer.balance.as_ref(), answer.replayed)
    })
}

/// What a transaction wrote, and the balance after it.
pub fn record(
    transaction: Option<&Transaction>,
    balance: Option<&Balance>,
    replayed: bool,
) -> String {
    let transaction = transaction.cloned().unwrap_or_default();
    let kind = label::transaction_kind(transaction.kind());
    let outcome = match (replayed, transaction.transaction_id.is_empty()) {
        (true, _) => "replayed: the first answer to this key",
        (false, true) => "validated; nothing was written",
        (false, false) => "",
    };
    let head = table::record([
        ("transaction", transaction.transaction_id),
        ("kind", kind),
        ("key", transaction.idempotency_key),
        ("recorded at", instant::show(transaction.recorded_at)),
        ("actor", transaction.actor),
        ("reason", transaction.reason),
        ("metadata", label::metadata(&transaction.metadata)),
        ("priced by", label::pricing(transaction.pricing.as_ref())),
        ("bought", label::purchase(transaction.purchase.as_ref())),
        ("outcome", outcome.to_owned()),
        ("commit token", transaction.commit_token),
    ]);
    let entries = entries::table(&transaction.entries);
    format!("{head}\n\n{entries}\n\nAfter it:\n{}", balance::record(balance))
}
