-- The way back: a further leg gets a key that no caller uses, because none begins with a blank. Of two legs in one
-- account the second is forgotten; its entries stay.

ALTER TYPE grant_row DROP ATTRIBUTE transferred_in;
ALTER TYPE transaction_row DROP ATTRIBUTE counterparty;
ALTER TABLE grants DROP COLUMN transferred_in;
ALTER TABLE transactions DROP COLUMN counterparty;
ALTER TABLE transactions DROP CONSTRAINT transactions_pkey;
DELETE FROM transactions AS t
USING transactions AS f
WHERE t.idempotency_key IS NULL AND f.account_id = t.account_id
    AND f.transaction_id = t.transaction_id AND f.wallet_id <> t.wallet_id
    AND (f.idempotency_key IS NOT NULL OR f.wallet_id < t.wallet_id);
UPDATE transactions SET idempotency_key = ' ' || transaction_id
WHERE idempotency_key IS NULL;
ALTER TABLE transactions ALTER COLUMN idempotency_key SET NOT NULL;
ALTER TABLE transactions ADD CONSTRAINT transactions_pkey
PRIMARY KEY (account_id, transaction_id);
