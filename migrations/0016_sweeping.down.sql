DROP INDEX wallets_due;
