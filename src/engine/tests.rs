//! Events run on a real realm, in process: what the server would see of them.

use std::io::Write;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;

use super::run::Run;
use super::{BotRealm, Host, Inbox, LoadedProgram, Outcome, RealmJob, Resume};
use crate::config::ScriptLimits;
use crate::model::StateSnapshot;
use crate::program::{BotProgram, HookKind, Program, Role, Script, Shape};
use crate::protocol::{DispatchKind, Frame, FrameKind, FrameReader, Hello, Outbox, event_work};
use crate::script::{Meter, with_realm};

/// Keeps what a worker would send.
#[derive(Clone, Default)]
pub(crate) struct Sink(pub(crate) Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A bot made of hook files: `(kind, name, source)`.
pub(crate) fn program(files: &[(HookKind, &str, &str)]) -> Program {
    let mut program = Program { version: 1, ..Program::default() };
    let mut bot = BotProgram { default_language: "en".into(), ..BotProgram::default() };
    let text_type = include_str!("../../content-types/text.js");
    let helper = include_str!("../../content-types/_helper.js");
    for (path, source, role) in
        [("content-types/text.js", text_type, Role::ContentType), ("content-types/_helper.js", helper, Role::Module)]
    {
        program.scripts.push(Arc::new(Script {
            path: path.into(),
            source: source.into(),
            role,
            shape: Shape::default(),
        }));
    }
    bot.content_types.insert("builtin_text".into(), 0);
    for (kind, name, source) in files {
        let is_async = source.starts_with("// top-level await");
        bot.hooks.entry(*kind).or_default().push(program.scripts.len() as u32);
        program.scripts.push(Arc::new(Script {
            path: format!("hooks/{}/{name}", kind.folder()).into(),
            source: (*source).into(),
            role: Role::Hook(*kind),
            shape: Shape { is_async, ..Shape::default() },
        }));
    }
    program.bots.insert("welcome-bot".into(), bot);
    program
}

pub(crate) fn hello(limits: ScriptLimits) -> Hello {
    Hello {
        per_bot: false,
        build: String::new(),
        limits,
        lock_in: false,
        env: Default::default(),
        process: Default::default(),
        external_url: "http://localhost:3000".into(),
        version: "test".into(),
        trace: true,
        minimum_confidence: 0.3,
        repeat_window_ms: 20_000,
        max_transitions: 100,
    }
}

pub(crate) const EVENT: &str = r#"{"id":"179533009130405440","type":"proactive-trigger","channel":"web","target":"visitor-1","botId":"welcome-bot","threadId":"1","direction":"incoming","payload":{"type":"proactive-trigger","channel":"web","payload":{"text":"fake message"}},"createdOn":1795330091304}"#;

/// Runs one event; gives the frames in order.
pub(super) fn run(files: &[(HookKind, &str, &str)]) -> Vec<Frame> {
    run_with(files, ScriptLimits::default(), EVENT)
}

/// One hook; its first request is answered with 42.
fn run_answered(source: &str, limits: ScriptLimits) -> Vec<Frame> {
    let answer = Frame { kind: FrameKind::Result, dispatch: 7, number: 0, body: Bytes::from_static(b"\x0142") };
    run_all(&[(BeforeIncomingMiddleware, "1.js", source)], limits, EVENT, vec![answer])
}

pub(super) fn run_with(files: &[(HookKind, &str, &str)], limits: ScriptLimits, event: &str) -> Vec<Frame> {
    run_all(files, limits, event, Vec::new())
}

fn run_all(files: &[(HookKind, &str, &str)], limits: ScriptLimits, event: &str, answers: Vec<Frame>) -> Vec<Frame> {
    let state = StateSnapshot::default();
    run_program(Arc::new(LoadedProgram::new(program(files))), limits, DispatchKind::Event, event, &state, answers)
}

/// Runs one event of the first bot of a program.
pub(super) fn run_program(
    loaded: Arc<LoadedProgram>,
    limits: ScriptLimits,
    kind: DispatchKind,
    event: &str,
    state: &StateSnapshot,
    answers: Vec<Frame>,
) -> Vec<Frame> {
    let sink = Sink::default();
    let hello = Arc::new(hello(limits.clone()));
    let (mut server, socket) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut wire = BytesMut::new();
    answers.iter().for_each(|answer| answer.write(&mut wire));
    server.write_all(&wire).unwrap();
    let inbox = Inbox::new(socket);
    let mut json = BytesMut::new();
    event_work(event, state, &mut json);
    let json = Bytes::from(json);
    let mut resume: Option<Box<Resume>> = None;
    // As the processes do it: what a realm leaves goes on in another one.
    loop {
        let meter = Rc::new(Meter::new(limits.clone()));
        let host = Rc::new(Host::new(Rc::clone(&meter), Arc::clone(&hello), Outbox::new(sink.clone())));
        let job = RealmJob { dispatch: 7, kind, json: json.clone(), begun: Instant::now(), resume: resume.take() };
        let outcome = with_realm(&meter, |realm| {
            let realm = BotRealm::new(realm, host).unwrap();
            realm.load(Arc::clone(&loaded), "welcome-bot");
            Run::new(&realm, &inbox, job).run()
        });
        match outcome.unwrap() {
            Outcome::Again(left) => resume = Some(left),
            Outcome::Done { .. } => break,
        }
    }
    drop(server);
    let mut reader = FrameReader::new(1 << 24);
    reader.buffer.extend_from_slice(&sink.0.lock());
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        // That it waits, goes on elsewhere and is free is not what these tests are about.
        if !matches!(frame.kind, FrameKind::Waiting | FrameKind::Resume | FrameKind::Free) {
            frames.push(frame);
        }
    }
    frames
}

/// What came out, a line each, without what varies.
pub(super) fn told(frames: &[Frame]) -> String {
    let mut out = String::new();
    for frame in frames {
        let body = String::from_utf8_lossy(&frame.body);
        let value: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        let line = match frame.kind {
            FrameKind::Effect => format!("effect {} {} {}", frame.number, value["type"], value["payload"]),
            FrameKind::Log => format!(
                "log {} {}:{}:{} {}",
                value["level"].as_str().unwrap_or(""),
                value["file"].as_str().unwrap_or(""),
                value["line"],
                value["column"],
                value["message"].as_str().unwrap_or("")
            ),
            FrameKind::Processed => format!("processed settled={} state={}", value["settled"], value["state"]),
            kind => format!("{kind:?}"),
        };
        out.push_str(&line);
        out.push('\n');
    }
    out
}

use HookKind::{AfterEventProcessed, AfterIncomingMiddleware, BeforeIncomingMiddleware, BeforeOutgoingMiddleware};

const THIRD: &str = include_str!("../../tests/snippets/3.js");

#[test]
fn the_third_snippet_replies_although_its_promise_floats() {
    let frames = run(&[(BeforeIncomingMiddleware, "proactive.js", THIRD)]);
    expect_test::expect![[r#"
        effect 0 "typing" {"type":"typing","value":true}
        effect 1 "text" {"type":"text","markdown":true,"text":"I'm so proactive!"}
        processed settled=true state=null
    "#]]
    .assert_eq(&told(&frames));
}

#[test]
fn hooks_share_the_event_by_identity_before_and_after_the_dialog() {
    let frames = run(&[
        (
            BeforeIncomingMiddleware,
            "1.js",
            "class Box { constructor() { this.at = new Date(5) } }\nevent.fn = () => 42; event.box = new Box(); event.Box = Box",
        ),
        (
            AfterEventProcessed,
            "2.js",
            "console.log(event.fn(), event.box instanceof event.Box, event.box.at.getTime(), event.createdOn instanceof Date)",
        ),
    ]);
    assert!(told(&frames).contains("42 true 5 true"), "{}", told(&frames));
}

#[test]
fn a_throwing_hook_is_reported_with_its_place_and_the_next_one_runs() {
    let frames = run(&[
        (BeforeIncomingMiddleware, "1.js", "const x = 1\n  bp.foo.bar()"),
        (BeforeIncomingMiddleware, "2.js", "throw new Error('first line')"),
        (AfterIncomingMiddleware, "3.js", "// top-level await\nawait null; throw 'text'"),
        (AfterIncomingMiddleware, "4.js", "console.warn('still %s', 'here', { a: [1] })"),
    ]);
    expect_test::expect![[r#"
        log error hooks/before_incoming_middleware/1.js:2:3 TypeError: bp.foo.bar is not a function
        log error hooks/before_incoming_middleware/2.js:1:11 Error: first line
        log error hooks/after_incoming_middleware/3.js:null:null Uncaught: text
        log warn hooks/after_incoming_middleware/4.js:1:8 still here { a: [ 1 ] }
        processed settled=true state={"session":{"lastMessages":[]},"temp":{},"context":{}}
    "#]]
    .assert_eq(&told(&frames));
}

#[test]
fn an_endless_loop_ends_at_its_budget_and_the_event_goes_on_in_a_fresh_realm() {
    let limits = ScriptLimits { hook_running: 50, ..ScriptLimits::default() };
    let frames = run_with(
        &[
            (
                BeforeIncomingMiddleware,
                "1.js",
                "event.kept = { at: 1 }; event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)",
            ),
            (BeforeIncomingMiddleware, "2.js", "while (true) {}"),
            (
                BeforeIncomingMiddleware,
                "3.js",
                "console.log(event.kept.at, event.hasFlag(Symbol.for('skipDialogEngine')), event.createdOn instanceof Date)",
            ),
            (
                AfterIncomingMiddleware,
                "4.js",
                "return (async () => { for (;;) { try { await null; for (;;); } catch (e) {} } })()",
            ),
            (AfterIncomingMiddleware, "5.js", "console.log('five')"),
        ],
        limits,
        EVENT,
    );
    let told = told(&frames);
    assert!(told.contains("2.js:1:"), "{told}");
    assert!(told.contains("1 true true"), "{told}");
    assert!(told.contains("4.js:null:null TimeoutError"), "{told}");
    assert!(told.contains("five"), "{told}");
    assert!(told.ends_with("processed settled=true state=null\n"), "{told}");
}

#[test]
fn replies_leave_in_the_order_of_the_calls_and_outgoing_hooks_may_wait_and_change_them() {
    let frames = run(&[
        (
            BeforeIncomingMiddleware,
            "1.js",
            "bp.events.replyToEvent(event, [{ type: 'text', text: 'a' }, { type: 'text', text: 'b' }])\n\
             bp.events.replyToEvent(event, [{ text: 'c' }])",
        ),
        (
            BeforeOutgoingMiddleware,
            "2.js",
            "if (event.payload.text === 'a') return new Promise(r => setTimeout(() => { event.payload.text = 'A'; r() }, 5))",
        ),
    ]);
    expect_test::expect![[r#"
        effect 0 "text" {"type":"text","text":"A"}
        effect 1 "text" {"type":"text","text":"b"}
        effect 2 "text" {"text":"c","type":"text"}
        processed settled=true state={"session":{"lastMessages":[]},"temp":{},"context":{}}
    "#]]
    .assert_eq(&told(&frames));
}

#[test]
fn out_of_memory_ends_the_events_scripts() {
    let frames = run(&[
        (BeforeIncomingMiddleware, "1.js", "const a = []; for (;;) a.push(new Array(1000).fill(1))"),
        (BeforeIncomingMiddleware, "2.js", "console.log('never')"),
    ]);
    let told = told(&frames);
    assert!(told.contains("MemoryError: the script used more than 32 MB"), "{told}");
    assert!(!told.contains("never"), "{told}");
}

#[test]
fn a_promise_that_can_never_settle_is_reported_at_once() {
    let frames = run(&[(BeforeIncomingMiddleware, "1.js", "return new Promise(() => {})")]);
    assert!(told(&frames).contains("can never settle"), "{}", told(&frames));
}

#[test]
fn what_nobody_awaits_and_fails_is_reported() {
    let frames = run(&[(
        BeforeIncomingMiddleware,
        "1.js",
        "(async () => {\n  await null\n  throw new RangeError('lost')\n})()",
    )]);
    assert!(told(&frames).contains("1.js:3:"), "{}", told(&frames));
    assert!(told(&frames).contains("RangeError: lost (in a promise that nobody awaits)"), "{}", told(&frames));
}

/// Runs several events, one after the other, in one realm, as a warm one is used; `None` where it was given up in between.
fn run_twice(first: &str, second: &str) -> (String, bool) {
    let source = format!("if (event.preview === 'one') {{ {first} }} else {{ {second} }}");
    let loaded = Arc::new(LoadedProgram::new(program(&[(BeforeIncomingMiddleware, "1.js", &source)])));
    let sink = Sink::default();
    let meter = Rc::new(Meter::new(ScriptLimits::default()));
    let hello = Arc::new(hello(ScriptLimits::default()));
    let (_server, socket) = std::os::unix::net::UnixStream::pair().unwrap();
    let inbox = Inbox::new(socket);
    let mut reusable = false;
    let host = Rc::new(Host::new(Rc::clone(&meter), hello, Outbox::new(sink.clone())));
    with_realm(&meter, |realm| {
        let realm = BotRealm::new(realm, host).unwrap();
        realm.load(loaded, "welcome-bot");
        for (dispatch, preview) in [(1, "one"), (2, "two")] {
            let event = EVENT.replace("\"direction\"", &format!("\"preview\":\"{preview}\",\"direction\""));
            let mut json = BytesMut::new();
            event_work(&event, &StateSnapshot::default(), &mut json);
            let (kind, begun) = (DispatchKind::Event, Instant::now());
            let job = RealmJob { dispatch, kind, json: Bytes::from(json), begun, resume: None };
            let outcome = Run::new(&realm, &inbox, job).run();
            if dispatch == 1 {
                reusable = matches!(outcome, Outcome::Done { unfit: None });
            }
        }
    })
    .unwrap();
    let mut reader = FrameReader::new(1 << 24);
    reader.buffer.extend_from_slice(&sink.0.lock());
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        // That it waits, goes on elsewhere and is free is not what these tests are about.
        if !matches!(frame.kind, FrameKind::Waiting | FrameKind::Resume | FrameKind::Free) {
            frames.push(frame);
        }
    }
    (told(&frames), reusable)
}

#[test]
fn nothing_of_one_event_is_there_in_the_next() {
    for (leave, look) in [
        ("globalThis.left = 1", "typeof left"),
        ("this.left = 1", "typeof this.left"),
        ("Error.prepareStackTrace = () => { console.log('leak') }", "typeof Error.prepareStackTrace"),
        ("Error.stackTraceLimit = 0", "(Error.stackTraceLimit === 0 ? 0 : undefined)"),
        ("Array.prototype.left = 1", "typeof [].left"),
        ("Object.getPrototypeOf([].values().map(x => x)).left = 1", "typeof [].values().map(x => x).left"),
        ("Object.getPrototypeOf(event).left = 1", "typeof event.left"),
        ("bp.left = 1", "typeof bp.left"),
        ("bp.events.left = 1", "typeof bp.events.left"),
        ("process.env.left = 1", "typeof process.env.left"),
        ("require.left = 1", "typeof require.left"),
        ("module.exports.left = 1", "typeof module.exports.left"),
        ("setTimeout(() => { globalThis.left = 1 }, 0)", "typeof left"),
    ] {
        let (told, reusable) = run_twice(leave, &format!("console.log('found ' + {look})"));
        assert!(reusable, "{leave}: {told}");
        assert!(told.contains("found undefined"), "{leave}: {told}");
    }
}

#[test]
fn a_realm_whose_global_object_was_bent_or_that_has_a_job_left_is_given_up() {
    for leave in [
        "Object.setPrototypeOf(globalThis, { left: 1 })",
        "Object.preventExtensions(globalThis)",
        "Object.defineProperty(globalThis, 'left', { value: 1 })",
        "event.state.session.x = { toJSON() { Promise.resolve().then(() => bp.events.replyToEvent(event, [{ type: 'text', text: 'late' }])); return 1 } }",
    ] {
        let (told, reusable) = run_twice(leave, "");
        assert!(!reusable, "{leave}: {told}");
        assert!(!told.contains("late"), "{told}");
    }
}

#[test]
fn lone_surrogates_in_keys_and_values_do_not_cost_the_state() {
    let frames = run(&[(
        BeforeIncomingMiddleware,
        "1.js",
        "event.state.user['\\ud83d'] = '\\ud83d'; event.state.user.__proto__ = 1; event.state.session.fine = 1",
    )]);
    let told = told(&frames);
    assert!(told.contains("\"fine\":1"), "{told}");
    assert!(told.contains('\u{fffd}'), "{told}");
}

#[test]
fn a_timer_that_is_always_due_does_not_keep_answers_out() {
    // The answer is there before the event begins; a driver that only fired timers would never look.
    let limits = ScriptLimits { hook_waiting: 2_000, ..ScriptLimits::default() };
    let frames = run_answered(
        "const busy = setInterval(() => { const end = Date.now() + 3; while (Date.now() < end); }, 1)\n\
         return bp.kvs.get('b', 'k').then(v => { clearInterval(busy); console.log('got', v) })",
        limits,
    );
    assert!(told(&frames).contains("got 42"), "{}", told(&frames));
}
