//! `nudge check` on bots whose flows are wrong: everything at once, in the order of the files, with the real content types.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use expect_test::expect;

fn check(files: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let output = check_folder(folder.path());
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn check_folder(folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nudge")).arg("check").current_dir(folder).env("NO_COLOR", "1").output().unwrap()
}

const MAIN: &str = r##"{
  "version": "0.0.1",
  "startNode": "entry",
  "catchAll": {},
  "nodes": [
    {
      "id": "entry", "name": "entry", "onReceive": null,
      "onEnter": ["say #!builtin_text-hello", "say #!builtin_text-helo", "say #builtin_txt {}", "shop/buy {\"id\": }"],
      "next": [
        { "condition": "event.nlu.intent.name == ", "node": "buy" },
        { "condition": "temp['skill-choice-ret'] == \"yes\"", "node": "buyy" },
        { "condition": "true", "node": "help.flow.json" },
        { "condition": "true", "node": "" }
      ]
    },
    { "id": "buy", "name": "buy", "onEnter": ["shop/buy"], "onReceive": [], "next": [] }
  ]
}
"##;

#[test]
fn everything_that_is_wrong_with_flows_is_said_at_once_with_its_place() {
    let (code, out) = check(&[
        ("bots/shop/bot.config.json", "{}"),
        ("bots/shop/content-elements/builtin_text.json", r#"[{ "id": "builtin_text-hello", "formData": {} }]"#),
        ("bots/shop/flows/main.flow.json", MAIN),
        ("bots/shop/flows/skills/choice-1.flow.json", "{ \"nodes\": [ }"),
        ("bots/shop/actions/sell.js", "return bp.kvs.get('x', 'y')"),
        ("bots/shop/actions/wrapped.js", "function action(bp, event) { return 1 }"),
        ("bots/fine/bot.config.json", "{}"),
        (
            "bots/fine/flows/main.flow.json",
            r##"{ "startNode": "a", "nodes": [{ "name": "a", "onEnter": ["say #builtin_text {\"text\": \"Hi\"}"] }] }"##,
        ),
    ]);
    let (problems, summary) = out.split_at(out.rfind("checked ").unwrap());
    assert!(summary.ends_with(", 2 bots, 2 flows with 3 nodes: 9 errors, 2 warnings\n"), "{summary}");
    expect![[r##"
        bots/shop/actions/wrapped.js:1:1: warning: the function "action" is never called: this file does nothing
        > 1 | function action(bp, event) { return 1 }
            | ^
        help: keep only the body of the function; the file is the body of a function already

        bots/shop/flows/main.flow.json:13:40: warning: node "entry" has a transition to nowhere: the dialog ends there
          11 |         { "condition": "temp['skill-choice-ret'] == \"yes\"", "node": "buyy" },
          12 |         { "condition": "true", "node": "help.flow.json" },
        > 13 |         { "condition": "true", "node": "" }
             |                                        ^
          14 |       ]
          15 |     },
        help: connect it, or write "END" if that is meant

        bots/shop/flows/main.flow.json:8:47: error: node "entry" says the element "builtin_text-helo", but this bot has no such element
           6 |     {
           7 |       "id": "entry", "name": "entry", "onReceive": null,
        >  8 |       "onEnter": ["say #!builtin_text-hello", "say #!builtin_text-helo", "say #builtin_txt {}", "shop/buy {\"id\": }"],
             |                                               ^
           9 |       "next": [
          10 |         { "condition": "event.nlu.intent.name == ", "node": "buy" },
        help: did you mean "#!builtin_text-hello"?

        bots/shop/flows/main.flow.json:8:74: error: node "entry" says the content type "builtin_txt", but there is no such content type
           6 |     {
           7 |       "id": "entry", "name": "entry", "onReceive": null,
        >  8 |       "onEnter": ["say #!builtin_text-hello", "say #!builtin_text-helo", "say #builtin_txt {}", "shop/buy {\"id\": }"],
             |                                                                          ^
           9 |       "next": [
          10 |         { "condition": "event.nlu.intent.name == ", "node": "buy" },
        help: did you mean "#builtin_text"?

        bots/shop/flows/main.flow.json:8:97: error: node "entry": the arguments are not valid JSON: expected value
           6 |     {
           7 |       "id": "entry", "name": "entry", "onReceive": null,
        >  8 |       "onEnter": ["say #!builtin_text-hello", "say #!builtin_text-helo", "say #builtin_txt {}", "shop/buy {\"id\": }"],
             |                                                                                                 ^
           9 |       "next": [
          10 |         { "condition": "event.nlu.intent.name == ", "node": "buy" },

        bots/shop/flows/main.flow.json:8:97: error: node "entry" runs the action "shop/buy", but there is no such action
           6 |     {
           7 |       "id": "entry", "name": "entry", "onReceive": null,
        >  8 |       "onEnter": ["say #!builtin_text-hello", "say #!builtin_text-helo", "say #builtin_txt {}", "shop/buy {\"id\": }"],
             |                                                                                                 ^
           9 |       "next": [
          10 |         { "condition": "event.nlu.intent.name == ", "node": "buy" },
        help: write it to bots/shop/actions/shop/buy.js

        bots/shop/flows/main.flow.json:10:49: error: node "entry": the condition is no JavaScript expression: it ends where more is expected
           8 |       "onEnter": ["say #!builtin_text-hello", "say #!builtin_text-helo", "say #builtin_txt {}", "shop/buy {\"id\": }"],
           9 |       "next": [
        > 10 |         { "condition": "event.nlu.intent.name == ", "node": "buy" },
             |                                                 ^
          11 |         { "condition": "temp['skill-choice-ret'] == \"yes\"", "node": "buyy" },
          12 |         { "condition": "true", "node": "help.flow.json" },

        bots/shop/flows/main.flow.json:11:71: error: node "entry" leads to "buyy", but the flow has no such node
           9 |       "next": [
          10 |         { "condition": "event.nlu.intent.name == ", "node": "buy" },
        > 11 |         { "condition": "temp['skill-choice-ret'] == \"yes\"", "node": "buyy" },
             |                                                                       ^
          12 |         { "condition": "true", "node": "help.flow.json" },
          13 |         { "condition": "true", "node": "" }
        help: did you mean "buy"?

        bots/shop/flows/main.flow.json:12:40: error: node "entry" leads to the flow "help.flow.json", but this bot has no such flow
          10 |         { "condition": "event.nlu.intent.name == ", "node": "buy" },
          11 |         { "condition": "temp['skill-choice-ret'] == \"yes\"", "node": "buyy" },
        > 12 |         { "condition": "true", "node": "help.flow.json" },
             |                                        ^
          13 |         { "condition": "true", "node": "" }
          14 |       ]
        help: write it to bots/shop/flows/help.flow.json, or lead elsewhere

        bots/shop/flows/main.flow.json:16:47: error: node "buy" runs the action "shop/buy", but there is no such action
          14 |       ]
          15 |     },
        > 16 |     { "id": "buy", "name": "buy", "onEnter": ["shop/buy"], "onReceive": [], "next": [] }
             |                                               ^
          17 |   ]
          18 | }
        help: write it to bots/shop/actions/shop/buy.js

        bots/shop/flows/skills/choice-1.flow.json:1:14: error: not valid JSON: unexpected close brace
        > 1 | { "nodes": [ }
            |              ^"##]]
    .assert_eq(problems.trim_end());
    assert_eq!(code, Some(1));
}

#[test]
fn what_may_be_as_it_is_meant_does_not_make_check_fail() {
    let (code, out) = check(&[
        ("bots/b/bot.config.json", "{}"),
        (
            "bots/b/flows/main.flow.json",
            r#"{ "startNode": "a", "nodes": [{ "name": "a", "next": [{ "condition": "true", "node": "" }] }] }"#,
        ),
    ]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("node \"a\" has a transition to nowhere") && out.contains("1 warning"), "{out}");
}

#[test]
fn the_built_in_bot_and_all_built_in_files_are_without_a_problem() {
    let output = check_folder(Path::new(env!("CARGO_MANIFEST_DIR")));
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.ends_with(": no problems\n"), "{out}");
}
