//! Writing what a batch decided: arrays through `unnest`, the statements of all tables sent as one.
//!
//! The commit is not sent with it but after it has succeeded, so what never left cannot make half a batch
//! durable.

mod assets;
mod columns;
mod entries;
mod grants;
mod transactions;
mod wallets;

use deadpool_postgres::Client;
use purse_domain::{Decision, Request, Scale, Transaction, WalletState};

use crate::StorageError;
use columns::{Rows, send};

/// All rows of a batch, gathered while it is decided.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    transactions: transactions::Transactions,
    entries: entries::Entries,
    wallets: wallets::Wallets,
    grants: grants::Grants,
    assets: assets::Assets,
}

impl Writes {
    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.transactions.is_empty()
    }

    /// Adds what an accepted request did: `existed` says whether the wallet was there before it, `after` is
    /// the wallet after it.
    pub(crate) fn add(
        &mut self,
        request: &Request,
        transaction: &Transaction,
        decision: &Decision,
        existed: bool,
        after: &WalletState,
    ) {
        let name = &request.wallet;
        self.transactions.add(name, transaction);
        for (index, entry) in decision.entries.iter().enumerate() {
            let owner = (index >= decision.settled).then_some(transaction.id);
            self.entries.add(name, entry, owner);
        }
        self.grants.add(name, decision, transaction.id, after);
        self.wallets.add(existed, decision, after);
    }

    /// Adds an asset that a wallet was just created of.
    pub(crate) fn add_asset(&mut self, request: &Request, scale: Scale, transaction: &Transaction) {
        self.assets.add(&request.wallet, scale, transaction.recorded_at);
    }

    /// Sends everything; the transaction is left open.
    pub(crate) async fn send(self, client: &Client) -> Result<(), StorageError> {
        let Self { transactions, entries, wallets, grants, assets } = self;
        let (heads, new_wallets, settings) = wallets.rows();
        let (changed_grants, new_grants, places) = grants.rows();
        let rows: [&dyn Rows; 7] =
            [&assets, &new_wallets, &new_grants, &transactions, &entries, &heads, &changed_grants];
        send(client, &rows).await?;
        // These touch rows that the statement above may touch too.
        send(client, &[&settings, &places]).await
    }
}
