-- Overdraft: a limit for each wallet, and the debts that spends leave.

ALTER TABLE wallets ADD COLUMN overdraft_limit NUMERIC(28, 6) NOT NULL DEFAULT 0;
ALTER TABLE wallets ALTER COLUMN overdraft_limit DROP DEFAULT;
ALTER TABLE wallets ADD CONSTRAINT wallets_overdraft_limit_is_an_amount
CHECK (overdraft_limit >= 0 AND overdraft_limit < 1e15);

-- Of which entry's debt an entry made or repaid how much; NULL: none.
ALTER TABLE entries ADD COLUMN debt_entries BIGINT [];
ALTER TABLE entries ADD COLUMN debt_amounts NUMERIC(28, 6) [];
ALTER TABLE entries ADD CONSTRAINT entries_debts_are_pairs
CHECK (cardinality(debt_entries) = cardinality(debt_amounts));

-- What one entry left uncovered. The ledger says the same; this is where it stands now.
CREATE TABLE debts (
    account_id UUID NOT NULL,
    wallet_id UUID NOT NULL,
    -- The entry that made it.
    entry BIGINT NOT NULL,
    operation TEXT,
    owed NUMERIC(28, 6) NOT NULL,
    -- Which grants have repaid how much, in this order.
    repaid_grants INTEGER [] NOT NULL,
    repaid_amounts NUMERIC(28, 6) [] NOT NULL,
    CONSTRAINT debts_pkey PRIMARY KEY (account_id, wallet_id, entry),
    CONSTRAINT debts_owed_is_an_amount CHECK (owed >= 0 AND owed < 1e22),
    CONSTRAINT debts_repaid_are_pairs CHECK (
        cardinality(repaid_grants) = cardinality(repaid_amounts)
    )
);

CREATE INDEX debts_open ON debts (account_id, wallet_id, entry) WHERE owed > 0;

CREATE TYPE debt_row AS (
    account_id UUID, wallet_id UUID, entry BIGINT, operation TEXT, owed NUMERIC,
    repaid_grants INTEGER [], repaid_amounts NUMERIC []
);

ALTER TYPE wallet_row ADD ATTRIBUTE overdraft_limit NUMERIC;
ALTER TYPE wallet_settings ADD ATTRIBUTE overdraft_limit NUMERIC;
ALTER TYPE entry_row ADD ATTRIBUTE debt_entries BIGINT [];
ALTER TYPE entry_row ADD ATTRIBUTE debt_amounts NUMERIC [];
