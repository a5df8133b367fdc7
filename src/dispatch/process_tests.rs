//! The dispatcher with real processes that speak the protocol and run no JavaScript: what it does when they die, hang,
//! lie or take their time. The worker is this test executable, started again to run only [`a_worker_process`].

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::core::Control;
use super::*;
use crate::model::{EventDraft, EventId, UserId};
use crate::protocol::{DispatchHead, Frame, FrameKind, FrameReader};
use crate::store::Place;

/// What the worker does with an event: `payload.do`.
#[test]
#[ignore = "it is no test but the worker process that the others start"]
fn a_worker_process() {
    let mut socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    let out = Mutex::new(socket.try_clone().unwrap());
    let running: Mutex<HashMap<u64, (Instant, String)>> = Mutex::default();
    let raw = |kind: FrameKind, dispatch: u64, number: u32, body: Vec<u8>| {
        let mut wire = bytes::BytesMut::new();
        Frame { kind, dispatch, number, body: body.into() }.write(&mut wire);
        // The server may have gone.
        let _ = out.lock().unwrap().write_all(&wire);
    };
    let send = |kind: FrameKind, dispatch: u64, number: u32, body: Value| {
        raw(kind, dispatch, number, body.to_string().into_bytes());
    };
    // Of the event that asked: dispatch, channel, target.
    let asked: Mutex<HashMap<u64, Value>> = Mutex::default();
    let event = |dispatch: u64, event: &Value, state: &Value, want_event: bool| {
        let reply = |number: u32, kind: &str, payload: Value| {
            let effect = json!({
                "id": "1", "direction": "outgoing", "type": kind, "channel": event["channel"],
                "target": event["target"], "botId": event["botId"], "threadId": event["threadId"], "payload": payload
            });
            send(FrameKind::Effect, dispatch, number, effect);
        };
        let processed = |settled: bool| {
            let mut body = json!({ "settled": settled, "state": { "session": { "last": event["payload"]["text"] } } });
            if want_event {
                body["event"] = json!({ "state": state });
            }
            send(FrameKind::Processed, dispatch, 0, body);
        };
        match event["payload"]["do"].as_str().unwrap() {
            "reply" => {
                reply(0, "typing", json!({ "type": "typing", "value": 2000 }));
                reply(1, "text", json!({ "type": "text", "text": event["payload"]["text"] }));
                processed(true);
            }
            "late" => {
                reply(0, "text", json!({ "type": "text", "text": "early" }));
                processed(false);
                reply(1, "text", json!({ "type": "text", "text": "late" }));
                send(FrameKind::Settled, dispatch, 0, json!({}));
            }
            "ask" => {
                asked.lock().unwrap().insert(dispatch, event.clone());
                for (number, call) in
                    [("kvs.set", json!(["b", "k", 7])), ("kvs.get", json!(["b", "k"]))].into_iter().enumerate()
                {
                    let mut body = vec![u8::try_from(call.0.len()).unwrap()];
                    body.extend_from_slice(call.0.as_bytes());
                    body.extend_from_slice(call.1.to_string().as_bytes());
                    raw(FrameKind::Request, dispatch, u32::try_from(number).unwrap(), body);
                }
            }
            "send" => {
                let sent = json!({
                    "id": "2", "direction": "incoming", "type": "text", "channel": event["channel"],
                    "target": event["target"], "botId": event["botId"],
                    "payload": { "do": "reply", "text": "followed" }
                });
                send(FrameKind::Effect, dispatch, 0, sent);
                processed(true);
            }
            "spin" => {
                reply(0, "text", json!({ "type": "text", "text": "before the loop" }));
                let file = "hooks/before_incoming_middleware/spin.js".to_owned();
                running.lock().unwrap().insert(dispatch, (Instant::now(), file));
            }
            "crash" => {
                reply(0, "text", json!({ "type": "text", "text": "before the crash" }));
                std::process::abort();
            }
            "hang" => {}
            "lie" => send(FrameKind::Processed, dispatch + 1_000, 0, json!({})),
            other => panic!("{other}"),
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            loop {
                std::thread::sleep(Duration::from_millis(20));
                let rows: Vec<Value> = running
                    .lock()
                    .unwrap()
                    .iter()
                    .map(|(dispatch, (since, file))| {
                        json!({
                            "dispatch": dispatch, "slice_ms": since.elapsed().as_millis() as u64, "allowed_ms": 1000,
                            "file": file, "hook": "before_incoming_middleware"
                        })
                    })
                    .collect();
                send(FrameKind::Beat, 0, 0, json!({ "running": rows }));
            }
        });
        let mut reader = FrameReader::new(16 << 20);
        let mut chunk = [0; 65536];
        loop {
            let read = socket.read(&mut chunk).unwrap_or(0);
            if read == 0 {
                std::process::exit(0);
            }
            reader.buffer.extend_from_slice(&chunk[..read]);
            while let Some(frame) = reader.next_frame().unwrap() {
                match frame.kind {
                    FrameKind::Hello => {
                        let hello: Value = serde_json::from_slice(&frame.body).unwrap();
                        send(FrameKind::Ready, 0, 0, json!({ "build": hello["build"], "lock_in": "off" }));
                    }
                    FrameKind::Compile => {
                        let program: Program = serde_json::from_slice(&frame.body).unwrap();
                        if let Some(hangs) = program.scripts.iter().find(|script| &*script.source == "hang") {
                            let long_ago = Instant::now() - Duration::from_secs(3);
                            running.lock().unwrap().insert(0, (long_ago, hangs.path.to_string()));
                            continue;
                        }
                        let compiled = json!({ "version": program.version, "failures": [], "content_types": [] });
                        send(FrameKind::Compiled, 0, 0, compiled);
                    }
                    FrameKind::Dispatch => {
                        let (head, body) = DispatchHead::read(frame.body).unwrap();
                        let work: Value = serde_json::from_slice(&body).unwrap();
                        if head.kind == crate::protocol::DispatchKind::Hooks {
                            let body = json!({ "trace": [work["hook"]], "settled": true });
                            send(FrameKind::Processed, frame.dispatch, 0, body);
                        } else {
                            event(frame.dispatch, &work["event"], &work["state"], work["wantEvent"] == true);
                        }
                    }
                    FrameKind::Result if frame.number == 1 => {
                        let event = asked.lock().unwrap().remove(&frame.dispatch).unwrap();
                        let text = std::str::from_utf8(&frame.body[1..]).unwrap();
                        let effect = json!({
                            "id": "1", "direction": "outgoing", "type": "text", "channel": event["channel"],
                            "target": event["target"], "botId": event["botId"],
                            "payload": { "text": format!("{} {text}", frame.body[0]) }
                        });
                        send(FrameKind::Effect, frame.dispatch, 0, effect);
                        send(FrameKind::Processed, frame.dispatch, 0, json!({ "settled": true }));
                    }
                    FrameKind::Drain => std::process::exit(0),
                    _ => {}
                }
            }
        }
    });
}

struct Server {
    dispatcher: Dispatcher,
    store: Store,
    clock: Clock,
    folder: tempfile::TempDir,
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.dispatch.lock_in = crate::config::LockIn::Off;
    settings.dispatch.workers = Some(1);
    settings.scripts.slice = 100;
    settings.dispatch.grace = 50;
    settings
}

fn worker() -> WorkerCommand {
    let args = ["--ignored", "--exact", "--nocapture", "dispatch::process_tests::a_worker_process"];
    WorkerCommand { program: std::env::current_exe().unwrap(), args: args.iter().map(Into::into).collect() }
}

async fn server(settings: Settings) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(1_700_000_000_000);
    let store = Store::open(&folder.path().join("data.db"), clock.clone()).unwrap();
    start(settings, folder, clock, store).await
}

async fn start(settings: Settings, folder: tempfile::TempDir, clock: Clock, store: Store) -> Server {
    let settings = Arc::new(settings);
    let bots = watch::channel(Arc::default()).1;
    let services = Services::new(store.clone(), bots, Arc::clone(&settings)).unwrap();
    let dispatcher = Dispatcher::start(settings, clock.clone(), store.clone(), services, worker()).unwrap();
    dispatcher.ready().await.unwrap();
    Server { dispatcher, store, clock, folder }
}

fn program(sources: &[&str]) -> Program {
    let script = |(index, source): (usize, &&str)| {
        Arc::new(crate::program::Script {
            path: format!("hooks/before_incoming_middleware/{index}.js").into(),
            source: (*source).into(),
            role: crate::program::Role::Hook(HookKind::BeforeIncomingMiddleware),
            shape: crate::program::Shape::default(),
        })
    };
    let bots = [("bot".to_owned(), crate::program::BotProgram::default())];
    Program {
        version: 1,
        scripts: sources.iter().enumerate().map(script).collect(),
        bots: bots.into_iter().collect(),
        ..Program::default()
    }
}

impl Server {
    fn serve(&self) -> &Self {
        let bots = vec![BotId::parse("bot").unwrap()];
        let frame = to_frame(&program(&[]), 1 << 20).unwrap();
        self.dispatcher.0.tell(Control::Publish { version: 1, frame, bots });
        self
    }

    async fn converse(&self, user: &str, payload: Value) -> Vec<String> {
        let conversed = self.dispatcher.converse(draft("api", user, payload), false).await.unwrap();
        conversed
            .responses
            .iter()
            .map(|raw| serde_json::from_str::<Value>(raw.get()).unwrap()["text"].to_string())
            .collect()
    }

    /// Waits until nothing is left in the queue.
    async fn drained(&self) {
        while !self.store.pending().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn draft(channel: &str, user: &str, payload: Value) -> EventDraft {
    EventDraft {
        key: ConversationKey {
            bot: BotId::parse("bot").unwrap(),
            channel: channel.into(),
            target: UserId::parse(user).unwrap(),
        },
        thread: None,
        kind: "text".into(),
        payload: serde_json::value::to_raw_value(&payload).unwrap(),
        preview: None,
        nlu: None,
        credentials: None,
        suggestions: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn converse_is_answered_with_the_replies_of_its_own_event_late_ones_too() {
    let server = server(settings()).await;
    server.serve();
    let (one, two) = tokio::join!(
        server.converse("u", json!({ "do": "reply", "text": "a" })),
        server.converse("u", json!({ "do": "late" }))
    );
    assert_eq!(one, ["null", "\"a\""]);
    assert_eq!(two, ["\"early\"", "\"late\""]);
    let asked = server.dispatcher.converse(draft("api", "u", json!({ "do": "late" })), true).await.unwrap();
    assert!(asked.event.unwrap().get().starts_with("{\"state\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_a_script_are_answered_and_take_effect_in_their_order() {
    let server = server(settings()).await;
    server.serve();
    assert_eq!(server.converse("u", json!({ "do": "ask" })).await, ["\"1 7\""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_only_waited_when_its_worker_died_runs_again_with_the_others() {
    let server = server(settings()).await;
    server.serve();
    let hanging = server.dispatcher.accept(draft("api", "h", json!({ "do": "hang" })), Place::Nowhere, None);
    let hanging = hanging.await.unwrap().event.id;
    assert_eq!(server.converse("u", json!({ "do": "spin" })).await, ["\"before the loop\""]);
    assert_eq!(server.converse("v", json!({ "do": "reply", "text": "x" })).await, ["null", "\"x\""]);
    assert_eq!(server.store.pending().unwrap().iter().map(|event| event.id).collect::<Vec<_>>(), [hanging]);
    let stats = server.dispatcher.stats();
    assert_eq!((stats.ended_by_kill, stats.run_again, stats.dispatched), (1, 1, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_many_users_run_each_in_order_and_none_is_lost() {
    let server = server(settings()).await;
    server.serve();
    let mut told = server.dispatcher.subscribe();
    for number in 0..200 {
        let user = format!("u{}", number % 10);
        let payload = json!({ "do": "reply", "text": number.to_string() });
        server.dispatcher.accept(draft("web", &user, payload), Place::Recent, None).await.unwrap();
    }
    server.drained().await;
    let mut last: HashMap<String, u64> = HashMap::new();
    let mut count = 0;
    while let Ok(notice) = told.try_recv() {
        let Notice::Stored { key, message, .. } = notice else { continue };
        let number: u64 = message.message_text.as_deref().unwrap().parse().unwrap();
        assert!(last.insert(key.target.to_string(), number).is_none_or(|last| last < number));
        count += 1;
    }
    assert_eq!(count, 200);
    assert_eq!(server.dispatcher.stats().processed, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_holds_back_the_next_message_of_that_user() {
    let server = server(settings()).await;
    server.serve();
    let mut told = server.dispatcher.subscribe();
    let accept =
        || server.dispatcher.accept(draft("web", "u", json!({ "do": "reply", "text": "x" })), Place::Recent, None);
    accept().await.unwrap();
    accept().await.unwrap();
    server.drained().await;
    let now = server.clock.now();
    let mut seen = Vec::new();
    while let Ok(notice) = told.try_recv() {
        seen.push(match notice {
            Notice::Typing { length, at, .. } => ("typing", length, at - now),
            Notice::Stored { deliver_at, .. } => ("stored", 0, deliver_at - now),
        });
    }
    assert_eq!(seen, [("typing", 2000, 0), ("stored", 0, 2000), ("typing", 2000, 2000), ("stored", 0, 4000)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_a_script_sends_is_queued_and_runs() {
    let server = server(settings()).await;
    server.serve();
    let mut told = server.dispatcher.subscribe();
    server.dispatcher.accept(draft("web", "u", json!({ "do": "send" })), Place::Recent, None).await.unwrap();
    loop {
        if let Notice::Stored { message, .. } = told.recv().await.unwrap() {
            assert_eq!(message.message_text.as_deref(), Some("followed"));
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_is_killed_its_event_is_over_and_the_user_goes_on() {
    let server = server(settings()).await;
    server.serve();
    let said = server.converse("u", json!({ "do": "spin" })).await;
    assert_eq!(said, ["\"before the loop\""], "what was said before counts");
    assert_eq!(server.converse("u", json!({ "do": "reply", "text": "next" })).await, ["null", "\"next\""]);
    let stats = server.dispatcher.stats();
    assert_eq!((stats.ended_by_kill, stats.workers_killed, stats.set_aside), (1, 1, 0));
    let ids = server.dispatcher.traces().recent(2);
    let trace = server.dispatcher.traces().get(ids[1]).unwrap();
    assert!(trace.contains("killed after") && trace.contains("spin.js"), "{trace}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_crashes_two_workers_is_set_aside_and_its_reply_is_not_doubled() {
    let server = server(settings()).await;
    server.serve();
    let said = server.converse("u", json!({ "do": "crash" })).await;
    assert_eq!(said, ["\"before the crash\""]);
    assert_eq!(server.converse("u", json!({ "do": "reply", "text": "next" })).await, ["null", "\"next\""]);
    let poisoned = server.store.poisoned().unwrap();
    assert_eq!(poisoned.len(), 1);
    assert!(poisoned[0].reason.contains("signal"), "{}", poisoned[0].reason);
    let stats = server.dispatcher.stats();
    assert_eq!((stats.workers_crashed, stats.set_aside, stats.run_again), (2, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspect_does_not_wait_behind_others_that_hang() {
    let server = server(settings()).await;
    server.serve();
    for user in ["h1", "h2", "h3"] {
        let hanging = draft("api", user, json!({ "do": "hang" }));
        server.dispatcher.accept(hanging, Place::Nowhere, None).await.unwrap();
    }
    assert_eq!(server.converse("u", json!({ "do": "crash" })).await, ["\"before the crash\""]);
    assert_eq!(server.dispatcher.stats().set_aside, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_speaks_for_a_dispatch_that_is_not_its_own_is_killed() {
    let server = server(settings()).await;
    server.serve();
    let said = server.dispatcher.converse(draft("api", "u", json!({ "do": "lie" })), false).await.unwrap();
    assert!(said.responses.is_empty());
    assert_eq!(server.dispatcher.stats().workers_killed, 2, "it was run again, alone");
    assert!(server.store.poisoned().unwrap()[0].reason.contains("which it does not run"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_hangs_the_compiler_is_named_and_the_rest_compiles() {
    let server = server(settings()).await;
    let compiled = server.dispatcher.compile(&program(&["fine"])).await.unwrap();
    assert!(compiled.failures.is_empty());
    let compiled = server.dispatcher.compile(&program(&["hang", "fine", "hang"])).await.unwrap();
    let failed: Vec<u32> = compiled.failures.iter().map(|failure| failure.script).collect();
    assert_eq!(failed, [0, 2]);
    assert!(compiled.failures[0].error.message.contains("killed after"), "{:?}", compiled.failures);
    assert!(server.dispatcher.compile(&program(&["fine"])).await.is_ok(), "there is a new compiler");
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_without_an_event_run_in_the_resident_worker() {
    let server = server(settings()).await;
    server.serve();
    let bot = BotId::parse("bot").unwrap();
    let result = server.dispatcher.run_hooks(HookKind::AfterBotMount, Some(&bot), serde_json::Map::new()).await;
    assert_eq!(result.unwrap().get(), "[\"after_bot_mount\"]");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_and_says_when_to_come_again() {
    let mut settings = settings();
    settings.dispatch.per_conversation = 2;
    let server = server(settings).await;
    let accept = || server.dispatcher.accept(draft("api", "u", json!({ "do": "late" })), Place::Nowhere, None);
    accept().await.unwrap();
    accept().await.unwrap();
    let error = accept().await.unwrap_err();
    assert!(matches!(error, AcceptError::Full { queue: FullQueue::Conversation, retry_after: 1, .. }), "{error}");
    assert_eq!(server.store.pending().unwrap().len(), 2);
    server.serve();
    server.drained().await;
    accept().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_when_the_server_stops_runs_after_the_next_start() {
    let first = server(settings()).await;
    let accepted =
        first.dispatcher.accept(draft("api", "u", json!({ "do": "late" })), Place::Nowhere, None).await.unwrap();
    first.dispatcher.stop(Duration::from_secs(1)).await;
    let refused = first.dispatcher.accept(draft("api", "u", json!({})), Place::Nowhere, None).await;
    assert!(matches!(refused, Err(AcceptError::Stopping)));
    let Server { dispatcher, store, clock, folder } = first;
    drop(dispatcher);
    let second = start(settings(), folder, clock, store).await;
    second.serve();
    second.drained().await;
    let trace = second.dispatcher.traces().get(accepted.event.id);
    assert!(trace.is_some());
    assert!(second.dispatcher.traces().get(EventId(1)).is_none());
}

#[tokio::test]
async fn workers_that_do_not_start_are_an_error_that_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let store = Store::open(&folder.path().join("data.db"), clock.clone()).unwrap();
    let settings = Arc::new(settings());
    let bots = watch::channel(Arc::default()).1;
    let services = Services::new(store.clone(), bots, Arc::clone(&settings)).unwrap();
    let command = WorkerCommand::of("/nonexistent/nudge");
    let dispatcher = Dispatcher::start(settings, clock, store, services, command).unwrap();
    let error = dispatcher.ready().await.unwrap_err().to_string();
    assert!(error.contains("/nonexistent/nudge cannot be run"), "{error}");
}
