-- The way back: frozen and closed wallets are active again.

ALTER TYPE wallet_settings DROP ATTRIBUTE status;
ALTER TYPE wallet_row DROP ATTRIBUTE status;
ALTER TABLE wallets DROP COLUMN status;
