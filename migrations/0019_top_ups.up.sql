-- Top-ups: a rule by which a wallet asks for more credits, and what it asked for.

-- NULL: none, as of most wallets.
ALTER TABLE wallets ADD COLUMN top_up JSONB;
-- The event that asked and is not answered yet.
ALTER TABLE wallets ADD COLUMN top_up_outstanding BIGINT;
-- When it asked the last times, the last time first. NULL: never.
ALTER TABLE wallets ADD COLUMN top_ups_asked_at TIMESTAMPTZ [];

ALTER TYPE wallet_row ADD ATTRIBUTE top_up JSONB;
ALTER TYPE wallet_row ADD ATTRIBUTE top_up_outstanding BIGINT;
ALTER TYPE wallet_row ADD ATTRIBUTE top_ups_asked_at TIMESTAMPTZ [];
ALTER TYPE wallet_settings ADD ATTRIBUTE top_up JSONB;
ALTER TYPE wallet_head ADD ATTRIBUTE top_up_outstanding BIGINT;
ALTER TYPE wallet_head ADD ATTRIBUTE top_ups_asked_at TIMESTAMPTZ [];
