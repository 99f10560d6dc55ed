//! Requests to explain.

use purse_domain::{Timestamp, TransactionId, WalletName};
use purse_proto::v1;
use tonic::Status;

use super::Fields;
use crate::auth::Caller;

/// The items of an explanation if no number is asked for: more than a person reads.
const DEFAULT_ITEMS: usize = 1_000;
/// A larger number means this: an answer stays below the message limit, unless its grants are restricted to many
/// operations each.
const MOST_ITEMS: usize = 10_000;

/// What to explain of a wallet, and how many items to list.
#[derive(Debug, Clone)]
pub struct ExplainQuery<T> {
    /// The wallet.
    pub wallet: WalletName,
    /// The transaction, or the instant.
    pub what: T,
    /// The most items.
    pub most: usize,
}

/// Which transaction to explain.
pub fn explain_transaction(
    caller: &Caller,
    message: v1::ExplainTransactionRequest,
) -> Result<ExplainQuery<TransactionId>, Status> {
    let v1::ExplainTransactionRequest { account, asset, transaction_id, max_items } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let transaction = fields.transaction_id(&transaction_id);
    let most = fields.most("max_items", max_items, DEFAULT_ITEMS, MOST_ITEMS);
    let query = (|| Some(ExplainQuery { wallet: wallet?, what: transaction?, most: most? }))();
    fields.finish(query)
}

/// Which balance to explain; `None`: the present one.
pub fn explain_balance(
    caller: &Caller,
    message: v1::ExplainBalanceRequest,
) -> Result<ExplainQuery<Option<Timestamp>>, Status> {
    let v1::ExplainBalanceRequest { account, asset, at, max_items } = message;
    let mut fields = Fields::default();
    let wallet = fields.wallet(caller, &account, &asset);
    let at = fields.instant("at", at);
    let most = fields.most("max_items", max_items, DEFAULT_ITEMS, MOST_ITEMS);
    let query = (|| Some(ExplainQuery { wallet: wallet?, what: at?, most: most? }))();
    fields.finish(query)
}
