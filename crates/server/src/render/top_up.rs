//! Rules for top-ups, and what wallets asked for.

use purse_domain::{LimitWindow, TopUpRule, TopUps, WalletSettings};
use purse_proto::v1;

use super::{
    instant,
    spend_limit::{calendar_window, duration},
};

/// A rule.
pub fn top_up_rule(rule: &TopUpRule) -> v1::TopUpRule {
    let TopUpRule { threshold, amount, most, window } = rule;
    v1::TopUpRule {
        threshold: threshold.get().to_string(),
        amount: amount.get().to_string(),
        most_requests: i32::from(most.get()),
        window: Some(match window {
            LimitWindow::Rolling(span) => v1::top_up_rule::Window::Rolling(duration(*span)),
            LimitWindow::Calendar(unit, zone) => {
                v1::top_up_rule::Window::Calendar(calendar_window(*unit, *zone))
            }
        }),
    }
}

/// A wallet's rule, and what it asked for.
pub fn top_ups(settings: &WalletSettings, top_ups: &TopUps) -> v1::TopUps {
    let reference = |request| TopUps::reference(&settings.name.asset, request).to_string();
    v1::TopUps {
        rule: settings.top_up.as_ref().map(top_up_rule),
        outstanding: top_ups.outstanding().map(reference).unwrap_or_default(),
        requested_at: top_ups.asked_at().map(instant).collect(),
    }
}
