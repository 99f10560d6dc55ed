//! A running `purse serve`.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use purse_client::{Client, ClientOptions, RetryPolicy, Token};
use rustix::process::{Pid, Signal, kill_process};
use tonic::transport::Channel;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    folder::Folder,
    process::{LOOK, PATIENCE, purse, until, wait},
};

/// The service whose health is readiness.
pub const READINESS: &str = "purse.v1.WalletService";
/// What the line that names the address begins with.
const SERVING: &str = "purse: serving on ";

/// `purse serve` on a data folder. It takes a free port and says which.
pub fn serve(folder: &Folder) -> Command {
    let mut command = purse();
    command.arg("serve").arg("--data-dir").arg(folder.data());
    command.args(["--listen", "127.0.0.1:0", "--metrics-listen", "off"]);
    command
}

/// Killed when it is dropped.
#[derive(Debug)]
pub struct Server {
    process: Child,
    endpoint: String,
    log: PathBuf,
}

impl Server {
    /// Starts on a data folder and waits until it is ready.
    pub async fn start(folder: &Folder) -> Self {
        Self::start_with(folder, |command| command).await
    }

    /// The same with more arguments or variables.
    pub async fn start_with(
        folder: &Folder,
        configure: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Self {
        let mut server = Self::spawn(folder, configure);
        server.find_endpoint();
        server.wait_until_ready().await;
        server
    }

    /// Starts and does not wait.
    pub fn spawn(folder: &Folder, configure: impl FnOnce(&mut Command) -> &mut Command) -> Self {
        let log = folder.path("stderr.log");
        let mut command = serve(folder);
        configure(&mut command).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        Self { process: command.spawn().unwrap(), endpoint: String::new(), log }
    }

    /// The URL of the service.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// A client with a connection of its own, which tries each call once.
    pub fn client(&self) -> Client {
        self.connect(None)
    }

    pub fn client_with(&self, token: &str) -> Client {
        self.connect(Some(Token::new(token)))
    }

    fn connect(&self, token: Option<Token>) -> Client {
        Client::connect(ClientOptions {
            token,
            timeout: Duration::from_secs(5),
            retry: RetryPolicy::never(),
            ..ClientOptions::new(&self.endpoint)
        })
        .unwrap()
    }

    pub fn channel(&self) -> Channel {
        Channel::from_shared(self.endpoint.clone()).unwrap().connect_lazy()
    }

    /// Waits until the service says that it is ready.
    pub async fn wait_until_ready(&self) {
        let mut health = HealthClient::new(self.channel());
        let ready = async {
            loop {
                let request = HealthCheckRequest { service: READINESS.to_owned() };
                let answer = health.check(request).await;
                if answer.is_ok_and(|answer| answer.get_ref().status() == ServingStatus::Serving) {
                    return;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, ready).await;
        assert!(in_time.is_ok(), "it does not become ready:\n{}", self.log());
    }

    /// `kill -9`, without a chance to clean up.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Asks it to stop with SIGTERM, and gives its exit code and what it logged.
    pub fn stop(mut self) -> (Option<i32>, String) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
        let status = wait(&mut self.process);
        let log = self.log();
        (status.unwrap_or_else(|| panic!("it does not stop:\n{log}")).code(), log)
    }

    /// What it has written on standard error.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn find_endpoint(&mut self) {
        let found = until(|| {
            let log = self.log();
            // The line may be read while it is written.
            let mut lines = log.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
            if let Some(endpoint) = lines.find_map(|line| line.strip_prefix(SERVING)) {
                endpoint.clone_into(&mut self.endpoint);
            }
            let has_ended = self.process.try_wait().unwrap().is_some();
            !self.endpoint.is_empty() || has_ended
        });
        assert!(found && !self.endpoint.is_empty(), "it does not serve:\n{}", self.log());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
