-- Packs: more of the catalog (kind 2), and what a transaction bought.

-- NULL: it bought nothing. Else the pack, its version, and how many.
ALTER TABLE transactions ADD COLUMN purchase JSONB;
ALTER TYPE transaction_row ADD ATTRIBUTE purchase JSONB;
