-- The way back.

DROP INDEX transactions_transfers;
ALTER TABLE transactions DROP CONSTRAINT transactions_pkey;
ALTER TABLE transactions ADD CONSTRAINT transactions_pkey
PRIMARY KEY (account_id, transaction_id, wallet_id);
