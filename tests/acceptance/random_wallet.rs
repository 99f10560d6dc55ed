//! A wallet with a life of its own: whole hours, so that windows, writes and late usage often meet at one instant.

use std::collections::BTreeMap;

use purse_domain::Timestamp;
use purse_tests::{
    Change, DomainDriver, Driver, EntryView, EventView, GrpcDriver, Notices, WalletRef, Write,
};

/// An hour.
pub const HOUR: i64 = 3_600_000_000;
/// Writes after the wallet is opened.
pub const WRITES: usize = 40;

/// A sequence of numbers that is the same in every run.
pub struct Dice(u64);

impl Dice {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn roll(&mut self, sides: u64) -> u64 {
        // Knuth's MMIX; the high digits are the random ones.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    /// A number of hours.
    pub fn hours(&mut self, from: i64, to: i64) -> i64 {
        from + i64::try_from(self.roll(u64::try_from(to - from + 1).unwrap())).unwrap()
    }

    /// Any of these.
    pub fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        let index = self.roll(u64::try_from(all.len()).unwrap());
        all[usize::try_from(index).unwrap()].clone()
    }

    /// 1 to `most`.
    pub fn number(&mut self, most: u64) -> i32 {
        1 + i32::try_from(self.roll(most)).unwrap()
    }

    /// 1 to `most`, as an amount.
    pub fn amount(&mut self, most: u64) -> String {
        self.number(most).to_string()
    }

    /// For one wallet in two.
    fn overdraft_limit(&mut self) -> String {
        ["", "150"][usize::from(self.roll(2) == 0)].to_owned()
    }

    /// Some thresholds and leads, or those that there are.
    pub fn notices(&mut self) -> Notices {
        let thresholds = [None, Some(&["20", "60"][..]), Some(&["40"]), Some(&[])];
        let leads = [None, Some(&[30 * HOUR, 6 * HOUR][..]), Some(&[12 * HOUR]), Some(&[])];
        Notices {
            thresholds: self
                .one_of(&thresholds)
                .map(|amounts| amounts.iter().map(|amount: &&str| (*amount).to_owned()).collect()),
            lead_micros: self.one_of(&leads).map(<[i64]>::to_vec),
        }
    }

    /// Mostly none.
    fn operation(&mut self) -> String {
        ["", "chat"][usize::from(self.roll(4) == 0)].to_owned()
    }

    /// For one grant in two.
    fn funding_ref(&mut self) -> String {
        ["", "charge"][usize::from(self.roll(2) == 0)].to_owned()
    }

    /// What is asked next of a wallet.
    pub fn change(&mut self, now: Timestamp) -> Change {
        let amount = (1 + self.roll(90)).to_string();
        let mut from_now = |from, to| Some(now.plus_micros(self.hours(from, to) * HOUR));
        let (starts_at, ends_at, occurred_at) =
            (from_now(-20, 20), from_now(21, 60), from_now(-40, 0));
        match self.roll(26) {
            0..8 => Change::Grant {
                amount,
                effective_at: starts_at.filter(|_| self.roll(2) == 0),
                expires_at: ends_at.filter(|_| self.roll(4) != 0),
                priority: None,
                category: String::new(),
                cost_basis: String::new(),
                applies_to: [self.operation()]
                    .into_iter()
                    .filter(|name| !name.is_empty())
                    .collect(),
                funding_ref: self.funding_ref(),
            },
            8..17 => Change::Spend {
                amount,
                operation: self.operation(),
                occurred_at: occurred_at.filter(|_| self.roll(3) == 0),
                quantities: BTreeMap::new(),
            },
            17 => Change::Void { grant: 1 + i32::try_from(self.roll(8)).unwrap() },
            18 => Change::Expire { grant: 1 + i32::try_from(self.roll(8)).unwrap() },
            // The same amount again or more, or less than before.
            19..22 => Change::Revoke {
                funding_ref: "charge".to_owned(),
                cumulative_amount: (self.roll(8) * 20).to_string(),
            },
            22..25 => {
                let never = self.roll(4) == 0;
                let grant = 1 + i32::try_from(self.roll(8)).unwrap();
                Change::ChangeExpiry { grant, expires_at: ends_at.filter(|_| !never), never }
            }
            // Settles, and appends nothing of its own.
            _ => Change::Update {
                policy: "EXPIRY_FIRST".to_owned(),
                overdraft_limit: String::new(),
                notices: self.notices(),
                etag: String::new(),
            },
        }
    }
}

/// Does the same to both, and answers the instants at which something was asked for.
pub async fn play(
    dice: &mut Dice,
    wallet: &WalletRef,
    remote: &mut GrpcDriver,
    domain: &mut DomainDriver,
) -> Vec<Timestamp> {
    let mut now = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
    let mut instants = Vec::new();
    for index in 0..=WRITES {
        now = now.plus_micros(dice.hours(0, 9) * HOUR);
        remote.set_time(now).await.unwrap();
        domain.set_time(now).await.unwrap();
        let change = match index {
            0 => Change::Create {
                scale: None,
                policy: String::new(),
                overdraft_limit: dice.overdraft_limit(),
                notices: dice.notices(),
            },
            _ => dice.change(now),
        };
        let key = format!("write {index}");
        let write = Write {
            wallet: wallet.clone(),
            key,
            actor: String::new(),
            validate_only: false,
            commit_token: String::new(),
            change,
        };
        let (answer, expected) = (remote.write(&write).await, domain.write(&write).await);
        assert_eq!(answer.is_ok(), expected.is_ok(), "{write:?}: {answer:?}");
        instants.push(now);
    }
    instants
}

/// A wallet's ledger and its events, without when they were written: whether it was swept meanwhile or not, the rest is
/// the same.
pub async fn undated(
    driver: &mut impl Driver,
    wallet: &WalletRef,
) -> (Vec<EntryView>, Vec<EventView>) {
    let entries = driver.entries(wallet).await.unwrap().into_iter();
    let entries = entries.map(|entry| EntryView { recorded_at: entry.effective_at, ..entry });
    let events = driver.events(wallet).await.unwrap().into_iter();
    let events = events.map(|event| EventView { recorded_at: event.effective_at, ..event });
    (entries.collect(), events.collect())
}
