//! Cost reports: every figure by hand, to the last digit, whoever has touched the wallets since.

use purse_proto::v1::{self, report_service_client::ReportServiceClient};
use tonic::{Code, Status, transport::Channel};

use crate::{
    fixture::{
        ACCOUNT, ASSET, Server, blamed, grant, new_database, refusal, spend, timestamp, with_token,
    },
    random_wallet::{Dice, play},
};

use purse_domain::Exact;
use purse_server::auth::{Credentials, Role, TokenSettings};
use purse_tests::{DomainDriver, GrpcDriver, WalletRef};
use sha2::{Digest as _, Sha256};

fn reports(server: &Server) -> ReportServiceClient<Channel> {
    ReportServiceClient::new(server.channel.clone())
}

fn ask(start: &str, end: &str) -> v1::ReportCostBasisRequest {
    v1::ReportCostBasisRequest {
        asset: ASSET.to_owned(),
        start: Some(timestamp(start)),
        end: Some(timestamp(end)),
        ..Default::default()
    }
}

async fn report(
    server: &Server,
    request: &v1::ReportCostBasisRequest,
) -> v1::ReportCostBasisResponse {
    reports(server).report_cost_basis(request.clone()).await.unwrap().into_inner()
}

/// The figures of a line that are not 0, but for opening and closing, which are always told.
fn figures(figures: Option<&v1::CostBasisFigures>) -> String {
    let v1::CostBasisFigures {
        opening,
        granted,
        transferred_in,
        consumed,
        expired,
        voided,
        revoked,
        transferred_out,
        closing,
    } = figures.unwrap();
    let moved = [
        ("granted", granted),
        ("in", transferred_in),
        ("consumed", consumed),
        ("expired", expired),
        ("voided", voided),
        ("revoked", revoked),
        ("out", transferred_out),
    ];
    let moved = moved.into_iter().filter(|(_, figure)| *figure != "0");
    let moved: Vec<String> = moved.map(|(name, figure)| format!(" {name} {figure}")).collect();
    format!("{opening}:{} -> {closing}", moved.concat())
}

/// A line: its first day, its category, what it cost, how much it was.
fn told(line: &v1::CostBasisLine) -> String {
    let start = line.start.unwrap().to_string();
    let forecast = if line.forecast { " forecast" } else { "" };
    let (value, credits) = (figures(line.value.as_ref()), figures(line.credits.as_ref()));
    format!("{} {}{forecast} {value} | {credits}", &start[..10], line.category)
}

fn all_told(lines: &[v1::CostBasisLine]) -> Vec<String> {
    lines.iter().map(told).collect()
}

/// 100 monthly credits a month, free of charge, and 100 that were bought at 0.03; of two accounts.
async fn quarter(server: &Server) {
    let at = |instant: &str| Some(timestamp(instant));
    server.at("2026-01-01T00:00:00Z").await;
    for account in [ACCOUNT, "another"] {
        server.open_with_overdraft(account, "50").await;
    }
    for (from, until) in [
        ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
        ("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"),
    ] {
        let monthly = v1::GrantRequest {
            category: "monthly".to_owned(),
            cost_basis: "0.01".to_owned(),
            effective_at: at(from),
            expires_at: at(until),
            ..grant(ACCOUNT, "100")
        };
        server.grants().grant(monthly).await.unwrap();
    }
    server.at("2026-01-10T00:00:00Z").await;
    let bought = v1::GrantRequest {
        category: "purchased".to_owned(),
        cost_basis: "0.03".to_owned(),
        funding_ref: "ch_1".to_owned(),
        ..grant(ACCOUNT, "100")
    };
    server.grants().grant(bought).await.unwrap();
    server.at("2026-01-20T00:00:00Z").await;
    let spent = server.spend(spend(ACCOUNT, "130", "january")).await.unwrap();
    // 100 monthly and 30 purchased credits are consumed. In February 40 come back: the 30, and 10 that expire.
    server.at("2026-02-10T00:00:00Z").await;
    let reversal = v1::ReverseSpendRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        transaction_id: spent.transaction.unwrap().transaction_id,
        amount: "40".to_owned(),
        idempotency_key: "reverse".to_owned(),
        ..Default::default()
    };
    server.wallets().reverse_spend(reversal).await.unwrap();
    let hold = v1::CreateHoldRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        amount: "20".to_owned(),
        expires_at: at("2026-03-10T00:00:00Z"),
        idempotency_key: "hold".to_owned(),
        ..Default::default()
    };
    server.wallets().create_hold(hold).await.unwrap();
    server.at("2026-02-20T00:00:00Z").await;
    server.spend(spend("another", "5", "on credit")).await.unwrap();
    let transfer = v1::TransferRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        to_account: "another".to_owned(),
        amount: "90".to_owned(),
        idempotency_key: "transfer".to_owned(),
        ..Default::default()
    };
    server.wallets().transfer(transfer).await.unwrap();
    let revoke = v1::RevokeFundingRequest {
        account: ACCOUNT.to_owned(),
        asset: ASSET.to_owned(),
        funding_ref: "ch_1".to_owned(),
        cumulative_amount: "25".to_owned(),
        idempotency_key: "revoke".to_owned(),
        ..Default::default()
    };
    server.grants().revoke_funding(revoke).await.unwrap();
}

/// By hand, of the sender. January: 200 monthly credits granted, 100 of them for February, 100 consumed. February:
/// 10 come back and expire; 20 are held over the end of the month; 80 go to the other account, and 10 purchased ones.
async fn check_quarter(server: &Server) {
    let request = v1::ReportCostBasisRequest {
        period: v1::ReportPeriod::Month.into(),
        by_category: true,
        per_wallet: true,
        ..ask("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z")
    };
    let answer = report(server, &request).await;
    let names: Vec<&str> = answer.wallets.iter().map(|wallet| &*wallet.account).collect();
    assert_eq!(names, ["another", ACCOUNT]);
    let sender = [
        "2026-01-01 monthly 0: granted 2 consumed 1 -> 1 | 0: granted 200 consumed 100 -> 100",
        "2026-02-01 monthly 1: consumed -0.1 expired 0.1 out 0.8 -> 0.2 | 100: consumed -10 expired 10 out 80 -> 20",
        "2026-03-01 monthly forecast 0.2: expired 0.2 -> 0 | 20: expired 20 -> 0",
        "2026-01-01 purchased 0: granted 3 consumed 0.9 -> 2.1 | 0: granted 100 consumed 30 -> 70",
        "2026-02-01 purchased 2.1: consumed -0.9 revoked 0.75 out 0.3 -> 1.95 | 70: consumed -30 revoked 25 out 10 -> 65",
        "2026-03-01 purchased forecast 1.95: -> 1.95 | 65: -> 65",
    ];
    assert_eq!(all_told(&answer.wallets[1].lines), sender);
    // What is owed counts when it is repaid.
    let receiver = [
        "2026-01-01 monthly 0: -> 0 | 0: -> 0",
        "2026-02-01 monthly 0: in 0.8 consumed 0.05 -> 0.75 | 0: in 80 consumed 5 -> 75",
        "2026-03-01 monthly forecast 0.75: expired 0.75 -> 0 | 75: expired 75 -> 0",
        "2026-01-01 purchased 0: -> 0 | 0: -> 0",
        "2026-02-01 purchased 0: in 0.3 -> 0.3 | 0: in 10 -> 10",
        "2026-03-01 purchased forecast 0.3: -> 0.3 | 10: -> 10",
    ];
    assert_eq!(all_told(&answer.wallets[0].lines), receiver);
    let totals = [
        "2026-01-01 monthly 0: granted 2 consumed 1 -> 1 | 0: granted 200 consumed 100 -> 100",
        "2026-02-01 monthly 1: in 0.8 consumed -0.05 expired 0.1 out 0.8 -> 0.95 | 100: in 80 consumed -5 expired 10 out 80 -> 95",
        "2026-03-01 monthly forecast 0.95: expired 0.95 -> 0 | 95: expired 95 -> 0",
        "2026-01-01 purchased 0: granted 3 consumed 0.9 -> 2.1 | 0: granted 100 consumed 30 -> 70",
        "2026-02-01 purchased 2.1: in 0.3 consumed -0.9 revoked 0.75 out 0.3 -> 2.25 | 70: in 10 consumed -30 revoked 25 out 10 -> 75",
        "2026-03-01 purchased forecast 2.25: -> 2.25 | 75: -> 75",
    ];
    assert_eq!(all_told(&answer.totals), totals);

    let whole = report(server, &ask("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z")).await;
    let expected = "2026-01-01  forecast 0: granted 5 in 1.1 consumed 0.95 expired 1.05 revoked 0.75 out 1.1 -> 2.25 | \
                    0: granted 300 in 90 consumed 95 expired 105 revoked 25 out 90 -> 75";
    assert_eq!(all_told(&whole.totals), [expected]);
    assert_eq!(whole.wallets, []);
    let one = v1::ReportCostBasisRequest {
        account: "another".to_owned(),
        ..ask("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z")
    };
    let expected = "2026-02-01  0: in 1.1 consumed 0.05 -> 1.05 | 0: in 90 consumed 5 -> 85";
    assert_eq!(all_told(&report(server, &one).await.totals), [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_right_to_the_last_digit() {
    let server = Server::start().await;
    quarter(&server).await;
    server.at("2026-03-02T00:00:00Z").await;
    let written = server.rows("entries").await;
    check_quarter(&server).await;
    assert_eq!(server.rows("entries").await, written);
}

/// At the end of February both wallets have something that nobody has booked. Whoever books it changes no figure.
#[tokio::test(flavor = "multi_thread")]
async fn what_time_has_done_counts_booked_or_not() {
    let server = Server::start().await;
    quarter(&server).await;
    server.at("2026-03-20T00:00:00Z").await;
    let request = v1::ReportCostBasisRequest {
        period: v1::ReportPeriod::Day.into(),
        by_category: true,
        per_wallet: true,
        ..ask("2025-12-25T00:00:00Z", "2026-03-20T00:00:00Z")
    };
    let before = report(&server, &request).await;
    let entries = server.rows("entries").await;
    for account in [ACCOUNT, "another"] {
        server.fund(account, "1").await;
    }
    // Of the sender the hold and what came back from it, of the receiver what it got.
    assert_eq!(server.rows("entries").await, entries + 2 + 3);
    assert_eq!(report(&server, &request).await, before);
    assert_eq!(before.totals.len(), 2 * 85);
    for pair in before.totals.windows(2).filter(|pair| pair[0].category == pair[1].category) {
        let closing = |line: &v1::CostBasisLine| line.value.clone().unwrap().closing;
        let opening = |line: &v1::CostBasisLine| line.value.clone().unwrap().opening;
        assert_eq!((closing(&pair[0]), pair[0].end), (opening(&pair[1]), pair[1].start));
    }
}

#[tokio::test]
async fn nothing_is_rounded_and_periods_are_half_open() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    server.open(ACCOUNT).await;
    let fine = v1::GrantRequest {
        cost_basis: "0.333333333333".to_owned(),
        expires_at: Some(timestamp("2026-02-01T00:00:00Z")),
        ..grant(ACCOUNT, "10.000001")
    };
    server.grants().grant(fine).await.unwrap();
    let dear = v1::GrantRequest {
        cost_basis: "999999999999999.999999999999".to_owned(),
        ..grant(ACCOUNT, "999999999999.999999")
    };
    server.grants().grant(dear).await.unwrap();
    server.at("2026-01-31T23:59:59.999999Z").await;
    server.spend(spend(ACCOUNT, "0.000001", "k")).await.unwrap();
    let request = v1::ReportCostBasisRequest {
        period: v1::ReportPeriod::Month.into(),
        ..ask("2026-01-01T00:00:00Z", "2026-02-01T00:00:00.000001Z")
    };
    let expected = [
        "2026-01-01  forecast 0: granted 999999999999999999000000002.333333666663333334 \
         consumed 0.000000333333333333 -> 999999999999999999000000002.333333333330000001 | \
         0: granted 1000000000010 consumed 0.000001 -> 1000000000009.999999",
        "2026-02-01  forecast 999999999999999999000000002.333333333330000001: \
         expired 3.33333333333 -> 999999999999999998999999999.000000000000000001 | \
         1000000000009.999999: expired 10 -> 999999999999.999999",
    ];
    let answer = report(&server, &request).await;
    assert_eq!(answer.totals.iter().map(told).collect::<Vec<_>>(), expected);
}

fn add(one: &mut v1::CostBasisFigures, other: &v1::CostBasisFigures) {
    let sum = |one: &mut String, other: &str| {
        let read = |text: &str| Exact::from_stored(text).unwrap();
        *one = (read(one) + read(other)).to_string();
    };
    sum(&mut one.opening, &other.opening);
    sum(&mut one.granted, &other.granted);
    sum(&mut one.transferred_in, &other.transferred_in);
    sum(&mut one.consumed, &other.consumed);
    sum(&mut one.expired, &other.expired);
    sum(&mut one.voided, &other.voided);
    sum(&mut one.revoked, &other.revoked);
    sum(&mut one.transferred_out, &other.transferred_out);
    sum(&mut one.closing, &other.closing);
}

/// All pages, with the totals of all of them.
async fn pages(
    server: &Server,
    request: &v1::ReportCostBasisRequest,
) -> (v1::ReportCostBasisResponse, usize) {
    let mut request = request.clone();
    let mut whole = report(server, &request).await;
    let mut count = 1;
    while !whole.next_page_token.is_empty() {
        request.page_token = std::mem::take(&mut whole.next_page_token);
        let page = report(server, &request).await;
        assert_eq!((page.start, page.end), (whole.start, whole.end));
        for line in page.totals {
            let same = |other: &&mut v1::CostBasisLine| {
                (other.start, &other.category) == (line.start, &line.category)
            };
            match whole.totals.iter_mut().find(same) {
                Some(sum) => {
                    add(sum.value.as_mut().unwrap(), line.value.as_ref().unwrap());
                    add(sum.credits.as_mut().unwrap(), line.credits.as_ref().unwrap());
                }
                None => whole.totals.push(line),
            }
        }
        whole.wallets.extend(page.wallets);
        whole.next_page_token = page.next_page_token;
        count += 1;
    }
    (whole, count)
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_wallets_add_up_to_the_report() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    for index in 0..7 {
        let account = format!("account {index}");
        server.open(&account).await;
        let request = v1::GrantRequest {
            cost_basis: "0.1".to_owned(),
            category: ["paid", "promo"][index % 2].to_owned(),
            ..grant(&account, &format!("{}", 10 + index))
        };
        // The last one has nothing.
        if index < 6 {
            server.grants().grant(request).await.unwrap();
        }
    }
    server.at("2026-01-03T00:00:00Z").await;
    let request = v1::ReportCostBasisRequest {
        by_category: true,
        per_wallet: true,
        end: None,
        ..ask("2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z")
    };
    let whole = report(&server, &request).await;
    assert_eq!((whole.wallets.len(), &*whole.next_page_token), (6, ""));
    assert_eq!(whole.end, Some(timestamp("2026-01-03T00:00:00Z")));
    let by_two = v1::ReportCostBasisRequest { page_size: 2, ..request.clone() };
    let (paged, count) = pages(&server, &by_two).await;
    assert_eq!((count, paged), (4, whole.clone()));

    // Without an end, the first page says where the others end.
    let first = report(&server, &by_two).await;
    server.at("2026-01-05T00:00:00Z").await;
    server.spend(spend("account 5", "1", "later")).await.unwrap();
    let second = v1::ReportCostBasisRequest { page_token: first.next_page_token, ..by_two.clone() };
    let second = report(&server, &second).await;
    assert_eq!(second.end, whole.end);

    let token = report(&server, &by_two).await.next_page_token;
    let paged = v1::ReportCostBasisRequest { page_token: token, ..by_two };
    for other in [
        v1::ReportCostBasisRequest { by_category: false, ..paged.clone() },
        v1::ReportCostBasisRequest { per_wallet: false, ..paged.clone() },
        v1::ReportCostBasisRequest { period: v1::ReportPeriod::Day.into(), ..paged.clone() },
        v1::ReportCostBasisRequest { account: "account 1".to_owned(), ..paged.clone() },
        v1::ReportCostBasisRequest { page_token: "nonsense".to_owned(), ..paged.clone() },
    ] {
        let status = reports(&server).report_cost_basis(other).await.unwrap_err();
        assert_eq!(blamed(&status), ["page_token"]);
    }
}

/// Whatever happens in a wallet, at the end of each period there is what its balance is made of.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_closes_with_the_credits_that_there_are() {
    let server = Server::start().await;
    let mut remote = GrpcDriver::new(server.channel.clone());
    for seed in 11..=13 {
        let account = format!("seed {seed}");
        let wallet = WalletRef { account: account.clone(), asset: ASSET.to_owned() };
        let mut domain = DomainDriver::new();
        play(&mut Dice::new(seed), &wallet, &mut remote, &mut domain).await;
        let now = purse_domain::Timestamp::parse("2026-01-20T13:00:00Z").unwrap();
        assert!(reports_close(&server, &account, now, v1::ReportPeriod::Day).await > 2);
    }
}

/// Compares a report of each period from the end of 2025 until `end` with what balances are made of, and says in how
/// many something was consumed.
pub async fn reports_close(
    server: &Server,
    account: &str,
    end: purse_domain::Timestamp,
    period: v1::ReportPeriod,
) -> usize {
    let (seconds, nanos) = end.parts();
    let request = v1::ReportCostBasisRequest {
        asset: ASSET.to_owned(),
        account: account.to_owned(),
        period: period.into(),
        start: Some(timestamp("2025-12-30T05:00:00Z")),
        end: Some(prost_types::Timestamp { seconds, nanos }),
        ..Default::default()
    };
    let answer = report(server, &request).await;
    let mut consumed = 0;
    for line in &answer.totals {
        let credits = line.credits.clone().unwrap();
        let closing = left(server, account, line.end.unwrap()).await;
        assert_eq!(credits.closing, closing, "{line:?}");
        consumed += usize::from(credits.consumed != "0");
    }
    if let Some(first) = answer.totals.first() {
        let opening = left(server, account, first.start.unwrap()).await;
        assert_eq!(first.credits.clone().unwrap().opening, opening);
    }
    consumed
}

/// What there is just before an instant: available, held and scheduled.
pub async fn left(server: &Server, account: &str, bound: prost_types::Timestamp) -> String {
    let before = purse_domain::Timestamp::from_parts(bound.seconds, bound.nanos).unwrap();
    let (seconds, nanos) = before.plus_micros(-1).parts();
    let request = v1::ExplainBalanceRequest {
        account: account.to_owned(),
        asset: ASSET.to_owned(),
        at: Some(prost_types::Timestamp { seconds, nanos }),
        max_items: 0,
    };
    let answer = server.wallets().explain_balance(request).await.unwrap().into_inner();
    let shares = answer.composition.unwrap().grants.into_iter();
    let figures = shares.flat_map(|share| {
        let v1::BalanceFigures { available, held, scheduled, .. } = share.figures.unwrap();
        [available, held, scheduled]
    });
    figures.map(|figure| Exact::from_stored(&figure).unwrap()).sum::<Exact>().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_bounded_in_lines_and_in_entries() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    for (account, categories) in [("a", 3), ("b", 4), ("c", 13)] {
        server.open(account).await;
        for index in 0..categories {
            let category = format!("{account}-{index}");
            let request = v1::GrantRequest { category, ..grant(account, "1") };
            server.grants().grant(request).await.unwrap();
        }
    }
    let days = v1::ReportCostBasisRequest {
        period: v1::ReportPeriod::Day.into(),
        by_category: true,
        per_wallet: true,
        ..ask("2026-01-01T00:00:00Z", "2027-02-05T00:00:00Z")
    };
    // 3 and 4 categories, 400 days, each once for its wallet and once in the totals: 5,600 lines.
    let first = report(&server, &days).await;
    assert_eq!((first.wallets.len(), first.totals.len()), (1, 3 * 400));
    let page_token = first.next_page_token;
    let second = report(&server, &v1::ReportCostBasisRequest { page_token, ..days.clone() }).await;
    assert_eq!((second.wallets.len(), second.totals.len()), (1, 4 * 400));
    let page_token = second.next_page_token;
    let third = v1::ReportCostBasisRequest { page_token, ..days.clone() };
    let status = reports(&server).report_cost_basis(third).await.unwrap_err();
    assert_eq!(blamed(&status), ["period"], "{status:?}");
    let together = v1::ReportCostBasisRequest { by_category: false, ..days.clone() };
    assert_eq!(report(&server, &together).await.wallets.len(), 3);

    // Two hundred thousand calls would take a while.
    let sql = server.sql().await;
    sql.batch_execute(
        "INSERT INTO entries (account_id, wallet_id, sequence, effective_at, recorded_at, kind,
             amount, balance_before, available_after, held_after, debt_after, scheduled_after,
             grant_numbers, grant_amounts)
         SELECT e.account_id, e.wallet_id, n, e.effective_at, e.recorded_at, e.kind, e.amount,
             e.balance_before, e.available_after, e.held_after, e.debt_after, e.scheduled_after,
             e.grant_numbers, e.grant_amounts
         FROM entries AS e
         JOIN wallets AS w ON w.wallet_id = e.wallet_id
         CROSS JOIN generate_series(5, 200001) AS n
         WHERE w.account = 'b' AND e.sequence = 1;
         UPDATE wallets SET last_sequence = 200001 WHERE account = 'b'",
    )
    .await
    .unwrap();
    let whole = v1::ReportCostBasisRequest {
        per_wallet: true,
        ..ask("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
    };
    let (answer, count) = pages(&server, &whole).await;
    assert_eq!((answer.wallets.len(), count), (3, 2));
    // What is older than the report is not looked at.
    let later = v1::ReportCostBasisRequest {
        per_wallet: true,
        ..ask("2026-01-02T00:00:00Z", "2026-02-01T00:00:00Z")
    };
    let (answer, count) = pages(&server, &later).await;
    assert_eq!((answer.wallets.len(), count), (3, 1));
}

#[tokio::test]
async fn a_report_that_cannot_be_names_its_field() {
    let server = Server::start().await;
    server.at("2026-01-02T00:00:00Z").await;
    server.open(ACCOUNT).await;
    let good = ask("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
    let refused = async |request: v1::ReportCostBasisRequest| -> Status {
        reports(&server).report_cost_basis(request).await.unwrap_err()
    };
    let day = v1::ReportPeriod::Day.into();
    let at = |instant: &str| Some(timestamp(instant));
    for (field, request) in [
        ("asset", v1::ReportCostBasisRequest { asset: String::new(), ..good.clone() }),
        ("account", v1::ReportCostBasisRequest { account: "a\0b".to_owned(), ..good.clone() }),
        ("start", v1::ReportCostBasisRequest { start: None, ..good.clone() }),
        ("end", v1::ReportCostBasisRequest { end: at("2025-01-01T00:00:00Z"), ..good.clone() }),
        (
            "end",
            v1::ReportCostBasisRequest {
                start: at("2026-01-03T00:00:00Z"),
                end: None,
                ..good.clone()
            },
        ),
        ("period", v1::ReportCostBasisRequest { period: 99, ..good.clone() }),
        (
            "period",
            v1::ReportCostBasisRequest {
                period: day,
                start: at("2020-01-01T00:00:00Z"),
                ..good.clone()
            },
        ),
        ("page_size", v1::ReportCostBasisRequest { page_size: -1, ..good.clone() }),
    ] {
        let status = refused(request).await;
        assert_eq!(refusal(&status), (Code::InvalidArgument, "INVALID_FIELD".to_owned()));
        assert_eq!(blamed(&status), [field]);
    }
    let nobody = v1::ReportCostBasisRequest { account: "nobody".to_owned(), ..good.clone() };
    let expected = (Code::NotFound, "WALLET_NOT_FOUND".to_owned());
    assert_eq!(refusal(&refused(nobody).await), expected);
    let nothing = v1::ReportCostBasisRequest { asset: "nothing".to_owned(), ..good.clone() };
    let expected = (Code::NotFound, "ASSET_NOT_FOUND".to_owned());
    assert_eq!(refusal(&refused(nothing).await), expected);
    // A wallet in which nothing ever happened has no lines.
    let answer = report(&server, &good).await;
    assert_eq!((answer.totals, answer.wallets), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn a_report_stays_in_its_namespace() {
    let token = |text: &str, namespace: &str, role: Role| {
        let digest = Sha256::digest(text.as_bytes());
        TokenSettings {
            sha256: digest.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}")),
            namespace: namespace.to_owned(),
            roles: vec![role],
            name: text.to_owned(),
        }
    };
    let credentials = Credentials::from_settings(&[
        token("acme", "acme", Role::Admin),
        token("acme-reader", "acme", Role::Reader),
        token("umbrella", "umbrella", Role::Admin),
    ])
    .unwrap();
    let server = Server::start_with(new_database().await, credentials).await;
    for (admin, amount) in [("acme", "10"), ("umbrella", "20")] {
        let open = v1::CreateWalletRequest {
            account: ACCOUNT.to_owned(),
            asset: ASSET.to_owned(),
            idempotency_key: "open".to_owned(),
            ..Default::default()
        };
        server.wallets().create_wallet(with_token(open, admin)).await.unwrap();
        server.grants().grant(with_token(grant(ACCOUNT, amount), admin)).await.unwrap();
    }
    for (reader, amount) in [("acme-reader", "10"), ("umbrella", "20")] {
        let request = with_token(ask("2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"), reader);
        let answer = reports(&server).report_cost_basis(request).await.unwrap().into_inner();
        assert_eq!(answer.totals[0].credits.clone().unwrap().granted, amount);
    }
    let request = ask("2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z");
    let status = reports(&server).report_cost_basis(request).await.unwrap_err();
    assert_eq!(refusal(&status).0, Code::Unauthenticated);
}
