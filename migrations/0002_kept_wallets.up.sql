-- Kept wallets: a revision that writers decide on, and types for rows that are sent as arrays.

-- How many transactions the wallet has seen. Writers name the one they decided on.
ALTER TABLE wallets ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
ALTER TABLE wallets ALTER COLUMN revision DROP DEFAULT;

-- Rows as the server sends them: an array of one of these for each table of a batch.

CREATE TYPE asset_row AS (
    namespace_id UUID, asset TEXT, scale SMALLINT, created_at TIMESTAMPTZ
);

CREATE TYPE wallet_row AS (
    account_id UUID, wallet_id UUID, namespace_id UUID, account TEXT, asset TEXT, scale SMALLINT,
    drawdown_policy SMALLINT, metadata JSONB, created_at TIMESTAMPTZ, updated_at TIMESTAMPTZ,
    version BIGINT, available NUMERIC, held NUMERIC, debt NUMERIC, scheduled NUMERIC,
    last_sequence BIGINT, last_grant_number INTEGER, next_due_at TIMESTAMPTZ,
    recorded_at TIMESTAMPTZ, revision BIGINT
);

CREATE TYPE wallet_head AS (
    account_id UUID, wallet_id UUID, available NUMERIC, held NUMERIC, debt NUMERIC,
    scheduled NUMERIC, last_sequence BIGINT, last_grant_number INTEGER, next_due_at TIMESTAMPTZ,
    recorded_at TIMESTAMPTZ, found BIGINT, revision BIGINT
);

CREATE TYPE wallet_settings AS (
    account_id UUID, wallet_id UUID, drawdown_policy SMALLINT, metadata JSONB,
    updated_at TIMESTAMPTZ, version BIGINT
);

CREATE TYPE grant_row AS (
    account_id UUID, wallet_id UUID, grant_number INTEGER, transaction_id UUID,
    granted_at TIMESTAMPTZ, amount NUMERIC, effective_at TIMESTAMPTZ, expires_at TIMESTAMPTZ,
    priority INTEGER, category TEXT, cost_basis NUMERIC, applies_to TEXT [], activated BOOLEAN,
    expired_at TIMESTAMPTZ, available NUMERIC, held NUMERIC, consumed NUMERIC, expired NUMERIC,
    voided NUMERIC, revoked NUMERIC, transferred_out NUMERIC, open BOOLEAN, due_at TIMESTAMPTZ,
    drawdown_key BYTEA
);

CREATE TYPE grant_change AS (
    account_id UUID, wallet_id UUID, grant_number INTEGER, activated BOOLEAN,
    expired_at TIMESTAMPTZ, available NUMERIC, held NUMERIC, consumed NUMERIC, expired NUMERIC,
    voided NUMERIC, revoked NUMERIC, transferred_out NUMERIC, open BOOLEAN, due_at TIMESTAMPTZ
);

CREATE TYPE grant_place AS (
    account_id UUID, wallet_id UUID, grant_number INTEGER, drawdown_key BYTEA
);

CREATE TYPE transaction_row AS (
    account_id UUID, transaction_id UUID, wallet_id UUID, kind SMALLINT, idempotency_key TEXT,
    fingerprint BYTEA, operation TEXT, actor TEXT, reason TEXT, metadata JSONB,
    drawdown_policy SMALLINT, policy_version SMALLINT, recorded_at TIMESTAMPTZ,
    first_sequence BIGINT, last_sequence BIGINT, grant_number INTEGER, settings JSONB
);

CREATE TYPE entry_row AS (
    account_id UUID, wallet_id UUID, sequence BIGINT, effective_at TIMESTAMPTZ,
    recorded_at TIMESTAMPTZ, transaction_id UUID, kind SMALLINT, amount NUMERIC,
    balance_before NUMERIC, available_after NUMERIC, held_after NUMERIC, debt_after NUMERIC,
    scheduled_after NUMERIC, grant_numbers INTEGER [], grant_amounts NUMERIC []
);
