//! Instructions that fail, what is missing, and loops.

use expect_test::expect;
use serde_json::json;

use super::super::cursor::DialogCursor;
use super::super::testing::flows;
use super::super::timeout::target;
use super::{Talk, next};

#[test]
fn an_instruction_that_fails_is_the_first_for_the_next_message() {
    let files = json!({ "main": { "nodes": [
        { "name": "entry", "onEnter": ["a", "b", "c"], "onReceive": ["d", "e"], "next": [next("true", "END")] },
    ] } });
    let mut talk = Talk::new(&files);
    talk.message(&[("b", "fails")]).message(&[("b", "fails")]).message(&[]).message(&[("e", "throws")]).message(&[]);
    talk.check(&expect![[r#"
        >
        node main.flow.json#entry
          a
          b
        wait
        >
          b
        wait
        >
          b
          c
        wait
        >
          d
          e
        wait
        >
          e
        true → END
        end? END
        over: END
    "#]]);
}

#[test]
fn an_instruction_that_cannot_be_read_fails() {
    let files = json!({ "main": { "nodes": [{ "name": "entry", "onEnter": ["x {a:1}"] }] } });
    Talk::new(&files).message(&[]).message(&[]).check(&expect![[r#"
        >
        node main.flow.json#entry
          x {a:1}: the arguments are not valid JSON: key must be a string at line 1 column 2
        wait
        >
          x {a:1}: the arguments are not valid JSON: key must be a string at line 1 column 2
        wait
    "#]]);
}

#[test]
fn a_condition_that_fails_is_the_first_for_the_next_message() {
    let files = json!({ "main": { "nodes": [
        { "name": "entry", "onEnter": ["a"], "next": [next("x", "entry"), next("bad", "entry"), next("true", "END")] },
    ] } });
    Talk::new(&files).message(&[("bad", "fails")]).message(&[("x", "true")]).check(&expect![[r#"
        >
        node main.flow.json#entry
          a
          if x | bad
        wait
        >
          if bad
        true → END
        end? END
        over: END
    "#]]);
}

#[test]
fn what_failed_is_found_again_in_a_flow_that_was_edited_and_what_stands_in_its_place_is_its_repair() {
    let node = |on_enter: &[&str]| json!({ "main": { "nodes": [{ "name": "entry", "onEnter": on_enter }] } });
    let broken = [("b", "fails")];
    Talk::new(&node(&["a", "b", "c"])).message(&broken).edit(&node(&["new", "a", "b", "c"])).message(&[]).check(
        &expect![[r#"
            >
            node main.flow.json#entry
              a
              b
            wait
            >
              b
              c
            end? nothing left
            over: nothing left
        "#]],
    );
    Talk::new(&node(&["a", "b", "c"])).message(&broken).edit(&node(&["a", "better", "c"])).message(&[]).check(
        &expect![[r#"
            >
            node main.flow.json#entry
              a
              b
            wait
            >
              better
              c
            end? nothing left
            over: nothing left
        "#]],
    );
    Talk::new(&node(&["a", "b"])).message(&broken).edit(&node(&[])).message(&[]).check(&expect![[r#"
        >
        node main.flow.json#entry
          a
          b
        wait
        >
        end? nothing left
        over: nothing left
    "#]]);
}

#[test]
fn an_action_that_throws_leads_where_temp_says_or_to_the_flow_for_errors() {
    let files = json!({
        "main": { "nodes": [
            { "name": "entry", "onEnter": ["a"], "next": [next("true", "END")] },
            { "name": "sorry", "onEnter": ["say #!sorry"], "onReceive": [] },
        ] },
        "error": { "nodes": [{ "name": "oops", "onEnter": ["say #!oops", "log"], "next": [next("true", "#")] }] },
    });
    Talk::new(&files).message(&[("a", "throws sorry")]).check(&expect![[r#"
        >
        node main.flow.json#entry
          a
        node main.flow.json#sorry
          say #!sorry
        wait
    "#]]);
    Talk::new(&files).message(&[("a", "throws")]).check(&expect![[r#"
        >
        node main.flow.json#entry
          a
        node error.flow.json#oops
          say #!oops
          log
        true → #
        return main.flow.json#entry
        true → END
        end? END
        over: END
    "#]]);
    Talk::new(&files).message(&[("a", "throws"), ("log", "throws")]).message(&[]).check(&expect![[r#"
        >
        node main.flow.json#entry
          a
        node error.flow.json#oops
          say #!oops
          log
        wait
        >
          log
        true → #
        return main.flow.json#entry
        true → END
        end? END
        over: END
    "#]]);
    Talk::new(&files).message(&[("a", "throws END")]).check(&expect![[r#"
        >
        node main.flow.json#entry
          a
        end? END
        over: END
    "#]]);
    Talk::new(&files).message(&[("a", "throws nowhere")]).message(&[]).check(&expect![[r#"
        >
        node main.flow.json#entry
          a
        missing: the flow "main.flow.json" has no node "nowhere"
        >
          a
        true → END
        end? END
        over: END
    "#]]);
}

#[test]
fn a_missing_flow_or_node_leaves_the_conversation_at_the_transition_that_leads_there() {
    for (to, missing) in [
        ("nowhere", "the flow \"main.flow.json\" has no node \"nowhere\""),
        ("nowhere.flow.json", "there is no flow \"nowhere.flow.json\""),
        ("main.flow.json#nowhere", "the flow \"main.flow.json\" has no node \"nowhere\""),
        ("broken.flow.json", "the flow \"broken.flow.json\" has no node \"first\", its startNode"),
    ] {
        let files = |to: &str| {
            json!({
                "main": { "nodes": [{ "name": "entry", "onEnter": ["a"], "next": [next("x", "entry"), next("true", to)] }] },
                "broken": { "startNode": "first", "nodes": [{ "name": "second" }] },
            })
        };
        let mut talk = Talk::new(&files(to));
        talk.message(&[]).edit(&files("END")).message(&[("x", "true")]);
        let expected = format!(
            ">\nnode main.flow.json#entry\n  a\n  if x\ntrue → {to}\nmissing: {missing}\n>\ntrue → END\nend? END\nover: END\n"
        );
        assert_eq!(talk.out, expected);
        assert!(talk.place.jump_points.is_empty());
    }
}

#[test]
fn a_missing_skill_is_entered_once_it_is_there() {
    let main =
        json!({ "nodes": [{ "name": "entry", "onEnter": ["a"], "type": "skill-call", "flow": "skills/s.flow.json" }] });
    let mut talk = Talk::new(&json!({ "main": main }));
    talk.message(&[]).message(&[]);
    talk.edit(&json!({ "main": main, "skills/s": { "nodes": [{ "name": "one", "onReceive": [], "next": [next("true", "#")] }] } }));
    talk.message(&[]).message(&[]).check(&expect![[r#"
        >
        node main.flow.json#entry
          a
        missing: there is no flow "skills/s.flow.json"
        >
        missing: there is no flow "skills/s.flow.json"
        >
        node skills/s.flow.json#one
        wait
        >
        true → #
        return main.flow.json#entry
        end? nothing left
        over: nothing left
    "#]]);
}

#[test]
fn a_bot_without_a_main_flow_says_so() {
    let files = json!({ "other": { "nodes": [{ "name": "entry" }] } });
    Talk::new(&files).message(&[]).message(&[]).check(&expect![[r#"
        >
        missing: there is no flow "main.flow.json"
        >
        missing: there is no flow "main.flow.json"
    "#]]);
}

#[test]
fn a_jump_to_what_is_not_there_ends_in_no_dialog() {
    let files = json!({ "main": { "nodes": [{ "name": "entry", "onEnter": ["a"] }] } });
    let place = json!({ "currentFlow": "nowhere", "hasJumped": true });
    Talk::at(&files, &place).message(&[]).message(&[("a", "jump main#gone")]).message(&[]).check(&expect![[r#"
        >
        lost: there is no flow "nowhere.flow.json"
        >
        node main.flow.json#entry
          a
        lost: the flow "main.flow.json" has no node "gone"
        >
        node main.flow.json#entry
          a
        end? nothing left
        over: nothing left
    "#]]);
}

#[test]
fn a_loop_is_cut_and_named() {
    let files = json!({
        "main": { "nodes": [{ "name": "entry", "next": [next("true", "a")] }, { "name": "a", "next": [next("true", "b.flow.json")] }] },
        "b": { "nodes": [{ "name": "one", "next": [next("true", "main.flow.json#a")] }] },
    });
    let mut talk = Talk::new(&files);
    talk.most = 10;
    talk.message(&[]);
    assert_eq!(talk.out.matches("node ").count(), 10);
    expect!["loop: the dialog was ended after 10 transitions without waiting for the user (dialog.maxTransitions); it went in circles: b.flow.json#one → main.flow.json#a → b.flow.json#one"].assert_eq(talk.out.lines().last().unwrap());
    let mut talk = Talk::new(&json!({ "main": { "nodes": [{ "name": "entry", "next": [next("true", "entry")] }] } }));
    talk.most = 1;
    talk.message(&[]);
    expect!["loop: the dialog was ended after 1 transitions without waiting for the user (dialog.maxTransitions); it went in circles: main.flow.json#entry → main.flow.json#entry"].assert_eq(talk.out.lines().last().unwrap());
}

#[test]
fn a_long_loop_is_named_in_part() {
    let mut nodes: Vec<_> = (0..30)
        .map(|n| json!({ "name": format!("n{n}"), "next": [next("true", &format!("n{}", (n + 1) % 30))] }))
        .collect();
    nodes.push(json!({ "name": "end" }));
    let mut talk = Talk::new(&json!({ "main": { "nodes": nodes } }));
    talk.message(&[]);
    expect!["loop: the dialog was ended after 100 transitions without waiting for the user (dialog.maxTransitions); it went in circles: main.flow.json#n10 → main.flow.json#n11 → main.flow.json#n12 → main.flow.json#n13 → … → main.flow.json#n7 → main.flow.json#n8 → main.flow.json#n9 → main.flow.json#n10"].assert_eq(talk.out.lines().last().unwrap());
}

#[test]
fn a_script_may_move_the_conversation_or_take_it_away() {
    let files = json!({
        "main": { "nodes": [{ "name": "entry", "onEnter": ["a", "b"] }, { "name": "two", "onEnter": ["c"], "onReceive": [] }] },
        "other": { "catchAll": { "next": [next("x", "two")] }, "nodes": [{ "name": "one", "onEnter": ["d"] }, { "name": "two", "onEnter": ["e"] }] },
    });
    Talk::new(&files).message(&[("a", "to main.flow.json#two")]).check(&expect![[r#"
        >
        node main.flow.json#entry
          a
        node main.flow.json#two
          c
        wait
    "#]]);
    Talk::new(&files).message(&[("a", "jump other"), ("x", "true")]).check(&expect![[r#"
        >
        node main.flow.json#entry
          a
        jump other.flow.json#one
          if x
        x → two
        node other.flow.json#two
          e
        end? nothing left
        over: nothing left
    "#]]);
    Talk::new(&files).message(&[("a", "clear")]).check(&expect![[r#"
        >
        node main.flow.json#entry
          a
        over: cleared by a script
    "#]]);
}

#[test]
fn a_time_out_leads_to_the_first_that_there_is() {
    let skill =
        json!({ "nodes": [{ "name": "ask" }, { "name": "late" }, { "name": "timeout" }], "timeoutNode": "late" });
    let mut files = json!({
        "main": { "nodes": [{ "name": "entry" }, { "name": "timeout" }] },
        "skills/s": skill,
        "other": { "nodes": [{ "name": "one" }] },
        "timeout": { "nodes": [{ "name": "first" }] },
    });
    let place = DialogCursor::read(
        &json!({ "currentFlow": "skills/s.flow.json", "currentNode": "ask",
        "jumpPoints": [{ "flow": "other.flow.json", "node": "one" }, { "flow": "main.flow.json", "node": "entry" }] })
        .to_string(),
    );
    let found = |files: &serde_json::Value| {
        let found = target(&flows(files), &place);
        let place = found.place.unwrap_or_default();
        assert!(place.flow.is_none() || place.has_jumped);
        format!("{}#{} {}", place.flow.unwrap_or_default(), place.node.unwrap_or_default(), place.jump_points.len())
    };
    files["skills/s"]["nodes"][0]["timeoutNode"] = json!("other.flow.json#one");
    assert_eq!(found(&files), "other.flow.json#one 2");
    files["skills/s"]["nodes"][0]["timeoutNode"] = json!("late");
    assert_eq!(found(&files), "skills/s.flow.json#late 2");
    files["skills/s"]["nodes"][0]["timeoutNode"] = json!("");
    files["skills/s"]["timeoutNode"] = json!("timeout.flow.json");
    assert_eq!(found(&files), "timeout.flow.json#first 2");
    files["skills/s"]["timeoutNode"] = json!("nowhere");
    assert_eq!(found(&files), "skills/s.flow.json#timeout 2");
    assert_eq!(
        target(&flows(&files), &place).warnings,
        ["timeoutNode \"nowhere\": the flow \"skills/s.flow.json\" has no node \"nowhere\""]
    );
    files["skills/s"]["nodes"].as_array_mut().unwrap().pop();
    assert_eq!(found(&files), "main.flow.json#timeout 1");
    files["main"]["nodes"].as_array_mut().unwrap().pop();
    assert_eq!(found(&files), "timeout.flow.json#first 2");
    files.as_object_mut().unwrap().remove("timeout");
    assert_eq!(found(&files), "# 0");
}
