//! Holds: made, captured, given back.

use std::collections::BTreeMap;

use postgres_types::ToSql;
use purse_domain::{AccountId, Decision, Hold, HoldNumber, TransactionId, WalletId, WalletName};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::together::Row;
use crate::row::Instant;

type HoldId = (AccountId, WalletId, HoldNumber);

/// In the place of a transaction in rows that are there already, where it is not written.
const NONE: TransactionId = TransactionId::from_uuid(Uuid::nil());

/// The holds of a batch as they are at its end.
#[derive(Debug, Default)]
pub(super) struct Holds {
    changed: BTreeMap<HoldId, (TransactionId, Hold)>,
}

impl Holds {
    pub(super) fn add(
        &mut self,
        name: &WalletName,
        decision: &Decision,
        transaction: Option<TransactionId>,
    ) {
        for (number, hold) in &decision.holds {
            self.changed
                .entry((name.account_id, name.wallet_id, *number))
                .and_modify(|(_, before)| before.clone_from(hold))
                // Of a hold that was there before, the row keeps the transaction that made it. Time alone makes none.
                .or_insert_with(|| (transaction.unwrap_or(NONE), hold.clone()));
        }
    }

    pub(super) fn rows(&self) -> Vec<HoldRow> {
        let changed = self.changed.iter();
        changed.map(|(id, (transaction, hold))| HoldRow::new(*id, *transaction, hold)).collect()
    }
}

/// A row of `holds`, new or as it is now.
#[derive(Debug, ToSql)]
#[postgres(name = "hold_row")]
pub(super) struct HoldRow {
    account_id: Uuid,
    wallet_id: Uuid,
    hold_number: i32,
    transaction_id: Uuid,
    operation: Option<String>,
    amount: Decimal,
    captured: Decimal,
    released: Decimal,
    lapsed: Decimal,
    held: Decimal,
    slice_grants: Vec<i32>,
    slice_amounts: Vec<Decimal>,
    created_at: Instant,
    expires_at: Instant,
}

impl Row for HoldRow {
    const STATEMENT: &'static str = "
        INSERT INTO holds (account_id, wallet_id, hold_number, transaction_id, operation, amount,
            captured, released, lapsed, held, slice_grants, slice_amounts, created_at, expires_at)
        SELECT r.* FROM unnest($1::hold_row[]) AS r
        ON CONFLICT (account_id, wallet_id, hold_number) DO UPDATE
        SET captured = EXCLUDED.captured,
            released = EXCLUDED.released,
            lapsed = EXCLUDED.lapsed,
            held = EXCLUDED.held,
            slice_grants = EXCLUDED.slice_grants,
            slice_amounts = EXCLUDED.slice_amounts,
            expires_at = EXCLUDED.expires_at";
}

impl HoldRow {
    fn new((account, wallet, number): HoldId, transaction: TransactionId, hold: &Hold) -> Self {
        let Hold {
            number: _,
            operation,
            amount,
            captured,
            released,
            lapsed,
            slices,
            created_at,
            expires_at,
        } = hold;
        Self {
            account_id: account.uuid(),
            wallet_id: wallet.uuid(),
            hold_number: number.0,
            transaction_id: transaction.uuid(),
            operation: operation.as_ref().map(|name| name.as_str().to_owned()),
            amount: amount.decimal(),
            captured: captured.decimal(),
            released: released.decimal(),
            lapsed: lapsed.decimal(),
            held: hold.held().decimal(),
            slice_grants: slices.iter().map(|slice| slice.grant.0).collect(),
            slice_amounts: slices.iter().map(|slice| slice.amount.decimal()).collect(),
            created_at: Instant(*created_at),
            expires_at: Instant(*expires_at),
        }
    }
}
