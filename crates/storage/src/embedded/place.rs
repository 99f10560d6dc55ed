//! Where the private cluster lives: the data folder and what is in it.

use std::{
    env,
    fs::{self, File, Permissions},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::fs::{FlockOperation, flock};

use super::{EmbeddedError, Owner};

/// A unix socket's path has at most 107 bytes, of which PostgreSQL's file name takes some twenty.
const MOST_SOCKET_DIR_BYTES: usize = 80;

/// A data folder, locked for this process.
#[derive(Debug)]
pub(super) struct Place {
    root: PathBuf,
    socket_dir: PathBuf,
    fell_back_from: Option<PathBuf>,
    /// The lock lasts as long as the file is open.
    _lock: File,
}

impl Place {
    /// Makes and locks the data folder. Without a choice, falls back to one that the owner can reach.
    pub(super) fn prepare(chosen: Option<&Path>, owner: &Owner) -> Result<Self, EmbeddedError> {
        let (root, fell_back_from) = match chosen {
            Some(path) => (absolute(path)?, None),
            None => reachable_default(owner)?,
        };
        make_dir(&root, 0o755)?;
        if !is_reachable(&root, owner) {
            return Err(EmbeddedError::Unreachable { path: root, user: owner.name().to_owned() });
        }
        let lock =
            File::create(root.join("lock")).map_err(EmbeddedError::io("make the lock file"))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(EmbeddedError::InUse { path: root });
        }
        let socket_dir = socket_dir(&root);
        for folder in [&socket_dir, &root.join("log")] {
            make_dir(folder, 0o700)?;
            owner
                .take(folder)
                .map_err(EmbeddedError::io(format!("give away {}", folder.display())))?;
        }
        Ok(Self { root, socket_dir, fell_back_from, _lock: lock })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn cluster_dir(&self) -> PathBuf {
        self.root.join("postgres")
    }

    pub(super) fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    pub(super) fn log(&self) -> PathBuf {
        self.root.join("log").join("postgres.log")
    }

    pub(super) fn notice(&self) -> Option<String> {
        self.fell_back_from.as_ref().map(|from| {
            format!(
                "the data is in {}: PostgreSQL cannot reach {}",
                self.root.display(),
                from.display()
            )
        })
    }
}

/// `$XDG_DATA_HOME/purse`, `~/.local/share/purse`, or `/var/lib/purse` without a home.
pub fn default_data_dir() -> PathBuf {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_DATA_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".local/share")))
        .map_or_else(|| PathBuf::from("/var/lib/purse"), |data| data.join("purse"))
}

fn reachable_default(owner: &Owner) -> Result<(PathBuf, Option<PathBuf>), EmbeddedError> {
    let preferred =
        if owner.is_other() { PathBuf::from("/var/lib/purse") } else { default_data_dir() };
    for path in [preferred.clone(), PathBuf::from("/var/tmp/purse")] {
        if make_dir(&path, 0o755).is_ok() && is_reachable(&path, owner) {
            let fell_back_from = (path != preferred).then_some(preferred);
            return Ok((path, fell_back_from));
        }
    }
    Err(EmbeddedError::Unreachable { path: preferred, user: owner.name().to_owned() })
}

fn absolute(path: &Path) -> Result<PathBuf, EmbeddedError> {
    std::path::absolute(path).map_err(EmbeddedError::io(format!("resolve {}", path.display())))
}

fn make_dir(path: &Path, mode: u32) -> Result<(), EmbeddedError> {
    let what = || format!("make {}", path.display());
    let existed = path.is_dir();
    fs::create_dir_all(path).map_err(EmbeddedError::io(what()))?;
    if !existed || mode == 0o700 {
        fs::set_permissions(path, Permissions::from_mode(mode))
            .map_err(EmbeddedError::io(what()))?;
    }
    Ok(())
}

/// Asks the system as the owner, which knows all of its rules.
fn is_reachable(path: &Path, owner: &Owner) -> bool {
    let mut test = Command::new("test");
    test.arg("-x").arg(path).current_dir("/").stderr(Stdio::null());
    owner.run(&mut test).status().is_ok_and(|status| status.success())
}

fn socket_dir(root: &Path) -> PathBuf {
    let inside = root.join("run");
    if inside.as_os_str().len() <= MOST_SOCKET_DIR_BYTES {
        return inside;
    }
    let mut hasher = DefaultHasher::new();
    root.hash(&mut hasher);
    PathBuf::from(format!("/tmp/purse-{:016x}", hasher.finish()))
}
