//! Whoever kills or stops a process of scripts from outside, the system where memory is short or somebody by hand: it is nobody's
//! doing, however often it happens. No event is over or set aside for it, and each is answered once.
#![cfg(target_os = "linux")]

#[path = "common/processes.rs"]
mod processes;
#[path = "common/server.rs"]
mod server;

use std::path::Path;

use processes::{Process, Role};
use rustix::process::{Pid, Signal, kill_process};
use server::{Caller, Server, count, log_of, replies, workspace};

const HOOK: &str = "hooks/before_incoming_middleware/wait.js";

/// Says that it is there, how many times it was, and waits until somebody lets it go on.
const WAIT: &str = "event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
if (event.type === 'wait') {
  const kvs = bp.kvs.forBot(event.botId)
  await kvs.set('runs', (await kvs.get('runs') || 0) + 1)
  while (!(await kvs.get('go on'))) await new Promise(go => setTimeout(go, 20))
  await bp.events.replyToEvent(event, [{ type: 'text', text: 'there' }])
  // It goes on beside the event for a while.
  setTimeout(() => console.log('it is answered'), 500)
  if (event.payload.floats) setTimeout(() => {}, 14000)
}
if (event.type === 'go on') {
  await bp.kvs.forBot(event.botId).set('go on', true)
}";

const ARGS: [&str; 2] = ["--production", "--no-watch"];

async fn post(server: &Server, user: &str, body: &str) {
    let path = format!("/api/v1/bots/welcome-bot/mod/channel-web/events/{user}");
    assert_eq!(Caller::to(server.address).post(&path, body.into()).await.unwrap().0, 200);
}

fn of(server: &Server, role: Role) -> Vec<Process> {
    processes::of_server(server.pid()).into_iter().filter(|process| process.role == role).collect()
}

fn signal(process: i32, signal: Signal) {
    // It may be gone already.
    let _ = kill_process(Pid::from_raw(process).unwrap(), signal);
}

/// Waits until the event that waits has begun for that time.
async fn runs(server: &Server, folder: &Path, time: u64) {
    let sql = format!("SELECT count(*) FROM kvs WHERE key = 'runs' AND value = '{time}'");
    server.until(&format!("it runs for the {time}. time"), |_| count(folder, &sql) == 1).await;
}

async fn counted(server: &Server, names: &[&str]) -> Vec<u64> {
    let queue = server.queue().await;
    names.iter().map(|name| queue[name].as_u64().unwrap()).collect()
}

const INNOCENT: [&str; 4] = ["setAside", "endedByKill", "realmsKilled", "zygotesDied"];

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_realm_is_ended_from_outside_over_and_over_runs_again_until_it_is_let_be() {
    let folder = workspace(&[(HOOK, WAIT)]);
    let folder = folder.path();
    let server = Server::start(folder, &ARGS);
    post(&server, "ann", r#"{"type":"wait"}"#).await;
    // No script can send a signal to itself.
    let signals = [Signal::KILL, Signal::TERM, Signal::USR1, Signal::KILL];
    for (time, kind) in (1..).zip(signals) {
        runs(&server, folder, time).await;
        for realm in of(&server, Role::Realm) {
            signal(realm.pid, kind);
        }
    }
    runs(&server, folder, 5).await;
    post(&server, "bob", r#"{"type":"go on"}"#).await;
    server.idle().await;
    assert_eq!(replies(folder), [("ann".to_owned(), "there".to_owned())]);
    assert_eq!(counted(&server, &INNOCENT).await, [0; 4]);
    assert_eq!(counted(&server, &["runAgain", "realmsCrashed"]).await, [4, 4]);
    assert_eq!(count(folder, "SELECT count(*) FROM queue"), 0);
    let log = log_of(folder);
    // From the third time on it is given some time.
    for said in [
        "runs again: its realm was killed by somebody else (signal: 9)",
        "somebody else (signal: 15)",
        "runs again in 1 s: ",
    ] {
        assert!(log.contains(said), "{said:?} is missing in\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_from_outside_do_not_count_towards_what_an_event_does_itself() {
    let folder = workspace(&[(HOOK, WAIT)]);
    let folder = folder.path();
    let server = Server::start(folder, &ARGS);
    post(&server, "ann", r#"{"type":"wait"}"#).await;
    // What a fault of the engine ends with, and others' kills around it.
    for (time, kind) in (1..).zip([Signal::KILL, Signal::ABORT, Signal::KILL]) {
        runs(&server, folder, time).await;
        for realm in of(&server, Role::Realm) {
            signal(realm.pid, kind);
        }
    }
    runs(&server, folder, 4).await;
    assert_eq!(counted(&server, &INNOCENT).await, [0; 4]);
    for realm in of(&server, Role::Realm) {
        processes::crash(realm.pid);
    }
    server.idle().await;
    assert_eq!(counted(&server, &["setAside", "runAgain", "realmsCrashed"]).await, [1, 3, 4]);
    let log = log_of(folder);
    let said = "its realm died (signal: 6); the event took two realms with it and is set aside";
    assert!(log.contains(said), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_realm_somebody_stops_runs_again_in_another_one() {
    let folder = workspace(&[(HOOK, WAIT)]);
    let folder = folder.path();
    let server = Server::start(folder, &ARGS);
    // One that is free is sent an event, and never begins with it.
    post(&server, "first", r#"{"type":"other"}"#).await;
    server.idle().await;
    let stopped = of(&server, Role::Realm);
    for realm in &stopped {
        signal(realm.pid, Signal::STOP);
    }
    post(&server, "ann", r#"{"type":"wait"}"#).await;
    runs(&server, folder, 1).await;
    // One that is at its event, and waits for a timer.
    for realm in of(&server, Role::Realm) {
        signal(realm.pid, Signal::STOP);
    }
    runs(&server, folder, 2).await;
    post(&server, "bob", r#"{"type":"go on"}"#).await;
    server.idle().await;
    assert_eq!(replies(folder), [("ann".to_owned(), "there".to_owned())]);
    assert_eq!(counted(&server, &INNOCENT).await, [0; 4]);
    let log = log_of(folder);
    assert!(log.contains("runs again: its realm was stopped by somebody else, and killed"), "{log}");
    assert!(stopped.iter().all(|realm| !processes::lives(realm.pid)), "{stopped:?}");
}

/// An event is answered while nothing can be committed, and its realm is killed then.
async fn killed_before_the_commit(event: &str) {
    // It is over before what goes on beside it is.
    let config = r#"{ "scripts": { "floating": "1ms" } }"#;
    let folder = workspace(&[("botpress.config.json", config), (HOOK, WAIT)]);
    let folder = folder.path();
    let server = Server::start(folder, &ARGS);
    post(&server, "ann", event).await;
    runs(&server, folder, 1).await;
    let [realm] = of(&server, Role::Realm)[..] else { panic!("{:?}", of(&server, Role::Realm)) };
    // It does not notice yet that it may go on.
    signal(realm.pid, Signal::STOP);
    post(&server, "bob", r#"{"type":"go on"}"#).await;
    let flag = "SELECT count(*) FROM kvs WHERE key = 'go on'";
    server.until("it may go on", |_| count(folder, flag) == 1).await;
    let database = rusqlite::Connection::open(folder.join("data.db")).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    signal(realm.pid, Signal::CONT);
    server.until("it is answered", |_| log_of(folder).contains("it is answered")).await;
    assert_eq!(replies(folder), []);
    signal(realm.pid, Signal::KILL);
    server.until("it is gone", |_| !processes::lives(realm.pid)).await;
    database.execute_batch("ROLLBACK").unwrap();
    server.idle().await;
    assert_eq!(replies(folder), [("ann".to_owned(), "there".to_owned())]);
    assert_eq!(counted(&server, &INNOCENT).await, [0; 4]);
    assert_eq!(counted(&server, &["runAgain"]).await, [0], "{}", log_of(folder));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_realm_that_is_killed_between_its_answer_and_the_commit_takes_nothing_with_it() {
    killed_before_the_commit(r#"{"type":"wait"}"#).await;
    killed_before_the_commit(r#"{"type":"wait","floats":true}"#).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_realm_had_grown_larger_than_it_may_is_over_whoever_was_faster_to_kill_it() {
    let config = r#"{ "scripts": { "heap": "256mb", "realmResident": "64mb" } }"#;
    // It is killed as soon as it holds that much, as the system does where memory is short.
    let hook = "if (event.type === 'eat') {
      globalThis.held = Array.from({ length: 160 }, (_, i) => String(i).padEnd(1e6, 'x'))
      console.log('it is full')
      await new Promise(go => setTimeout(go, 14000))
    }";
    let folder = workspace(&[("botpress.config.json", config), (HOOK, hook)]);
    let folder = folder.path();
    let server = Server::start(folder, &ARGS);
    post(&server, "ann", r#"{"type":"eat"}"#).await;
    server
        .until("it is full, and killed", |server| {
            let full = log_of(folder).contains("it is full");
            if full {
                of(server, Role::Realm).iter().for_each(|realm| signal(realm.pid, Signal::KILL));
            }
            full || log_of(folder).contains("the event is over")
        })
        .await;
    server.idle().await;
    assert_eq!(counted(&server, &["endedByKill", "runAgain", "setAside"]).await, [1, 0, 0], "{}", log_of(folder));
    let log = log_of(folder);
    assert!(log.contains("MB of memory, 64 MB are allowed (scripts.realmResident); the event is over"), "{log}");
}
