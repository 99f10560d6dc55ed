-- The way back: grants keep the expiry that they have now, and which one they had before is forgotten.

ALTER TYPE grant_place DROP ATTRIBUTE granted_expires_at;
ALTER TYPE grant_place DROP ATTRIBUTE expires_at;
ALTER TYPE grant_row DROP ATTRIBUTE granted_expires_at;
ALTER TYPE entry_row DROP ATTRIBUTE expires_at_after;
ALTER TYPE entry_row DROP ATTRIBUTE expires_at_before;
ALTER TABLE entries DROP COLUMN expires_at_after;
ALTER TABLE entries DROP COLUMN expires_at_before;
ALTER TABLE grants DROP COLUMN granted_expires_at;
