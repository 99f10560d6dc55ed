//! PostgreSQL's own programs: where they are and how they are called.
//!
//! The bench speaks to PostgreSQL through `psql` and `pgbench` only, so it needs no driver and no
//! settings of its own.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    process::Stdio,
};

use thiserror::Error;
use tokio::process::Command;

/// Where Debian and its kin put the programs of each major version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// Why PostgreSQL could not be used.
#[derive(Debug, Error)]
pub enum PostgresError {
    #[error(
        "pgbench and psql are not in the folder of `pg_config --bindir`, in {VERSIONS}/*/bin or in \
         PATH; install PostgreSQL's server and client packages or give --pg-bin"
    )]
    NotInstalled,
    #[error("{program} could not be started")]
    Start { program: &'static str, source: io::Error },
    #[error("{program} failed: {stderr}")]
    Failed { program: &'static str, stderr: String },
    #[error("no database name in the connection URL {0}")]
    Url(String),
}

/// The folder that holds `psql` and `pgbench`.
#[derive(Debug)]
pub struct Programs(PathBuf);

impl Programs {
    /// Takes the folder that was asked for, or finds one.
    pub async fn find(asked_for: Option<&Path>) -> Result<Self, PostgresError> {
        let mut candidates: Vec<PathBuf> = Vec::new();
        if let Some(folder) = asked_for {
            candidates.push(folder.to_path_buf());
        } else {
            let bindir = Command::new("pg_config").arg("--bindir").output().await;
            if let Ok(output) = bindir {
                candidates.push(String::from_utf8_lossy(&output.stdout).trim().into());
            }
            candidates.extend(versions_newest_first());
            let path = std::env::var_os("PATH").unwrap_or_default();
            candidates.extend(std::env::split_paths(&path));
        }
        candidates
            .into_iter()
            .find(|folder| folder.join("pgbench").is_file() && folder.join("psql").is_file())
            .map(Self)
            .ok_or(PostgresError::NotInstalled)
    }

    /// Runs SQL and answers what it printed, columns divided by `|`.
    pub async fn query(&self, url: &str, sql: &str) -> Result<String, PostgresError> {
        self.psql(url, ["-A", "-t", "-c", sql]).await
    }

    /// Writes out what was changed so far, so that it does not slow down what comes next.
    pub async fn checkpoint(&self, url: &str) {
        if let Err(error) = self.query(url, "CHECKPOINT").await {
            eprintln!("No checkpoint between the sides: {error}");
        }
    }

    /// Runs a file of SQL with psql variables.
    pub async fn script(
        &self,
        url: &str,
        file: &Path,
        variables: &[(&str, u64)],
    ) -> Result<(), PostgresError> {
        let mut arguments = Vec::new();
        for (name, value) in variables {
            arguments.extend(["-v".to_owned(), format!("{name}={value}")]);
        }
        arguments.extend(["-f".to_owned(), file.display().to_string()]);
        self.psql(url, &arguments).await?;
        Ok(())
    }

    async fn psql(
        &self,
        url: &str,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<String, PostgresError> {
        let mut command = Command::new(self.0.join("psql"));
        command
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1"])
            .args(arguments)
            .arg(url)
            .env("PGOPTIONS", "-c client_min_messages=warning");
        output("psql", command).await
    }

    /// Runs pgbench and answers what it printed.
    pub async fn pgbench(
        &self,
        url: &str,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<String, PostgresError> {
        let mut command = Command::new(self.0.join("pgbench"));
        command.args(arguments).arg(url);
        output("pgbench", command).await
    }
}

fn versions_newest_first() -> Vec<PathBuf> {
    let Ok(folders) = fs::read_dir(VERSIONS) else { return Vec::new() };
    let mut versions: Vec<(u32, PathBuf)> = folders
        .flatten()
        .filter_map(|folder| {
            let major = folder.file_name().to_str()?.parse().ok()?;
            Some((major, folder.path().join("bin")))
        })
        .collect();
    versions.sort_unstable_by(|left, right| right.cmp(left));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

async fn output(program: &'static str, mut command: Command) -> Result<String, PostgresError> {
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|source| PostgresError::Start { program, source })?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(PostgresError::Failed { program, stderr });
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The same connection URL with another database.
pub fn with_database(url: &str, database: &str) -> Result<String, PostgresError> {
    let no_name = || PostgresError::Url(url.to_owned());
    let (address, parameters) = match url.split_once('?') {
        Some((address, parameters)) => (address, format!("?{parameters}")),
        None => (url, String::new()),
    };
    let (scheme, rest) = address.split_once("://").ok_or_else(no_name)?;
    let (host, _) = rest.split_once('/').ok_or_else(no_name)?;
    Ok(format!("{scheme}://{host}/{database}{parameters}"))
}

#[cfg(test)]
mod tests {
    use super::with_database;

    #[test]
    fn only_the_database_of_a_url_changes() {
        for (url, expected) in [
            (
                "postgresql://purse@/purse?host=/var/run/purse",
                Some("postgresql://purse@/naive?host=/var/run/purse"),
            ),
            ("postgres://u:p@db:5433/purse", Some("postgres://u:p@db:5433/naive")),
            ("postgres://db/", Some("postgres://db/naive")),
            ("postgres://db", None),
            ("host=/var/run/purse", None),
        ] {
            assert_eq!(with_database(url, "naive").ok().as_deref(), expected, "{url}");
        }
    }
}
