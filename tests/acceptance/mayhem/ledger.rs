//! What the database holds in the end, against what callers were told.

use std::collections::BTreeSet;

use purse_proto::v1;

use super::asked::Done;
use crate::fixture::Server;

/// Every key that was used, and for which transaction. Opening a wallet is the set-up's.
const KEYS: &str = "
    SELECT format('%s: %s: %s', w.account, t.idempotency_key,
        CASE WHEN t.kind IN (2, 14, 15) THEN 'settings' ELSE t.transaction_id::TEXT END)
    FROM transactions AS t
    JOIN wallets AS w ON w.account_id = t.account_id AND w.wallet_id = t.wallet_id
    WHERE t.idempotency_key IS NOT NULL AND t.kind <> 1";

/// Every entry that a command appended. Those that time alone makes are nobody's.
const ENTRIES: &str = "
    SELECT format('%s of %s: %s %s of kind %s in %s', e.sequence, w.account, trim_scale(e.amount),
        w.asset, e.kind, e.transaction_id)
    FROM entries AS e
    JOIN wallets AS w ON w.account_id = e.account_id AND w.wallet_id = e.wallet_id
    WHERE e.transaction_id IS NOT NULL";

/// Assets of which the wallets hold more or less than their entries say: what was granted or came back after an expiry,
/// a spend or a revocation, without what expired, was spent, voided, revoked or captured. What was sent and received is
/// nothing in sum.
const NOT_CONSERVED: &str = "
    SELECT w.asset
    FROM wallets AS w
    CROSS JOIN LATERAL (
        SELECT COALESCE(sum(CASE
                WHEN e.kind IN (1, 6, 8, 10) THEN e.amount
                WHEN e.kind IN (2, 7, 11, 13, 14, 15, 16, 17) THEN 0
                ELSE -e.amount
            END), 0) AS moved
        FROM entries AS e
        WHERE e.account_id = w.account_id AND e.wallet_id = w.wallet_id
    ) AS m
    GROUP BY w.asset
    HAVING sum(w.available + w.held + w.scheduled - w.debt) <> sum(m.moved)";

/// Transfers of which one wallet sent another amount than the other received.
const LOST_ON_THE_WAY: &str = "
    SELECT e.transaction_id::TEXT
    FROM entries AS e
    WHERE e.kind IN (15, 16)
    GROUP BY e.transaction_id
    HAVING sum(CASE WHEN e.kind = 15 THEN e.amount ELSE -e.amount END) <> 0
        OR count(DISTINCT e.wallet_id) <> 2";

async fn lines(server: &Server, query: &str) -> Vec<String> {
    let rows = server.sql().await.query(query, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// What was acknowledged is there, once, and nothing else is.
pub async fn assert_as_told<'a>(server: &Server, told: impl Iterator<Item = &'a Done>) {
    let (mut keys, mut entries) = (Vec::new(), Vec::new());
    for Done { account, key, legs, .. } in told {
        let id = legs.first().map_or("settings", |leg| &leg.transaction_id);
        keys.push(format!("{account}: {key}: {id}"));
        entries.extend(legs.iter().flat_map(entries_of));
    }
    assert_same(&keys, &lines(server, KEYS).await);
    assert_same(&entries, &lines(server, ENTRIES).await);
}

fn entries_of(leg: &v1::Transaction) -> impl Iterator<Item = String> {
    let v1::Transaction { account, asset, transaction_id, .. } = leg;
    leg.entries.iter().map(move |entry| {
        let v1::Entry { sequence, amount, kind, .. } = entry;
        format!("{sequence} of {account}: {amount} {asset} of kind {kind} in {transaction_id}")
    })
}

/// The same lines, whatever their order, and each once.
fn assert_same(told: &[String], held: &[String]) {
    let (told_once, held_once): (BTreeSet<&String>, BTreeSet<&String>) =
        (told.iter().collect(), held.iter().collect());
    let lost: Vec<_> = told_once.difference(&held_once).take(5).collect();
    let unasked: Vec<_> = held_once.difference(&told_once).take(5).collect();
    assert!(lost.is_empty() && unasked.is_empty(), "lost: {lost:#?}, unasked: {unasked:#?}");
    assert_eq!((told.len(), held.len()), (told_once.len(), held_once.len()), "something is double");
}

/// Nothing comes out of nowhere, and nothing gets lost.
pub async fn assert_conserved(server: &Server) {
    assert_eq!(lines(server, NOT_CONSERVED).await, [""; 0]);
    assert_eq!(lines(server, LOST_ON_THE_WAY).await, [""; 0]);
}
