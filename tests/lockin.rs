//! What a running worker may still do, as the kernel tells it: there is no JavaScript by which a script could try.
#![cfg(target_os = "linux")]

#[path = "common/client.rs"]
mod client;
#[path = "common/process.rs"]
mod process;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use process::ServerProcess;

/// Says what a script can reach by any name: what is not here cannot be called.
const LOOK: &str = r#"
if (event.type === 'hog') while (true) {}
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

async fn start() -> (ServerProcess, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in
        [("bots/b/bot.config.json", "{ \"name\": \"B\" }"), ("hooks/before_incoming_middleware/look.js", LOOK)]
    {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    (ServerProcess::start(folder.path(), &[]).await, folder)
}

/// `name: value` or `name   value` lines of a file of a process.
fn fields(pid: u32, file: &str) -> HashMap<String, String> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let line = |line: &str| {
        let (name, value) = line.split_once(':').or_else(|| line.split_once("  "))?;
        Some((name.trim().to_owned(), value.split_whitespace().collect::<Vec<_>>().join(" ")))
    };
    text.lines().filter_map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_can_neither_open_nor_execute_nor_gain_anything() {
    let (server, _folder) = start().await;
    let workers = server.workers();
    assert!(workers.len() >= 3, "two kinds of workers and a spare: {workers:?}");
    for pid in workers {
        let status = fields(pid, "status");
        assert_eq!((status["Seccomp"].as_str(), status["NoNewPrivs"].as_str()), ("2", "1"), "{status:?}");
        let limits = fields(pid, "limits");
        assert_eq!(limits["Max open files"], "0 0 files");
        assert_eq!(limits["Max file size"], "0 0 bytes");
        assert_eq!(limits["Max core file size"], "0 0 bytes");
        // Every thread, too: realms are made on threads of their own.
        for thread in fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
            let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
            assert!(status.is_empty() || status.contains("Seccomp:\t2"), "{status}");
        }
        // The socket to the server, nothing, and where it complains.
        let mut open: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .flatten()
            .filter_map(|entry| fs::read_link(entry.path()).ok())
            .map(|link| link.to_string_lossy().split(':').next().unwrap().to_owned())
            .collect();
        open.sort();
        open.dedup();
        assert!(open.iter().all(|kind| ["/dev/null", "pipe", "socket"].contains(&kind.as_str())), "{open:?}");
        // Nothing of the server's environment went along.
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
        let environment = String::from_utf8_lossy(&environment).into_owned();
        assert!(environment.split('\0').all(|part| part.is_empty() || part.starts_with("TZ=")), "{environment}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_finds_nothing_to_open_execute_or_connect_with() {
    let (server, _folder) = start().await;
    let answer = server.client.post("/api/v1/bots/b/converse/u", r#"{"type":"text","text":"x"}"#).await;
    let text = answer.json()["responses"][0]["text"].as_str().unwrap().to_owned();
    let tries: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(tries["require"], serde_json::json!(["MODULE_NOT_FOUND"].repeat(10)), "{tries}");
    assert_eq!(tries["globals"], serde_json::json!([]), "{tries}");
    assert_eq!(tries["imports"], serde_json::json!(["rejected"].repeat(4)), "{tries}");
    assert_eq!(tries["process"], serde_json::json!(["EXTERNAL_URL", "HOST", "PORT", "PROXY", "ROOT_PATH", "env"]));
    let shown = tries["env"].as_array().unwrap();
    assert!(shown.iter().all(|name| name != "PATH" && name != "HOME"), "the server's own environment shows: {tries}");
}

/// The nice value of a process or thread.
fn niceness(folder: &Path) -> Option<i32> {
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    // The 19th field, counted behind the name, which may hold spaces.
    stat.rsplit(')').next()?.split_whitespace().nth(16)?.parse().ok()
}

/// Whether a thread of these processes has given way to all others.
fn one_gives_way(workers: &[u32]) -> bool {
    // The tests may run with a lower priority themselves, and there is a lowest one.
    let lowered = (niceness(Path::new("/proc/self")).unwrap() + 15).min(19);
    let threads = workers.iter().filter_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).ok()).flatten().flatten();
    threads.filter_map(|thread| niceness(&thread.path())).any(|niceness| niceness == lowered)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_computes_for_long_gives_way_and_its_thread_ends_with_it() {
    let (server, _folder) = start().await;
    let begun = std::time::Instant::now();
    server.client.post("/api/v1/bots/b/mod/channel-web/events/u", r#"{"type":"hog"}"#).await;
    for expected in [true, false] {
        while one_gives_way(&server.workers()) != expected {
            assert!(begun.elapsed().as_secs() < 60, "expected {expected}");
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_end_with_their_server() {
    let (server, _folder) = start().await;
    let workers = server.workers();
    // It is killed, not stopped.
    drop(server);
    let gone = |pid: &u32| {
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        state.is_empty() || state.contains(") Z ")
    };
    let begun = std::time::Instant::now();
    while !workers.iter().all(gone) {
        assert!(begun.elapsed().as_secs() < 30, "a worker outlives its server: {workers:?}");
        std::thread::yield_now();
    }
}
