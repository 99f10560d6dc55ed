-- The way back: packs go. What was granted stays as it is, as plain grants of their payments.

DELETE FROM catalog WHERE kind = 2;
DELETE FROM catalog_changes WHERE kind = 2;
UPDATE transactions SET kind = 3 WHERE kind = 18;
ALTER TYPE transaction_row DROP ATTRIBUTE purchase;
ALTER TABLE transactions DROP COLUMN purchase;
