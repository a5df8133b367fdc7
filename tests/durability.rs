//! What was answered with 2xx happens, once and in order, whatever dies meanwhile: the real server as a process over real
//! HTTP, killed at any moment.
#![expect(clippy::print_stdout, reason = "figures, for who runs them with --nocapture")]

#[path = "common/load.rs"]
mod load;
#[cfg(target_os = "linux")]
#[path = "common/processes.rs"]
mod processes;
#[path = "common/server.rs"]
mod server;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use load::{Acknowledged, Load, check, numbered, send};
use server::{Caller, Server, count, log_of, replies, workspace};
use tempfile::TempDir;

/// Answers each event with its number, and with how many of this user it has seen: the count is in the state.
const NUMBERED: &str = "if (event.type === 'numbered') {
  const { session } = event.state
  session.seen = (session.seen || 0) + 1
  event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
  event.setFlag(bp.IO.WellKnownFlags.FORCE_PERSIST_STATE, true)
  bp.events.replyToEvent(event, [{ type: 'text', text: `${event.payload.number} ${session.seen}` }])
}
";

const HOOK: &str = "hooks/before_incoming_middleware/numbered.js";

fn numbered_workspace() -> TempDir {
    workspace(&[(HOOK, NUMBERED)])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_events_of_fifty_users_run_once_each_in_the_order_of_arrival() {
    let folder = numbered_workspace();
    let server = Server::start(folder.path(), &["--production", "--no-watch"]);
    let mut acknowledged = Acknowledged::new();
    Load::start(server.address, 50, 20, &Arc::default()).end(&mut acknowledged).await;
    server.idle().await;
    assert_eq!(acknowledged.values().map(Vec::len).sum::<usize>(), 1_000);
    check(folder.path(), &acknowledged);
    assert_eq!(replies(folder.path()).len(), 1_000);
    let queue = server.queue().await;
    assert_eq!(
        (&queue["accepted"], &queue["processed"], &queue["repliesCommitted"]),
        (&1_000.into(), &1_000.into(), &1_000.into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_kills_of_the_server_and_no_reply_is_doubled() {
    let kills = kills(20);
    let folder = numbered_workspace();
    let numbers = Arc::default();
    let mut acknowledged = Acknowledged::new();
    let (mut hit, mut start_up, mut slowest) = (0, Duration::ZERO, Duration::ZERO);
    for round in 0..kills {
        let server = Server::start(folder.path(), &["--production", "--no-watch"]);
        slowest = slowest.max(server.start_up);
        start_up += server.start_up;
        let mut load = Load::start(server.address, 16, u64::MAX, &numbers);
        assert!(load.reaches(1 + round * 17 % 120).await);
        server.kill();
        hit += u32::from(count(folder.path(), "SELECT count(*) FROM queue") > 0);
        load.end(&mut acknowledged).await;
    }
    let server = Server::start(folder.path(), &["--production", "--no-watch"]);
    server.idle().await;
    check(folder.path(), &acknowledged);
    let total: usize = acknowledged.values().map(Vec::len).sum();
    println!(
        "{total} events acknowledged over {kills} kills, {hit} of which hit unfinished ones; start-up {} ms on average, {} ms at most",
        start_up.as_millis() / u128::from(kills),
        slowest.as_millis()
    );
    assert!(hit > 0, "no kill hit an event on its way: the test shows nothing");
}

/// How many kills there are, unless `KILLS` says otherwise.
fn kills(few: u64) -> u64 {
    std::env::var("KILLS").map_or(few, |kills| kills.parse().unwrap())
}

/// Kills while one load is on its way.
const KILLS_A_LOAD: u64 = 10;

/// Descriptors of the database's files: two of each connection, of which there are the writer's, the one for checkpoints, those of
/// the threads that read and eight for all other reads, and those of the lock and of the memory that connections share.
#[cfg(target_os = "linux")]
const MOST_OF_DATABASE: usize = 2 * (1 + 1 + 2 + 8) + 2;

/// What a server holds: descriptors beside the two that it has of each process of scripts and the two of all that come from one
/// first zygote (what keeps them alive, and what they say), and bytes. Connections to the
/// database do not count: up to eight more are kept than there were at first, as many as have read at once.
#[cfg(target_os = "linux")]
fn held(server: &Server, groups: &BTreeSet<i32>) -> (usize, u64) {
    let (database, others): (Vec<_>, Vec<_>) = std::fs::read_dir(format!("/proc/{}/fd", server.pid()))
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .partition(|file| file.to_str().is_some_and(|file| file.contains("/data.db")));
    assert!(database.len() <= MOST_OF_DATABASE, "{} descriptors of the database", database.len());
    let descriptors = others.len();
    let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", server.pid())).unwrap();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
    let kilobytes: u64 = line.split_whitespace().next().unwrap().parse().unwrap();
    let alive = processes::of_groups(groups);
    let families: BTreeSet<i32> = alive.iter().map(|process| process.group).collect();
    (descriptors.saturating_sub(2 * (alive.len() + families.len())), kilobytes << 10)
}

/// Of all processes that a server has, one of the kind whose turn it is.
#[cfg(target_os = "linux")]
fn victim(groups: &BTreeSet<i32>, turn: u64) -> Option<processes::Process> {
    use processes::Role;
    let role = match turn % 6 {
        0 => Role::Root,
        2 | 4 => Role::Zygote,
        _ => Role::Realm,
    };
    let all: Vec<_> = processes::of_groups(groups).into_iter().filter(|one| one.role == role).collect();
    (!all.is_empty()).then(|| all[(turn as usize * 7) % all.len()])
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn killing_zygotes_and_realms_under_load_loses_nothing_and_doubles_nothing_and_leaves_nothing_behind() {
    let kills = kills(60);
    // Long enough that whoever is killed has one.
    let folder = workspace(&[(HOOK, &waits(4, "''"))]);
    let server = Server::start(folder.path(), &["--production", "--no-watch"]);
    let (numbers, mut acknowledged) = (Arc::default(), Acknowledged::new());
    let (mut killed, mut realms, mut groups) = (0, 0, BTreeSet::new());
    let mut first = None;
    while killed < kills {
        let mut load = Load::start(server.address, 20, 25, &numbers);
        for step in 0..KILLS_A_LOAD {
            load.reaches(20 + 45 * step).await;
            groups.extend(processes::groups(server.pid()));
            if let Some(victim) = victim(&groups, killed)
                && processes::kill(victim.pid)
            {
                realms += u64::from(victim.role == processes::Role::Realm);
            }
            killed += 1;
        }
        load.end(&mut acknowledged).await;
        server.idle().await;
        let held = held(&server, &groups);
        first.get_or_insert(held);
    }
    assert_eq!(acknowledged.values().map(Vec::len).sum::<usize>() as u64, kills.div_ceil(KILLS_A_LOAD) * 500);
    check(folder.path(), &acknowledged);
    let queue = server.queue().await;
    // It is nobody's fault who is killed from outside: no event is ended for it.
    for never in ["setAside", "endedByKill", "realmsKilled"] {
        assert_eq!(queue[never], 0, "{never}: {queue}");
    }
    let crashed = queue["realmsCrashed"].as_u64().unwrap();
    assert!((1..=realms).contains(&crashed), "{realms} realms were killed, some without an event: {queue}");
    groups.extend(processes::groups(server.pid()));
    server.until("all who are gone are buried", |_| processes::zombies(&groups).is_empty()).await;
    let (first, mut last) = (first.unwrap(), held(&server, &groups));
    for _ in 0..1_000 {
        last = held(&server, &groups);
        // Connections of users end by themselves.
        if last.0 <= first.0 + 4 {
            break;
        }
        server.queue().await;
    }
    assert!(last.0 <= first.0 + 4, "{first:?} descriptors and bytes, then {last:?}");
    assert!(last.1 <= first.1 * 3 / 2 + (16 << 20), "{first:?} descriptors and bytes, then {last:?}");
    let alive = processes::of_groups(&groups).len() as u64;
    println!(
        "{killed} processes killed, {realms} realms among them, {crashed} with an event, {} events run again; \
         descriptors {} and {}, megabytes {} and {}; {alive} processes left: {queue}",
        queue["runAgain"],
        first.0,
        last.0,
        first.1 >> 20,
        last.1 >> 20
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_stop_under_load_loses_nothing_that_was_acknowledged() {
    let folder = numbered_workspace();
    let numbers = Arc::default();
    let mut acknowledged = Acknowledged::new();
    for round in 0..3 {
        let server = Server::start(folder.path(), &["--production", "--no-watch"]);
        let mut load = Load::start(server.address, 16, u64::MAX, &numbers);
        assert!(load.reaches(40 + 30 * round).await);
        let started = Instant::now();
        let status = tokio::task::spawn_blocking(|| server.terminate()).await.unwrap();
        assert!(status.success(), "{status}\n{}", log_of(folder.path()));
        println!("stopped in {} ms", started.elapsed().as_millis());
        load.end(&mut acknowledged).await;
    }
    let server = Server::start(folder.path(), &["--production", "--no-watch"]);
    server.idle().await;
    check(folder.path(), &acknowledged);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_takes_two_realms_with_it_is_set_aside_and_all_others_go_on_as_if_nothing_was() {
    let attack = "if (event.type === 'attack') await new Promise(go => setTimeout(go, 14000))";
    let folder = workspace(&[
        ("bots/mallorys/bot.config.json", "{}"),
        ("bots/welcome-bot/bot.config.json", "{}"),
        (HOOK, NUMBERED),
        ("hooks/before_incoming_middleware/0_attack.js", attack),
    ]);
    let server = Server::start(folder.path(), &["--production", "--no-watch"]);
    let path = "/api/v1/bots/mallorys/mod/channel-web/events/mallory";
    let mut caller = Caller::to(server.address);
    assert_eq!(caller.post(path, numbered(1)).await.unwrap().0, 200);
    server.idle().await;
    // Realms of this bot come from the zygote that the first one came from.
    let realms = || processes::of_server(server.pid()).into_iter().filter(|one| one.role == processes::Role::Realm);
    let [mallorys] = realms().collect::<Vec<_>>()[..] else { panic!("{:?}", realms().collect::<Vec<_>>()) };
    let mut acknowledged = Acknowledged::new();
    let load = Load::start(server.address, 10, 20, &Arc::new(AtomicU64::new(100)));
    for body in [r#"{"type":"attack"}"#.to_owned(), numbered(2)] {
        assert_eq!(caller.post(path, body).await.unwrap().0, 200);
    }
    let aside = "SELECT count(*) FROM queue WHERE poison IS NOT NULL";
    // Two and no more: the third may have the next event already.
    let mut crashed = std::collections::BTreeSet::new();
    server
        .until("it is set aside", |_| {
            for realm in realms().filter(|realm| realm.parent == mallorys.parent) {
                if crashed.len() < 2 && crashed.insert(realm.pid) {
                    processes::crash(realm.pid);
                }
            }
            count(folder.path(), aside) == 1
        })
        .await;
    acknowledged.insert("mallory".into(), vec![1, 2]);
    load.end(&mut acknowledged).await;
    server.idle().await;
    check(folder.path(), &acknowledged);
    let queue = server.queue().await;
    assert_eq!(queue["setAside"], 1, "{queue}");
    // Its first death, after which it ran once more, and its second one: nobody else ran again.
    let counted = ["realmsCrashed", "realmsKilled", "runAgain", "endedByKill"];
    let counted = counted.map(|name| queue[name].as_u64().unwrap());
    assert_eq!(counted, [2, 0, 1, 0], "{queue}\n{}", log_of(folder.path()));
    // Beside it those that were sent ahead and taken back before a realm had begun with them.
    assert!(queue["dispatched"].as_u64().unwrap() >= 204, "{queue}");
    assert_eq!(queue["processed"], 203, "what is set aside is over, too: {queue}");
    assert_eq!(count(folder.path(), "SELECT count(*) FROM queue WHERE poison IS NOT NULL"), 1);
    let log = log_of(folder.path());
    let said = "0_attack.js its realm died (signal: 6); the event took two realms with it and is set aside";
    assert!(log.contains(said), "{log}");
    server.kill();
    let server = Server::start(folder.path(), &["--production", "--no-watch"]);
    assert_eq!(Caller::to(server.address).post(path, numbered(3)).await.unwrap().0, 200);
    server.idle().await;
    assert_eq!(server.queue().await["realmsCrashed"], 0, "it never runs again");
    acknowledged.get_mut("mallory").unwrap().push(3);
    check(folder.path(), &acknowledged);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_reply_cannot_be_stored_runs_again_until_it_can() {
    let folder = numbered_workspace();
    let folder = folder.path();
    let server = Server::start(folder, &["--production", "--no-watch"]);
    let database = rusqlite::Connection::open(folder.join("data.db")).unwrap();
    database.busy_timeout(Duration::from_secs(10)).unwrap();
    // Replies are refused, as by a disk that is full just then.
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON messages WHEN NEW.sequence > 0 \
                  BEGIN SELECT RAISE(ABORT, 'the disk is full'); END";
    database.execute_batch(refuse).unwrap();
    let mut caller = Caller::to(server.address);
    for number in 1..=3 {
        assert_eq!(send(&mut caller, "ann", numbered(number)).await.unwrap(), 200);
    }
    server.until("a reply is refused", |_| log_of(folder).contains("it runs again")).await;
    database.execute_batch("DROP TRIGGER refuse").unwrap();
    server.idle().await;
    check(folder, &Acknowledged::from([("ann".into(), vec![1, 2, 3])]));
    assert_eq!(server.queue().await["processed"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_between_any_two_steps_of_an_event_what_is_missing_comes_and_nothing_comes_twice() {
    // Each run comes one step further than the one before, and then waits to be killed.
    let steps = "if (event.type === 'steps') {
      const skip = () => event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
      const say = text => bp.events.replyToEvent(event, [{ type: 'text', text }])
      const tell = number => bp.events.sendEvent(bp.IO.Event({
        type: 'numbered', direction: 'incoming', channel: 'web', target: 'other', botId: event.botId, payload: { number }
      }))
      const work = [
        () => {}, () => say('one'), () => tell(1), () => say('two'),
        () => bp.events.replyToEvent({ ...event, channel: 'api' }, [{ type: 'text', text: 'elsewhere' }]),
        () => { event.state.session.stepped = true }, () => say('three'), () => tell(2), skip
      ]
      return (async () => {
        event.setFlag(bp.IO.WellKnownFlags.FORCE_PERSIST_STATE, true)
        const kvs = bp.kvs.forBot(event.botId)
        const run = (await kvs.get('run') || 0) + 1
        await kvs.set('run', run)
        for (let step = 0; step < work.length; step++) {
          await work[step]()
          await kvs.set('at', `${run} ${step}`)
          if (step + 1 === run) await new Promise(go => setTimeout(go, 14000))
        }
      })()
    }";
    let folder = workspace(&[(HOOK, NUMBERED), ("hooks/before_incoming_middleware/0_steps.js", steps)]);
    let folder = folder.path();
    for run in 1..=9 {
        let server = Server::start(folder, &["--production", "--no-watch"]);
        if run == 1 {
            assert_eq!(send(&mut Caller::to(server.address), "ann", r#"{"type":"steps"}"#.into()).await.unwrap(), 200);
        }
        let at = format!("SELECT count(*) FROM kvs WHERE key = 'at' AND value = '\"{run} {}\"'", run - 1);
        server.until(&at, |_| count(folder, &at) == 1).await;
        server.kill();
    }
    let server = Server::start(folder, &["--production", "--no-watch"]);
    server.idle().await;
    let of = |user: &str| -> Vec<String> {
        replies(folder).into_iter().filter(|(whose, _)| whose == user).map(|(_, text)| text).collect()
    };
    assert_eq!(of("ann"), ["one", "two", "elsewhere", "three"], "on whatever channel");
    assert_eq!(of("other"), ["1 1", "2 2"]);
    assert_eq!(
        count(folder, "SELECT count(*) FROM sessions WHERE target = 'ann' AND session LIKE '%\"stepped\":true%'"),
        1
    );
    assert_eq!(count(folder, "SELECT count(*) FROM effects"), 0, "nothing is kept of an event that is over");
}

/// Answers with the number of its event after a while, in which it holds what it has taken.
fn waits(milliseconds: u32, takes: &str) -> String {
    format!(
        "if (event.type === 'numbered') {{
  const {{ session }} = event.state
  session.seen = (session.seen || 0) + 1
  event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
  event.setFlag(bp.IO.WellKnownFlags.FORCE_PERSIST_STATE, true)
  const held = {takes}
  return new Promise(go => setTimeout(go, {milliseconds})).then(() =>
    bp.events.replyToEvent(event, [{{ type: 'text', text: `${{event.payload.number}} ${{session.seen}}`, held: held.length }}]))
}}
"
    )
}

/// Many users send one event each, all at once, to a server that has too little of something: the log says so once, at last
/// all are answered, and the server takes the next event as ever.
#[cfg(target_os = "linux")]
async fn all_are_answered_in_the_end(folder: &Path, server: Server, says: &[&str]) {
    let mut acknowledged = Acknowledged::new();
    let numbers = Arc::default();
    Load::start(server.address, 150, 1, &numbers).end(&mut acknowledged).await;
    server.idle().await;
    assert_eq!(acknowledged.values().map(Vec::len).sum::<usize>(), 150, "{}", log_of(folder));
    check(folder, &acknowledged);
    let queue = server.queue().await;
    for never in ["setAside", "endedByKill", "realmsKilled", "realmsCrashed", "refused"] {
        assert_eq!(queue[never], 0, "{never}: {queue}\n{}", log_of(folder));
    }
    for line in says {
        server.until(&format!("{line:?} is said"), |_| log_of(folder).contains(line)).await;
    }
    let log = log_of(folder);
    assert!(!log.contains("panicked"), "{log}");
    Load::start(server.address, 5, 1, &numbers).end(&mut acknowledged).await;
    server.idle().await;
    check(folder, &acknowledged);
    println!("{queue}\n{log}");
    assert!(server.terminate().success());
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_descriptors_for_more_realms_lets_events_wait_and_says_so() {
    let folder = workspace(&[(HOOK, &waits(500, "''"))]);
    let server = Server::start_with_files(160, folder.path(), &["--production", "--no-watch"]);
    let says = ["no process can be made for a script", "Too many open files"];
    all_are_answered_in_the_end(folder.path(), server, &says).await;
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_may_have_no_more_processes_lets_events_wait_and_says_so() {
    let folder = workspace(&[(HOOK, &waits(500, "''"))]);
    let server = Server::start_with_processes(50, folder.path(), &["--production", "--no-watch"]);
    let says = ["no process can be made for a script", "Resource temporarily unavailable"];
    all_are_answered_in_the_end(folder.path(), server, &says).await;
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_realms_hold_too_much_memory_lets_events_wait_and_says_so() {
    let config = r#"{ "scripts": { "allResident": "64mb" } }"#;
    let hook = waits(800, "Array.from({ length: 100 }, (_, i) => String(i).padEnd(1e5, 'x'))");
    let folder = workspace(&[("botpress.config.json", config), (HOOK, &hook)]);
    let server = Server::start(folder.path(), &["--production", "--no-watch"]);
    let says = ["until all hold less than 64 MB (`scripts.allResident`)", "all events go on"];
    all_are_answered_in_the_end(folder.path(), server, &says).await;
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn events_beyond_the_most_realms_wait_without_a_word() {
    let config = r#"{ "scripts": { "mostRealms": 7 } }"#;
    let folder = workspace(&[("botpress.config.json", config), (HOOK, &waits(50, "''"))]);
    let server = Server::start(folder.path(), &["--production", "--no-watch"]);
    let (pid, most) = (server.pid(), Arc::new(AtomicUsize::new(0)));
    let (seen, over) = (Arc::clone(&most), Arc::new(AtomicBool::new(false)));
    let watching = std::thread::spawn({
        let over = Arc::clone(&over);
        move || {
            while !over.load(Ordering::Relaxed) {
                let realms = processes::pids(&processes::of_server(pid), processes::Role::Realm).len();
                seen.fetch_max(realms, Ordering::Relaxed);
            }
        }
    });
    let folder = folder.path();
    all_are_answered_in_the_end(folder, server, &[]).await;
    over.store(true, Ordering::Relaxed);
    watching.join().unwrap();
    let most = most.load(Ordering::Relaxed);
    // Compilers are counted apart.
    assert!((3..=9).contains(&most), "{most} realms at once");
    assert!(!log_of(folder).contains("no process can be made"), "{}", log_of(folder));
}
