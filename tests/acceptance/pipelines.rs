//! A lane decides a batch while the one before it is still being written: on what that will leave, and only for as long
//! as that becomes true.

use std::{
    io,
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    sync::{Arc, Mutex},
    thread,
};

use purse_domain::{
    AccountName, Command, ExpirationPolicy, Group, PositiveAmount, Request, Scale, Transfer,
    WalletName,
};
use purse_storage::{Answer, Ended, Outcome, Pipeline};

use crate::fixture::{
    ACCOUNT, Server, group, group_on, new_database, spend, spending, until_waiting, usual_wallet,
};

/// Another account.
const OTHER: &str = "org:43";

/// Each batch is known by its name.
type Batches = Pipeline<&'static str>;

/// Two servers on one database, a wallet with 100 credits, and batches of the first that have spent one and keep it.
async fn two_servers() -> (Server, Server, Batches) {
    let one = Server::start().await;
    let other = Server::start_on(one.url.clone()).await;
    let batches = batches_of(&one).await;
    (one, other, batches)
}

async fn batches_of(one: &Server) -> Batches {
    one.open(ACCOUNT).await;
    one.fund(ACCOUNT, "100").await;
    let mut batches = Pipeline::new(one.node.storage().clone());
    batches.begin(vec![group(spending("1"))], "kept").await;
    assert!(!batches.is_under_way(), "nothing is kept yet");
    assert_eq!(told(batches.run_held_up().await), ("kept", Some("99".to_owned())));
    batches
}

/// The same, and that the one grant is all that there is is known since somebody asked for more.
async fn two_servers_and_all_grants() -> (Server, Server, Batches) {
    let (one, other, mut batches) = two_servers().await;
    batches.begin(vec![group(spending("1000"))], "too much").await;
    assert!(!batches.is_under_way(), "there may be more grants");
    assert_eq!(told(batches.run_held_up().await), ("too much", None));
    (one, other, batches)
}

/// Another wallet with 9 credits, kept as well.
async fn another(server: &Server, batches: &mut Batches) -> WalletName {
    server.open(OTHER).await;
    server.fund(OTHER, "10").await;
    let WalletName { namespace_id, asset, .. } = usual_wallet();
    let name = WalletName::new(namespace_id, AccountName::parse(OTHER).unwrap(), asset);
    batches.begin(vec![group_on(&name, spending("1"), "kept too")], "kept too").await;
    assert_eq!(told(batches.run_held_up().await), ("kept too", Some("9".to_owned())));
    name
}

fn transferring(amount: &str, to: &WalletName) -> Command {
    Command::Transfer(Transfer {
        to: to.clone(),
        amount: PositiveAmount::parse(amount, Scale::MAX).unwrap(),
        expiration_policy: ExpirationPolicy::Preserve,
    })
}

/// What a command would do.
fn previewing(command: Command) -> Group {
    let asked = group(command).requests()[0].clone();
    Group::from(Request { validate_only: true, ..asked })
}

/// What came of a batch of one request.
fn outcome(ended: Ended<&'static str>) -> (&'static str, Outcome) {
    let Ended { with, mut outcomes, .. } = ended;
    (with, outcomes.remove(0).unwrap())
}

/// Its name, and the balance after it; `None`: it was rejected.
fn told(ended: Option<Ended<&'static str>>) -> (&'static str, Option<String>) {
    let (name, outcome) = outcome(ended.expect("a batch that has ended"));
    (name, balance_after(&outcome))
}

fn balance_after(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Accepted(answers) => Some(answers[0].transaction.balances.balance().to_string()),
        Outcome::Rejected(_) | Outcome::Settled(_) => None,
    }
}

/// The answer to a batch of one request that was accepted.
fn answer(ended: Option<Ended<&'static str>>) -> Answer {
    match outcome(ended.expect("a batch that has ended")).1 {
        Outcome::Accepted(mut answers) => answers.remove(0),
        other @ (Outcome::Rejected(_) | Outcome::Settled(_)) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_batch_is_decided_on_what_the_one_before_it_will_leave() {
    let (one, _, mut batches) = two_servers().await;
    batches.begin(vec![group(spending("2"))], "first").await;
    assert!(batches.has_room());
    batches.begin(vec![group(spending("3"))], "second").await;
    assert!(!batches.has_room());
    assert_eq!(told(batches.ended().await), ("first", Some("97".to_owned())));
    assert!(batches.has_room());
    batches.begin(vec![group(spending("4"))], "third").await;
    assert_eq!(told(batches.ended().await), ("second", Some("94".to_owned())));
    assert_eq!(told(batches.ended().await), ("third", Some("90".to_owned())));
    assert!(!batches.is_under_way());
    assert_eq!(one.balance(ACCOUNT).await, "90");
    assert!(one.verify(ACCOUNT).await.sound);
}

/// The other server gives the wallet the very revision that the second batch expects of the first.
#[tokio::test]
async fn a_batch_that_builds_on_one_that_fails_fails_with_it() {
    let (one, other, mut batches) = two_servers().await;
    other.spend(spend(ACCOUNT, "10", "in between")).await.unwrap();
    batches.begin(vec![group(spending("2"))], "first").await;
    batches.begin(vec![group(spending("3"))], "second").await;
    for name in ["first", "second"] {
        assert!(batches.ended().await.is_none(), "the {name} batch was written");
    }
    assert!(!batches.has_room() && !batches.is_under_way());
    assert_eq!(told(batches.run_held_up().await), ("first", Some("87".to_owned())));
    assert_eq!(told(batches.run_held_up().await), ("second", Some("84".to_owned())));
    assert!(batches.has_room());
    assert_eq!(one.balance(ACCOUNT).await, "84");
    assert!(one.verify(ACCOUNT).await.sound);
}

#[tokio::test]
async fn a_request_that_is_repeated_while_it_is_written_gets_its_first_answer() {
    let (one, _, mut batches) = two_servers().await;
    let asked = group(spending("2"));
    batches.begin(vec![asked.clone()], "first").await;
    batches.begin(vec![asked], "again").await;
    let first = answer(batches.ended().await);
    assert!(batches.ended().await.is_none());
    let again = answer(batches.run_held_up().await);
    assert!(again.replayed && !first.replayed);
    assert_eq!(again.transaction.id, first.transaction.id);
    assert_eq!(one.balance(ACCOUNT).await, "97");
}

#[tokio::test]
async fn what_has_to_be_read_waits_for_what_is_under_way() {
    let (one, other, mut batches) = two_servers().await;
    batches.begin(vec![group(spending("90"))], "first").await;
    batches.begin(vec![group(Command::FreezeWallet)], "freeze").await;
    assert!(!batches.has_room());
    assert!(batches.run_held_up().await.is_none(), "the first is under way");
    assert_eq!(told(batches.ended().await), ("first", Some("9".to_owned())));
    other.fund(ACCOUNT, "15").await;
    assert_eq!(told(batches.run_held_up().await), ("freeze", Some("24".to_owned())));
    assert!(one.verify(ACCOUNT).await.sound);
}

/// What was begun first is run first, whatever holds it up.
#[tokio::test]
async fn what_fails_goes_before_what_waited_for_it() {
    let (one, other, mut batches) = two_servers().await;
    batches.begin(vec![group(spending("90"))], "first").await;
    batches.begin(vec![group(Command::FreezeWallet)], "freeze").await;
    other.fund(ACCOUNT, "5").await;
    assert!(batches.ended().await.is_none(), "the first was written");
    assert_eq!(told(batches.run_held_up().await), ("first", Some("14".to_owned())));
    assert_eq!(told(batches.run_held_up().await), ("freeze", Some("14".to_owned())));
    assert!(batches.run_held_up().await.is_none());
    assert!(batches.has_room());
    assert_eq!(one.balance(ACCOUNT).await, "14");
    assert!(one.verify(ACCOUNT).await.sound);
}

/// Neither those around it nor those behind it wait for anything.
#[tokio::test]
async fn what_writes_nothing_goes_with_the_others() {
    let (one, _, mut batches) = two_servers_and_all_grants().await;
    let mut asked = ["90", "20", "5", "10"].map(|amount| group(spending(amount))).to_vec();
    asked.push(previewing(spending("3")));
    batches.begin(asked, "five").await;
    batches.begin(vec![group(spending("5"))], "too much").await;
    let Ended { outcomes, .. } = batches.ended().await.expect("nothing is wrong with it");
    let balances: Vec<_> =
        outcomes.iter().map(|outcome| balance_after(outcome.as_ref().unwrap())).collect();
    assert_eq!(
        balances,
        [Some("9"), None, Some("4"), None, Some("1")].map(|it| it.map(str::to_owned))
    );
    assert_eq!(told(batches.ended().await), ("too much", None));
    batches.begin(vec![group(spending("4"))], "the rest").await;
    assert_eq!(told(batches.ended().await), ("the rest", Some("0".to_owned())));
    assert!(one.verify(ACCOUNT).await.sound);
}

#[tokio::test]
async fn a_preview_knows_what_another_server_did() {
    let (_, other, mut batches) = two_servers().await;
    other.spend(spend(ACCOUNT, "10", "in between")).await.unwrap();
    batches.begin(vec![previewing(spending("2"))], "preview").await;
    assert!(batches.is_under_way());
    assert!(batches.ended().await.is_none(), "it was answered");
    assert_eq!(told(batches.run_held_up().await), ("preview", Some("87".to_owned())));
}

#[tokio::test]
async fn what_another_server_made_possible_is_not_rejected() {
    let (one, other, mut batches) = two_servers_and_all_grants().await;
    other.fund(ACCOUNT, "15").await;
    batches.begin(vec![group(spending("110"))], "too much for the one").await;
    assert!(batches.is_under_way());
    assert!(batches.ended().await.is_none(), "it was rejected");
    let ended = told(batches.run_held_up().await);
    assert_eq!(ended, ("too much for the one", Some("4".to_owned())));
    assert!(one.verify(ACCOUNT).await.sound);
}

/// Its neighbour in the batch is written once all the same.
#[tokio::test]
async fn a_transfer_is_not_rejected_for_what_no_longer_holds_where_it_goes() {
    let (one, other, mut batches) = two_servers().await;
    let other_wallet = another(&one, &mut batches).await;
    let mut others = Batches::new(other.node.storage().clone());
    let freeze = group_on(&other_wallet, Command::FreezeWallet, "freeze");
    others.begin(vec![freeze], "freeze").await;
    assert_eq!(told(others.run_held_up().await), ("freeze", Some("9".to_owned())));
    batches.begin(vec![group_on(&other_wallet, spending("1"), "frozen")], "frozen").await;
    assert!(batches.ended().await.is_none());
    assert_eq!(told(batches.run_held_up().await), ("frozen", None));
    let unfreeze = group_on(&other_wallet, Command::UnfreezeWallet, "unfreeze");
    others.begin(vec![unfreeze], "unfreeze").await;
    assert_eq!(told(others.run_held_up().await), ("unfreeze", Some("9".to_owned())));

    // The pause after the failure.
    batches.begin(vec![group(spending("1"))], "spend").await;
    assert_eq!(told(batches.run_held_up().await), ("spend", Some("98".to_owned())));
    let asked = vec![group(spending("3")), group(transferring("20", &other_wallet))];
    batches.begin(asked, "spend and transfer").await;
    assert!(batches.is_under_way());
    assert!(batches.ended().await.is_none(), "the transfer was rejected");
    assert_eq!(told(batches.run_held_up().await).1, Some("95".to_owned()));
    assert_eq!([one.balance(ACCOUNT).await, one.balance(OTHER).await], ["75", "29"]);
    assert!(one.verify(ACCOUNT).await.sound && one.verify(OTHER).await.sound);
}

/// The other server gives the wallet the very revision that the rejection expects of the first batch.
#[tokio::test]
async fn a_rejection_that_builds_on_a_batch_that_fails_fails_with_it() {
    let (one, other, mut batches) = two_servers_and_all_grants().await;
    batches.begin(vec![group(spending("90"))], "first").await;
    batches.begin(vec![group(spending("20"))], "too much").await;
    assert!(!batches.has_room(), "both are under way");
    other.fund(ACCOUNT, "15").await;
    for name in ["first", "too much"] {
        assert!(batches.ended().await.is_none(), "of the {name} batch something came");
    }
    assert_eq!(told(batches.run_held_up().await), ("first", Some("24".to_owned())));
    assert_eq!(told(batches.run_held_up().await), ("too much", Some("4".to_owned())));
    assert!(one.verify(ACCOUNT).await.sound);
}

#[tokio::test]
async fn what_is_repeated_is_not_rejected_though_the_first_time_took_all() {
    let (one, _, mut batches) = two_servers_and_all_grants().await;
    let asked = group(spending("99"));
    batches.begin(vec![asked.clone()], "all").await;
    assert_eq!(told(batches.ended().await), ("all", Some("0".to_owned())));
    batches.begin(vec![asked], "again").await;
    assert!(batches.is_under_way());
    assert!(batches.ended().await.is_none(), "it was rejected");
    assert!(answer(batches.run_held_up().await).replayed);
    assert!(one.verify(ACCOUNT).await.sound);
}

/// The second of three builds on a wallet that another server has written to, and the third on the second.
#[tokio::test]
async fn what_is_begun_behind_a_batch_that_will_fail_fails_with_it() {
    let (one, other, mut batches) = two_servers().await;
    batches.begin(vec![group(spending("2"))], "first").await;
    assert_eq!(told(batches.ended().await), ("first", Some("97".to_owned())));
    other.spend(spend(ACCOUNT, "10", "in between")).await.unwrap();
    batches.begin(vec![group(spending("3")), group(spending("1"))], "second").await;
    batches.begin(vec![group(spending("4"))], "third").await;
    assert!(batches.ended().await.is_none() && batches.ended().await.is_none());
    for (name, balance) in [("second", "84"), ("third", "79")] {
        let ended = told(batches.run_held_up().await);
        assert_eq!(ended, (name, Some(balance.to_owned())));
    }
    assert_eq!(one.balance(ACCOUNT).await, "79");
    assert!(one.verify(ACCOUNT).await.sound);
}

/// The wallet that it goes to is at home in another lane, for all that this one knows.
#[tokio::test]
async fn a_transfer_is_built_on_where_it_comes_from_and_waited_for_where_it_goes() {
    let (one, _, mut batches) = two_servers().await;
    let other_wallet = another(&one, &mut batches).await;
    batches.begin(vec![group(transferring("20", &other_wallet))], "transfer").await;
    batches.begin(vec![group(spending("70"))], "the rest").await;
    assert_eq!(told(batches.ended().await), ("transfer", Some("79".to_owned())));
    batches.begin(vec![group_on(&other_wallet, spending("25"), "spend it")], "spend it").await;
    assert_eq!(told(batches.ended().await), ("the rest", Some("9".to_owned())));
    assert_eq!(told(batches.run_held_up().await), ("spend it", Some("4".to_owned())));
    assert!(one.verify(ACCOUNT).await.sound && one.verify(OTHER).await.sound);
}

/// Both halves of it.
#[tokio::test]
async fn a_transfer_that_builds_on_a_batch_that_fails_fails_with_it() {
    let (one, other, mut batches) = two_servers().await;
    let other_wallet = another(&one, &mut batches).await;
    other.spend(spend(ACCOUNT, "90", "in between")).await.unwrap();
    batches.begin(vec![group(spending("2"))], "first").await;
    batches.begin(vec![group(transferring("20", &other_wallet))], "transfer").await;
    assert!(batches.ended().await.is_none() && batches.ended().await.is_none());
    assert_eq!(one.balance(OTHER).await, "9");
    assert_eq!(told(batches.run_held_up().await), ("first", Some("7".to_owned())));
    assert_eq!(told(batches.run_held_up().await), ("transfer", None));
    assert_eq!([one.balance(ACCOUNT).await, one.balance(OTHER).await], ["7", "9"]);
    assert!(one.verify(ACCOUNT).await.sound && one.verify(OTHER).await.sound);
}

/// A way to a database that can be lost while the database does not notice, and goes on with what it was sent.
struct Way {
    url: String,
    connections: Arc<Mutex<Vec<(TcpStream, UnixStream)>>>,
}

impl Way {
    fn to(database: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let folder =
            database.split(' ').find_map(|word| word.strip_prefix("host=")).unwrap().to_owned();
        let url = database.replace(&folder, "127.0.0.1") + &format!(" port={port}");
        let connections = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&connections);
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let server = UnixStream::connect(format!("{folder}/.s.PGSQL.5432")).unwrap();
                let (mut asks, mut asked) =
                    (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (mut answers, mut answered) =
                    (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || io::copy(&mut asks, &mut asked));
                thread::spawn(move || io::copy(&mut answers, &mut answered));
                kept.lock().unwrap().push((client, server));
            }
        });
        Self { url, connections }
    }

    fn lose(&self) {
        for (client, _) in self.connections.lock().unwrap().iter() {
            client.shutdown(Shutdown::Both).ok();
        }
    }
}

/// Nobody knows what becomes of them; asked again, each has been done once.
#[tokio::test]
async fn batches_whose_connection_is_lost_while_they_run_are_done_once() {
    let database = new_database().await;
    let way = Way::to(&database);
    let one = Server::start_on(way.url.clone()).await;
    let mut batches = batches_of(&one).await;
    let holder = purse_storage::pool::connect(&database).await.unwrap();
    let sql = purse_storage::pool::connect(&database).await.unwrap();
    holder.batch_execute("BEGIN; SELECT FROM wallets FOR UPDATE").await.unwrap();

    batches.begin(vec![group(spending("2"))], "first").await;
    batches.begin(vec![group(spending("3"))], "second").await;
    tokio::select! {
        _ = batches.ended() => panic!("the wallet is locked"),
        () = until_waiting(&sql, 1) => way.lose(),
    }
    assert!(batches.ended().await.is_none() && batches.ended().await.is_none());
    until_waiting(&sql, 1).await;
    let (first, ()) = tokio::join!(batches.run_held_up(), async {
        until_waiting(&sql, 2).await;
        holder.batch_execute("COMMIT").await.unwrap();
    });
    assert_eq!(told(first), ("first", Some("97".to_owned())));
    assert_eq!(told(batches.run_held_up().await), ("second", Some("94".to_owned())));
    assert_eq!(one.balance(ACCOUNT).await, "94");
    assert!(one.verify(ACCOUNT).await.sound);
}
