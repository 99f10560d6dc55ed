//! Many callers, two servers: nothing is lost, nothing is doubled, the ledger has no gap.

use purse_proto::v1;

use crate::fixture::{Server, at_once, spend};

/// Invariants 1 to 3 over everything that the database holds; each query finds what breaks one.
const BROKEN: [(&str, &str); 6] = [
    (
        "a grant's parts sum to its amount, and its consumed part to its allocations",
        "SELECT g.account_id
         FROM grants AS g
         WHERE g.consumed <> (
             SELECT COALESCE(sum(a.amount), 0)
             FROM entries AS e, unnest(e.grant_numbers, e.grant_amounts) AS a (number, amount)
             WHERE e.account_id = g.account_id AND e.wallet_id = g.wallet_id
                 AND a.number = g.grant_number AND e.kind = 4)",
    ),
    (
        "an entry's balance_before is the balance_after of the one before",
        "SELECT e.account_id
         FROM entries AS e
         LEFT JOIN entries AS p ON p.account_id = e.account_id AND p.wallet_id = e.wallet_id
             AND p.sequence = e.sequence - 1
         WHERE e.balance_before <> COALESCE(p.available_after - p.debt_after, 0)",
    ),
    (
        "the sequence has no gap",
        "SELECT account_id FROM entries GROUP BY account_id, wallet_id
         HAVING count(*) <> max(sequence) OR min(sequence) <> 1",
    ),
    (
        "the last entry equals the wallet",
        "SELECT w.account_id
         FROM wallets AS w
         LEFT JOIN entries AS e ON e.account_id = w.account_id AND e.wallet_id = w.wallet_id
             AND e.sequence = w.last_sequence
         WHERE w.available <> COALESCE(e.available_after, 0)",
    ),
    (
        "allocations sum to their entry's amount",
        "SELECT e.account_id
         FROM entries AS e
         WHERE e.amount <> (
             SELECT sum(a)
             FROM unnest(e.grant_amounts) AS a)",
    ),
    (
        "what grants have available is the wallet's",
        "SELECT w.account_id
         FROM wallets AS w
         WHERE w.available <> (
             SELECT COALESCE(sum(g.available), 0)
             FROM grants AS g
             WHERE g.account_id = w.account_id AND g.wallet_id = w.wallet_id)",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn spends_by_many_callers_on_two_servers_add_up() {
    const ACCOUNTS: usize = 10;
    const CALLERS: usize = 48;
    const SPENDS: usize = 40;
    let one = Server::start().await;
    let other = Server::start_on(one.url.clone()).await;
    for account in 0..ACCOUNTS {
        one.open(&account.to_string()).await;
        for _ in 0..5 {
            one.fund(&account.to_string(), "30").await;
        }
    }

    let accepted: Vec<usize> = at_once(CALLERS, |caller| {
        let mut wallets = if caller % 2 == 0 { one.wallets() } else { other.wallets() };
        async move {
            let mut accepted = 0;
            for index in 0..SPENDS {
                let account = ((caller * 7 + index * 3) % ACCOUNTS).to_string();
                let request = spend(&account, "1", &format!("{caller} {index}"));
                match wallets.spend(request.clone()).await {
                    Ok(answer) => {
                        assert!(!answer.into_inner().replayed);
                        accepted += 1;
                        // A retry on doubt.
                        let again = wallets.spend(request).await.unwrap().into_inner();
                        assert!(again.replayed);
                    }
                    Err(status) => assert_eq!(status.code(), tonic::Code::FailedPrecondition),
                }
            }
            accepted
        }
    })
    .await;

    let accepted: usize = accepted.into_iter().sum();
    assert_eq!(accepted, ACCOUNTS * 150, "1920 spends ask for more than the 1500 there are");
    let sql = one.sql().await;
    for (rule, query) in BROKEN {
        assert_eq!(sql.query(query, &[]).await.unwrap().len(), 0, "{rule}");
    }
    let spent: i64 =
        sql.query_one("SELECT count(*) FROM entries WHERE kind = 4", &[]).await.unwrap().get(0);
    assert_eq!(usize::try_from(spent).unwrap(), accepted);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_hot_wallet_never_spends_more_than_it_has() {
    let server = Server::start().await;
    server.open("hot").await;
    server.fund("hot", "100").await;
    let answers: Vec<bool> = at_once(200, |caller| {
        let mut wallets = server.wallets();
        async move { wallets.spend(spend("hot", "1", &format!("k{caller}"))).await.is_ok() }
    })
    .await;
    assert_eq!(answers.iter().filter(|accepted| **accepted).count(), 100);
    assert_eq!(server.balance("hot").await, "0");
    let request = v1::ListEntriesRequest {
        account: "hot".to_owned(),
        asset: crate::fixture::ASSET.to_owned(),
        page_size: 1_000,
        ..Default::default()
    };
    let entries = server.wallets().list_entries(request).await.unwrap().into_inner().entries;
    assert!(entries.iter().map(|entry| entry.sequence).eq(1..=101));
}

/// Scenario 24.
#[tokio::test(flavor = "multi_thread")]
async fn spends_on_credit_at_once_are_a_transaction_each() {
    let one = Server::start().await;
    let other = Server::start_on(one.url.clone()).await;
    one.open_with_overdraft("org:24", "100").await;
    at_once(4, |caller| {
        let mut wallets = if caller % 2 == 0 { one.wallets() } else { other.wallets() };
        async move { wallets.spend(spend("org:24", "10", &format!("k{caller}"))).await.unwrap() }
    })
    .await;
    assert_eq!(one.balance("org:24").await, "-40");
    let request = v1::ListEntriesRequest {
        account: "org:24".to_owned(),
        asset: crate::fixture::ASSET.to_owned(),
        ..Default::default()
    };
    let entries = one.wallets().list_entries(request).await.unwrap().into_inner().entries;
    assert!(entries.iter().map(|entry| entry.sequence).eq(1..=4));
    let after: Vec<&str> = entries.iter().map(|entry| entry.balance_after.as_str()).collect();
    assert_eq!(after, ["-10", "-20", "-30", "-40"]);
}
