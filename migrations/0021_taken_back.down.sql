-- The way back: what was cancelled was applied once, and nothing is left of it.

DELETE FROM applications WHERE state = 3 AND grant_number IS NULL;
UPDATE applications SET state = 1, closed = true WHERE state = 3;
ALTER TYPE application_row DROP ATTRIBUTE used;
ALTER TYPE application_row DROP ATTRIBUTE times_taken_back;
ALTER TYPE application_row DROP ATTRIBUTE granted_until;
ALTER TYPE application_row DROP ATTRIBUTE granted_from;
ALTER TABLE applications DROP CONSTRAINT applications_applied_have_a_grant;
ALTER TABLE applications ADD CONSTRAINT applications_applied_have_a_grant CHECK (
    state <> 1 OR (grant_number IS NOT NULL AND transaction_id IS NOT NULL)
);
ALTER TABLE applications DROP CONSTRAINT applications_state_is_known;
ALTER TABLE applications ADD CONSTRAINT applications_state_is_known CHECK (state IN (1, 2));
ALTER TABLE applications DROP COLUMN used;
ALTER TABLE applications DROP COLUMN times_taken_back;
ALTER TABLE applications DROP COLUMN granted_until;
ALTER TABLE applications DROP COLUMN granted_from;
