//! What callers ask by chance.

use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use prost_types::{FieldMask, Timestamp};
use purse_proto::v1::{
    self, BatchMode, DrawdownPolicy, ExcessPolicy, ExpirationPolicy, ExpiredPolicy, TransactionKind,
};

use super::asked::{Asked, Done};
use crate::random_wallet::Dice;

pub const ACCOUNTS: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
pub const ASSETS: [&str; 2] = ["credits", "gpu_seconds"];

const HOUR_SECONDS: i64 = 3_600;
/// So few that callers are often about the same spend or hold at once.
const RECENT: usize = 48;

/// What all callers know: the time, and what was made lately, to be asked about again.
#[derive(Debug)]
pub struct World {
    now_seconds: AtomicI64,
    recent: Mutex<Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    spends: VecDeque<(Wallet, String)>,
    holds: VecDeque<(Wallet, i32)>,
}

/// An account and an asset.
pub type Wallet = (String, String);

impl World {
    pub fn new(now: Timestamp) -> Self {
        Self { now_seconds: AtomicI64::new(now.seconds), recent: Mutex::default() }
    }

    /// Lets time pass.
    pub fn pass(&self, seconds: i64) -> Timestamp {
        let before = self.now_seconds.fetch_add(seconds, Ordering::Relaxed);
        Timestamp { seconds: before + seconds, nanos: 0 }
    }

    /// Remembers what a call made.
    pub fn learn(&self, done: &Done) {
        let mut recent = self.recent.lock().unwrap();
        for leg in &done.legs {
            let wallet = (leg.account.clone(), leg.asset.clone());
            if leg.kind() == TransactionKind::Spend {
                keep(&mut recent.spends, (wallet, leg.transaction_id.clone()));
            } else if leg.kind() == TransactionKind::CreateHold {
                let number = leg.entries.iter().map(|entry| entry.hold_number).max();
                keep(&mut recent.holds, (wallet, number.unwrap()));
            }
        }
    }

    fn at(&self, hours: i64) -> Timestamp {
        let now = self.now_seconds.load(Ordering::Relaxed);
        Timestamp { seconds: now + hours * HOUR_SECONDS, nanos: 0 }
    }
}

fn keep<T>(recent: &mut VecDeque<T>, new: T) {
    recent.push_back(new);
    if recent.len() > RECENT {
        recent.pop_front();
    }
}

fn wallet(dice: &mut Dice) -> Wallet {
    (dice.one_of(&ACCOUNTS).to_owned(), dice.one_of(&ASSETS).to_owned())
}

fn operation(dice: &mut Dice) -> String {
    dice.one_of(&["", "", "", "chat"]).to_owned()
}

fn spend(
    world: &World,
    dice: &mut Dice,
    account: String,
    asset: String,
    key: String,
) -> v1::SpendRequest {
    let hours = dice.hours(-40, -1);
    let is_late = dice.number(6) == 1;
    v1::SpendRequest {
        account,
        asset,
        amount: dice.amount(60),
        operation: operation(dice),
        occurred_at: is_late.then(|| world.at(hours)),
        idempotency_key: key,
        ..Default::default()
    }
}

/// A grant, of which some begin later, and some end.
pub fn grant(
    world: &World,
    dice: &mut Dice,
    (account, asset): Wallet,
    key: String,
) -> v1::GrantRequest {
    let (starts, ends) = (dice.hours(-20, 20), dice.hours(21, 90));
    let (is_dated, ends_some_time) = (dice.number(3) == 1, dice.number(4) != 1);
    v1::GrantRequest {
        account,
        asset,
        amount: dice.amount(150),
        effective_at: is_dated.then(|| world.at(starts)),
        expires_at: ends_some_time.then(|| world.at(ends)),
        applies_to: Some(operation(dice)).into_iter().filter(|name| !name.is_empty()).collect(),
        funding_ref: dice.one_of(&["", "charge 1", "charge 2"]).to_owned(),
        idempotency_key: key,
        ..Default::default()
    }
}

fn transfer(world: &World, dice: &mut Dice, key: String) -> v1::TransferRequest {
    let (account, asset) = wallet(dice);
    let (policy, expires_at) = dice.one_of(&[
        (ExpirationPolicy::Unspecified, None),
        (ExpirationPolicy::Preserve, None),
        (ExpirationPolicy::None, None),
        (ExpirationPolicy::Fixed, Some(world.at(30))),
    ]);
    v1::TransferRequest {
        account,
        asset,
        to_account: dice.one_of(&ACCOUNTS).to_owned(),
        amount: dice.amount(80),
        expiration_policy: policy.into(),
        expires_at,
        idempotency_key: key,
        ..Default::default()
    }
}

/// Holds in two to four wallets, in any order.
fn holds(world: &World, dice: &mut Dice, key: String) -> v1::CreateHoldsRequest {
    let legs = (0..=dice.number(3)).map(|_| {
        let (account, asset) = wallet(dice);
        v1::HoldLeg {
            account,
            asset,
            amount: dice.amount(25),
            operation: operation(dice),
            ..Default::default()
        }
    });
    let mut legs: Vec<v1::HoldLeg> = legs.collect();
    let mut seen = Vec::new();
    legs.retain(|leg| {
        let wallet = (leg.account.clone(), leg.asset.clone());
        let is_new = !seen.contains(&wallet);
        seen.push(wallet);
        is_new
    });
    let hours = dice.hours(1, 30);
    v1::CreateHoldsRequest {
        legs,
        expires_at: Some(world.at(hours)),
        idempotency_key: key,
        ..Default::default()
    }
}

fn batch(world: &World, dice: &mut Dice, key: &str) -> v1::BatchSpendRequest {
    let requests = (0..=dice.number(7)).map(|item| {
        let (account, asset) = wallet(dice);
        spend(world, dice, account, asset, format!("{key} item {item}"))
    });
    let requests = requests.collect();
    let mode = dice.one_of(&[BatchMode::AllOrNothing, BatchMode::EachOnItsOwn]);
    v1::BatchSpendRequest { requests, mode: mode.into() }
}

/// Something about a hold that was made lately; `None`: there is none yet.
fn about_a_hold(world: &World, dice: &mut Dice, key: String) -> Option<Asked> {
    let recent: Vec<_> = world.recent.lock().unwrap().holds.iter().cloned().collect();
    let ((account, asset), hold_number) = (!recent.is_empty()).then(|| dice.one_of(&recent))?;
    let (amount, hours) = (dice.amount(30), dice.hours(1, 40));
    let (idempotency_key, roll) = (key, dice.number(8));
    Some(match roll {
        1..=4 => Asked::CaptureHold(v1::CaptureHoldRequest {
            account,
            asset,
            hold_number,
            amount,
            excess: dice
                .one_of(&[ExcessPolicy::Reject, ExcessPolicy::Cap, ExcessPolicy::Extend])
                .into(),
            r#final: dice.one_of(&[true, false]),
            idempotency_key,
            ..Default::default()
        }),
        5..=7 => Asked::ReleaseHold(v1::ReleaseHoldRequest {
            account,
            asset,
            hold_number,
            amount: dice.one_of(&[String::new(), amount]),
            idempotency_key,
            ..Default::default()
        }),
        _ => Asked::ExtendHold(v1::ExtendHoldRequest {
            account,
            asset,
            hold_number,
            expires_at: Some(world.at(hours)),
            idempotency_key,
            ..Default::default()
        }),
    })
}

/// The reversal of a spend that was made lately; `None`: there is none yet.
fn reversal(world: &World, dice: &mut Dice, key: String) -> Option<Asked> {
    let recent: Vec<_> = world.recent.lock().unwrap().spends.iter().cloned().collect();
    let ((account, asset), transaction_id) = (!recent.is_empty()).then(|| dice.one_of(&recent))?;
    let (expired_policy, grace_period) = dice.one_of(&[
        (ExpiredPolicy::Unspecified, None),
        (ExpiredPolicy::RestoreThenExpire, None),
        (ExpiredPolicy::Reissue, None),
        (ExpiredPolicy::Grace, Some(prost_types::Duration { seconds: HOUR_SECONDS, nanos: 0 })),
    ]);
    let amount = dice.amount(30);
    Some(Asked::ReverseSpend(v1::ReverseSpendRequest {
        account,
        asset,
        transaction_id,
        amount: dice.one_of(&[String::new(), amount]),
        expired_policy: expired_policy.into(),
        grace_period,
        idempotency_key: key,
        ..Default::default()
    }))
}

fn update(dice: &mut Dice, idempotency_key: String) -> v1::UpdateWalletRequest {
    let (account, asset) = wallet(dice);
    let policy = dice.one_of(&[DrawdownPolicy::ExpiryFirst, DrawdownPolicy::OldestFirst]);
    let path = dice.one_of(&["drawdown_policy", "overdraft_limit"]).to_owned();
    let settings = v1::Wallet {
        drawdown_policy: policy.into(),
        overdraft_limit: dice.one_of(&["0", "60", "200"]).to_owned(),
        ..Default::default()
    };
    v1::UpdateWalletRequest {
        account,
        asset,
        wallet: Some(settings),
        update_mask: Some(FieldMask { paths: vec![path] }),
        idempotency_key,
        ..Default::default()
    }
}

/// One wallet in six is frozen on average.
fn change_status(dice: &mut Dice, idempotency_key: String) -> Asked {
    let (account, asset) = wallet(dice);
    if dice.number(6) == 1 {
        let request =
            v1::FreezeWalletRequest { account, asset, idempotency_key, ..Default::default() };
        return Asked::FreezeWallet(request);
    }
    let request =
        v1::UnfreezeWalletRequest { account, asset, idempotency_key, ..Default::default() };
    Asked::UnfreezeWallet(request)
}

/// Something about a grant.
fn about_a_grant(world: &World, dice: &mut Dice, idempotency_key: String) -> Asked {
    let (account, asset) = wallet(dice);
    let grant_number = dice.number(40);
    let (hours, never) = (dice.hours(1, 60), dice.number(5) == 1);
    match dice.number(5) {
        1 => Asked::VoidGrant(v1::VoidGrantRequest {
            account,
            asset,
            grant_number,
            idempotency_key,
            ..Default::default()
        }),
        2 => Asked::ExpireGrant(v1::ExpireGrantRequest {
            account,
            asset,
            grant_number,
            idempotency_key,
            ..Default::default()
        }),
        3 => Asked::RevokeFunding(v1::RevokeFundingRequest {
            account,
            asset,
            funding_ref: dice.one_of(&["charge 1", "charge 2"]).to_owned(),
            cumulative_amount: (dice.number(12) * 25).to_string(),
            idempotency_key,
            ..Default::default()
        }),
        _ => Asked::ChangeGrantExpiry(v1::ChangeGrantExpiryRequest {
            account,
            asset,
            grant_number,
            expires_at: (!never).then(|| world.at(hours)),
            never,
            idempotency_key,
            ..Default::default()
        }),
    }
}

/// What a caller asks next.
pub fn next(world: &World, dice: &mut Dice, key: String) -> Asked {
    let asked = match dice.number(42) {
        1..=9 => None,
        10..=17 => {
            let wallet = wallet(dice);
            return Asked::Grant(grant(world, dice, wallet, key));
        }
        18..=23 => return Asked::Transfer(transfer(world, dice, key)),
        24..=26 => {
            let (account, asset) = wallet(dice);
            let (amount, operation, hours) = (dice.amount(40), operation(dice), dice.hours(1, 30));
            return Asked::CreateHold(v1::CreateHoldRequest {
                account,
                asset,
                amount,
                operation,
                expires_at: Some(world.at(hours)),
                idempotency_key: key,
                ..Default::default()
            });
        }
        27..=28 => return Asked::CreateHolds(holds(world, dice, key)),
        29..=32 => about_a_hold(world, dice, key.clone()),
        33..=35 => return Asked::BatchSpend(batch(world, dice, &key)),
        36..=37 => reversal(world, dice, key.clone()),
        38 => return Asked::UpdateWallet(Box::new(update(dice, key))),
        39 => return change_status(dice, key),
        _ => return about_a_grant(world, dice, key),
    };
    asked.unwrap_or_else(|| {
        let (account, asset) = wallet(dice);
        Asked::Spend(spend(world, dice, account, asset, key))
    })
}
