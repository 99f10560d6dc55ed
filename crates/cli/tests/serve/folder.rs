//! A throw-away folder: the data folder of the servers of one test, and the files that they are given.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{cluster::Cluster, process::until};

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// Goes when it is dropped, once the PostgreSQL in it has stopped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Whoever runs the tests, also root, PostgreSQL's own user can reach it.
    pub fn new() -> Self {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("purse-serve-{}-{number}", process::id()));
        fs::create_dir(&root).unwrap();
        fs::set_permissions(&root, Permissions::from_mode(0o755)).unwrap();
        Self(root)
    }

    /// For `--data-dir`.
    pub fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    /// The private PostgreSQL.
    pub fn cluster(&self) -> Cluster {
        Cluster::in_data_folder(&self.data())
    }

    /// Writes a file.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Where a file of that name is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A server that was killed has told its PostgreSQL to stop, which still writes.
        until(|| self.cluster().processes().is_empty() && fs::remove_dir_all(&self.0).is_ok());
        // A test that has failed already must not fail again here.
        if self.0.exists() {
            eprintln!("cannot remove {}", self.0.display());
        }
    }
}
