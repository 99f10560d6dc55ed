-- A hash chain over each wallet's entries: a hash covers its entry and the hash before it. Entries from before
-- this have none; the chain begins after them.

ALTER TABLE entries ADD COLUMN hash BYTEA;
ALTER TABLE entries ADD CONSTRAINT entries_hash_is_sha256 CHECK (octet_length(hash) = 32);
-- The hash of the last entry.
ALTER TABLE wallets ADD COLUMN last_hash BYTEA NOT NULL DEFAULT decode(repeat('00', 32), 'hex');
ALTER TABLE wallets ALTER COLUMN last_hash DROP DEFAULT;
ALTER TABLE wallets ADD CONSTRAINT wallets_last_hash_is_sha256 CHECK (octet_length(last_hash) = 32);

ALTER TYPE entry_row ADD ATTRIBUTE hash BYTEA;
ALTER TYPE wallet_row ADD ATTRIBUTE last_hash BYTEA;
ALTER TYPE wallet_head ADD ATTRIBUTE last_hash BYTEA;
