//! Entries with their allocations: appended, never changed.

use std::fmt::{Display, Write as _};

use purse_domain::{Entry, TransactionId, WalletName};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::columns::columns;
use crate::row::{self, Instant};

columns!(
    /// Rows of `entries`. Arrays of arrays do not unnest, so the allocations travel as text.
    Entries,
    "INSERT INTO entries (account_id, wallet_id, sequence, effective_at, recorded_at,
         transaction_id, kind, amount, balance_before, available_after, held_after, debt_after,
         scheduled_after, grant_numbers, grant_amounts)
     SELECT account_id, wallet_id, sequence, effective_at, recorded_at,
         transaction_id, kind, amount, balance_before, available_after, held_after, debt_after,
         scheduled_after, grant_numbers::INTEGER[], grant_amounts::NUMERIC[]
     FROM unnest($1::UUID[], $2::UUID[], $3::BIGINT[], $4::TIMESTAMPTZ[], $5::TIMESTAMPTZ[],
         $6::UUID[], $7::SMALLINT[], $8::NUMERIC[], $9::NUMERIC[], $10::NUMERIC[], $11::NUMERIC[],
         $12::NUMERIC[], $13::NUMERIC[], $14::TEXT[], $15::TEXT[])
     AS e (account_id, wallet_id, sequence, effective_at, recorded_at,
         transaction_id, kind, amount, balance_before, available_after, held_after, debt_after,
         scheduled_after, grant_numbers, grant_amounts)",
    {
        account_id: Uuid,
        wallet_id: Uuid,
        sequence: i64,
        effective_at: Instant,
        recorded_at: Instant,
        transaction_id: Option<Uuid>,
        kind: i16,
        amount: Decimal,
        balance_before: Decimal,
        available_after: Decimal,
        held_after: Decimal,
        debt_after: Decimal,
        scheduled_after: Decimal,
        grant_numbers: String,
        grant_amounts: String,
    }
);

impl Entries {
    /// `owner` is the transaction; time alone has none.
    pub(super) fn add(&mut self, name: &WalletName, entry: &Entry, owner: Option<TransactionId>) {
        self.account_id.push(name.account_id.uuid());
        self.wallet_id.push(name.wallet_id.uuid());
        self.sequence.push(entry.sequence.0);
        self.effective_at.push(Instant(entry.effective_at));
        self.recorded_at.push(Instant(entry.recorded_at));
        self.transaction_id.push(owner.map(TransactionId::uuid));
        self.kind.push(row::entry_kind_code(entry.kind));
        self.amount.push(entry.amount.decimal());
        self.balance_before.push(entry.balance_before.decimal());
        self.available_after.push(entry.after.available.decimal());
        self.held_after.push(entry.after.held.decimal());
        self.debt_after.push(entry.after.debt.decimal());
        self.scheduled_after.push(entry.after.scheduled.decimal());
        self.grant_numbers.push(array(entry.allocations.iter().map(|part| part.grant)));
        self.grant_amounts.push(array(entry.allocations.iter().map(|part| part.amount)));
    }
}

/// What PostgreSQL reads as an array. Numbers need no quotes.
fn array<T: Display>(items: impl Iterator<Item = T>) -> String {
    let mut text = String::from("{");
    for (index, item) in items.enumerate() {
        let separator = if index == 0 { "" } else { "," };
        // Writing to a string does not fail.
        write!(text, "{separator}{item}").ok();
    }
    text.push('}');
    text
}
