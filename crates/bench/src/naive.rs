//! The other sides: the naive spend and the one-statement spend under `pgbench`, in a database of its own on the same
//! PostgreSQL.

use std::{fs, io, path::PathBuf};

use thiserror::Error;

use crate::{
    api::{AMOUNT, GRANT_AMOUNT},
    figures::{Latencies, Round},
    load::Window,
    postgres::{PostgresError, Programs, with_database},
    spread::{HOT_TENTHS, Spread},
};

/// Made if it is not there; never dropped. Only tables named `naive_*` are made anew in it.
const DATABASE: &str = "naive";

/// Long enough to tell which number of clients is fastest.
const TRIAL: Window = Window { warm_up_seconds: 1, measured_seconds: 4 };

const SCHEMA: (&str, &str) = ("naive_schema.sql", include_str!("../sql/naive_schema.sql"));
const FILL: (&str, &str) = ("naive_fill.sql", include_str!("../sql/naive_fill.sql"));
const FUNCTION: (&str, &str) =
    ("one_statement_function.sql", include_str!("../sql/one_statement_function.sql"));
const SPEND: (&str, &str) = ("naive_spend.sql", include_str!("../sql/naive_spend.sql"));
const ONE_STATEMENT: (&str, &str) =
    ("one_statement_spend.sql", include_str!("../sql/one_statement_spend.sql"));

/// What to make.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub wallets: u64,
    pub grants: u64,
    /// Threads of pgbench.
    pub threads: u32,
}

/// How a spend is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// Statement by statement.
    Naive,
    /// One call of a function that does the same.
    OneStatement,
}

impl Script {
    /// What it is called in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Naive => "naive",
            Self::OneStatement => "one statement",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Naive => SPEND.0,
            Self::OneStatement => ONE_STATEMENT.0,
        }
    }
}

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    pub script: Script,
    pub spread: Spread,
    pub clients: u32,
    /// Spends per second that become due by chance, latency counted from then on; `None`: as many as it can.
    pub rate: Option<u64>,
}

/// Why the naive side came to no result.
#[derive(Debug, Error)]
pub enum NaiveError {
    #[error("the naive side's PostgreSQL")]
    Postgres(#[from] PostgresError),
    #[error("the naive side's files")]
    Files(#[from] io::Error),
    #[error("pgbench printed no {wanted}:\n{output}")]
    Output { wanted: &'static str, output: String },
    #[error("pgbench's log holds a line that is none: {0}")]
    Log(String),
    #[error("{failed} naive transactions failed")]
    FailedTransactions { failed: u64 },
    #[error("pgbench counted {counted} spends, the naive wallets {booked}")]
    Mismatch { counted: u64, booked: String },
}

/// The naive wallets, filled and ready.
#[derive(Debug)]
pub struct Naive<'a> {
    programs: &'a Programs,
    url: String,
    settings: Settings,
    /// Scripts and logs.
    folder: PathBuf,
    /// Spends that pgbench says it made.
    spent: u64,
}

impl<'a> Naive<'a> {
    /// Makes and fills the naive tables. `url` is the connection URL of any database there.
    pub async fn set_up(
        programs: &'a Programs,
        url: &str,
        settings: Settings,
        folder: PathBuf,
    ) -> Result<Self, NaiveError> {
        fs::create_dir(&folder)?;
        for (name, text) in [SCHEMA, FILL, FUNCTION, SPEND, ONE_STATEMENT] {
            fs::write(folder.join(name), text)?;
        }
        let known = format!("SELECT count(*) FROM pg_database WHERE datname = '{DATABASE}'");
        if programs.query(url, &known).await? == "0" {
            programs.query(url, &format!("CREATE DATABASE {DATABASE}")).await?;
        }
        let url = with_database(url, DATABASE)?;
        programs.script(&url, &folder.join(SCHEMA.0), &[]).await?;
        let variables = [
            ("wallets", settings.wallets),
            ("grants", settings.grants),
            ("grant_amount", GRANT_AMOUNT),
        ];
        programs.script(&url, &folder.join(FILL.0), &variables).await?;
        programs.script(&url, &folder.join(FUNCTION.0), &[]).await?;
        Ok(Self { programs, url, settings, folder, spent: 0 })
    }

    /// Tries each number of clients for a moment and answers the fastest.
    pub async fn best_clients(
        &mut self,
        script: Script,
        spread: Spread,
        among: &[u32],
    ) -> Result<u32, NaiveError> {
        let mut best = (0, 0);
        for clients in among {
            let turn = Turn { script, spread, clients: *clients, rate: None };
            let rate = self.round(turn, TRIAL).await?.calls_per_second;
            eprintln!(
                "{}, {} with {clients} clients: {rate} spends/s",
                spread.name(),
                script.name()
            );
            best = best.max((rate, *clients));
        }
        Ok(best.1)
    }

    /// Warms up, then measures one window.
    pub async fn round(&mut self, turn: Turn, window: Window) -> Result<Round, NaiveError> {
        if window.warm_up_seconds > 0 {
            let warm_up = self.pgbench(turn, window.warm_up_seconds, &[]).await?;
            self.spent += processed(&warm_up)?;
        }

        let logs = self.folder.join("log");
        fs::create_dir(&logs)?;
        let prefix = format!("--log-prefix={}", logs.join("latency").display());
        let more = ["-l".to_owned(), prefix];
        let output = self.pgbench(turn, window.measured_seconds, &more).await?;
        self.spent += processed(&output)?;
        let latencies = read_logs(&logs)?;
        fs::remove_dir_all(&logs)?;
        Ok(Round { calls_per_second: number_after(&output, "tps = ", "rate")?, latencies })
    }

    async fn pgbench(
        &self,
        turn: Turn,
        seconds: u64,
        more: &[String],
    ) -> Result<String, NaiveError> {
        let Settings { wallets, grants: _, threads } = self.settings;
        let Turn { script, spread, clients, rate } = turn;
        let (first, last_hot, last, hot_tenths) = match spread {
            Spread::Many => (1, wallets, wallets, 0),
            Spread::Hot => (0, 0, 0, 0),
            Spread::Hundredth => (1, Spread::hot_wallets(wallets), wallets, HOT_TENTHS),
        };
        let mut arguments: Vec<String> =
            ["-n", "-M", "prepared", "-f"].into_iter().map(ToOwned::to_owned).collect();
        arguments.push(self.folder.join(script.file()).display().to_string());
        // pgbench refuses to have more threads than clients.
        arguments.push(format!("--client={clients}"));
        arguments.push(format!("--jobs={}", threads.min(clients)));
        arguments.push(format!("--time={seconds}"));
        arguments.extend(rate.map(|rate| format!("--rate={rate}")));
        for (name, value) in [
            ("first_wallet", first),
            ("last_hot_wallet", last_hot),
            ("last_wallet", last),
            ("hot_tenths", hot_tenths),
            ("amount", AMOUNT),
        ] {
            arguments.push(format!("--define={name}={value}"));
        }
        arguments.extend_from_slice(more);
        Ok(self.programs.pgbench(&self.url, arguments).await?)
    }

    /// Holds pgbench's count against the wallets and answers it.
    pub async fn check(&self) -> Result<u64, NaiveError> {
        let sql = "SELECT sum(last_sequence) FROM naive_wallets";
        let booked = self.programs.query(&self.url, sql).await?;
        if booked != self.spent.to_string() {
            return Err(NaiveError::Mismatch { counted: self.spent, booked });
        }
        Ok(self.spent)
    }
}

/// The transactions that a run made; a failed one fails the run.
fn processed(output: &str) -> Result<u64, NaiveError> {
    // Not printed before PostgreSQL 15, where pgbench stops at the first failure anyway.
    let failed = number_after(output, "number of failed transactions: ", "failures").unwrap_or(0);
    if failed > 0 {
        return Err(NaiveError::FailedTransactions { failed });
    }
    number_after(output, "number of transactions actually processed: ", "count")
}

/// The whole number behind a label; what follows its digits is cut off.
fn number_after(output: &str, label: &str, wanted: &'static str) -> Result<u64, NaiveError> {
    output
        .split_once(label)
        .and_then(|(_, rest)| rest.split(|letter: char| !letter.is_ascii_digit()).next())
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| NaiveError::Output { wanted, output: output.to_owned() })
}

/// One file per thread, one line per transaction; its third column is the latency in microseconds, from the instant at which
/// the transaction was due if there is a rate.
fn read_logs(folder: &std::path::Path) -> Result<Latencies, NaiveError> {
    let mut latencies = Latencies::new();
    for file in fs::read_dir(folder)? {
        for line in fs::read_to_string(file?.path())?.lines() {
            let micros = line
                .split(' ')
                .nth(2)
                .and_then(|column| column.parse().ok())
                .ok_or_else(|| NaiveError::Log(line.to_owned()))?;
            latencies.record(micros);
        }
    }
    Ok(latencies)
}

#[cfg(test)]
mod tests {
    use super::{number_after, processed};

    const OUTPUT: &str = "number of transactions actually processed: 37858
number of failed transactions: 0 (0.000%)
latency average = 6.782 ms
tps = 4718.119233 (without initial connection time)";

    #[test]
    fn figures_are_read_from_what_pgbench_prints() {
        assert_eq!(processed(OUTPUT).ok(), Some(37_858));
        assert_eq!(number_after(OUTPUT, "tps = ", "rate").ok(), Some(4_718));
        assert!(number_after("pgbench: error", "tps = ", "rate").is_err());
    }

    #[test]
    fn a_failed_transaction_fails_the_run() {
        assert!(processed(&OUTPUT.replace("transactions: 0", "transactions: 3")).is_err());
    }
}
