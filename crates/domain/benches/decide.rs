//! How long the rules take by themselves: a spend from wallets of some and of many grants, and the drawdown order.

use std::{collections::BTreeMap, hint::black_box};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use purse_domain::{
    AccountName, Actor, Amount, AssetCode, Category, Command, CostBasis, DrawdownKey,
    DrawdownPolicy, Fingerprint, Grant, IdempotencyKey, LeadTimes, Metadata, NamespaceId,
    NamespaceName, NewGrant, PositiveAmount, Priority, Reason, Request, Scale, Spend, SpendLimits,
    Thresholds, Timestamp, Verdict, WalletName, WalletSettings, WalletState, WalletStatus, decide,
};

/// 2026-01-01T00:00:00Z.
const NOW: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);
const HOUR_MICROS: i64 = 3_600_000_000;
/// Grants of a wallet.
const SIZES: [i64; 3] = [5, 100, 10_000];

fn amount(credits: &str) -> PositiveAmount {
    PositiveAmount::parse(credits, Scale::MAX).expect("a constant")
}

fn request(command: Command) -> Request {
    let namespace = NamespaceId::of(&NamespaceName::parse("default").expect("a code"));
    let account = AccountName::parse("org:42").expect("a name");
    let wallet = WalletName::new(namespace, account, AssetCode::parse("credits").expect("a code"));
    let actor = Actor::parse("").expect("nobody");
    let (reason, metadata) = (Reason::parse("").expect("no reason"), Metadata::default());
    Request {
        fingerprint: Fingerprint::of(&wallet, &command, &actor, &reason, &metadata),
        wallet,
        command,
        key: IdempotencyKey::parse("key").ok(),
        actor,
        reason,
        metadata,
        validate_only: false,
        commit_token: None,
    }
}

fn spend(credits: &str) -> Request {
    let amount = amount(credits).into();
    request(Command::Spend(Spend { amount, operation: None, occurred_at: None }))
}

/// Ten credits that expire in so many hours.
fn grant(hours: i64) -> Request {
    request(Command::Grant(NewGrant {
        amount: amount("10"),
        effective_at: None,
        expires_at: Some(NOW.plus_micros(hours * HOUR_MICROS)),
        priority: Priority::new(100).expect("a small number"),
        category: Category::parse("paid").expect("a code"),
        cost_basis: CostBasis::parse("0.01").expect("a constant"),
        applies_to: std::iter::empty().collect(),
        funding_ref: None,
    }))
}

/// A wallet whose grants expire in the order in which they were made, the first in a month.
fn wallet(grants: i64) -> WalletState {
    let mut state = WalletState::opened(WalletSettings {
        name: request(Command::Settle).wallet,
        scale: Scale::MAX,
        drawdown_policy: DrawdownPolicy::default(),
        overdraft_limit: Amount::ZERO,
        low_balance_thresholds: Thresholds::default(),
        expiring_soon_leads: LeadTimes::default(),
        spend_limits: SpendLimits::default(),
        top_up: None,
        metadata: Metadata::default(),
        status: WalletStatus::Active,
        created_at: NOW,
        updated_at: NOW,
        version: 1,
    });
    for number in 0..grants {
        match decide(Some(&state), &grant(720 + number), NOW) {
            Verdict::Accepted(decision) => state.apply(&decision),
            other @ (Verdict::Rejected(_) | Verdict::Lacking(_)) => panic!("{other:?}"),
        }
    }
    state
}

fn spends(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide");
    for grants in SIZES {
        let state = wallet(grants);
        // Of one grant, and of five: their number decides, not that of the grants that are there.
        for (name, request) in [("spend of one grant", spend("1")), ("spend of five", spend("50"))]
        {
            let accepted = decide(Some(&state), &request, NOW);
            assert!(matches!(accepted, Verdict::Accepted(_)), "{accepted:?}");
            group.bench_function(BenchmarkId::new(name, grants), |bencher| {
                bencher.iter(|| decide(black_box(Some(&state)), black_box(&request), NOW));
            });
        }
    }
    group.finish();
}

fn order(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("drawdown order");
    for grants in SIZES {
        let state = wallet(grants);
        let mut grants_by_chance: Vec<&Grant> = state.grants.values().collect();
        // Neither in order nor in reverse.
        grants_by_chance.sort_by_key(|grant| grant.number.0.wrapping_mul(-1_640_531_535));
        for policy in [DrawdownPolicy::ExpiryFirst, DrawdownPolicy::OldestFirst] {
            let id = BenchmarkId::new(format!("{policy:?}"), grants);
            group.bench_function(id, |bencher| {
                bencher.iter(|| -> BTreeMap<DrawdownKey, &Grant> {
                    let grants = black_box(&grants_by_chance).iter();
                    grants.map(|grant| (DrawdownKey::of(policy, grant), *grant)).collect()
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, spends, order);
criterion_main!(benches);
