//! Each limit of `ScriptLimits` has an effect, and says its key where a script or its author sees it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::host::{Counts, Host};
use super::tests::{EVENT, hello, run_with, told};
use crate::config::ScriptLimits;
use crate::program::HookKind::{
    AfterEventProcessed, AfterIncomingMiddleware, BeforeIncomingMiddleware, BeforeOutgoingMiddleware,
};
use crate::protocol::Outbox;
use crate::script::Meter;

fn limits() -> ScriptLimits {
    ScriptLimits::default()
}

/// What comes of one hook before incoming middleware, and another one after it that says that the event went on.
fn of(hook: &str, limits: ScriptLimits) -> String {
    let files = [(BeforeIncomingMiddleware, "1.js", hook), (AfterIncomingMiddleware, "2.js", "console.log('went on')")];
    told(&run_with(&files, limits, EVENT))
}

#[track_caller]
fn assert_all(told: &str, parts: &[&str]) {
    for part in parts {
        assert!(told.contains(part), "{part:?} is missing in\n{told}");
    }
}

#[test]
fn effects_are_counted() {
    let hook = "return bp.events.replyToEvent(event, [{ text: 'a' }, { text: 'b' }, { text: 'c' }])";
    let told = of(hook, ScriptLimits { effects: 2, ..limits() });
    assert_all(&told, &["effect 1", "RangeError: an event may make at most 2 replies", "(scripts.effects)", "went on"]);
    assert!(!told.contains("effect 2"), "{told}");
}

#[test]
fn effects_of_what_hooks_leave_running_are_counted_by_the_second_and_refused_with_an_error() {
    let limits = ScriptLimits { effects: 2, ..limits() };
    let meter = Rc::new(Meter::new(limits.clone()));
    let host = Host::new(meter, Arc::new(hello(limits)), Outbox::new(std::io::sink()));
    host.begin(Counts::default(), u64::MAX);
    let (begun, effect) = (Instant::now(), || host.effect("{}", "text"));
    let half = Duration::from_millis(500);
    // Each timer has a turn of its own.
    for _ in 0..2 {
        host.begin_turn(begun);
        effect().unwrap();
    }
    host.begin_turn(begun + half);
    let error = effect().unwrap_err();
    assert!(error.contains("at most 2 replies and events in a second (scripts.effects)"), "{error}");
    host.begin_turn(begun + half * 2);
    effect().unwrap();
}

#[test]
fn timers_are_counted() {
    let hook = "setTimeout(() => {}, 1); setTimeout(() => {}, 1); setTimeout(() => {}, 1)";
    assert_all(&of(hook, ScriptLimits { timers: 2, ..limits() }), &["RangeError", "(scripts.timers)", "went on"]);
}

#[test]
fn outstanding_requests_are_counted() {
    let hook = "for (let i = 0; i < 3; i++) bp.kvs.get('b', 'k').catch(error => console.log(i, error.message))";
    let limits = ScriptLimits { requests: 2, floating: 1, event_waiting: 1_000, ..limits() };
    assert_all(&of(hook, limits), &["2 bp.kvs.get: at most 2 calls may be outstanding (scripts.requests)", "went on"]);
}

#[test]
fn log_lines_are_counted_and_cut() {
    let hook = "for (let i = 0; i < 5; i++) console.log('line', i); console.log('never')";
    let told = of(hook, ScriptLimits { log_lines: 2, ..limits() });
    assert_all(&told, &["line 1", "has written 2 lines already; the rest is dropped (scripts.logLines)"]);
    assert!(!told.contains("line 2") && !told.contains("never"), "{told}");
    let told = of("console.log('0123456789')", ScriptLimits { log_line: 4, ..limits() });
    assert_all(&told, &["0123…\n"]);
}

#[test]
fn payloads_and_arguments_have_a_largest_size() {
    let limits = ScriptLimits { frame: 4_000, ..limits() };
    let hook = "return bp.events.replyToEvent(event, [{ text: 'x'.repeat(5000) }])";
    assert_all(
        &of(hook, limits.clone()),
        &["RangeError: a payload may be at most 4000 bytes (scripts.frame)", "went on"],
    );
    let hook = "return bp.kvs.set('b', 'k', 'x'.repeat(5000))";
    assert_all(&of(hook, limits), &["bp.kvs.set: the arguments may be at most 4000 bytes (scripts.frame)", "went on"]);
}

#[test]
fn a_deep_recursion_is_a_range_error_that_a_script_may_catch() {
    let hook =
        "const f = n => { try { return f(n + 1) } catch (e) { return [n, e.name] } }\nconsole.log('deep', ...f(0))";
    let depth = |stack: u64| -> u32 {
        let told = of(hook, ScriptLimits { stack, ..limits() });
        assert_all(&told, &["RangeError", "went on"]);
        told.split("deep ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok()).expect(&told)
    };
    assert!(depth(64 << 10) * 4 < depth(512 << 10));
}

#[test]
fn a_hook_that_waits_too_long_is_left_behind() {
    // Long against a busy machine, short against a test.
    let hook = "return new Promise(resolve => setTimeout(resolve, 1000))";
    let limits = ScriptLimits { hook_waiting: 20, floating: 1, ..limits() };
    let told = of(hook, limits.clone());
    assert_all(&told, &["was still waiting for its promise after 20 ms (scripts.hookWaiting)", "went on"]);
    let files = [
        (BeforeIncomingMiddleware, "1.js", "bp.events.replyToEvent(event, [{ text: 'a' }])"),
        (BeforeOutgoingMiddleware, "2.js", hook),
    ];
    let told = self::told(&run_with(&files, limits, EVENT));
    assert_all(&told, &["the hook was still waiting after 20 ms; the reply goes on without it", "effect 0"]);
}

#[test]
fn an_event_lives_only_so_long() {
    let limits = ScriptLimits { event_waiting: 20, ..limits() };
    let told = of("return new Promise(resolve => setTimeout(resolve, 5000))", limits.clone());
    assert_all(&told, &["the event was not over after 20 ms (scripts.eventWaiting)", "state=null"]);
    assert!(!told.contains("went on"), "{told}");
    // What floats is cancelled with it.
    let told = of("setInterval(() => {}, 2)", ScriptLimits { floating: 1, event_waiting: 1_000, ..limits });
    assert_all(&told, &["went on", "(scripts.eventWaiting): 1 timers and 0 calls were cancelled"]);
}

#[test]
fn floating_work_holds_an_event_back_only_so_long() {
    let hook =
        "setTimeout(() => { event.state.session.late = 1; bp.events.replyToEvent(event, [{ text: 'late' }]) }, 500)";
    let told = of(hook, ScriptLimits { floating: 1, ..limits() });
    let processed = told.find("processed settled=false").expect(&told);
    assert!(processed < told.find("effect 0").expect(&told), "{told}");
    assert!(!told.contains("\"late\":1"), "{told}");
    let told = of(hook, limits());
    assert_all(&told, &["effect 0", "processed settled=true", "\"late\":1"]);
}

#[test]
fn all_scripts_of_an_event_have_one_running_time() {
    let spin = "const end = Date.now() + 30; while (Date.now() < end) {}";
    let files = [
        (BeforeIncomingMiddleware, "1.js", spin),
        (BeforeIncomingMiddleware, "2.js", spin),
        (BeforeIncomingMiddleware, "3.js", "for (;;) {}"),
        (AfterEventProcessed, "4.js", "console.log('never')"),
    ];
    let limits = ScriptLimits { event_running: 100, ..limits() };
    let told = told(&run_with(&files, limits, EVENT));
    assert_all(&told, &["computed for more than 100 ms (scripts.eventRunning)", "state=null"]);
    assert!(!told.contains("never"), "{told}");
}

#[test]
fn a_slice_has_a_running_time_of_its_own() {
    let told = of("for (;;) {}", ScriptLimits { slice: 20, ..limits() });
    assert_all(&told, &["for more than 20 ms without a pause (scripts.hookRunning, scripts.slice)", "went on"]);
}

#[test]
fn a_script_that_throws_null_has_thrown_something_and_is_not_out_of_memory() {
    for hook in ["throw null", "return Promise.reject(null)", "return (async () => { throw null })()"] {
        let told = of(hook, limits());
        assert_all(&told, &["1.js", "null", "went on"]);
        assert!(!told.contains("MemoryError"), "{hook}: {told}");
    }
}
