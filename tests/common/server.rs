//! The real server as a process of its own, so that it can be killed; what it has stored; and a client that says when it
//! is gone.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rusqlite::{Connection, OpenFlags};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::net::TcpStream;

/// How long anything may take that is waited for. Only a broken server takes that long.
const PATIENCE: Duration = Duration::from_secs(30);

/// The content type of nearly everything.
const JSON: &str = "application/json";

/// A workspace with these files.
pub(crate) fn workspace(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// A running `nudge run-server`. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    folder: PathBuf,
    pub(crate) address: SocketAddr,
    /// From the start of the process until it said where it listens.
    #[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
    pub(crate) start_up: Duration,
}

#[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
impl Server {
    /// Starts it on a free port, in production, and waits until it says where it listens.
    pub(crate) fn start(folder: &Path, args: &[&str]) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_nudge")), folder, args)
    }

    /// The same with so many open files at most.
    pub(crate) fn start_with_files(most: u32, folder: &Path, args: &[&str]) -> Self {
        let mut limited = Command::new("prlimit");
        limited.arg(format!("--nofile={most}")).arg(env!("CARGO_BIN_EXE_nudge"));
        Self::start_by(limited, folder, args)
    }

    /// The same as somebody who may not have more than so many processes and threads: the limit does not hold for root.
    pub(crate) fn start_with_processes(most: u32, folder: &Path, args: &[&str]) -> Self {
        const NOBODY: u32 = 65_534;
        let own = rustix::process::geteuid();
        let most = if own.is_root() { most } else { most + threads_of(own.as_raw()) };
        let mut limited = Command::new("prlimit");
        if own.is_root() {
            give(folder, NOBODY);
            limited.uid(NOBODY).gid(NOBODY);
        }
        limited.arg(format!("--nproc={most}")).arg(env!("CARGO_BIN_EXE_nudge"));
        Self::start_by(limited, folder, args)
    }

    /// The same where the system grants so many watches of folders and so many watchers; nothing where nobody may say that.
    pub(crate) fn start_with_watches(watches: u32, watchers: u32, folder: &Path, args: &[&str]) -> Option<Self> {
        let limit = |command: &str| {
            let sh = format!(
                "cd /proc/sys/user && echo {watches} > max_inotify_watches && echo {watchers} > max_inotify_instances \
                 && cd \"$OLDPWD\" && {command}"
            );
            let mut limited = Command::new("unshare");
            limited.args(["-Ur", "sh", "-c", &sh, env!("CARGO_BIN_EXE_nudge")]);
            limited
        };
        let granted = limit("true").status().is_ok_and(|status| status.success());
        granted.then(|| Self::start_by(limit("exec \"$0\" \"$@\""), folder, args))
    }

    fn start_by(mut command: Command, folder: &Path, args: &[&str]) -> Self {
        let started = Instant::now();
        let log = File::options().create(true).append(true).open(folder.join("server.log")).unwrap();
        let mut child = command
            .args(["run-server", "--port", "0", "--host", "127.0.0.1"])
            .args(args)
            .current_dir(folder)
            .env("NO_COLOR", "1")
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        while !greeting.contains("  scripts  ") {
            let more = stdout.read_line(&mut greeting).unwrap();
            assert!(more > 0, "the server ended: {greeting}{}", log_of(folder));
        }
        let start_up = started.elapsed();
        std::thread::spawn(move || stdout.read_to_string(&mut String::new()));
        let port = greeting.split_once("http://").unwrap().1.split_whitespace().next().unwrap();
        let port = port.rsplit_once(':').unwrap().1.parse().unwrap();
        Self { child, folder: folder.to_owned(), address: ([127, 0, 0, 1], port).into(), start_up }
    }

    /// `kill -9`: nothing is finished, nothing is closed.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// `SIGTERM`; waits until it has ended.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }

    /// Waits until it has ended.
    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What `/status` says of the queue.
    pub(crate) async fn queue(&self) -> serde_json::Value {
        let (status, body) = Caller::to(self.address).get("/status").await.unwrap();
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<serde_json::Value>(&body).unwrap()["queue"].take()
    }

    /// Waits until nothing is left to do.
    pub(crate) async fn idle(&self) {
        let started = Instant::now();
        loop {
            let queue = self.queue().await;
            if count(&self.folder, "SELECT count(*) FROM queue WHERE poison IS NULL") == 0
                && queue["waiting"] == 0
                && queue["inFlight"].as_u64().unwrap() == 0
            {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "events are not processed: {queue}\n{}", log_of(&self.folder));
        }
    }

    /// Waits until what is asked for is so.
    pub(crate) async fn until(&self, what: &str, mut so: impl FnMut(&Self) -> bool) {
        let started = Instant::now();
        while !so(self) {
            assert!(started.elapsed() < PATIENCE, "it never came to this: {what}\n{}", log_of(&self.folder));
            // A round trip, so that the server gets on meanwhile.
            self.queue().await;
        }
    }
}

/// Gives a file or folder, with all that is in it, to a user.
fn give(path: &Path, user: u32) {
    chown(path, Some(user), Some(user)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), user);
        }
    }
}

/// How many threads a user has: that many are taken from what the user may have.
fn threads_of(user: u32) -> u32 {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let own = entries.filter(|entry| entry.metadata().is_ok_and(|metadata| metadata.uid() == user));
    // A process may go while it is looked at.
    let threads = own.filter_map(|entry| fs::read_dir(entry.path().join("task")).ok()).map(Iterator::count);
    u32::try_from(threads.sum::<usize>()).unwrap()
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has gone already where a test ended it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What servers in this folder have written to the log, but for the line that each event has in development.
#[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
pub(crate) fn log_of(folder: &Path) -> String {
    let log = fs::read_to_string(folder.join("server.log")).unwrap();
    log.split_inclusive('\n').filter(|line| !line.contains(" info  event ")).collect()
}

fn database(folder: &Path) -> Connection {
    let connection = Connection::open_with_flags(folder.join("data.db"), OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    connection.busy_timeout(PATIENCE).unwrap();
    connection.pragma_update(None, "query_only", true).unwrap();
    connection
}

/// The number that a query gives.
pub(crate) fn count(folder: &Path, sql: &str) -> u64 {
    database(folder).query_row(sql, [], |row| row.get(0)).unwrap()
}

/// The bot's stored messages as (user, text), in the order of their events and of the replies within each.
#[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
pub(crate) fn replies(folder: &Path) -> Vec<(String, String)> {
    let connection = database(folder);
    let mut statement = connection
        .prepare(
            "SELECT c.user_id, m.message_text FROM messages m JOIN conversations c ON c.id = m.conversation \
             WHERE m.user_id IS NULL ORDER BY m.event, m.sequence",
        )
        .unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// The server is gone, or went while it was asked.
#[derive(Debug)]
pub(crate) struct Gone;

/// One connection that is kept, and opened again where the server closed it.
pub(crate) struct Caller {
    address: SocketAddr,
    sender: Option<SendRequest<Full<Bytes>>>,
}

#[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
impl Caller {
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self { address, sender: None }
    }

    /// Status and body of the answer.
    pub(crate) async fn get(&mut self, path: &str) -> Result<(u16, String), Gone> {
        self.send("GET", path, JSON, String::new()).await
    }

    /// Posts JSON text.
    pub(crate) async fn post(&mut self, path: &str, body: String) -> Result<(u16, String), Gone> {
        self.send("POST", path, JSON, body).await
    }

    /// Posts something else.
    pub(crate) async fn post_as(&mut self, kind: &str, path: &str, body: String) -> Result<(u16, String), Gone> {
        self.send("POST", path, kind, body).await
    }

    async fn send(&mut self, method: &str, path: &str, kind: &str, body: String) -> Result<(u16, String), Gone> {
        let mut sender = match self.sender.take().filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => {
                let stream = TcpStream::connect(self.address).await.map_err(|_| Gone)?;
                let made = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
                let (sender, connection) = made.map_err(|_| Gone)?;
                tokio::spawn(connection);
                sender
            }
        };
        sender.ready().await.map_err(|_| Gone)?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("content-type", kind)
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let answer = sender.send_request(request).await.map_err(|_| Gone)?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.map_err(|_| Gone)?.to_bytes();
        self.sender = Some(sender);
        Ok((status, String::from_utf8(body.to_vec()).unwrap()))
    }
}
