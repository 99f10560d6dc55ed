//! Settings: each change makes another version, by which a lost update is seen, and changes nothing else; what is so already
//! makes none.

use std::{collections::BTreeMap, sync::Arc};

use purse_domain::{
    Amount, CloseWallet, Command, DrawdownPolicy, LeadTimes, LimitChange, LimitName, LimitWindow,
    Metadata, Rejection, Request, Rest, RollingSpan, Scale, Share, SpendLimit, SpendLimits,
    Thresholds, Timestamp, TopUpChange, UpdateWallet, Verdict, WalletSettings, WalletStatus,
};

use super::{
    ledger::Ledger,
    program::{Action, HOUR, START, amount, limit, request, settings},
};

/// When the settings change: after the wallet was opened.
const LATER: Timestamp = START.plus_micros(5 * HOUR);

fn asked(command: Command) -> Request {
    Request { command, ..request(&Action::Policy(DrawdownPolicy::default()), LATER) }
}

/// The settings after a command.
fn after(ledger: &mut Ledger, command: Command) -> WalletSettings {
    let verdict = ledger.ask(&asked(command), LATER);
    assert!(matches!(verdict, Verdict::Accepted(_)), "{verdict:?}");
    WalletSettings::clone(&ledger.state.settings)
}

/// Another setting of each kind, and the settings with it.
fn changes() -> Vec<(UpdateWallet, WalletSettings)> {
    let same = UpdateWallet::default;
    let before = settings;
    let name = LimitName::parse("daily").unwrap();
    let window = LimitWindow::Rolling(RollingSpan::from_micros(HOUR).unwrap());
    let (actor, operation) = (Share::All, Share::All);
    let daily = SpendLimit { name, amount: Amount::ZERO, actor, operation, window };
    let limits = SpendLimits::from_stored(vec![daily.clone()]);
    let metadata = Metadata::parse(BTreeMap::from([("team".to_owned(), "a".to_owned())])).unwrap();
    let policy = DrawdownPolicy::OldestFirst;
    let overdraft_limit = limit(700);
    vec![
        (
            UpdateWallet { drawdown_policy: Some(policy), ..same() },
            WalletSettings { drawdown_policy: policy, ..before() },
        ),
        (
            UpdateWallet { overdraft_limit: Some(overdraft_limit), ..same() },
            WalletSettings { overdraft_limit, ..before() },
        ),
        (
            UpdateWallet { low_balance_thresholds: Some(Thresholds::default()), ..same() },
            WalletSettings { low_balance_thresholds: Thresholds::default(), ..before() },
        ),
        (
            UpdateWallet { expiring_soon_leads: Some(LeadTimes::default()), ..same() },
            WalletSettings { expiring_soon_leads: LeadTimes::default(), ..before() },
        ),
        (
            UpdateWallet { spend_limit: Some(LimitChange::Set(daily)), ..same() },
            WalletSettings { spend_limits: limits, ..before() },
        ),
        (
            UpdateWallet { top_up: Some(TopUpChange::Delete), ..same() },
            WalletSettings { top_up: None, ..before() },
        ),
        (
            UpdateWallet { metadata: Some(metadata.clone()), ..same() },
            WalletSettings { metadata, ..before() },
        ),
    ]
}

#[test]
fn each_change_makes_another_version_and_the_same_again_none() {
    for (update, changed) in changes() {
        let expected = WalletSettings { version: 2, updated_at: LATER, ..changed };
        let mut ledger = Ledger::opened();
        for _ in 0..2 {
            assert_eq!(after(&mut ledger, Command::UpdateWallet(update.clone())), expected);
        }
    }
}

#[test]
fn each_status_is_another_version() {
    let mut ledger = Ledger::opened();
    let changes = [
        (Command::FreezeWallet, WalletStatus::Frozen, 2),
        (Command::FreezeWallet, WalletStatus::Frozen, 2),
        (Command::UnfreezeWallet, WalletStatus::Active, 3),
        (Command::UnfreezeWallet, WalletStatus::Active, 3),
        (Command::CloseWallet(CloseWallet { rest: Rest::Refuse }), WalletStatus::Closed, 4),
    ];
    for (command, status, version) in changes {
        let expected = WalletSettings { status, version, updated_at: LATER, ..settings() };
        assert_eq!(after(&mut ledger, command), expected);
    }
}

#[test]
fn an_update_of_an_earlier_version_is_refused() {
    let mut ledger = Ledger::opened();
    after(&mut ledger, Command::FreezeWallet);
    for (expected_version, is_stale) in [(Some(1), true), (Some(2), false), (None, false)] {
        let update = UpdateWallet { expected_version, ..UpdateWallet::default() };
        let verdict = ledger.decide(&asked(Command::UpdateWallet(update)), LATER);
        let refused = matches!(&verdict, Verdict::Rejected(Rejection::StaleVersion { version: 2 }));
        assert_eq!(refused, is_stale, "{verdict:?}");
    }
}

#[test]
fn amounts_fit_the_scale_of_the_asset() {
    let mut ledger = Ledger::opened();
    let scale = Scale::new(1).unwrap();
    ledger.state.settings = Arc::new(WalletSettings { scale, ..settings() });
    let hundredth = Thresholds::new(vec![amount(1)]).unwrap();
    let too_precise = [
        (
            UpdateWallet { overdraft_limit: Some(limit(1)), ..UpdateWallet::default() },
            Rejection::OverdraftLimitTooPrecise { scale },
        ),
        (
            UpdateWallet { low_balance_thresholds: Some(hundredth), ..UpdateWallet::default() },
            Rejection::ThresholdTooPrecise { scale },
        ),
    ];
    for (update, rejection) in too_precise {
        let verdict = ledger.decide(&asked(Command::UpdateWallet(update)), LATER);
        assert!(matches!(&verdict, Verdict::Rejected(why) if *why == rejection), "{verdict:?}");
    }
}
