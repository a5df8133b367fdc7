//! What is said.

use expect_test::expect;
use serde_json::{Value, json};

use super::{Bot, next, one};
use crate::program::ErrorElement;
use crate::program::HookKind::{AfterEventProcessed, BeforeOutgoingMiddleware};

#[test]
fn the_main_flow_speaks_first_waits_and_goes_on_with_what_the_user_says() {
    let files = json!({ "main": { "nodes": [
        { "name": "entry", "onEnter": ["say #!hello", "set {\"name\":\"asked\",\"value\":\"{{event.preview}}\"}"], "onReceive": [], "next": [
            next("event.preview === 'no'", "bye"),
            next("temp.asked.a.b.c === 1", "bye"),
            next("temp.asked === 'hi'", "more"),
        ] },
        { "name": "more", "onEnter": ["say #builtin_text {\"text\":\"You said {{event.preview}}, then {{temp.asked}}\"}"], "next": [next("true", "END")] },
        { "name": "bye", "onEnter": ["say #!hello"] },
    ] } });
    let mut bot =
        Bot::new(&files).element("hello", &json!({ "text$en": "Hello {{user.name}}", "typing$en": true })).action(
            "builtin/set",
            "temp[args.name] = args.value; event.state.session.ran = true; return Promise.resolve()",
        );
    bot.state.user = r#"{"name":"Ann"}"#.into();
    bot.message("hi");
    expect![[r#"{"asked":"hi"} {"currentFlow":"main.flow.json","currentNode":"entry","jumpPoints":[],"queue":{"at":"main.flow.json#entry","stage":"wait","done":0}}"#]]
        .assert_eq(&bot.stored());
    bot.message("{{user.name}}");
    expect![[r#"
        > text hi
        < {"type":"typing","value":true}
        < Hello Ann
          node main#entry · say #!hello · run builtin/set · wait
        > text {{user.name}}
        < You said {{user.name}}, then hi
          temp.asked === 'hi' → more · node main#more · say #builtin_text {"text":"You said {{event.preview}}, then {{temp.asked}}"} · true → END · end: END
    "#]].assert_eq(&bot.out);
    assert_eq!(bot.stored(), "{} {}");
    let session: Value = serde_json::from_str(&bot.state.session).unwrap();
    assert_eq!(session["lastMessages"][1]["replyPreview"], "#builtin_text");
    assert_eq!(session["lastMessages"][0]["incomingPreview"], "hi");
    assert_eq!(session["lastMessages"].as_array().unwrap().len(), 2);
}

#[test]
fn arguments_are_rendered_once_and_never_again() {
    let files = one(&json!({ "onReceive": [], "onEnter": [
        "say #!greeting {\"name\":\"{{event.preview}}\"}",
        "say #builtin_text {\"text\":\"{{event.preview}} {{{more}}}\",\"more\":\"<{{user.secret}}>\"}",
        "say @builtin_text {\"text\":\"plain\"}",
    ] }));
    let mut bot = Bot::new(&files).element("greeting", &json!({ "text$en": "Hello {{name}}, {{{name}}}" }));
    bot.state.user = r#"{"secret":"42"}"#.into();
    bot.message("{{user.secret}}").message("{ {user.secret}}");
    expect![[r#"
        > text {{user.secret}}
        < Hello {{user.secret}}, {{user.secret}}
        < {{user.secret}} <{{user.secret}}>
        < plain
          node main#entry · say #!greeting {"name":"{{event.preview}}"} · say #builtin_text {"text":"{{event.preview}} {{{more}}}","more":"<{{user.secret}}>"} · say @builtin_text {"text":"plain"} · wait
        > text { {user.secret}}
          end: nothing left
    "#]].assert_eq(&bot.out);
}

#[test]
fn an_element_is_said_in_the_users_language() {
    let files = one(&json!({ "onReceive": [], "onEnter": ["say #!greeting"] }));
    let mut bot = Bot::new(&files).element("greeting", &json!({ "text$en": "Hello", "text$fr": "Bonjour" }));
    bot.state.user = r#"{"language":"fr"}"#.into();
    bot.message("x");
    bot.state.user = r#"{"language":"de"}"#.into();
    bot.state.context = "{}".into();
    bot.message("x");
    expect![[r#"
        > text x
        < Bonjour
          node main#entry · say #!greeting · wait
        > text x
        < Hello
          node main#entry · say #!greeting · wait
    "#]]
    .assert_eq(&bot.out);
}

#[test]
fn a_node_says_its_own_content_in_the_users_language() {
    let content = json!({ "contentType": "builtin_text", "formData": { "text$en": "Hello {{temp.name}} {{{event.preview}}}", "text$fr": "Bonjour" } });
    let files = one(&json!({ "type": "say_something", "content": content, "next": [next("true", "END")] }));
    let mut bot = Bot::new(&files);
    bot.state.temp = r#"{"name":"Ann"}"#.into();
    bot.message("{{user.x}}");
    let languages = json!({ "contentType": "#builtin_text", "formData": { "text": { "en": "Hi", "fr": "Salut" } } });
    let mut other = Bot::new(&one(&json!({ "type": "say_something", "content": languages })));
    other.state.user = r#"{"language":"fr"}"#.into();
    other.message("x");
    bot.out.push_str(&other.out);
    expect![[r#"
        > text {{user.x}}
        < Hello Ann {{user.x}}
          node main#entry · builtin_text · true → END · end: END
        > text x
        < Salut
          node main#entry · #builtin_text · end: nothing left
    "#]]
    .assert_eq(&bot.out);
    let session: Value = serde_json::from_str(&bot.state.session).unwrap();
    assert_eq!(session["lastMessages"][0]["replyPreview"], "builtin_text");
}

#[test]
fn replies_of_a_dialog_pass_the_outgoing_hooks_in_order() {
    let hook =
        "event.payload.text += '!'; if (event.payload.text === 'a!') return new Promise((r) => setTimeout(r, 3))";
    let files = one(&json!({ "onReceive": [], "onEnter": [
        "say #builtin_text {\"text\":\"a\"}", "say #builtin_text {\"text\":\"b\",\"typing\":true}",
    ] }));
    let mut bot = Bot::with_hooks(&files, &[(BeforeOutgoingMiddleware, "1.js", hook)]);
    bot.message("x");
    expect![[r#"
        > text x
        < a!
        < {"type":"typing","value":true,"text":"undefined!"}
        < b!
          node main#entry · say #builtin_text {"text":"a"} · hook before_outgoing_middleware · say #builtin_text {"text":"b","typing":true} · hook before_outgoing_middleware · hook before_outgoing_middleware · wait
    "#]].assert_eq(&bot.out);
}

#[test]
fn what_cannot_be_said_is_reported_with_flow_and_node_and_waits() {
    for instruction in ["say #!gone", "say #unknown {}", "say", "say #builtin_text {x}", "say #!broken"] {
        let files = one(&json!({ "onEnter": [instruction, "say #builtin_text {\"text\":\"after\"}"] }));
        let mut bot = Bot::new(&files).element("broken", &json!({ "text$en": "{{#open}}" }));
        bot.message("x");
        let place: Value = serde_json::from_str(&bot.state.context).unwrap();
        assert_eq!(place["queue"]["instruction"], instruction);
        assert!(bot.out.contains(&format!("(main.flow.json, node \"entry\": {instruction})")), "{}", bot.out);
        assert_eq!(bot.out.matches("error ").count(), 1, "{}", bot.out);
        assert!(!bot.out.contains("< "), "{}", bot.out);
    }
}

#[test]
fn a_missing_flow_apologises_and_no_hook_runs_after_it() {
    let files = one(&json!({ "next": [next("true", "nowhere.flow.json")] }));
    let hooks = [(AfterEventProcessed, "1.js", "console.log('after')")];
    let mut bot = Bot::with_hooks(&files, &hooks).element("sorry", &json!({ "text$en": "Oh {{name}}, {{user.name}}" }));
    bot.state.user = r#"{"name":"Ann"}"#.into();
    bot.message("x");
    let args = serde_json::value::to_raw_value(&json!({ "name": "dear" })).unwrap();
    bot.program.bots[0].error_element = Some(ErrorElement { content_type: "#!sorry".into(), args });
    bot.message("y");
    expect![[r#"
        > text x
        error bots/bot/flows/main.flow.json:null Error: there is no flow "nowhere.flow.json" (main.flow.json, node "entry": true → nowhere.flow.json)
        < {"type":"typing","value":true}
        < Sorry, something went wrong here. Please try again later.
          node main#entry · true → nowhere.flow.json
        > text y
        error bots/bot/flows/main.flow.json:null Error: there is no flow "nowhere.flow.json" (main.flow.json, node "entry": true → nowhere.flow.json)
        < Oh dear, Ann
          true → nowhere.flow.json
    "#]].assert_eq(&bot.out);
    assert_eq!(bot.state.session, r#"{"lastMessages":[]}"#);
}

#[test]
fn an_error_element_that_is_missing_itself_is_reported() {
    let mut bot = Bot::new(&one(&json!({ "next": [next("true", "nowhere")] })));
    let args = serde_json::value::to_raw_value(&json!({})).unwrap();
    bot.program.bots[0].error_element = Some(ErrorElement { content_type: "!gone".into(), args });
    bot.message("y");
    expect![[r#"
        > text y
        error bots/bot/flows/main.flow.json:null Error: the flow "main.flow.json" has no node "nowhere" (main.flow.json, node "entry": true → nowhere)
        error :null Error: the content element "gone" does not exist in bot "welcome-bot" (in the error element, dialog.error)
          node main#entry · true → nowhere
    "#]].assert_eq(&bot.out);
}

#[test]
fn a_loop_apologises_and_the_next_message_begins_anew() {
    let files = one(
        &json!({ "onEnter": ["say #builtin_text {\"text\":\"hi\"}"], "next": [next("event.preview === 'x'", "entry")] }),
    );
    let mut bot = Bot::new(&files);
    bot.message("x");
    assert_eq!(bot.out.matches("< hi").count(), 100);
    let tail: Vec<&str> = bot.out.lines().filter(|line| !line.starts_with("< hi") && !line.starts_with("  ")).collect();
    expect![[r#"
        > text x
        error bots/bot/flows/main.flow.json:null Error: the dialog was ended after 100 transitions without waiting for the user (dialog.maxTransitions); it went in circles: main.flow.json#entry → main.flow.json#entry (main.flow.json, node "entry")
        < {"type":"typing","value":true}
        < Sorry, something went wrong here. Please try again later."#]].assert_eq(&tail.join("\n"));
    assert_eq!(bot.stored(), "{} {}");
}

#[test]
fn a_bot_without_flows_says_nothing_of_itself() {
    let mut bot = Bot::new(&json!({}));
    bot.message("x");
    assert_eq!(bot.out, "> text x\n");
}
