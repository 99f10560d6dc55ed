//! Writing what a batch decided: arrays through `unnest`, the statements of all tables sent as one, and the
//! commit right behind it.
//!
//! That is safe because it is one statement: if it fails, PostgreSQL takes the commit for a rollback, and if
//! it never left, the commit ends an empty transaction. Half a batch can not become durable.

mod assets;
mod columns;
mod entries;
mod grants;
mod transactions;
mod wallets;

use std::time::Instant;

use deadpool_postgres::Client;
use purse_domain::{Decision, Request, Scale, Transaction, WalletState};

use crate::StorageError;
use columns::{Rows, Together};

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

    /// Sends everything and commits. Answers when the rows were taken; the commit is durable on return.
    pub(crate) async fn commit(self, client: &Client) -> Result<Instant, StorageError> {
        let Self { transactions, entries, wallets, grants, assets } = self;
        let (heads, new_wallets, settings) = wallets.rows();
        let (changed_grants, new_grants, places) = grants.rows();
        // Seldom, and of rows that the statement below may touch too: before it. Then there are two, and the
        // commit must wait.
        let seldom = Together::prepare(client, &[&settings, &places]).await?;
        if let Some(seldom) = &seldom {
            seldom.send(client).await?;
        }
        let rows: [&dyn Rows; 7] =
            [&assets, &new_wallets, &new_grants, &transactions, &entries, &heads, &changed_grants];
        let Some(all) = Together::prepare(client, &rows).await? else {
            client.batch_execute("ROLLBACK").await?;
            return Ok(Instant::now());
        };
        if seldom.is_some() {
            all.send(client).await?;
            let taken = Instant::now();
            client.batch_execute("COMMIT").await?;
            return Ok(taken);
        }
        // Prepared, so each is sent when it is first polled: in this order.
        let (sent, committed) = tokio::join!(
            biased;
            async {
                all.send(client).await?;
                Ok::<_, StorageError>(Instant::now())
            },
            client.batch_execute("COMMIT"),
        );
        let taken = sent?;
        committed?;
        Ok(taken)
    }
}
