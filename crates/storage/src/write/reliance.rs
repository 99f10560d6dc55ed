//! What answers rely on that were decided on kept wallets and write nothing: rejections and previews have to stand too.

use postgres_types::ToSql;
use purse_domain::{Group, Request, TransactionId, WalletName};
use uuid::Uuid;

use super::together::Row;

/// A wallet that an answer was decided on, and its key. If the wallet has another revision by now, the answer may be wrong;
/// if the key was used, the first answer to it is to be given again. Either way the statement fails, and with it the batch.
///
/// It sees nothing of what its own statement writes: what the batch does to the wallet stands or falls with the wallet's head.
#[derive(Debug, ToSql)]
#[postgres(name = "relied_on")]
pub(super) struct ReliedOn {
    account_id: Uuid,
    wallet_id: Uuid,
    /// `None` is no revision: then it fails.
    found: Option<i64>,
    builds_on: Option<Uuid>,
    idempotency_key: Option<String>,
}

impl Row for ReliedOn {
    const STATEMENT: &'static str = concat!(
        "SELECT (
            (
                SELECT revision
                FROM wallets
                WHERE account_id = r.account_id AND wallet_id = r.wallet_id
            ) = r.found
            AND (
                SELECT TRUE
                FROM transactions
                WHERE account_id = r.account_id AND idempotency_key = r.idempotency_key
                LIMIT 1
            ) IS NULL
            AND ",
        what_it_builds_on_is_there!(),
        ")::standing
        FROM unnest($1::relied_on[]) AS r"
    );
}

impl ReliedOn {
    /// What the answer to a group relies on. `found` knows the revision that a wallet's row has, unless another server has
    /// written to it meanwhile, and the transaction that it builds on, if another batch is still writing that.
    pub(super) fn all(
        group: &Group,
        found: impl Fn(&WalletName) -> (Option<i64>, Option<TransactionId>),
    ) -> Vec<Self> {
        let mut rows = Vec::new();
        for legs in group.transactions() {
            // A key is unique in the account of its first wallet.
            let mut key = legs[0].key.as_ref();
            for name in legs.iter().flat_map(Request::wallets) {
                let (found, builds_on) = found(name);
                rows.push(Self {
                    account_id: name.account_id.uuid(),
                    wallet_id: name.wallet_id.uuid(),
                    found,
                    builds_on: builds_on.map(TransactionId::uuid),
                    idempotency_key: key.take().map(|key| key.as_str().to_owned()),
                });
            }
        }
        rows
    }
}
