-- Events: what the owner of a wallet may want to be told of, and what a wallet wants to be told of.

-- NULL: none, as of most wallets.
ALTER TABLE wallets ADD COLUMN low_balance_thresholds NUMERIC(28, 6) [];
-- Microseconds.
ALTER TABLE wallets ADD COLUMN expiring_soon_leads BIGINT [];
-- The number of the last event.
ALTER TABLE wallets ADD COLUMN last_event BIGINT NOT NULL DEFAULT 0;
ALTER TABLE wallets ALTER COLUMN last_event DROP DEFAULT;
-- From where the balance has fallen and not come back to: bit 0 is for more than nothing, bit n for the n-th
-- lowest threshold.
ALTER TABLE wallets ADD COLUMN lows INTEGER NOT NULL DEFAULT 0;
ALTER TABLE wallets ALTER COLUMN lows DROP DEFAULT;
ALTER TABLE wallets ADD CONSTRAINT wallets_lows_are_levels CHECK (lows >= 0 AND lows < 131072);
-- Entries up to this one are from before there were events. 0 for every wallet that comes now.
ALTER TABLE wallets ADD COLUMN events_since BIGINT NOT NULL DEFAULT 0;
UPDATE wallets SET events_since = last_sequence WHERE last_sequence > 0;

CREATE TABLE events (
    account_id UUID NOT NULL,
    wallet_id UUID NOT NULL,
    event_sequence BIGINT NOT NULL,
    namespace_id UUID NOT NULL,
    kind SMALLINT NOT NULL,
    -- The entry that brought the balance to where it is after the event; NULL: no entry did.
    entry_sequence BIGINT,
    -- NULL: time alone did it.
    transaction_id UUID,
    effective_at TIMESTAMPTZ NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL,
    data JSONB NOT NULL,
    -- The place in the streams over several wallets: the number of the database transaction that wrote it or,
    -- if that is higher, that of the wallet's event before it.
    stream_xid XID8 NOT NULL,
    -- Two servers cannot both write number n.
    CONSTRAINT events_pkey PRIMARY KEY (account_id, wallet_id, event_sequence),
    CONSTRAINT events_are_not_dated_ahead CHECK (effective_at <= recorded_at)
);

CREATE INDEX events_of_account ON events (account_id, stream_xid, wallet_id, event_sequence);
CREATE INDEX events_of_namespace
ON events (namespace_id, stream_xid, account_id, wallet_id, event_sequence);

CREATE TYPE event_row AS (
    account_id UUID, wallet_id UUID, event_sequence BIGINT, namespace_id UUID, kind SMALLINT,
    entry_sequence BIGINT, transaction_id UUID, effective_at TIMESTAMPTZ, recorded_at TIMESTAMPTZ,
    data JSONB
);

ALTER TYPE wallet_row ADD ATTRIBUTE low_balance_thresholds NUMERIC [];
ALTER TYPE wallet_row ADD ATTRIBUTE expiring_soon_leads BIGINT [];
ALTER TYPE wallet_row ADD ATTRIBUTE last_event BIGINT;
ALTER TYPE wallet_row ADD ATTRIBUTE lows INTEGER;
ALTER TYPE wallet_settings ADD ATTRIBUTE low_balance_thresholds NUMERIC [];
ALTER TYPE wallet_settings ADD ATTRIBUTE expiring_soon_leads BIGINT [];
ALTER TYPE wallet_head ADD ATTRIBUTE last_event BIGINT;
ALTER TYPE wallet_head ADD ATTRIBUTE lows INTEGER;
