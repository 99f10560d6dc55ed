-- The way back: rules go, and what they asked for. The numbers of those events stay used, so their rows do too.

ALTER TYPE wallet_head DROP ATTRIBUTE top_ups_asked_at;
ALTER TYPE wallet_head DROP ATTRIBUTE top_up_outstanding;
ALTER TYPE wallet_settings DROP ATTRIBUTE top_up;
ALTER TYPE wallet_row DROP ATTRIBUTE top_ups_asked_at;
ALTER TYPE wallet_row DROP ATTRIBUTE top_up_outstanding;
ALTER TYPE wallet_row DROP ATTRIBUTE top_up;
ALTER TABLE wallets DROP COLUMN top_ups_asked_at;
ALTER TABLE wallets DROP COLUMN top_up_outstanding;
ALTER TABLE wallets DROP COLUMN top_up;
