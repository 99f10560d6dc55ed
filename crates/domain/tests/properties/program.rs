//! Random programs of commands.

use std::collections::BTreeSet;

use proptest::{collection, option, prelude::*, sample::select};
use purse_domain::{
    AccountName, Actor, Amount, AssetCode, CaptureHold, Category, ChangeGrantExpiry, Command,
    CostBasis, CreateHold, DrawdownPolicy, Excess, ExpiredPolicy, Fingerprint, FundingRef,
    GrantNumber, HoldNumber, IdempotencyKey, LeadTimes, LimitChange, LimitWindow, Metadata,
    NamespaceId, NamespaceName, NewGrant, OperationName, Period, PositiveAmount, Priority, Reason,
    ReleaseHold, Request, RequestCount, ReverseSpend, RevokeFunding, RollingSpan, Scale, Spend,
    SpendLimits, Thresholds, Timestamp, TopUpRule, TransactionId, UpdateWallet, WalletName,
    WalletSettings, WalletStatus,
};
use uuid::Uuid;

use super::limited::limit_changes;

/// An hour.
pub const HOUR: i64 = 3_600_000_000;
/// Where programs begin: 2026-01-01T00:00:00Z.
pub const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// A command, and how long after the one before it is asked for.
#[derive(Debug, Clone)]
pub struct Step {
    /// Hours since the step before.
    pub wait: i64,
    /// What is asked.
    pub action: Action,
}

/// A command with hours relative to when it is asked for, and amounts in hundredths.
#[derive(Debug, Clone)]
pub enum Action {
    /// Put credits in.
    Grant {
        /// Hundredths.
        amount: u32,
        /// Effective in so many hours, or so many hours ago.
        starts_in: Option<i64>,
        /// Expires in so many hours.
        ends_in: Option<i64>,
        /// Lower is drawn first.
        priority: i32,
        /// What one credit cost.
        cost: u8,
        /// The operations that may draw it.
        applies_to: BTreeSet<&'static str>,
        /// What paid for it.
        funding: Option<&'static str>,
    },
    /// Take credits.
    Spend {
        /// Hundredths.
        amount: u32,
        /// What it pays for.
        operation: Option<&'static str>,
        /// The usage happened so many hours ago.
        hours_ago: Option<i64>,
    },
    /// Void a grant.
    Void(i32),
    /// Expire a grant.
    Expire(i32),
    /// Let a grant end in so many hours, or never.
    ChangeExpiry(i32, Option<i64>),
    /// Choose an order.
    Policy(DrawdownPolicy),
    /// Set credits aside.
    Hold {
        /// Hundredths.
        amount: u32,
        /// What it will pay for.
        operation: Option<&'static str>,
        /// Ends in so many hours.
        ends_in: i64,
    },
    /// Take what is held.
    Capture {
        /// The hold.
        hold: i32,
        /// Hundredths.
        amount: u32,
        /// What to do if that is too much.
        excess: Excess,
        /// Give back the rest.
        is_final: bool,
    },
    /// Give back so many hundredths of a hold, or all.
    Release(i32, Option<u32>),
    /// Let a hold end in so many hours.
    Extend(i32, i64),
    /// Choose an overdraft limit, in hundredths.
    Overdraft(u32),
    /// Choose thresholds, in hundredths, and leads, in hours.
    Notices(BTreeSet<u32>, BTreeSet<i64>),
    /// Set a spend limit, or remove it.
    Limit(LimitChange),
    /// Reverse a spend.
    Reverse {
        /// The how manieth accepted write it was.
        write: u32,
        /// Hundredths.
        amount: Option<u32>,
        /// What becomes of credits whose grant has ended.
        expired_policy: ExpiredPolicy,
    },
    /// Revoke a funding.
    Revoke {
        /// Which.
        funding: &'static str,
        /// Hundredths that have been refunded in all.
        amount: u32,
    },
}

/// Programs in which time stands still or moves forward.
pub fn programs(most_steps: usize) -> impl Strategy<Value = Vec<Step>> {
    collection::vec(steps(0..=14), 1..=most_steps)
}

/// Programs in which the clock sometimes runs backwards, as clocks do.
pub fn programs_with_a_bad_clock(most_steps: usize) -> impl Strategy<Value = Vec<Step>> {
    collection::vec(steps(-4..=14), 1..=most_steps)
}

fn steps(waits: std::ops::RangeInclusive<i64>) -> impl Strategy<Value = Step> {
    let wait = prop_oneof![2 => Just(0), 3 => waits];
    (wait, actions()).prop_map(|(wait, action)| Step { wait, action })
}

fn actions() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => grants(),
        8 => spends(),
        1 => (1..12).prop_map(Action::Void),
        1 => (1..12).prop_map(Action::Expire),
        3 => (1..12, option::weighted(0.8, -2_i64..=60))
            .prop_map(|(grant, hours)| Action::ChangeExpiry(grant, hours)),
        1 => select(&POLICIES[..]).prop_map(Action::Policy),
        1 => select(&[0, 5_000, 20_000][..]).prop_map(Action::Overdraft),
        1 => notices(),
        3 => holds(),
        3 => captures(),
        1 => (1..8, option::of(1_u32..3_000)).prop_map(|(hold, most)| Action::Release(hold, most)),
        1 => (1..8, -1_i64..40).prop_map(|(hold, hours)| Action::Extend(hold, hours)),
        5 => reversals(),
        2 => limit_changes(),
        3 => revocations(),
    ]
}

fn notices() -> impl Strategy<Value = Action> {
    let thresholds = collection::btree_set(select(&[1_u32, 1_000, 3_000, 6_000][..]), 0..=3);
    let leads = collection::btree_set(select(&[1_i64, 6, 24, 48][..]), 0..=3);
    (thresholds, leads).prop_map(|(thresholds, leads)| Action::Notices(thresholds, leads))
}

/// What grants are paid by; the last pays for none.
const FUNDINGS: [&str; 3] = ["charge", "invoice", "unknown"];

/// All that programs name.
pub fn fundings() -> impl Iterator<Item = FundingRef> {
    FUNDINGS.into_iter().map(funding_ref)
}

fn revocations() -> impl Strategy<Value = Action> {
    let amounts = prop_oneof![1 => Just(0), 3 => 1_u32..3_000, 3 => 3_000_u32..9_000];
    (select(&FUNDINGS[..]), amounts)
        .prop_map(|(funding, amount)| Action::Revoke { funding, amount })
}

/// Commands that give back what was spent.
pub fn reversals() -> impl Strategy<Value = Action> {
    let policies = prop_oneof![
        Just(ExpiredPolicy::RestoreThenExpire),
        Just(ExpiredPolicy::Reissue),
        (1_i64..40).prop_map(|hours| {
            let period = Period::from_micros(hours * HOUR).expect("some hours");
            ExpiredPolicy::Grace(period)
        }),
    ];
    // Beyond the last write now and then, and seldom more than a spend took.
    (1_u32..16, option::of(1_u32..3_000), policies).prop_map(|(write, amount, expired_policy)| {
        Action::Reverse { write, amount, expired_policy }
    })
}

/// The transaction of the how manieth accepted write.
pub fn transaction(write: u32) -> TransactionId {
    TransactionId::from_uuid(Uuid::from_u128(write.into()))
}

/// Both policies.
pub const POLICIES: [DrawdownPolicy; 2] =
    [DrawdownPolicy::ExpiryFirst, DrawdownPolicy::OldestFirst];

/// Commands that put credits in.
pub fn grants() -> impl Strategy<Value = Action> {
    let operations = collection::btree_set(select(&["chat", "image", "voice"][..]), 0..=2);
    let applies_to = prop_oneof![2 => Just(BTreeSet::new()), 1 => operations];
    (
        1_u32..6_000,
        option::of(-30_i64..=30),
        option::weighted(0.7, -2_i64..=60),
        select(&[-5, 100, 100, 100, 200][..]),
        select(&[0_u8, 0, 1, 2][..]),
        applies_to,
        option::of(select(&FUNDINGS[..2])),
    )
        .prop_map(|(amount, starts_in, ends_in, priority, cost, applies_to, funding)| {
            Action::Grant { amount, starts_in, ends_in, priority, cost, applies_to, funding }
        })
}

/// Commands that take credits.
pub fn spends() -> impl Strategy<Value = Action> {
    let operation = option::of(select(&["chat", "image", "other"][..]));
    // Beyond both ends of the late window, whose 72 hours are among the values.
    let hours_ago =
        option::weighted(0.4, prop_oneof![8 => 0_i64..=40, 1 => 70_i64..=74, 1 => Just(-1)]);
    (1_u32..9_000, operation, hours_ago).prop_map(|(amount, operation, hours_ago)| Action::Spend {
        amount,
        operation,
        hours_ago,
    })
}

/// Commands that set credits aside.
pub fn holds() -> impl Strategy<Value = Action> {
    let operation = option::of(select(&["chat", "image", "other"][..]));
    (1_u32..5_000, operation, -1_i64..=40).prop_map(|(amount, operation, ends_in)| Action::Hold {
        amount,
        operation,
        ends_in,
    })
}

/// Commands that take what is held.
pub fn captures() -> impl Strategy<Value = Action> {
    let excess = select(&[Excess::Reject, Excess::Cap, Excess::Extend][..]);
    (1..8, 1_u32..5_000, excess, any::<bool>()).prop_map(|(hold, amount, excess, is_final)| {
        Action::Capture { hold, amount, excess, is_final }
    })
}

/// An amount of so many hundredths.
pub fn amount(hundredths: u32) -> PositiveAmount {
    let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    PositiveAmount::parse(&text, Scale::MAX).expect("programs have positive amounts")
}

fn thresholds(hundredths: impl IntoIterator<Item = u32>) -> Thresholds {
    Thresholds::new(hundredths.into_iter().map(amount).collect()).expect("a few, distinct")
}

fn leads(hours: impl IntoIterator<Item = i64>) -> LeadTimes {
    let periods = hours.into_iter().map(|hours| Period::from_micros(hours * HOUR));
    let periods = periods.collect::<Result<_, _>>().expect("some hours");
    LeadTimes::new(periods).expect("a few, distinct")
}

/// An amount that may be nothing.
pub fn limit(hundredths: u32) -> Amount {
    if hundredths == 0 { Amount::ZERO } else { amount(hundredths).get() }
}

/// The request of an action that is asked for at `clock`.
pub fn request(action: &Action, clock: Timestamp) -> Request {
    let from_now = |hours: i64| clock.plus_micros(hours * HOUR);
    let command = match action {
        Action::Grant {
            amount: hundredths,
            starts_in,
            ends_in,
            priority,
            cost,
            applies_to,
            funding,
        } => Command::Grant(NewGrant {
            amount: amount(*hundredths),
            effective_at: starts_in.map(from_now),
            expires_at: ends_in.map(from_now),
            priority: Priority::new(*priority).expect("a small number"),
            category: category(*cost),
            cost_basis: CostBasis::parse(&cost.to_string()).expect("a digit"),
            applies_to: applies_to.iter().map(|name| operation(name)).collect(),
            funding_ref: funding.map(funding_ref),
        }),
        Action::Spend { amount: hundredths, operation: paid_for, hours_ago } => {
            Command::Spend(Spend {
                amount: amount(*hundredths).into(),
                operation: paid_for.map(operation),
                occurred_at: hours_ago.map(|hours| from_now(-hours)),
            })
        }
        Action::Hold { amount: hundredths, operation: paid_for, ends_in } => {
            Command::CreateHold(CreateHold {
                amount: amount(*hundredths).into(),
                operation: paid_for.map(operation),
                expires_at: from_now(*ends_in),
            })
        }
        Action::Capture { hold, amount: hundredths, excess, is_final } => {
            Command::CaptureHold(CaptureHold {
                hold: HoldNumber(*hold),
                amount: amount(*hundredths),
                excess: *excess,
                is_final: *is_final,
            })
        }
        Action::Release(hold, hundredths) => Command::ReleaseHold(ReleaseHold {
            hold: HoldNumber(*hold),
            amount: hundredths.map(amount),
        }),
        Action::Extend(hold, hours) => Command::ExtendHold(HoldNumber(*hold), from_now(*hours)),
        Action::Void(number) => Command::VoidGrant(GrantNumber(*number)),
        Action::Expire(number) => Command::ExpireGrant(GrantNumber(*number)),
        Action::ChangeExpiry(grant, hours) => Command::ChangeGrantExpiry(ChangeGrantExpiry {
            grant: GrantNumber(*grant),
            expires_at: hours.map(from_now),
        }),
        Action::Policy(policy) => Command::UpdateWallet(UpdateWallet {
            drawdown_policy: Some(*policy),
            ..UpdateWallet::default()
        }),
        Action::Overdraft(hundredths) => Command::UpdateWallet(UpdateWallet {
            overdraft_limit: Some(limit(*hundredths)),
            ..UpdateWallet::default()
        }),
        Action::Notices(low, soon) => Command::UpdateWallet(UpdateWallet {
            low_balance_thresholds: Some(thresholds(low.iter().copied())),
            expiring_soon_leads: Some(leads(soon.iter().copied())),
            ..UpdateWallet::default()
        }),
        Action::Limit(change) => Command::UpdateWallet(UpdateWallet {
            spend_limit: Some(change.clone()),
            ..UpdateWallet::default()
        }),
        Action::Revoke { funding, amount: hundredths } => Command::RevokeFunding(RevokeFunding {
            funding_ref: funding_ref(funding),
            cumulative_amount: limit(*hundredths),
        }),
        Action::Reverse { write, amount: hundredths, expired_policy } => {
            Command::ReverseSpend(ReverseSpend {
                transaction: transaction(*write),
                amount: hundredths.map(amount),
                expired_policy: *expired_policy,
            })
        }
    };
    let wallet = wallet_name();
    let (reason, metadata) = (no_reason(), Metadata::default());
    let actor = actor(asker(action));
    let fingerprint = Fingerprint::of(&wallet, &command, &actor, &reason, &metadata);
    let key = IdempotencyKey::parse("key").ok();
    Request {
        wallet,
        command,
        key,
        fingerprint,
        actor,
        reason,
        metadata,
        validate_only: false,
        commit_token: None,
    }
}

/// Who asks for it.
fn asker(action: &Action) -> &'static str {
    match action {
        // Nobody, Ann and Bob alike; a capture is often somebody else's than its hold.
        Action::Spend { amount, .. }
        | Action::Hold { amount, .. }
        | Action::Capture { amount, .. } => ["", "ann", "bob"][*amount as usize % 3],
        Action::Grant { .. }
        | Action::Void(_)
        | Action::Expire(_)
        | Action::ChangeExpiry(..)
        | Action::Policy(_)
        | Action::Release(..)
        | Action::Extend(..)
        | Action::Overdraft(_)
        | Action::Limit(_)
        | Action::Notices(..)
        | Action::Reverse { .. }
        | Action::Revoke { .. } => "",
    }
}

/// The settings of a wallet that was opened at the start.
pub fn settings() -> WalletSettings {
    WalletSettings {
        name: wallet_name(),
        scale: Scale::MAX,
        drawdown_policy: DrawdownPolicy::default(),
        overdraft_limit: Amount::ZERO,
        low_balance_thresholds: thresholds([1_000, 4_000]),
        expiring_soon_leads: leads([30, 6]),
        spend_limits: SpendLimits::default(),
        top_up: Some(TopUpRule {
            threshold: amount(2_000),
            amount: amount(5_000),
            most: RequestCount::new(3).expect("a few"),
            window: LimitWindow::Rolling(RollingSpan::from_micros(20 * HOUR).expect("some hours")),
        }),
        metadata: Metadata::default(),
        status: WalletStatus::Active,
        created_at: START,
        updated_at: START,
        version: 1,
    }
}

fn wallet_name() -> WalletName {
    let namespace = NamespaceId::of(&NamespaceName::parse("default").expect("a code"));
    let account = AccountName::parse("org:42").expect("a name");
    WalletName::new(namespace, account, AssetCode::parse("credits").expect("a code"))
}

/// No decision depends on it.
fn category(cost: u8) -> Category {
    Category::parse(if cost == 0 { "free" } else { "paid" }).expect("a code")
}

/// An operation.
pub fn operation(name: &str) -> OperationName {
    OperationName::parse(name).expect("a code")
}

fn funding_ref(name: &str) -> FundingRef {
    FundingRef::parse(name).expect("a name")
}

/// Who asks; nobody, if nothing is said.
pub fn actor(name: &str) -> Actor {
    Actor::parse(name).expect("a name, or nobody")
}

fn no_reason() -> Reason {
    Reason::parse("").expect("no reason")
}
