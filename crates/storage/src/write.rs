//! Writing what a batch decided: an array of rows a table through `unnest`, the statements of all tables sent
//! as one, and the commit right behind it.
//!
//! That is safe because it is one statement: if it fails, PostgreSQL takes the commit for a rollback, and if
//! it never left, the commit ends an empty transaction. Half a batch can not become durable.

mod assets;
mod debts;
mod entries;
mod events;
mod grants;
mod holds;
mod together;
mod transactions;
mod wallets;

use std::time::Instant;

use deadpool_postgres::Client;
use purse_domain::{Decision, Request, Scale, Transaction, WalletState};

use crate::StorageError;
use assets::AssetRow;
use debts::{DebtRow, Debts};
use entries::EntryRow;
use events::EventRow;
use grants::{GrantChange, GrantPlace, GrantRow, Grants};
use holds::{HoldRow, Holds};
use together::{Rows, Together};
use transactions::TransactionRow;
use wallets::{SettingsChange, WalletHead, WalletRow, Wallets};

/// All rows of a batch, gathered while it is decided.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    transactions: Vec<TransactionRow>,
    entries: Vec<EntryRow>,
    events: Vec<EventRow>,
    wallets: Wallets,
    grants: Grants,
    debts: Debts,
    holds: Holds,
    assets: Vec<AssetRow>,
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
        self.transactions.push(TransactionRow::new(transaction));
        for (index, (entry, hash)) in decision.entries.iter().zip(&decision.hashes).enumerate() {
            let owner = (index >= decision.settled).then_some(transaction.id);
            self.entries.push(EntryRow::new(name, entry, hash, owner));
        }
        for (index, event) in decision.events.iter().enumerate() {
            let owner = (index >= decision.settled_events).then_some(transaction.id);
            self.events.push(EventRow::new(name, event, owner));
        }
        self.grants.add(name, decision, transaction.id, after);
        self.debts.add(name, decision);
        self.holds.add(name, decision, transaction.id);
        self.wallets.add(existed, decision, after);
    }

    /// Adds an asset that a wallet was just created of.
    pub(crate) fn add_asset(&mut self, request: &Request, scale: Scale, transaction: &Transaction) {
        self.assets.push(AssetRow::new(&request.wallet, scale, transaction.recorded_at));
    }

    /// Sends everything and commits the transaction that was begun. Answers when the rows were taken; the
    /// commit is durable on return.
    pub(crate) async fn commit(self, client: &Client) -> Result<Instant, StorageError> {
        let tables = self.tables();
        // Seldom, and of rows that the statement below may touch too: before it. Then there are two, and the
        // commit must wait.
        let seldom = Together::prepare(client, &tables.seldom()).await?;
        if let Some(seldom) = &seldom {
            seldom.send(client).await?;
        }
        let Some(all) = Together::prepare(client, &tables.usual()).await? else {
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

    /// Sends everything outside of any transaction: one statement, which is one of its own and durable on
    /// return. There must be no changed settings and places.
    pub(crate) async fn send_and_commit(self, client: &Client) -> Result<(), StorageError> {
        let tables = self.tables();
        debug_assert!(
            tables.seldom().iter().all(|rows| rows.is_empty()),
            "that takes two statements"
        );
        match Together::prepare(client, &tables.usual()).await? {
            Some(all) => all.send(client).await,
            None => Ok(()),
        }
    }

    fn tables(self) -> Tables {
        let Self { transactions, entries, events, wallets, grants, debts, holds, assets } = self;
        let (heads, wallets, settings) = wallets.rows();
        let (grant_changes, grants, places) = grants.rows();
        Tables {
            assets,
            wallets,
            grants,
            transactions,
            entries,
            events,
            grant_changes,
            debts: debts.rows(),
            holds: holds.rows(),
            heads,
            settings,
            places,
        }
    }
}

/// The rows of a batch, by what is done with them.
struct Tables {
    assets: Vec<AssetRow>,
    wallets: Vec<WalletRow>,
    grants: Vec<GrantRow>,
    transactions: Vec<TransactionRow>,
    entries: Vec<EntryRow>,
    events: Vec<EventRow>,
    grant_changes: Vec<GrantChange>,
    debts: Vec<DebtRow>,
    holds: Vec<HoldRow>,
    heads: Vec<WalletHead>,
    settings: Vec<SettingsChange>,
    places: Vec<GrantPlace>,
}

impl Tables {
    fn seldom(&self) -> [&dyn Rows; 2] {
        [&self.settings, &self.places]
    }

    /// PostgreSQL does the last part first: it locks the wallets, in id order, and fails if one has changed
    /// since it was read.
    fn usual(&self) -> [&dyn Rows; 10] {
        [
            &self.assets,
            &self.wallets,
            &self.grants,
            &self.transactions,
            &self.entries,
            &self.events,
            &self.grant_changes,
            &self.debts,
            &self.holds,
            &self.heads,
        ]
    }
}
