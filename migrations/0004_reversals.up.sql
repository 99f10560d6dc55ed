-- Reversals: which entry another one undoes, and when credits last came back to a grant.

-- The sequence of the entry that this one undoes; NULL: none.
ALTER TABLE entries ADD COLUMN about BIGINT;

-- How much of an entry has been undone is the sum of those that are about it.
CREATE INDEX entries_about ON entries (account_id, wallet_id, about) WHERE about IS NOT NULL;

-- What came back was not there before: late usage that draws it counts from here at the earliest.
ALTER TABLE grants ADD COLUMN restored_at TIMESTAMPTZ;

ALTER TYPE entry_row ADD ATTRIBUTE about BIGINT;
ALTER TYPE grant_row ADD ATTRIBUTE restored_at TIMESTAMPTZ;
ALTER TYPE grant_change ADD ATTRIBUTE restored_at TIMESTAMPTZ;
