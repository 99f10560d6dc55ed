-- The way back: prices go. What was spent by them stays as it is.

ALTER TYPE transaction_row DROP ATTRIBUTE pricing;
ALTER TABLE transactions DROP COLUMN pricing;
DROP TABLE catalog_changes;
DROP TABLE catalog;
