//! Small texts: instructions, conditions and destinations of flows, stored contexts, names that scripts require, lines of a log.

use crate::code_frame::frame_at;
use crate::config::layout::BOTS;
use crate::engine::dialog::cursor::DialogCursor;
use crate::program::flow::instruction::{Condition, Destination, Instruction};
use crate::program::resolve::{Files, barred, bot_of, is_configuration, resolve};
use crate::services;
use crate::telemetry::escape::{is_unsafe, json, lines, one_line, shortened};

/// A text of a flow; or a context as it is stored, which scripts may have changed.
pub(super) fn dialog(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Instruction::parse(&text) {
        Ok(Instruction::Say { content, .. }) => assert!(content.len() >= 2 && text.contains(content)),
        Ok(Instruction::Action { name, .. }) => assert!(!name.is_empty() && text.contains(name)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Condition::Script(script) = Condition::parse(&text) {
        assert_eq!(Condition::parse(script), Condition::Script(script));
    }
    if let Destination::Flow { flow, .. } = Destination::parse(&text) {
        assert_eq!(Destination::parse(flow), Destination::Flow { flow, node: None });
    }
    let cursor = DialogCursor::read(&text);
    let written = cursor.write();
    assert_eq!(DialogCursor::read(&written).write(), written, "not the same read again");
    assert!(written.len() <= 6 * text.len() + 200, "{} bytes of {}", written.len(), text.len());
}

/// The first line is a name: of a file, of what a script requires, of the way into a value. The rest is a value.
pub(super) fn names(name: &str, rest: &[u8]) {
    services::fuzzing::paths(name, rest);
    let manifest = String::from_utf8_lossy(rest);
    let read = |path: &str| path.ends_with("package.json").then(|| manifest.clone().into_owned());
    for from in ["hooks/x/y.js", "bots/a/actions/x.js", "node_modules/p/index.js", "builtin:hooks/x/y.js"] {
        // All files there are, and none but manifests.
        for all in [true, false] {
            let is_file = |path: &str| all || path.ends_with("package.json");
            let files = Files { is_file: &is_file, read: &read };
            if let Ok(lead) = resolve(from, name, &files) {
                let file = lead.file.strip_prefix("builtin:").unwrap_or(&lead.file);
                let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
                assert!(file.split('/').all(plain) && !file.contains(['\\', '\0']), "{name:?} leads to {file:?}");
                // Of what is part of the server nothing is.
                assert!(from.starts_with("builtin:") || barred(from, file).is_none(), "{name:?} leads to {file:?}");
            }
        }
    }
    assert_eq!(is_configuration(&name.to_ascii_uppercase()), is_configuration(name), "{name:?}");
    assert!(bot_of(name).is_none_or(|bot| BOTS.iter().any(|bots| name.len() > bots.len() + bot.len())));
    shown(name, &manifest);
}

/// What is shown in a terminal or a log cannot act on it.
fn shown(name: &str, text: &str) {
    assert!(!one_line(name).contains(is_unsafe) && !one_line(name).contains('\n'));
    assert!(!lines(text).contains(|c| is_unsafe(c) && c != '\n' && c != '\t'), "{:?}", lines(text));
    assert!(!json(text).contains(is_unsafe));
    assert!(shortened(text, 100).chars().count() <= 101, "{:?}", shortened(text, 100));
    for offset in [0, name.len(), text.len() / 2, text.len()] {
        let (line, column, frame) = frame_at(text, offset);
        assert!(line > 0 && column > 0 && !frame.contains(|c| is_unsafe(c) && c != '\n'), "{frame:?}");
        assert!(frame.len() <= 8_000, "{} bytes", frame.len());
    }
}
