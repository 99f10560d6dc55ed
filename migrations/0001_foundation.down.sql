-- The way back from the foundation: everything goes, data included.

DROP TABLE entries;
DROP TABLE transactions;
DROP TABLE grants;
DROP TABLE wallets;
DROP TABLE assets;
DROP TYPE asset_row, wallet_row, wallet_head, wallet_settings, grant_row, grant_change, grant_place,
transaction_row, entry_row;
