-- Changes of a grant's expiry. Where an instant may be never, 'infinity' is that.

-- A grant's expires_at is the one that it has now; this is the one that it was granted with, if that was another.
ALTER TABLE grants ADD COLUMN granted_expires_at TIMESTAMPTZ;

-- Of an entry that changes the expiry of its grant.
ALTER TABLE entries ADD COLUMN expires_at_before TIMESTAMPTZ;
ALTER TABLE entries ADD COLUMN expires_at_after TIMESTAMPTZ;
ALTER TABLE entries ADD CONSTRAINT entries_expiry_changes_are_pairs
CHECK ((expires_at_before IS NULL) = (expires_at_after IS NULL));

ALTER TYPE entry_row ADD ATTRIBUTE expires_at_before TIMESTAMPTZ;
ALTER TYPE entry_row ADD ATTRIBUTE expires_at_after TIMESTAMPTZ;
ALTER TYPE grant_row ADD ATTRIBUTE granted_expires_at TIMESTAMPTZ;
ALTER TYPE grant_place ADD ATTRIBUTE expires_at TIMESTAMPTZ;
ALTER TYPE grant_place ADD ATTRIBUTE granted_expires_at TIMESTAMPTZ;
