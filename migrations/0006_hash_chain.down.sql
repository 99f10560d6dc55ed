-- The way back: the hashes go, and a chain that is made anew begins after the entries that are there.

ALTER TYPE wallet_head DROP ATTRIBUTE last_hash;
ALTER TYPE wallet_row DROP ATTRIBUTE last_hash;
ALTER TYPE entry_row DROP ATTRIBUTE hash;
ALTER TABLE wallets DROP COLUMN last_hash;
ALTER TABLE entries DROP COLUMN hash;
