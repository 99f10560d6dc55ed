//! Rules for top-ups, as JSON.

use postgres_types::Json;
use purse_domain::{PositiveAmount, RequestCount, Scale, TopUpRule};
use serde::{Deserialize, Serialize};

use super::{corrupt, limits::WindowSnapshot};
use crate::StorageError;

/// A wallet's rule as JSON.
pub(crate) type TopUpJson = Json<TopUpSnapshot>;

/// A rule, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TopUpSnapshot {
    threshold: String,
    amount: String,
    most: u8,
    window: WindowSnapshot,
}

impl TopUpSnapshot {
    /// A rule as it is kept.
    pub(crate) fn of(rule: &TopUpRule) -> Self {
        let TopUpRule { threshold, amount, most, window } = rule;
        Self {
            threshold: threshold.get().to_string(),
            amount: amount.get().to_string(),
            most: most.get(),
            window: WindowSnapshot::of(*window),
        }
    }

    /// A rule as it was kept.
    pub(crate) fn rule(self) -> Result<TopUpRule, StorageError> {
        let Self { threshold, amount, most, window } = self;
        let positive = |text: &str| {
            let amount = PositiveAmount::parse(text, Scale::MAX);
            amount.map_err(|_| corrupt("an amount of a rule for top-ups"))
        };
        Ok(TopUpRule {
            threshold: positive(&threshold)?,
            amount: positive(&amount)?,
            most: RequestCount::new(i32::from(most))
                .ok_or_else(|| corrupt("how often is asked for top-ups"))?,
            window: window.window()?,
        })
    }
}

/// Nothing for none, which costs no byte.
pub(crate) fn top_up_json(rule: Option<&TopUpRule>) -> Option<TopUpJson> {
    rule.map(|rule| Json(TopUpSnapshot::of(rule)))
}

/// A rule that the statement selects as `::TEXT`.
pub(super) fn parse(json: Option<&str>) -> Result<Option<TopUpRule>, StorageError> {
    let read = json.map(serde_json::from_str::<TopUpSnapshot>).transpose();
    read.map_err(|_| corrupt("a rule for top-ups"))?.map(TopUpSnapshot::rule).transpose()
}

#[cfg(test)]
mod tests {
    use purse_domain::{CalendarUnit, LimitWindow, TimeZone};

    use super::*;

    #[test]
    fn rules_are_read_as_they_are_written() {
        let amount = |text| PositiveAmount::parse(text, Scale::MAX).unwrap();
        let rule = TopUpRule {
            threshold: amount("100"),
            amount: amount("500.5"),
            most: RequestCount::new(3).unwrap(),
            window: LimitWindow::Calendar(CalendarUnit::Month, TimeZone::UTC),
        };
        let json = serde_json::to_string(&top_up_json(Some(&rule))).unwrap();
        assert_eq!(
            json,
            "{\"threshold\":\"100\",\"amount\":\"500.5\",\"most\":3,\
             \"window\":{\"calendar\":{\"unit\":\"month\",\"time_zone\":\"UTC\"}}}"
        );
        assert_eq!(parse(Some(&json)).unwrap(), Some(rule));
        assert_eq!(parse(None).unwrap(), None);
    }
}
