//! Random programs of all commands over several wallets: the server and the domain alone do the same, answer for
//! answer, and every wallet is sound in the end.

use std::collections::BTreeMap;

use purse_domain::Timestamp;
use purse_proto::v1::ReportPeriod;
use purse_tests::{
    AsOf, Change, DomainDriver, Driver, GrpcDriver, Limit, Refusal, WalletRef, Write, Written,
};

use crate::{
    explanations::explain_all,
    fixture::{ASSET, Server},
    random_wallet::{Dice, HOUR},
    reports::reports_close,
};

/// Programs, each on wallets of its own; many short ones find more than a long one.
const PROGRAMS: u64 = 6;
/// Writes of a program.
const WRITES: usize = 150;
const ACCOUNTS: [&str; 3] = ["a", "b", "c"];

/// The same program at both.
struct Program {
    dice: Dice,
    number: u64,
    now: Timestamp,
    /// The transactions of the program so far, as each side names them.
    spends: Vec<(WalletRef, String, String)>,
}

impl Program {
    fn wallet(&self, account: &str) -> WalletRef {
        WalletRef { account: format!("{account}{}", self.number), asset: ASSET.to_owned() }
    }

    fn any_wallet(&mut self) -> WalletRef {
        let account = self.dice.one_of(&ACCOUNTS);
        self.wallet(account)
    }

    /// What is asked next, of which wallet.
    fn change(&mut self) -> (WalletRef, Change, Option<String>) {
        let wallet = self.any_wallet();
        let mut from_now = |from, to| self.now.plus_micros(self.dice.hours(from, to) * HOUR);
        let (soon, later) = (from_now(-2, 12), from_now(0, 40));
        let amount = self.dice.amount(60);
        let number = self.dice.number(5);
        let operation = self.dice.one_of(&["", "", "chat"]).to_owned();
        let change = match self.dice.number(20) {
            1..=2 => {
                let quantities = BTreeMap::new();
                Change::Hold { amount, operation, expires_at: soon, quantities }
            }
            3..=4 => Change::Capture {
                hold: number,
                amount,
                excess: self.dice.one_of(&["", "CAP", "EXTEND"]).to_owned(),
                is_final: self.dice.one_of(&[true, false]),
            },
            5 => {
                Change::Release { hold: number, amount: self.dice.one_of(&[String::new(), amount]) }
            }
            6 => Change::Extend { hold: number, expires_at: later },
            7..=10 => {
                let to = self.any_wallet();
                let (policy, expires_at) = self.dice.one_of(&[
                    ("", None),
                    ("", None),
                    ("NONE", None),
                    ("FIXED", Some(later)),
                ]);
                let expiration_policy = policy.to_owned();
                Change::Transfer { to, amount, expiration_policy, expires_at }
            }
            11..=12 if !self.spends.is_empty() => {
                let (wallet, there, here) = self.dice.one_of(&self.spends);
                let (expired_policy, grace_micros) =
                    self.dice.one_of(&[("", None), ("REISSUE", None), ("GRACE", Some(5 * HOUR))]);
                let change = Change::Reverse {
                    transaction: there,
                    amount: self.dice.one_of(&[String::new(), amount]),
                    expired_policy: expired_policy.to_owned(),
                    grace_micros,
                };
                return (wallet, change, Some(here));
            }
            13 => Change::Limit(self.limit()),
            _ => self.dice.change(self.now),
        };
        (wallet, change, None)
    }
}

impl Program {
    fn limit(&mut self) -> Limit {
        let (per, rolling_micros) = self.dice.one_of(&[
            ("", Some(7 * HOUR)),
            ("", Some(100 * HOUR)),
            ("DAY", None),
            ("WEEK", None),
        ]);
        let (by, each_actor) = self.dice.one_of(&[("", false), ("", true), ("ann", false)]);
        Limit {
            name: self.dice.one_of(&["one", "two"]).to_owned(),
            amount: self.dice.amount(900),
            by: by.to_owned(),
            each_actor,
            operation: String::new(),
            each_operation: self.dice.one_of(&[true, false]),
            rolling_micros,
            per: per.to_owned(),
            zone: self.dice.one_of(&["", "America/New_York"]).to_owned(),
        }
    }
}

/// What both must answer alike: each side names transactions by itself.
fn comparable(answer: Result<Written, Refusal>) -> Result<Written, Refusal> {
    match answer {
        Ok(written) => Ok(Written { transaction_id: None, ..written }),
        Err(mut refusal) => {
            refusal.metadata.remove("transaction_id");
            refusal.metadata.remove("etag");
            Err(refusal)
        }
    }
}

async fn ask(
    program: &mut Program,
    (remote, domain): (&mut GrpcDriver, &mut DomainDriver),
    write: &Write,
    transaction_here: Option<&String>,
) -> Result<Written, Refusal> {
    let there = remote.write(write).await;
    let mut here = write.clone();
    if let (Change::Reverse { transaction, .. }, Some(id)) = (&mut here.change, transaction_here) {
        transaction.clone_from(id);
    }
    let here = domain.write(&here).await;
    let id = |answer: &Result<Written, Refusal>| {
        answer.as_ref().ok().and_then(|written| written.transaction_id.clone())
    };
    let ids = id(&there).zip(id(&here));
    assert_eq!(
        comparable(there.clone()),
        comparable(here),
        "program {}: {write:?}",
        program.number
    );
    let spends = matches!(write.change, Change::Spend { .. });
    if let (true, Some((there, here))) = (spends, ids) {
        program.spends.push((write.wallet.clone(), there, here));
    }
    there
}

#[tokio::test(flavor = "multi_thread")]
async fn a_random_program_of_all_commands_does_what_the_domain_does() {
    let server = Server::start().await;
    let mut remote = GrpcDriver::new(server.channel.clone());
    let mut domain = DomainDriver::new();
    let mut program = Program {
        dice: Dice::new(20_260_101),
        number: 0,
        now: Timestamp::parse("2026-01-01T00:00:00Z").unwrap(),
        spends: Vec::new(),
    };
    for number in 1..=PROGRAMS {
        program.number = number;
        program.spends.clear();
        let (mut accepted, mut refused) = (0, 0);
        for index in 0..WRITES {
            program.now = program.now.plus_micros(program.dice.hours(0, 3) * HOUR);
            remote.set_time(program.now).await.unwrap();
            domain.set_time(program.now).await.unwrap();
            // One in four is swept before.
            if index > ACCOUNTS.len() && program.dice.number(4) == 1 {
                let wallet = program.any_wallet();
                let booked = remote.sweep(&wallet).await.unwrap();
                assert_eq!(booked, domain.sweep(&wallet).await.unwrap());
            }
            let (wallet, change, here) = match ACCOUNTS.get(index) {
                Some(account) => {
                    let overdraft_limit = program.dice.one_of(&["", "50"]).to_owned();
                    let policy = program.dice.one_of(&["", "OLDEST_FIRST"]).to_owned();
                    let scale = None;
                    let notices = program.dice.notices();
                    let create = Change::Create { scale, policy, overdraft_limit, notices };
                    (program.wallet(account), create, None)
                }
                None => program.change(),
            };
            let key = format!("write {index}");
            let commit_token = String::new();
            let actor = program.dice.one_of(&["", "ann"]).to_owned();
            let mut write =
                Write { wallet, key, actor, validate_only: false, commit_token, change };
            // One in six is previewed first, and bound to what the preview said.
            // Each side names the reversed transaction by its own id, so their tokens differ.
            if program.dice.number(6) == 1 && here.is_none() {
                write.validate_only = true;
                let preview =
                    ask(&mut program, (&mut remote, &mut domain), &write, here.as_ref()).await;
                write.validate_only = false;
                if let Ok(Written { commit_token: Some(token), .. }) = preview {
                    write.commit_token = token;
                }
            }
            let answer = ask(&mut program, (&mut remote, &mut domain), &write, here.as_ref()).await;
            if answer.is_ok() {
                accepted += 1;
            } else {
                refused += 1;
            }
            // One in six is retried on doubt.
            if program.dice.number(6) == 1 && answer.is_ok() {
                let again =
                    ask(&mut program, (&mut remote, &mut domain), &write, here.as_ref()).await;
                assert!(again.is_ok_and(|again| again.replayed || again.wallet.is_some()));
            }
        }
        assert!(accepted > WRITES / 4, "{accepted} accepted, {refused} refused");
        for account in ACCOUNTS {
            let wallet = program.wallet(account);
            assert_eq!(remote.entries(&wallet).await, domain.entries(&wallet).await);
            assert_eq!(remote.grants(&wallet).await, domain.grants(&wallet).await);
            assert_eq!(remote.holds(&wallet).await, domain.holds(&wallet).await);
            let used = remote.limits(&wallet, "ann", "chat").await;
            assert_eq!(used, domain.limits(&wallet, "ann", "chat").await);
            assert_eq!(remote.events(&wallet).await, domain.events(&wallet).await);
            let now = AsOf::default();
            assert_eq!(remote.balance(&wallet, now).await, domain.balance(&wallet, now).await);
            remote.verify(&wallet).await.unwrap();
            domain.verify(&wallet).await.unwrap();
        }
        let WalletRef { account, .. } = program.wallet(ACCOUNTS[0]);
        explain_all(&server, &account).await;
        reports_close(&server, &account, program.now, ReportPeriod::Week).await;
    }
}
