-- The way back: what was revoked stays revoked, and what paid for grants is forgotten; their entries' hashes still
-- cover it.

ALTER TYPE grant_row DROP ATTRIBUTE funding_ref;
DROP INDEX grants_by_funding;
ALTER TABLE grants DROP COLUMN funding_ref;
