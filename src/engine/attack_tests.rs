//! What scripts did to the engine, and no longer can. `tests/attacks.rs` runs whole attacks against a whole server.

use super::tests::{EVENT, run, run_with, told};
use crate::config::ScriptLimits;
use crate::program::HookKind::{AfterIncomingMiddleware, BeforeIncomingMiddleware, BeforeOutgoingMiddleware};

fn short() -> ScriptLimits {
    ScriptLimits { hook_running: 50, ..ScriptLimits::default() }
}

#[test]
fn an_error_that_never_lets_itself_be_read_is_not_the_next_hooks_overrun() {
    let told = told(&run(&[
        (BeforeIncomingMiddleware, "1.js", "throw { get message() { for (;;); } }"),
        (BeforeIncomingMiddleware, "2.js", "console.log('two')"),
    ]));
    assert!(told.contains("1.js:null:null Error: an error whose message cannot be read"), "{told}");
    assert!(told.contains("two") && !told.contains("TimeoutError"), "{told}");
}

#[test]
fn many_errors_that_never_let_themselves_be_read_cost_no_more_than_one() {
    let source =
        "for (let i = 0; i < 30; i++) Promise.reject({ get message() { event.n = (event.n || 0) + 1; for (;;); } })";
    let frames = run(&[(BeforeIncomingMiddleware, "1.js", source)]);
    let told = told(&frames);
    assert_eq!(told.matches("1.js:null:null Error: an error whose message cannot be read").count(), 30, "{told}");
}

#[test]
fn a_script_that_is_stopped_is_reported_with_its_line() {
    let files = [(BeforeIncomingMiddleware, "1.js", "const f = () => {\n  for (;;) f.x = 1\n}\nf()")];
    let stopped = told(&run_with(&files, short(), EVENT));
    assert!(stopped.contains("1.js:2:"), "{stopped}");
    let files = [(BeforeIncomingMiddleware, "1.js", "const a = []\na.push('x'.repeat(2 ** 28))")];
    let filled = told(&run(&files));
    assert!(filled.contains("1.js:2:") && filled.contains("MemoryError"), "{filled}");
}

#[test]
fn what_floats_is_reported_with_the_hook_that_started_it() {
    let files = [
        (BeforeIncomingMiddleware, "1.js", "setTimeout(() => { for (;;); }, 5)"),
        (BeforeIncomingMiddleware, "2.js", "Promise.reject(7)"),
        (AfterIncomingMiddleware, "3.js", "1"),
    ];
    let told = told(&run_with(&files, short(), EVENT));
    assert!(told.contains("1.js:1:") && told.contains("TimeoutError"), "{told}");
    assert!(told.contains("2.js:null:null Uncaught: 7"), "{told}");
}

#[test]
fn a_state_that_never_becomes_text_is_reported() {
    let source = "event.state.session.toJSON = () => {\n  for (;;);\n}";
    let limits = ScriptLimits { slice: 50, ..ScriptLimits::default() };
    let told = told(&run_with(&[(BeforeIncomingMiddleware, "1.js", source)], limits, EVENT));
    assert!(told.contains("the event's state cannot be stored") && told.contains("1.js:"), "{told}");
    assert!(told.ends_with("processed settled=true state=null\n"), "{told}");
}

#[test]
fn log_lines_are_counted_through_all_realms_of_an_event() {
    let loud = "for (;;) console.log('x')";
    let limits = ScriptLimits { log_lines: 10, ..short() };
    let files = [(BeforeIncomingMiddleware, "1.js", loud), (BeforeIncomingMiddleware, "2.js", loud)];
    let told = told(&run_with(&files, limits, EVENT));
    assert_eq!(told.matches("log info").count(), 10, "{told}");
    assert_eq!(told.matches("TimeoutError").count(), 2, "who floods the log is still reported: {told}");
}

#[test]
fn an_address_that_the_server_would_not_take_is_the_scripts_error() {
    let source = "
      const to = (key, value) => Object.assign({ channel: 'web', target: 'u', botId: 'welcome-bot' }, { [key]: value })
      const wrong = [['target', '\\n'], ['botId', '../x'], ['channel', 'x'.repeat(300)], ['threadId', 'x'.repeat(300)]]
      const say = (key, value) => bp.events.replyToEvent(to(key, value), [{ type: 'text', text: 'x' }])
      return Promise.all(wrong.map(([key, value]) => say(key, value).catch((error) => console.log(error.message))))";
    let told = told(&run(&[(BeforeIncomingMiddleware, "1.js", source)]));
    assert!(!told.contains("effect"), "{told}");
    for name in ["the target", "there is no bot", "the channel", "the threadId"] {
        assert!(told.contains(name), "{name}: {told}");
    }
}

#[test]
fn an_outgoing_hook_cannot_break_the_protocol() {
    let hook = "
      const breaks = { a: () => { event.id = 'x' }, b: () => { event.threadId = {} }, c: () => { event.type = 'x'.repeat(300) } }
      breaks[event.payload.text]()";
    let say = "for (const text of 'abc') bp.events.replyToEvent(event, [{ type: 'text', text }]).catch((e) => console.log(e.message))";
    let told = told(&run(&[(BeforeIncomingMiddleware, "1.js", say), (BeforeOutgoingMiddleware, "2.js", hook)]));
    assert!(told.contains("the type of an event may have at most 200 bytes"), "{told}");
    assert_eq!(
        told.matches("effect").count(),
        2,
        "an id of its own and a conversation that is an object harm nobody: {told}"
    );
}

#[test]
fn an_event_sends_no_more_bytes_than_it_may() {
    let source = "
      const text = 'x'.repeat(300)
      for (let i = 0; i < 10; i++) bp.events.replyToEvent(event, [{ type: 'text', text }]).catch((e) => console.log(e.message))";
    let limits = ScriptLimits { frame: 2_800, ..ScriptLimits::default() };
    let told = told(&run_with(&[(BeforeIncomingMiddleware, "1.js", source)], limits, EVENT));
    let sent = told.matches("effect").count();
    assert!((1..=5).contains(&sent), "{told}");
    assert!(told.contains("an event may send at most"), "{told}");
}

#[test]
fn a_state_larger_than_the_wall_allows_is_refused_here_and_not_there() {
    let limits = ScriptLimits { frame: 1_000, ..ScriptLimits::default() };
    let source = "event.state.session.big = 'é'.repeat(400)";
    let told = told(&run_with(&[(BeforeIncomingMiddleware, "1.js", source)], limits, EVENT));
    assert!(told.contains("the event's state cannot be stored: it has"), "{told}");
    assert!(told.ends_with("processed settled=true state=null\n"), "{told}");
}

#[test]
fn what_a_script_sets_for_stacks_ends_with_its_realm() {
    let told = told(&run(&[
        (
            BeforeIncomingMiddleware,
            "1.js",
            "Error.prepareStackTrace = () => { event.seen = true }; Error.stackTraceLimit = { valueOf() { for (;;); } }\n\
             new Error('x').stack",
        ),
        (BeforeIncomingMiddleware, "2.js", "console.log(event.seen, Error.prepareStackTrace, Error.stackTraceLimit)"),
    ]));
    // It hangs itself by it; the next hook goes on in a fresh realm.
    assert!(told.contains("1.js:null:null TimeoutError") && told.contains("undefined 10"), "{told}");
}

#[test]
fn a_place_behind_a_name_of_megabytes_is_found() {
    let source = "const name = 'x'.repeat(1e6)\nconst f = { [name]() {\n  throw new Error('deep')\n} }\nf[name]()";
    let told = told(&run(&[(BeforeIncomingMiddleware, "1.js", source)]));
    assert!(told.contains("1.js:3:") && told.contains("Error: deep"), "{told}");
}
