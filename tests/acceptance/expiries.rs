//! Expiry reports: what expires when, what expired, and that it adds up with the balances, to the last digit.

use prost_types::Timestamp;
use purse_domain::Exact;
use purse_proto::v1::{self, report_service_client::ReportServiceClient};
use purse_tests::{DomainDriver, GrpcDriver, WalletRef};
use tonic::{Code, Status};

use crate::{
    fixture::{ACCOUNT, ASSET, Server, blamed, grant, refusal, spend, timestamp},
    random_wallet::{Dice, play},
    reports::left,
};

fn ask(start: &str, end: &str) -> v1::ReportExpiryRequest {
    v1::ReportExpiryRequest {
        asset: ASSET.to_owned(),
        start: Some(timestamp(start)),
        end: Some(timestamp(end)),
        ..Default::default()
    }
}

async fn try_report(
    server: &Server,
    request: &v1::ReportExpiryRequest,
) -> Result<v1::ReportExpiryResponse, Status> {
    let mut reports = ReportServiceClient::new(server.channel.clone());
    Ok(reports.report_expiry(request.clone()).await?.into_inner())
}

async fn report(server: &Server, request: &v1::ReportExpiryRequest) -> v1::ReportExpiryResponse {
    try_report(server, request).await.unwrap()
}

fn figures(figures: Option<&v1::ExpiryFigures>) -> String {
    let v1::ExpiryFigures { opening, expired, other, closing, never_expiring } = figures.unwrap();
    format!("{opening} + {other} - {expired} = {closing}, {never_expiring} never")
}

/// A line: its first instant, its group, how many credits, what they cost.
fn told(line: &v1::ExpiryLine) -> String {
    let start = line.start.unwrap().to_string();
    let forecast = if line.forecast { " forecast" } else { "" };
    let (credits, value) = (figures(line.credits.as_ref()), figures(line.value.as_ref()));
    format!("{} {}{forecast} {credits} | {value}", &start[..13], line.group)
}

fn all_told(lines: &[v1::ExpiryLine]) -> Vec<String> {
    lines.iter().map(told).collect()
}

/// 100 monthly credits a month of Berlin at 0.01; 100 that were bought at 0.03 for ever, 50 of another purchase until
/// April; and another account that has 7 for ever.
async fn quarter(server: &Server) {
    let at = |instant: &str| Some(timestamp(instant));
    server.at("2026-01-01T00:00:00Z").await;
    server.open(ACCOUNT).await;
    server.open("another").await;
    server.fund("another", "7").await;
    for (from, until) in [
        ("2025-12-31T23:00:00Z", "2026-01-31T23:00:00Z"),
        ("2026-01-31T23:00:00Z", "2026-02-28T23:00:00Z"),
        ("2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"),
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
    for (amount, charge, until) in
        [("100", "ch_1", None), ("50", "ch_2", at("2026-04-10T00:00:00Z"))]
    {
        let bought = v1::GrantRequest {
            category: "purchased".to_owned(),
            cost_basis: "0.03".to_owned(),
            funding_ref: charge.to_owned(),
            expires_at: until,
            ..grant(ACCOUNT, amount)
        };
        server.grants().grant(bought).await.unwrap();
    }
    // January leaves 70 monthly credits to expire; February is used up, and 20 of the second purchase with it.
    server.at("2026-01-20T00:00:00Z").await;
    server.spend(spend(ACCOUNT, "30", "january")).await.unwrap();
    server.at("2026-02-15T00:00:00Z").await;
    server.spend(spend(ACCOUNT, "120", "february")).await.unwrap();
    server.at("2026-02-15T12:00:00Z").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_is_told_by_month_of_a_time_zone_and_by_group() {
    let server = Server::start().await;
    quarter(&server).await;
    let months = v1::ReportExpiryRequest {
        period: v1::ReportPeriod::Month.into(),
        time_zone: "Europe/Berlin".to_owned(),
        group_by: v1::ExpiryGrouping::Category.into(),
        account: ACCOUNT.to_owned(),
        ..ask("2025-12-31T23:00:00Z", "2026-04-30T22:00:00Z")
    };
    let answer = report(&server, &months).await;
    assert_eq!(answer.now, Some(timestamp("2026-02-15T12:00:00Z")));
    // January: 300 are granted, 30 spent; at its end, which is February's beginning, 70 of the first 100 expire.
    let expected = [
        "2025-12-31T23 monthly 0 + 270 - 0 = 270, 0 never | 0 + 2.7 - 0 = 2.7, 0 never",
        "2026-01-31T23 monthly 270 + -100 - 70 = 100, 0 never | 2.7 + -1 - 0.7 = 1, 0 never",
        "2026-02-15T12 monthly forecast 100 + 0 - 0 = 100, 0 never | 1 + 0 - 0 = 1, 0 never",
        "2026-02-28T23 monthly forecast 100 + 0 - 0 = 100, 0 never | 1 + 0 - 0 = 1, 0 never",
        "2026-03-31T22 monthly forecast 100 + 0 - 100 = 0, 0 never | 1 + 0 - 1 = 0, 0 never",
        "2025-12-31T23 purchased 0 + 150 - 0 = 150, 100 never | 0 + 4.5 - 0 = 4.5, 3 never",
        "2026-01-31T23 purchased 150 + -20 - 0 = 130, 100 never | 4.5 + -0.6 - 0 = 3.9, 3 never",
        "2026-02-15T12 purchased forecast 130 + 0 - 0 = 130, 100 never | 3.9 + 0 - 0 = 3.9, 3 never",
        "2026-02-28T23 purchased forecast 130 + 0 - 0 = 130, 100 never | 3.9 + 0 - 0 = 3.9, 3 never",
        "2026-03-31T22 purchased forecast 130 + 0 - 30 = 100, 100 never | 3.9 + 0 - 0.9 = 3, 3 never",
    ];
    assert_eq!(all_told(&answer.totals), expected);

    let by_charge = v1::ReportExpiryRequest {
        group_by: v1::ExpiryGrouping::FundingRef.into(),
        period: 0,
        start: None,
        ..months.clone()
    };
    let expected = [
        "2026-02-15T12  forecast 100 + 0 - 100 = 0, 0 never | 1 + 0 - 1 = 0, 0 never",
        "2026-02-15T12 ch_1 forecast 100 + 0 - 0 = 100, 100 never | 3 + 0 - 0 = 3, 3 never",
        "2026-02-15T12 ch_2 forecast 30 + 0 - 30 = 0, 0 never | 0.9 + 0 - 0.9 = 0, 0 never",
    ];
    assert_eq!(all_told(&report(&server, &by_charge).await.totals), expected);

    // What is booked meanwhile changes no figure.
    server.at("2026-04-20T00:00:00Z").await;
    let later = v1::ReportExpiryRequest { per_wallet: true, account: String::new(), ..months };
    let before = report(&server, &later).await;
    let accounts: Vec<&str> = before.wallets.iter().map(|wallet| &*wallet.account).collect();
    assert_eq!(accounts, ["another", ACCOUNT]);
    assert!(server.sweep(0).await.entries > 0);
    assert_eq!(report(&server, &later).await, before);
}

/// Whatever happened in some wallets, at each bound there is what their balances are made of.
#[tokio::test(flavor = "multi_thread")]
async fn figures_add_up_with_the_balances_at_every_bound() {
    let server = Server::start().await;
    let mut remote = GrpcDriver::new(server.channel.clone());
    let accounts: Vec<String> = (31..=33).map(|seed| format!("seed {seed}")).collect();
    for (seed, account) in (31..).zip(&accounts) {
        let wallet = WalletRef { account: account.clone(), asset: ASSET.to_owned() };
        play(&mut Dice::new(seed), &wallet, &mut remote, &mut DomainDriver::new()).await;
    }
    let sum_at = async |at: Timestamp| {
        let mut sum = Exact::ZERO;
        for account in &accounts {
            sum = sum + Exact::from_stored(&left(&server, account, at).await).unwrap();
        }
        sum.to_string()
    };
    let mut expired = 0;
    for period in [v1::ReportPeriod::Day, v1::ReportPeriod::Week] {
        let request = v1::ReportExpiryRequest {
            period: period.into(),
            time_zone: "America/New_York".to_owned(),
            ..ask("2025-12-30T05:00:00Z", "2026-01-20T13:00:00Z")
        };
        let answer = report(&server, &request).await;
        let first = answer.totals[0].clone();
        assert_eq!(first.credits.unwrap().opening, sum_at(first.start.unwrap()).await);
        let mut before: Option<v1::ExpiryLine> = None;
        for line in answer.totals {
            let credits = line.credits.clone().unwrap();
            assert_eq!(credits.closing, sum_at(line.end.unwrap()).await, "{line:?}");
            let read = |figure: &str| Exact::from_stored(figure).unwrap();
            let sum = read(&credits.opening) + read(&credits.other) - read(&credits.expired);
            assert_eq!(sum, read(&credits.closing), "{line:?}");
            if let Some(before) = before {
                assert_eq!(before.end, line.start);
                assert_eq!(before.credits.unwrap().closing, credits.opening);
            }
            expired += usize::from(credits.expired != "0");
            before = Some(line);
        }
    }
    assert!(expired > 4, "{expired} periods in which something expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_have_the_now_of_the_first_one() {
    let server = Server::start().await;
    server.at("2026-01-01T00:00:00Z").await;
    for index in 0..5 {
        let account = format!("account {index}");
        server.open(&account).await;
        server.fund_until(&account, "10", "2026-01-10T00:00:00Z").await;
    }
    server.at("2026-01-02T00:00:00Z").await;
    let request = v1::ReportExpiryRequest {
        start: None,
        period: v1::ReportPeriod::Month.into(),
        ..ask("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z")
    };
    let whole = report(&server, &request).await;
    let expected = [
        "2026-01-02T00  forecast 50 + 0 - 50 = 0, 0 never | 0 + 0 - 0 = 0, 0 never",
        "2026-02-01T00  forecast 0 + 0 - 0 = 0, 0 never | 0 + 0 - 0 = 0, 0 never",
    ];
    assert_eq!(all_told(&whole.totals), expected);
    let mut paged = v1::ReportExpiryRequest { page_size: 2, ..request };
    let mut sizes = Vec::new();
    loop {
        let page = report(&server, &paged).await;
        assert_eq!((page.start, page.now, page.totals.len()), (whole.start, whole.now, 2));
        sizes.push(page.totals[0].credits.clone().unwrap().expired);
        // Time goes on while pages are read.
        server.at("2026-01-15T00:00:00Z").await;
        if page.next_page_token.is_empty() {
            break;
        }
        paged.page_token = page.next_page_token;
    }
    assert_eq!(sizes, ["20", "20", "10"]);
}

#[tokio::test]
async fn an_expiry_report_that_cannot_be_names_its_field() {
    let server = Server::start().await;
    server.open(ACCOUNT).await;
    let good = ask("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
    let before = Some(timestamp("2025-01-01T00:00:00Z"));
    let far = Some(timestamp("2030-01-01T00:00:00Z"));
    let day = v1::ReportPeriod::Day.into();
    for (field, request) in [
        ("asset", v1::ReportExpiryRequest { asset: String::new(), ..good.clone() }),
        ("account", v1::ReportExpiryRequest { account: "a\0b".to_owned(), ..good.clone() }),
        ("end", v1::ReportExpiryRequest { end: None, ..good.clone() }),
        ("end", v1::ReportExpiryRequest { end: before, ..good.clone() }),
        ("period", v1::ReportExpiryRequest { period: 99, ..good.clone() }),
        ("period", v1::ReportExpiryRequest { period: day, end: far, ..good.clone() }),
        ("time_zone", v1::ReportExpiryRequest { time_zone: "Mars".to_owned(), ..good.clone() }),
        ("group_by", v1::ReportExpiryRequest { group_by: 99, ..good.clone() }),
        ("page_size", v1::ReportExpiryRequest { page_size: -1, ..good.clone() }),
        ("page_token", v1::ReportExpiryRequest { page_token: "x".to_owned(), ..good.clone() }),
    ] {
        let status = try_report(&server, &request).await.unwrap_err();
        assert_eq!(refusal(&status), (Code::InvalidArgument, "INVALID_FIELD".to_owned()));
        assert_eq!(blamed(&status), [field]);
    }
    let nobody = v1::ReportExpiryRequest { account: "nobody".to_owned(), ..good.clone() };
    let status = try_report(&server, &nobody).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::NotFound, "WALLET_NOT_FOUND".to_owned()));
}
