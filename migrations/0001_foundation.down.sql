-- The way back from the foundation: everything goes, data included.

DROP TABLE entries;
DROP TABLE transactions;
DROP TABLE grants;
DROP TABLE wallets;
DROP TABLE assets;
