//! What is said of flows that use what there is not.

use super::*;
use crate::config::Settings;
use crate::reload::builtin::BuiltinFile;
use crate::reload::candidate::tests::compile;
use crate::reload::reader::Reader;
use crate::reload::testing::{reader, workspace, write};
use crate::reload::{Workspace, finish};
use expect_test::expect;

const BUILTINS: &[BuiltinFile] = &[
    BuiltinFile { path: "content-types/text.js", source: "module.exports = { id: 'builtin_text' }" },
    BuiltinFile { path: "actions/builtin/setVariable.js", source: "" },
    BuiltinFile { path: "actions/basic-skills/choice_parse_answer.js", source: "" },
];

fn read(files: &[(&str, &str)]) -> Workspace {
    let root = workspace(files);
    look(&mut reader(root.path(), BUILTINS), None)
}

fn look(reader: &mut Reader, last: Option<&Workspace>) -> Workspace {
    let candidate = reader.read(&Settings::default());
    let compiled = compile(&candidate.program);
    finish(candidate, &compiled, last)
}

fn shown(problems: &[Problem]) -> String {
    problems.iter().map(|problem| problem.clone().without_frame().to_string()).collect::<Vec<_>>().join("\n")
}

/// A flow of one node with that onEnter and next.
fn flow(enter: &[&str], next: &[&str]) -> String {
    let next: Vec<_> = next.iter().map(|to| serde_json::json!({ "condition": "true", "node": to })).collect();
    let node = serde_json::json!({ "name": "entry", "onEnter": enter, "next": next });
    serde_json::json!({ "startNode": "entry", "nodes": [node] }).to_string()
}

#[test]
fn a_flow_may_use_everything_there_is() {
    let main = flow(
        &[
            "say #!builtin_text-1",
            "say !builtin_text-1 {\"a\": 1}",
            "say #builtin_text {\"text\": \"x\"}",
            "say @builtin_text {}",
            "say builtin_text",
            "builtin/setVariable {\"type\":\"temp\",\"name\":\"x\",\"value\":\"{{event.preview}}\"}",
            "setVariable",
            "choice_parse_answer",
            "own",
            "sub/of-all",
        ],
        &[
            "entry",
            "other.flow.json",
            "other.flow.json#entry",
            "skills/x.flow.json",
            "END",
            "#",
            "##",
            "#entry",
            "##entry",
        ],
    );
    let workspace = read(&[
        ("bots/b/bot.config.json", r##"{ "dialog": { "error": { "contentType": "#!builtin_text-1" } } }"##),
        ("bots/b/content-elements/builtin_text.json", r#"[{ "id": "builtin_text-1", "formData": {} }]"#),
        ("bots/b/flows/main.flow.json", &main),
        ("bots/b/flows/other.flow.json", &flow(&[], &[])),
        (
            "bots/b/flows/skills/x.flow.json",
            r#"{ "startNode": "a", "nodes": [{ "name": "a", "type": "skill-call", "flow": "other" }] }"#,
        ),
        ("bots/b/actions/own.js", ""),
        ("actions/sub/of-all.js", ""),
        // Without a flow none is missed.
        ("bots/hooks-only/bot.config.json", "{}"),
    ]);
    assert_eq!(shown(&workspace.problems), "");
    assert_eq!(shown(&workspace.hints), "");
}

#[test]
fn everything_that_is_missing_is_named_at_once_with_what_may_be_meant() {
    let main = "{
  \"startNode\": \"entry\",
  \"catchAll\": { \"onReceive\": [\"builtin/setVariabel {}\"], \"next\": [{ \"node\": \"hlep.flow.json\" }] },
  \"nodes\": [
    {
      \"name\": \"entry\",
      \"onEnter\": [\"say #!builtin_text-2\", \"say #builtin_txt\", \"say #builtin_text-1\", \"own\", \"parse_answer\"],
      \"onReceive\": [\"say #!odd-1\", \"basic/choice_parse_answer {\\\"a\\\": \\\"b\\\"}\"],
      \"next\": [{ \"node\": \"help.flow.json#start\" }, { \"node\": \"choice-1.flow.json\" }, { \"node\": \"##nobody\" }]
    },
    { \"name\": \"skill\", \"type\": \"skill-call\", \"flow\": \"skills/none.flow.json\" },
    { \"name\": \"speak\", \"type\": \"say_something\", \"content\": { \"contentType\": \"builtin_image\" } }
  ]
}";
    let workspace = read(&[
        ("bots/b/bot.config.json", r#"{ "dialog": { "error": { "contentType": "!sorry" } } }"#),
        ("bots/b/content-elements/builtin_text.json", r#"[{ "id": "builtin_text-1", "formData": {} }]"#),
        ("bots/b/content-elements/odd.json", r#"[{ "id": "odd-1", "formData": {} }]"#),
        ("bots/b/flows/main.flow.json", main),
        ("bots/b/flows/help.flow.json", r#"{ "startNode": "stat", "nodes": [{ "name": "stat" }] }"#),
        ("bots/b/flows/skills/choice-1.flow.json", r#"{ "startNode": "a", "nodes": [{ "name": "a" }] }"#),
        ("bots/other/bot.config.json", "{}"),
        ("bots/other/flows/mian.flow.json", &flow(&[], &[])),
        ("bots/other/actions/own.js", ""),
        ("bots/third/bot.config.json", "{}"),
        ("bots/third/flows/first.flow.json", &flow(&[], &[])),
    ]);
    expect![[r##"
        bots/b/bot.config.json: error: "dialog.error.contentType" names the element "sorry", but this bot has no such element
        help: the elements of the bot lie in bots/b/content-elements/
        bots/b/flows/main.flow.json:3:31: error: "catchAll" runs the action "builtin/setVariabel", but there is no such action
        help: did you mean "builtin/setVariable"?
        bots/b/flows/main.flow.json:3:77: error: "catchAll" leads to the flow "hlep.flow.json", but this bot has no such flow
        help: did you mean "help.flow.json"?
        bots/b/flows/main.flow.json:7:19: error: node "entry" says the element "builtin_text-2", but this bot has no such element
        help: did you mean "#!builtin_text-1"?
        bots/b/flows/main.flow.json:7:43: error: node "entry" says the content type "builtin_txt", but there is no such content type
        help: did you mean "#builtin_text"?
        bots/b/flows/main.flow.json:7:63: error: node "entry" says the content type "builtin_text-1", but there is no such content type
        help: to say the element of that id, write "#!builtin_text-1"
        bots/b/flows/main.flow.json:7:86: error: node "entry" runs the action "own", but there is no such action
        help: write it to bots/b/actions/own.js
        bots/b/flows/main.flow.json:7:93: error: node "entry" runs the action "parse_answer", but there is no such action
        help: write it to bots/b/actions/parse_answer.js
        bots/b/flows/main.flow.json:8:21: error: node "entry" says the element "odd-1", but there is no content type "odd"
        bots/b/flows/main.flow.json:8:36: error: node "entry" runs the action "basic/choice_parse_answer", but there is no such action
        help: did you mean "basic-skills/choice_parse_answer"?
        bots/b/flows/main.flow.json:9:26: error: node "entry" leads to "start" of help.flow.json, but that flow has no such node
        help: did you mean "help.flow.json#stat"?
        bots/b/flows/main.flow.json:9:62: error: node "entry" leads to the flow "choice-1.flow.json", but this bot has no such flow
        help: did you mean "skills/choice-1.flow.json"?
        bots/b/flows/main.flow.json:9:96: error: node "entry" returns to "nobody", but no flow of this bot has such a node
        bots/b/flows/main.flow.json:11:54: error: node "skill" enters the flow "skills/none.flow.json", but this bot has no such flow
        help: write it to bots/b/flows/skills/none.flow.json, or lead elsewhere
        bots/b/flows/main.flow.json:12:77: error: node "speak" says the content type "builtin_image", but there is no such content type
        bots/other/flows: error: there is no main.flow.json, where conversations start
        help: rename mian.flow.json, if that is the one
        bots/third/flows: error: there is no main.flow.json, where conversations start
        help: write one to bots/third/flows/main.flow.json"##]].assert_eq(&shown(&workspace.problems));
    // All of them are in service as they are.
    assert_eq!(workspace.program.bots["b"].flows.len(), 3);
}

#[test]
fn what_uses_a_file_that_is_wrong_is_not_wrong_itself() {
    let workspace = read(&[
        ("bots/b/bot.config.json", "{}"),
        ("bots/b/flows/main.flow.json", "{"),
        (
            "bots/b/flows/sub/a.flow.json",
            &flow(&["own", "unread", "of-all", "say #!builtin_text-1"], &["main.flow.json"]),
        ),
        ("bots/b/actions/own.js", "fail"),
        ("bots/b/actions/unread.js", "return ("),
        ("actions/of-all.js", "return ("),
        ("bots/b/content-elements/builtin_text.json", "["),
    ]);
    expect![[r#"
        actions/of-all.js:1:9: error: expected `)` but found the end of the file
        bots/b/actions/own.js:1:1: error: it fails
        bots/b/actions/unread.js:1:9: error: expected `)` but found the end of the file
        bots/b/content-elements/builtin_text.json:1:1: error: not valid JSON: unterminated array
        bots/b/flows/main.flow.json:1:1: error: not valid JSON: unterminated object"#]]
    .assert_eq(&shown(&workspace.problems));
}

#[test]
fn transitions_to_nowhere_are_one_hint_for_each_node() {
    let text = r#"{ "startNode": "a", "nodes": [
      { "name": "a", "next": [{ "node": "b" }, { "condition": "x", "node": "" }, { "condition": "true" }] },
      { "name": "b", "next": [{ "node": null }] }
    ] }"#;
    let workspace = read(&[("bots/b/bot.config.json", "{}"), ("bots/b/flows/main.flow.json", text)]);
    assert_eq!(shown(&workspace.problems), "");
    expect![[r#"
        bots/b/flows/main.flow.json:2:76: warning: node "a" has 2 transitions to nowhere: the dialog ends there
        help: connect it, or write "END" if that is meant
        bots/b/flows/main.flow.json:3:31: warning: node "b" has a transition to nowhere: the dialog ends there
        help: connect it, or write "END" if that is meant"#]]
    .assert_eq(&shown(&workspace.hints));
}

#[test]
fn a_flow_is_judged_by_what_other_files_come_to_and_not_by_an_earlier_version_of_itself() {
    let root = workspace(&[
        ("bots/b/bot.config.json", "{}"),
        ("bots/b/flows/main.flow.json", &flow(&["own"], &[])),
        ("bots/b/actions/own.js", ""),
    ]);
    let mut reader = reader(root.path(), BUILTINS);
    let first = look(&mut reader, None);
    assert_eq!(shown(&first.problems), "");
    std::fs::remove_file(root.path().join("bots/b/actions/own.js")).unwrap();
    let second = look(&mut reader, Some(&first));
    expect![[r#"
        bots/b/flows/main.flow.json:1:58: error: node "entry" runs the action "own", but there is no such action
        help: write it to bots/b/actions/own.js"#]]
    .assert_eq(&shown(&second.problems));
    write(root.path(), "bots/b/flows/main.flow.json", "{");
    let third = look(&mut reader, Some(&second));
    expect![[r#"
        bots/b/flows/main.flow.json:1:1: error: not valid JSON: unterminated object
        help: the last good version stays in service until this is fixed"#]]
    .assert_eq(&shown(&third.problems));
    assert!(third.program.bots["b"].flows.contains_key("main.flow.json"));
}

#[test]
fn bots_that_are_not_mounted_are_not_asked_what_they_use() {
    let workspace = read(&[
        ("bots/b/bot.config.json", r#"{ "disabled": true }"#),
        ("bots/b/flows/other.flow.json", &flow(&["nothing"], &["", "none.flow.json"])),
    ]);
    assert_eq!(shown(&workspace.problems), "");
    assert_eq!(shown(&workspace.hints), "");
}

#[test]
fn of_very_many_problems_some_are_named_and_the_others_counted() {
    let many: Vec<String> = (0..150).map(|number| format!("unknown{number}")).collect();
    let enter: Vec<&str> = many.iter().map(String::as_str).collect();
    let next: Vec<&str> = enter.clone();
    let workspace = read(&[("bots/b/bot.config.json", "{}"), ("bots/b/flows/main.flow.json", &flow(&enter, &next))]);
    assert_eq!(workspace.problems.len(), 202);
    assert!(workspace.problems[200].message.starts_with("50 more problems"));
    assert!(workspace.problems[201].message.starts_with("50 more problems"));
}
