//! What was written: entries by filters, page by page, and transactions by their ids.

use purse_proto::v1;
use tonic::Code;

use crate::fixture::{ACCOUNT, ASSET, Server, blamed, grant, refusal, spend, timestamp};

fn list() -> v1::ListEntriesRequest {
    v1::ListEntriesRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        page_size: 1_000,
        ..Default::default()
    }
}

/// All pages of a list, and how many there were.
async fn pages(server: &Server, request: &v1::ListEntriesRequest) -> (Vec<v1::Entry>, usize) {
    let mut request = request.clone();
    let (mut entries, mut count) = (Vec::new(), 0);
    loop {
        let page = server.wallets().list_entries(request.clone()).await.unwrap().into_inner();
        assert!(page.entries.len() <= usize::try_from(request.page_size).unwrap());
        entries.extend(page.entries);
        count += 1;
        if page.next_page_token.is_empty() {
            return (entries, count);
        }
        request.page_token = page.next_page_token;
    }
}

fn metadata(pairs: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A fortnight of grants, spends, late usage, an expiry and an activation.
async fn fortnight(server: &Server) {
    let day = |day: u32| format!("2026-01-{day:02}T00:00:00Z");
    server.at(&day(1)).await;
    server.open(ACCOUNT).await;
    let monthly = v1::GrantRequest {
        category: "monthly".to_owned(),
        expires_at: Some(timestamp(&day(7))),
        actor: "billing".to_owned(),
        ..grant(ACCOUNT, "30")
    };
    server.grants().grant(monthly).await.unwrap();
    let next = v1::GrantRequest {
        category: "monthly".to_owned(),
        effective_at: Some(timestamp(&day(7))),
        ..grant(ACCOUNT, "30")
    };
    server.grants().grant(next).await.unwrap();
    server.at(&day(2)).await;
    let purchased = v1::GrantRequest {
        category: "purchased".to_owned(),
        actor: "billing".to_owned(),
        reason: "order 17".to_owned(),
        metadata: metadata(&[("order", "17"), ("plan", "pro")]),
        ..grant(ACCOUNT, "50")
    };
    server.grants().grant(purchased).await.unwrap();
    for (index, operation) in ["chat", "image", "chat", "", "chat"].into_iter().enumerate() {
        server.at(&day(3 + u32::try_from(index).unwrap() * 2)).await;
        let request = v1::SpendRequest {
            operation: operation.to_owned(),
            actor: if index % 2 == 0 { "checkout".to_owned() } else { String::new() },
            metadata: metadata(&[("plan", if index == 0 { "free" } else { "pro" })]),
            ..spend(ACCOUNT, "12", &format!("spend {index}"))
        };
        server.spend(request).await.unwrap();
    }
    let late = v1::SpendRequest {
        occurred_at: Some(timestamp("2026-01-08T12:00:00Z")),
        operation: "image".to_owned(),
        ..spend(ACCOUNT, "3", "late")
    };
    server.spend(late).await.unwrap();
}

fn seconds(instant: Option<prost_types::Timestamp>) -> i64 {
    instant.unwrap().seconds
}

/// Whether an entry passes a filter, once more and plainly.
fn passes(filter: &v1::ListEntriesRequest, entry: &v1::Entry) -> bool {
    let in_range = |at: Option<prost_types::Timestamp>,
                    start: Option<prost_types::Timestamp>,
                    end: Option<prost_types::Timestamp>| {
        start.is_none_or(|start| seconds(at) >= start.seconds)
            && end.is_none_or(|end| seconds(at) < end.seconds)
    };
    let is = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
    let value = entry.metadata.get(&filter.metadata_key);
    (filter.kinds.is_empty() || filter.kinds.contains(&entry.kind))
        && (filter.category.is_empty()
            || entry.allocations.iter().any(|part| part.category == filter.category))
        && in_range(entry.effective_at, filter.effective_start, filter.effective_end)
        && in_range(entry.recorded_at, filter.recorded_start, filter.recorded_end)
        && is(&filter.actor, &entry.actor)
        && is(&filter.operation, &entry.operation)
        && is(&filter.transaction_id, &entry.transaction_id)
        && (filter.metadata_key.is_empty() || value.is_some())
        && filter.metadata_value.as_ref().is_none_or(|wanted| value == Some(wanted))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_filter_passes_what_it_says_in_pages_of_any_size_and_either_order() {
    let server = Server::start().await;
    fortnight(&server).await;
    let (all, _) = pages(&server, &list()).await;
    assert_eq!(all.len(), 11, "{all:#?}");
    let at = |instant: &str| Some(timestamp(instant));
    let own = all.iter().find(|entry| entry.operation == "image").unwrap();
    let transaction_id = own.transaction_id.clone();
    // A filter, and how many entries pass it.
    let filters = [
        (v1::ListEntriesRequest { kinds: vec![v1::EntryKind::Spent.into()], ..list() }, 6),
        (v1::ListEntriesRequest { category: "monthly".to_owned(), ..list() }, 6),
        (v1::ListEntriesRequest { category: "trial".to_owned(), ..list() }, 0),
        (v1::ListEntriesRequest { effective_start: at("2026-01-07T00:00:00Z"), ..list() }, 6),
        (v1::ListEntriesRequest { effective_end: at("2026-01-07T00:00:00Z"), ..list() }, 5),
        (
            v1::ListEntriesRequest {
                effective_start: at("2026-01-08T00:00:00Z"),
                effective_end: at("2026-01-09T00:00:00Z"),
                ..list()
            },
            1,
        ),
        (v1::ListEntriesRequest { recorded_start: at("2026-01-09T00:00:00Z"), ..list() }, 3),
        (v1::ListEntriesRequest { recorded_end: at("2026-01-09T00:00:00Z"), ..list() }, 8),
        (
            v1::ListEntriesRequest {
                recorded_start: at("2026-01-02T00:00:00Z"),
                recorded_end: at("2026-01-02T00:00:00Z"),
                ..list()
            },
            0,
        ),
        (v1::ListEntriesRequest { recorded_start: at("2027-01-01T00:00:00Z"), ..list() }, 0),
        (v1::ListEntriesRequest { actor: "checkout".to_owned(), ..list() }, 3),
        (v1::ListEntriesRequest { actor: "nobody".to_owned(), ..list() }, 0),
        (v1::ListEntriesRequest { operation: "chat".to_owned(), ..list() }, 3),
        (v1::ListEntriesRequest { transaction_id, ..list() }, 1),
        (
            v1::ListEntriesRequest {
                transaction_id: "0197c0de-0000-7000-8000-000000000000".to_owned(),
                ..list()
            },
            0,
        ),
        (v1::ListEntriesRequest { metadata_key: "order".to_owned(), ..list() }, 1),
        (v1::ListEntriesRequest { metadata_key: "plan".to_owned(), ..list() }, 6),
        (
            v1::ListEntriesRequest {
                metadata_key: "plan".to_owned(),
                metadata_value: Some("pro".to_owned()),
                ..list()
            },
            5,
        ),
        (
            v1::ListEntriesRequest {
                metadata_key: "plan".to_owned(),
                metadata_value: Some(String::new()),
                ..list()
            },
            0,
        ),
        (
            v1::ListEntriesRequest {
                kinds: vec![v1::EntryKind::Spent.into(), v1::EntryKind::Granted.into()],
                category: "purchased".to_owned(),
                effective_start: at("2026-01-02T00:00:00Z"),
                effective_end: at("2026-01-10T00:00:00Z"),
                actor: "checkout".to_owned(),
                operation: "chat".to_owned(),
                metadata_key: "plan".to_owned(),
                ..list()
            },
            1,
        ),
    ];
    for (filter, count) in filters {
        let mut expected: Vec<v1::Entry> =
            all.iter().filter(|entry| passes(&filter, entry)).cloned().collect();
        assert_eq!(expected.len(), count, "{filter:?}");
        for order in [v1::EntryOrder::OldestFirst, v1::EntryOrder::NewestFirst] {
            for page_size in [1, 2, 3, 1_000] {
                let filter =
                    v1::ListEntriesRequest { order: order.into(), page_size, ..filter.clone() };
                let (listed, _) = pages(&server, &filter).await;
                assert_eq!(listed, expected, "{filter:?}");
            }
            expected.reverse();
        }
    }
}

#[tokio::test]
async fn every_entry_says_who_asked_why_and_of_which_categories() {
    let server = Server::start().await;
    fortnight(&server).await;
    let request =
        v1::ListEntriesRequest { metadata_key: "order".to_owned(), page_size: 1, ..list() };
    let listed = pages(&server, &request).await.0;
    let expected = v1::Entry {
        sequence: 3,
        kind: v1::EntryKind::Granted.into(),
        amount: "50".to_owned(),
        balance_before: "30".to_owned(),
        balance_after: "80".to_owned(),
        after: Some(v1::EntryBalances {
            available: "80".to_owned(),
            held: "0".to_owned(),
            debt: "0".to_owned(),
            scheduled: "30".to_owned(),
        }),
        effective_at: Some(timestamp("2026-01-02T00:00:00Z")),
        recorded_at: Some(timestamp("2026-01-02T00:00:00Z")),
        allocations: vec![v1::Allocation {
            grant_number: 3,
            amount: "50".to_owned(),
            category: "purchased".to_owned(),
        }],
        transaction_id: listed[0].transaction_id.clone(),
        actor: "billing".to_owned(),
        reason: "order 17".to_owned(),
        metadata: metadata(&[("order", "17"), ("plan", "pro")]),
        idempotency_key: listed[0].idempotency_key.clone(),
        ..Default::default()
    };
    assert_eq!(listed, [expected]);
    assert!(!listed[0].transaction_id.is_empty() && !listed[0].idempotency_key.is_empty());
    // Of more than one category.
    let chats = v1::ListEntriesRequest { operation: "chat".to_owned(), ..list() };
    let chats = pages(&server, &chats).await.0;
    let categories: Vec<Vec<String>> = chats
        .into_iter()
        .map(|entry| entry.allocations.into_iter().map(|part| part.category).collect())
        .collect();
    assert_eq!(categories, [vec!["monthly"], vec!["purchased"], vec!["purchased"]]);
}

#[tokio::test]
async fn a_page_is_stable_while_the_ledger_grows_and_a_token_is_of_its_filter() {
    let server = Server::start().await;
    fortnight(&server).await;
    let spends = |order: v1::EntryOrder| v1::ListEntriesRequest {
        kinds: vec![v1::EntryKind::Spent.into()],
        order: order.into(),
        page_size: 2,
        ..list()
    };
    let newest = spends(v1::EntryOrder::NewestFirst);
    let oldest = spends(v1::EntryOrder::OldestFirst);
    let before = (pages(&server, &newest).await.0, pages(&server, &oldest).await.0);
    let ask = |request: &v1::ListEntriesRequest| {
        let request = request.clone();
        let mut wallets = server.wallets();
        async move { wallets.list_entries(request).await }
    };
    let first_newest = ask(&newest).await.unwrap().into_inner();
    let first_oldest = ask(&oldest).await.unwrap().into_inner();
    server.spend(spend(ACCOUNT, "1", "one more")).await.unwrap();
    let after = v1::ListEntriesRequest { page_token: first_newest.next_page_token, ..newest };
    let rest = pages(&server, &after).await.0;
    assert_eq!([first_newest.entries, rest].concat(), before.0);
    let after = v1::ListEntriesRequest { page_token: first_oldest.next_page_token, ..oldest };
    let rest = pages(&server, &after).await.0;
    let whole = [first_oldest.entries, rest].concat();
    assert_eq!(whole[..before.1.len()], before.1);
    assert_eq!(whole.last().unwrap().idempotency_key, "one more");

    let at = Some(timestamp("2026-01-01T00:00:00Z"));
    for other in [
        v1::ListEntriesRequest { category: "monthly".to_owned(), ..after.clone() },
        v1::ListEntriesRequest { effective_start: at, ..after.clone() },
        v1::ListEntriesRequest { effective_end: at, ..after.clone() },
        v1::ListEntriesRequest { recorded_start: at, ..after.clone() },
        v1::ListEntriesRequest { recorded_end: at, ..after.clone() },
        v1::ListEntriesRequest { actor: "checkout".to_owned(), ..after.clone() },
        v1::ListEntriesRequest { operation: "chat".to_owned(), ..after.clone() },
        v1::ListEntriesRequest {
            transaction_id: "0197c0de-0000-7000-8000-000000000000".to_owned(),
            ..after.clone()
        },
        v1::ListEntriesRequest { metadata_key: "plan".to_owned(), ..after.clone() },
    ] {
        let status = ask(&other).await.unwrap_err();
        assert_eq!(refusal(&status), (Code::InvalidArgument, "INVALID_FIELD".to_owned()));
        assert_eq!(blamed(&status), ["page_token"], "{other:?}");
    }
}

/// A page looks at 5,000 entries at most: of 12,000, three pages, however few pass.
#[tokio::test]
async fn a_page_is_bounded_however_few_entries_pass() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    server.open(ACCOUNT).await;
    server.fund(ACCOUNT, "100").await;
    let rare = v1::SpendRequest { operation: "rare".to_owned(), ..spend(ACCOUNT, "1", "rare") };
    server.spend(rare).await.unwrap();
    // Ten thousand calls would take half a minute.
    let sql = server.sql().await;
    sql.batch_execute(
        "INSERT INTO entries
         SELECT e.account_id, e.wallet_id, n, e.effective_at, e.recorded_at, NULL, e.kind, e.amount,
             e.balance_before, e.available_after, e.held_after, e.debt_after, e.scheduled_after,
             e.grant_numbers, e.grant_amounts
         FROM entries AS e
         CROSS JOIN generate_series(3, 12000) AS n
         WHERE e.sequence = 1;
         UPDATE wallets SET last_sequence = 12000",
    )
    .await
    .unwrap();
    let rare = v1::ListEntriesRequest { operation: "rare".to_owned(), ..list() };
    for order in [v1::EntryOrder::OldestFirst, v1::EntryOrder::NewestFirst] {
        let (found, count) =
            pages(&server, &v1::ListEntriesRequest { order: order.into(), ..rare.clone() }).await;
        assert_eq!((found.len(), count), (1, 3), "{order:?}");
        let none = v1::ListEntriesRequest {
            operation: "never".to_owned(),
            order: order.into(),
            ..rare.clone()
        };
        let (found, count) = pages(&server, &none).await;
        assert_eq!((found.len(), count), (0, 3), "{order:?}");
        // Where the numbers are known, none of the others is looked at.
        let transaction_id = pages(&server, &rare).await.0[0].transaction_id.clone();
        let own = v1::ListEntriesRequest { transaction_id, order: order.into(), ..list() };
        let (found, count) = pages(&server, &own).await;
        assert_eq!((found.len(), count), (1, 1), "{order:?}");
        let later = v1::ListEntriesRequest {
            recorded_start: Some(timestamp("2026-01-02T00:00:00Z")),
            order: order.into(),
            ..list()
        };
        assert_eq!(pages(&server, &later).await, (Vec::new(), 1));
        let all = v1::ListEntriesRequest { order: order.into(), ..list() };
        let (found, count) = pages(&server, &all).await;
        assert_eq!((found.len(), count), (12_000, 12), "{order:?}");
    }
}

#[tokio::test]
async fn a_filter_that_cannot_be_names_its_field() {
    let server = Server::start().await;
    server.open(ACCOUNT).await;
    let at = |instant: &str| Some(timestamp(instant));
    let (early, late) = (at("2026-01-01T00:00:00Z"), at("2026-01-02T00:00:00Z"));
    let nonsense = Some(prost_types::Timestamp { seconds: 0, nanos: -1 });
    for (field, request) in [
        ("category", v1::ListEntriesRequest { category: "No Code".to_owned(), ..list() }),
        ("effective_start", v1::ListEntriesRequest { effective_start: nonsense, ..list() }),
        (
            "effective_end",
            v1::ListEntriesRequest { effective_start: late, effective_end: early, ..list() },
        ),
        (
            "recorded_end",
            v1::ListEntriesRequest { recorded_start: late, recorded_end: early, ..list() },
        ),
        ("actor", v1::ListEntriesRequest { actor: "a\0b".to_owned(), ..list() }),
        ("operation", v1::ListEntriesRequest { operation: "No Code".to_owned(), ..list() }),
        ("transaction_id", v1::ListEntriesRequest { transaction_id: "17".to_owned(), ..list() }),
        ("metadata_key", v1::ListEntriesRequest { metadata_key: "a\0b".to_owned(), ..list() }),
        (
            "metadata_value",
            v1::ListEntriesRequest { metadata_value: Some("pro".to_owned()), ..list() },
        ),
    ] {
        let status = server.wallets().list_entries(request).await.expect_err(field);
        assert_eq!(refusal(&status), (Code::InvalidArgument, "INVALID_FIELD".to_owned()));
        assert_eq!(blamed(&status), [field]);
    }
}

#[tokio::test]
async fn a_transaction_is_answered_by_its_id_as_it_was_at_first() {
    let server = Server::start().await;
    server.open(ACCOUNT).await;
    server.open("another").await;
    server.fund(ACCOUNT, "100").await;
    let request = v1::SpendRequest {
        operation: "chat".to_owned(),
        actor: "checkout".to_owned(),
        reason: "an order".to_owned(),
        metadata: metadata(&[("order", "17")]),
        ..spend(ACCOUNT, "12.50", "k")
    };
    let spent = server.spend(request).await.unwrap().transaction.unwrap();
    server.spend(spend(ACCOUNT, "1", "later")).await.unwrap();
    let ask = |account: &str, transaction_id: &str| v1::GetTransactionRequest {
        account: account.to_owned(),
        asset: ASSET.to_owned(),
        transaction_id: transaction_id.to_owned(),
    };
    let request = ask(ACCOUNT, &spent.transaction_id);
    let found = server.wallets().get_transaction(request).await.unwrap().into_inner();
    assert_eq!(found.transaction, Some(spent.clone()));

    for (account, id, code, reason) in [
        ("nobody", &*spent.transaction_id, Code::NotFound, "WALLET_NOT_FOUND"),
        ("another", &*spent.transaction_id, Code::NotFound, "TRANSACTION_NOT_FOUND"),
        (ACCOUNT, "17", Code::InvalidArgument, "INVALID_FIELD"),
        (ACCOUNT, "", Code::InvalidArgument, "INVALID_FIELD"),
    ] {
        let status = server.wallets().get_transaction(ask(account, id)).await.unwrap_err();
        assert_eq!(refusal(&status), (code, reason.to_owned()), "{account} {id}");
    }
}
