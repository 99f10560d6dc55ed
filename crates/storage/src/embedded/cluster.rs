//! Making a cluster and starting its server.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};

use super::{Binaries, EmbeddedError, Owner, Place};

/// The role that owns everything; reached only through the socket, whose folder is closed to others.
pub(super) const SUPERUSER: &str = "purse";
/// How the folders of clusters begin that are being made.
const HALF_MADE: &str = "postgres.new.";
/// Crash recovery after a busy day takes some seconds; this is for slow disks.
const READY_TIMEOUT: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(10);
/// A quarter of this machine's memory at most, and no more than helps.
const MOST_SHARED_BUFFERS_MIB: u64 = 4_096;
const LEAST_SHARED_BUFFERS_MIB: u64 = 128;

/// A cluster that is made and not running.
#[derive(Debug)]
pub(super) struct Cluster {
    binaries: Binaries,
    owner: Owner,
    place: Place,
}

impl Cluster {
    /// Makes the cluster if there is none, and stops a server that an earlier process left running.
    pub(super) fn prepare(
        binaries: Binaries,
        owner: Owner,
        place: Place,
    ) -> Result<Self, EmbeddedError> {
        let cluster = Self { binaries, owner, place };
        if cluster.place.cluster_dir().is_dir() {
            cluster.stop_leftover()?;
        } else {
            cluster.init()?;
        }
        Ok(cluster)
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Into a folder beside, then renamed: a cluster is there whole or not at all. Each process has a folder
    /// of its own, because one that was killed may have left an `initdb` that still writes.
    fn init(&self) -> Result<(), EmbeddedError> {
        let target = self.place.cluster_dir();
        self.remove_half_made();
        let new = self.place.root().join(format!("{HALF_MADE}{}", std::process::id()));
        fs::create_dir(&new).map_err(EmbeddedError::io("make the cluster's folder"))?;
        self.owner.take(&new).map_err(EmbeddedError::io("give away the cluster's folder"))?;
        self.run("initdb", |command| {
            command
                .arg("--pgdata")
                .arg(&new)
                .args(["--username", SUPERUSER])
                .args(["--auth", "trust", "--encoding", "UTF8", "--locale", "C"])
                .args(["--data-checksums", "--no-instructions"])
        })?;
        fs::rename(&new, &target).map_err(EmbeddedError::io("put the cluster in its place"))
    }

    /// What an earlier process did not finish. If that is still being written it stays until a later start.
    fn remove_half_made(&self) {
        for entry in fs::read_dir(self.place.root()).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(HALF_MADE)
                && let Err(error) = fs::remove_dir_all(entry.path())
            {
                tracing::debug!(%error, "a half-made cluster stays for now");
            }
        }
    }

    /// `pg_ctl` judges whether `postmaster.pid` is stale; a live server is one whose parent was killed and
    /// which is about to stop.
    fn stop_leftover(&self) -> Result<(), EmbeddedError> {
        let data = self.place.cluster_dir();
        let status = self.output("pg_ctl", |command| command.arg("status").arg("-D").arg(&data))?;
        if status.status.success() {
            let stop = self.output("pg_ctl", |command| {
                command.arg("stop").arg("-D").arg(&data).args(["-m", "fast", "-w", "-t", "60"])
            })?;
            tracing::info!(
                stopped = stop.status.success(),
                "an earlier PostgreSQL was still running"
            );
        }
        Ok(())
    }

    /// Starts the server as a child of the calling thread, with which it dies.
    pub(super) fn spawn(&self) -> Result<Child, EmbeddedError> {
        let log_path = self.place.log();
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log_path)
            .map_err(EmbeddedError::io(format!("open {}", log_path.display())))?;
        let errors = log.try_clone().map_err(EmbeddedError::io("share the log"))?;
        let mut command = Command::new(self.binaries.program("postgres"));
        command.arg("-D").arg(self.place.cluster_dir());
        for setting in settings(self.place.socket_dir()) {
            command.arg("-c").arg(setting);
        }
        command.current_dir("/").stdin(Stdio::null()).stdout(log).stderr(errors);
        // A group of its own: Ctrl-C is for Purse, which drains before it stops the database.
        command.process_group(0);
        self.owner.run(&mut command);
        die_with_parent(&mut command);
        command.spawn().map_err(EmbeddedError::io("start postgres"))
    }

    /// Waits until the server of `child` takes connections.
    pub(super) fn wait_ready(&self, child: &mut Child) -> Result<(), EmbeddedError> {
        let started = Instant::now();
        while started.elapsed() < READY_TIMEOUT {
            if is_ready(&self.place.cluster_dir().join("postmaster.pid"), child.id()) {
                return Ok(());
            }
            if let Ok(Some(_)) = child.try_wait() {
                return Err(EmbeddedError::Program {
                    program: "postgres",
                    output: self.log_tail(),
                });
            }
            thread::sleep(POLL);
        }
        Err(EmbeddedError::NotReady { waited: READY_TIMEOUT, log: self.place.log() })
    }

    fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.place.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    fn run(
        &self,
        program: &'static str,
        arguments: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Result<(), EmbeddedError> {
        let output = self.output(program, arguments)?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(EmbeddedError::Program { program, output: text })
    }

    fn output(
        &self,
        program: &'static str,
        arguments: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Result<Output, EmbeddedError> {
        let mut command = Command::new(self.binaries.program(program));
        command.current_dir("/").stdin(Stdio::null());
        arguments(&mut command);
        self.owner.run(&mut command).output().map_err(EmbeddedError::io(format!("run {program}")))
    }
}

/// Line 1 of `postmaster.pid` is the server's process, line 8 its state.
fn is_ready(path: &Path, pid: u32) -> bool {
    let Ok(text) = fs::read_to_string(path) else { return false };
    let mut lines = text.lines();
    let is_this = lines.next().and_then(|line| line.trim().parse().ok()) == Some(pid);
    is_this && lines.nth(6).is_some_and(|state| state.trim() == "ready")
}

/// Durability is PostgreSQL's default and said again here; the rest is sized for a ledger's many small
/// writes.
fn settings(socket_dir: &Path) -> Vec<String> {
    let mut settings: Vec<String> = [
        "listen_addresses=",
        "unix_socket_permissions=0700",
        "fsync=on",
        "synchronous_commit=on",
        "full_page_writes=on",
        "timezone=UTC",
        "max_connections=100",
        "max_wal_size=8GB",
        "checkpoint_timeout=15min",
        "random_page_cost=1.1",
        "jit=off",
    ]
    .map(str::to_owned)
    .into();
    settings.push(format!("unix_socket_directories={}", socket_dir.display()));
    settings.push(format!("shared_buffers={}MB", shared_buffers_mib()));
    settings
}

fn shared_buffers_mib() -> u64 {
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: u64 = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok())
        .unwrap_or(0);
    (kib / 1_024 / 6).clamp(LEAST_SHARED_BUFFERS_MIB, MOST_SHARED_BUFFERS_MIB)
}

/// Asks the kernel to stop the child (fast shutdown) when the thread that spawned it ends.
#[allow(
    unsafe_code,
    reason = "the death signal can only be set in the child, after its user is set"
)]
fn die_with_parent(command: &mut Command) {
    let parent = getpid();
    // SAFETY: between fork and exec only these two system calls are made; neither allocates.
    unsafe {
        command.pre_exec(move || {
            set_parent_process_death_signal(Some(Signal::INT))?;
            if getppid() == Some(parent) {
                Ok(())
            } else {
                Err(io::Error::other("the parent is gone"))
            }
        });
    }
}

/// The process of a child.
pub(super) fn pid(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

/// Removes a data folder once its server has stopped, after the calling process has ended in whatever way:
/// a shell waits for the end of its input, which is the other end of a pipe that this process holds.
pub(super) fn remove_afterwards(root: &Path) -> Result<Child, EmbeddedError> {
    const SCRIPT: &str = r#"
        cat > /dev/null
        for _ in $(seq 300); do
            server=$(head -n 1 "$1/postgres/postmaster.pid" 2> /dev/null) || break
            kill -0 "$server" 2> /dev/null || break
            sleep 0.1
        done
        rm -rf -- "$1""#;
    let root: PathBuf = root.to_owned();
    Command::new("sh")
        .args(["-c", SCRIPT, "sh"])
        .arg(root)
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(EmbeddedError::io("start the removal of a throw-away cluster"))
}
