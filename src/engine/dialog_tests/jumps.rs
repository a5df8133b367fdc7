//! Scripts that lead the conversation elsewhere, ends, time-outs.

use expect_test::expect;
use serde_json::{Value, json};

use super::{Bot, next};
use crate::program::HookKind::{
    self, AfterEventProcessed, AfterIncomingMiddleware, BeforeConversationEnd, BeforeIncomingMiddleware,
    BeforeSessionTimeout,
};
use crate::protocol::DispatchKind;

fn say(text: &str) -> String {
    format!("say #builtin_text {{\"text\":\"{text}\"}}")
}

/// A flow that asks and answers, and one that helps.
fn flows() -> Value {
    json!({
        "main": { "nodes": [
            { "name": "ask", "onEnter": [say("ask")], "onReceive": [], "next": [next("true", "answer")] },
            { "name": "answer", "onEnter": ["act", say("answer {{event.preview}}")], "next": [next("true", "END")] },
        ] },
        "skills/help": { "catchAll": { "next": [next("event.preview === 'out'", "out")] }, "nodes": [
            { "name": "entry", "onEnter": [say("help")], "onReceive": [], "next": [next("true", "#")] },
            { "name": "two", "onEnter": [say("two")], "onReceive": [], "next": [next("true", "END")] },
            { "name": "out", "onEnter": [say("out")] },
        ] },
    })
}

fn bot(hooks: &[(HookKind, &str, &str)], action: &str) -> Bot {
    Bot::with_hooks(&flows(), hooks).action("act", action)
}

const JUMP: &str = "if (event.preview === 'help' || event.preview === 'out') await bp.dialog.jumpTo(bp.dialog.createId(event), event, 'skills/help')";

#[test]
fn a_hook_jumps_before_the_dialog_runs() {
    let source = format!("// top-level await\n{JUMP}");
    let mut bot = bot(&[(BeforeIncomingMiddleware, "1.js", &source)], "");
    bot.message("hi").message("help").message("x").message("out");
    expect![[r#"
        > text hi
        < ask
          hook before_incoming_middleware · node main#ask · say #builtin_text {"text":"ask"} · wait
        > text help
        < help
          hook before_incoming_middleware · jump skills/help#entry · say #builtin_text {"text":"help"} · wait
        > text x
          hook before_incoming_middleware · true → # · wait
        > text out
        < out
          hook before_incoming_middleware · jump skills/help#entry · event.preview === 'out' → out · node skills/help#out · say #builtin_text {"text":"out"} · end: nothing left
    "#]].assert_eq(&bot.out);
    let not_awaited = "if (event.preview === 'help') bp.dialog.jumpTo('id', event, 'skills/help.flow.json', 'two')";
    let mut bot = super::Bot::with_hooks(&flows(), &[(AfterIncomingMiddleware, "1.js", not_awaited)]).action("act", "");
    bot.message("help");
    expect![[r#"
        > text help
        < two
          hook after_incoming_middleware · jump skills/help#two · say #builtin_text {"text":"two"} · wait
    "#]]
    .assert_eq(&bot.out);
}

#[test]
fn a_jump_inside_an_action_takes_effect_at_once() {
    let mut bot = bot(&[], "// top-level await\nawait bp.dialog.jumpTo('id', event, 'skills/help', 'two')");
    bot.message("hi").message("go").message("x");
    expect![[r#"
        > text hi
        < ask
          node main#ask · say #builtin_text {"text":"ask"} · wait
        > text go
        < two
          true → answer · node main#answer · run act · jump skills/help#two · say #builtin_text {"text":"two"} · wait
        > text x
          true → END · end: END
    "#]]
    .assert_eq(&bot.out);
}

#[test]
fn wrong_arguments_of_a_jump_are_named() {
    let source = "
      const said = (error) => console.log(error.message)
      bp.dialog.jumpTo('id', event).catch(said)
      bp.dialog.jumpTo(1, event, 'x').catch(said)
      bp.dialog.jumpTo('id', null, 'x').catch(said)
      bp.dialog.jumpTo('id', event, 'x', 7).catch(said)
      bp.dialog.processEvent('id', { ...event }).catch(said)
      bp.dialog.processEvent(7, event).catch(said)";
    let mut bot = bot(&[(BeforeIncomingMiddleware, "1.js", source)], "");
    bot.message("hi");
    expect![[r#"
        > text hi
        info hooks/before_incoming_middleware/1.js:2 bp.dialog.jumpTo: "flow" must be a string, got undefined
        info hooks/before_incoming_middleware/1.js:2 bp.dialog.jumpTo: "sessionId" must be a string, got a number
        info hooks/before_incoming_middleware/1.js:2 bp.dialog.jumpTo: "event" must be an incoming event, got null
        info hooks/before_incoming_middleware/1.js:2 bp.dialog.jumpTo: "node" must be a string, got a number
        info hooks/before_incoming_middleware/1.js:2 bp.dialog.processEvent: "event" must be the incoming event at work; send another one with bp.events.sendEvent
        info hooks/before_incoming_middleware/1.js:2 bp.dialog.processEvent: "sessionId" must be a string, got a number
        < ask
          hook before_incoming_middleware · node main#ask · say #builtin_text {"text":"ask"} · wait
    "#]].assert_eq(&bot.out);
}

#[test]
fn a_hook_has_the_event_processed_and_it_is_not_interpreted_twice() {
    let source = "// top-level await
      await bp.dialog.jumpTo('id', event, 'skills/help')
      const same = await bp.dialog.processEvent('id', event)
      console.log(same === event, event.state.context.currentNode, event.state.session.lastMessages.length)
      if (event.preview === 'skip') event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)";
    let hooks = [(BeforeIncomingMiddleware, "1.js", source), (AfterEventProcessed, "2.js", "console.log('after')")];
    for text in ["hi", "skip"] {
        let mut bot = bot(&hooks, "");
        bot.message(text);
        assert!(bot.out.contains("true entry 1"), "{}", bot.out);
        assert_eq!(bot.out.matches("< help").count(), 1, "{}", bot.out);
        assert!(!bot.out.contains("< ask"), "{}", bot.out);
        assert!(bot.stored().contains("\"currentNode\":\"entry\""), "{}", bot.stored());
        assert_eq!(bot.out.contains(" after\n"), text == "hi", "{}", bot.out);
    }
    let floating = "bp.dialog.processEvent('id', event).then(() => console.log('done'))";
    let mut bot = bot(&[(BeforeIncomingMiddleware, "1.js", floating)], "");
    bot.message("hi").message("go");
    expect![[r#"
        > text hi
        < ask
        info hooks/before_incoming_middleware/1.js:1 done
          node main#ask · say #builtin_text {"text":"ask"} · wait · hook before_incoming_middleware
        > text go
        < answer go
        info hooks/before_incoming_middleware/1.js:1 done
          true → answer · node main#answer · run act · say #builtin_text {"text":"answer {{event.preview}}"} · true → END · end: END · hook before_incoming_middleware
    "#]].assert_eq(&bot.out);
}

#[test]
fn an_action_has_the_event_processed_from_where_it_led_it_to() {
    let source = "// top-level await
      await bp.dialog.processEvent('id', event).catch((error) => console.log(error.message))
      await bp.dialog.jumpTo('id', event, 'skills/help')
      await bp.dialog.processEvent('id', event)
      console.log('in the end', event.state.context.currentFlow)";
    let mut bot = bot(&[], source);
    bot.message("hi").message("go").message("x");
    expect![[r#"
        > text hi
        < ask
          node main#ask · say #builtin_text {"text":"ask"} · wait
        > text go
        info actions/act.js:2 bp.dialog.processEvent: the dialog engine is at work on this event already; lead it elsewhere with bp.dialog.jumpTo first
        < help
        info actions/act.js:5 in the end skills/help.flow.json
          true → answer · node main#answer · jump skills/help#entry · say #builtin_text {"text":"help"} · wait · run act
        > text x
          true → # · wait
    "#]].assert_eq(&bot.out);
}

#[test]
fn dialogs_within_actions_of_dialogs_have_an_end() {
    let source = "// top-level await
      temp.n = (temp.n || 0) + 1
      await bp.dialog.jumpTo('id', event, 'main', 'answer')
      await bp.dialog.processEvent('id', event)";
    let mut bot = bot(&[], source);
    bot.message("hi").message("go");
    expect![[r#"
        > text hi
        < ask
          node main#ask · say #builtin_text {"text":"ask"} · wait
        > text go
        error actions/act.js:4 Error: bp.dialog.processEvent: actions have asked for the dialog engine, one within the other, too many times (main.flow.json, node "answer": act)
          true → answer · node main#answer · jump main#answer · jump main#answer · jump main#answer · jump main#answer · run act ✗ · wait · run act · run act · run act · run act
    "#]].assert_eq(&bot.out);
}

#[test]
fn the_event_is_over_for_who_comes_too_late() {
    let late =
        "setTimeout(() => bp.dialog.processEvent('id', event).catch((error) => console.log(error.message)), 500)";
    let mut bot = bot(&[(BeforeIncomingMiddleware, "1.js", late)], "");
    bot.limits.floating = 5;
    bot.message("hi");
    expect![[r#"
        > text hi
        < ask
          hook before_incoming_middleware · node main#ask · say #builtin_text {"text":"ask"} · wait
        info hooks/before_incoming_middleware/1.js:1 bp.dialog.processEvent: the event is processed already
    "#]]
    .assert_eq(&bot.out);
}

#[test]
fn hooks_before_the_end_run_and_may_prevent_it() {
    let prevent = "console.log('end', event.state.context.currentNode, event.state.temp.x)
      if (event.preview === 'stay') return bp.dialog.jumpTo('id', event, 'skills/help', 'two')";
    let hooks = [(BeforeConversationEnd, "1.js", "throw new Error('no')"), (BeforeConversationEnd, "2.js", prevent)];
    let mut bot = bot(&hooks, "temp.x = 7");
    bot.message("hi").message("stay").message("go");
    expect![[r#"
        > text hi
        < ask
          node main#ask · say #builtin_text {"text":"ask"} · wait
        > text stay
        < answer stay
        error hooks/before_conversation_end/1.js:1 Error: no
        info hooks/before_conversation_end/2.js:1 end answer 7
        < two
          true → answer · node main#answer · run act · say #builtin_text {"text":"answer {{event.preview}}"} · true → END · hook before_conversation_end · hook before_conversation_end · jump skills/help#two · say #builtin_text {"text":"two"} · wait
        > text go
        error hooks/before_conversation_end/1.js:1 Error: no
        info hooks/before_conversation_end/2.js:1 end two 7
          true → END · hook before_conversation_end · hook before_conversation_end · end: END
    "#]].assert_eq(&bot.out);
    assert_eq!(bot.stored(), "{} {}");
}

#[test]
fn a_hook_that_is_stopped_before_the_end_does_not_prevent_it() {
    let hooks = [
        (BeforeConversationEnd, "1.js", "for (;;);"),
        (BeforeConversationEnd, "2.js", "console.log('two', event.state.temp.x)"),
        (AfterEventProcessed, "3.js", "console.log('after')"),
    ];
    let mut bot = bot(&hooks, "temp.x = 7");
    bot.limits.hook_running = 30;
    bot.message("hi").message("go");
    expect![[r#"
        > text hi
        < ask
        info hooks/after_event_processed/3.js:1 after
          node main#ask · say #builtin_text {"text":"ask"} · wait · hook after_event_processed
        > text go
        < answer go
        error hooks/before_conversation_end/1.js:1 TimeoutError: the script computed for more than 30 ms without a pause (scripts.hookRunning, scripts.slice); it was stopped and the event goes on without it
        info hooks/before_conversation_end/2.js:1 two 7
        info hooks/after_event_processed/3.js:1 after
          true → answer · node main#answer · run act · say #builtin_text {"text":"answer {{event.preview}}"} · true → END · hook before_conversation_end · hook before_conversation_end · end: END · hook after_event_processed
    "#]].assert_eq(&bot.out);
    assert_eq!(bot.stored(), "{} {}");
}

fn times_out(bot: &mut Bot) -> &mut Bot {
    bot.event(DispatchKind::Timeout, "timeout", &json!({}))
}

#[test]
fn a_time_out_leads_to_its_node_and_the_dialog_is_over() {
    let mut files = flows();
    files["main"]["nodes"].as_array_mut().unwrap().push(json!(
        { "name": "timeout", "onEnter": [say("late {{temp.x}} {{user.name}}"), "act"], "onReceive": [], "next": [next("true", "END")] }
    ));
    let hooks = [
        (BeforeSessionTimeout, "1.js", "console.log('before', event.type, event.state.context.currentNode)"),
        (AfterEventProcessed, "2.js", "console.log('never')"),
    ];
    let mut bot = Bot::with_hooks(&files, &hooks).action("act", "temp.x = 7; user.name = 'Ann'");
    bot.message("hi");
    bot.state.temp = r#"{"x":1}"#.into();
    times_out(&mut bot);
    assert_eq!(bot.stored(), "{} {}");
    assert_eq!(bot.state.user, r#"{"name":"Ann"}"#);
    times_out(&mut bot);
    expect![[r#"
        > text hi
        < ask
        info hooks/after_event_processed/2.js:1 never
          node main#ask · say #builtin_text {"text":"ask"} · wait · hook after_event_processed
        > timeout 
        info hooks/before_session_timeout/1.js:1 before timeout ask
        < late 1 
          hook before_session_timeout · jump main#timeout · say #builtin_text {"text":"late {{temp.x}} {{user.name}}"} · run act · wait · end: timeout
        > timeout 
        not stored
    "#]].assert_eq(&bot.out);
}

#[test]
fn a_time_out_that_leads_nowhere_ends_the_dialog_without_a_word() {
    let mut bot = bot(&[], "");
    bot.message("hi");
    times_out(&mut bot);
    expect![[r#"
        > text hi
        < ask
          node main#ask · say #builtin_text {"text":"ask"} · wait
        > timeout 
          end: timeout
    "#]]
    .assert_eq(&bot.out);
    assert_eq!(bot.stored(), "{} {}");
}

#[test]
fn a_hook_before_a_time_out_may_lead_elsewhere() {
    let mut bot =
        bot(&[(BeforeSessionTimeout, "1.js", "return bp.dialog.jumpTo('id', event, 'skills/help', 'out')")], "");
    bot.message("hi");
    times_out(&mut bot);
    expect![[r#"
        > text hi
        < ask
          node main#ask · say #builtin_text {"text":"ask"} · wait
        > timeout 
        < out
          hook before_session_timeout · jump skills/help#out · say #builtin_text {"text":"out"} · end: nothing left
    "#]]
    .assert_eq(&bot.out);
    assert_eq!(bot.stored(), "{} {}");
}

#[test]
fn a_suggestion_that_redirects_leads_the_conversation() {
    let source = "event.suggestions.push({ confidence: 0.9, source: 'qna', payloads: [{ type: 'text', text: 'first' }, { type: 'redirect', flow: 'skills/help.flow.json', node: 'two' }] })";
    let mut bot = bot(&[(BeforeIncomingMiddleware, "1.js", source)], "");
    bot.message("hi").message("go");
    expect![[r#"
        > text hi
        < first
        < two
          hook before_incoming_middleware · jump skills/help#two · say #builtin_text {"text":"two"} · wait
        > text go
          hook before_incoming_middleware · true → END · end: END
    "#]]
    .assert_eq(&bot.out);
}
