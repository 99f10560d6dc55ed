-- What the one-statement spend calls: the statements of the naive spend, without a round trip for each.
--
-- A function and not one statement of common table expressions: each of its statements has a snapshot of its own, so what
-- is read after the wait for the wallet's lock is what the transaction before has left. In a single statement it would be
-- what was there before the wait.

CREATE OR REPLACE FUNCTION naive_spend(spent_wallet bigint, spent_key text, spent_amount numeric)
RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
    wallet_balance  numeric;
    entry_sequence  bigint;
    drawn_grant     integer;
BEGIN
    INSERT INTO naive_keys (wallet_id, idempotency_key, recorded_at)
    VALUES (spent_wallet, spent_key, CURRENT_TIMESTAMP);

    UPDATE naive_wallets
    SET
        balance = balance - spent_amount,
        last_sequence = last_sequence + 1
    WHERE wallet_id = spent_wallet
    RETURNING
        balance,
        last_sequence
    INTO
        wallet_balance,
        entry_sequence;

    SELECT
        grant_number
    INTO drawn_grant
    FROM naive_grants
    WHERE wallet_id = spent_wallet
      AND remaining > 0
      AND effective_at <= CURRENT_TIMESTAMP
      AND (expires_at IS NULL OR expires_at > CURRENT_TIMESTAMP)
    ORDER BY
        priority,
        expires_at NULLS LAST,
        effective_at,
        grant_number
    LIMIT 1;

    UPDATE naive_grants
    SET remaining = remaining - spent_amount
    WHERE wallet_id = spent_wallet
      AND grant_number = drawn_grant;

    INSERT INTO naive_entries (
        wallet_id, sequence, kind, amount, balance_before, balance_after, operation, idempotency_key, recorded_at
    )
    VALUES (
        spent_wallet,
        entry_sequence,
        'SPENT',
        spent_amount,
        wallet_balance + spent_amount,
        wallet_balance,
        'usage',
        spent_key,
        CURRENT_TIMESTAMP
    );

    INSERT INTO naive_allocations (wallet_id, sequence, grant_number, amount)
    VALUES (spent_wallet, entry_sequence, drawn_grant, spent_amount);

    RETURN entry_sequence;
END
$$;
