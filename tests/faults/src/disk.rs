//! A disk that can be filled and grown: a file system in memory, mounted in a folder of the run.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use rustix::{
    fs::statvfs,
    mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount},
};

/// A new cluster takes some 60 MiB; the rest is for the load.
const FIRST_MEBIBYTES: u64 = 224;
/// What each growth leaves free.
const ROOM_MEBIBYTES: u64 = 192;
const MEBIBYTE: u64 = 1_024 * 1_024;
/// Not only the data but many small files fit.
static CHUNK: [u8; 64 * 1_024] = [0; 64 * 1_024];

/// A mounted file system, which goes when it is dropped.
#[derive(Debug)]
pub struct Disk {
    at: PathBuf,
    fillings: u32,
}

impl Disk {
    /// Mounts one in a new folder.
    pub fn mount(at: PathBuf) -> io::Result<Self> {
        fs::create_dir(&at)?;
        let options = cstring(&format!("size={FIRST_MEBIBYTES}m,mode=755"))?;
        mount("purse-faults", &at, "tmpfs", MountFlags::empty(), options.as_c_str())?;
        Ok(Self { at, fillings: 0 })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Writes until nothing more fits.
    pub fn fill(&mut self) -> io::Result<()> {
        self.fillings += 1;
        let mut file = File::create(self.at.join(format!("ballast-{}", self.fillings)))?;
        loop {
            match file.write_all(&CHUNK) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes room again: what is there stays, and the file system becomes larger.
    pub fn grow(&self) -> io::Result<()> {
        let found = statvfs(&self.at)?;
        let used = (found.f_blocks - found.f_bfree) * found.f_frsize / MEBIBYTE;
        let options = cstring(&format!("size={}m", used + ROOM_MEBIBYTES))?;
        Ok(mount_remount(&self.at, MountFlags::empty(), options.as_c_str())?)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whoever still has a file open there keeps it until then.
        if let Err(error) = unmount(&self.at, UnmountFlags::DETACH) {
            eprintln!("{} stays mounted: {error}", self.at.display());
        }
    }
}

fn cstring(text: &str) -> io::Result<std::ffi::CString> {
    Ok(std::ffi::CString::new(text)?)
}
