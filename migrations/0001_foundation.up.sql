-- The foundation: assets, wallets, grants, transactions and entries.
--
-- Every table that grows has account_id first in each key, so that the same schema can be distributed by
-- it. No triggers, no defaults that compute, no foreign keys on the append path: all rows of a command
-- are made by one function and written in one database transaction. Constraints say what single rows can
-- say; their names are part of the contract with the code.

CREATE TABLE assets (
    namespace_id UUID NOT NULL,
    asset TEXT NOT NULL,
    scale SMALLINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT assets_pkey PRIMARY KEY (namespace_id, asset),
    CONSTRAINT assets_scale_is_0_to_6 CHECK (scale BETWEEN 0 AND 6)
);

CREATE TABLE wallets (
    account_id UUID NOT NULL,
    wallet_id UUID NOT NULL,
    namespace_id UUID NOT NULL,
    account TEXT NOT NULL,
    asset TEXT NOT NULL,
    scale SMALLINT NOT NULL,
    drawdown_policy SMALLINT NOT NULL,
    metadata JSONB,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    version BIGINT NOT NULL,
    -- The head of the ledger: what follows is as of the last entry.
    available NUMERIC(28, 6) NOT NULL,
    held NUMERIC(28, 6) NOT NULL,
    debt NUMERIC(28, 6) NOT NULL,
    scheduled NUMERIC(28, 6) NOT NULL,
    last_sequence BIGINT NOT NULL,
    last_grant_number INTEGER NOT NULL,
    next_due_at TIMESTAMPTZ,
    recorded_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT wallets_pkey PRIMARY KEY (account_id, wallet_id),
    -- The upper bound also keeps NaN out, which PostgreSQL holds for greater than every number.
    CONSTRAINT wallets_balances_are_amounts CHECK (
        available >= 0 AND held >= 0 AND debt >= 0 AND scheduled >= 0
        AND available + held + debt + scheduled < 1e22
    )
) WITH (fillfactor = 70);

CREATE INDEX wallets_by_name ON wallets (namespace_id, account, asset);

CREATE TABLE grants (
    account_id UUID NOT NULL,
    wallet_id UUID NOT NULL,
    grant_number INTEGER NOT NULL,
    transaction_id UUID NOT NULL,
    granted_at TIMESTAMPTZ NOT NULL,
    amount NUMERIC(28, 6) NOT NULL,
    effective_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ,
    priority INTEGER NOT NULL,
    category TEXT NOT NULL,
    cost_basis NUMERIC(28, 12) NOT NULL,
    applies_to TEXT[] NOT NULL,
    activated BOOLEAN NOT NULL,
    expired_at TIMESTAMPTZ,
    available NUMERIC(28, 6) NOT NULL,
    held NUMERIC(28, 6) NOT NULL,
    consumed NUMERIC(28, 6) NOT NULL,
    expired NUMERIC(28, 6) NOT NULL,
    voided NUMERIC(28, 6) NOT NULL,
    revoked NUMERIC(28, 6) NOT NULL,
    transferred_out NUMERIC(28, 6) NOT NULL,
    -- What the indexes need. Only `open` is in their predicates: it changes once, so a spend's update
    -- touches no index and stays on its page.
    open BOOLEAN NOT NULL,
    due_at TIMESTAMPTZ,
    drawdown_key BYTEA NOT NULL,
    CONSTRAINT grants_pkey PRIMARY KEY (account_id, wallet_id, grant_number),
    CONSTRAINT grants_amount_is_positive CHECK (amount > 0 AND amount < 1e15),
    CONSTRAINT grants_window_is_not_empty CHECK (expires_at > effective_at),
    -- Invariant 1.
    CONSTRAINT grants_parts_sum_to_amount CHECK (
        available + held + consumed + expired + voided + revoked + transferred_out = amount
        AND available >= 0 AND held >= 0 AND consumed >= 0 AND expired >= 0
        AND voided >= 0 AND revoked >= 0 AND transferred_out >= 0
    ),
    CONSTRAINT grants_open_while_something_is_left CHECK (open = (available > 0 OR held > 0))
) WITH (fillfactor = 70);

CREATE INDEX grants_in_drawdown_order ON grants (account_id, wallet_id, drawdown_key) WHERE open;
CREATE INDEX grants_due ON grants (account_id, wallet_id, due_at) WHERE open AND due_at IS NOT NULL;
CREATE INDEX grants_lost_to_expiry ON grants (account_id, wallet_id, expired_at)
WHERE expired_at IS NOT NULL;

CREATE TABLE transactions (
    account_id UUID NOT NULL,
    transaction_id UUID NOT NULL,
    wallet_id UUID NOT NULL,
    kind SMALLINT NOT NULL,
    idempotency_key TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    operation TEXT,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    metadata JSONB,
    drawdown_policy SMALLINT NOT NULL,
    policy_version SMALLINT NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL,
    -- The command's own entries; NULL: it made none.
    first_sequence BIGINT,
    last_sequence BIGINT,
    -- The grant that it made.
    grant_number INTEGER,
    -- The wallet's settings after it, if it was about them: the answer to a replay, and the audit.
    settings JSONB,
    CONSTRAINT transactions_pkey PRIMARY KEY (account_id, transaction_id),
    -- Invariant 6.
    CONSTRAINT transactions_key_is_used_once UNIQUE (account_id, idempotency_key),
    CONSTRAINT transactions_fingerprint_is_sha256 CHECK (octet_length(fingerprint) = 32)
);

CREATE TABLE entries (
    account_id UUID NOT NULL,
    wallet_id UUID NOT NULL,
    sequence BIGINT NOT NULL,
    effective_at TIMESTAMPTZ NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL,
    -- NULL: time alone did it.
    transaction_id UUID,
    kind SMALLINT NOT NULL,
    amount NUMERIC(28, 6) NOT NULL,
    balance_before NUMERIC(28, 6) NOT NULL,
    available_after NUMERIC(28, 6) NOT NULL,
    held_after NUMERIC(28, 6) NOT NULL,
    debt_after NUMERIC(28, 6) NOT NULL,
    scheduled_after NUMERIC(28, 6) NOT NULL,
    -- The allocations: how much of which grant, in the order in which they were drawn. Beside their entry
    -- and not in a table of their own, because they are written once, with it, and read with it.
    grant_numbers INTEGER[] NOT NULL,
    grant_amounts NUMERIC(28, 6)[] NOT NULL,
    -- Invariant 2: two servers cannot both append number n.
    CONSTRAINT entries_pkey PRIMARY KEY (account_id, wallet_id, sequence),
    CONSTRAINT entries_amount_is_positive CHECK (amount > 0 AND amount < 1e22),
    CONSTRAINT entries_are_not_dated_ahead CHECK (effective_at <= recorded_at),
    CONSTRAINT entries_allocations_are_pairs CHECK (
        cardinality(grant_numbers) = cardinality(grant_amounts)
    )
);

-- What was recorded later than it counts: few, and all that a past balance must be corrected by.
CREATE INDEX entries_backdated ON entries (account_id, wallet_id, effective_at)
WHERE effective_at < recorded_at;
