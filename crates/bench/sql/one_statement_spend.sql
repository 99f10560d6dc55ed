-- The one-statement spend: all of it in one round trip, committed by itself.
--
-- pgbench variables as in naive_spend.sql.

\set tenth random(1, 10)
\set wallet CASE WHEN :tenth <= :hot_tenths THEN random(:first_wallet, :last_hot_wallet) ELSE random(:first_wallet, :last_wallet) END
\set key random(1, 9223372036854775807)

SELECT naive_spend(:wallet, CAST(:key AS text), :amount);
