-- The naive spend: what a service without lanes does, statement by statement, for one spend.
--
-- pgbench variables: first_wallet and last_wallet (the same number for the hot workload); hot_tenths of ten spends are from
-- first_wallet to last_hot_wallet only; amount.
-- Only the grant to be drawn is fetched: grants are so large that the first always suffices on both sides.

\set tenth random(1, 10)
\set wallet CASE WHEN :tenth <= :hot_tenths THEN random(:first_wallet, :last_hot_wallet) ELSE random(:first_wallet, :last_wallet) END
\set key random(1, 9223372036854775807)

BEGIN;

INSERT INTO naive_keys (wallet_id, idempotency_key, recorded_at)
VALUES (:wallet, :key, CURRENT_TIMESTAMP);

SELECT
    balance,
    last_sequence
FROM naive_wallets
WHERE wallet_id = :wallet
FOR UPDATE
\gset

SELECT
    grant_number
FROM naive_grants
WHERE wallet_id = :wallet
  AND remaining > 0
  AND effective_at <= CURRENT_TIMESTAMP
  AND (expires_at IS NULL OR expires_at > CURRENT_TIMESTAMP)
ORDER BY
    priority,
    expires_at NULLS LAST,
    effective_at,
    grant_number
LIMIT 1
\gset

UPDATE naive_grants
SET remaining = remaining - :amount
WHERE wallet_id = :wallet
  AND grant_number = :grant_number;

INSERT INTO naive_entries (
    wallet_id, sequence, kind, amount, balance_before, balance_after, operation, idempotency_key, recorded_at
)
VALUES (
    :wallet,
    CAST(:last_sequence AS bigint) + 1,
    'SPENT',
    :amount,
    :balance,
    CAST(:balance AS numeric) - CAST(:amount AS numeric),
    'usage',
    :key,
    CURRENT_TIMESTAMP
);

INSERT INTO naive_allocations (wallet_id, sequence, grant_number, amount)
VALUES (:wallet, CAST(:last_sequence AS bigint) + 1, :grant_number, :amount);

UPDATE naive_wallets
SET
    balance = balance - :amount,
    last_sequence = last_sequence + 1
WHERE wallet_id = :wallet;

COMMIT;
