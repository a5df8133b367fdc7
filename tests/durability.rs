//! What was answered with 2xx happens, once and in order, whatever dies meanwhile: the real server as a process over real
//! HTTP, killed at any moment.
#![expect(clippy::print_stdout, reason = "figures, for who runs them with --nocapture")]

#[path = "common/load.rs"]
mod load;
#[path = "common/server.rs"]
mod server;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use load::{Acknowledged, Load, check, numbered, send};
use rustix::process::{Signal, kill_process};
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
async fn what_was_acknowledged_survives_twenty_kills_of_the_server_and_no_reply_is_doubled() {
    let folder = numbered_workspace();
    let numbers = Arc::default();
    let mut acknowledged = Acknowledged::new();
    let (mut hit, mut start_up, mut slowest) = (0, Duration::ZERO, Duration::ZERO);
    for round in 0..20 {
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
        "{total} events acknowledged over 20 kills, {hit} of which hit unfinished ones; start-up {} ms on average, {} ms at most",
        start_up.as_millis() / 20,
        slowest.as_millis()
    );
    assert!(hit > 0, "no kill hit an event on its way: the test shows nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_single_workers_under_load_loses_nothing_and_doubles_nothing() {
    let folder = numbered_workspace();
    let server = Server::start(folder.path(), &["--production", "--no-watch"]);
    let usual = server.workers().len();
    let numbers = Arc::default();
    let mut acknowledged = Acknowledged::new();
    let mut killed = 0;
    for _ in 0..4 {
        server.until("the workers stand ready", |server| server.workers().len() == usual).await;
        // Only these: an event that was under way when its worker died runs once more alone, in a worker of its own, and
        // a second death would make it poison.
        let victims = server.workers();
        let mut load = Load::start(server.address, 20, 25, &numbers);
        for (index, victim) in victims.into_iter().enumerate() {
            load.reaches(50 + 60 * index as u64).await;
            kill_process(victim, Signal::KILL).unwrap();
            killed += 1;
        }
        load.end(&mut acknowledged).await;
        server.idle().await;
    }
    assert_eq!(acknowledged.values().map(Vec::len).sum::<usize>(), 4 * 500);
    check(folder.path(), &acknowledged);
    let queue = server.queue().await;
    assert_eq!(queue["workersCrashed"], killed, "{queue}");
    assert_eq!(queue["setAside"], 0, "{queue}");
    println!("{killed} workers killed, {} events run again", queue["runAgain"]);
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

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_takes_two_workers_with_it_is_set_aside_and_all_others_go_on() {
    // b04 of the attacks: nested iterator helpers overflow the native stack of the engine.
    let attack = "if (event.type === 'attack') {
      let it = [1].values(); for (let i = 0; i < 20000; i++) it = it.map(x => x); it.next().value
    }";
    let folder = workspace(&[(HOOK, NUMBERED), ("hooks/before_incoming_middleware/0_attack.js", attack)]);
    let server = Server::start(folder.path(), &["--production", "--no-watch"]);
    let mut acknowledged = Acknowledged::new();
    let load = Load::start(server.address, 10, 20, &Arc::new(AtomicU64::new(100)));
    let mut caller = Caller::to(server.address);
    for body in [numbered(1), r#"{"type":"attack"}"#.to_owned(), numbered(2)] {
        assert_eq!(send(&mut caller, "mallory", body).await.unwrap(), 200);
    }
    acknowledged.insert("mallory".into(), vec![1, 2]);
    load.end(&mut acknowledged).await;
    server.idle().await;
    check(folder.path(), &acknowledged);
    let queue = server.queue().await;
    assert_eq!(queue["setAside"], 1, "{queue}");
    // Two deaths that it is blamed for, and at most two before at which nobody could know that it ran.
    assert!((2..=4).contains(&queue["workersCrashed"].as_u64().unwrap()), "{queue}");
    assert_eq!(queue["processed"], 203, "what is set aside is over, too: {queue}");
    assert_eq!(count(folder.path(), "SELECT count(*) FROM queue WHERE poison IS NOT NULL"), 1);
    let log = log_of(folder.path());
    assert!(log.contains("took two workers with it and is set aside"), "{log}");
    server.kill();
    let server = Server::start(folder.path(), &["--production", "--no-watch"]);
    assert_eq!(send(&mut Caller::to(server.address), "mallory", numbered(3)).await.unwrap(), 200);
    server.idle().await;
    assert_eq!(server.queue().await["workersCrashed"], 0, "it never runs again");
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
