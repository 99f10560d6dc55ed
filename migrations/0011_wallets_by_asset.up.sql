-- Reports go through the wallets of one asset, by account.

CREATE INDEX wallets_by_asset ON wallets (namespace_id, asset, account);
