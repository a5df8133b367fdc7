//! What happens to the database's files while the server runs, or before it starts: nothing is said to be stored that is not, what is
//! wrong is said in a line with what to do, and all goes on when it is over.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "what cannot be tried here says so")]

#[path = "common/server.rs"]
mod server;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use server::{Caller, Server, log_of, replies, workspace};

const CONVERSE: &str = "/api/v1/bots/welcome-bot/converse/ann";

/// How long anything may take that is waited for: the server tries every five seconds whether it can store.
const PATIENCE: Duration = Duration::from_secs(30);

const ECHO: (&str, &str) = (
    "hooks/before_incoming_middleware/echo.js",
    "event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
    bp.events.replyToEvent(event, [{ type: 'text', text: event.payload.text }])",
);

async fn say(caller: &mut Caller, text: &str) -> (u16, String) {
    caller.post(CONVERSE, format!(r#"{{"type":"text","text":"{text}"}}"#)).await.unwrap()
}

async fn status(caller: &mut Caller) -> (u16, serde_json::Value) {
    let (status, body) = caller.get("/status").await.unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

/// Asks for the status until it is so.
async fn until_status(folder: &Path, caller: &mut Caller, wanted: u16) {
    let started = Instant::now();
    while status(caller).await.0 != wanted {
        assert!(started.elapsed() < PATIENCE, "the status is never {wanted}\n{}", log_of(folder));
    }
}

fn texts(folder: &Path) -> Vec<String> {
    replies(folder).into_iter().map(|(_, text)| text).collect()
}

/// The command that runs a server in a folder, on a free port.
fn command(program: &[&str], folder: &Path) -> Command {
    let nudge = env!("CARGO_BIN_EXE_nudge");
    let mut command = Command::new(program.first().unwrap_or(&nudge));
    command.args(program.iter().skip(1));
    if !program.is_empty() {
        command.arg(nudge);
    }
    command.args(["run-server", "--port", "0", "--host", "127.0.0.1", "--production", "--no-watch"]);
    command.current_dir(folder).env("NO_COLOR", "1").stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// What a server that does not start says; it ends by itself, with the exit code of an error.
fn refused(mut command: Command) -> String {
    let mut child = command.spawn().unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > PATIENCE {
            child.kill().unwrap();
        }
        std::thread::yield_now();
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

/// A server that has started, and where it listens; or what it says where it does not.
fn started(mut command: Command) -> Result<(Child, SocketAddr), String> {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut greeting = String::new();
    while !greeting.contains("  scripts  ") {
        if stdout.read_line(&mut greeting).unwrap() == 0 {
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{said}");
            return Err(said);
        }
    }
    let port = greeting.split_once("http://").unwrap().1.split_whitespace().next().unwrap().rsplit_once(':').unwrap().1;
    Ok((child, ([127, 0, 0, 1], port.parse().unwrap()).into()))
}

/// Runs a command that only the superuser may; false, said, where it is not so.
fn as_root(command: &[&str]) -> bool {
    let done = Command::new(command[0]).args(&command[1..]).stderr(Stdio::null()).status();
    let done = done.is_ok_and(|status| status.success());
    if !done {
        println!("left out: `{}` is not allowed here", command.join(" "));
    }
    done
}

/// A small disk of its own, and whether there is one.
struct Disk(tempfile::TempDir);

impl Disk {
    fn of(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap().to_owned();
        as_root(&["mount", "-t", "tmpfs", "-o", &format!("size={size},nr_inodes=200"), "none", &path])
            .then(|| Self(folder))
    }

    fn fill(&self) -> PathBuf {
        let path = self.0.path().join("ballast");
        let mut file = fs::File::create(&path).unwrap();
        while std::io::Write::write_all(&mut file, &[1; 4096]).is_ok() {}
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_moved_are_503_in_one_line_until_they_are_back_and_nothing_acknowledged_is_lost() {
    let parent = tempfile::tempdir().unwrap();
    for what in ["data.db", "data.db-wal", "data.db-shm", ""] {
        let folder = parent.path().join(format!("of{what}"));
        fs::create_dir_all(folder.join("hooks/before_incoming_middleware")).unwrap();
        fs::write(folder.join(ECHO.0), ECHO.1).unwrap();
        let server = Server::start(&folder, &["--production", "--no-watch"]);
        let mut caller = Caller::to(server.address);
        assert_eq!(say(&mut caller, "before").await.0, 200);
        let (from, to) = (folder.join(what), parent.path().join("elsewhere"));
        fs::rename(&from, &to).unwrap();
        for _ in 0..5 {
            let (status, body) = say(&mut caller, "meanwhile").await;
            assert_eq!(status, 503, "{what}: {body}");
            assert!(body.contains("nothing can be stored at present"), "{body}");
        }
        let (code, body) = status(&mut caller).await;
        assert_eq!((code, &body["status"]), (503, &"cannot store".into()), "{body}");
        fs::rename(&to, &from).unwrap();
        until_status(&folder, &mut caller, 200).await;
        assert_eq!(say(&mut caller, "after").await.0, 200);
        assert!(server.terminate().success());
        let server = Server::start(&folder, &["--production", "--no-watch"]);
        server.idle().await;
        let found = texts(&folder);
        assert!(found.contains(&"before".into()) && found.contains(&"after".into()), "{what}: {found:?}");
        let log = log_of(&folder);
        assert_eq!(log.matches("nothing can be stored: ").count(), 1, "{log}");
        assert!(log.contains("it was deleted or moved; put that one back, or restart the server"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_deleted_or_replaced_is_503_until_the_server_is_started_again() {
    for replaced in [false, true] {
        let folder = workspace(&[ECHO]);
        let folder = folder.path();
        let first = Server::start(folder, &["--production", "--no-watch"]);
        assert_eq!(say(&mut Caller::to(first.address), "old").await.0, 200);
        assert!(first.terminate().success());
        fs::copy(folder.join("data.db"), folder.join("copy.db")).unwrap();
        let server = Server::start(folder, &["--production", "--no-watch"]);
        let mut caller = Caller::to(server.address);
        assert_eq!(say(&mut caller, "new").await.0, 200);
        if replaced {
            fs::rename(folder.join("copy.db"), folder.join("data.db")).unwrap();
        } else {
            for name in ["data.db", "data.db-wal", "data.db-shm"] {
                fs::remove_file(folder.join(name)).unwrap();
            }
        }
        for _ in 0..3 {
            assert_eq!(say(&mut caller, "meanwhile").await.0, 503);
        }
        assert!(!replaced || log_of(folder).contains("another file lies in its place"), "{}", log_of(folder));
        assert!(server.terminate().success());
        let server = Server::start(folder, &["--production", "--no-watch"]);
        assert_eq!(say(&mut Caller::to(server.address), "again").await.0, 200);
        server.idle().await;
        let expected: &[&str] = if replaced { &["old", "again"] } else { &["again"] };
        assert_eq!(texts(folder), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_stop_the_database_is_whole_without_its_log_even_while_somebody_else_has_it_open() {
    let folder = workspace(&[ECHO]);
    let folder = folder.path();
    let server = Server::start(folder, &["--production", "--no-watch"]);
    assert_eq!(say(&mut Caller::to(server.address), "old").await.0, 200);
    // Who closes a database last copies its log into it: here that is not the server.
    let other = rusqlite::Connection::open(folder.join("data.db")).unwrap();
    assert_eq!(other.query_row("SELECT count(*) > 0 FROM messages", [], |row| row.get(0)), Ok(true));
    assert!(server.terminate().success());
    fs::create_dir(folder.join("copy")).unwrap();
    fs::copy(folder.join("data.db"), folder.join("copy/data.db")).unwrap();
    assert_eq!(texts(&folder.join("copy")), ["old"]);
    drop(other);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_is_refused_at_the_start_and_found_while_the_server_runs() {
    let folder = workspace(&[ECHO]);
    let folder = folder.path();
    let server = Server::start(folder, &["--production", "--no-watch"]);
    let mut caller = Caller::to(server.address);
    let channel = "/api/v1/bots/welcome-bot/mod/channel-web";
    for number in 0..50 {
        let message = format!(r#"{{"type":"text","text":"{number} {}"}}"#, "x".repeat(300));
        assert_eq!(caller.post(&format!("{channel}/messages/ann"), message).await.unwrap().0, 200);
    }
    server.idle().await;
    let (_, listed) = caller.get(&format!("{channel}/conversations/ann")).await.unwrap();
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let conversation = format!("{channel}/conversations/ann/{}", listed["conversations"][0]["id"]);
    assert_eq!(caller.get(&conversation).await.unwrap().0, 200);
    assert!(server.terminate().success());
    let database = folder.join("data.db");
    let whole = fs::read(&database).unwrap();
    let server = Server::start(folder, &["--production", "--no-watch"]);
    // All but the first page, in the file that the server has open.
    let file = fs::File::options().write(true).open(&database).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &vec![0; whole.len() - 4_096], 4_096).unwrap();
    let mut caller = Caller::to(server.address);
    // What nobody has read since the start. The writer, who looked through the file then, has all of it in its memory: events
    // alone may go on for as long as nothing else is read.
    let (code, body) = caller.get(&conversation).await.unwrap();
    assert_eq!(code, 503, "{body}");
    assert_eq!(status(&mut caller).await.0, 503);
    assert_eq!(say(&mut caller, "meanwhile").await.0, 503);
    let log = log_of(folder);
    let said = "nothing can be stored: the database ";
    assert_eq!(log.matches(said).count(), 1, "{log}");
    assert!(log.contains("data.db cannot be read: ") && log.contains(".recover | sqlite3 saved.db"), "{log}");
    server.kill();
    let said = refused(command(&[], folder));
    assert!(said.contains("data.db cannot be read: ") && said.contains("put back a copy of it"), "{said}");
    for name in ["data.db-wal", "data.db-shm"] {
        let _ = fs::remove_file(folder.join(name));
    }
    fs::write(&database, whole).unwrap();
    let server = Server::start(folder, &["--production", "--no-watch"]);
    assert_eq!(say(&mut Caller::to(server.address), "again").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_another_program_holds_locked_is_503_in_time_and_the_program_is_named() {
    let folder = workspace(&[ECHO]);
    let folder = folder.path();
    let server = Server::start(folder, &["--production", "--no-watch"]);
    let mut caller = Caller::to(server.address);
    assert_eq!(say(&mut caller, "before").await.0, 200);
    server.idle().await;
    let other = rusqlite::Connection::open(folder.join("data.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (code, body) = say(&mut caller, "meanwhile").await;
    assert_eq!(code, 503, "{body}");
    let named = format!("(process {})", std::process::id());
    let started = Instant::now();
    let told = |log: &str| log.contains("end the program that holds it locked: ") && log.contains(&named);
    while !told(&log_of(folder)) {
        assert!(started.elapsed() < PATIENCE, "{}", log_of(folder));
        std::thread::yield_now();
    }
    // Each of them waits for a moment only: with the server's patience this would take minutes.
    for _ in 0..50 {
        assert_eq!(say(&mut caller, "meanwhile").await.0, 503);
    }
    other.execute_batch("ROLLBACK").unwrap();
    until_status(folder, &mut caller, 200).await;
    assert_eq!(say(&mut caller, "after").await.0, 200);
    assert!(server.terminate().success());
    assert_eq!(log_of(folder).matches("nothing can be stored: ").count(), 1);
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let said = refused(command(&[], folder));
    assert!(said.contains("locked") && said.contains(&named), "{said}");
    assert_eq!(texts(folder), ["before", "after"]);
}

#[test]
fn a_limit_of_the_size_of_files_is_an_error_that_names_it_or_none_at_all() {
    for (limit, starts) in
        [("0", false), ("100", false), ("5000", false), ("100000", false), ("1000000", false), ("100000000", true)]
    {
        let folder = workspace(&[]);
        let limited = ["prlimit", &format!("--fsize={limit}")];
        if starts {
            let (mut child, _) = started(command(&limited, folder.path())).unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            continue;
        }
        let said = refused(command(&limited, folder.path()));
        assert!(said.contains("`ulimit -f`"), "{limit}: {said}");
        assert!(!said.contains("panicked"), "{limit}: {said}");
    }
}

#[test]
fn what_lies_in_the_databases_place_and_is_none_is_refused_in_time_by_every_command() {
    let folder = workspace(&[]);
    let database = folder.path().join("data.db");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &database, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let said = refused(command(&[], folder.path()));
    assert!(said.contains("data.db cannot be used: it is a pipe, not a file; move it away"), "{said}");
    for other in [&["poisoned"][..], &["token"], &["poisoned", "--retry", "7"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nudge"));
        command.args(other).arg("--dir").arg(folder.path()).stdout(Stdio::null()).stderr(Stdio::piped());
        let said = refused(command);
        assert!(said.contains("it is a pipe, not a file"), "{other:?}: {said}");
    }
    fs::remove_file(&database).unwrap();
    for (bytes, words) in [
        (&b"SQLite format 3\0half a head"[..], "cannot be read"),
        (&[0; 8_192], "cannot be read"),
        (b"no database", "cannot be read"),
    ] {
        fs::write(&database, bytes).unwrap();
        let said = refused(command(&[], folder.path()));
        assert!(said.contains(words) && said.contains("data.db"), "{said}");
        assert_eq!(fs::read(&database).unwrap(), bytes, "it is left as it was");
    }
}

#[test]
fn a_full_disk_at_the_start_names_the_disk_and_what_to_do() {
    for ballast_first in [true, false] {
        let Some(disk) = Disk::of("150k") else { return };
        if ballast_first {
            disk.fill();
        }
        let said = refused(command(&[], disk.0.path()));
        assert!(said.contains(" cannot be used: ") && said.contains("make room on its disk"), "{said}");
        assert!(said.contains(" is full ("), "{said}");
        assert!(!said.contains("4874)") || said.contains("-shm"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_while_the_server_runs_is_503_with_its_name_until_there_is_room() {
    let Some(disk) = Disk::of("3m") else { return };
    let folder = disk.0.path();
    let server = Server::start(folder, &["--production", "--no-watch"]);
    let mut caller = Caller::to(server.address);
    let user = |number: usize| format!("/api/v1/bots/welcome-bot/mod/channel-web/events/u{number}");
    let event = format!(r#"{{"type":"nothing","payload":{{"text":"{}"}}}}"#, "x".repeat(9_000));
    assert_eq!(caller.post(&user(0), event.clone()).await.unwrap().0, 200);
    let ballast = disk.fill();
    let mut number = 1;
    while caller.post(&user(number), event.clone()).await.unwrap().0 == 200 {
        number += 1;
        assert!(number < 1_000);
    }
    let log = log_of(folder);
    assert!(
        log.contains("nothing can be stored: ") || fs::metadata(folder.join("server.log")).unwrap().len() > 0,
        "{log}"
    );
    assert_eq!(status(&mut caller).await.0, 503);
    fs::remove_file(ballast).unwrap();
    until_status(folder, &mut caller, 200).await;
    assert_eq!(caller.post(&user(0), event).await.unwrap().0, 200);
}

#[test]
fn a_folder_or_files_that_the_server_may_not_write_to_are_refused_by_name() {
    const NOBODY: u32 = 65_534;
    if !rustix::process::geteuid().is_root() {
        println!("left out: only the superuser can become somebody else");
        return;
    }
    for what in ["", "data.db", "data.db-wal", "data.db-lock"] {
        let folder = workspace(&[]);
        std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        if what.is_empty() {
            fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o555)).unwrap();
        } else {
            if what == "data.db-wal" {
                // A server of the superuser was killed here.
                let server = Server::start(folder.path(), &["--production", "--no-watch"]);
                server.kill();
                std::os::unix::fs::chown(folder.path().join("data.db"), Some(NOBODY), Some(NOBODY)).unwrap();
                std::os::unix::fs::chown(folder.path().join("data.db-lock"), Some(NOBODY), Some(NOBODY)).unwrap();
            } else {
                fs::write(folder.path().join(what), "").unwrap();
            }
            fs::set_permissions(folder.path().join(what), std::os::unix::fs::PermissionsExt::from_mode(0o400)).unwrap();
        }
        let mut command = command(&[], folder.path());
        command.uid(NOBODY).gid(NOBODY);
        let said = refused(command);
        assert!(said.contains("data.db") && said.contains("may be written to"), "{what}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_few_open_files_says_so_or_serves_and_loses_nothing() {
    for most in [16, 24, 32, 48, 64, 96] {
        let folder = workspace(&[ECHO]);
        let limited = ["prlimit", &format!("--nofile={most}")];
        let (mut child, address) = match started(command(&limited, folder.path())) {
            Ok(started) => started,
            Err(said) => {
                assert!(said.contains("Too many open files") || said.contains("`ulimit -n`"), "{most}: {said}");
                continue;
            }
        };
        let mut callers: Vec<Caller> = (0..most).map(|_| Caller::to(address)).collect();
        let mut stored = 0;
        for caller in &mut callers {
            if let Ok((status, body)) = caller.post(CONVERSE, r#"{"type":"text","text":"hi"}"#.into()).await {
                assert!(matches!(status, 200 | 408 | 429 | 503), "{most}: {status} {body}");
                stored += usize::from(status == 200);
            }
        }
        drop(callers);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(texts(folder.path()).len() >= stored, "{most}");
    }
}
