//! Actions: what they get, and what becomes of those that fail. Conditions, too.

use expect_test::expect;
use serde_json::json;

use super::{Bot, next, one};
use crate::program::HookKind::{AfterEventProcessed, BeforeIncomingMiddleware};

#[test]
fn an_action_has_its_arguments_in_scope_and_the_state_by_identity() {
    let files = one(
        &json!({ "onReceive": [], "onEnter": ["look {\"a\":\"{{event.preview}}\",\"deep\":{\"b\":\"{{event.preview}}\"},\"list\":[\"{{a}}\"],\"n\":1,\"user\":\"mine\",\"again\":\"{{{a}}} {{user.name}}\"}"] }),
    );
    let source = "
      console.log(user === event.state.user, temp === event.state.temp, session === event.state.session, bot === event.state.bot, workflow, typeof bp.events.replyToEvent, typeof printObject)
      console.log(JSON.stringify(args), event.kept instanceof Map, __filename, typeof require)
      temp.kept = 1
      temp = { lost: true }
      user.seen = true
      session.seen = true";
    let hooks = [(BeforeIncomingMiddleware, "1.js", "event.kept = new Map()")];
    let mut bot = Bot::with_hooks(&files, &hooks).action("look", source);
    bot.state.user = r#"{"name":"Ann"}"#.into();
    bot.message("<{{x}}>");
    expect![[r#"
        > text <{{x}}>
        info actions/look.js:2 true true true true undefined function function
        info actions/look.js:3 {"a":"&lt;{{x}}&gt;","deep":{"b":"{{event.preview}}"},"list":["{{a}}"],"n":1,"user":"mine","again":"{{event.preview}} Ann"} true actions/look.js function
          hook before_incoming_middleware · node main#entry · run look · wait
    "#]].assert_eq(&bot.out);
    assert_eq!(bot.state.user, r#"{"name":"Ann","seen":true}"#);
    assert!(bot.stored().starts_with(r#"{"kept":1} "#), "{}", bot.stored());
}

#[test]
fn actions_may_return_promises_and_await_at_the_top() {
    let files =
        one(&json!({ "onReceive": [], "onEnter": ["a", "b", "c", "say #builtin_text {\"text\":\"{{temp.order}}\"}"] }));
    let mut bot = Bot::new(&files)
        .action("a", "const later = async () => { await null; await new Promise((r) => setTimeout(r, 2)); temp.order = 'a' }; return later()")
        .action("b", "// top-level await\nawait new Promise((r) => setTimeout(r, 2)); temp.order += 'b'")
        .action("c", "temp.order += 'c'; setTimeout(() => { throw new Error('floating') }, 1); Promise.reject(new Error('nobody'))");
    bot.message("x");
    expect![[r#"
        > text x
        < abc
        error actions/c.js:1 Error: floating
        error actions/c.js:1 Error: nobody (in a promise that nobody awaits)
          node main#entry · run a · run b · run c · say #builtin_text {"text":"{{temp.order}}"} · wait
    "#]]
    .assert_eq(&bot.out);
}

#[test]
fn an_action_is_found_by_its_whole_name_and_a_built_in_one_without_its_folder() {
    let files = one(&json!({ "onEnter": ["own/set", "set", "gone/set"] }));
    let mut bot =
        Bot::new(&files).action("own/set", "console.log('own')").action("builtin/set", "console.log('built in')");
    bot.message("x");
    expect![[r#"
        > text x
        info actions/own/set.js:1 own
        info actions/builtin/set.js:1 built in
        error bots/bot/flows/main.flow.json:null Error: there is no action "gone/set": neither the bot nor the workspace has a file actions/gone/set.js (main.flow.json, node "entry": gone/set)
          node main#entry · run own/set · run builtin/set · wait
    "#]].assert_eq(&bot.out);
}

#[test]
fn an_action_that_throws_is_reported_where_it_threw_and_in_which_flow_and_is_run_again() {
    let files = one(
        &json!({ "onEnter": ["a", "b {\"x\":1}", "say #builtin_text {\"text\":\"fine\"}"], "next": [next("true", "END")] }),
    );
    for source in [
        "\n  if (event.preview !== 'ok') throw new Error('no')",
        "// top-level await\n  if (event.preview !== 'ok') throw new Error('no')",
    ] {
        let mut bot = Bot::new(&files).action("a", "console.log('once')").action("b", source);
        bot.message("x").message("y").message("ok");
        assert_eq!(bot.out.matches("once").count(), 1);
        assert_eq!(
            bot.out.matches("error actions/b.js:2 Error: no (main.flow.json, node \"entry\": b {\"x\":1})").count(),
            2,
            "{}",
            bot.out
        );
        assert!(bot.out.contains("< fine"), "{}", bot.out);
    }
}

#[test]
fn an_action_that_throws_goes_to_the_flow_for_errors_or_where_it_has_said() {
    let mut files = json!({ "main": { "nodes": [
        { "name": "entry", "onEnter": ["fail"] }, { "name": "sorry", "onEnter": ["say #builtin_text {\"text\":\"sorry\"}"] },
    ] } });
    files["error"] = json!({ "nodes": [{ "name": "oops", "onEnter": ["say #builtin_text {\"text\":\"oops\"}"] }] });
    let mut bot = Bot::new(&files)
        .action("fail", "if (event.preview === 'sorry') temp.onErrorFlowTo = 'sorry'; throw new Error('no')");
    bot.message("sorry").message("x");
    expect![[r#"
        > text sorry
        error actions/fail.js:1 Error: no (main.flow.json, node "entry": fail)
        < sorry
          node main#entry · run fail ✗ · node main#sorry · say #builtin_text {"text":"sorry"} · end: nothing left
        > text x
        error actions/fail.js:1 Error: no (main.flow.json, node "entry": fail)
        < oops
          node main#entry · run fail ✗ · node error#oops · say #builtin_text {"text":"oops"} · end: nothing left
    "#]]
    .assert_eq(&bot.out);
}

#[test]
fn a_condition_that_throws_a_type_error_is_false_and_any_other_error_is_reported() {
    let files = one(&json!({ "onReceive": [], "next": [
        next("temp.a.b.c === 1", "entry"), next("user.x.length <= undefined", "entry"), next("event.preview === 'go' && wrong.name", "entry"),
        next("Promise.resolve(false);", "END"),
    ] }));
    let mut bot = Bot::new(&files);
    bot.message("hi").message("go").message("other").message("more");
    expect![[r#"
        > text hi
          node main#entry · wait
        > text go
        error bots/bot/flows/main.flow.json:null ReferenceError: wrong is not defined (main.flow.json, node "entry": event.preview === 'go' && wrong.name → entry)
          wait
        > text other
          Promise.resolve(false); → END · end: END
        > text more
          node main#entry · wait
    "#]].assert_eq(&bot.out);
    let mut bot = Bot::new(&one(&json!({ "next": [next("temp.a ==", "entry")] })));
    bot.message("hi");
    expect![[r#"
        > text hi
        error bots/bot/flows/main.flow.json:null SyntaxError: unexpected token in expression: ')' (main.flow.json, node "entry": temp.a == → entry)
          node main#entry · wait
    "#]].assert_eq(&bot.out);
}

#[test]
fn conditions_see_what_hooks_have_put_on_the_event() {
    let files = one(
        &json!({ "onReceive": [], "next": [next("event.same(bot) && user.constructor === Object && session.x === 1", "END")] }),
    );
    let hook = "event.same = (bot) => bot === event.state.bot; event.state.session.x = 1";
    let mut bot = Bot::with_hooks(
        &files,
        &[(BeforeIncomingMiddleware, "1.js", hook), (AfterEventProcessed, "2.js", "console.log('after')")],
    );
    bot.message("hi").message("go");
    expect![[r#"
        > text hi
        info hooks/after_event_processed/2.js:1 after
          hook before_incoming_middleware · node main#entry · wait · hook after_event_processed
        > text go
        info hooks/after_event_processed/2.js:1 after
          hook before_incoming_middleware · event.same(bot) && user.constructor === Object && session.x === 1 → END · end: END · hook after_event_processed
    "#]].assert_eq(&bot.out);
}
