DROP INDEX wallets_by_asset;
