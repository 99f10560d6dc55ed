//! Windows of spend limits and of rules for top-ups: as they are given, and as they are shown.

use std::time::Duration;

use clap::Args;
use purse_client::v1::{CalendarUnit, CalendarWindow};

use crate::{duration, exit::Failure, label};

/// A window: one of the calendar, or one that moves along.
#[derive(Debug, Args)]
pub struct WindowArgs {
    /// The window is a day, a week from Monday on, a month or a year
    #[arg(
        long,
        value_name = "UNIT",
        value_parser = label::parse_calendar_unit,
        required_unless_present = "rolling"
    )]
    per: Option<CalendarUnit>,
    /// Where that begins, such as Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE", requires = "per")]
    time_zone: Option<String>,
    /// The window is so long and ends whenever it is asked for, such as 24h
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = duration::parse,
        conflicts_with = "per"
    )]
    rolling: Option<Duration>,
}

/// A window, in whichever request it goes.
#[derive(Debug)]
pub enum Window {
    Calendar(CalendarWindow),
    Rolling(prost_types::Duration),
}

impl WindowArgs {
    /// The window that is meant; `None`: nobody said.
    pub fn window(self) -> Result<Option<Window>, Failure> {
        let Self { per, time_zone, rolling } = self;
        if let Some(unit) = per {
            let time_zone = time_zone.unwrap_or_default();
            return Ok(Some(Window::Calendar(CalendarWindow { unit: unit.into(), time_zone })));
        }
        let rolling = rolling.map(TryInto::try_into).transpose();
        let rolling = rolling.map_err(|_| Failure::Usage("--rolling is too long".to_owned()))?;
        Ok(rolling.map(Window::Rolling))
    }
}

/// A window of the calendar in a few words, such as `per day in Europe/Berlin`.
pub fn calendar(calendar: &CalendarWindow) -> String {
    let unit = label::calendar_unit(calendar.unit());
    match calendar.time_zone.as_str() {
        "" => format!("per {unit}"),
        zone => format!("per {unit} in {zone}"),
    }
}

/// One that moves along likewise, such as `in 1d`.
pub fn rolling(length: &prost_types::Duration) -> String {
    format!("in {}", duration::show(length))
}
