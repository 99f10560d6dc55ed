-- A batch may be decided on what another one, which is still being written, will leave: it names the last transaction of
-- that on each wallet.

ALTER TYPE wallet_head ADD ATTRIBUTE builds_on UUID;
