//! `ServerProcess`: the real binary as a process of its own, its log read as JSON while it runs.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Notify;

use crate::client::Client;

/// How long a log entry may take that is waited for. Only a broken server takes that long.
const PATIENCE: Duration = Duration::from_secs(90);

/// What the server has logged so far.
#[derive(Debug, Default)]
pub(crate) struct Log {
    entries: Mutex<Vec<Value>>,
    more: Notify,
}

/// A running server. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    pub(crate) client: Client,
    #[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
    pub(crate) log: Arc<Log>,
    #[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
    pub(crate) pid: u32,
    child: Child,
}

impl ServerProcess {
    /// Starts a server on a free port and waits until it listens. It does not look at changes.
    pub(crate) async fn start(folder: &Path, args: &[&str]) -> Self {
        Self::start_with(folder, &[&["--no-watch"], args].concat()).await
    }

    /// The same, with a look at changes.
    #[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
    pub(crate) async fn start_watching(folder: &Path) -> Self {
        Self::start_with(folder, &[]).await
    }

    async fn start_with(folder: &Path, args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_nudge"))
            .args(["run-server", "--host", "127.0.0.1", "--port", "0", "--log", "json"])
            .args(args)
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Log::default());
        let (stderr, reading) = (child.stderr.take().unwrap(), Arc::clone(&log));
        std::thread::spawn(move || reading.read(stderr));
        let url = |entry: &Value| Some(entry["url"].as_str()?.trim_start_matches("http://").parse().unwrap());
        let address = log.wait("where the server listens", url).await;
        Self { client: Client { address }, log, pid: child.id(), child }
    }

    /// Whether it still runs.
    #[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
    pub(crate) fn lives(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Log {
    fn read(&self, stderr: ChildStderr) {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let entry = serde_json::from_str(&line).unwrap_or(Value::String(line));
            self.entries.lock().push(entry);
            self.more.notify_waiters();
        }
    }

    /// The first entry of which `find` makes something; waits for it.
    pub(crate) async fn wait<R>(&self, what: &str, find: impl Fn(&Value) -> Option<R>) -> R {
        let search = async {
            let mut seen = 0;
            loop {
                let more = self.more.notified();
                {
                    let entries = self.entries.lock();
                    if let Some(found) = entries[seen..].iter().find_map(&find) {
                        return found;
                    }
                    seen = entries.len();
                }
                more.await;
            }
        };
        tokio::time::timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("the log never said: {what}"))
    }

    /// Every entry so far of which `find` makes something.
    #[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
    pub(crate) fn all<R>(&self, find: impl Fn(&Value) -> Option<R>) -> Vec<R> {
        self.entries.lock().iter().filter_map(find).collect()
    }
}

/// Proportional resident memory of a process in kilobytes.
#[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
pub(crate) fn pss(pid: u32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
