//! Debts: made by spends, repaid by grants.

use std::collections::BTreeMap;

use postgres_types::ToSql;
use purse_domain::{AccountId, Debt, Decision, Sequence, WalletId, WalletName};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::together::Row;

/// The debts of a batch as they are at its end.
#[derive(Debug, Default)]
pub(super) struct Debts {
    changed: BTreeMap<(AccountId, WalletId, Sequence), Debt>,
}

impl Debts {
    pub(super) fn add(&mut self, name: &WalletName, decision: &Decision) {
        for (entry, debt) in &decision.debts {
            self.changed.insert((name.account_id, name.wallet_id, *entry), debt.clone());
        }
    }

    pub(super) fn rows(&self) -> Vec<DebtRow> {
        self.changed
            .iter()
            .map(|((account, wallet, _), debt)| DebtRow::new(*account, *wallet, debt))
            .collect()
    }
}

/// A row of `debts`, new or as it is now.
#[derive(Debug, ToSql)]
#[postgres(name = "debt_row")]
pub(super) struct DebtRow {
    account_id: Uuid,
    wallet_id: Uuid,
    entry: i64,
    operation: Option<String>,
    owed: Decimal,
    repaid_grants: Vec<i32>,
    repaid_amounts: Vec<Decimal>,
}

impl Row for DebtRow {
    const STATEMENT: &'static str = "
        INSERT INTO debts (account_id, wallet_id, entry, operation, owed, repaid_grants,
            repaid_amounts)
        SELECT r.* FROM unnest($1::debt_row[]) AS r
        ON CONFLICT (account_id, wallet_id, entry) DO UPDATE
        SET owed = EXCLUDED.owed,
            repaid_grants = EXCLUDED.repaid_grants,
            repaid_amounts = EXCLUDED.repaid_amounts";
}

impl DebtRow {
    fn new(account: AccountId, wallet: WalletId, debt: &Debt) -> Self {
        let Debt { entry, operation, left, repaid } = debt;
        Self {
            account_id: account.uuid(),
            wallet_id: wallet.uuid(),
            entry: entry.0,
            operation: operation.as_ref().map(|name| name.as_str().to_owned()),
            owed: left.decimal(),
            repaid_grants: repaid.iter().map(|part| part.grant.0).collect(),
            repaid_amounts: repaid.iter().map(|part| part.amount.decimal()).collect(),
        }
    }
}
