-- Operations with prices: a catalog for each namespace, and by which price a transaction's amount was worked out.

-- What the namespace sells, as it is now. Small, so the namespace comes first.
CREATE TABLE catalog (
    namespace_id UUID NOT NULL,
    -- 1: an operation with its price.
    kind SMALLINT NOT NULL,
    asset TEXT NOT NULL,
    name TEXT NOT NULL,
    -- NULL: it was deleted. Its version stays, so that none ever comes back.
    definition JSONB,
    version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    CONSTRAINT catalog_pkey PRIMARY KEY (namespace_id, kind, asset, name),
    CONSTRAINT catalog_version_counts CHECK (version >= 0)
);

-- All of it that ever was: a row for each change.
CREATE TABLE catalog_changes (
    namespace_id UUID NOT NULL,
    kind SMALLINT NOT NULL,
    asset TEXT NOT NULL,
    name TEXT NOT NULL,
    version BIGINT NOT NULL,
    definition JSONB,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    CONSTRAINT catalog_changes_pkey PRIMARY KEY (namespace_id, kind, asset, name, version)
);

-- NULL: the request gave an amount, or moves none. Else its quantities, and the version of the price.
ALTER TABLE transactions ADD COLUMN pricing JSONB;
ALTER TYPE transaction_row ADD ATTRIBUTE pricing JSONB;
