//! The throw-away folder of one run.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process,
};

/// On disk on nearly every system, while `/tmp` is often memory, where `fsync` costs nothing and
/// the figures would be wrong. Also readable by other users, which matters when root runs this and
/// PostgreSQL must not be root.
const PARENT: &str = "/var/tmp";

/// A folder that is removed when this is dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes the folder of this process; `name` says whose it is.
    pub fn create(name: &str) -> io::Result<Self> {
        let path = Path::new(PARENT).join(format!("{name}-{}", process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} is left behind: {error}", self.0.display());
        }
    }
}
