//! Writing what a batch decided: one statement a table, arrays through `unnest`, all sent at once.
//!
//! The commit is not sent with them but after all have succeeded, so a statement that never left can not
//! make half a batch durable.

mod assets;
mod columns;
mod entries;
mod grants;
mod transactions;
mod wallets;

use deadpool_postgres::Client;
use purse_domain::{Decision, Request, Scale, Transaction, WalletState};

use crate::StorageError;

/// All rows of a batch, gathered while it is decided.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    transactions: transactions::Transactions,
    entries: entries::Entries,
    allocations: entries::Allocations,
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
            self.allocations.add(name, entry);
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
        let Self { transactions, entries, allocations, wallets, grants, assets } = self;
        let (transactions, entries, allocations, wallets, grants, assets) = tokio::join!(
            biased;
            transactions.send(client),
            entries.send(client),
            allocations.send(client),
            wallets.send(client),
            grants.send(client),
            assets.send(client),
        );
        transactions.and(entries).and(allocations).and(wallets).and(grants).and(assets)
    }
}
