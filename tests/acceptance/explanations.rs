//! Explanations: what was drawn in which order by which rule, why the rest was not, and what a balance is made of.

use purse_domain::Timestamp;
use purse_proto::v1;
use purse_tests::{AsOf, DomainDriver, Driver as _, GrpcDriver, Holdings, WalletRef};
use tonic::Code;

use crate::{
    fixture::{ACCOUNT, ASSET, Server, at_once, blamed, grant, refusal, spend, timestamp, unique},
    random_wallet::{Dice, HOUR, WRITES, play},
};

const NOW: &str = "2026-01-10T00:00:00Z";

fn ask(transaction: &str) -> v1::ExplainTransactionRequest {
    v1::ExplainTransactionRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        transaction_id: transaction.to_owned(),
        max_items: 0,
    }
}

async fn explain(server: &Server, transaction: &v1::Transaction) -> v1::ExplainTransactionResponse {
    let request = ask(&transaction.transaction_id);
    server.wallets().explain_transaction(request).await.unwrap().into_inner()
}

async fn explain_balance(server: &Server, at: Option<&str>) -> v1::ExplainBalanceResponse {
    let request = v1::ExplainBalanceRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        at: at.map(timestamp),
        max_items: 0,
    };
    server.wallets().explain_balance(request).await.unwrap().into_inner()
}

async fn hold(server: &Server, amount: &str, until: &str) -> v1::CreateHoldResponse {
    let request = v1::CreateHoldRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        amount: amount.to_owned(),
        expires_at: Some(timestamp(until)),
        idempotency_key: format!("hold {}", unique()),
        ..Default::default()
    };
    server.wallets().create_hold(request).await.unwrap().into_inner()
}

/// All of an explanation, a line for each thing that was considered.
fn told(explanation: &v1::Explanation) -> Vec<String> {
    use v1::explanation::Choice;
    let v1::Explanation { entry_sequence, choice } = explanation;
    match choice.as_ref().unwrap() {
        Choice::Drawing(drawing) => {
            let v1::DrawingExplanation {
                required,
                drawn,
                debt,
                occurred_at,
                grants,
                grants_left_out,
            } = drawing;
            let late = occurred_at.map_or_else(String::new, |at| format!(" late at {at}"));
            let head = format!("{entry_sequence}: {drawn} of {required}, {debt} owed{late}");
            let more = (*grants_left_out > 0).then(|| format!("{grants_left_out} more"));
            let grants = grants.iter().map(considered_grant);
            [head].into_iter().chain(grants).chain(more).collect()
        }
        Choice::Reversal(v1::ReversalExplanation { spend_sequence, slices }) => {
            let head = format!("{entry_sequence}: of {spend_sequence}");
            let slices = slices.iter().map(|slice| {
                let v1::ReversibleSlice { grant_number, left, given_back, .. } = slice;
                let source = name(slice.source().as_str_name(), "SLICE_SOURCE_");
                format!("{source} #{grant_number}: {given_back} of {left}")
            });
            [head].into_iter().chain(slices).collect()
        }
        Choice::Repayment(repayment) => {
            let v1::RepaymentExplanation { grant_number, debts, debts_left_out } = repayment;
            let head = format!("{entry_sequence}: by #{grant_number}");
            let more = (*debts_left_out > 0).then(|| format!("{debts_left_out} more"));
            let debts = debts.iter().map(|debt| {
                let v1::ConsideredDebt { entry_sequence, operation, owed, repaid, .. } = debt;
                let why = name(debt.passed_over().as_str_name(), "PASSED_OVER_REASON_");
                format!("{entry_sequence} {operation}: {repaid} of {owed} {why}")
            });
            [head].into_iter().chain(debts).chain(more).collect()
        }
    }
}

/// Its rank, number and place, what it gave of what it had, and why not.
fn considered_grant(considered: &v1::ConsideredGrant) -> String {
    let v1::ConsideredGrant { rank, grant, drawable, drawn, .. } = considered;
    let number = grant.as_ref().unwrap().number;
    let placed_by = name(considered.placed_by().as_str_name(), "PLACEMENT_RULE_");
    let why = name(considered.passed_over().as_str_name(), "PASSED_OVER_REASON_");
    format!("{rank} #{number} {placed_by}: {drawn} of {drawable} {why}")
}

/// Nothing for what is unspecified.
fn name<'a>(name: &'a str, prefix: &str) -> &'a str {
    let name = name.strip_prefix(prefix).unwrap();
    if name == "UNSPECIFIED" { "-" } else { name }
}

/// A wallet in which something stands against nearly every grant. At [`NOW`] there are, in drawdown order: 4, 5, 2,
/// 9, 10, 3, 7 and 8, and 1 and 6 have ended.
async fn wallet_of_all_sorts(server: &Server) {
    server.at("2026-01-01T00:00:00Z").await;
    server.open_with_overdraft(ACCOUNT, "100").await;
    let at = |instant: &str| Some(timestamp(instant));
    let usual = grant(ACCOUNT, "10");
    let grants = [
        v1::GrantRequest { expires_at: at("2026-01-05T00:00:00Z"), ..usual.clone() },
        v1::GrantRequest { applies_to: vec!["image".to_owned()], ..usual.clone() },
        v1::GrantRequest { cost_basis: "0.5".to_owned(), ..usual.clone() },
        v1::GrantRequest { priority: Some(1), ..usual.clone() },
        v1::GrantRequest { expires_at: at("2026-02-01T00:00:00Z"), ..usual.clone() },
        v1::GrantRequest { priority: Some(0), ..usual.clone() },
        v1::GrantRequest {
            effective_at: at("2026-03-01T00:00:00Z"),
            cost_basis: "0.5".to_owned(),
            ..usual.clone()
        },
        v1::GrantRequest { priority: Some(200), ..usual.clone() },
    ];
    for (index, request) in grants.into_iter().enumerate() {
        let request =
            v1::GrantRequest { idempotency_key: format!("grant {index} of sorts"), ..request };
        server.grants().grant(request).await.unwrap();
    }
    // The sixth is used up, and the fourth is held.
    server.spend(spend(ACCOUNT, "10", "the sixth")).await.unwrap();
    hold(server, "10", "2026-04-01T00:00:00Z").await;
    server.fund(ACCOUNT, "10").await;
    server.fund(ACCOUNT, "10").await;
    server.at(NOW).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_every_grant_it_is_said_why_it_was_drawn_or_not() {
    let server = Server::start().await;
    wallet_of_all_sorts(&server).await;
    let request = v1::SpendRequest {
        operation: "chat".to_owned(),
        actor: "checkout".to_owned(),
        reason: "an order".to_owned(),
        metadata: [("order".to_owned(), "17".to_owned())].into(),
        ..spend(ACCOUNT, "23", "k")
    };
    let spent = server.spend(request).await.unwrap().transaction.unwrap();
    // What comes later changes nothing of it.
    server.fund(ACCOUNT, "1000").await;
    let update = v1::UpdateWalletRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        wallet: Some(v1::Wallet {
            drawdown_policy: v1::DrawdownPolicy::OldestFirst.into(),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["drawdown_policy".to_owned()] }),
        idempotency_key: "update".to_owned(),
        ..Default::default()
    };
    server.wallets().update_wallet(update).await.unwrap();
    let written = server.rows("entries").await;
    let explained = explain(&server, &spent).await;
    assert_eq!(server.rows("entries").await, written);

    assert_eq!(explained.transaction, Some(spent.clone()));
    assert_eq!(
        (&*spent.actor, &*spent.reason, &*spent.metadata["order"]),
        ("checkout", "an order", "17")
    );
    let [explanation] = &explained.explanations[..] else { panic!("{explained:#?}") };
    let expected = [
        "14: 23 of 23, 0 owed",
        "1 #4 -: 0 of 0 ALL_HELD",
        "2 #5 PRIORITY: 10 of 10 -",
        "3 #2 EXPIRES_AT: 0 of 0 OTHER_OPERATIONS",
        "4 #9 APPLIES_TO: 10 of 10 -",
        "5 #10 GRANT_NUMBER: 3 of 10 -",
        "6 #3 COST_BASIS: 0 of 10 NOT_NEEDED",
        "7 #7 EFFECTIVE_AT: 0 of 0 NOT_EFFECTIVE",
        "8 #8 PRIORITY: 0 of 10 NOT_NEEDED",
        "0 #6 -: 0 of 0 NOTHING_LEFT",
        "0 #1 -: 0 of 0 EXPIRED",
    ];
    assert_eq!(told(explanation), expected);

    // The grants are as they were just before, with their terms.
    let Some(v1::explanation::Choice::Drawing(drawing)) = &explanation.choice else { panic!() };
    let tenth = drawing.grants[4].grant.clone().unwrap();
    let zero = || "0".to_owned();
    let expected = v1::Grant {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        number: 10,
        status: v1::GrantStatus::Active.into(),
        amount: "10".to_owned(),
        effective_at: Some(timestamp("2026-01-01T00:00:00Z")),
        priority: 100,
        category: "adjustment".to_owned(),
        cost_basis: zero(),
        available: "10".to_owned(),
        held: zero(),
        consumed: zero(),
        expired: zero(),
        voided: zero(),
        revoked: zero(),
        transferred_out: zero(),
        granted_at: Some(timestamp("2026-01-01T00:00:00Z")),
        ..Default::default()
    };
    assert_eq!(tenth, expected);

    // Those that gave something are always listed.
    let few = v1::ExplainTransactionRequest { max_items: 2, ..ask(&spent.transaction_id) };
    let few = server.wallets().explain_transaction(few).await.unwrap().into_inner();
    let expected = [
        "14: 23 of 23, 0 owed",
        "1 #4 -: 0 of 0 ALL_HELD",
        "2 #5 PRIORITY: 10 of 10 -",
        "3 #2 EXPIRES_AT: 0 of 0 OTHER_OPERATIONS",
        "4 #9 APPLIES_TO: 10 of 10 -",
        "5 #10 GRANT_NUMBER: 3 of 10 -",
        "5 more",
    ];
    assert_eq!(told(&few.explanations[0]), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_and_what_captures_spend_beyond_them_are_explained() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    server.open(ACCOUNT).await;
    server.fund(ACCOUNT, "10").await;
    server.fund(ACCOUNT, "20").await;
    let held = hold(&server, "15", "2026-02-01T00:00:00Z").await;
    let explained = explain(&server, &held.transaction.unwrap()).await;
    assert_eq!(explained.explanations.len(), 1);
    let expected = ["3: 15 of 15, 0 owed", "1 #1 -: 10 of 10 -", "2 #2 GRANT_NUMBER: 5 of 20 -"];
    assert_eq!(told(&explained.explanations[0]), expected);

    let capture = |amount: &str| v1::CaptureHoldRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        hold_number: 1,
        amount: amount.to_owned(),
        excess: v1::ExcessPolicy::Extend.into(),
        idempotency_key: format!("capture {amount}"),
        ..Default::default()
    };
    // It takes the first slices of the hold; there is nothing to choose.
    let within = server.wallets().capture_hold(capture("5")).await.unwrap().into_inner();
    let explained = explain(&server, &within.transaction.unwrap()).await;
    assert_eq!(explained.transaction.unwrap().entries.len(), 1);
    assert_eq!(explained.explanations, []);
    let beyond = server.wallets().capture_hold(capture("12")).await.unwrap().into_inner();
    let explained = explain(&server, &beyond.transaction.unwrap()).await;
    let expected = ["6: 2 of 2, 0 owed", "1 #2 -: 2 of 15 -", "0 #1 -: 0 of 0 NOTHING_LEFT"];
    assert_eq!(explained.explanations.iter().map(told).collect::<Vec<_>>(), [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn debt_its_repayment_and_reversals_are_explained() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    server.open_with_overdraft(ACCOUNT, "100").await;
    server.fund(ACCOUNT, "10").await;
    let spent = server.spend(spend(ACCOUNT, "25", "one")).await.unwrap().transaction.unwrap();
    let chat = v1::SpendRequest { operation: "chat".to_owned(), ..spend(ACCOUNT, "5", "two") };
    server.spend(chat).await.unwrap();
    let explained = explain(&server, &spent).await;
    assert_eq!(told(&explained.explanations[0]), ["2: 10 of 25, 15 owed", "1 #1 -: 10 of 10 -"]);

    let restricted =
        v1::GrantRequest { applies_to: vec!["chat".to_owned()], ..grant(ACCOUNT, "4") };
    let repaid = server.grants().grant(restricted).await.unwrap().into_inner();
    let explained = explain(&server, &repaid.transaction.unwrap()).await;
    let expected = ["5: by #2", "2 : 0 of 15 OTHER_OPERATIONS", "3 chat: 4 of 5 -"];
    assert_eq!(explained.explanations.iter().map(told).collect::<Vec<_>>(), [expected]);

    let repaid = server.grants().grant(grant(ACCOUNT, "8")).await.unwrap().into_inner();
    let explained = explain(&server, &repaid.transaction.unwrap()).await;
    let expected = ["7: by #3", "2 : 8 of 15 -", "3 chat: 0 of 1 NOTHING_LEFT"];
    assert_eq!(explained.explanations.iter().map(told).collect::<Vec<_>>(), [expected]);

    let reverse = |amount: &str| v1::ReverseSpendRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        transaction_id: spent.transaction_id.clone(),
        amount: amount.to_owned(),
        idempotency_key: format!("reverse {amount}"),
        ..Default::default()
    };
    let first = server.wallets().reverse_spend(reverse("9")).await.unwrap().into_inner();
    let explained = explain(&server, &first.transaction.unwrap()).await;
    let reversed = ["8: of 2", "OWED #0: 7 of 7", "REPAID #3: 2 of 8", "DRAWN #1: 0 of 10"];
    let repaid = ["9: by #3", "3 chat: 1 of 1 -"];
    let [first, second] = &explained.explanations[..] else { panic!("{explained:#?}") };
    assert_eq!(
        (told(first), told(second)),
        (reversed.map(str::to_owned).to_vec(), repaid.map(str::to_owned).to_vec())
    );

    let rest = server.wallets().reverse_spend(reverse("")).await.unwrap().into_inner();
    let explained = explain(&server, &rest.transaction.unwrap()).await;
    let expected = ["10: of 2", "REPAID #3: 6 of 6", "DRAWN #1: 10 of 10"];
    assert_eq!(explained.explanations.iter().map(told).collect::<Vec<_>>(), [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn late_usage_is_explained_by_what_was_valid_when_it_happened() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    server.open(ACCOUNT).await;
    let october = v1::GrantRequest {
        expires_at: Some(timestamp("2026-02-01T00:00:00Z")),
        ..grant(ACCOUNT, "10")
    };
    server.grants().grant(october).await.unwrap();
    server.fund(ACCOUNT, "20").await;
    server.at("2026-02-02T00:00:00Z").await;
    server.fund(ACCOUNT, "30").await;
    let late = v1::SpendRequest {
        occurred_at: Some(timestamp("2026-01-31T23:00:00Z")),
        ..spend(ACCOUNT, "25", "late")
    };
    let spent = server.spend(late).await.unwrap().transaction.unwrap();
    let explained = explain(&server, &spent).await;
    let expected = [
        "6: 25 of 25, 0 owed late at 2026-01-31T23:00:00Z",
        "1 #2 -: 20 of 20 -",
        "2 #3 EFFECTIVE_AT: 0 of 0 NOT_EFFECTIVE",
        "3 #1 LOST_TO_EXPIRY: 5 of 10 -",
    ];
    assert_eq!(explained.explanations.iter().map(told).collect::<Vec<_>>(), [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_is_explained_by_the_grants_of_its_funding() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    server.open(ACCOUNT).await;
    server.fund(ACCOUNT, "10").await;
    for amount in ["20", "30"] {
        let paid = v1::GrantRequest { funding_ref: "ch_1".to_owned(), ..grant(ACCOUNT, amount) };
        server.grants().grant(paid).await.unwrap();
    }
    server.spend(spend(ACCOUNT, "15", "k")).await.unwrap();
    let revoke = |amount: &str| v1::RevokeFundingRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        funding_ref: "ch_1".to_owned(),
        cumulative_amount: amount.to_owned(),
        idempotency_key: format!("revoke {amount}"),
        ..Default::default()
    };
    let revoked = server.grants().revoke_funding(revoke("48")).await.unwrap().into_inner();
    let explained = explain(&server, &revoked.transaction.unwrap()).await;
    let expected = ["5: 45 of 48, 3 owed", "1 #2 -: 15 of 15 -", "2 #3 GRANT_NUMBER: 30 of 30 -"];
    assert_eq!(explained.explanations.iter().map(told).collect::<Vec<_>>(), [expected]);
    let less = server.grants().revoke_funding(revoke("0")).await.unwrap().into_inner();
    let explained = explain(&server, &less.transaction.unwrap()).await;
    assert_eq!(explained.explanations, []);
}

/// The sender's leg draws, restricted grants too; the receiver's repays.
#[tokio::test(flavor = "multi_thread")]
async fn both_legs_of_a_transfer_are_explained() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    server.open(ACCOUNT).await;
    server.open_with_overdraft("another", "100").await;
    server.spend(spend("another", "5", "on credit")).await.unwrap();
    let restricted =
        v1::GrantRequest { applies_to: vec!["image".to_owned()], ..grant(ACCOUNT, "10") };
    server.grants().grant(restricted).await.unwrap();
    server.fund(ACCOUNT, "20").await;
    let request = v1::TransferRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        to_account: "another".to_owned(),
        amount: "25".to_owned(),
        idempotency_key: "transfer".to_owned(),
        ..Default::default()
    };
    let sent = server.wallets().transfer(request).await.unwrap().into_inner().transaction.unwrap();
    let explained = explain(&server, &sent).await;
    let expected = ["3: 25 of 25, 0 owed", "1 #1 -: 10 of 10 -", "2 #2 APPLIES_TO: 15 of 20 -"];
    assert_eq!(explained.explanations.iter().map(told).collect::<Vec<_>>(), [expected]);
    let there = v1::ExplainTransactionRequest {
        account: "another".to_owned(),
        ..ask(&sent.transaction_id)
    };
    let explained = server.wallets().explain_transaction(there).await.unwrap().into_inner();
    assert_eq!(explained.transaction.unwrap().account, "another");
    let expected = ["4: by #2", "1 : 5 of 5 -"];
    assert_eq!(explained.explanations.iter().map(told).collect::<Vec<_>>(), [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balance_is_the_sum_that_it_is_explained_by() {
    let server = Server::start().await;
    wallet_of_all_sorts(&server).await;
    server.spend(spend(ACCOUNT, "55", "on credit")).await.unwrap();
    let figures = |balance: &str, available: &str, held: &str, debt: &str, scheduled: &str| {
        let [balance, available, held, debt, scheduled] =
            [balance, available, held, debt, scheduled].map(str::to_owned);
        Some(v1::BalanceFigures { balance, available, held, debt, scheduled })
    };
    let share = |grant_number, figures| v1::GrantShare {
        grant_number,
        amount: "10".to_owned(),
        effective_at: Some(timestamp("2026-01-01T00:00:00Z")),
        priority: 100,
        category: "adjustment".to_owned(),
        cost_basis: "0".to_owned(),
        figures,
        ..Default::default()
    };
    let kind = |kind: v1::EntryKind, entries, figures| v1::EntryKindShare {
        kind: kind.into(),
        entries,
        figures,
    };
    let answer = explain_balance(&server, None).await;
    let balance = v1::Balance {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        at: Some(timestamp(NOW)),
        balance: "5".to_owned(),
        available: "10".to_owned(),
        held: "10".to_owned(),
        debt: "5".to_owned(),
        scheduled: "10".to_owned(),
    };
    let composition = v1::BalanceComposition {
        grants: vec![
            v1::GrantShare { priority: 1, ..share(4, figures("0", "0", "10", "0", "0")) },
            v1::GrantShare {
                applies_to: vec!["image".to_owned()],
                ..share(2, figures("10", "10", "0", "0", "0"))
            },
            v1::GrantShare {
                effective_at: Some(timestamp("2026-03-01T00:00:00Z")),
                cost_basis: "0.5".to_owned(),
                ..share(7, figures("0", "0", "0", "0", "10"))
            },
        ],
        left_out: figures("0", "0", "0", "0", "0"),
        debts: vec![v1::DebtShare {
            entry_sequence: 14,
            operation: String::new(),
            owed: "5".to_owned(),
        }],
        debt_left_out: "0".to_owned(),
        kinds: vec![
            kind(v1::EntryKind::Granted, 10, figures("90", "90", "0", "0", "10")),
            kind(v1::EntryKind::Spent, 2, figures("-65", "-60", "0", "5", "0")),
            kind(v1::EntryKind::Held, 1, figures("-10", "-10", "10", "0", "0")),
            kind(v1::EntryKind::Expired, 1, figures("-10", "-10", "0", "0", "0")),
        ],
        shortfall: "0".to_owned(),
        ..Default::default()
    };
    assert_eq!(answer.balance, Some(balance));
    assert_eq!(answer.composition, Some(composition));

    // Cut, it still sums up.
    let few = v1::ExplainBalanceRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        at: None,
        max_items: 1,
    };
    let few = server.wallets().explain_balance(few).await.unwrap().into_inner();
    let few = few.composition.unwrap();
    assert_eq!((few.grants.len(), few.grants_left_out), (1, 2));
    assert_eq!(few.left_out, figures("10", "10", "0", "0", "10"));
    assert_eq!((few.debts.len(), few.debts_left_out), (1, 0));

    // By April time alone will have activated a grant, which repays, and ended the hold.
    let april = explain_balance(&server, Some("2026-04-01T00:00:00Z")).await.composition.unwrap();
    let kinds: Vec<_> = april.kinds.iter().map(|share| (share.kind(), share.entries)).collect();
    assert_eq!(
        kinds[4..],
        [
            (v1::EntryKind::Activated, 1),
            (v1::EntryKind::Repaid, 1),
            (v1::EntryKind::HoldExpired, 1)
        ]
    );
    assert_eq!(april.debts, []);
}

/// Whatever happens in a wallet, an explained balance is the one that is answered, and an explained spend is what it
/// drew.
#[tokio::test(flavor = "multi_thread")]
async fn explanations_agree_with_balances_and_entries() {
    let server = Server::start().await;
    let mut remote = GrpcDriver::new(server.channel.clone());
    let mut late_and_debts = (0, 0);
    for seed in 1..=5 {
        let mut dice = Dice::new(seed);
        let mut domain = DomainDriver::new();
        let wallet = WalletRef { account: format!("seed {seed}"), asset: ASSET.to_owned() };
        let instants = play(&mut dice, &wallet, &mut remote, &mut domain).await;
        let first = instants[0];
        for at in instants.iter().copied().chain([instants[WRITES].plus_micros(50 * HOUR)]) {
            let at = at.plus_micros(dice.hours(-5, 5) * HOUR);
            check_balance(&server, &mut domain, &wallet, at).await;
        }
        check_balance(&server, &mut domain, &wallet, first.plus_micros(-1)).await;

        let (late, on_credit) = explain_all(&server, &wallet.account).await;
        late_and_debts.0 += late;
        late_and_debts.1 += on_credit;
    }
    // Otherwise little is tried.
    assert!(late_and_debts.0 > 3 && late_and_debts.1 > 3, "{late_and_debts:?}");
}

/// Explains every transaction of a wallet, and says how many draw late, and how many on credit.
pub async fn explain_all(server: &Server, account: &str) -> (u32, u32) {
    let list = v1::ListEntriesRequest {
        account: account.to_owned(),
        asset: ASSET.to_owned(),
        page_size: 1_000,
        ..Default::default()
    };
    let listed = server.wallets().list_entries(list).await.unwrap().into_inner();
    assert_eq!(listed.next_page_token, "");
    let (mut late, mut on_credit) = (0, 0);
    let of_commands = listed.entries.chunk_by(|a, b| a.transaction_id == b.transaction_id);
    for own in of_commands.filter(|own| !own[0].transaction_id.is_empty()) {
        let request = v1::ExplainTransactionRequest {
            account: account.to_owned(),
            ..ask(&own[0].transaction_id)
        };
        let answer = server.wallets().explain_transaction(request).await.unwrap().into_inner();
        for explanation in &answer.explanations {
            let is_it = |entry: &&v1::Entry| entry.sequence == explanation.entry_sequence;
            let entry = own.iter().find(is_it).unwrap();
            let Some(v1::explanation::Choice::Drawing(drawing)) = &explanation.choice else {
                continue;
            };
            let drawn = drawing.grants.iter().filter(|of| of.drawn != "0");
            let drawn = drawn.map(|of| (of.grant.as_ref().unwrap().number, &of.drawn));
            assert!(
                drawn.eq(entry.allocations.iter().map(|part| (part.grant_number, &part.amount)))
            );
            late += u32::from(drawing.occurred_at.is_some());
            on_credit += u32::from(drawing.debt != "0");
        }
        let drawing = [
            v1::EntryKind::Spent,
            v1::EntryKind::Held,
            v1::EntryKind::TransferredOut,
            v1::EntryKind::Revoked,
        ];
        let has_choice = own.iter().filter(|entry| drawing.contains(&entry.kind())).count();
        let drawings = answer.explanations.iter().filter(|explanation| {
            matches!(explanation.choice, Some(v1::explanation::Choice::Drawing(_)))
        });
        assert_eq!(drawings.count(), has_choice, "{answer:#?}");
    }
    (late, on_credit)
}

async fn check_balance(
    server: &Server,
    domain: &mut DomainDriver,
    wallet: &WalletRef,
    at: Timestamp,
) {
    let (seconds, nanos) = at.parts();
    let request = v1::ExplainBalanceRequest {
        account: wallet.account.clone(),
        asset: wallet.asset.clone(),
        at: Some(prost_types::Timestamp { seconds, nanos }),
        max_items: 0,
    };
    let answer = server.wallets().explain_balance(request).await.unwrap().into_inner();
    let as_of = AsOf { at: Some(at), known_at: None };
    let expected: Holdings = domain.balance(wallet, as_of).await.unwrap();
    let balance = answer.balance.unwrap();
    let v1::Balance { available, held, debt, scheduled, .. } = &balance;
    assert_eq!(balance.balance, expected.balance, "{at}");
    assert_eq!(
        [available, held, debt, scheduled],
        [&expected.available, &expected.held, &expected.debt, &expected.scheduled],
        "{at}"
    );
    let sum = |of: &dyn Fn(&v1::BalanceFigures) -> String, shares: &[v1::BalanceFigures]| {
        let sum: rust_decimal::Decimal = shares
            .iter()
            .map(|figures| of(figures).parse::<rust_decimal::Decimal>().unwrap())
            .sum();
        sum.normalize().to_string()
    };
    let composition = answer.composition.unwrap();
    let grants: Vec<_> =
        composition.grants.iter().map(|share| share.figures.clone().unwrap()).collect();
    let kinds: Vec<_> =
        composition.kinds.iter().map(|share| share.figures.clone().unwrap()).collect();
    assert_eq!(&sum(&|of| of.held.clone(), &grants), held);
    assert_eq!(&sum(&|of| of.held.clone(), &kinds), held);
    assert_eq!(&sum(&|of| of.scheduled.clone(), &grants), scheduled);
    assert_eq!(&sum(&|of| of.balance.clone(), &kinds), &balance.balance);
    if composition.shortfall == "0" {
        assert_eq!(&sum(&|of| of.available.clone(), &grants), available);
        assert_eq!(&sum(&|of| of.available.clone(), &kinds), available);
        assert_eq!(&sum(&|of| of.debt.clone(), &kinds), debt);
    }
}

/// More entries and grants than are read at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_ledger_is_explained_from_its_first_entry_on() {
    let server = Server::start().await;
    server.open(ACCOUNT).await;
    at_once(1_300, |_| {
        let mut grants = server.grants();
        async move { grants.grant(grant(ACCOUNT, "1")).await.unwrap() }
    })
    .await;
    let spent = server.spend(spend(ACCOUNT, "1100", "k")).await.unwrap().transaction.unwrap();
    let explained = explain(&server, &spent).await;
    let Some(v1::explanation::Choice::Drawing(drawing)) = &explained.explanations[0].choice else {
        panic!("{explained:#?}");
    };
    assert_eq!((drawing.grants.len(), drawing.grants_left_out), (1_300, 0));
    assert!(drawing.grants[..1_100].iter().all(|of| of.drawn == "1"));
    let explained = explain_balance(&server, None).await.composition.unwrap();
    assert_eq!((explained.grants.len(), explained.grants_left_out), (200, 0));
    assert_eq!(explained.kinds[0].entries, 1_300);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_not_is_not_explained() {
    let server = Server::start().await;
    let unknown = "0197c0de-0000-7000-8000-000000000000";
    let refused = |request| {
        let mut wallets = server.wallets();
        async move {
            let status = wallets.explain_transaction(request).await.unwrap_err();
            (refusal(&status), blamed(&status))
        }
    };
    let none = || Vec::<String>::new();
    let not_found = |reason: &str| ((Code::NotFound, reason.to_owned()), none());
    assert_eq!(refused(ask(unknown)).await, not_found("WALLET_NOT_FOUND"));
    server.open(ACCOUNT).await;
    server.open("another").await;
    server.fund("another", "10").await;
    let spent = server.spend(spend("another", "1", "k")).await.unwrap().transaction.unwrap();
    assert_eq!(refused(ask(unknown)).await, not_found("TRANSACTION_NOT_FOUND"));
    assert_eq!(refused(ask(&spent.transaction_id)).await, not_found("TRANSACTION_NOT_FOUND"));
    let invalid = (Code::InvalidArgument, "INVALID_FIELD".to_owned());
    for (field, request) in [
        ("transaction_id", ask("")),
        ("transaction_id", ask("17")),
        ("max_items", v1::ExplainTransactionRequest { max_items: -1, ..ask(unknown) }),
        ("account", v1::ExplainTransactionRequest { account: String::new(), ..ask(unknown) }),
    ] {
        assert_eq!(refused(request).await, (invalid.clone(), vec![field.to_owned()]));
    }
    let balance = v1::ExplainBalanceRequest {
        account: "nobody".to_owned(),
        asset: ASSET.to_owned(),
        at: None,
        max_items: 0,
    };
    let status = server.wallets().explain_balance(balance.clone()).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::NotFound, "WALLET_NOT_FOUND".to_owned()));
    let negative = v1::ExplainBalanceRequest { max_items: -1, ..balance };
    let status = server.wallets().explain_balance(negative).await.unwrap_err();
    assert_eq!((refusal(&status), blamed(&status)), (invalid, vec!["max_items".to_owned()]));

    // A transaction without entries has nothing to explain.
    let sql = "SELECT t.transaction_id::TEXT FROM transactions AS t
               JOIN wallets AS w ON w.wallet_id = t.wallet_id
               WHERE w.account = 'another' AND t.kind = 1";
    let opened: String = server.sql().await.query_one(sql, &[]).await.unwrap().get(0);
    let request = v1::ExplainTransactionRequest { account: "another".to_owned(), ..ask(&opened) };
    let answer = server.wallets().explain_transaction(request).await.unwrap().into_inner();
    let kind = answer.transaction.unwrap().kind();
    assert_eq!((kind, answer.explanations), (v1::TransactionKind::CreateWallet, Vec::new()));
}
