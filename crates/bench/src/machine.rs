//! What the figures were measured on, and whether it was free.

use std::{fmt, fs, num::NonZeroUsize, thread, time::Duration};

use serde::Serialize;

use crate::postgres::{PostgresError, Programs};

/// Linux: what the processors did since the start, in ticks.
const STATISTICS: &str = "/proc/stat";

/// How long to look at what the processors do before the run begins.
const LOOK_SECONDS: u64 = 1;

/// What a machine at rest may do in the background.
const REST_PERCENT: u64 = 10;

/// Of the PostgreSQL that both sides use: the durability and memory they were measured with.
const SETTINGS: &str = "
    SELECT string_agg(name || ' = ' || current_setting(name), ', ' ORDER BY name)
    FROM pg_settings
    WHERE name IN ('checkpoint_timeout', 'data_checksums', 'fsync', 'full_page_writes',
                   'max_wal_size', 'server_version', 'shared_buffers', 'synchronous_commit',
                   'wal_compression')";

/// The machine before the run.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Machine {
    pub processors: usize,
    /// How much of all processors was in use before the run began; absent where the system does
    /// not say.
    pub busy_percent_before: Option<u64>,
}

impl Machine {
    /// Looks for a moment, and warns if something else is running.
    pub async fn look() -> Self {
        let before = Ticks::read();
        tokio::time::sleep(Duration::from_secs(LOOK_SECONDS)).await;
        let busy_percent_before = Ticks::read()
            .zip(before)
            .and_then(|(after, before)| after.since(before))
            .and_then(Ticks::busy_percent);
        if let Some(percent) = busy_percent_before.filter(|percent| *percent > REST_PERCENT) {
            eprintln!(
                "The processors are {percent} % busy with something else: figures will be off."
            );
        }
        Self {
            processors: thread::available_parallelism().map_or(1, NonZeroUsize::get),
            busy_percent_before,
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processors, busy_percent_before } = self;
        write!(formatter, "{processors} processors")?;
        match busy_percent_before {
            Some(percent) => write!(formatter, ", {percent} % busy before the run"),
            None => Ok(()),
        }
    }
}

/// PostgreSQL's version and the settings that decide speed.
pub async fn postgres_settings(programs: &Programs, url: &str) -> Result<String, PostgresError> {
    programs.query(url, SETTINGS).await
}

/// What all processors together did.
#[derive(Debug, Clone, Copy)]
struct Ticks {
    all: u64,
    idle: u64,
}

impl Ticks {
    fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string(STATISTICS).ok()?)
    }

    /// The first line: `cpu`, then user, nice, system, idle, waiting, and others.
    fn parse(statistics: &str) -> Option<Self> {
        let columns: Vec<u64> = statistics
            .lines()
            .next()?
            .strip_prefix("cpu ")?
            .split_whitespace()
            // The last two, guests, are in user and nice already.
            .take(8)
            .map(|column| column.parse().ok())
            .collect::<Option<_>>()?;
        Some(Self { all: columns.iter().sum(), idle: columns.get(3)? + columns.get(4)? })
    }

    fn since(self, before: Self) -> Option<Self> {
        Some(Self {
            all: self.all.checked_sub(before.all)?,
            idle: self.idle.checked_sub(before.idle)?,
        })
    }

    fn busy_percent(self) -> Option<u64> {
        (self.all.checked_sub(self.idle)? * 100).checked_div(self.all)
    }
}

#[cfg(test)]
mod tests {
    use super::Ticks;

    #[test]
    fn busy_is_what_is_neither_idle_nor_waiting() {
        let before = Ticks::parse("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2 3 4");
        let after = Ticks::parse("cpu  130 0 60 950 60 0 0 0 30 0\ncpu0 1 2 3 4");
        let passed = after.zip(before).and_then(|(after, before)| after.since(before));
        assert_eq!(passed.and_then(Ticks::busy_percent), Some(20));
        assert!(Ticks::parse("intr 1 2 3").is_none());
    }
}
