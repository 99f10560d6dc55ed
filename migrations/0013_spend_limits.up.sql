-- Spend limits: a setting of a wallet, and what was spent along time by whoever they count.

-- NULL: none, which costs nothing.
ALTER TABLE wallets ADD COLUMN spend_limits JSONB;
ALTER TYPE wallet_row ADD ATTRIBUTE spend_limits JSONB;
ALTER TYPE wallet_settings ADD ATTRIBUTE spend_limits JSONB;

-- Sums of what was spent in a span of time. Each spend adds to one span of each width, so that a window is the sum of
-- a few of them, however many spends it holds. The ledger says the same; only wallets with limits have rows here.
CREATE TABLE spending (
    account_id UUID NOT NULL,
    wallet_id UUID NOT NULL,
    -- Whose: '*' everybody's together, '=' and the name one's own.
    actor TEXT NOT NULL,
    -- What for, likewise; '=' alone: nothing that was named.
    operation TEXT NOT NULL,
    -- The span is so many microseconds wide, as a power of two, and starts at a multiple of that since 1970.
    width SMALLINT NOT NULL,
    starts_at TIMESTAMPTZ NOT NULL,
    amount NUMERIC(28, 6) NOT NULL,
    CONSTRAINT spending_pkey PRIMARY KEY (
        account_id, wallet_id, actor, operation, width, starts_at
    ),
    CONSTRAINT spending_width_is_known CHECK (width IN (0, 20, 28, 36)),
    -- Below zero only before what limits count from: a spend of then that was reversed since.
    CONSTRAINT spending_amount_is_an_amount CHECK (amount > -1e22 AND amount < 1e22)
) WITH (fillfactor = 70);

CREATE TYPE spending_row AS (
    account_id UUID, wallet_id UUID, actor TEXT, operation TEXT, width SMALLINT,
    starts_at TIMESTAMPTZ, amount NUMERIC
);
