//! Content of another bot, which the realm has to ask the server for.

use std::sync::Arc;

use bytes::Bytes;

use super::LoadedProgram;
use super::tests::{EVENT, program, run_program, told};
use crate::config::ScriptLimits;
use crate::model::StateSnapshot;
use crate::program::HookKind;
use crate::protocol::{DispatchKind, Frame, FrameKind};

const OTHER: &str = r#"{"config":{"imports":{"contentTypes":["builtin_text"]}},"defaultLanguage":"fr","elements":{"b":{"id":"b",
    "contentType":"builtin_text","createdOn":"2","formData":{"text$fr":"salut","text$en":"hi","typing":false}},"a":{"id":"a",
    "contentType":"builtin_text","createdOn":"1","formData":{"text$fr":"bonjour"}}}}"#;

/// Runs a hook whose requests are answered so, in their order; gives what it made, and what it asked for.
fn run(source: &str, answers: &[&'static str]) -> (String, Vec<String>) {
    let numbered = (0..).zip(answers).map(|(number, text)| {
        let body = Bytes::from([&[1], text.as_bytes()].concat());
        Frame { kind: FrameKind::Result, dispatch: 7, number, body }
    });
    let source = format!("// top-level await\n{source}");
    let loaded = LoadedProgram::new(program(&[(HookKind::BeforeIncomingMiddleware, "1.js", &source)]));
    let state = StateSnapshot::default();
    let limits = ScriptLimits::default();
    let frames = run_program(Arc::new(loaded), limits, DispatchKind::Event, EVENT, &state, numbered.collect());
    let asked = frames.iter().filter(|frame| frame.kind == FrameKind::Request);
    let asked = asked.map(|frame| String::from_utf8_lossy(&frame.body[1..]).into_owned()).collect();
    let frames: Vec<_> = frames.into_iter().filter(|frame| frame.kind != FrameKind::Request).collect();
    (told(&frames), asked)
}

#[test]
fn an_event_asks_once_for_the_content_of_another_bot_and_reads_it_as_that_bot_would() {
    let source = "const to = { channel: 'web', botId: 'Other' }
        const [both, again] = await Promise.all([bp.cms.renderElement('!a', {}, to), bp.cms.renderElement('!b', {}, to)])
        const list = await bp.cms.listContentElements('other', undefined, { count: 1, sortOrder: [{ column: 'createdOn', desc: true }] })
        const types = await bp.cms.getAllContentTypes('other')
        console.log(JSON.stringify([both, again, list.map((e) => [e.id, e.previews]), types.map((type) => type.id)]))
        console.log((await bp.cms.getContentElements('welcome-bot', ['a'])).length)";
    let (told, asked) = run(source, &[OTHER]);
    assert_eq!(asked, [r#"content.of["other","renderElement"]"#]);
    let expected = r#"[[{"type":"text","markdown":true,"text":"bonjour"}],[{"type":"text","markdown":true,"text":"salut"}],[["b",{"fr":"Text: salut","en":"Text: hi"}]],["builtin_text"]]"#;
    assert!(told.contains(expected), "{told}");
    assert!(told.contains(" 0\n"), "its own elements are its own: {told}");
}

#[test]
fn of_a_bot_that_there_is_not_it_is_said_where_the_script_asked() {
    let (told, asked) = run("await bp.cms.renderElement('!a', {}, { channel: 'web', botId: 'nobody' })", &["null"]);
    assert_eq!(asked, [r#"content.of["nobody","renderElement"]"#]);
    let expected = "hooks/before_incoming_middleware/1.js:2:14 Error: bp.cms.renderElement: there is no bot \"nobody\"";
    assert!(told.contains(expected), "{told}");
}

#[test]
fn scripts_cannot_ask_for_it_themselves() {
    let (told, asked) = run("console.log(typeof bp.content, Object.keys(bp.cms).includes('of'))", &[]);
    assert!(told.contains("undefined false"), "{told}");
    assert!(asked.is_empty());
}
