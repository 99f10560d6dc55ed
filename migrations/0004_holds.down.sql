-- The way back: holds go. What is held stays in the parts of its grants.

ALTER TYPE transaction_row DROP ATTRIBUTE after_sequence;
ALTER TYPE transaction_row DROP ATTRIBUTE hold_expires_at;
ALTER TYPE transaction_row DROP ATTRIBUTE hold_number;
ALTER TYPE entry_row DROP ATTRIBUTE hold_number;
ALTER TYPE grant_change DROP ATTRIBUTE lost;
ALTER TYPE grant_row DROP ATTRIBUTE lost;
ALTER TYPE wallet_head DROP ATTRIBUTE last_hold_number;
ALTER TYPE wallet_row DROP ATTRIBUTE last_hold_number;
DROP TYPE hold_row;
DROP TABLE holds;
ALTER TABLE transactions DROP COLUMN after_sequence;
ALTER TABLE transactions DROP COLUMN hold_expires_at;
ALTER TABLE transactions DROP COLUMN hold_number;
ALTER TABLE entries DROP COLUMN hold_number;
ALTER TABLE grants DROP COLUMN lost;
ALTER TABLE wallets DROP COLUMN last_hold_number;
