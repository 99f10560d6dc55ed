-- Transfers: one transaction in two wallets, a leg in each. The first leg has the key.

ALTER TABLE transactions ALTER COLUMN idempotency_key DROP NOT NULL;
-- What an earlier way back left. Other keys that begin with a blank are the service's own.
UPDATE transactions SET idempotency_key = NULL
WHERE idempotency_key = ' ' || transaction_id;
ALTER TABLE transactions DROP CONSTRAINT transactions_pkey;
ALTER TABLE transactions ADD CONSTRAINT transactions_pkey
PRIMARY KEY (account_id, transaction_id, wallet_id);
-- The account at the other end.
ALTER TABLE transactions ADD COLUMN counterparty TEXT;

ALTER TABLE grants ADD COLUMN transferred_in BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE grants ALTER COLUMN transferred_in DROP DEFAULT;

ALTER TYPE transaction_row ADD ATTRIBUTE counterparty TEXT;
ALTER TYPE grant_row ADD ATTRIBUTE transferred_in BOOLEAN;
