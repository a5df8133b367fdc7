//! What a flow's file comes to, and what is said of one that is wrong.

use super::*;
use expect_test::{Expect, expect};

const PATH: &str = "bots/b/flows/main.flow.json";

fn read(text: &str) -> (FlowFile, Vec<Problem>) {
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
