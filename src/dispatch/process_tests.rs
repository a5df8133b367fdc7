//! The dispatcher with real processes that speak the protocol and run no JavaScript: what it does when they die, hang,
//! lie or take their time. They are this test executable, started again to run only [`worker`].

mod hostile;
mod isolation;
mod standing;
mod timeouts;
mod worker;

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::standing::Sources;
use super::*;
use crate::model::{EventDraft, EventId, UserId};
use crate::program::BotProgram;
use crate::store::ConversationTarget;

/// By which this executable runs only [`worker`].
const ARGUMENTS: [&str; 4] =
    ["--ignored", "--exact", "--nocapture", "dispatch::process_tests::worker::a_process_of_scripts"];

struct Server {
    dispatcher: Dispatcher,
    store: Store,
    clock: Clock,
    folder: Option<tempfile::TempDir>,
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.dispatch.lock_in = crate::config::LockIn::Off;
    settings.scripts.slice = 300;
    settings.dispatch.grace = 50;
    settings
}

fn worker() -> WorkerCommand {
    let args = ARGUMENTS.iter().map(Into::into).collect();
    WorkerCommand { program: std::env::current_exe().unwrap(), args }
}

async fn server(settings: Settings) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(1_700_000_000_000);
    let store = Store::open(&folder.path().join("data.db"), clock.clone()).unwrap();
    start(settings, Some(folder), clock, store).await
}

async fn start(settings: Settings, folder: Option<tempfile::TempDir>, clock: Clock, store: Store) -> Server {
    let settings = Arc::new(settings);
    let bots = watch::channel(Arc::default()).1;
    let services = Services::new(store.clone(), bots, Arc::clone(&settings)).unwrap();
    let dispatcher = Dispatcher::start(settings, clock.clone(), store.clone(), services, worker()).unwrap();
    dispatcher.ready().await.unwrap();
    Server { dispatcher, store, clock, folder }
}

/// A program with these texts as hooks, and these bots.
fn program(sources: &[&str], bots: &[&str]) -> Arc<Program> {
    let script = |(index, source): (usize, &&str)| {
        Arc::new(crate::program::Script {
            path: format!("hooks/before_incoming_middleware/{index}.js").into(),
            source: (*source).into(),
            role: crate::program::Role::Hook(HookKind::BeforeIncomingMiddleware),
            shape: crate::program::Shape::default(),
        })
    };
    Arc::new(Program {
        version: 1,
        scripts: sources.iter().enumerate().map(script).collect(),
        bots: bots.iter().map(|bot| ((*bot).to_owned(), BotProgram::default())).collect(),
        ..Program::default()
    })
}

impl Server {
    fn serve(&self) -> &Self {
        self.serve_with(Sources::new())
    }

    /// Serves a program in which the sources of standing hooks come to that.
    fn serve_with(&self, sources: Sources) -> &Self {
        self.serve_bots(&["bot"], sources)
    }

    fn serve_bots(&self, bots: &[&str], sources: Sources) -> &Self {
        let ids: Vec<BotId> = bots.iter().map(|bot| BotId::parse(bot).unwrap()).collect();
        self.dispatcher.0.tally.timeouts.serve(&ids, &HashMap::new());
        let images = Arc::new(Images::of(&program(&["spin"], bots)));
        self.dispatcher.0.tell(Control::Publish { images, sources });
        self
    }

    async fn compile(&self, sources: &[&str]) -> Result<Compiled, DispatchError> {
        let program = program(sources, &["bot"]);
        self.dispatcher.compile(&CompileRequest::all(program)).await
    }

    /// Stops the server and starts another one on the same store.
    async fn again(mut self, settings: Settings, later: Duration) -> Self {
        self.dispatcher.stop(Duration::from_secs(1)).await;
        self.clock.advance(later);
        start(settings, self.folder.take(), self.clock.clone(), self.store.clone()).await
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

impl Drop for Server {
    /// Its processes go with it, not with the last of all tests.
    fn drop(&mut self) {
        let answer = tokio::sync::oneshot::channel().0;
        self.dispatcher.0.tell(Control::Stop { limit: Duration::ZERO, answer });
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
        depth: 0,
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
async fn the_kill_of_a_realm_concerns_its_own_event_alone() {
    let server = server(settings()).await;
    server.serve();
    let hanging =
        server.dispatcher.accept(draft("api", "h", json!({ "do": "hang" })), ConversationTarget::Nowhere, None);
    let hanging = hanging.await.unwrap();
    assert_eq!(server.converse("u", json!({ "do": "spin" })).await, ["\"before the loop\""]);
    assert_eq!(server.converse("v", json!({ "do": "reply", "text": "x" })).await, ["null", "\"x\""]);
    assert_eq!(server.store.pending().unwrap().iter().map(|event| event.id).collect::<Vec<_>>(), [hanging]);
    let stats = server.dispatcher.stats();
    assert_eq!((stats.ended_by_kill, stats.run_again, stats.dispatched), (1, 0, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_computes_for_long_does_not_hold_up_those_that_were_sent_ahead() {
    let mut settings = settings();
    settings.scripts.slice = 15_000;
    let server = server(settings).await;
    server.serve();
    // The realm is at work on this one, for all that is known, when the others come.
    assert_eq!(server.converse("u", json!({ "do": "reply", "text": "x" })).await, ["null", "\"x\""]);
    let spinning = draft("api", "s", json!({ "do": "spin" }));
    let spinning = server.dispatcher.accept(spinning, ConversationTarget::Nowhere, None).await.unwrap();
    let others = ["a", "b", "c"].map(|user| server.converse(user, json!({ "do": "reply", "text": user })));
    assert_eq!(futures_util::future::join_all(others).await, [["null", "\"a\""], ["null", "\"b\""], ["null", "\"c\""]]);
    assert_eq!(server.store.pending().unwrap().iter().map(|event| event.id).collect::<Vec<_>>(), [spinning]);
    let stats = server.dispatcher.stats();
    assert_eq!((stats.ended_by_kill, stats.run_again), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_goes_on_in_another_realm_with_what_the_first_one_left() {
    let server = server(settings()).await;
    server.serve();
    let said = server.converse("u", json!({ "do": "resume" })).await;
    assert_eq!(said, ["\"before the limit\"", "\"after it, with what is left\""]);
    let stats = server.dispatcher.stats();
    assert_eq!((stats.unfit_limit, stats.dispatched, stats.run_again), (1, 2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_death_of_a_bots_zygote_ends_no_event_and_another_one_is_made() {
    let server = server(settings()).await;
    server.serve();
    let said = server.converse("u", json!({ "do": "orphan" })).await;
    assert_eq!(said.len(), 1, "the realm goes on without its zygote");
    for user in ["a", "b", "c"] {
        let hanging = draft("api", user, json!({ "do": "hang" }));
        server.dispatcher.accept(hanging, ConversationTarget::Nowhere, None).await.unwrap();
    }
    assert_eq!(server.converse("u", json!({ "do": "reply", "text": "x" })).await, ["null", "\"x\""]);
    let stats = server.dispatcher.stats();
    assert_eq!((stats.ended_by_kill, stats.set_aside, stats.realms_crashed), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_many_users_run_each_in_order_and_none_is_lost() {
    let server = server(settings()).await;
    server.serve();
    let mut told = server.dispatcher.subscribe(1 << 20, |_| true);
    for number in 0..200 {
        let user = format!("u{}", number % 10);
        let payload = json!({ "do": "reply", "text": number.to_string() });
        server.dispatcher.accept(draft("web", &user, payload), ConversationTarget::Recent, None).await.unwrap();
    }
    server.drained().await;
    // What is committed is told a moment later.
    while server.dispatcher.stats().processed < 200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut last: HashMap<String, u64> = HashMap::new();
    let mut count = 0;
    while let Some(received) = told.try_recv() {
        let Received::Notice(Notice::Stored { key, message, .. }) = received else { continue };
        let number: u64 = message.message_text.as_deref().unwrap().parse().unwrap();
        assert!(last.insert(key.target.to_string(), number).is_none_or(|last| last < number));
        count += 1;
    }
    assert_eq!(count, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_holds_back_the_next_message_of_that_user() {
    let server = server(settings()).await;
    server.serve();
    let mut told = server.dispatcher.subscribe(1 << 20, |_| true);
    let accept = || {
        server.dispatcher.accept(
            draft("web", "u", json!({ "do": "reply", "text": "x" })),
            ConversationTarget::Recent,
            None,
        )
    };
    accept().await.unwrap();
    accept().await.unwrap();
    server.drained().await;
    let now = server.clock.now();
    let mut seen = Vec::new();
    while let Some(Received::Notice(notice)) = told.try_recv() {
        seen.push(match notice {
            Notice::Typing { length, at, .. } => ("typing", length, at - now),
            Notice::Stored { deliver_at, .. } => ("stored", 0, deliver_at - now),
            Notice::Data { at, .. } => ("data", 0, at - now),
        });
    }
    assert_eq!(seen, [("typing", 2000, 0), ("stored", 0, 2000), ("typing", 2000, 2000), ("stored", 0, 4000)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_a_script_sends_is_queued_and_runs() {
    let server = server(settings()).await;
    server.serve();
    let mut told = server.dispatcher.subscribe(1 << 20, |_| true);
    server
        .dispatcher
        .accept(draft("web", "u", json!({ "do": "send" })), ConversationTarget::Recent, None)
        .await
        .unwrap();
    loop {
        if let Received::Notice(Notice::Stored { message, .. }) = told.recv().await.unwrap() {
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
    assert_eq!((stats.ended_by_kill, stats.realms_killed, stats.set_aside), (1, 1, 0));
    let ids = server.dispatcher.traces().recent(2);
    let trace = server.dispatcher.traces().get(ids[1]).unwrap();
    assert!(trace.contains("killed after") && trace.contains("hooks/before_incoming_middleware/0.js"), "{trace}");
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
    assert_eq!((stats.realms_crashed, stats.set_aside, stats.run_again), (2, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_realm_died_does_not_wait_behind_others_that_hang() {
    let server = server(settings()).await;
    server.serve();
    for user in ["h1", "h2", "h3"] {
        let hanging = draft("api", user, json!({ "do": "hang" }));
        server.dispatcher.accept(hanging, ConversationTarget::Nowhere, None).await.unwrap();
    }
    assert_eq!(server.converse("u", json!({ "do": "crash" })).await, ["\"before the crash\""]);
    assert_eq!(server.dispatcher.stats().set_aside, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_hangs_the_compiler_is_named_and_the_rest_compiles() {
    let server = server(settings()).await;
    let compiled = server.compile(&["fine"]).await.unwrap();
    assert!(compiled.failures.is_empty());
    let compiled = server.compile(&["hang", "fine", "hang"]).await.unwrap();
    let failed: Vec<u32> = compiled.failures.iter().map(|failure| failure.script).collect();
    assert_eq!(failed, [0, 2]);
    assert!(compiled.failures[0].error.message.contains("took too long"), "{:?}", compiled.failures);
    assert!(server.compile(&["fine"]).await.is_ok(), "there is a new compiler");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_ends_the_compiler_at_once_is_named_and_the_rest_compiles() {
    let server = server(settings()).await;
    let compiled = server.compile(&["fine", "crash", "fine", "crash"]).await.unwrap();
    let failed: Vec<u32> = compiled.failures.iter().map(|failure| failure.script).collect();
    assert_eq!(failed, [1, 3]);
    assert!(compiled.failures[0].error.message.contains("the compiler died"), "{:?}", compiled.failures);
    let alone = solo::compile(&settings(), &worker(), &program(&["crash", "fine"], &["bot"])).await.unwrap();
    assert_eq!(alone.failures.iter().map(|failure| failure.script).collect::<Vec<_>>(), [0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_without_an_event_run_in_a_realm_of_their_bot() {
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
    let accept =
        || server.dispatcher.accept(draft("api", "u", json!({ "do": "late" })), ConversationTarget::Nowhere, None);
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
    let accepted = first
        .dispatcher
        .accept(draft("api", "u", json!({ "do": "late" })), ConversationTarget::Nowhere, None)
        .await
        .unwrap();
    let dispatcher = first.dispatcher.clone();
    let second = first.again(settings(), Duration::ZERO).await;
    let refused = dispatcher.accept(draft("api", "u", json!({})), ConversationTarget::Nowhere, None).await;
    assert!(matches!(refused, Err(AcceptError::Stopping)));
    second.serve();
    second.drained().await;
    let trace = second.dispatcher.traces().get(accepted);
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
