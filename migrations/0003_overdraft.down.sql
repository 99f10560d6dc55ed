-- The way back: limits and debts go. A wallet that owes something keeps the sum in its row.

ALTER TYPE entry_row DROP ATTRIBUTE debt_amounts;
ALTER TYPE entry_row DROP ATTRIBUTE debt_entries;
ALTER TYPE wallet_settings DROP ATTRIBUTE overdraft_limit;
ALTER TYPE wallet_row DROP ATTRIBUTE overdraft_limit;
DROP TYPE debt_row;
DROP TABLE debts;
ALTER TABLE entries DROP COLUMN debt_amounts;
ALTER TABLE entries DROP COLUMN debt_entries;
ALTER TABLE wallets DROP COLUMN overdraft_limit;
