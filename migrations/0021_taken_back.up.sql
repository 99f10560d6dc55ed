-- Applications know when their grant counts, and what was taken back of earlier ones.

ALTER TABLE applications ADD COLUMN granted_from TIMESTAMPTZ;
-- NULL: for ever.
ALTER TABLE applications ADD COLUMN granted_until TIMESTAMPTZ;
-- How many grants were taken back, because later events said that their rule was not in force when they began.
ALTER TABLE applications ADD COLUMN times_taken_back INTEGER NOT NULL DEFAULT 0;
-- How much of these had been used.
ALTER TABLE applications ADD COLUMN used NUMERIC(28, 6) NOT NULL DEFAULT 0;
UPDATE applications AS a
SET granted_from = g.effective_at,
    granted_until = g.expires_at
FROM wallets AS w
JOIN grants AS g ON g.account_id = w.account_id AND g.wallet_id = w.wallet_id
WHERE w.account_id = a.account_id AND w.asset = a.asset AND g.grant_number = a.grant_number;
ALTER TABLE applications DROP CONSTRAINT applications_state_is_known;
-- 1 applied, 2 failed, 3 cancelled.
ALTER TABLE applications ADD CONSTRAINT applications_state_is_known CHECK (state IN (1, 2, 3));
ALTER TABLE applications DROP CONSTRAINT applications_applied_have_a_grant;
ALTER TABLE applications ADD CONSTRAINT applications_applied_have_a_grant CHECK (
    state <> 1
    OR (grant_number IS NOT NULL AND transaction_id IS NOT NULL AND granted_from IS NOT NULL)
);
ALTER TYPE application_row ADD ATTRIBUTE granted_from TIMESTAMPTZ;
ALTER TYPE application_row ADD ATTRIBUTE granted_until TIMESTAMPTZ;
ALTER TYPE application_row ADD ATTRIBUTE times_taken_back INTEGER;
ALTER TYPE application_row ADD ATTRIBUTE used NUMERIC;
-- Subscriptions that live are looked at once a day, because rules come and change.
UPDATE subscriptions SET next_due_at = updated_at WHERE next_due_at IS NULL;
