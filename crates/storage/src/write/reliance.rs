//! What answers rely on that were decided on kept wallets and write nothing: rejections and previews have to stand too.

use std::collections::HashMap;

use postgres_types::ToSql;
use purse_domain::{Group, Request, TransactionId, WalletId, WalletName};
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

/// All of that in a batch.
#[derive(Debug, Default)]
pub(super) struct Reliance(Vec<(WalletId, ReliedOn)>);

impl Reliance {
    /// Adds what a group was decided on that writes nothing. `found` knows the revision that a wallet's row has, unless another
    /// server has written to it meanwhile.
    pub(super) fn add(&mut self, group: &Group, found: impl Fn(&WalletName) -> Option<i64>) {
        for legs in group.transactions() {
            // A key is unique in the account of its first wallet.
            let mut key = legs[0].key.as_ref();
            for name in legs.iter().flat_map(Request::wallets) {
                let row = ReliedOn {
                    account_id: name.account_id.uuid(),
                    wallet_id: name.wallet_id.uuid(),
                    found: found(name),
                    builds_on: None,
                    idempotency_key: key.take().map(|key| key.as_str().to_owned()),
                };
                self.0.push((name.wallet_id, row));
            }
        }
    }

    /// As rows, each with the transaction that its wallet builds on, if another batch is still writing that.
    pub(super) fn rows(self, unwritten: &HashMap<WalletId, TransactionId>) -> Vec<ReliedOn> {
        let builds_on = |id: &WalletId| unwritten.get(id).copied().map(TransactionId::uuid);
        let rows = self.0.into_iter();
        rows.map(|(id, row)| ReliedOn { builds_on: builds_on(&id), ..row }).collect()
    }
}
