-- The way back: limits go, and what they counted. The ledger keeps every spend.

DROP TYPE spending_row;
DROP TABLE spending;
ALTER TYPE wallet_settings DROP ATTRIBUTE spend_limits;
ALTER TYPE wallet_row DROP ATTRIBUTE spend_limits;
ALTER TABLE wallets DROP COLUMN spend_limits;
