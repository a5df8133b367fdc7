//! Conversations survive: the server is killed between any two steps of an event, of its dialog, of its time-out; realms
//! crash and hang between two instructions. No message is lost, and no stored reply comes twice.

#[path = "common/load.rs"]
mod load;
#[cfg(target_os = "linux")]
#[path = "common/processes.rs"]
mod processes;
#[path = "common/server.rs"]
mod server;

use std::path::Path;
use std::sync::Arc;

use load::{Acknowledged, Load};
#[cfg(target_os = "linux")]
use processes::Process;
use rusqlite::Connection;
use server::{Caller, Server, count, log_of, replies, workspace};
use tempfile::TempDir;

/// A place at which a user's name says what is to happen: `kill-` waits there to be killed, at each run of the event one
/// place further; `crash-3` waits there at the third place, once, for its realm to be crashed; `loop-3` hangs in native code there.
/// Whatever it is, the state that an event leaves counts how often it went through it.
const GATE: &str = "
  const kvs = bp.kvs.forBot(event.botId)
  const what = event.type === 'timeout' ? 'timeout' : event.preview
  const [how, place] = event.target.split('-')
  if (how === 'kill' && what !== 'again') {
    const run = await kvs.get(`run ${event.id}`)
    await kvs.set(`at ${what}`, `${run} ${at}`)
    if (at === run) await new Promise(go => setTimeout(go, 14000))
  }
  if (at === Number(place) && what !== 'again' && !(await kvs.get(`was here ${event.id}`))) {
    await kvs.set(`was here ${event.id}`, true)
    if (how === 'crash') {
      await kvs.set(`crash ${event.id}`, true)
      await new Promise(go => setTimeout(go, 14000))
    }
    if (how === 'loop') ('\\u0300'.repeat(3e5) + '\\u0316'.repeat(3e5)).normalize('NFD')
  }
";

/// At the beginning of an event.
const RUN: &str = "
  const kvs = bp.kvs.forBot(event.botId), key = `run ${event.id}`
  await kvs.set(key, ((await kvs.get(key)) || 0) + 1)
";

/// How often an action was run, by the state.
const REMEMBER: &str = "
  for (const memory of [user, session, temp]) memory.count = (memory.count || 0) + 1
  temp.back = args.back
";

/// How many gates the events `first` and `second` go through, each.
const GATES: u32 = 6;
/// And a time-out.
const TIMEOUT_GATES: u32 = 3;

fn gate(at: u32) -> String {
    format!("const at = {at}{GATE}")
}

fn node(name: &str, enter: &[&str], receive: Option<&[&str]>, next: &[(&str, &str)]) -> serde_json::Value {
    let next: Vec<_> =
        next.iter().map(|(condition, node)| serde_json::json!({ "condition": condition, "node": node })).collect();
    serde_json::json!({ "id": name, "name": name, "onEnter": enter, "onReceive": receive, "next": next })
}

fn flow(nodes: &[serde_json::Value]) -> String {
    serde_json::json!({ "version": "0.0.1", "startNode": nodes[0]["name"], "catchAll": {}, "nodes": nodes }).to_string()
}

fn say(text: &str) -> String {
    format!(r#"say #builtin_text {{"text":"{text}","typing":false}}"#)
}

/// A bot that says numbers, with gates between all that it does. What is hanging is ended soon, and who has expired found.
fn bot() -> TempDir {
    let config = r#"{ "scripts": { "actionRunning": "300ms" }, "dialog": { "janitorInterval": "100ms" } }"#;
    let texts = ["one", "two", "three", "four", "five", "six", "still there?", "good-bye"].map(say);
    let [one, two, three, four, five, six, still_there, good_bye] = texts.each_ref().map(String::as_str);
    let gates: Vec<String> = (0..=6).map(|at| format!("gate {{\"at\":{at}}}")).collect();
    let at = |place: usize| gates[place].as_str();
    let main = flow(&[
        node(
            "entry",
            &[at(1), one, at(2), "remember {}", two],
            None,
            &[("temp.back", "ask"), ("always", "sub.flow.json")],
        ),
        node("ask", &[three, at(5)], Some(&[at(1), four, at(2)]), &[("always", "bye")]),
        node("bye", &[five, at(3)], None, &[]),
        node("timeout", &[at(2), still_there, at(3), good_bye], Some(&["remember {}"]), &[]),
    ]);
    let sub = flow(&[node("start", &[at(3), "remember {\"back\":true}", at(4)], None, &[("always", "#")])]);
    let end = flow(&[node("last", &[six, at(5)], None, &[])]);
    workspace(&[
        ("botpress.config.json", config),
        ("bots/bot/bot.config.json", r#"{ "name": "Bot" }"#),
        ("bots/bot/flows/main.flow.json", &main),
        ("bots/bot/flows/sub.flow.json", &sub),
        ("bots/bot/flows/conversation_end.flow.json", &end),
        ("bots/bot/actions/gate.js", &format!("const {{ at }} = args{GATE}")),
        ("bots/bot/actions/remember.js", REMEMBER),
        ("hooks/before_incoming_middleware/run.js", RUN),
        ("hooks/before_conversation_end/gate.js", &gate(4)),
        ("hooks/after_event_processed/gate.js", &gate(6)),
        ("hooks/before_session_timeout/0_run.js", RUN),
        ("hooks/before_session_timeout/1_gate.js", &gate(1)),
    ])
}

/// Copies a folder with all that is in it.
#[cfg(target_os = "linux")]
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn start(folder: &Path) -> Server {
    Server::start(folder, &["--production", "--no-watch"])
}

async fn send(server: &Server, user: &str, text: &str) {
    send_to(server, "bot", user, text).await;
}

async fn send_to(server: &Server, bot: &str, user: &str, text: &str) {
    let path = format!("/api/v1/bots/{bot}/mod/channel-web/messages/{user}");
    let body = format!(r#"{{"type":"text","text":"{text}"}}"#);
    let (status, body) = Caller::to(server.address).post(&path, body).await.unwrap();
    assert_eq!(status, 200, "{body}");
}

fn said(folder: &Path, user: &str) -> Vec<String> {
    replies(folder).into_iter().filter(|(whose, _)| whose == user).map(|(_, text)| text).collect()
}

/// Kills the server at one place after the other of an event of the user `kill-`, and lets it come to its end at last.
async fn kill_at_each(folder: &Path, what: &str, places: u32, mut begin: impl AsyncFnMut(&Server)) {
    for place in 1..=places {
        let server = start(folder);
        if place == 1 {
            begin(&server).await;
        }
        let at = format!("SELECT count(*) FROM kvs WHERE key = 'at {what}' AND value = '\"{place} {place}\"'");
        server.until(&at, |_| count(folder, &at) == 1).await;
        server.kill();
    }
    start(folder).idle().await;
}

/// What is stored of a user's conversation: the counts of session and temp, and the dialog's node; empty where there is none.
fn stored(folder: &Path, user: &str) -> [String; 3] {
    let sql = "SELECT ifnull(session ->> 'count', ''), ifnull(temp ->> 'count', ''), ifnull(context ->> 'currentNode', '') \
               FROM sessions WHERE target = ?";
    let text = |row: &rusqlite::Row<'_>, index| -> rusqlite::Result<String> {
        match row.get_ref(index)? {
            rusqlite::types::ValueRef::Integer(number) => Ok(number.to_string()),
            other => Ok(other.as_str()?.to_owned()),
        }
    };
    let found = database(folder).query_row(sql, [user], |row| Ok([text(row, 0)?, text(row, 1)?, text(row, 2)?]));
    found.unwrap_or_else(|error| panic!("{user}: {error}"))
}

/// Lets that user's dialog be one that waited for too long. A server that looks for those finds it.
fn expire(folder: &Path, user: &str) {
    let sql = "UPDATE sessions SET times_out_on = 1 WHERE target = ? AND times_out_on IS NOT NULL";
    assert_eq!(database(folder).execute(sql, [user]).unwrap(), 1, "{user} has no dialog");
}

fn database(folder: &Path) -> Connection {
    let database = Connection::open(folder.join("data.db")).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(30)).unwrap();
    database
}

/// The expired dialogs have timed out, and nothing is left of that.
fn timed_out(folder: &Path) {
    let left = "SELECT count(*) FROM sessions WHERE timeout IS NOT NULL OR times_out_on IS NOT NULL OR context <> '{}'";
    assert_eq!(count(folder, left), 0);
    assert_eq!(count(folder, "SELECT count(*) FROM queue"), 0);
    assert_eq!(count(folder, "SELECT count(*) FROM effects"), 0);
}

const FIRST: [&str; 3] = ["one", "two", "three"];
const SECOND: [&str; 3] = ["four", "five", "six"];
const TIMEOUT: [&str; 2] = ["still there?", "good-bye"];

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_at_any_place_of_a_dialog_goes_on_with_it_and_says_nothing_twice() {
    let folder = bot();
    let folder = folder.path();
    kill_at_each(folder, "first", GATES, async |server| send(server, "kill-", "first").await).await;
    assert_eq!(said(folder, "kill-"), FIRST);
    // Whatever the runs that were killed did to it: what is stored is what one whole run leaves.
    assert_eq!(stored(folder, "kill-"), ["2", "2", "ask"]);
    kill_at_each(folder, "second", GATES, async |server| send(server, "kill-", "second").await).await;
    assert_eq!(said(folder, "kill-"), [FIRST, SECOND].concat());
    assert_eq!(stored(folder, "kill-"), ["2", "", ""]);
    let user = "SELECT count(*) FROM users WHERE user_id = 'kill-' AND attributes ->> 'count' = 2";
    assert_eq!(count(folder, user), 1);
    assert_eq!(count(folder, "SELECT count(*) FROM effects"), 0, "nothing is kept of an event that is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_at_any_place_of_a_time_out_runs_it_to_its_end_once() {
    let folder = bot();
    let folder = folder.path();
    let server = start(folder);
    send(&server, "kill-", "again").await;
    server.idle().await;
    // It expires while no server is there to see it.
    server.kill();
    expire(folder, "kill-");
    kill_at_each(folder, "timeout", TIMEOUT_GATES, async |_| {}).await;
    assert_eq!(said(folder, "kill-"), [&FIRST[..], &TIMEOUT].concat());
    assert_eq!(stored(folder, "kill-"), ["2", "", ""]);
    timed_out(folder);
}

/// Waits until an event of the bot stands where its realm is to crash, and crashes all realms that come from that zygote.
#[cfg(target_os = "linux")]
async fn crash(server: &Server, folder: &Path, zygote: i32, so_far: u64) {
    let there = "SELECT count(*) FROM kvs WHERE key LIKE 'crash %'";
    server.until("it stands there", |_| count(folder, there) > so_far).await;
    for realm in realms(server).into_iter().filter(|realm| realm.parent == zygote) {
        processes::crash(realm.pid);
    }
}

#[cfg(target_os = "linux")]
fn realms(server: &Server) -> Vec<processes::Process> {
    let all = processes::of_server(server.pid()).into_iter();
    all.filter(|process| process.role == processes::Role::Realm).collect()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_realm_that_crashes_at_any_place_takes_nothing_with_it() {
    let folder = bot();
    let folder = folder.path();
    // One realm at a time: all of a bot's are crashed, and the event would run once more in one that is about to be.
    let config = r#"{ "scripts": { "mostRealmsPerBot": 1 }, "dialog": { "janitorInterval": "100ms" } }"#;
    std::fs::write(folder.join("botpress.config.json"), config).unwrap();
    // Another bot with the same flows, whose users have nothing to do with it.
    copy(&folder.join("bots/bot"), &folder.join("bots/calm"));
    let server = start(folder);
    send(&server, "first-0", "again").await;
    server.idle().await;
    let [Process { parent: zygote, .. }] = realms(&server)[..] else { panic!("{:?}", realms(&server)) };
    let users: Vec<String> = (1..=GATES).map(|place| format!("crash-{place}")).collect();
    let others: Vec<String> = (0..20).map(|user| format!("other-{user}")).collect();
    let mut crashes = 0;
    for text in ["first", "second", "again"] {
        for user in &others {
            send_to(&server, "calm", user, text).await;
        }
        for user in &users {
            send(&server, user, text).await;
            if text != "again" {
                crash(&server, folder, zygote, crashes).await;
                crashes += 1;
            }
            server.idle().await;
        }
    }
    for user in &others {
        assert_eq!(said(folder, user), [FIRST, SECOND, FIRST].concat(), "{user}");
        assert_eq!(stored(folder, user), ["4", "2", "ask"], "{user}");
    }
    for user in &users {
        assert_eq!(said(folder, user), [FIRST, SECOND, FIRST].concat(), "{user}");
        assert_eq!(stored(folder, user), ["4", "2", "ask"], "{user}");
    }
    let queue = server.queue().await;
    // Each crash is of one event, which runs once more; no other does.
    let counted = |queue: &serde_json::Value| {
        ["realmsCrashed", "runAgain", "realmsKilled", "endedByKill", "setAside"]
            .map(|name| queue[name].as_u64().unwrap())
    };
    assert_eq!(crashes, u64::from(2 * GATES));
    assert_eq!(counted(&queue), [crashes, crashes, 0, 0, 0], "{queue}");
    expire(folder, "first-0");
    for (at, user) in users.iter().chain(&others).enumerate() {
        expire(folder, user);
        if at < TIMEOUT_GATES as usize {
            crash(&server, folder, zygote, crashes).await;
            crashes += 1;
        }
        let over = format!("SELECT count(*) FROM sessions WHERE target = '{user}' AND context = '{{}}'");
        server.until(&over, |_| count(folder, &over) == 1).await;
        server.idle().await;
        let wanted = [&FIRST[..], &SECOND, &FIRST, &TIMEOUT].concat();
        assert_eq!(said(folder, user), wanted, "{user}\n{}", log_of(folder));
        assert_eq!(stored(folder, user), ["4", "", ""], "{user}");
    }
    timed_out(folder);
    let queue = server.queue().await;
    assert_eq!(counted(&queue), [crashes, crashes, 0, 0, 0], "{queue}");
    assert_eq!(queue["timeouts"], users.len() + others.len() + 1, "{queue}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dialog_whose_action_hangs_stands_where_it_stood_and_one_that_timed_out_is_over() {
    let folder = bot();
    let folder = folder.path();
    let server = start(folder);
    send(&server, "loop-2", "first").await;
    server.idle().await;
    // What was said counts, what was remembered is lost with the event.
    assert_eq!(said(folder, "loop-2"), ["one"]);
    send(&server, "loop-2", "again").await;
    server.idle().await;
    assert_eq!(said(folder, "loop-2"), [&["one"][..], &FIRST].concat());
    assert_eq!(stored(folder, "loop-2"), ["2", "2", "ask"]);
    send(&server, "loop-2", "second").await;
    server.idle().await;
    assert_eq!(said(folder, "loop-2"), [&["one"][..], &FIRST, &["four"]].concat());
    assert_eq!(stored(folder, "loop-2"), ["2", "2", "ask"], "the dialog waits where it waited");
    expire(folder, "loop-2");
    let over = "SELECT count(*) FROM sessions WHERE context = '{}'";
    server.until(over, |_| count(folder, over) == 1).await;
    server.idle().await;
    assert_eq!(said(folder, "loop-2").len(), 5, "the time-out hung before it said anything");
    assert_eq!(stored(folder, "loop-2"), ["2", "", ""]);
    timed_out(folder);
    let queue = server.queue().await;
    let counted = ["endedByKill", "realmsKilled", "realmsCrashed", "runAgain", "setAside"];
    let counted = counted.map(|name| queue[name].as_u64().unwrap());
    assert_eq!(counted, [3, 3, 0, 0, 0], "{queue}\n{}", log_of(folder));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_was_reached_and_not_stored_is_reached_again_and_says_nothing_twice() {
    let folder = bot();
    let folder = folder.path();
    let server = start(folder);
    let refuse = |what: &str| {
        let name = what.replace(' ', "_");
        let sql = format!("CREATE TRIGGER {name} BEFORE {what} BEGIN SELECT RAISE(ABORT, 'the disk is full'); END");
        database(folder).execute_batch(&sql).unwrap();
    };
    refuse("DELETE ON queue");
    send(&server, "ann", "first").await;
    server.until("its end is refused", |_| log_of(folder).contains("could not be stored, it is tried again")).await;
    refuse("INSERT ON queue");
    let path = "/api/v1/bots/bot/mod/channel-web/messages/late";
    let refused = Caller::to(server.address).post(path, r#"{"type":"text","text":"first"}"#.into()).await.unwrap();
    assert_eq!(refused.0, 500, "who is not answered with 2xx has no claim");
    server.kill();
    assert_eq!(said(folder, "ann"), FIRST);
    assert_eq!((count(folder, "SELECT count(*) FROM queue"), count(folder, "SELECT count(*) FROM sessions")), (1, 0));
    database(folder).execute_batch("DROP TRIGGER DELETE_ON_queue; DROP TRIGGER INSERT_ON_queue").unwrap();
    start(folder).idle().await;
    assert_eq!(said(folder, "ann"), FIRST);
    assert_eq!(stored(folder, "ann"), ["2", "2", "ask"]);
    assert!(said(folder, "late").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_dialogs_that_expire_at_once_time_out_once_each_however_often_the_server_is_killed() {
    let folder = bot();
    let folder = folder.path();
    let server = start(folder);
    let users: Vec<String> = (0..150).map(|user| format!("user-{user}")).collect();
    for user in &users {
        send(&server, user, "first").await;
    }
    server.idle().await;
    server.kill();
    for user in &users {
        expire(folder, user);
    }
    let good_byes = "SELECT count(*) FROM messages WHERE message_text = 'good-bye'";
    for round in 1..=8 {
        let server = start(folder);
        server.until(good_byes, |_| count(folder, good_byes) >= round * 15).await;
        server.kill();
    }
    let server = start(folder);
    server.until(good_byes, |_| count(folder, good_byes) >= 150).await;
    server.idle().await;
    for user in &users {
        assert_eq!(said(folder, user), [&FIRST[..], &TIMEOUT].concat(), "{user}");
        assert_eq!(stored(folder, user), ["2", "", ""], "{user}");
    }
    timed_out(folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn dialogs_of_many_users_survive_ten_kills_of_the_server() {
    // The count is in the session, the dialog has its own, and the node says which message it waits for.
    let count_action = "session.seen = (session.seen || 0) + 1; temp.seen = (temp.seen || 0) + 1
      if (session.seen !== temp.seen) throw new Error('the dialog has been forgotten')";
    let answer = r#"say #builtin_text {"text":"{{event.payload.number}} {{session.seen}}","typing":false}"#;
    let main = flow(&[
        node("entry", &["count {}"], None, &[("always", "answer")]),
        node("answer", &[answer], Some(&["count {}"]), &[("temp.seen % 2 === 0", "even"), ("always", "answer")]),
        node("even", &[answer], Some(&["count {}"]), &[("temp.seen % 2 === 1", "answer")]),
    ]);
    let folder = workspace(&[
        ("bots/welcome-bot/bot.config.json", r#"{ "name": "Bot" }"#),
        ("bots/welcome-bot/flows/main.flow.json", &main),
        ("bots/welcome-bot/actions/count.js", count_action),
    ]);
    let folder = folder.path();
    let numbers = Arc::default();
    let mut acknowledged = Acknowledged::new();
    let mut hit = 0;
    for round in 0..10 {
        let server = start(folder);
        let mut load = Load::start(server.address, 16, u64::MAX, &numbers);
        assert!(load.reaches(1 + round * 17 % 120).await);
        server.kill();
        hit += u32::from(count(folder, "SELECT count(*) FROM queue") > 0);
        load.end(&mut acknowledged).await;
    }
    start(folder).idle().await;
    load::check(folder, &acknowledged);
    assert!(hit > 0, "no kill hit an event on its way: the test shows nothing");
}
