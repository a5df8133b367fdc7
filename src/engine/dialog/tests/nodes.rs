//! What is done at a node, and when the conversation waits there.

use expect_test::expect;
use serde_json::json;

use super::{Talk, next};

#[test]
fn a_node_without_on_receive_goes_on_at_once_an_empty_one_waits() {
    let files = json!({ "main": { "nodes": [
        { "name": "entry", "onEnter": ["say #!hello"], "onReceive": null, "next": [next("true", "ask")] },
        { "name": "ask", "onEnter": ["say #!ask"], "onReceive": [], "next": [next("always", "bye")] },
        { "name": "bye", "onEnter": ["say #!bye", "", "log {\"a\":1}"] },
    ] } });
    Talk::new(&files).message(&[]).message(&[]).message(&[]).check(&expect![[r#"
        >
        node main.flow.json#entry
          say #!hello
        true → ask
        node main.flow.json#ask
          say #!ask
        wait
        >
        always → bye
        node main.flow.json#bye
          say #!bye
          log {"a":1}
        end? nothing left
        over: nothing left
        >
        node main.flow.json#entry
          say #!hello
        true → ask
        node main.flow.json#ask
          say #!ask
        wait
    "#]]);
}

#[test]
fn on_receive_runs_for_the_next_message_after_what_the_flow_has_for_every_node() {
    let files = json!({ "main": {
        "catchAll": { "onReceive": ["count"], "next": [next("help", "help"), next("own", "ask")] },
        "nodes": [
            { "name": "ask", "onEnter": ["say #!ask"], "onReceive": ["check {}"], "next": [next("ok", "bye"), next("true", "ask")] },
            { "name": "help", "onEnter": ["say #!help"], "onReceive": [], "next": [next("true", "ask")] },
            { "name": "bye" },
        ],
    } });
    let mut talk = Talk::new(&files);
    talk.message(&[]).message(&[]).message(&[("help", "true")]).check(&expect![[r#"
        >
        node main.flow.json#ask
          say #!ask
        wait
        >
          count
          check {}
          if help | ok
        true → ask
        node main.flow.json#ask
          say #!ask
        wait
        >
          count
          check {}
          if help | ok
        help → help
        node main.flow.json#help
          say #!help
        wait
    "#]]);
}

#[test]
fn a_node_that_does_not_wait_has_nothing_of_what_is_for_messages() {
    let files = json!({ "main": { "catchAll": { "onReceive": ["count"] }, "nodes": [
        { "name": "entry", "onEnter": ["a", "b"], "onReceive": null },
    ] } });
    Talk::new(&files).message(&[]).check(&expect![[r#"
        >
        node main.flow.json#entry
          a
          b
        end? nothing left
        over: nothing left
    "#]]);
}

#[test]
fn transitions_of_the_flow_that_lead_to_the_node_itself_are_left_out_there() {
    let files = json!({ "main": {
        "catchAll": { "next": [next("a", "entry"), next("b", "main.flow.json"), next("c", "main.flow.json#entry"), next("d", "other")] },
        "nodes": [{ "name": "entry", "next": [next("e", "entry")] }, { "name": "other" }],
    } });
    Talk::new(&files).message(&[("d", "true")]).check(&expect![[r#"
        >
        node main.flow.json#entry
          if d | e
        d → other
        node main.flow.json#other
          if a | b | c
        end? no transition matched
        over: no transition matched
    "#]]);
}

#[test]
fn the_first_transition_that_holds_is_taken_and_no_later_one_is_looked_at() {
    let files = json!({ "main": { "nodes": [
        { "name": "entry", "next": [next("a", "x"), next("b", "y"), next("true", "z"), next("c", "x")] },
        { "name": "x" }, { "name": "y" }, { "name": "z" },
    ] } });
    Talk::new(&files).message(&[("b", "true")]).message(&[]).check(&expect![[r#"
        >
        node main.flow.json#entry
          if a | b
        b → y
        node main.flow.json#y
        end? nothing left
        over: nothing left
        >
        node main.flow.json#entry
          if a | b
        true → z
        node main.flow.json#z
        end? nothing left
        over: nothing left
    "#]]);
}

#[test]
fn where_no_transition_holds_the_dialog_ends() {
    let files = json!({ "main": { "nodes": [{ "name": "entry", "onReceive": [], "next": [next("a", "entry")] }] } });
    Talk::new(&files).message(&[]).message(&[]).check(&expect![[r#"
        >
        node main.flow.json#entry
        wait
        >
          if a
        end? no transition matched
        over: no transition matched
    "#]]);
}

#[test]
fn the_node_before_decides_conditions_on_the_last_node() {
    let files = json!({ "main": { "nodes": [
        { "name": "entry", "next": [next("a", "x"), next("b", "y")] },
        { "name": "x", "next": [next("true", "last")] },
        { "name": "y", "next": [next("true", "last")] },
        { "name": "last", "next": [next("lastNode=x", "END"), next("c", "entry"), next("lastNode=y", "bye")] },
        { "name": "bye" },
    ] } });
    Talk::new(&files).message(&[("a", "true")]).message(&[("b", "true")]).check(&expect![[r#"
        >
        node main.flow.json#entry
          if a | b
        a → x
        node main.flow.json#x
        true → last
        node main.flow.json#last
        lastNode=x → END
        end? END
        over: END
        >
        node main.flow.json#entry
          if a | b
        b → y
        node main.flow.json#y
        true → last
        node main.flow.json#last
          if c
        lastNode=y → bye
        node main.flow.json#bye
        end? nothing left
        over: nothing left
    "#]]);
}

#[test]
fn a_node_that_says_something_says_it_after_on_receive_and_before_its_transitions() {
    let content = json!({ "contentType": "builtin_text", "formData": { "text$en": "Hi" } });
    let files = json!({ "main": { "nodes": [
        { "name": "entry", "onEnter": ["a"], "onReceive": ["b"], "type": "say_something", "content": content, "next": [next("c", "END")] },
    ] } });
    Talk::new(&files).message(&[]).message(&[("c", "true")]).check(&expect![[r#"
        >
        node main.flow.json#entry
          a
        wait
        >
          b
          builtin_text
          if c
        c → END
        end? END
        over: END
    "#]]);
}

#[test]
fn a_conversation_waits_where_it_was_and_takes_the_flow_as_it_is_edited_meanwhile() {
    let node = |on_receive: serde_json::Value, to: &str| {
        json!({ "main": { "nodes": [
            { "name": "entry", "onEnter": ["say #!ask"], "onReceive": on_receive, "next": [next("true", to)] },
            { "name": "a" }, { "name": "b", "onEnter": ["say #!b"] },
        ] } })
    };
    let mut talk = Talk::new(&node(json!(["old"]), "a"));
    talk.message(&[]).edit(&node(json!(["new", "newer"]), "b")).message(&[]);
    talk.message(&[]).edit(&node(json!(null), "b")).message(&[]);
    talk.check(&expect![[r#"
        >
        node main.flow.json#entry
          say #!ask
        wait
        >
          new
          newer
        true → b
        node main.flow.json#b
          say #!b
        end? nothing left
        over: nothing left
        >
        node main.flow.json#entry
          say #!ask
        wait
        >
        true → b
        node main.flow.json#b
          say #!b
        end? nothing left
        over: nothing left
    "#]]);
}

#[test]
fn a_node_that_is_gone_is_said_to_be_missing_and_the_next_message_begins_anew() {
    let files = json!({ "main": { "nodes": [{ "name": "entry", "onReceive": [] }] } });
    let mut talk = Talk::new(&files);
    talk.message(&[]).edit(&json!({ "main": { "nodes": [{ "name": "other", "onEnter": ["say #!other"] }] } }));
    talk.message(&[]).message(&[]).check(&expect![[r#"
        >
        node main.flow.json#entry
        wait
        >
        lost: the flow "main.flow.json" has no node "entry"
        >
        node main.flow.json#other
          say #!other
        end? nothing left
        over: nothing left
    "#]]);
}

#[test]
fn a_place_that_scripts_have_made_up_is_entered() {
    let files = json!({
        "main": { "nodes": [{ "name": "entry", "onEnter": ["a"], "onReceive": ["b"] }, { "name": "two", "onEnter": ["c"] }] },
        "other": { "catchAll": { "next": [next("x", "two")] }, "nodes": [{ "name": "one", "onEnter": ["d"] }, { "name": "two" }] },
    });
    // With and without the end of the name, with and without a node; what was waited for at another node is void.
    let queue = json!({ "at": "main.flow.json#entry", "stage": "wait", "done": 0 });
    for place in [
        json!({ "currentFlow": "main.flow.json", "currentNode": "two", "queue": queue }),
        json!({ "currentFlow": "other" }),
    ] {
        let mut talk = Talk::at(&files, &place);
        talk.message(&[]);
        assert!(
            talk.out.starts_with(">\nnode ") && talk.out.contains("  c\n") != talk.out.contains("  d\n"),
            "{}",
            talk.out
        );
    }
    let mut talk =
        Talk::at(&files, &json!({ "currentFlow": "main.flow.json", "currentNode": "entry", "queue": queue }));
    talk.message(&[]).check(&expect![[r#"
        >
          b
        end? nothing left
        over: nothing left
    "#]]);
}

#[test]
fn after_a_jump_the_transitions_of_the_flow_come_first() {
    let files = json!({ "main": {
        "catchAll": { "next": [next("help", "help")] },
        "nodes": [{ "name": "entry", "onEnter": ["a"], "onReceive": [] }, { "name": "help", "onEnter": ["b"], "onReceive": [] }],
    } });
    let place = json!({ "currentFlow": "main", "currentNode": "entry", "hasJumped": true });
    Talk::at(&files, &place).message(&[]).check(&expect![[r#"
        >
        jump main.flow.json#entry
          if help
          a
        wait
    "#]]);
    Talk::at(&files, &place).message(&[("help", "true")]).check(&expect![[r#"
        >
        jump main.flow.json#entry
          if help
        help → help
        node main.flow.json#help
          b
        wait
    "#]]);
}
