//! As whom PostgreSQL runs.

use std::{
    fs, io,
    os::unix::{fs::chown, process::CommandExt as _},
    path::Path,
    process::Command,
};

use super::EmbeddedError;

/// The user that owns the data and runs the server.
#[derive(Debug, Clone)]
pub(super) struct Owner {
    name: String,
    /// Another user than this process's own; only for root.
    other: Option<(u32, u32)>,
}

impl Owner {
    /// This user or, as PostgreSQL refuses root, `postgres`, else `nobody`.
    pub(super) fn of_this_process() -> Result<Self, EmbeddedError> {
        if !rustix::process::geteuid().is_root() {
            let name = format!("with id {}", rustix::process::geteuid().as_raw());
            return Ok(Self { name, other: None });
        }
        let users =
            fs::read_to_string("/etc/passwd").map_err(EmbeddedError::io("read /etc/passwd"))?;
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| {
                let other = Some(ids(&users, name)?);
                Some(Self { name: (*name).to_owned(), other })
            })
            .ok_or_else(|| EmbeddedError::Io {
                what: "find a user to run PostgreSQL as: neither postgres nor nobody exists"
                    .to_owned(),
                source: io::ErrorKind::NotFound.into(),
            })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the server runs as another user than this process.
    pub(super) fn is_other(&self) -> bool {
        self.other.is_some()
    }

    /// Lets a program run as the owner.
    pub(super) fn run<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        match self.other {
            Some((user, group)) => command.uid(user).gid(group),
            None => command,
        }
    }

    /// Gives a folder to the owner.
    pub(super) fn take(&self, path: &Path) -> io::Result<()> {
        match self.other {
            Some((user, group)) => chown(path, Some(user), Some(group)),
            None => Ok(()),
        }
    }
}

/// User and group id of a user in the text of `/etc/passwd`.
fn ids(users: &str, name: &str) -> Option<(u32, u32)> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then_some(())?;
        let user = fields.nth(1)?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        Some((user, group))
    })
}
