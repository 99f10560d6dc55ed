//! `purse transaction`: one transaction by its id.

use clap::Args;
use purse_client::{
    Client,
    v1::{GetTransactionRequest, Transaction},
};

use crate::{args::WalletArgs, entries, exit::Failure, instant, label, output::Output, table};

/// What `transaction` takes.
#[derive(Debug, Args)]
pub struct TransactionArgs {
    #[command(flatten)]
    wallet: WalletArgs,
    /// The transaction, as `purse entries -o json` shows it
    transaction: String,
}

/// Runs `purse transaction`.
pub async fn run(
    args: TransactionArgs,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    let TransactionArgs { wallet: WalletArgs { account, asset }, transaction } = args;
    let request = GetTransactionRequest { account, asset, transaction_id: transaction };
    let answer = client.get_transaction(request).await?;
    output.answer(&answer, |answer| record(&answer.transaction.clone().unwrap_or_default()))
}

/// A transaction, a line for each field, and its entries.
pub fn record(transaction: &Transaction) -> String {
    let version = transaction.drawdown_policy_version;
    let policy = label::drawdown_policy(transaction.drawdown_policy());
    let head = table::record([
        ("transaction", transaction.transaction_id.clone()),
        ("kind", label::transaction_kind(transaction.kind())),
        ("key", transaction.idempotency_key.clone()),
        ("operation", transaction.operation.clone()),
        ("other account", transaction.counterparty_account.clone()),
        ("actor", transaction.actor.clone()),
        ("reason", transaction.reason.clone()),
        ("metadata", label::metadata(&transaction.metadata)),
        ("recorded at", instant::show(transaction.recorded_at)),
        ("policy", format!("{policy}, version {version}")),
    ]);
    if transaction.entries.is_empty() {
        return head;
    }
    format!("{head}\n\n{}", entries::table(&transaction.entries))
}
