-- Transactions are found by an index in the order of time: their ids begin with it, so new ones go to its end. With the
-- account first each went to a page of its own, which had to be fetched, changed and logged.

ALTER TABLE transactions DROP CONSTRAINT transactions_pkey;
ALTER TABLE transactions ADD CONSTRAINT transactions_pkey
PRIMARY KEY (transaction_id, account_id, wallet_id);
-- A wallet's transfers, in order, are few beside its spends.
CREATE INDEX transactions_transfers ON transactions (account_id, wallet_id, transaction_id)
WHERE counterparty IS NOT NULL;
