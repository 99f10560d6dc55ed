//! The private PostgreSQL of a data folder, seen from outside: its files and its processes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::process::{Pid, Signal, kill_process};

/// A process of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    pub pid: i32,
    pub parent: i32,
}

/// The cluster of a data folder.
#[derive(Debug)]
pub struct Cluster {
    data: PathBuf,
}

impl Cluster {
    pub fn in_data_folder(data: &Path) -> Self {
        Self { data: data.to_owned() }
    }

    /// The URL that other tools are told.
    pub fn url(&self) -> String {
        fs::read_to_string(self.data.join("connection")).unwrap().trim().to_owned()
    }

    /// The process that all others of the cluster come from.
    pub fn postmaster(&self) -> i32 {
        let file = fs::read_to_string(self.data.join("postgres/postmaster.pid")).unwrap();
        file.lines().next().unwrap().trim().parse().unwrap()
    }

    /// Kills it as the system does when memory runs out: at once, and nobody else.
    pub fn kill_postmaster(&self) {
        kill_process(Pid::from_raw(self.postmaster()).unwrap(), Signal::KILL).unwrap();
    }

    /// A file of a cluster that is being made, in whatever folder beside the final one.
    pub fn is_half_made_with(&self, file: &str) -> bool {
        let folders = fs::read_dir(&self.data).into_iter().flatten().flatten();
        folders
            .filter(|folder| folder.file_name().to_string_lossy().starts_with("postgres."))
            .any(|folder| folder.path().join(file).exists())
    }

    /// All processes of the cluster. PostgreSQL makes the cluster's folder their working folder.
    pub fn processes(&self) -> Vec<Process> {
        let works_here = |process: &Path| {
            fs::read_link(process.join("cwd")).is_ok_and(|folder| folder.starts_with(&self.data))
        };
        fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter(|entry| works_here(&entry.path()))
            .filter_map(|entry| {
                let pid = entry.file_name().to_str()?.parse().ok()?;
                Some(Process { pid, parent: parent(&entry.path())? })
            })
            .collect()
    }
}

/// Field 4 of `stat`; field 2, the name in brackets, may hold blanks.
fn parent(process: &Path) -> Option<i32> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}
