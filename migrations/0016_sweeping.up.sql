-- What a sweeper settles: wallets by when time changes them next.
--
-- A spend leaves that instant as it is, and so its update of the wallet stays on its page.

CREATE INDEX wallets_due ON wallets (namespace_id, next_due_at, account_id, wallet_id)
WHERE next_due_at IS NOT NULL;
