//! Every attack of `tests/attacks/` as a hook of a real server with real, locked-in processes of scripts, some at a time.
//!
//! `ATTACKS=cpu01,own` runs only those whose name begins so. `ATTACKS_TABLE=file` adds what was measured, one line an
//! attack; with `--release` those are the figures worth keeping.

#[path = "common/client.rs"]
mod client;
#[path = "common/process.rs"]
mod process;
#[path = "common/processes.rs"]
mod processes;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use client::Client;
use process::{Log, ServerProcess, pss};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Attacks that run at the same time.
const AT_ONCE: usize = 4;
/// What a hook may compute, and what may pass until it is over nevertheless.
const BUDGET: Duration = Duration::from_millis(1_000 + 500);
/// The same for what a script leaves floating: its user waits for it for two seconds.
const FLOATING: Duration = Duration::from_millis(2_000 + 500);
/// How long another user may wait.
const OTHERS: Duration = Duration::from_millis(250);
/// What an action may compute.
const ACTION_BUDGET: Duration = Duration::from_millis(5_000 + 500);
/// Debug builds on a machine that builds and tests other things meanwhile get that much more time.
const DUE: u32 = if cfg!(debug_assertions) { 4 } else { 2 };
/// What this test itself keeps running at a time, and more does a machine have to do only for others.
const OWN_LOAD: f64 = AT_ONCE as f64 + 2.0;
/// A commit may wait for the disk that other programs use: the worst of all calls gets that much more time.
const STALLED: u32 = 12;
/// How long a reply may take from the end of its event to the history.
const COMMITTED: Duration = Duration::from_secs(10);
/// Attacks that leave a timer, or something else to wait for.
const LEAVES_SOMETHING: [&str; 2] = ["mem19b", "own05"];
/// Attacks that leave a state that cannot be stored: the event is at fault then, no hook.
const LEAVES_NO_STATE: [&str; 5] = ["own17", "own18", "own19", "own31", "js36"];
/// Attacks that write the stack of their error themselves: it names what they like, and nothing believes it but people.
const WRITES_ITS_STACK: [&str; 2] = ["js06", "js08"];
/// What is reported without a line: it was ended from outside or in a job, or never had one.
const NO_LINE: [&str; 9] = [
    "killed after",
    "its realm died",
    "TimeoutError",
    "MemoryError",
    "out of memory",
    "call stack size",
    "cannot be read",
    "can never settle",
    "cannot be stored",
];
/// How often an event runs at most: once more if its realm died by itself. Whatever others do is no reason.
const RUNS: u32 = 2;

const BOT: &str = r#"{ "name": "B" }"#;

/// A flow with an action and a condition that are whatever an attack has left.
const FLOW: &str = r##"{ "version": "0.0.1", "startNode": "entry", "catchAll": {}, "nodes": [
  { "name": "entry", "onEnter": [], "next": [{ "condition": "typeof temp.code === 'string'", "node": "act" }] },
  { "name": "act", "onEnter": ["act {}", "say #builtin_text {\"text\":\"{{temp.text}} {{event.preview}}\"}"], "next": [
    { "condition": "new Function(temp.condition || 'return true')()", "node": "END" }] }] }"##;
const ACTION: &str = "return new Function('bp', 'event', `return (async () => { ${temp.code} })()`)(bp, event)";
const CONTENT_TYPE: &str = "module.exports = { id: 'attacked', title: 'Attacked', jsonSchema: { type: 'object' },
  renderElement(data) { return new Function('data', data.code).call(module.exports, data); } }";

/// What every bot says to everybody.
const ANSWER: &str = "
if (event.type === 'ping' || event.channel === 'api') {
  event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
  return bp.events.replyToEvent(event, [{ type: 'text', text: 'pong' }])
}";

struct Attack {
    id: String,
    what: String,
    body: String,
}

#[derive(Debug)]
struct Outcome {
    id: String,
    what: String,
    /// From the answer to the request until the event is processed, by the clock of its user.
    took: Duration,
    /// The same of the user's next event, from then on.
    next: Duration,
    /// Why it ended, where its realm was killed for it or died.
    ended: Option<String>,
    event: String,
    errors: u64,
    /// `file:line message` of what was reported.
    reports: Vec<(String, Option<u64>, String)>,
    /// What is wrong.
    faults: Vec<String>,
}

fn attacks(files: &[&str]) -> Vec<Attack> {
    let only = std::env::var("ATTACKS").unwrap_or_default();
    let wanted = |id: &str| only.is_empty() || only.split(',').any(|start| id.starts_with(start));
    let mut attacks = Vec::new();
    for file in files {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attacks").join(file);
        let text = fs::read_to_string(path).unwrap();
        for entry in text.split("\n//// ").skip(1) {
            let (head, body) = entry.split_once('\n').unwrap();
            let (id, what) = head.split_once(" | ").unwrap();
            if wanted(id) {
                attacks.push(Attack { id: id.into(), what: what.into(), body: body.trim_end().into() });
            }
        }
    }
    attacks
}

/// Attacks on the dialog have a bot with a flow; the flow runs what they leave in `temp`.
fn bot_of(id: &str) -> &'static str {
    if id.starts_with("dlg") { "talking" } else { "attacked" }
}

fn hook_of(id: &str) -> String {
    format!("bots/{}/hooks/before_incoming_middleware/{id}.js", bot_of(id))
}

/// How many times as long everything takes because the machine has to do other things, too.
fn crowded() -> u32 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = text.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    1 + ((load - OWN_LOAD).max(0.0) / processors as f64).ceil() as u32
}

/// Whether that file runs what an attack has left for it: it is the one that is named then.
fn runs_for(id: &str, file: &str) -> bool {
    let dialog = ["bots/talking/flows/main.flow.json", "bots/talking/actions/act.js"];
    id.starts_with("dlg") && dialog.contains(&file) || id.starts_with("cm") && file == "content-types/attacked.js"
}

fn workspace(attacks: &[Attack]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    // Each attack is looked for in the log: it is to have room for all.
    write(
        "botpress.config.json",
        r#"{ "log": { "perPlace": 1000000, "perBot": 1000000, "all": 1000000, "bytes": "1gb", "text": "4mb" } }"#,
    );
    write("bots/attacked/bot.config.json", BOT);
    write("bots/calm/bot.config.json", BOT);
    write("bots/talking/bot.config.json", BOT);
    write("bots/talking/flows/main.flow.json", FLOW);
    write("bots/talking/actions/act.js", ACTION);
    write("content-types/attacked.js", CONTENT_TYPE);
    write("hooks/after_incoming_middleware/99_answer.js", ANSWER);
    for Attack { id, body, .. } in attacks {
        write(&hook_of(id), &format!("if (event.type !== '{id}') return\n{body}\n"));
    }
    folder
}

/// Speaks as other users of both bots until it is told to stop; gives how long each of them waited, the longest last.
async fn other_users(client: Client, stop: Arc<AtomicBool>) -> Vec<(Duration, &'static str)> {
    let mut waits = Vec::new();
    for number in 0_u32.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let bot = if number.is_multiple_of(2) { "calm" } else { "attacked" };
        let begun = Instant::now();
        let path = format!("/api/v1/bots/{bot}/converse/other-{}", number % 20);
        let answer = client.post(&path, r#"{"type":"text","text":"hi"}"#).await;
        waits.push((begun.elapsed(), bot));
        assert_eq!(answer.status, 200, "{bot}: {}", answer.body);
        assert_eq!(answer.json()["responses"][0]["text"], "pong", "{bot}: {}", answer.body);
    }
    waits.sort();
    waits
}

/// Waits until the user's event of that type is over; gives its trace.
async fn over(log: &Log, user: &str, kind: &str) -> Value {
    let find = |entry: &Value| {
        let trace = &entry["trace"];
        (trace["target"] == user && trace["type"] == kind).then(|| trace.clone())
    };
    log.wait(&format!("the {kind} of {user} is over"), find).await
}

async fn post(client: Client, bot: &str, user: &str, body: &Value) {
    let path = format!("/api/v1/bots/{bot}/mod/channel-web/events/{user}");
    // A key that would be the prototype in a careless server.
    let body = body.to_string().replace("\"proto\"", "\"__proto__\"");
    let begun = Instant::now();
    loop {
        let answer = client.post(&path, body.clone()).await;
        // An attack may fill its own user's queue, and that one's next event is asked to come again.
        if answer.status != 503 || begun.elapsed() > COMMITTED {
            assert_eq!(answer.status, 200, "{}", answer.body);
            return;
        }
    }
}

async fn run(client: Client, log: &Log, attack: &Attack) -> Outcome {
    let Attack { id, what, .. } = attack;
    let user = format!("user-of-{id}");
    post(client, bot_of(id), &user, &json!({ "type": id, "text": "x", "proto": { "polluted": true } })).await;
    let begun = Instant::now();
    // It waits behind the attack, as the user's next message does.
    post(client, bot_of(id), &user, &json!({ "type": "ping" })).await;
    let trace = over(log, &user, id).await;
    let took = begun.elapsed();
    let next = over(log, &user, "ping").await;
    let mut outcome = Outcome {
        id: id.clone(),
        what: what.clone(),
        took,
        next: begun.elapsed() - took,
        ended: trace["ended"].as_str().map(str::to_owned),
        event: trace["eventId"].as_str().unwrap().to_owned(),
        errors: trace["errors"].as_u64().unwrap(),
        reports: Vec::new(),
        faults: Vec::new(),
    };
    outcome.reports = log.all(|entry| {
        let mine = entry["module"] == "script" && entry["level"] == "error" && entry["event"] == trace["eventId"];
        let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        mine.then(|| (text("file"), entry["line"].as_u64(), text("message")))
    });
    outcome.check(&next);
    if !answered(client, bot_of(id), &user).await {
        outcome.faults.push("the user's next event was not answered".into());
    }
    outcome
}

/// Whether the last message in the user's conversation is the answer. It is committed shortly after the event is over.
async fn answered(client: Client, bot: &str, user: &str) -> bool {
    let path = format!("/api/v1/bots/{bot}/mod/channel-web/conversations/{user}");
    let begun = Instant::now();
    while begun.elapsed() < COMMITTED {
        let list = client.get(&path).await.json();
        let conversation = client.get(&format!("{path}/{}", list["conversations"][0]["id"])).await.json();
        let last = conversation["messages"].as_array().and_then(|messages| messages.last());
        if last.is_some_and(|last| last["message_text"] == "pong") {
            return true;
        }
    }
    false
}

impl Outcome {
    fn check(&mut self, next: &Value) {
        let id = self.id.as_str();
        let mut faults = Vec::new();
        let budget = match id {
            _ if id.starts_with("dlg") => ACTION_BUDGET,
            _ if LEAVES_SOMETHING.contains(&id) => FLOATING,
            _ => BUDGET,
        };
        if self.took > budget * DUE * RUNS * crowded() {
            faults.push(format!("it took {:?}, {budget:?} are allowed", self.took));
        }
        // A reply's hooks run in the time of the script that replies without end: whoever is stopped then is named.
        let of_reply = |file: &str| ["own10", "own33"].contains(&id) && file.contains("before_outgoing_middleware");
        let at_fault = [&LEAVES_NO_STATE[..], &WRITES_ITS_STACK].concat().contains(&id);
        let told = self
            .reports
            .iter()
            .any(|(file, ..)| *file == hook_of(id) || runs_for(id, file) || of_reply(file) || at_fault);
        if (self.errors > 0 || self.ended.is_some()) && !told {
            faults.push(format!("it was not reported with its file: {:?}", self.reports));
        }
        let lost_line = |(file, line, message): &(String, Option<u64>, String)| {
            let without = NO_LINE.iter().any(|part| message.contains(part)) || message.starts_with("Uncaught");
            line.is_none() && *file == hook_of(id) && !without && !WRITES_ITS_STACK.contains(&id)
        };
        if let Some(report) = self.reports.iter().find(|report| lost_line(report)) {
            faults.push(format!("an error was reported without its line: {report:?}"));
        }
        if next["errors"] != 0 || !next["ended"].is_null() {
            faults.push(format!("the user's next event had errors: {next}"));
        }
        self.faults = faults;
    }

    fn row(&self) -> String {
        let reports = self.reports.iter().take(2).map(|(file, line, message)| {
            let file = file.rsplit('/').next().unwrap_or_default();
            let line = line.map_or(String::new(), |line| format!(":{line}"));
            format!("{file}{line} {}", message.chars().take(100).collect::<String>())
        });
        let reports: Vec<String> = reports.collect();
        format!(
            "{:>6.0} ms  {:>5.0} ms  {:<8} {:<60} {}{}\n",
            self.took.as_secs_f64() * 1e3,
            self.next.as_secs_f64() * 1e3,
            self.id,
            self.what,
            if self.ended.is_some() { "[realm killed] " } else { "" },
            reports.join(" | ")
        )
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attack_on_the_engine_is_over_in_time_and_reported_and_nobody_else_waits() {
    all_are_contained(&["containment.js", "host.js"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attack_on_what_realms_share_is_over_in_time_and_reported_and_nobody_else_waits() {
    all_are_contained(&["realm.js"]).await;
}

async fn all_are_contained(files: &[&str]) {
    let attacks = Arc::new(attacks(files));
    if attacks.is_empty() {
        return;
    }
    let folder = workspace(&attacks);
    let mut server = ServerProcess::start(folder.path(), &[]).await;
    let (client, stop) = (server.client, Arc::new(AtomicBool::new(false)));
    // Realms of both bots are warm, as in a server that has been running.
    let warm = Arc::new(AtomicBool::new(false));
    let warming = tokio::spawn(other_users(client, Arc::clone(&warm)));
    server.log.wait("anything of a user", |entry| (entry["trace"]["target"] == "other-9").then_some(())).await;
    warm.store(true, Ordering::Relaxed);
    warming.await.unwrap();
    let before = memory(&server);
    let others = tokio::spawn(other_users(client, Arc::clone(&stop)));
    let begun = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let lanes: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (attacks, log, next) = (Arc::clone(&attacks), Arc::clone(&server.log), Arc::clone(&next));
            tokio::spawn(async move {
                let mut outcomes = Vec::new();
                while let Some(attack) = attacks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    outcomes.push(run(client, &log, attack).await);
                }
                outcomes
            })
        })
        .collect();
    let mut outcomes = Vec::new();
    for lane in lanes {
        outcomes.extend(lane.await.unwrap());
    }
    let all = begun.elapsed();
    stop.store(true, Ordering::Relaxed);
    let waits = others.await.unwrap();
    let (usual, worst) = (waits[(waits.len() - 1) * 99 / 100].0, waits[waits.len() - 1].0);
    outcomes.sort_by_key(|outcome| outcome.took);
    let queue = idle(client).await;
    let table = summary(&outcomes, &waits, all, &queue, &[before, memory(&server)]);
    if let Ok(path) = std::env::var("ATTACKS_TABLE") {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(table.as_bytes()).unwrap();
    }
    let faults: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.faults.is_empty()).collect();
    let told: Vec<String> =
        faults.iter().map(|outcome| format!("{}: {}", outcome.id, outcome.faults.join("; "))).collect();
    assert!(faults.is_empty(), "{table}\n{}", told.join("\n"));
    let crowded = crowded();
    assert!(usual < OTHERS * DUE * crowded, "one of a hundred calls of other users waited {usual:?}\n{table}");
    assert!(worst < OTHERS * STALLED * crowded, "another user waited {worst:?}\n{table}");
    assert!(server.lives(), "the server has ended\n{table}");
    assert_eq!(queue["waiting"], 0, "somebody's queue is stuck\n{table}");
    concerns_the_attackers_alone(&server.log, &outcomes, &queue, &table);
}

/// No event but an attack is ended or run again, and an attack only if its own realm was killed or died.
fn concerns_the_attackers_alone(log: &Log, outcomes: &[Outcome], queue: &Value, table: &str) {
    let ended = |how: &str| {
        let ended = outcomes.iter().filter(|outcome| outcome.ended.as_ref().is_some_and(|ended| ended.contains(how)));
        ended.map(|outcome| outcome.event.as_str()).collect::<Vec<_>>()
    };
    let (killed, died) = (ended("killed"), ended("its realm died"));
    let counted = ["endedByKill", "setAside", "runAgain", "zygotesDied"].map(|name| queue[name].as_u64().unwrap());
    assert_eq!(counted, [killed.len() as u64, died.len() as u64, died.len() as u64, 0], "{table}");
    // What goes on beside the user's next event may be killed as well, and is over already.
    assert!(queue["realmsKilled"].as_u64().unwrap() >= killed.len() as u64, "{table}");
    assert!(queue["realmsCrashed"].as_u64().unwrap() >= 2 * died.len() as u64, "{table}");
    let mut again = log.all(|entry| {
        let words: Vec<&str> = entry["message"].as_str()?.split(' ').collect();
        matches!(words[..], ["event", _, "runs", "again:" | "once", ..]).then(|| words[1].to_owned())
    });
    again.sort_unstable();
    let mut died = died;
    died.sort_unstable();
    assert_eq!(again, died, "{table}");
}

/// Waits until nobody waits for a turn; gives the counters.
async fn idle(client: Client) -> Value {
    let begun = Instant::now();
    loop {
        let queue = client.get("/status").await.json()["queue"].take();
        if queue["waiting"] == 0 || begun.elapsed() > COMMITTED {
            return queue;
        }
    }
}

/// Proportional resident memory of the server and of all its processes of scripts, in kilobytes.
fn memory(server: &ServerProcess) -> (u64, u64) {
    let scripts = processes::of_server(server.pid);
    (pss(server.pid), scripts.iter().map(|process| pss(process.pid.unsigned_abs())).sum())
}

fn summary(
    outcomes: &[Outcome],
    waits: &[(Duration, &'static str)],
    all: Duration,
    queue: &Value,
    memory: &[(u64, u64); 2],
) -> String {
    let mut text: String = outcomes.iter().map(Outcome::row).collect();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    let _ = writeln!(
        text,
        "{} attacks in {all:.1?}; {} calls of other users waited p50 {:.1?}, p99 {:.1?}, p99.9 {:.1?}, worst {:.1?}\n\
         server {} → {} kB, scripts {} → {} kB (PSS)\n{queue}",
        outcomes.len(),
        waits.len(),
        at(0.5).0,
        at(0.99).0,
        at(0.999).0,
        at(1.0),
        memory[0].0,
        memory[1].0,
        memory[0].1,
        memory[1].1,
    );
    text
}
