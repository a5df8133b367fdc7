//! What the server does when it is sent a signal, when who started it is gone, and when nobody reads what it writes.
#![cfg(target_os = "linux")]

#[path = "common/processes.rs"]
mod processes;
#[path = "common/server.rs"]
mod server;

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use server::{Caller, Server, log_of, replies, workspace};

const HOOK: &str = "hooks/before_incoming_middleware/say.js";
const SAY: &str = "event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
if (event.type === 'wait') await new Promise(go => setTimeout(go, 14000))
if (event.type === 'say') {
  await bp.events.replyToEvent(event, [{ type: 'text', text: 'said' }])
}";

async fn post(address: std::net::SocketAddr, user: &str, kind: &str) {
    let path = format!("/api/v1/bots/welcome-bot/mod/channel-web/events/{user}");
    let body = format!(r#"{{"type":"{kind}"}}"#);
    assert_eq!(Caller::to(address).post(&path, body).await.unwrap().0, 200);
}

fn signal(process: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(process).unwrap()).unwrap(), signal).unwrap();
}

/// A server that another process has started, which may end before it.
struct Started {
    parent: Child,
    /// What it writes, as long as somebody is to read it.
    output: Option<(BufReader<ChildStdout>, Option<ChildStderr>)>,
    address: std::net::SocketAddr,
    pid: u32,
}

impl Started {
    /// A shell says the server's number and waits for it.
    fn by_a_shell(folder: &Path) -> Self {
        let mut parent = Command::new("sh")
            .args(["-c", "\"$0\" run-server --port 0 --host 127.0.0.1 --production --no-watch & echo \"pid $!\"; wait"])
            .arg(env!("CARGO_BIN_EXE_nudge"))
            .current_dir(folder)
            .env("NO_COLOR", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut stdout, stderr) = (BufReader::new(parent.stdout.take().unwrap()), parent.stderr.take());
        let (mut pid, mut port) = (None, None);
        while pid.is_none() || port.is_none() {
            let mut line = String::new();
            assert!(stdout.read_line(&mut line).unwrap() > 0, "the server ended");
            if let Some(number) = line.strip_prefix("pid ") {
                pid = Some(number.trim().parse().unwrap());
            } else if let Some((_, url)) = line.split_once("http://") {
                let host = url.split_whitespace().next().unwrap();
                port = Some(host.rsplit_once(':').unwrap().1.parse::<u16>().unwrap());
            }
        }
        let output = Some((stdout, stderr));
        Self { parent, output, address: ([127, 0, 0, 1], port.unwrap()).into(), pid: pid.unwrap() }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Where a test has ended it, it is gone already.
        if let Some(pid) = Pid::from_raw(i32::try_from(self.pid).unwrap()) {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = self.parent.kill();
        let _ = self.parent.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_that_mean_nothing_change_nothing_and_are_said() {
    let folder = workspace(&[(HOOK, SAY)]);
    let folder = folder.path();
    let server = Server::start(folder, &["--production", "--no-watch"]);
    let nothing = [Signal::USR1, Signal::USR2, Signal::ALARM];
    let silent = [Signal::PIPE, Signal::WINCH, Signal::CHILD, Signal::CONT, Signal::URG];
    for kind in nothing.into_iter().chain(silent) {
        signal(server.pid(), kind);
    }
    post(server.address, "ann", "say").await;
    server.idle().await;
    assert_eq!(replies(folder), [("ann".to_owned(), "said".to_owned())]);
    for name in ["SIGUSR1", "SIGUSR2", "SIGALRM"] {
        let said = format!("{name} means nothing to this server");
        server.until(&said, |_| log_of(folder).contains(&said)).await;
    }
    assert!(server.terminate().success());
}

/// The process of a server that reads files.
fn reader(server: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{server}/task/{server}/children")).unwrap_or_default();
    let threads = std::fs::read_dir(format!("/proc/{server}/task")).unwrap();
    let of_threads = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("children")).ok());
    let all: Vec<String> = of_threads.chain([children]).collect();
    let mut all = all.iter().flat_map(|list| list.split_whitespace()).filter_map(|pid| pid.parse().ok());
    all.find(|pid| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"nudge-reader")))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_a_process_that_the_system_does_not_grant() {
    let folder = workspace(&[(HOOK, SAY)]);
    let folder = folder.path();
    let server = Server::start_with_processes(1_000, folder, &["--production"]);
    let save = |name: &str| std::fs::write(folder.join("hooks/before_incoming_middleware").join(name), "").unwrap();
    save("one.js");
    let reader = loop {
        match reader(server.pid()) {
            Some(reader) => break reader,
            None => tokio::task::yield_now().await,
        }
    };
    let own = std::fs::metadata(format!("/proc/{}", server.pid())).unwrap();
    let mut none = Command::new("prlimit");
    none.args([format!("--pid={}", server.pid()), "--nproc=1".into()]);
    // Whose it is may lower its limits.
    if rustix::process::geteuid().is_root() {
        none.uid(own.uid()).gid(own.gid());
    }
    assert!(none.status().unwrap().success());
    signal(reader, Signal::KILL);
    save("two.js");
    while !log_of(folder).contains("no process can be started that reads the workspace") {
        tokio::task::yield_now().await;
    }
    assert!(server.terminate().success(), "{}", log_of(folder));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_server_at_once_and_what_was_accepted_is_there_after_the_next_start() {
    for second in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        let folder = workspace(&[(HOOK, SAY)]);
        let folder = folder.path();
        let server = Server::start(folder, &["--production", "--no-watch"]);
        post(server.address, "ann", "wait").await;
        post(server.address, "bob", "say").await;
        signal(server.pid(), Signal::HUP);
        while !log_of(folder).contains("stopping: what runs is finished") {
            tokio::task::yield_now().await;
        }
        signal(server.pid(), second.0);
        assert_eq!(server.wait().code(), Some(second.1), "{}", log_of(folder));
        std::fs::write(folder.join(HOOK), SAY.replace("'wait'", "'never'").replace("'say'", "'wait'")).unwrap();
        let server = Server::start(folder, &["--production", "--no-watch"]);
        server.idle().await;
        assert!(replies(folder).contains(&("ann".to_owned(), "said".to_owned())), "{:?}", replies(folder));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_parent_dies_and_whose_output_nobody_reads_any_more_goes_on() {
    let folder = workspace(&[(HOOK, SAY)]);
    let folder = folder.path();
    let mut server = Started::by_a_shell(folder);
    server.parent.kill().unwrap();
    server.parent.wait().unwrap();
    post(server.address, "ann", "say").await;
    // Both ends of its output go: what it writes from here on fails.
    let (address, pid) = (server.address, server.pid);
    server.output = None;
    signal(pid, Signal::USR1);
    post(address, "bob", "say").await;
    let said = |who: &str| (who.to_owned(), "said".to_owned());
    while replies(folder) != [said("ann"), said("bob")] {
        post(address, "others", "nothing").await;
    }
    signal(pid, Signal::TERM);
    let number = i32::try_from(pid).unwrap();
    while processes::lives(number) {
        tokio::task::yield_now().await;
    }
    let next = Server::start(folder, &["--production", "--no-watch"]);
    next.idle().await;
    assert_eq!(replies(folder), [said("ann"), said("bob")]);
}
