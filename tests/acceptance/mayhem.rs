//! Callers who ask anything of wallets that they share, of two servers, one of which sweeps, while time passes: nothing
//! locks anything out, nothing is lost or doubled, every wallet is sound.
//!
//! What meets what is up to the machine, so no two runs are the same; the seed decides only what is asked.
//! `PURSE_MAYHEM_SECONDS=60` runs it for longer, `PURSE_MAYHEM_SEED` asks the same again.

mod asked;
mod chance;
mod ledger;

use std::{
    collections::{BTreeMap, hash_map::RandomState},
    env,
    hash::BuildHasher as _,
    sync::Arc,
    time::{Duration, Instant},
};

use prost_types::Timestamp;
use purse_proto::{
    testing::v1::{SetTimeRequest, test_clock_service_client::TestClockServiceClient},
    v1,
};
use tonic::{Code, transport::Channel};

use crate::{
    deadlocks::deadlocks,
    fixture::{Server, at_once, new_database, timestamp},
    random_wallet::Dice,
};
use asked::{Asked, Refused, Told};
use chance::{ACCOUNTS, ASSETS, World};

const CALLERS: usize = 32;
/// That each wallet begins with.
const GRANTS: usize = 5;
/// Long enough that thousands of calls meet, short enough to run each time.
const SECONDS: u64 = 4;
/// Between two looks at the clocks: each lets two minutes pass, so that some holds and grants end meanwhile.
const TICK: Duration = Duration::from_millis(20);
const TICK_SECONDS: i64 = 120;
/// One server's clock is this much behind the other's.
const SKEW_SECONDS: i64 = 90;

/// What one caller, or all of them, saw.
#[derive(Debug, Default)]
struct Seen {
    /// Of each kind: calls, or items of a batch, that were accepted and refused.
    by_name: BTreeMap<&'static str, (usize, usize)>,
    refused: BTreeMap<(String, String), usize>,
    calls: usize,
    /// Answers that were an earlier one again.
    replayed: usize,
    /// What was acknowledged, to be asked again in the end.
    acknowledged: Vec<(Asked, Told)>,
}

impl Seen {
    /// Counts what came of a call.
    fn note(&mut self, asked: &Asked, told: &Told) {
        self.calls += 1;
        let (accepted, refused) = self.by_name.entry(asked.name()).or_default();
        for told in told {
            match told {
                Ok(done) if done.replayed => self.replayed += 1,
                Ok(_) => *accepted += 1,
                Err(Refused { code, reason }) => {
                    *refused += 1;
                    assert!(is_a_reason(*code), "{asked:?}: {code:?} {reason}");
                    let reason = (format!("{code:?}"), reason.clone());
                    *self.refused.entry(reason).or_default() += 1;
                }
            }
        }
    }

    fn add(&mut self, other: Self) {
        let Self { by_name, refused, calls, replayed, acknowledged } = other;
        for (name, (accepted, refused)) in by_name {
            let sum = self.by_name.entry(name).or_default();
            *sum = (sum.0 + accepted, sum.1 + refused);
        }
        for (reason, count) in refused {
            *self.refused.entry(reason).or_default() += count;
        }
        self.calls += calls;
        self.replayed += replayed;
        self.acknowledged.extend(acknowledged);
    }

    fn print(&self) {
        println!("{} calls, {} answers were replays", self.calls, self.replayed);
        for (name, (accepted, refused)) in &self.by_name {
            println!("  {name}: {accepted} accepted, {refused} refused");
        }
        for ((code, reason), count) in &self.refused {
            println!("  refused with {code} {reason}: {count}");
        }
    }
}

/// Whether a refusal is about what was asked, and not about the service.
fn is_a_reason(code: Code) -> bool {
    matches!(
        code,
        Code::FailedPrecondition | Code::NotFound | Code::InvalidArgument | Code::AlreadyExists
    )
}

/// A second call like the first, once that is answered: what was accepted is told again, what was refused may
/// be accepted now.
fn assert_again(asked: &Asked, first: &Told, second: &Told) {
    // What refuses one item of all or nothing refuses the batch.
    let first = first.iter().zip(second);
    for (first, second) in first.filter_map(|(first, second)| Some((first.as_ref().ok()?, second)))
    {
        let Ok(second) = second else { panic!("{asked:?}: {first:?}, then {second:?}") };
        assert!(second.replayed, "{asked:?}: {first:?} was done twice");
        assert_eq!(first.answer, second.answer, "{asked:?}");
    }
}

/// Two equal calls at once: one of them does it.
fn assert_once(asked: &Asked, one: &Told, other: &Told) {
    for (one, other) in one.iter().zip(other) {
        if let (Ok(one), Ok(other)) = (one, other) {
            assert_eq!(one.answer, other.answer, "{asked:?}");
            assert_ne!(one.replayed, other.replayed, "{asked:?}: {one:?} and {other:?}");
        }
    }
}

/// What was accepted by either of two equal calls.
fn either(one: Told, other: Told) -> Told {
    let of_one = one.iter().filter(|told| told.is_ok()).count();
    let of_other = other.iter().filter(|told| told.is_ok()).count();
    match (one.len() == other.len(), of_one >= of_other) {
        (true, _) => one.into_iter().zip(other).map(|(one, other)| one.or(other)).collect(),
        (false, true) => one,
        (false, false) => other,
    }
}

/// One of the callers.
struct Caller {
    number: usize,
    dice: Dice,
    servers: [Channel; 2],
    world: Arc<World>,
    seen: Seen,
}

impl Caller {
    async fn call_until(mut self, ends_at: Instant) -> Seen {
        for index in 0.. {
            if Instant::now() >= ends_at {
                break;
            }
            let key = format!("call {} {index}", self.number);
            let asked = chance::next(&self.world, &mut self.dice, key);
            let told = self.ask(&asked).await;
            if let Asked::Spend(spend) = &asked
                && told[0].is_ok()
                && self.dice.number(8) == 1
            {
                self.use_key_again(spend).await;
            }
            if told.iter().any(Result::is_ok) {
                told.iter().flatten().for_each(|done| self.world.learn(done));
                self.seen.acknowledged.push((asked, told));
            }
        }
        self.seen
    }

    /// Asks one server or, on doubt, both: one after the other, or at once.
    async fn ask(&mut self, asked: &Asked) -> Told {
        let [one, other] = self.dice.one_of(&[[0, 1], [1, 0]]).map(|at| self.servers[at].clone());
        let how = self.dice.number(8);
        if how > 3 {
            let told = asked.ask(&one).await;
            self.seen.note(asked, &told);
            return told;
        }
        let (first, second) = if how == 3 {
            let (first, second) = tokio::join!(asked.ask(&one), asked.ask(&other));
            assert_once(asked, &first, &second);
            (first, second)
        } else {
            let first = asked.ask(&one).await;
            let second = asked.ask(&other).await;
            assert_again(asked, &first, &second);
            (first, second)
        };
        self.seen.note(asked, &first);
        self.seen.note(asked, &second);
        either(first, second)
    }

    /// The key of a spend, for another one.
    async fn use_key_again(&mut self, spend: &v1::SpendRequest) {
        let other = Asked::Spend(v1::SpendRequest { amount: "0.5".to_owned(), ..spend.clone() });
        let told = other.ask(&self.servers[0]).await;
        let reason = "IDEMPOTENCY_KEY_REUSED".to_owned();
        assert_eq!(told, [Err(Refused { code: Code::AlreadyExists, reason })]);
        self.seen.note(&other, &told);
    }
}

async fn set_time(server: &Server, now: prost_types::Timestamp) {
    let request = SetTimeRequest { now: Some(now) };
    TestClockServiceClient::new(server.channel.clone()).set_time(request).await.unwrap();
}

/// Lets time pass for both servers, of which one is always behind.
async fn pass_time(servers: [&Server; 2], world: &World, ends_at: Instant) {
    let mut ticks = tokio::time::interval(TICK);
    while Instant::now() < ends_at {
        ticks.tick().await;
        let now = world.pass(TICK_SECONDS);
        let [one, other] = servers;
        set_time(one, now).await;
        set_time(other, Timestamp { seconds: now.seconds - SKEW_SECONDS, ..now }).await;
    }
}

/// Opens all wallets, one in two of which may be overdrawn, with some grants in each.
async fn set_up(server: &Server, world: &World, dice: &mut Dice) -> Seen {
    let mut seen = Seen::default();
    for (index, account) in ACCOUNTS.into_iter().enumerate() {
        for asset in ASSETS {
            let request = v1::CreateWalletRequest {
                account: account.to_owned(),
                asset: asset.to_owned(),
                overdraft_limit: ["", "150"][index % 2].to_owned(),
                idempotency_key: format!("open {asset}"),
                ..Default::default()
            };
            server.wallets().create_wallet(request).await.unwrap();
            for grant in 0..GRANTS {
                let wallet = (account.to_owned(), asset.to_owned());
                let key = format!("grant {asset} {grant}");
                let asked = Asked::Grant(chance::grant(world, dice, wallet, key));
                let told = asked.ask(&server.channel).await;
                seen.note(&asked, &told);
                seen.acknowledged.push((asked, told));
            }
        }
    }
    seen
}

/// Asks for everything that was acknowledged again.
async fn replay(servers: [&Server; 2], acknowledged: &Arc<[(Asked, Told)]>) {
    at_once(CALLERS, |caller| {
        let (acknowledged, server) =
            (Arc::clone(acknowledged), servers[caller % 2].channel.clone());
        async move {
            for (asked, told) in acknowledged.iter().skip(caller).step_by(CALLERS) {
                let Some((asked, told)) = asked.of_acknowledged(told) else { continue };
                let again = asked.ask(&server).await;
                assert_eq!(again.len(), told.len(), "{asked:?}: {again:?}");
                assert_again(&asked, &told, &again);
            }
        }
    })
    .await;
}

async fn verify(server: &Server) {
    for account in ACCOUNTS {
        for asset in ASSETS {
            let (account, asset) = (account.to_owned(), asset.to_owned());
            let request = v1::VerifyWalletRequest { account: account.clone(), asset };
            let found = server.wallets().verify_wallet(request).await.unwrap().into_inner();
            assert!(found.sound, "{account}: {}", found.problem);
        }
    }
}

/// A number from the environment.
fn setting(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_callers_ask_of_two_servers_the_ledgers_are_what_they_were_told() {
    let seconds = setting("PURSE_MAYHEM_SECONDS").unwrap_or(SECONDS);
    let seed = setting("PURSE_MAYHEM_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
    println!("PURSE_MAYHEM_SEED={seed} PURSE_MAYHEM_SECONDS={seconds}");
    let one = Server::start_sweeping(new_database().await, TICK).await;
    let other = Server::start_on(one.url.clone()).await;
    let begins_at = timestamp("2026-01-01T00:00:00Z");
    let world = Arc::new(World::new(begins_at));
    set_time(&one, begins_at).await;
    set_time(&other, begins_at).await;
    let mut total = set_up(&one, &world, &mut Dice::new(seed)).await;

    let ends_at = Instant::now() + Duration::from_secs(seconds);
    let calling = at_once(CALLERS, |number| {
        let caller = Caller {
            number,
            dice: Dice::new(seed.wrapping_add(1 + u64::try_from(number).unwrap())),
            servers: [one.channel.clone(), other.channel.clone()],
            world: Arc::clone(&world),
            seen: Seen::default(),
        };
        caller.call_until(ends_at)
    });
    let (all, ()) = tokio::join!(calling, pass_time([&one, &other], &world, ends_at));
    for seen in all {
        total.add(seen);
    }
    total.print();

    let acknowledged: Arc<[(Asked, Told)]> = std::mem::take(&mut total.acknowledged).into();
    assert!(acknowledged.len() > 4 * CALLERS, "too little was accepted to prove anything");
    // Time stands still now, and what it did is booked.
    let due = format!(
        "SELECT count(*) FROM wallets WHERE next_due_at <= to_timestamp({})",
        world.pass(0).seconds
    );
    one.wait_for_none(&due).await;
    let before = one.rows("transactions").await + one.rows("entries").await;
    replay([&one, &other], &acknowledged).await;
    assert_eq!(one.rows("transactions").await + one.rows("entries").await, before);
    verify(&one).await;
    ledger::assert_as_told(&one, acknowledged.iter().flat_map(|(_, told)| told.iter().flatten()))
        .await;
    ledger::assert_conserved(&one).await;

    let url = one.url.clone();
    one.node.stop().await;
    other.node.stop().await;
    assert_eq!(deadlocks(&url).await, 0);
}
