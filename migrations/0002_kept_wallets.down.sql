-- The way back: nothing is lost, the revisions start again when the way is gone forth again.

DROP TYPE asset_row, wallet_row, wallet_head, wallet_settings, grant_row, grant_change, grant_place,
transaction_row, entry_row;
ALTER TABLE wallets DROP COLUMN revision;
