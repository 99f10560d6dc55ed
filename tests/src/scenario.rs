//! A scenario file. The README beside the files describes the format.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;

use crate::{
    driver::WalletRef,
    instant::{Instant, Span},
    step::Step,
};

/// The asset of scenarios that do not care, at the default scale.
const SHARED_ASSET: &str = "credits";

/// A scenario.
#[derive(Debug)]
pub struct Scenario {
    /// What the file says.
    pub file: File,
    /// The file's name without its ending: it names the account.
    pub name: String,
    text: String,
}

/// A file's content.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The rule, as a sentence.
    pub title: String,
    /// The numbers of the worked examples that it plays, or what else it is about.
    pub scenario: String,
    /// When it begins.
    pub start: Instant,
    /// The number of decimal places of an asset of its own; absent: the shared asset, which has six.
    pub scale: Option<i32>,
    /// The order in which the wallet's grants are drawn; absent: the default.
    #[serde(default)]
    pub policy: String,
    /// How far spends may take the wallet's balance below zero; absent: not at all.
    #[serde(default)]
    pub overdraft_limit: String,
    /// The amounts below which the wallet's balance is low.
    pub low_balance_thresholds: Option<Vec<String>>,
    /// How long before a grant expires it is announced.
    pub expiring_soon_leads: Option<Vec<Span>>,
    /// Whether there is a wallet from the beginning.
    #[serde(default = "yes")]
    pub opened: bool,
    /// What happens.
    pub steps: Vec<Spanned<Step>>,
}

fn yes() -> bool {
    true
}

/// Why a file is no scenario.
#[derive(Debug, Error)]
pub enum ScenarioError {
    /// It cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not as the format says.
    #[error("{path} is no scenario")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<toml::de::Error>,
    },
}

impl Scenario {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ScenarioError::Unreadable { path: path.to_owned(), source })?;
        let file = toml::from_str(&text).map_err(|source| ScenarioError::Malformed {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        Ok(Self { file, name: name.unwrap_or_default(), text })
    }

    /// The wallet that steps are about if they name no other. Its account, and its asset if the file chooses the
    /// scale, belong to the file alone, so that all files can run on one server.
    pub fn wallet(&self) -> WalletRef {
        let asset = if self.file.scale.is_some() { &self.name } else { SHARED_ASSET };
        WalletRef { account: self.name.clone(), asset: asset.to_owned() }
    }

    /// The line on which a step begins.
    pub fn line_of(&self, step: &Spanned<Step>) -> usize {
        let before = self.text.get(..step.span().start).unwrap_or_default();
        before.matches('\n').count() + 1
    }
}

/// All scenario files, by name.
pub fn scenario_files() -> io::Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut files = Vec::new();
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
