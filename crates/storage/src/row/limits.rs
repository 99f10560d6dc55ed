//! Spend limits as JSON, and whose spending a row of `spending` is about.

use postgres_types::Json;
use purse_domain::{
    Actor, CalendarUnit, LimitName, LimitWindow, OperationName, RollingSpan, Share, SpendLimit,
    SpendLimits, Spender, TimeZone, Whose,
};
use serde::{Deserialize, Serialize};

use super::{amount, corrupt};
use crate::StorageError;

/// A wallet's limits as JSON.
pub(crate) type LimitsJson = Json<Vec<LimitSnapshot>>;

/// A spend limit, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LimitSnapshot {
    name: String,
    amount: String,
    #[serde(default, skip_serializing_if = "ShareSnapshot::is_all")]
    actor: ShareSnapshot,
    #[serde(default, skip_serializing_if = "ShareSnapshot::is_all")]
    operation: ShareSnapshot,
    window: WindowSnapshot,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ShareSnapshot {
    #[default]
    All,
    Only(String),
    Each,
}

impl ShareSnapshot {
    fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    fn of<T>(share: &Share<T>, name: impl Fn(&T) -> &str) -> Self {
        match share {
            Share::All => Self::All,
            Share::Only(one) => Self::Only(name(one).to_owned()),
            Share::Each => Self::Each,
        }
    }

    fn into_share<T>(self, stored: impl Fn(String) -> T) -> Share<T> {
        match self {
            Self::All => Share::All,
            Self::Only(name) => Share::Only(stored(name)),
            Self::Each => Share::Each,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WindowSnapshot {
    RollingMicros(i64),
    Calendar { unit: UnitSnapshot, time_zone: String },
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum UnitSnapshot {
    Day,
    Week,
    Month,
    Year,
}

impl WindowSnapshot {
    pub(super) fn of(window: LimitWindow) -> Self {
        match window {
            LimitWindow::Rolling(span) => Self::RollingMicros(span.micros()),
            LimitWindow::Calendar(unit, zone) => {
                let unit = match unit {
                    CalendarUnit::Day => UnitSnapshot::Day,
                    CalendarUnit::Week => UnitSnapshot::Week,
                    CalendarUnit::Month => UnitSnapshot::Month,
                    CalendarUnit::Year => UnitSnapshot::Year,
                };
                Self::Calendar { unit, time_zone: zone.name().to_owned() }
            }
        }
    }

    pub(super) fn window(self) -> Result<LimitWindow, StorageError> {
        match self {
            Self::RollingMicros(micros) => RollingSpan::from_micros(micros)
                .map(LimitWindow::Rolling)
                .map_err(|_| corrupt("the length of a window")),
            Self::Calendar { unit, time_zone } => {
                let unit = match unit {
                    UnitSnapshot::Day => CalendarUnit::Day,
                    UnitSnapshot::Week => CalendarUnit::Week,
                    UnitSnapshot::Month => CalendarUnit::Month,
                    UnitSnapshot::Year => CalendarUnit::Year,
                };
                let zone = TimeZone::parse(&time_zone);
                let zone = zone.map_err(|_| corrupt("the time zone of a window"))?;
                Ok(LimitWindow::Calendar(unit, zone))
            }
        }
    }
}

impl LimitSnapshot {
    fn of(limit: &SpendLimit) -> Self {
        let SpendLimit { name, amount, actor, operation, window } = limit;
        Self {
            name: name.as_str().to_owned(),
            amount: amount.to_string(),
            actor: ShareSnapshot::of(actor, Actor::as_str),
            operation: ShareSnapshot::of(operation, OperationName::as_str),
            window: WindowSnapshot::of(*window),
        }
    }

    fn into_limit(self) -> Result<SpendLimit, StorageError> {
        let Self { name, amount: figure, actor, operation, window } = self;
        let figure = figure.parse().map_err(|_| corrupt("a spend limit's amount"))?;
        Ok(SpendLimit {
            name: LimitName::from_stored(name),
            amount: amount(figure)?,
            actor: actor.into_share(Actor::from_stored),
            operation: operation.into_share(OperationName::from_stored),
            window: window.window()?,
        })
    }
}

/// Limits as they are kept.
pub(super) fn snapshots(limits: &SpendLimits) -> Vec<LimitSnapshot> {
    limits.iter().map(LimitSnapshot::of).collect()
}

/// Limits as they were kept.
pub(super) fn of_snapshots(snapshots: Vec<LimitSnapshot>) -> Result<SpendLimits, StorageError> {
    let limits = snapshots.into_iter().map(LimitSnapshot::into_limit);
    limits.collect::<Result<Vec<_>, _>>().map(SpendLimits::from_stored)
}

/// Nothing for none, which costs no byte.
pub(crate) fn limits_json(limits: &SpendLimits) -> Option<LimitsJson> {
    (!limits.is_empty()).then(|| Json(snapshots(limits)))
}

/// Limits that the statement selects as `::TEXT`.
pub(super) fn parse(json: Option<&str>) -> Result<SpendLimits, StorageError> {
    match json {
        None => Ok(SpendLimits::default()),
        Some(json) => {
            of_snapshots(serde_json::from_str(json).map_err(|_| corrupt("spend limits"))?)
        }
    }
}

/// Everybody's, or everything's.
const ALL: &str = "*";

/// The columns `actor` and `operation` of `spending`.
pub(crate) fn spender_columns(spender: &Spender) -> (String, String) {
    let Spender { actor, operation } = spender;
    let actor = match actor {
        Whose::All => ALL.to_owned(),
        Whose::One(actor) => format!("={actor}"),
    };
    let operation = match operation {
        Whose::All => ALL.to_owned(),
        Whose::One(None) => "=".to_owned(),
        Whose::One(Some(operation)) => format!("={operation}"),
    };
    (actor, operation)
}

/// Whose spending the columns `actor` and `operation` are about.
pub(crate) fn spender(actor: &str, operation: &str) -> Result<Spender, StorageError> {
    let named = |part: &str| match (part, part.strip_prefix('=')) {
        (ALL, _) => Ok(Whose::All),
        (_, Some(name)) => Ok(Whose::One(name.to_owned())),
        (_, None) => Err(corrupt("whose spending it is")),
    };
    Ok(Spender {
        actor: match named(actor)? {
            Whose::All => Whose::All,
            Whose::One(name) => Whose::One(Actor::from_stored(name)),
        },
        operation: match named(operation)? {
            Whose::All => Whose::All,
            Whose::One(name) if name.is_empty() => Whose::One(None),
            Whose::One(name) => Whose::One(Some(OperationName::from_stored(name))),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spenders_are_read_as_they_are_written() {
        let actor = |name: &str| Whose::One(Actor::from_stored(name.to_owned()));
        let operation = |name: &str| Whose::One(Some(OperationName::from_stored(name.to_owned())));
        for spender in [
            Spender { actor: Whose::All, operation: Whose::All },
            Spender { actor: actor(""), operation: Whose::One(None) },
            Spender { actor: actor("*"), operation: operation("chat") },
            Spender { actor: actor("=ann"), operation: Whose::All },
        ] {
            let (actor, operation) = spender_columns(&spender);
            assert_eq!(super::spender(&actor, &operation).unwrap(), spender);
        }
        assert!(super::spender("ann", "*").is_err());
    }

    #[test]
    fn limits_are_read_as_they_are_written() {
        let limit = SpendLimit {
            name: LimitName::from_stored("daily".to_owned()),
            amount: amount("12.5".parse().unwrap()).unwrap(),
            actor: Share::Each,
            operation: Share::Only(OperationName::from_stored("chat".to_owned())),
            window: LimitWindow::Calendar(
                CalendarUnit::Day,
                TimeZone::parse("Europe/Berlin").unwrap(),
            ),
        };
        let rolling = SpendLimit {
            name: LimitName::from_stored("hour".to_owned()),
            actor: Share::All,
            operation: Share::All,
            window: LimitWindow::Rolling(RollingSpan::from_micros(3_600_000_000).unwrap()),
            ..limit.clone()
        };
        let limits = SpendLimits::from_stored(vec![limit, rolling]);
        let json = serde_json::to_string(&limits_json(&limits)).unwrap();
        assert_eq!(
            json,
            "[{\"name\":\"daily\",\"amount\":\"12.5\",\"actor\":\"each\",\
             \"operation\":{\"only\":\"chat\"},\
             \"window\":{\"calendar\":{\"unit\":\"day\",\"time_zone\":\"Europe/Berlin\"}}},\
             {\"name\":\"hour\",\"amount\":\"12.5\",\"window\":{\"rolling_micros\":3600000000}}]"
        );
        assert_eq!(parse(Some(&json)).unwrap(), limits);
        assert_eq!(parse(None).unwrap(), SpendLimits::default());
    }
}
