-- An answer that writes nothing, a rejection or a preview, may be decided on kept wallets. It stands only while they are as they
-- were, and if its key was not used before: a batch asks for both, and fails if it is not so.

CREATE TYPE relied_on AS (
    account_id UUID,
    wallet_id UUID,
    found BIGINT,
    builds_on UUID,
    idempotency_key TEXT
);

CREATE DOMAIN standing AS BOOLEAN
    CONSTRAINT what_was_relied_on_stands CHECK (VALUE IS TRUE);
