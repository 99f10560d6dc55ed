-- The tables of the naive wallet, made anew for each run.
--
-- Wider than it has to be nowhere: bigint ids, no foreign keys, no secondary indexes, room on each page for HOT
-- updates. Each of these makes the naive side faster, so the ratio is never made by a slow schema.

DROP TABLE IF EXISTS naive_allocations;
DROP TABLE IF EXISTS naive_entries;
DROP TABLE IF EXISTS naive_keys;
DROP TABLE IF EXISTS naive_grants;
DROP TABLE IF EXISTS naive_wallets;

CREATE TABLE naive_wallets (
    wallet_id     bigint  NOT NULL,
    balance       numeric NOT NULL,
    last_sequence bigint  NOT NULL,
    CONSTRAINT naive_wallets_key PRIMARY KEY (wallet_id)
) WITH (fillfactor = 70);

CREATE TABLE naive_grants (
    wallet_id    bigint      NOT NULL,
    grant_number integer     NOT NULL,
    priority     integer     NOT NULL,
    effective_at timestamptz NOT NULL,
    expires_at   timestamptz,
    amount       numeric     NOT NULL,
    remaining    numeric     NOT NULL,
    CONSTRAINT naive_grants_key PRIMARY KEY (wallet_id, grant_number),
    CONSTRAINT naive_grants_remaining CHECK (remaining >= 0)
) WITH (fillfactor = 70);

CREATE TABLE naive_keys (
    wallet_id       bigint      NOT NULL,
    idempotency_key text        NOT NULL,
    recorded_at     timestamptz NOT NULL,
    CONSTRAINT naive_keys_key PRIMARY KEY (wallet_id, idempotency_key)
);

CREATE TABLE naive_entries (
    wallet_id       bigint      NOT NULL,
    sequence        bigint      NOT NULL,
    kind            text        NOT NULL,
    amount          numeric     NOT NULL,
    balance_before  numeric     NOT NULL,
    balance_after   numeric     NOT NULL,
    operation       text        NOT NULL,
    idempotency_key text        NOT NULL,
    recorded_at     timestamptz NOT NULL,
    CONSTRAINT naive_entries_key PRIMARY KEY (wallet_id, sequence)
);

CREATE TABLE naive_allocations (
    wallet_id    bigint  NOT NULL,
    sequence     bigint  NOT NULL,
    grant_number integer NOT NULL,
    amount       numeric NOT NULL,
    CONSTRAINT naive_allocations_key PRIMARY KEY (wallet_id, sequence, grant_number)
);
