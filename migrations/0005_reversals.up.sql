-- Reversals: which entry another one undoes.

-- The sequence of the entry that this one is about: what it undoes or, of an expiry or a void, whose credits had
-- come back to a grant that had ended. NULL: none.
ALTER TABLE entries ADD COLUMN about BIGINT;

-- How much of an entry has been undone is the sum of the reversals that are about it.
CREATE INDEX entries_about ON entries (account_id, wallet_id, about) WHERE about IS NOT NULL;

ALTER TYPE entry_row ADD ATTRIBUTE about BIGINT;
