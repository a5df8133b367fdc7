//! What the processes of scripts may still do, and when they end, as the kernel tells it: there is no JavaScript by which a
//! script could try.
#![cfg(target_os = "linux")]

#[path = "common/client.rs"]
mod client;
#[path = "common/process.rs"]
mod process;
#[path = "common/processes.rs"]
mod processes;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::time::{Duration, Instant};

use process::ServerProcess;
use processes::{Process, Role, filters, groups, kill, lives, of_groups, of_server, pids};
use serde_json::Value;

/// How long anything may take that is waited for. Only a broken server takes that long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Says what a script can reach by any name: what is not here cannot be called.
const LOOK: &str = r#"
if (event.type === 'hog') while (true) {}
if (event.type === 'native') {
  console.log('it hangs now')
  ;('\u0300'.repeat(5e5) + '\u0316'.repeat(5e5)).normalize('NFD')
}
const names = (object) => Object.getOwnPropertyNames(object).sort()
const tries = {
  require: ['fs', 'net', 'http', 'child_process', 'os', 'worker_threads', 'std', 'qjs:os', '/etc/passwd', '../../../../../etc/passwd'].map((name) => {
    try { require(name); return name } catch (error) { return error.code }
  }),
  globals: ['os', 'std', 'bjson', 'Worker', 'XMLHttpRequest', 'WebAssembly', 'Deno', 'Bun', 'scriptArgs', 'load', 'print', 'SharedArrayBuffer', 'Atomics']
    .filter((name) => typeof globalThis[name] !== 'undefined'),
  process: names(process),
  env: names(process.env),
}
return Promise.allSettled(['fs', 'os', 'qjs:os', 'file:///etc/passwd'].map((name) => import(name))).then((all) => {
  tries.imports = all.map((one) => one.status)
  return bp.events.replyToEvent(event, [{ type: 'text', text: JSON.stringify(tries) }])
})"#;

/// A server with a bot whose hooks are killed from outside only after a very long time.
async fn start() -> (ServerProcess, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("botpress.config.json", r#"{ "scripts": { "grace": "1h" } }"#),
        ("bots/b/bot.config.json", "{ \"name\": \"B\" }"),
        ("hooks/before_incoming_middleware/look.js", LOOK),
    ] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    (ServerProcess::start(folder.path(), &[]).await, folder)
}

/// What a user is answered.
async fn answer(server: &ServerProcess) -> String {
    let answer = server.client.post("/api/v1/bots/b/converse/u", r#"{"type":"text","text":"x"}"#).await;
    answer.json()["responses"][0]["text"].as_str().unwrap_or_else(|| panic!("{}", answer.body)).to_owned()
}

async fn queue(server: &ServerProcess) -> Value {
    server.client.get("/status").await.json()["queue"].take()
}

/// Waits until that is so.
async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < PATIENCE, "it never came to this: {what}");
        tokio::task::yield_now().await;
    }
}

/// `name: value` or `name   value` lines of a file of a process.
fn fields(pid: i32, file: &str) -> HashMap<String, String> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let line = |line: &str| {
        let (name, value) = line.split_once(':').or_else(|| line.split_once("  "))?;
        Some((name.trim().to_owned(), value.split_whitespace().collect::<Vec<_>>().join(" ")))
    };
    text.lines().filter_map(line).collect()
}

/// What a process has open, each once: such as `socket:[1234]`.
fn open(pid: i32) -> BTreeSet<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    entries.filter_map(|entry| Some(fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned())).collect()
}

/// The processes once the first event is over and nothing is being compiled any more.
async fn settled(server: &ServerProcess) -> Vec<Process> {
    answer(server).await;
    let mut all = Vec::new();
    let compiles = |all: &[Process]| {
        let roots = pids(all, Role::Root);
        all.iter().any(|process| process.role == Role::Realm && roots.contains(&process.parent))
    };
    until("nothing is compiled", || {
        all = of_server(server.pid);
        !compiles(&all)
    })
    .await;
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_of_scripts_can_neither_open_nor_execute_nor_gain_anything() {
    let (server, _folder) = start().await;
    let all = settled(&server).await;
    let count = |role| all.iter().filter(|process| process.role == role).count();
    assert_eq!(count(Role::Root), 1, "{all:?}");
    assert!(count(Role::Zygote) >= 2 && count(Role::Realm) >= 1, "one without a bot, the bot's, its realm: {all:?}");
    for Process { pid, role, .. } in all {
        let status = fields(pid, "status");
        assert_eq!((status["Seccomp"].as_str(), status["NoNewPrivs"].as_str()), ("2", "1"), "{status:?}");
        assert_eq!(status["Threads"], "1", "who has threads cannot be copied: {status:?}");
        let (own, files) = if role == Role::Realm { (4, "1 1 files") } else { (3, "64 64 files") };
        // The tests may be confined themselves.
        assert_eq!(filters(&pid.to_string()), filters("self").map(|ours| ours + own), "{role:?}");
        let limits = fields(pid, "limits");
        assert_eq!(limits["Max open files"], files, "{role:?}");
        assert_eq!(limits["Max file size"], "0 0 bytes");
        assert_eq!(limits["Max core file size"], "0 0 bytes");
        // The socket to the server, what ends it with the server, and where it complains.
        let kinds: BTreeSet<String> = open(pid).iter().map(|link| link.split(':').next().unwrap().to_owned()).collect();
        // A zygote hands each realm its place on the board.
        let board = if role == Role::Realm { "socket" } else { "/memfd" };
        assert!(
            kinds.iter().all(|kind| ["/dev/null", "pipe", "socket", board].contains(&kind.as_str())),
            "{role:?}: {kinds:?}"
        );
        // Nothing of the server's environment went along.
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
        let environment = String::from_utf8_lossy(&environment).into_owned();
        assert!(environment.split('\0').all(|part| part.is_empty() || part.starts_with("TZ=")), "{environment}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_process_of_scripts_has_one_socket_which_no_other_has() {
    let (server, _folder) = start().await;
    let mut owners: BTreeMap<String, Process> = BTreeMap::new();
    for process in settled(&server).await {
        let sockets: Vec<String> = open(process.pid).into_iter().filter(|link| link.starts_with("socket:")).collect();
        assert_eq!(sockets.len(), 1, "{process:?} has {sockets:?}");
        for socket in sockets {
            let other = owners.insert(socket, process);
            assert!(other.is_none(), "{process:?} can speak for {other:?}");
        }
    }
}

/// The parts of the board that a process has mapped: where each begins in the board, and how long it is.
fn of_board(pid: i32) -> Vec<(u64, u64)> {
    let number = |text: &str| u64::from_str_radix(text, 16).unwrap();
    let part = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (from, to) = fields[0].split_once('-')?;
        fields.get(5)?.contains("nudge-board").then(|| (number(fields[2]), number(to) - number(from)))
    };
    fs::read_to_string(format!("/proc/{pid}/maps")).unwrap().lines().filter_map(part).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_realm_has_its_own_place_on_the_board_and_nobody_elses() {
    let (server, _folder) = start().await;
    settled(&server).await;
    server.client.post("/api/v1/bots/b/mod/channel-web/events/u", r#"{"type":"hog"}"#).await;
    answer(&server).await;
    let mut realms = Vec::new();
    until("two realms are there", || {
        realms = pids(&of_server(server.pid), Role::Realm);
        realms.len() >= 2
    })
    .await;
    let page = nudge::os::page_size();
    let mut owners = BTreeMap::new();
    for realm in realms {
        let parts = of_board(realm);
        assert!(matches!(parts[..], [(from, length)] if from % page == 0 && length == page), "{parts:?}");
        assert_eq!(owners.insert(parts[0].0, realm), None, "two realms have one place");
    }
    for process in of_server(server.pid).iter().filter(|process| process.role != Role::Realm) {
        assert_eq!(of_board(process.pid), [], "{process:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_finds_nothing_to_open_execute_or_connect_with() {
    let (server, _folder) = start().await;
    let tries: Value = serde_json::from_str(&answer(&server).await).unwrap();
    assert_eq!(tries["require"], serde_json::json!(["MODULE_NOT_FOUND"].repeat(10)), "{tries}");
    assert_eq!(tries["globals"], serde_json::json!([]), "{tries}");
    assert_eq!(tries["imports"], serde_json::json!(["rejected"].repeat(4)), "{tries}");
    assert_eq!(tries["process"], serde_json::json!(["EXTERNAL_URL", "HOST", "PORT", "PROXY", "ROOT_PATH", "env"]));
    let shown = tries["env"].as_array().unwrap();
    assert!(shown.iter().all(|name| name != "PATH" && name != "HOME"), "the server's own environment shows: {tries}");
}

/// The nice value of a process.
fn niceness(pid: &str) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The 19th field, counted behind the name, which may hold spaces.
    stat.rsplit(')').next()?.split_whitespace().nth(16)?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_realm_that_computes_for_long_gives_way_to_all_others_and_ends_with_its_event() {
    let (server, _folder) = start().await;
    settled(&server).await;
    // The tests may run with a lower priority themselves, and there is a lowest one.
    let own = niceness("self").unwrap();
    let [zygotes, realms, long] = [0, 5, 19].map(|by| (own + by).min(19));
    let of_realms = || -> Vec<(i32, i32)> {
        let realms = pids(&of_server(server.pid), Role::Realm);
        realms.into_iter().filter_map(|pid| Some((pid, niceness(&pid.to_string())?))).collect()
    };
    for process in of_server(server.pid) {
        let expected = if process.role == Role::Realm { realms } else { zygotes };
        assert_eq!(niceness(&process.pid.to_string()), Some(expected), "{process:?}");
    }
    server.client.post("/api/v1/bots/b/mod/channel-web/events/u", r#"{"type":"hog"}"#).await;
    let mut hog = None;
    until("it gives way", || {
        hog = of_realms().into_iter().find(|(_, niceness)| *niceness == long).map(|(pid, _)| pid);
        hog.is_some()
    })
    .await;
    until("it ends with its event", || !lives(hog.unwrap())).await;
    let queue = queue(&server).await;
    assert_eq!(
        (&queue["unfitLimit"], &queue["realmsKilled"], &queue["runAgain"]),
        (&1.into(), &0.into(), &0.into()),
        "{queue}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_processes_of_scripts_end_with_their_server_even_one_that_hangs_in_native_code() {
    let (server, _folder) = start().await;
    settled(&server).await;
    server.client.post("/api/v1/bots/b/mod/channel-web/events/u", r#"{"type":"native"}"#).await;
    server.log.wait("it hangs", |entry| (entry["message"] == "it hangs now").then_some(())).await;
    let groups = groups(server.pid);
    let all = of_groups(&groups);
    assert!(all.len() >= 4, "{all:?}");
    // It is killed, not stopped.
    drop(server);
    until("no process outlives its server", || of_groups(&groups).is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn realms_go_on_when_their_zygotes_are_killed_and_new_zygotes_are_made() {
    let (server, _folder) = start().await;
    let all = settled(&server).await;
    let groups = groups(server.pid);
    let (realms, zygotes) = (pids(&all, Role::Realm), pids(&all, Role::Zygote));
    for pid in pids(&all, Role::Root).into_iter().chain(zygotes) {
        assert!(kill(pid));
        until("it is gone", || !lives(pid)).await;
    }
    for _ in 0..5 {
        answer(&server).await;
    }
    assert!(realms.iter().all(|pid| lives(*pid)), "{realms:?} of {:?}", of_groups(&groups));
    let queue = queue(&server).await;
    let counted = ["zygotesDied", "realmsKilled", "realmsCrashed", "runAgain", "endedByKill", "setAside"];
    assert_eq!(counted.map(|name| queue[name].as_u64().unwrap()), [1, 0, 0, 0, 0, 0], "{queue}");
    // When all realms are gone, too, there are others.
    for pid in pids(&of_groups(&groups), Role::Realm) {
        kill(pid);
    }
    answer(&server).await;
    let now = of_server(server.pid);
    assert!(pids(&now, Role::Realm).iter().all(|pid| !realms.contains(pid)), "{now:?}");
    assert_eq!(pids(&now, Role::Root).len(), 1, "{now:?}");
}
