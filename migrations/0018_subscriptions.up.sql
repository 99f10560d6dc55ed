-- Subscriptions: what their events said, what was applied by rules, and how far each source of events has come.

CREATE TABLE subscriptions (
    account_id UUID NOT NULL,
    subscription_id TEXT NOT NULL,
    namespace_id UUID NOT NULL,
    account TEXT NOT NULL,
    -- Of the newest event; 0: none yet.
    version BIGINT NOT NULL,
    -- The events, by version, as JSON; the newest ones are kept.
    history JSONB NOT NULL,
    -- Periods that ended by then were dealt with.
    done_until TIMESTAMPTZ NOT NULL,
    -- When there is something to do, or to look again whether it was done; NULL: never.
    next_due_at TIMESTAMPTZ,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT subscriptions_pkey PRIMARY KEY (account_id, subscription_id)
) WITH (fillfactor = 70);

CREATE INDEX subscriptions_due ON subscriptions (next_due_at) WHERE next_due_at IS NOT NULL;

-- Rules for periods that were tried. What is to come follows from the subscription and is not kept.
CREATE TABLE applications (
    account_id UUID NOT NULL,
    subscription_id TEXT NOT NULL,
    rule_id UUID NOT NULL,
    period_start TIMESTAMPTZ NOT NULL,
    period_end TIMESTAMPTZ NOT NULL,
    namespace_id UUID NOT NULL,
    asset TEXT NOT NULL,
    -- 1 applied, 2 failed.
    state SMALLINT NOT NULL,
    amount NUMERIC(28, 6) NOT NULL,
    grant_number INTEGER,
    transaction_id UUID,
    recorded_at TIMESTAMPTZ NOT NULL,
    -- What was left of the grant when its time was over has been dealt with.
    closed BOOLEAN NOT NULL,
    attempts INTEGER NOT NULL,
    -- NULL: only if somebody asks for it.
    next_attempt_at TIMESTAMPTZ,
    failure TEXT,
    CONSTRAINT applications_pkey PRIMARY KEY (
        account_id, subscription_id, rule_id, period_start
    ),
    CONSTRAINT applications_state_is_known CHECK (state IN (1, 2)),
    CONSTRAINT applications_applied_have_a_grant CHECK (
        state <> 1 OR (grant_number IS NOT NULL AND transaction_id IS NOT NULL)
    ),
    CONSTRAINT applications_failed_have_a_reason CHECK (state <> 2 OR failure IS NOT NULL)
) WITH (fillfactor = 80);

CREATE INDEX applications_failed
ON applications (namespace_id, account_id, subscription_id, rule_id, period_start)
WHERE state = 2;

-- The last event of a source that was acknowledged, and all before it.
CREATE TABLE stream_positions (
    namespace_id UUID NOT NULL,
    source TEXT NOT NULL,
    event_id TEXT NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT stream_positions_pkey PRIMARY KEY (namespace_id, source)
);

CREATE TYPE subscription_row AS (
    account_id UUID, subscription_id TEXT, namespace_id UUID, account TEXT, version BIGINT,
    history JSONB, done_until TIMESTAMPTZ, next_due_at TIMESTAMPTZ, updated_at TIMESTAMPTZ
);

CREATE TYPE application_row AS (
    account_id UUID, subscription_id TEXT, rule_id UUID, period_start TIMESTAMPTZ,
    period_end TIMESTAMPTZ, namespace_id UUID, asset TEXT, state SMALLINT, amount NUMERIC,
    grant_number INTEGER, transaction_id UUID, recorded_at TIMESTAMPTZ, closed BOOLEAN,
    attempts INTEGER, next_attempt_at TIMESTAMPTZ, failure TEXT
);
