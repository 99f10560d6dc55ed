-- Wallets that are frozen or closed.

ALTER TABLE wallets ADD COLUMN status SMALLINT NOT NULL DEFAULT 1;
ALTER TABLE wallets ALTER COLUMN status DROP DEFAULT;

ALTER TYPE wallet_row ADD ATTRIBUTE status SMALLINT;
ALTER TYPE wallet_settings ADD ATTRIBUTE status SMALLINT;
