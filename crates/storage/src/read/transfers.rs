//! The transfers of a wallet, and what their other legs moved.

use deadpool_postgres::Client;
use purse_domain::{
    AccountName, Amount, Discrepancy, EntryKind, Sequence, WalletName, verify_transfer,
};
use uuid::Uuid;

use crate::{
    StorageError,
    row::{self, Columns},
};

/// A run of the wallet's legs of transfers, by transaction.
const LEGS: &str = "
    SELECT t.transaction_id,
        t.counterparty,
        e.sequence,
        e.kind,
        e.amount
    FROM (
        SELECT *
        FROM transactions
        WHERE account_id = $1 AND wallet_id = $2 AND transaction_id > $3
            AND counterparty IS NOT NULL
        ORDER BY transaction_id
        LIMIT $4
    ) AS t
    JOIN entries AS e
    ON e.account_id = $1 AND e.wallet_id = $2 AND e.transaction_id = t.transaction_id
        AND e.sequence BETWEEN t.first_sequence AND t.last_sequence
    ORDER BY t.transaction_id,
        e.sequence";

/// The other legs, each in the wallet that it is said to be in.
const OTHER_LEGS: &str = "
    SELECT e.transaction_id,
        e.kind,
        e.amount
    FROM unnest($1::UUID[], $2::UUID[], $3::UUID[]) AS o (account_id, wallet_id, transaction_id)
    JOIN transactions AS t
    ON t.account_id = o.account_id AND t.transaction_id = o.transaction_id
        AND t.wallet_id = o.wallet_id
    JOIN entries AS e
    ON e.account_id = o.account_id AND e.wallet_id = o.wallet_id
        AND e.transaction_id = o.transaction_id
        AND e.sequence BETWEEN t.first_sequence AND t.last_sequence";

/// Transfers that are in memory at once.
const PAGE: i64 = 1_000;

/// A transfer, as far as it was read.
struct Transfer {
    transaction: Uuid,
    other: WalletName,
    /// The wallet's first entry of it.
    entry: Sequence,
    sent: Amount,
    received: Amount,
}

impl Transfer {
    /// Adds what an entry moved, if it is one that moves credits between wallets.
    fn add(&mut self, columns: &mut Columns<'_>) -> Result<(), StorageError> {
        let kind = row::entry_kind(columns.take()?)?;
        let amount = columns.amount()?;
        if kind == EntryKind::TransferredOut {
            self.sent = self.sent + amount;
        } else if kind == EntryKind::TransferredIn {
            self.received = self.received + amount;
        }
        Ok(())
    }
}

/// Compares each of the wallet's transfers with its other leg; the first that differs.
pub(super) async fn verify_transfers(
    client: &Client,
    name: &WalletName,
) -> Result<Result<(), Discrepancy>, StorageError> {
    let mut after = Uuid::nil();
    loop {
        let mut transfers = page(client, name, after).await?;
        let Some(last) = transfers.last() else { return Ok(Ok(())) };
        after = last.transaction;
        add_others(client, &mut transfers).await?;
        for transfer in &transfers {
            let verified = verify_transfer(transfer.entry, transfer.sent, transfer.received);
            if verified.is_err() {
                return Ok(verified);
            }
        }
    }
}

async fn page(
    client: &Client,
    name: &WalletName,
    after: Uuid,
) -> Result<Vec<Transfer>, StorageError> {
    let (account, wallet) = (name.account_id.uuid(), name.wallet_id.uuid());
    let statement = client.prepare_cached(LEGS).await?;
    let rows = client.query(&statement, &[&account, &wallet, &after, &PAGE]).await?;
    let mut transfers: Vec<Transfer> = Vec::new();
    for row in &rows {
        let mut columns = Columns::of(row);
        let transaction = columns.take()?;
        let counterparty = AccountName::from_stored(columns.take()?);
        let entry = Sequence(columns.take()?);
        if transfers.last().is_none_or(|transfer| transfer.transaction != transaction) {
            let other = WalletName::new(name.namespace_id, counterparty, name.asset.clone());
            let (sent, received) = (Amount::ZERO, Amount::ZERO);
            transfers.push(Transfer { transaction, other, entry, sent, received });
        }
        if let Some(transfer) = transfers.last_mut() {
            transfer.add(&mut columns)?;
        }
    }
    Ok(transfers)
}

/// Adds what the other legs moved. `transfers` are in order of their transactions.
async fn add_others(client: &Client, transfers: &mut [Transfer]) -> Result<(), StorageError> {
    let accounts: Vec<Uuid> = transfers.iter().map(|of| of.other.account_id.uuid()).collect();
    let wallets: Vec<Uuid> = transfers.iter().map(|of| of.other.wallet_id.uuid()).collect();
    let ids: Vec<Uuid> = transfers.iter().map(|of| of.transaction).collect();
    let statement = client.prepare_cached(OTHER_LEGS).await?;
    for row in client.query(&statement, &[&accounts, &wallets, &ids]).await? {
        let mut columns = Columns::of(&row);
        let transaction: Uuid = columns.take()?;
        if let Ok(place) = transfers.binary_search_by_key(&transaction, |of| of.transaction) {
            transfers[place].add(&mut columns)?;
        }
    }
    Ok(())
}
