-- The way back: the events go, and what wallets wanted to be told of. Grants that were due to be announced are
-- due too early, which is harmless.

ALTER TYPE wallet_head DROP ATTRIBUTE lows;
ALTER TYPE wallet_head DROP ATTRIBUTE last_event;
ALTER TYPE wallet_settings DROP ATTRIBUTE expiring_soon_leads;
ALTER TYPE wallet_settings DROP ATTRIBUTE low_balance_thresholds;
ALTER TYPE wallet_row DROP ATTRIBUTE lows;
ALTER TYPE wallet_row DROP ATTRIBUTE last_event;
ALTER TYPE wallet_row DROP ATTRIBUTE expiring_soon_leads;
ALTER TYPE wallet_row DROP ATTRIBUTE low_balance_thresholds;
DROP TYPE event_row;
DROP TABLE events;
ALTER TABLE wallets DROP COLUMN events_since;
ALTER TABLE wallets DROP COLUMN lows;
ALTER TABLE wallets DROP COLUMN last_event;
ALTER TABLE wallets DROP COLUMN expiring_soon_leads;
ALTER TABLE wallets DROP COLUMN low_balance_thresholds;
UPDATE transactions
SET settings = settings - 'low_balance_thresholds' - 'expiring_soon_lead_micros'
WHERE settings IS NOT NULL;
