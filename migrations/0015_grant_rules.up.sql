-- Grant rules, and every change of them. There are few and they belong to no account, so both tables have the namespace
-- first in each key.

CREATE TABLE grant_rules (
    namespace_id UUID NOT NULL,
    rule_id UUID NOT NULL,
    -- 1 plan, 2 subscription, 3 add-on; and which.
    scope SMALLINT NOT NULL,
    target TEXT NOT NULL,
    asset TEXT NOT NULL,
    -- What lists are filtered by, as the terms say it: 1 once, 2 recurring; 1 never, 2 duration, 3 billing cycle.
    is_active BOOLEAN NOT NULL,
    cadence SMALLINT NOT NULL,
    expiry SMALLINT NOT NULL,
    terms JSONB NOT NULL,
    created_by TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_by TEXT NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    deleted_at TIMESTAMPTZ,
    version BIGINT NOT NULL,
    CONSTRAINT grant_rules_pkey PRIMARY KEY (namespace_id, rule_id),
    CONSTRAINT grant_rules_scope_is_known CHECK (scope BETWEEN 1 AND 3),
    CONSTRAINT grant_rules_target_is_named CHECK (target <> ''),
    CONSTRAINT grant_rules_cadence_is_known CHECK (cadence BETWEEN 1 AND 2),
    CONSTRAINT grant_rules_expiry_is_known CHECK (expiry BETWEEN 1 AND 3),
    CONSTRAINT grant_rules_versions_begin_with_1 CHECK (version >= 1)
);

CREATE INDEX grant_rules_by_scope ON grant_rules (namespace_id, scope, target, created_at, rule_id);

CREATE INDEX grant_rules_by_age ON grant_rules (namespace_id, created_at, rule_id);

-- Appended only. A change's number is the version that the rule has after it.
CREATE TABLE grant_rule_changes (
    namespace_id UUID NOT NULL,
    rule_id UUID NOT NULL,
    change_number BIGINT NOT NULL,
    -- 1 created, 2 updated, 3 deleted.
    kind SMALLINT NOT NULL,
    idempotency_key TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    metadata JSONB,
    recorded_at TIMESTAMPTZ NOT NULL,
    -- The rule before and after. NULL: it was not there.
    before JSONB,
    after JSONB NOT NULL,
    CONSTRAINT grant_rule_changes_pkey PRIMARY KEY (namespace_id, rule_id, change_number),
    CONSTRAINT grant_rule_changes_key_is_used_once UNIQUE (namespace_id, idempotency_key),
    CONSTRAINT grant_rule_changes_kind_is_known CHECK (kind BETWEEN 1 AND 3),
    CONSTRAINT grant_rule_changes_first_makes_it CHECK (
        (change_number = 1) = (kind = 1) AND (kind = 1) = (before IS NULL) AND change_number >= 1
    )
);

CREATE TYPE grant_rule_row AS (
    namespace_id UUID, rule_id UUID, scope SMALLINT, target TEXT, asset TEXT, is_active BOOLEAN,
    cadence SMALLINT, expiry SMALLINT, terms JSONB, created_by TEXT, created_at TIMESTAMPTZ,
    updated_by TEXT, updated_at TIMESTAMPTZ, deleted_at TIMESTAMPTZ, version BIGINT
);

CREATE TYPE grant_rule_change_row AS (
    namespace_id UUID, rule_id UUID, change_number BIGINT, kind SMALLINT, idempotency_key TEXT,
    fingerprint BYTEA, actor TEXT, reason TEXT, metadata JSONB, recorded_at TIMESTAMPTZ,
    before JSONB, after JSONB
);
