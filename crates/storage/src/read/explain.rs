//! Why a transaction moved what it moved, and what a balance is made of: both from the ledger, read from its first
//! entry on.

use std::sync::Arc;

use purse_domain::{
    Composer, Composition, Explainer, Explanation, Timestamp, Transaction, TransactionId,
    Unexplained, WalletName,
};

use super::{
    Unanswerable,
    fold::{deadlines, walk},
};
use crate::{Storage, StorageError, replay::find_transaction};

/// A transaction, explained.
#[derive(Debug, Clone)]
pub struct ExplainedTransaction {
    /// The transaction as it was first answered.
    pub transaction: Transaction,
    /// Of each of its entries that had a choice, what it chose from.
    pub explanations: Vec<Explanation>,
}

/// A balance and what it is made of.
#[derive(Debug, Clone)]
pub struct ComposedBalance {
    /// The instant.
    pub at: Timestamp,
    /// What it is made of.
    pub composition: Composition,
}

impl Storage {
    /// A transaction of a wallet as it was first answered; of one that spans wallets, its leg in this one.
    pub async fn find_transaction(
        &self,
        name: &WalletName,
        id: TransactionId,
    ) -> Result<Result<Transaction, Unanswerable>, StorageError> {
        let client = self.reader().await?;
        if super::wallet(&client, name).await?.is_none() {
            return Ok(Err(Unanswerable::WalletNotFound));
        }
        let found = find_transaction(&client, name, id).await?;
        Ok(found.ok_or(Unanswerable::TransactionNotFound { transaction: id }))
    }

    /// Explains a transaction. Reads the wallet's ledger up to it.
    pub async fn explain_transaction(
        &self,
        name: &WalletName,
        id: TransactionId,
    ) -> Result<Result<ExplainedTransaction, Unanswerable>, StorageError> {
        let snapshot = self.snapshot().await?;
        let client = snapshot.client()?;
        let Some(now) = super::wallet(client, name).await? else {
            snapshot.end().await?;
            return Ok(Err(Unanswerable::WalletNotFound));
        };
        let Some(transaction) = find_transaction(client, name, id).await? else {
            snapshot.end().await?;
            return Ok(Err(Unanswerable::TransactionNotFound { transaction: id }));
        };
        let Some(last) = transaction.entries.last().map(|entry| entry.sequence) else {
            snapshot.end().await?;
            return Ok(Ok(ExplainedTransaction { transaction, explanations: Vec::new() }));
        };
        let unexplained = Unexplained {
            entries: transaction.entries.clone(),
            operation: transaction.operation.clone(),
            policy: transaction.drawdown_policy,
        };
        let mut explainer = Explainer::new(Arc::clone(&now.settings), unexplained);
        let before = explainer.last_before();
        let walked = walk(client, &now, last, |entry, operation, terms| {
            if entry.sequence > before { Ok(()) } else { explainer.book(entry, operation, terms) }
        })
        .await?;
        snapshot.end().await?;
        let (_, terms) = walked.map_err(|error| corrupt(&error))?;
        let explanations = explainer.explain(&terms).map_err(|error| corrupt(&error))?;
        Ok(Ok(ExplainedTransaction { transaction, explanations }))
    }

    /// What a wallet's balance at an instant is made of, `None`: now. Reads the wallet's whole ledger.
    pub async fn explain_balance(
        &self,
        name: &WalletName,
        at: Option<Timestamp>,
    ) -> Result<Result<ComposedBalance, Unanswerable>, StorageError> {
        let clock = self.clock().now();
        let snapshot = self.snapshot().await?;
        let client = snapshot.client()?;
        let Some(now) = super::wallet(client, name).await? else {
            snapshot.end().await?;
            return Ok(Err(Unanswerable::WalletNotFound));
        };
        let at = at.unwrap_or(clock.max(now.head.recorded_at));
        let mut composer = Composer::new(Arc::clone(&now.settings), at);
        let walked = walk(client, &now, now.head.last_sequence, |entry, operation, terms| {
            composer.book(entry, operation, terms)
        })
        .await?;
        let deadlines = deadlines(client, &now).await?;
        snapshot.end().await?;
        walked.map_err(|error| corrupt(&error))?;
        let composition =
            composer.compose(|hold| deadlines.of(hold)).map_err(|error| corrupt(&error))?;
        Ok(Ok(ComposedBalance { at, composition }))
    }
}

fn corrupt(error: &impl ToString) -> StorageError {
    StorageError::Corrupt(error.to_string())
}
