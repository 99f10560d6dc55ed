//! Transfers: two wallets in one transaction, whoever else works on them.

use purse_proto::v1::{self, EntryKind};
use tonic::Code;

use crate::{
    deadlocks::deadlocks,
    fixture::{ASSET, Server, at_once, grant, refusal, spend, timestamp, with_token},
};

fn transfer(from: &str, to: &str, amount: &str, key: &str) -> v1::TransferRequest {
    v1::TransferRequest {
        account: from.to_owned(),
        asset: ASSET.to_owned(),
        to_account: to.to_owned(),
        amount: amount.to_owned(),
        idempotency_key: key.to_owned(),
        ..Default::default()
    }
}

async fn entries(server: &Server, account: &str) -> Vec<v1::Entry> {
    let request = v1::ListEntriesRequest {
        account: account.to_owned(),
        asset: ASSET.to_owned(),
        page_size: 1_000,
        ..Default::default()
    };
    server.wallets().list_entries(request).await.unwrap().into_inner().entries
}

async fn assert_sound(server: &Server, account: &str) {
    let found = server.verify(account).await;
    assert!(found.sound, "{account}: {}", found.problem);
}

#[tokio::test]
async fn both_legs_have_one_transaction_and_name_each_other() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    for account in ["org:1", "org:2"] {
        server.open(account).await;
    }
    let bought = v1::GrantRequest {
        category: "purchased".to_owned(),
        cost_basis: "0.25".to_owned(),
        expires_at: Some(timestamp("2026-02-01T00:00:00Z")),
        ..grant("org:1", "900")
    };
    server.grants().grant(bought).await.unwrap();
    let request = v1::TransferRequest {
        reason: "moved to the new team".to_owned(),
        ..transfer("org:1", "org:2", "250", "move")
    };
    let previewed = v1::TransferRequest { validate_only: true, ..request.clone() };
    let preview = server.wallets().transfer(previewed).await.unwrap().into_inner();
    let done = server.wallets().transfer(request.clone()).await.unwrap().into_inner();
    let again = server.wallets().transfer(request).await.unwrap().into_inner();

    let id = done.transaction.as_ref().unwrap().transaction_id.clone();
    assert!(!id.is_empty());
    assert_eq!(done.received.as_ref().unwrap().transaction_id, id);
    assert_eq!(done.transaction.as_ref().unwrap().counterparty_account, "org:2");
    assert_eq!(done.received.as_ref().unwrap().counterparty_account, "org:1");
    assert_eq!(done.balance.as_ref().unwrap().balance, "650");
    assert_eq!(done.to_balance.as_ref().unwrap().balance, "250");
    assert_eq!(done.grants[0].category, "purchased");
    assert_eq!(done.grants[0].cost_basis, "0.25");
    assert_eq!(done.grants[0].expires_at, Some(timestamp("2026-02-01T00:00:00Z")));
    assert!(done.grants[0].transferred_in);
    assert_eq!(again, v1::TransferResponse { replayed: true, ..done.clone() });

    let strip = |grant: &v1::Grant| v1::Grant { transaction_id: String::new(), ..grant.clone() };
    assert_eq!(preview.grants, done.grants.iter().map(strip).collect::<Vec<_>>());
    assert_eq!(preview.to_balance, done.to_balance);

    let (sent, received) = (entries(&server, "org:1").await, entries(&server, "org:2").await);
    for (entry, other) in [(sent.last().unwrap(), "org:2"), (received.last().unwrap(), "org:1")] {
        assert_eq!(entry.transaction_id, id);
        assert_eq!(entry.counterparty_account, other);
        assert_eq!(entry.reason, "moved to the new team");
    }
    assert_eq!(sent.last().unwrap().kind(), EntryKind::TransferredOut);
    assert_eq!(received[0].kind(), EntryKind::TransferredIn);
    assert_eq!(sent.last().unwrap().idempotency_key, "move");
    // The key is the sender's; the receiver may use it for something else.
    assert_eq!(received[0].idempotency_key, "");
    server.spend(spend("org:2", "1", "move")).await.unwrap();
    for account in ["org:1", "org:2"] {
        assert_sound(&server, account).await;
    }
}

#[tokio::test]
async fn a_key_of_another_transfer_is_refused() {
    let server = Server::start().await;
    for account in ["org:1", "org:2", "org:3"] {
        server.open(account).await;
    }
    server.fund("org:1", "100").await;
    server.wallets().transfer(transfer("org:1", "org:2", "10", "k")).await.unwrap();
    for other in [transfer("org:1", "org:2", "11", "k"), transfer("org:1", "org:3", "10", "k")] {
        let refused = server.wallets().transfer(other).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED".to_owned()));
    }
    assert_eq!(server.balance("org:3").await, "0");
}

#[tokio::test]
async fn only_a_granter_may_change_when_credits_expire() {
    let server = crate::credentials::server().await;
    let asked = |policy: v1::ExpirationPolicy, expires_at| v1::TransferRequest {
        expiration_policy: policy.into(),
        expires_at,
        ..transfer("org:1", "org:2", "1", "k")
    };
    let date = Some(timestamp("2026-02-01T00:00:00Z"));
    for request in [
        asked(v1::ExpirationPolicy::None, None),
        asked(v1::ExpirationPolicy::Fixed, date),
        asked(v1::ExpirationPolicy::Unspecified, date),
    ] {
        let request = with_token(request, "acme-spender");
        let refused = server.wallets().transfer(request).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::PermissionDenied, "ROLE_MISSING".to_owned()));
    }
    let request = with_token(asked(v1::ExpirationPolicy::Preserve, None), "acme-spender");
    let refused = server.wallets().transfer(request).await.unwrap_err();
    assert_ne!(refused.code(), Code::PermissionDenied);
}

/// Scenario 40, and more wallets than lanes.
#[tokio::test(flavor = "multi_thread")]
async fn crossing_transfers_on_two_servers_never_lock_each_other_out() {
    const CALLERS: usize = 32;
    const TRANSFERS: usize = 32;
    const ACCOUNTS: usize = 5;
    let one = Server::start().await;
    let other = Server::start_on(one.url.clone()).await;
    for account in 0..ACCOUNTS {
        one.open(&account.to_string()).await;
        one.fund(&account.to_string(), "40").await;
    }
    let accepted: Vec<usize> = at_once(CALLERS, |caller| {
        let mut wallets = if caller % 2 == 0 { one.wallets() } else { other.wallets() };
        async move {
            let mut accepted = 0;
            for index in 0..TRANSFERS {
                let from = (caller + index) % ACCOUNTS;
                let to = (from + 1 + (caller + index / ACCOUNTS) % (ACCOUNTS - 1)) % ACCOUNTS;
                let (from, to) = (from.to_string(), to.to_string());
                let request = transfer(&from, &to, "3", &format!("{caller} {index}"));
                // The second is a retry on doubt: the first answer, or decided afresh.
                for _ in 0..2 {
                    match wallets.transfer(request.clone()).await {
                        Ok(answer) => accepted += usize::from(!answer.into_inner().replayed),
                        Err(status) => assert_eq!(status.code(), Code::FailedPrecondition),
                    }
                }
            }
            accepted
        }
    })
    .await;
    assert!(accepted.into_iter().sum::<usize>() > CALLERS, "most of them are possible");
    let mut sum = 0;
    for account in 0..ACCOUNTS {
        sum += one.balance(&account.to_string()).await.parse::<i64>().unwrap();
        assert_sound(&one, &account.to_string()).await;
    }
    assert_eq!(sum, 40 * 5);
    // What one wallet sent another received, leg by leg.
    let unbalanced = "
        SELECT e.transaction_id
        FROM entries AS e
        WHERE e.kind IN (15, 16)
        GROUP BY e.transaction_id
        HAVING sum(CASE WHEN e.kind = 15 THEN e.amount ELSE -e.amount END) <> 0
            OR count(DISTINCT e.wallet_id) <> 2";
    assert_eq!(one.sql().await.query(unbalanced, &[]).await.unwrap().len(), 0);
    let url = one.url.clone();
    one.node.stop().await;
    other.node.stop().await;
    assert_eq!(deadlocks(&url).await, 0);
}
