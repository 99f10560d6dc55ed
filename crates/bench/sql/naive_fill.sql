-- Fills the naive tables. Variables: wallets, grants, grant_amount.
--
-- Wallet 0 is the hot one; 1 to :wallets are the many. The grants of a wallet expire 30 days after one another, from
-- the year 2100 on, so their order matters and none runs out during a run.

INSERT INTO naive_wallets (wallet_id, balance, last_sequence)
SELECT
    wallet_id,
    CAST(:grants AS numeric) * :grant_amount,
    0
FROM generate_series(0, :wallets) AS wallet_id;

INSERT INTO naive_grants (wallet_id, grant_number, priority, effective_at, expires_at, amount, remaining)
SELECT
    wallet_id,
    grant_number,
    100,
    TIMESTAMPTZ '2020-01-01 00:00:00+00',
    TIMESTAMPTZ '2100-01-01 00:00:00+00' + grant_number * INTERVAL '30 days',
    :grant_amount,
    :grant_amount
FROM generate_series(0, :wallets) AS wallet_id
CROSS JOIN generate_series(1, :grants) AS grant_number;

VACUUM (ANALYZE) naive_wallets, naive_grants, naive_keys, naive_entries, naive_allocations;
