//! The flags that every workload has.

use std::{fs, io, path::PathBuf};

use clap::{Args, value_parser};
use serde::Serialize;

use purse_process::{Database, Folder, Settings, purse_beside_this};

use crate::{load::Window, plot::Chart};

/// How long to measure.
#[derive(Debug, Args)]
pub struct Pace {
    /// Seconds measured, per round and side.
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u64).range(1..))]
    pub seconds: u64,
    /// Seconds before that, not measured.
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    pub warm_up: u64,
    /// Rounds per workload; the sides take turns.
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u32).range(1..))]
    pub rounds: u32,
}

impl Pace {
    /// The time of one round.
    pub fn window(&self) -> Window {
        Window { warm_up_seconds: self.warm_up, measured_seconds: self.seconds }
    }

    /// The time in words, for the report.
    pub fn in_words(&self) -> String {
        let Self { seconds, warm_up, rounds } = self;
        format!("{seconds} s measured after {warm_up} s of warm-up; rounds in turns: {rounds}")
    }
}

/// What to measure, and where the figures go.
#[derive(Debug, Args)]
pub struct Place {
    /// The server's binary; default: `purse` beside this one.
    #[arg(long, value_name = "FILE")]
    pub purse: Option<PathBuf>,
    /// A data folder to keep, so that the next run finds its wallets there; default: a throw-away one.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The PostgreSQL to work on, as a URL; default: the one that `purse serve` embeds.
    #[arg(long, value_name = "URL", conflicts_with = "data_dir")]
    pub database: Option<String>,
    /// The folder of PostgreSQL's programs; default: found.
    #[arg(long, value_name = "DIR")]
    pub pg_bin: Option<PathBuf>,
    /// Also write the report there, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Where a plot goes.
#[derive(Debug, Args)]
pub struct PlotPlace {
    /// Also draw the figures there, as SVG.
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

impl PlotPlace {
    /// Draws the chart, if that was asked for.
    pub fn write(&self, chart: &Chart) -> io::Result<()> {
        if let Some(file) = &self.plot {
            fs::write(file, chart.to_string())?;
            eprintln!("Drawn in {}.", file.display());
        }
        Ok(())
    }
}

impl Place {
    /// How the server is started.
    pub fn server(&self, folder: &Folder) -> io::Result<Settings> {
        let data = self.data_dir.clone().unwrap_or_else(|| folder.path().join("data"));
        Ok(Settings {
            purse: self.purse.clone().map_or_else(purse_beside_this, Ok)?,
            data,
            database: self.database.clone().map(|url| Database { url, migrate: true }),
            log: folder.path().join("server.log"),
            listen: None,
            arguments: Vec::new(),
            gives_way: false,
        })
    }

    /// Writes the report as JSON, if that was asked for.
    pub fn write(&self, report: &impl Serialize) -> io::Result<()> {
        if let Some(file) = &self.json {
            fs::write(file, serde_json::to_string_pretty(report)?)?;
            eprintln!("Written to {}.", file.display());
        }
        Ok(())
    }
}

/// Says so if the figures will mean nothing.
pub fn warn_of_a_debug_build() {
    if cfg!(debug_assertions) {
        eprintln!("A debug build: the figures mean nothing. Run it with --release.");
    }
}
