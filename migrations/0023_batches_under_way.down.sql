-- The way back.

ALTER TYPE wallet_head DROP ATTRIBUTE builds_on;
