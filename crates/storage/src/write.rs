//! Writing what a batch decided: an array of rows a table through `unnest`, the statements of all tables sent
//! as one, and the commit right behind it.
//!
//! That is safe because it is one statement: if it fails, PostgreSQL takes the commit for a rollback, and if
//! it never left, the commit ends an empty transaction. Half a batch can not become durable.

/// Whether the transaction that a row `r` builds on is there, if it builds on one.
macro_rules! what_it_builds_on_is_there {
    () => {
        "(
            r.builds_on IS NULL
            OR (
                SELECT TRUE
                FROM transactions
                WHERE transaction_id = r.builds_on AND account_id = r.account_id
                    AND wallet_id = r.wallet_id
                LIMIT 1
            )
        )"
    };
}

mod assets;
mod debts;
mod entries;
mod events;
mod grants;
mod holds;
mod reliance;
mod spending;
mod together;
mod transactions;
mod wallets;

use std::{collections::HashMap, time::Instant};

use deadpool_postgres::Client;
use purse_domain::{
    Decision, Group, Request, Scale, Transaction, TransactionId, WalletId, WalletName, WalletState,
};
use tokio_postgres::Statement;

use crate::StorageError;
use assets::AssetRow;
use debts::{DebtRow, Debts};
use entries::EntryRow;
use events::EventRow;
use grants::{GrantChange, GrantPlace, GrantRow, Grants};
use holds::{HoldRow, Holds};
use reliance::ReliedOn;
use spending::{Recount, Spending, SpendingRow};
use together::Rows;
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
    spending: Spending,
    recounts: Vec<Recount>,
    assets: Vec<AssetRow>,
    relied_on: Vec<ReliedOn>,
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
        self.transactions.push(TransactionRow::new(transaction));
        self.add_moves(&request.wallet, Some(transaction.id), decision, existed, after);
    }

    /// Adds what time alone did to a wallet that nobody asked anything of.
    pub(crate) fn add_settled(
        &mut self,
        name: &WalletName,
        decision: &Decision,
        after: &WalletState,
    ) {
        self.add_moves(name, None, decision, true, after);
    }

    fn add_moves(
        &mut self,
        name: &WalletName,
        transaction: Option<TransactionId>,
        decision: &Decision,
        existed: bool,
        after: &WalletState,
    ) {
        for (index, (entry, hash)) in decision.entries.iter().zip(&decision.hashes).enumerate() {
            let owner = transaction.filter(|_| index >= decision.settled);
            self.entries.push(EntryRow::new(name, entry, hash, owner));
        }
        for (index, event) in decision.events.iter().enumerate() {
            let owner = transaction.filter(|_| index >= decision.settled_events);
            self.events.push(EventRow::new(name, event, owner));
        }
        self.grants.add(name, decision, transaction, after);
        self.debts.add(name, decision);
        self.holds.add(name, decision, transaction);
        self.spending.add(name, &after.settings.spend_limits, decision);
        self.wallets.add(existed, decision, transaction, after);
    }

    /// Adds that the answer to a group was decided on kept wallets, as they are now, and writes nothing.
    pub(crate) fn rely_on(&mut self, group: &Group, wallets: &HashMap<WalletId, WalletState>) {
        self.relied_on.extend(ReliedOn::all(group, |name| {
            let kept = || wallets.get(&name.wallet_id).map(|state| state.head.revision);
            (self.wallets.found(name).or_else(kept), self.wallets.builds_on(name.wallet_id))
        }));
    }

    /// What is decided builds on transactions that another batch is still writing, over the same connection. To be said first.
    pub(crate) fn build_on(&mut self, unwritten: HashMap<WalletId, TransactionId>) {
        self.wallets.build_on(unwritten);
    }

    /// The last transaction on each wallet.
    pub(crate) fn transactions(&self) -> HashMap<WalletId, TransactionId> {
        self.wallets.transactions()
    }

    /// Counts what limits count anew from the entries: others count than before. It must be all that the batch writes.
    pub(crate) fn recount(&mut self, after: &WalletState) {
        self.recounts.push(Recount::of(after));
    }

    /// Adds an asset that a wallet was just created of.
    pub(crate) fn add_asset(&mut self, request: &Request, scale: Scale, transaction: &Transaction) {
        self.assets.push(AssetRow::new(&request.wallet, scale, transaction.recorded_at));
    }

    /// Sends everything and commits the transaction that was begun. Answers when the rows were taken; the
    /// commit is durable on return.
    pub(crate) async fn commit(mut self, client: &Client) -> Result<Instant, StorageError> {
        for recount in std::mem::take(&mut self.recounts) {
            recount.run(client).await?;
        }
        let tables = self.tables();
        // Seldom, and of rows that the statement below may touch too: before it. Then there are two, and the
        // commit must wait.
        let seldom = together::prepare(client, &tables.seldom()).await?;
        if let Some(seldom) = &seldom {
            together::send(client, seldom, &tables.seldom()).await?;
        }
        let Some(all) = together::prepare(client, &tables.usual()).await? else {
            client.batch_execute("ROLLBACK").await?;
            return Ok(Instant::now());
        };
        if seldom.is_some() {
            together::send(client, &all, &tables.usual()).await?;
            let taken = Instant::now();
            client.batch_execute("COMMIT").await?;
            return Ok(taken);
        }
        // Prepared, so each is sent when it is first polled: in this order.
        let (sent, committed) = tokio::join!(
            biased;
            async {
                together::send(client, &all, &tables.usual()).await?;
                Ok::<_, StorageError>(Instant::now())
            },
            client.batch_execute("COMMIT"),
        );
        let taken = sent?;
        committed?;
        Ok(taken)
    }

    /// Makes it one statement, for which the connection is prepared. There must be no changed settings and places.
    pub(crate) async fn prepare(self, client: &Client) -> Result<OneStatement, StorageError> {
        debug_assert!(self.recounts.is_empty(), "that takes more statements");
        let tables = self.tables();
        debug_assert!(
            tables.seldom().iter().all(|rows| rows.is_empty()),
            "that takes two statements"
        );
        let statement = together::prepare(client, &tables.usual()).await?;
        Ok(OneStatement { tables, statement })
    }

    fn tables(self) -> Tables {
        let Self {
            transactions,
            entries,
            events,
            wallets,
            grants,
            debts,
            holds,
            spending,
            recounts: _,
            assets,
            relied_on,
        } = self;
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
            spending: spending.rows(),
            heads,
            settings,
            places,
            relied_on,
        }
    }
}

/// All that a batch writes, as one statement.
pub(crate) struct OneStatement {
    tables: Tables,
    /// `None`: there is nothing to write or to rely on.
    statement: Option<Statement>,
}

impl OneStatement {
    /// Sends it, when it is first polled, outside of any transaction: it is one of its own, and durable on return.
    pub(crate) async fn send(&self, client: &Client) -> Result<(), StorageError> {
        match &self.statement {
            Some(statement) => together::send(client, statement, &self.tables.usual()).await,
            None => Ok(()),
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
    spending: Vec<SpendingRow>,
    heads: Vec<WalletHead>,
    settings: Vec<SettingsChange>,
    places: Vec<GrantPlace>,
    relied_on: Vec<ReliedOn>,
}

impl Tables {
    fn seldom(&self) -> [&dyn Rows; 2] {
        [&self.settings, &self.places]
    }

    /// PostgreSQL does the last part first. Whether what was relied on stands writes nothing, so it must be the last: as
    /// another part it would not be done at all. Then come the heads: it locks the wallets, in id order, and fails if one has
    /// changed since it was read.
    fn usual(&self) -> [&dyn Rows; 12] {
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
            &self.spending,
            &self.heads,
            &self.relied_on,
        ]
    }
}
