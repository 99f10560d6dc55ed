//! What spend limits count: added to by each spend, and counted anew when others count.

use std::collections::BTreeMap;

use deadpool_postgres::Client;
use postgres_types::ToSql;
use purse_domain::{
    AccountId, Decision, SpendLimits, Tally, Timestamp, WalletId, WalletName, WalletState, Width,
};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::together::{self, Row};
use crate::{
    StorageError,
    row::{self, Instant},
    spending::Counting,
};

/// What a batch counts.
#[derive(Debug, Default)]
pub(super) struct Spending {
    counted: BTreeMap<(AccountId, WalletId), Tally>,
}

impl Spending {
    pub(super) fn add(&mut self, name: &WalletName, limits: &SpendLimits, decision: &Decision) {
        for counted in &decision.counted {
            let tally = self.counted.entry((name.account_id, name.wallet_id)).or_default();
            tally.add(limits, counted);
        }
    }

    pub(super) fn rows(&self) -> Vec<SpendingRow> {
        let rows = self.counted.iter().map(|(id, tally)| SpendingRow::all_of(*id, tally));
        rows.flatten().collect()
    }
}

/// An amount to add to a row of `spending`, which may be new.
#[derive(Debug, ToSql)]
#[postgres(name = "spending_row")]
pub(super) struct SpendingRow {
    account_id: Uuid,
    wallet_id: Uuid,
    actor: String,
    operation: String,
    width: i16,
    starts_at: Instant,
    amount: Decimal,
}

impl Row for SpendingRow {
    const STATEMENT: &'static str = "
        INSERT INTO spending AS s (account_id, wallet_id, actor, operation, width, starts_at,
            amount)
        SELECT r.* FROM unnest($1::spending_row[]) AS r
        ON CONFLICT (account_id, wallet_id, actor, operation, width, starts_at) DO UPDATE
        SET amount = s.amount + EXCLUDED.amount";
}

impl SpendingRow {
    fn all_of((account, wallet): (AccountId, WalletId), tally: &Tally) -> Vec<Self> {
        let rows = tally.iter().map(|(spender, width, start, amount)| {
            let (actor, operation) = row::spender_columns(spender);
            Self {
                account_id: account.uuid(),
                wallet_id: wallet.uuid(),
                actor,
                operation,
                width: width.exponent(),
                starts_at: Instant(start),
                amount: amount.decimal(),
            }
        });
        rows.collect()
    }
}

const FORGET: &str = "
    DELETE FROM spending
    WHERE account_id = $1 AND wallet_id = $2";

/// A wallet's limits count otherwise than before: all that they may ask for is counted from its entries. The entries
/// of the change itself are not written yet; none of them counts.
#[derive(Debug)]
pub(super) struct Recount {
    after: WalletState,
    since: Option<Timestamp>,
}

impl Recount {
    pub(super) fn of(after: &WalletState) -> Self {
        let since = after.settings.spend_limits.counts_from(after.head.recorded_at);
        // Whole spans, so that no sum is about a part of its span.
        Self { after: after.clone(), since: since.map(|since| Width::Day.start_of(since)) }
    }

    pub(super) async fn run(self, client: &Client) -> Result<(), StorageError> {
        let Self { after, since } = self;
        let name = &after.settings.name;
        client.execute(FORGET, &[&name.account_id.uuid(), &name.wallet_id.uuid()]).await?;
        let Some(since) = since else { return Ok(()) };
        let mut counting = Counting::since(client, &after, since).await?;
        while let Some(page) = counting.next(client).await? {
            let mut tally = Tally::default();
            for counted in page.iter().filter(|counted| counted.at >= since) {
                tally.add(&after.settings.spend_limits, counted);
            }
            let rows = SpendingRow::all_of((name.account_id, name.wallet_id), &tally);
            if let Some(statement) = together::prepare(client, &[&rows]).await? {
                together::send(client, &statement, &[&rows]).await?;
            }
        }
        Ok(())
    }
}
