//! Where the PostgreSQL server binaries are.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::EmbeddedError;

/// The oldest major version that Purse runs on.
const OLDEST: u32 = 14;

/// A folder that holds all programs that are needed.
#[derive(Debug, Clone)]
pub(super) struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// The first complete set of version 14 or later among `pg_config --bindir`, `PATH` and Debian's
    /// folders, newest first.
    pub(super) fn find() -> Result<Self, EmbeddedError> {
        candidates()
            .into_iter()
            .map(|folder| Self { folder })
            .find(|binaries| binaries.is_complete() && binaries.major() >= Some(OLDEST))
            .ok_or(EmbeddedError::NoBinaries)
    }

    /// The path of a program.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn is_complete(&self) -> bool {
        ["initdb", "postgres", "pg_ctl"].iter().all(|name| self.program(name).is_file())
    }

    fn major(&self) -> Option<u32> {
        let output = Command::new(self.program("postgres")).arg("--version").output().ok()?;
        let version = String::from_utf8_lossy(&output.stdout);
        let number = version.split_whitespace().find(|word| word.starts_with(char::is_numeric))?;
        number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    }
}

fn candidates() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        folders.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    if let Some(path) = env::var_os("PATH") {
        folders.extend(env::split_paths(&path));
    }
    folders.extend(debian_folders(Path::new("/usr/lib/postgresql")));
    folders
}

fn debian_folders(root: &Path) -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, folder)| folder).collect()
}
