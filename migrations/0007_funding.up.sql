-- Funding: what paid for a grant.

ALTER TABLE grants ADD COLUMN funding_ref TEXT;
CREATE INDEX grants_by_funding ON grants (account_id, wallet_id, funding_ref)
WHERE funding_ref IS NOT NULL;

ALTER TYPE grant_row ADD ATTRIBUTE funding_ref TEXT;
