//! Scripts of a dialog that run into their limits: the event goes on, and the conversation waits at the instruction.

use expect_test::expect;
use serde_json::{Value, json};

use super::{Bot, next, one};
use crate::program::HookKind::{AfterEventProcessed, BeforeIncomingMiddleware};

const HOOKS: [(crate::program::HookKind, &str, &str); 2] = [
    (
        BeforeIncomingMiddleware,
        "1.js",
        "event.state.session.before = 1; event.state.temp.n = (event.state.temp.n || 0) + 1",
    ),
    (
        AfterEventProcessed,
        "2.js",
        "console.log('after', event.state.session.before, event.state.context.queue && event.state.context.queue.instruction)",
    ),
];

/// Says one thing, runs an action, says another.
fn bot(action: &str) -> Bot {
    let files = one(&json!({ "onReceive": [], "onEnter": [
        "say #builtin_text {\"text\":\"one\"}", "act", "say #builtin_text {\"text\":\"two\"}",
    ] }));
    Bot::with_hooks(&files, &HOOKS).action("act", action)
}

#[test]
fn an_action_that_computes_without_end_is_stopped_and_is_next_in_line() {
    let mut bot = bot("temp.seen = true\nif (event.preview === 'hi') for (;;);");
    bot.limits.action_running = 30;
    bot.message("hi");
    let place: Value = serde_json::from_str(&bot.state.context).unwrap();
    assert_eq!(
        place["queue"],
        json!({ "at": "main.flow.json#entry", "stage": "onEnter", "done": 1, "instruction": "act" })
    );
    assert_eq!(bot.state.temp, r#"{"n":1,"seen":true}"#);
    bot.message("go");
    expect![[r#"
        > text hi
        < one
        error actions/act.js:2 TimeoutError: computed for more than 30 ms (scripts.actionRunning) (main.flow.json, node "entry": act)
        info hooks/after_event_processed/2.js:1 after 1 act
          hook before_incoming_middleware · node main#entry · say #builtin_text {"text":"one"} · run act ✗ · wait · hook after_event_processed
        > text go
        < two
        info hooks/after_event_processed/2.js:1 after 1 undefined
          hook before_incoming_middleware · run act · say #builtin_text {"text":"two"} · wait · hook after_event_processed
    "#]].assert_eq(&bot.out);
}

#[test]
fn an_action_that_computes_without_end_goes_to_the_flow_for_errors() {
    let mut files = one(&json!({ "onEnter": ["act"] }));
    files["error"] =
        json!({ "nodes": [{ "name": "oops", "onEnter": ["say #builtin_text {\"text\":\"oops\"}"], "onReceive": [] }] });
    let mut bot = Bot::with_hooks(&files, &HOOKS).action("act", "for (;;);");
    bot.limits.action_running = 30;
    bot.message("hi");
    expect![[r#"
        > text hi
        error actions/act.js:1 TimeoutError: computed for more than 30 ms (scripts.actionRunning) (main.flow.json, node "entry": act)
        < oops
        info hooks/after_event_processed/2.js:1 after 1 undefined
          hook before_incoming_middleware · node main#entry · run act ✗ · node error#oops · say #builtin_text {"text":"oops"} · wait · hook after_event_processed
    "#]].assert_eq(&bot.out);
}

#[test]
fn an_action_that_computes_in_a_promise_is_stopped_too() {
    let mut bot = bot("// top-level await\nawait new Promise((r) => setTimeout(r, 1)); for (;;);");
    bot.limits.action_running = 30;
    bot.message("hi");
    expect![[r#"
        > text hi
        < one
        error actions/act.js:null TimeoutError: computed for more than 30 ms (scripts.actionRunning) (main.flow.json, node "entry": act)
        info hooks/after_event_processed/2.js:1 after 1 act
          hook before_incoming_middleware · node main#entry · say #builtin_text {"text":"one"} · run act ✗ · wait · hook after_event_processed
    "#]].assert_eq(&bot.out);
}

#[test]
fn an_action_that_waits_too_long_has_failed() {
    let mut bot = bot("return new Promise((r) => setTimeout(r, 5000))");
    bot.limits.action_waiting = 20;
    bot.message("hi");
    expect![[r#"
        > text hi
        < one
        error actions/act.js:null TimeoutError: the action was still waiting for its promise after 20 ms (scripts.actionWaiting); the instruction has failed (main.flow.json, node "entry": act)
        info hooks/after_event_processed/2.js:1 after 1 act
          hook before_incoming_middleware · node main#entry · say #builtin_text {"text":"one"} · run act ✗ · wait · hook after_event_processed
    "#]].assert_eq(&bot.out);
}

#[test]
fn an_action_that_waits_for_nothing_has_failed_at_once() {
    let mut bot = bot("return new Promise(() => {})");
    bot.message("hi");
    expect![[r#"
        > text hi
        < one
        error actions/act.js:null Error: the action waits for a promise that can never settle: no call and no timer is under way; the instruction has failed (main.flow.json, node "entry": act)
        info hooks/after_event_processed/2.js:1 after 1 act
          hook before_incoming_middleware · node main#entry · say #builtin_text {"text":"one"} · run act ✗ · wait · hook after_event_processed
    "#]].assert_eq(&bot.out);
}

#[test]
fn an_action_may_compute_for_longer_than_a_hook_in_one_go() {
    let mut bot = bot("const end = Date.now() + 60; while (Date.now() < end);");
    bot.limits.slice = 20;
    bot.limits.hook_running = 20;
    bot.message("hi");
    assert!(bot.out.contains("< two") && !bot.out.contains("error"), "{}", bot.out);
}

#[test]
fn where_all_actions_of_an_event_compute_for_too_long_the_last_one_waits_and_hooks_go_on() {
    let mut bot = bot("for (;;);");
    bot.limits.event_running = 30;
    bot.message("hi");
    expect![[r#"
        > text hi
        < one
        error actions/act.js:1 TimeoutError: all actions of this event together computed for more than 30 ms (scripts.eventRunning) (main.flow.json, node "entry": act)
        info hooks/after_event_processed/2.js:1 after 1 act
          hook before_incoming_middleware · node main#entry · say #builtin_text {"text":"one"} · run act ✗ · wait · hook after_event_processed
    "#]].assert_eq(&bot.out);
}

#[test]
fn an_event_that_lives_for_too_long_keeps_its_place() {
    let mut bot = bot("return new Promise((r) => setTimeout(r, 5000))");
    bot.limits.event_waiting = 40;
    bot.message("hi");
    expect![[r#"
        > text hi
        < one
        error actions/act.js:null TimeoutError: the event was not over after 40 ms (scripts.eventWaiting) (main.flow.json, node "entry": act)
          hook before_incoming_middleware · node main#entry · say #builtin_text {"text":"one"} · run act ✗
    "#]].assert_eq(&bot.out);
    assert!(bot.stored().contains("\"instruction\":\"act\""), "{}", bot.stored());
}

#[test]
fn a_condition_that_computes_without_end_is_next_in_line() {
    let files = one(&json!({ "next": [
        next("temp.n === 7", "entry"), next("(() => { if (event.preview === 'hi') for (;;); })()", "entry"), next("true", "END"),
    ] }));
    let mut bot = Bot::with_hooks(&files, &HOOKS);
    bot.limits.hook_running = 30;
    bot.message("hi");
    let place: Value = serde_json::from_str(&bot.state.context).unwrap();
    assert_eq!(place["queue"]["done"], 1);
    bot.message("go");
    expect![[r#"
        > text hi
        error bots/bot/flows/main.flow.json:null TimeoutError: computed for more than 30 ms without a pause (scripts.hookRunning, scripts.slice) (main.flow.json, node "entry": (() => { if (event.preview === 'hi') for (;;); })() → entry)
        info hooks/after_event_processed/2.js:1 after 1 (() => { if (event.preview === 'hi') for (;;); })()
          hook before_incoming_middleware · node main#entry · wait · hook after_event_processed
        > text go
        info hooks/after_event_processed/2.js:1 after 1 undefined
          hook before_incoming_middleware · true → END · end: END · hook after_event_processed
    "#]].assert_eq(&bot.out);
}

#[test]
fn content_that_computes_without_end_is_next_in_line() {
    let files = one(&json!({ "onReceive": [], "onEnter": ["say #slow"] }));
    let mut bot = Bot::with_hooks(&files, &HOOKS).content_type(
        "slow",
        "module.exports = { id: 'slow', renderElement: (data) => { if (data.event.preview === 'hi') for (;;); return [{ type: 'text', text: 'fast' }] } }",
    );
    bot.limits.hook_running = 30;
    bot.message("hi").message("go");
    expect![[r#"
        > text hi
        error content-types/slow.js:1 TimeoutError: computed for more than 30 ms without a pause (scripts.hookRunning, scripts.slice) (main.flow.json, node "entry": say #slow)
        info hooks/after_event_processed/2.js:1 after 1 say #slow
          hook before_incoming_middleware · node main#entry · say #slow · wait · hook after_event_processed
        > text go
        < fast
        info hooks/after_event_processed/2.js:1 after 1 undefined
          hook before_incoming_middleware · say #slow · wait · hook after_event_processed
    "#]].assert_eq(&bot.out);
}

#[test]
fn out_of_memory_in_an_action_ends_the_scripts_and_the_conversation_stays_where_it_was() {
    let mut bot = bot("const a = []; for (;;) a.push(new Array(1000).fill(1))");
    bot.message("hi");
    // Whether there is a line is chance: making the stack takes memory as well.
    let said = bot.out.replace("act.js:null", "act.js:1");
    expect![[r#"
        > text hi
        < one
        error actions/act.js:1 MemoryError: the script used more than 32 MB of memory (scripts.heap); the event's scripts end here
        not stored
          hook before_incoming_middleware · node main#entry · say #builtin_text {"text":"one"} · run act ✗
    "#]].assert_eq(&said);
    assert_eq!(bot.stored(), "{} {}");
}

#[test]
fn a_dialog_that_a_script_asked_for_waits_where_it_was_stopped() {
    let files = json!({ "main": { "nodes": [
        { "name": "entry", "onEnter": ["jump"], "onReceive": [] },
        { "name": "slow", "onEnter": ["act", "say #builtin_text {\"text\":\"fast\"}"], "onReceive": [] },
    ] } });
    let jump = "// top-level await\nawait bp.dialog.jumpTo('id', event, 'main', 'slow'); await bp.dialog.processEvent('id', event); console.log('never')";
    let act = "if (event.preview === 'hi') for (;;);";
    let mut bot = Bot::with_hooks(&files, &HOOKS).action("jump", jump).action("act", act);
    bot.limits.action_running = 30;
    bot.message("hi").message("go");
    expect![[r#"
        > text hi
        error actions/act.js:1 TimeoutError: computed for more than 30 ms (scripts.actionRunning) (main.flow.json, node "slow": act)
        info hooks/after_event_processed/2.js:1 after 1 act
          hook before_incoming_middleware · node main#entry · jump main#slow · run act ✗ · run jump ✗ · hook after_event_processed
        > text go
        < fast
        info hooks/after_event_processed/2.js:1 after 1 undefined
          hook before_incoming_middleware · run act · say #builtin_text {"text":"fast"} · wait · hook after_event_processed
    "#]].assert_eq(&bot.out);
    // The same where a hook asks.
    let mut bot =
        Bot::with_hooks(&files, &[HOOKS[0], (BeforeIncomingMiddleware, "9.js", jump), HOOKS[1]]).action("act", act);
    bot.limits.action_running = 30;
    bot.message("hi");
    expect![[r#"
        > text hi
        error actions/act.js:1 TimeoutError: computed for more than 30 ms (scripts.actionRunning) (main.flow.json, node "slow": act)
        info hooks/after_event_processed/2.js:1 after 1 act
          hook before_incoming_middleware · jump main#slow · run act ✗ · hook before_incoming_middleware · hook after_event_processed
    "#]].assert_eq(&bot.out);
    assert!(bot.stored().contains("\"instruction\":\"act\""), "{}", bot.stored());
}
