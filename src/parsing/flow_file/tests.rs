//! What a flow's file comes to, and what is said of one that is wrong.

use super::*;
use expect_test::{Expect, expect};

const PATH: &str = "bots/b/flows/main.flow.json";

fn read_flow(path: &str, text: &str) -> Result<(FlowFacts, Vec<Problem>), Vec<Problem>> {
    super::read_flow(path, text, &ReadLimits::default())
}

fn read(text: &str) -> (FlowFacts, Vec<Problem>) {
    read_flow(PATH, text).unwrap()
}

fn flow(text: &str) -> Flow {
    let (file, problems) = read(text);
    assert!(problems.is_empty(), "{}", problems[0]);
    file.flow
}

fn shown(problems: &[Problem]) -> String {
    problems.iter().map(|problem| problem.clone().without_frame().to_string()).collect::<Vec<_>>().join("\n")
}

fn check(text: &str, expected: Expect) {
    let problems = match read_flow(PATH, text) {
        Ok((_, problems)) | Err(problems) => problems,
    };
    expected.assert_eq(&shown(&problems));
}

#[test]
fn a_flow_is_read_as_the_editor_saves_it() {
    let flow = flow(
        r##"{
          "version": "0.0.1",
          "catchAll": { "onReceive": ["builtin/wait"], "next": [{ "condition": "event.x", "node": "entry" }] },
          "startNode": "entry",
          "nodes": [
            { "id": "3a9b", "name": "entry", "onEnter": ["say #!builtin_text-1"], "onReceive": null,
              "next": [{ "condition": "always", "node": "choice-1b8623" }] },
            { "id": "skill-1b8623", "type": "skill-call", "skill": "choice", "name": "choice-1b8623",
              "flow": "skills/choice-1b8623.flow.json", "onEnter": null, "onReceive": null,
              "next": [{ "caption": "User picked yes", "condition": "temp['skill-choice-ret'] == \"yes\"", "node": "" },
                       { "condition": "true" }, { "node": "END", "condition": null }] },
            { "id": "9", "name": "ask", "onReceive": [], "timeoutNode": "late", "lastModified": "…" },
            { "id": "10", "name": "speak", "type": "say_something", "onReceive": [], "isNew": true,
              "content": { "contentType": "builtin_text", "formData": { "text$en": "Hi", "n": 1e2 } } },
            { "id": "11", "name": "late", "type": "standard", "content": null, "next": null, "timeoutNode": "" },
          ], // ours
          "timeoutNode": null,
          "skillData": { "randomId": "1b8623" }
        }"##,
    );
    expect![[r#"
        {
          "path": "bots/b/flows/main.flow.json",
          "startNode": "entry",
          "catchAll": {
            "onReceive": [
              "builtin/wait"
            ],
            "next": [
              {
                "condition": "event.x",
                "node": "entry"
              }
            ]
          },
          "nodes": {
            "entry": {
              "onEnter": [
                "say #!builtin_text-1"
              ],
              "next": [
                {
                  "condition": "always",
                  "node": "choice-1b8623"
                }
              ]
            },
            "choice-1b8623": {
              "onEnter": [],
              "next": [
                {
                  "condition": "temp['skill-choice-ret'] == \"yes\"",
                  "node": ""
                },
                {
                  "condition": "true",
                  "node": ""
                },
                {
                  "condition": "",
                  "node": "END"
                }
              ],
              "skill": "skills/choice-1b8623.flow.json"
            },
            "ask": {
              "onEnter": [],
              "onReceive": [],
              "next": [],
              "timeoutNode": "late"
            },
            "speak": {
              "onEnter": [],
              "onReceive": [],
              "next": [],
              "content": {
                "contentType": "builtin_text",
                "formData": {"text$en":"Hi","n":100.0}
              }
            },
            "late": {
              "onEnter": [],
              "next": []
            }
          }
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&flow).unwrap());
}

#[test]
fn a_flow_may_lack_everything_but_its_nodes() {
    for catch_all in
        ["", r#""catchAll": null,"#, r#""catchAll": {},"#, r#""catchAll": { "onReceive": null, "next": null },"#]
    {
        let flow = flow(&format!(r#"{{ {catch_all} "startNode": "a", "nodes": [{{ "name": "a" }}] }}"#));
        assert_eq!(flow.catch_all, CatchAll::default());
        assert_eq!(flow.nodes["a"], Node::default());
    }
}

#[test]
fn what_has_the_wrong_shape_is_named_with_its_place_and_the_rest_is_read() {
    let text = r#"{
  "startNode": 1,
  "catchAll": { "next": {} },
  "nodes": [
    7,
    { "id": "a" },
    { "name": "" },
    { "name": ["x"] },
    { "name": "fine", "onEnter": ["ok", null], "onReceive": "say #!x", "next": ["fine", { "node": 3 }] },
    { "name": "speak", "type": "say_something", "content": { "contentType": "t", "formData": [] } },
    { "name": "odd", "type": "say_something", "content": { "contentType": "t", "formData": { "n": 1e999 } } }
  ]
}"#;
    check(
        text,
        expect![[r#"
        bots/b/flows/main.flow.json:2:16: error: "startNode" must be a text, got the number 1
        bots/b/flows/main.flow.json:3:25: error: "catchAll.next" must be an array, got an object
        bots/b/flows/main.flow.json:5:5: error: "nodes[0]" must be an object, got the number 7
        bots/b/flows/main.flow.json:6:5: error: "nodes[1]" has no name
        help: give it one: "name" is what transitions lead to
        bots/b/flows/main.flow.json:7:5: error: "nodes[2]" has no name
        help: give it one: "name" is what transitions lead to
        bots/b/flows/main.flow.json:8:15: error: "nodes[3].name" must be a text, got an array
        bots/b/flows/main.flow.json:9:41: error: "nodes[4].onEnter[1]" must be a text, got null
        bots/b/flows/main.flow.json:9:61: error: "nodes[4].onReceive" must be an array, got the text "say #!x"
        bots/b/flows/main.flow.json:9:81: error: "nodes[4].next[0]" must be an object with "condition" and "node", got the text "fine"
        bots/b/flows/main.flow.json:9:99: error: "nodes[4].next[1].node" must be a text, got the number 3
        bots/b/flows/main.flow.json:10:94: error: "nodes[5].content.formData" must be an object, got an array
        bots/b/flows/main.flow.json:11:99: error: not valid JSON: 1e999 is not a number JSON can hold"#]],
    );
    assert_eq!(read(text).0.flow.nodes.keys().collect::<Vec<_>>(), ["fine", "speak", "odd"]);
}

#[test]
fn a_text_that_is_no_flow_is_refused() {
    check(
        "{ \"nodes\": [ }",
        expect!["bots/b/flows/main.flow.json:1:14: error: not valid JSON: unexpected close brace"],
    );
    check(
        "[]",
        expect![[
            r#"bots/b/flows/main.flow.json:1:1: error: expected an object with "startNode" and "nodes", got an array"#
        ]],
    );
    check("", expect!["bots/b/flows/main.flow.json: error: not valid JSON: the file is empty"]);
    check(
        &"[".repeat(100_000),
        expect!["bots/b/flows/main.flow.json:1:513: error: not valid JSON: maximum nesting depth exceeded"],
    );
}

/// What is wrong with the sense of a flow.
fn check_sense(text: &str, expected: Expect) {
    let (file, problems) = read(text);
    assert!(problems.is_empty(), "{}", problems[0]);
    expected.assert_eq(&shown(&file.sense.problems));
}

#[test]
fn a_flow_begins_with_one_of_its_nodes() {
    check_sense("{}", expect!["bots/b/flows/main.flow.json:1:1: error: the flow has no nodes"]);
    check_sense(
        r#"{ "nodes": [{ "name": "entry" }] }"#,
        expect![[r#"
        bots/b/flows/main.flow.json:1:1: error: the flow has no "startNode"
        help: name the node to begin with, such as "startNode": "entry""#]],
    );
    check_sense(
        r#"{ "startNode": "entri", "nodes": [{ "name": "entry" }] }"#,
        expect![[r#"
        bots/b/flows/main.flow.json:1:16: error: there is no node "entri" to start with
        help: did you mean "entry"?"#]],
    );
    let six = r#"{ "name": "a" }, { "name": "b" }, { "name": "c" }, { "name": "d" }, { "name": "e" }, { "name": "f" }"#;
    check_sense(
        &format!(r#"{{ "startNode": "z", "nodes": [{six}] }}"#),
        expect![[r#"
        bots/b/flows/main.flow.json:1:16: error: there is no node "z" to start with
        help: the nodes are "a", "b", "c", "d", "e", …"#]],
    );
}

#[test]
fn what_cannot_be_meant_is_named_with_node_and_place_and_the_flow_is_in_service() {
    let text = r##"{
  "startNode": "entry",
  "timeoutNode": "lat",
  "catchAll": {
    "onReceive": ["say"],
    "next": [{ "condition": "event.preview ===", "node": "nowhere" }]
  },
  "nodes": [
    {
      "name": "entry", "timeoutNode": "gone",
      "onEnter": ["", "say #builtin_text {\"text\": }", "builtin/setVariable [1]", "own {a: 1}", " own   { }}"],
      "next": [
        { "condition": "temp.x = = 1", "node": "late" },
        { "condition": " user.a.b; ", "node": "END" },
        { "condition": " user.a, b c; ", "node": "END" },
        { "condition": "a == \"b", "node": "entyr" },
        { "condition": "lastNode=whoever", "node": "#" },
        { "condition": "temp.x <= undefined", "node": "entry" }
      ]
    },
    { "name": "late" },
    { "name": "late", "type": "skill-call" },
    { "name": "empty", "type": "skill-call", "flow": "", "timeoutNode": "#" },
    { "name": "elsewhere", "timeoutNode": "none.flow.json#x" }
  ]
}"##;
    check_sense(
        text,
        expect![[r##"
            bots/b/flows/main.flow.json:3:18: error: the flow goes to "lat" when the session times out, but the flow has no such node
            help: did you mean "late"?
            bots/b/flows/main.flow.json:5:20: error: "catchAll": `say` needs an element or a content type, as in `say #!builtin_text-abc123` or `say #builtin_text {"text": "Hi"}`
            bots/b/flows/main.flow.json:6:47: error: "catchAll": the condition is no JavaScript expression: it ends where more is expected
            bots/b/flows/main.flow.json:6:58: error: "catchAll" leads to "nowhere", but the flow has no such node
            help: add the node, or lead to the start of another flow with "nowhere.flow.json"
            bots/b/flows/main.flow.json:11:23: error: node "entry": the arguments are not valid JSON: expected value
            bots/b/flows/main.flow.json:11:58: error: node "entry": the arguments must be a JSON object, as in {"name": "value"}
            bots/b/flows/main.flow.json:11:90: error: node "entry": the arguments are not valid JSON: key must be a string
            bots/b/flows/main.flow.json:11:109: error: node "entry": the arguments are not valid JSON: trailing characters
            bots/b/flows/main.flow.json:13:34: error: node "entry": the condition is no JavaScript expression: unexpected token
            bots/b/flows/main.flow.json:15:36: error: node "entry": the condition is no JavaScript expression: unexpected token
            bots/b/flows/main.flow.json:16:24: error: node "entry": the condition is no JavaScript expression: unterminated string
            bots/b/flows/main.flow.json:16:44: error: node "entry" leads to "entyr", but the flow has no such node
            help: add the node, or lead to the start of another flow with "entyr.flow.json"
            bots/b/flows/main.flow.json:10:39: error: node "entry" goes to "gone" when the session times out, but the flow has no such node
            bots/b/flows/main.flow.json:22:15: error: a second node is called "late": transitions lead to the first one
            help: give one of the two another name
            bots/b/flows/main.flow.json:22:15: error: node "late" enters no flow: it is a skill-call without "flow"
            help: name the flow that it enters, such as "flow": "skills/choice-1b8623.flow.json"
            bots/b/flows/main.flow.json:23:73: error: node "empty" goes to "#" when the session times out, which is neither a node nor a flow
            bots/b/flows/main.flow.json:23:15: error: node "empty" enters no flow: it is a skill-call without "flow"
            help: name the flow that it enters, such as "flow": "skills/choice-1b8623.flow.json""##]],
    );
    let (file, _) = read(text);
    assert_eq!(file.flow.nodes.len(), 4);
    assert_eq!(file.flow.nodes["late"].skill, None, "the first of two nodes counts");
    assert_eq!(file.flow.nodes["empty"].skill.as_deref(), Some(""));
}

#[test]
fn places_within_a_text_are_exact_where_it_is_written_without_escapes() {
    let text = r##"{ "startNode": "a", "nodes": [
  { "name": "a", "onEnter": ["own {a: 1}"],
    "next": [{ "condition": "user.a ===", "node": "a" }, { "condition": "user.a === \"x", "node": "a" }] }
] }"##;
    let problems = read(text).0.sense.problems;
    expect![[r#"
        bots/b/flows/main.flow.json:2:36: error: node "a": the arguments are not valid JSON: key must be a string
          1 | { "startNode": "a", "nodes": [
        > 2 |   { "name": "a", "onEnter": ["own {a: 1}"],
            |                                    ^
          3 |     "next": [{ "condition": "user.a ===", "node": "a" }, { "condition": "user.a === \"x", "node": "a" }] }
          4 | ] }
        bots/b/flows/main.flow.json:3:40: error: node "a": the condition is no JavaScript expression: it ends where more is expected
          1 | { "startNode": "a", "nodes": [
          2 |   { "name": "a", "onEnter": ["own {a: 1}"],
        > 3 |     "next": [{ "condition": "user.a ===", "node": "a" }, { "condition": "user.a === \"x", "node": "a" }] }
            |                                        ^
          4 | ] }
        bots/b/flows/main.flow.json:3:73: error: node "a": the condition is no JavaScript expression: unterminated string
          1 | { "startNode": "a", "nodes": [
          2 |   { "name": "a", "onEnter": ["own {a: 1}"],
        > 3 |     "next": [{ "condition": "user.a ===", "node": "a" }, { "condition": "user.a === \"x", "node": "a" }] }
            |                                                                         ^
          4 | ] }"#]].assert_eq(&problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_node_of_the_wrong_shape_does_not_hide_what_is_wrong_with_the_sense() {
    let (file, problems) =
        read(r#"{ "startNode": "x", "nodes": [{ "name": "a", "onEnter": 1, "next": [{ "node": "b" }] }] }"#);
    assert_eq!((problems.len(), file.sense.problems.len()), (1, 2));
}

#[test]
fn an_empty_instruction_as_the_editor_leaves_it_is_a_hint_and_no_error() {
    let text = r#"{ "startNode": "a", "nodes": [{ "name": "a", "onEnter": ["", " "], "next": [] }] }"#;
    let (file, problems) = read(text);
    assert!(problems.is_empty() && file.sense.problems.is_empty());
    expect![[r#"
        bots/b/flows/main.flow.json:1:58: warning: node "a": the instruction is empty
        help: write an instruction, or remove the empty one
        bots/b/flows/main.flow.json:1:62: warning: node "a": the instruction is empty
        help: write an instruction, or remove the empty one"#]]
    .assert_eq(&shown(&file.sense.hints));
}

#[test]
fn a_long_name_is_not_said_again_with_all_that_its_node_uses() {
    let actions = vec![r#""act""#; 2_000].join(",");
    let text = format!(
        r#"{{ "startNode": "x", "nodes": [{{ "name": "{}", "onEnter": [{actions}, ""] }}] }}"#,
        "x".repeat(100_000)
    );
    let (FlowFacts { sense, .. }, _) = read(&text);
    assert_eq!(sense.uses.len(), 2_000);
    let who = format!("node \"{}…\"", "x".repeat(40));
    assert!(sense.uses.iter().all(|used| *used.who == *who));
    let told = serde_json::to_string(&sense).unwrap().len();
    assert!(told < 2 * text.len() + 400_000, "{told} bytes of {}", text.len());
}
