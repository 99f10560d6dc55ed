-- Holds: credits set aside for a later capture.

ALTER TABLE wallets ADD COLUMN last_hold_number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE wallets ALTER COLUMN last_hold_number DROP DEFAULT;

-- The part of what expired that could be spent until then: late usage may take it back.
ALTER TABLE grants ADD COLUMN lost NUMERIC(28, 6) NOT NULL DEFAULT 0;
UPDATE grants SET lost = expired WHERE expired > 0;
ALTER TABLE grants ALTER COLUMN lost DROP DEFAULT;
ALTER TABLE grants ADD CONSTRAINT grants_lost_is_part_of_expired
CHECK (lost >= 0 AND lost <= expired);

-- The hold that an entry is about; NULL: none.
ALTER TABLE entries ADD COLUMN hold_number INTEGER;
CREATE INDEX entries_of_holds ON entries (account_id, wallet_id, hold_number)
WHERE hold_number IS NOT NULL;

-- The hold that a transaction was about, and its deadline after it: what a replay answers.
ALTER TABLE transactions ADD COLUMN hold_number INTEGER;
ALTER TABLE transactions ADD COLUMN hold_expires_at TIMESTAMPTZ;

-- The wallet's last entry after it: its answer again, whatever came later.
ALTER TABLE transactions ADD COLUMN after_sequence BIGINT;
UPDATE transactions SET after_sequence = COALESCE(last_sequence, 0);
ALTER TABLE transactions ALTER COLUMN after_sequence SET NOT NULL;

CREATE TABLE holds (
    account_id UUID NOT NULL,
    wallet_id UUID NOT NULL,
    hold_number INTEGER NOT NULL,
    transaction_id UUID NOT NULL,
    operation TEXT,
    amount NUMERIC(28, 6) NOT NULL,
    captured NUMERIC(28, 6) NOT NULL,
    released NUMERIC(28, 6) NOT NULL,
    lapsed NUMERIC(28, 6) NOT NULL,
    held NUMERIC(28, 6) NOT NULL,
    -- What is still set aside of which grant, in drawdown order.
    slice_grants INTEGER [] NOT NULL,
    slice_amounts NUMERIC(28, 6) [] NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT holds_pkey PRIMARY KEY (account_id, wallet_id, hold_number),
    CONSTRAINT holds_amount_is_positive CHECK (amount > 0 AND amount < 1e15),
    -- Invariant 4.
    CONSTRAINT holds_parts_sum_to_amount CHECK (
        captured + released + lapsed + held = amount
        AND captured >= 0 AND released >= 0 AND lapsed >= 0 AND held >= 0
    ),
    CONSTRAINT holds_slices_are_pairs CHECK (
        cardinality(slice_grants) = cardinality(slice_amounts)
    ),
    CONSTRAINT holds_end_after_they_begin CHECK (expires_at > created_at)
);

CREATE INDEX holds_due ON holds (account_id, wallet_id, expires_at) WHERE held > 0;

CREATE TYPE hold_row AS (
    account_id UUID, wallet_id UUID, hold_number INTEGER, transaction_id UUID, operation TEXT,
    amount NUMERIC, captured NUMERIC, released NUMERIC, lapsed NUMERIC, held NUMERIC,
    slice_grants INTEGER [], slice_amounts NUMERIC [], created_at TIMESTAMPTZ,
    expires_at TIMESTAMPTZ
);

ALTER TYPE wallet_row ADD ATTRIBUTE last_hold_number INTEGER;
ALTER TYPE wallet_head ADD ATTRIBUTE last_hold_number INTEGER;
ALTER TYPE grant_row ADD ATTRIBUTE lost NUMERIC;
ALTER TYPE grant_change ADD ATTRIBUTE lost NUMERIC;
ALTER TYPE entry_row ADD ATTRIBUTE hold_number INTEGER;
ALTER TYPE transaction_row ADD ATTRIBUTE hold_number INTEGER;
ALTER TYPE transaction_row ADD ATTRIBUTE hold_expires_at TIMESTAMPTZ;
ALTER TYPE transaction_row ADD ATTRIBUTE after_sequence BIGINT;
