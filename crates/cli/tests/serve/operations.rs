//! The verbs for operations: exit codes, and where what is printed.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    process::{Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{
    folder::Folder,
    ledger::{ACCOUNT, ASSET, open},
    process::{Finished, purse, run},
    server::Server,
};

fn call(server: &str, arguments: &[&str]) -> Finished {
    run(purse().args(["--server", server]).args(arguments))
}

#[test]
fn a_service_that_is_not_there_is_exit_code_3() {
    // Given back at once, the port stays free for a while: the system hands out others first.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let finished = call(&format!("http://{address}"), &["balance", ACCOUNT, ASSET]);
    assert_eq!(finished.code, Some(3), "{finished:#?}");
    assert!(finished.stderr.contains("cannot reach"), "{finished:#?}");
    assert_eq!(finished.stdout, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_exit_code_1_with_its_reason_and_an_answer_is_json_on_demand() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;

    let unknown = call(server.endpoint(), &["balance", "org:unknown", ASSET]);
    assert_eq!(unknown.code, Some(1), "{unknown:#?}");
    assert!(unknown.stderr.contains("WALLET_NOT_FOUND"), "{unknown:#?}");
    assert_eq!(unknown.stdout, "");

    open(&server.client(), 100).await;
    let arguments = ["spend", ACCOUNT, ASSET, "12.50", "--key", "k", "-o", "json"];
    // As in all JSON of protobuf, what is false is not there.
    for replayed in [None, Some(&Value::Bool(true))] {
        let spent = call(server.endpoint(), &arguments);
        assert_eq!(spent.code, Some(0), "{spent:#?}");
        let answer: Value = serde_json::from_str(&spent.stdout).unwrap();
        assert_eq!(answer["transaction"]["idempotencyKey"], "k", "{answer:#}");
        assert_eq!(answer["balance"]["balance"], "87.5", "{answer:#}");
        assert_eq!(answer.get("replayed"), replayed, "{answer:#}");
    }

    let spent: Value = serde_json::from_str(&call(server.endpoint(), &arguments).stdout).unwrap();
    let transaction = spent["transaction"]["transactionId"].as_str().unwrap();
    let half = ["reverse", ACCOUNT, ASSET, transaction, "--amount", "6.25", "--key", "back"];
    let reversed = call(server.endpoint(), &half);
    assert_eq!(reversed.code, Some(0), "{reversed:#?}");
    for said in ["grant #1", "6.25", "restored", "93.75"] {
        assert!(reversed.stdout.contains(said), "{said}: {reversed:#?}");
    }
    let grace = ["reverse", ACCOUNT, ASSET, transaction, "--grace", "1d"];
    let refused = call(server.endpoint(), &grace);
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(refused.stderr.contains("grace_period"), "{refused:#?}");

    let bought = ["grant", ACCOUNT, ASSET, "20", "--funding-ref", "ch_1", "--key", "bought"];
    assert_eq!(call(server.endpoint(), &bought).code, Some(0));
    let revoked = call(server.endpoint(), &["revoke", ACCOUNT, ASSET, "ch_1", "5", "--key", "r"]);
    assert_eq!(revoked.code, Some(0), "{revoked:#?}");
    for said in ["revoke-funding", "revoked", "108.75"] {
        assert!(revoked.stdout.contains(said), "{said}: {revoked:#?}");
    }

    let too_much = call(server.endpoint(), &["spend", ACCOUNT, ASSET, "1000"]);
    assert_eq!(too_much.code, Some(1), "{too_much:#?}");
    assert!(too_much.stderr.contains("INSUFFICIENT_CREDITS"), "{too_much:#?}");

    let nonsense = call(server.endpoint(), &["spend", ACCOUNT]);
    assert_eq!(nonsense.code, Some(2), "{nonsense:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_ends_when_a_person_says_and_the_ledger_says_why() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    open(&server.client(), 100).await;
    for amount in ["20", "30"] {
        assert_eq!(call(server.endpoint(), &["grant", ACCOUNT, ASSET, amount]).code, Some(0));
    }

    let forgotten = call(server.endpoint(), &["change-expiry", ACCOUNT, ASSET, "1"]);
    assert_eq!(forgotten.code, Some(2), "{forgotten:#?}");
    let end = ["--expires-at", "2999-01-31", "--reason", "a courtesy", "--actor", "alice"];
    let arguments = [&["change-expiry", ACCOUNT, ASSET, "1"][..], &end].concat();
    let changed = call(server.endpoint(), &arguments);
    assert_eq!(changed.code, Some(0), "{changed:#?}");
    for said in ["change-grant-expiry", "a courtesy", "alice", "never", "2999-01-31"] {
        assert!(changed.stdout.contains(said), "{said}: {changed:#?}");
    }
    for (verb, grant, why) in [("void", "2", "by mistake"), ("expire", "3", "by contract")] {
        let ended = call(server.endpoint(), &[verb, ACCOUNT, ASSET, grant, "--reason", why]);
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        assert!(ended.stdout.contains(why), "{ended:#?}");
    }
    let entries = call(server.endpoint(), &["entries", ACCOUNT, ASSET]);
    for said in ["expiry-changed", "a courtesy", "by mistake", "by contract"] {
        assert!(entries.stdout.contains(said), "{said}: {entries:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn time_is_a_plot_for_people_and_json_for_programs() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    open(&server.client(), 100).await;
    let spent = call(server.endpoint(), &["spend", ACCOUNT, ASSET, "12.50"]);
    assert_eq!(spent.code, Some(0), "{spent:#?}");

    let timeline = ["timeline", ACCOUNT, ASSET, "--to", "2999-01-01"];
    let plotted = call(server.endpoint(), &timeline);
    assert_eq!(plotted.code, Some(0), "{plotted:#?}");
    let bars: Vec<&str> = plotted.stdout.lines().filter(|line| line.contains('█')).collect();
    assert!(
        bars.len() == 2 && bars[0].contains(" 100 ") && bars[1].contains(" 87.5 "),
        "{bars:#?}"
    );
    assert_eq!(plotted.stderr, "");
    let thinned =
        call(server.endpoint(), &[&timeline[..], &["--points", "1", "-o", "json"]].concat());
    let answer: Value = serde_json::from_str(&thinned.stdout).unwrap();
    assert_eq!(answer["points"].as_array().map(Vec::len), Some(1), "{answer:#}");
    assert_eq!(
        (&answer["thinned"], &answer["end"]),
        (&true.into(), &"2999-01-01T00:00:00Z".into())
    );
    assert!(thinned.stderr.contains("--points"), "{thinned:#?}");
    let inverted = call(server.endpoint(), &["timeline", ACCOUNT, ASSET, "--to", "1999-01-01"]);
    assert_eq!(inverted.code, Some(1), "{inverted:#?}");
    assert!(inverted.stderr.contains("INVALID_FIELD"), "{inverted:#?}");

    let known = ["balance", ACCOUNT, ASSET, "--known-at", "2020-01-01", "-o", "json"];
    let answer: Value = serde_json::from_str(&call(server.endpoint(), &known).stdout).unwrap();
    assert_eq!(answer["balance"]["balance"], "0", "{answer:#}");
    assert_eq!(answer["balance"]["at"], "2020-01-01T00:00:00Z", "{answer:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_listed_and_followed_and_followed_again_from_where_that_was_interrupted() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    let operate = |arguments: &[&str]| {
        let finished = call(server.endpoint(), arguments);
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        finished.stdout
    };
    let notices = ["--low-balance", "50", "--low-balance", "10", "--expiring-soon", "7d"];
    let created = operate(&[&["wallet", "create", ACCOUNT, ASSET][..], &notices].concat());
    assert!(created.contains("10, 50") && created.contains("7d"), "{created}");
    operate(&["grant", ACCOUNT, ASSET, "100"]);
    operate(&["spend", ACCOUNT, ASSET, "70"]);
    let listed = operate(&["events", ACCOUNT, ASSET]);
    assert!(listed.contains("below 50: 100 → 30"), "{listed}");

    let follow = |arguments: &[&str], until: &str| {
        let mut command = purse();
        command.args(["--server", server.endpoint(), "events", "--follow"]).args(arguments);
        followed(&mut command, until)
    };
    let (told, position) = follow(&[], "below 50");
    assert_eq!(told.lines().count(), 1, "{told}");
    operate(&["spend", ACCOUNT, ASSET, "25"]);
    let (told, _) = follow(&["--from", &position], "below 10");
    assert!(!told.contains("below 50"), "{told}");
    let (told, _) = follow(&["-o", "json"], "\"threshold\": \"10\"");
    assert!(told.contains("\"lowBalance\""), "{told}");

    operate(&["wallet", "update", ACCOUNT, ASSET, "--clear-low-balance", "--expiring-soon", "1d"]);
    let shown = operate(&["wallet", "get", ACCOUNT, ASSET]);
    assert!(!shown.contains("low balance") && shown.contains("1d"), "{shown}");
    let refused = call(server.endpoint(), &["events", "--follow", "--from", "nonsense"]);
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(refused.stderr.contains("from_position"), "{refused:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_set_listed_with_what_is_used_and_deleted() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    open(&server.client(), 100).await;
    let operate = |arguments: &[&str]| {
        let finished = call(server.endpoint(), arguments);
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        finished.stdout
    };
    let set = ["limit", "set", ACCOUNT, ASSET];
    let yearly = ["yearly", "40", "--per", "year", "--time-zone", "Europe/Berlin"];
    let shown = operate(&[&set[..], &yearly].concat());
    assert!(shown.contains("yearly: 40 per year in Europe/Berlin"), "{shown}");
    let own = ["own", "30", "--rolling", "36h", "--each-actor", "--only-operation", "chat"];
    let shown = operate(&[&set[..], &own].concat());
    assert!(shown.contains("own: 30 in 36h, each actor for chat; yearly"), "{shown}");

    let spend = ["spend", ACCOUNT, ASSET, "--actor", "ann", "--operation", "chat"];
    operate(&[&spend[..], &["10"]].concat());
    let refused = call(server.endpoint(), &[&spend[..], &["25"]].concat());
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    for said in ["SPEND_LIMIT_EXCEEDED", "limit own: 10 of 30 used, 25 required; fits at"] {
        assert!(refused.stderr.contains(said), "{said}: {refused:#?}");
    }

    let list = ["limit", "list", ACCOUNT, ASSET];
    let line = |listed: &str, name: &str| {
        let line = listed.lines().find(|line| line.starts_with(name));
        line.expect("a limit").to_owned()
    };
    let listed = operate(&list);
    // A quarter of the longest bar; each actor has theirs, and none was named.
    assert!(line(&listed, "yearly").contains(&format!(" {} ", "█".repeat(6))), "{listed}");
    assert!(!line(&listed, "own").contains('█'), "{listed}");
    let listed = operate(&[&list[..], &["--actor", "ann"]].concat());
    assert!(line(&listed, "own").contains(" 10  30  ████████ "), "{listed}");
    let answer: Value =
        serde_json::from_str(&operate(&[&list[..], &["-o", "json"]].concat())).unwrap();
    assert_eq!(answer["limits"][1]["left"], "30", "{answer:#}");

    let shown = operate(&["limit", "delete", ACCOUNT, ASSET, "own", "--reason", "a mistake"]);
    assert!(!shown.contains("own:") && shown.contains("yearly:"), "{shown}");
    let unknown = call(server.endpoint(), &["limit", "delete", ACCOUNT, ASSET, "own"]);
    assert_eq!(unknown.code, Some(1), "{unknown:#?}");
    assert!(unknown.stderr.contains("SPEND_LIMIT_NOT_FOUND"), "{unknown:#?}");
    let windowless = call(server.endpoint(), &[&set[..], &["any", "1"]].concat());
    assert_eq!(windowless.code, Some(2), "{windowless:#?}");
}

/// Runs until it has printed something, interrupts it, and gives what it printed and its position.
fn followed(command: &mut Command, until: &str) -> (String, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told = String::new();
    while !told.contains(until) {
        told += &lines.next().expect("it goes on").unwrap();
        told.push('\n');
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    let position = said.split_once("--from ").expect("a position").1;
    (told, position.split_whitespace().next().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spend_and_a_balance_are_explained() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    open(&server.client(), 100).await;
    let grant = ["grant", ACCOUNT, ASSET, "7", "--priority", "1", "--category", "trial"];
    assert_eq!(call(server.endpoint(), &grant).code, Some(0));
    let order = ["spend", ACCOUNT, ASSET, "12.50", "--reason", "an order", "-o", "json"];
    let spent: Value = serde_json::from_str(&call(server.endpoint(), &order).stdout).unwrap();
    let transaction = spent["transaction"]["transactionId"].as_str().unwrap();

    let explain = ["explain", "transaction", ACCOUNT, ASSET, transaction];
    let explained = call(server.endpoint(), &explain);
    assert_eq!(explained.code, Some(0), "{explained:#?}");
    for said in ["an order", "expiry-first, version 1", "12.5 of 12.5 drawn", "priority", "trial"] {
        assert!(explained.stdout.contains(said), "{said}: {}", explained.stdout);
    }
    let json = call(server.endpoint(), &[&explain[..], &["-o", "json"]].concat());
    let answer: Value = serde_json::from_str(&json.stdout).unwrap();
    let grants = &answer["explanations"][0]["drawing"]["grants"];
    assert_eq!((&grants[0]["grant"]["number"], &grants[0]["drawn"]), (&2.into(), &"7".into()));
    assert_eq!(grants[1]["placedBy"], "PLACEMENT_RULE_PRIORITY", "{answer:#}");

    let balance = call(server.endpoint(), &["explain", "balance", ACCOUNT, ASSET]);
    assert_eq!(balance.code, Some(0), "{balance:#?}");
    for said in ["94.5", "#1", "granted", "107", "-12.5"] {
        assert!(balance.stdout.contains(said), "{said}: {}", balance.stdout);
    }
    let unknown = ["explain", "transaction", ACCOUNT, ASSET, "17"];
    let refused = call(server.endpoint(), &unknown);
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(refused.stderr.contains("transaction_id is no UUID"), "{refused:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_is_listed_by_filters_and_a_transaction_by_its_id() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    open(&server.client(), 100).await;
    for (operation, order) in [("chat", "order=17"), ("image", "order=18"), ("chat", "order=19")] {
        let order_of = ["spend", ACCOUNT, ASSET, "1", "--operation", operation];
        let about = ["--metadata", order, "--actor", "checkout", "--reason", "an order"];
        let spent = call(server.endpoint(), &[&order_of[..], &about].concat());
        assert_eq!(spent.code, Some(0), "{spent:#?}");
    }
    let entries = |filters: &[&str]| {
        let list = [&["entries", ACCOUNT, ASSET, "-o", "json"], filters].concat();
        let listed = call(server.endpoint(), &list);
        assert_eq!(listed.code, Some(0), "{listed:#?}");
        serde_json::from_str::<Value>(&listed.stdout).unwrap()
    };
    let count = |answer: &Value| answer["entries"].as_array().map_or(0, Vec::len);
    for (filters, expected) in [
        (&["--operation", "chat"][..], 2),
        (&["--operation", "chat", "--metadata", "order=19"], 1),
        (&["--metadata", "order"], 3),
        (&["--actor", "checkout", "--newest", "--limit", "2"], 2),
        (&["--category", "none"], 0),
        (&["--from", "2020-01-01", "--recorded-from", "2020-01-01"], 4),
        (&["--to", "2020-01-01"], 0),
        (&["--recorded-to", "2020-01-01"], 0),
    ] {
        assert_eq!(count(&entries(filters)), expected, "{filters:?}");
    }
    let image = entries(&["--operation", "image"]);
    let id = image["entries"][0]["transactionId"].as_str().unwrap();
    assert_eq!(count(&entries(&["--transaction", id])), 1);
    let shown = call(server.endpoint(), &["transaction", ACCOUNT, ASSET, id]);
    assert_eq!(shown.code, Some(0), "{shown:#?}");
    for said in [id, "image", "checkout", "an order", "order=18", "spent"] {
        assert!(shown.stdout.contains(said), "{said}: {}", shown.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn costs_are_reported_for_all_wallets_or_one() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    for (account, amount) in [("org:1", "10"), ("org:2", "20.5")] {
        let create = ["wallet", "create", account, ASSET];
        assert_eq!(call(server.endpoint(), &create).code, Some(0));
        let bought = ["--cost-basis", "0.000000000001", "--category", "purchased"];
        let grant = [&["grant", account, ASSET, amount][..], &bought].concat();
        assert_eq!(call(server.endpoint(), &grant).code, Some(0));
    }
    assert_eq!(call(server.endpoint(), &["spend", "org:1", ASSET, "4"]).code, Some(0));
    let report = ["report", "cost-basis", ASSET, "--from", "2020-01-01", "--to", "2999-01-01"];
    let shown = call(server.endpoint(), &report);
    assert_eq!(shown.code, Some(0), "{shown:#?}");
    for said in ["0.0000000000305", "0.000000000004", "0.0000000000265", "forecast"] {
        assert!(shown.stdout.contains(said), "{said}: {}", shown.stdout);
    }
    let each = ["--per-wallet", "--by-category", "--credits"];
    let shown = call(server.endpoint(), &[&report[..], &each].concat());
    for said in ["org:1", "org:2", "all", "purchased", "30.5", "26.5"] {
        assert!(shown.stdout.contains(said), "{said}: {}", shown.stdout);
    }
    let one = ["--account", "org:2", "-o", "json"];
    let shown = call(server.endpoint(), &[&report[..], &one].concat());
    let answer: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(answer["totals"][0]["credits"]["closing"], "20.5", "{answer:#}");
    let days = call(server.endpoint(), &[&report[..], &["--by", "day"]].concat());
    assert_eq!(days.code, Some(1), "{days:#?}");
    assert!(days.stderr.contains("400 periods"), "{days:#?}");
    let nonsense = call(server.endpoint(), &[&report[..], &["--by", "fortnight"]].concat());
    assert_eq!(nonsense.code, Some(2), "{nonsense:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_something_costs_is_set_asked_and_paid() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    open(&server.client(), 100).await;
    let price = ["--fixed", "10", "--per-unit", "megabytes=1", "--step", "1", "--actor", "alice"];
    let set =
        call(server.endpoint(), &[&["operation", "set", ASSET, "upload"][..], &price].concat());
    assert_eq!(set.code, Some(0), "{set:#?}");
    for said in ["10 + 1 per megabytes, up to 1", "alice", "changed"] {
        assert!(set.stdout.contains(said), "{said}: {set:#?}");
    }
    let listed = call(server.endpoint(), &["operation", "list"]);
    assert!(listed.stdout.contains("upload"), "{listed:#?}");
    let estimate = ["operation", "estimate", ASSET, "upload", "megabytes=5.2", "-o", "json"];
    let answer: Value = serde_json::from_str(&call(server.endpoint(), &estimate).stdout).unwrap();
    assert_eq!(answer["amount"], "16", "{answer:#}");
    let afford = ["operation", "afford", ACCOUNT, ASSET, "upload", "megabytes=91"];
    let refused = call(server.endpoint(), &afford);
    assert_eq!(refused.code, Some(0), "{refused:#?}");
    for said in ["no", "101", "INSUFFICIENT_CREDITS"] {
        assert!(refused.stdout.contains(said), "{said}: {refused:#?}");
    }
    let arguments =
        ["spend", ACCOUNT, ASSET, "--operation", "upload", "--quantity", "megabytes=5.2"];
    let spent = call(server.endpoint(), &arguments);
    assert_eq!(spent.code, Some(0), "{spent:#?}");
    for said in ["megabytes=5.2, etag 1", "84"] {
        assert!(spent.stdout.contains(said), "{said}: {spent:#?}");
    }
    let deleted = call(server.endpoint(), &["operation", "delete", ASSET, "upload"]);
    assert_eq!(deleted.code, Some(0), "{deleted:#?}");
    let history = call(server.endpoint(), &["operation", "history", ASSET, "upload"]);
    assert!(history.stdout.contains("deleted"), "{history:#?}");
    // Neither an amount nor something that has a price.
    let nothing = call(server.endpoint(), &["spend", ACCOUNT, ASSET]);
    assert_eq!(nothing.code, Some(2), "{nothing:#?}");
    let both = [&["spend", ACCOUNT, ASSET, "5"][..], &arguments[3..]].concat();
    assert_eq!(call(server.endpoint(), &both).code, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_payment_bought_is_granted_once() {
    let folder = Folder::new();
    let server = Server::start(&folder).await;
    open(&server.client(), 100).await;
    let terms =
        ["--price", "49.90", "--currency", "USD", "--bonus", "1=10%", "--valid-for", "365d"];
    let set =
        call(server.endpoint(), &[&["pack", "set", ASSET, "big", "1000"][..], &terms].concat());
    assert_eq!(set.code, Some(0), "{set:#?}");
    assert!(set.stdout.contains("1000 purchased for 49.9 USD, valid 365d"), "{set:#?}");
    for outcome in ["", "replayed"] {
        let bought = call(server.endpoint(), &["pack", "purchase", ACCOUNT, ASSET, "big", "pay_1"]);
        assert_eq!(bought.code, Some(0), "{bought:#?}");
        for said in ["purchase-pack", "0.0499", "bonus", "1200", "big x 1, etag 1", outcome] {
            assert!(bought.stdout.contains(said), "{said}: {bought:#?}");
        }
    }
    let listed = call(server.endpoint(), &["pack", "list", "-o", "json"]);
    let answer: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(answer["packs"][0]["contents"]["credits"], "1000", "{answer:#}");
    for verb in ["delete", "history"] {
        let finished = call(server.endpoint(), &["pack", verb, ASSET, "big"]);
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        assert!(finished.stdout.contains("deleted"), "{finished:#?}");
    }
    let gone = call(server.endpoint(), &["pack", "get", ASSET, "big"]);
    assert_eq!(gone.code, Some(1), "{gone:#?}");
    assert!(gone.stderr.contains("PACK_NOT_FOUND"), "{gone:#?}");
}
