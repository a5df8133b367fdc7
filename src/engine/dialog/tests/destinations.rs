//! Where transitions lead.

use expect_test::expect;
use serde_json::{Value, json};

use super::{Talk, next};

#[test]
fn an_empty_destination_ends_the_dialog_with_a_warning_that_names_the_node() {
    let files = json!({ "main": { "nodes": [
        { "name": "entry", "next": [next("a", "entry"), next("true", "")] },
    ] } });
    Talk::new(&files).message(&[]).check(&expect![[r#"
        >
        node main.flow.json#entry
          if a
        true → 
        warning: a transition of node "entry" leads nowhere: the dialog ends there; connect it, or write END
        end? not connected
        over: not connected
    "#]]);
    let at = json!({ "currentFlow": "main", "currentNode": "entry" });
    Talk::at(&files, &at).message(&[("a", "fails")]).message(&[]).check(&expect![[r#"
        >
        node main.flow.json#entry
          if a
        wait
        >
          if a
        true → 
        warning: a transition of node "entry" leads nowhere: the dialog ends there; connect it, or write END
        end? not connected
        over: not connected
    "#]]);
}

#[test]
fn end_ends_the_dialog() {
    let files = json!({ "main": { "nodes": [{ "name": "entry", "next": [next("true", "END")] }] } });
    Talk::new(&files).message(&[]).check(&expect![[r#"
        >
        node main.flow.json#entry
        true → END
        end? END
        over: END
    "#]]);
}

#[test]
fn a_skill_is_entered_and_returned_from_to_the_transitions_of_its_node() {
    let files = json!({
        "main": { "nodes": [
            { "name": "entry", "next": [next("true", "choice")] },
            { "name": "choice", "type": "skill-call", "flow": "skills/choice-1.flow.json", "onReceive": null, "next": [
                next("temp.ret == 'yes'", "yes"), next("true", ""),
            ] },
            { "name": "yes", "onEnter": ["say #!yes"] },
        ] },
        "skills/choice-1": { "nodes": [
            { "name": "ask", "onEnter": ["say #!choice"], "onReceive": ["basic-skills/choice_parse_answer"], "next": [next("valid", "#"), next("true", "sorry")] },
            { "name": "sorry", "onEnter": ["say #!sorry"], "next": [next("true", "ask")] },
        ] },
    });
    let mut talk = Talk::new(&files);
    talk.message(&[]).message(&[]).message(&[("valid", "true"), ("temp.ret == 'yes'", "true")]).check(&expect![[r#"
            >
            node main.flow.json#entry
            true → choice
            node main.flow.json#choice
            node skills/choice-1.flow.json#ask
              say #!choice
            wait
            >
              basic-skills/choice_parse_answer
              if valid
            true → sorry
            node skills/choice-1.flow.json#sorry
              say #!sorry
            true → ask
            node skills/choice-1.flow.json#ask
              say #!choice
            wait
            >
              basic-skills/choice_parse_answer
              if valid
            valid → #
            return main.flow.json#choice
              if temp.ret == 'yes'
            temp.ret == 'yes' → yes
            node main.flow.json#yes
              say #!yes
            end? nothing left
            over: nothing left
        "#]]);
}

/// Two flows; the inner one leads to `destination`.
fn called(destination: &str) -> Value {
    json!({
        "main": { "nodes": [
            { "name": "entry", "onEnter": ["a"], "next": [next("back", "END"), next("true", "inner.flow.json")] },
            { "name": "two", "onEnter": ["b"], "onReceive": ["c"], "next": [next("true", "END")] },
        ] },
        "inner": { "nodes": [{ "name": "one", "onReceive": [], "next": [next("true", destination)] }, { "name": "third" }] },
    })
}

#[test]
fn a_flow_returns_to_the_calling_node_and_only_its_transitions_are_evaluated() {
    Talk::new(&called("#")).message(&[]).message(&[("back", "true")]).check(&expect![[r#"
        >
        node main.flow.json#entry
          a
          if back
        true → inner.flow.json
        node inner.flow.json#one
        wait
        >
        true → #
        return main.flow.json#entry
          if back
        back → END
        end? END
        over: END
    "#]]);
}

#[test]
fn a_flow_returns_to_another_node_of_the_calling_flow_and_only_its_transitions_are_evaluated() {
    Talk::new(&called("#two")).message(&[]).message(&[]).check(&expect![[r#"
        >
        node main.flow.json#entry
          a
          if back
        true → inner.flow.json
        node inner.flow.json#one
        wait
        >
        true → #two
        return main.flow.json#two
        true → END
        end? END
        over: END
    "#]]);
}

#[test]
fn two_hashes_execute_the_node_that_is_returned_to() {
    Talk::new(&called("##")).message(&[]).message(&[]).check(&expect![[r#"
        >
        node main.flow.json#entry
          a
          if back
        true → inner.flow.json
        node inner.flow.json#one
        wait
        >
        true → ##
        node main.flow.json#entry
          a
          if back
        true → inner.flow.json
        node inner.flow.json#one
        wait
    "#]]);
    Talk::new(&called("##two")).message(&[]).message(&[]).message(&[]).check(&expect![[r#"
        >
        node main.flow.json#entry
          a
          if back
        true → inner.flow.json
        node inner.flow.json#one
        wait
        >
        true → ##two
        node main.flow.json#two
          b
        wait
        >
          c
        true → END
        end? END
        over: END
    "#]]);
}

#[test]
fn a_node_of_another_flow_can_be_named() {
    Talk::new(&called("main.flow.json#two")).message(&[]).message(&[]).check(&expect![[r#"
        >
        node main.flow.json#entry
          a
          if back
        true → inner.flow.json
        node inner.flow.json#one
        wait
        >
        true → main.flow.json#two
        node main.flow.json#two
          b
        wait
    "#]]);
}

#[test]
fn a_return_with_nowhere_to_return_to_leaves_the_conversation_where_it_is() {
    let files = json!({ "main": { "nodes": [
        { "name": "entry", "onEnter": ["a"], "onReceive": ["b"], "next": [next("x", "END"), next("true", "#")] },
    ] } });
    let mut talk = Talk::new(&files);
    talk.message(&[]).message(&[]).message(&[]).message(&[("x", "true")]).check(&expect![[r#"
        >
        node main.flow.json#entry
          a
        wait
        >
          b
          if x
        true → #
        wait
        >
          b
          if x
        true → #
        wait
        >
          b
          if x
        x → END
        end? END
        over: END
    "#]]);
}

#[test]
fn points_of_return_are_kept_over_messages_and_one_is_used_up_by_each_return() {
    let files = json!({
        "main": { "nodes": [{ "name": "entry", "next": [next("first", "a.flow.json"), next("true", "END")] }] },
        "a": { "nodes": [{ "name": "one", "next": [next("first", "b.flow.json"), next("true", "#")] }] },
        "b": { "nodes": [{ "name": "one", "onReceive": [], "next": [next("true", "#")] }] },
    });
    Talk::new(&files).message(&[("first", "true")]).message(&[]).check(&expect![[r#"
        >
        node main.flow.json#entry
          if first
        first → a.flow.json
        node a.flow.json#one
          if first
        first → b.flow.json
        node b.flow.json#one
        wait
        >
        true → #
        return a.flow.json#one
          if first
        true → #
        return main.flow.json#entry
          if first
        true → END
        end? END
        over: END
    "#]]);
}

#[test]
fn a_jump_out_of_a_flow_keeps_the_points_of_return() {
    let files = json!({
        "main": { "nodes": [{ "name": "entry", "next": [next("lastNode=two", "END"), next("true", "a.flow.json")] }] },
        "a": { "nodes": [{ "name": "one", "onEnter": ["leave"], "next": [next("true", "#")] }] },
        "b": { "nodes": [{ "name": "two", "next": [next("true", "#")] }] },
    });
    Talk::new(&files).message(&[("leave", "jump b#two")]).check(&expect![[r#"
        >
        node main.flow.json#entry
        true → a.flow.json
        node a.flow.json#one
          leave
        jump b.flow.json#two
        true → #
        return main.flow.json#entry
        lastNode=two → END
        end? END
        over: END
    "#]]);
}

#[test]
fn the_flow_for_the_end_of_a_conversation_runs_when_a_dialog_ends_but_not_when_it_ends_itself() {
    let files = json!({
        "main": { "nodes": [{ "name": "entry", "onEnter": ["a"] }] },
        "conversation_end": { "nodes": [{ "name": "entry", "onEnter": ["say #!bye"], "onReceive": [], "next": [next("true", "END")] }] },
    });
    Talk::new(&files).message(&[]).message(&[]).message(&[]).check(&expect![[r#"
        >
        node main.flow.json#entry
          a
        end? nothing left
        node conversation_end.flow.json#entry
          say #!bye
        wait
        >
        true → END
        end? END
        over: END
        >
        node main.flow.json#entry
          a
        end? nothing left
        node conversation_end.flow.json#entry
          say #!bye
        wait
    "#]]);
}

#[test]
fn a_hook_may_prevent_the_end() {
    let files = json!({ "main": { "nodes": [{ "name": "entry" }, { "name": "more", "onEnter": ["say #!more"], "onReceive": [] }] } });
    Talk::new(&files).message(&[("END", "jump main#more")]).check(&expect![[r#"
        >
        node main.flow.json#entry
        end? nothing left
        jump main.flow.json#more
          say #!more
        wait
    "#]]);
}
