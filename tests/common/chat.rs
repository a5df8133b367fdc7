//! `chat.txt`: what a user does in a golden conversation, line by line.
//!
//! ```text
//! # what the case shows; it stands in the transcript, too
//! > Hello                                  the user says it
//! /quick_reply YES Yes, please             the user clicks a quick reply: payload, then its text if it is another
//! /event proactive-trigger {"page": 1}     a page sends an event: type and payload
//! /wait 26m                                time passes; what is due is done before it goes on
//! /user bob                                from here on another user (at first `ann`)
//! /bot other                               from here on another bot (at first the first one)
//! /language fr                             the user's language
//! /write bots/bot/actions/x.js <<EOF       a file changes; it is in service before it goes on
//! …
//! EOF
//! /delete bots/bot/actions/x.js            a file goes
//! ```

use std::time::Duration;

use serde_json::{Value, json};

/// One line, or the lines of one file.
#[derive(Debug)]
pub(crate) enum Line {
    Comment,
    /// Something for `/messages`.
    Message(Value),
    /// Something for `/events`.
    Event(Value),
    Wait(Duration),
    User(String),
    Bot(String),
    Language(String),
    Write {
        path: String,
        text: String,
    },
    Delete(String),
}

/// The lines with their text; panics with the line that is none.
pub(crate) fn parse(text: &str) -> Vec<(String, Line)> {
    let mut lines = text.lines();
    let mut parsed = Vec::new();
    while let Some(said) = lines.next() {
        if said.trim().is_empty() {
            continue;
        }
        let line = match said.strip_prefix('/') {
            None => spoken(said),
            Some(command) => {
                let (name, rest) = split(command);
                command_line(name, rest, &mut lines)
            }
        };
        parsed.push((said.to_owned(), line.unwrap_or_else(|| panic!("this is no line of a chat: {said:?}"))));
    }
    parsed
}

fn spoken(said: &str) -> Option<Line> {
    if let Some(text) = said.strip_prefix("> ") {
        return Some(Line::Message(json!({ "type": "text", "text": text })));
    }
    said.starts_with('#').then_some(Line::Comment)
}

fn command_line<'t>(name: &str, rest: &str, lines: &mut impl Iterator<Item = &'t str>) -> Option<Line> {
    let (first, more) = split(rest);
    Some(match name {
        "quick_reply" => {
            let text = if more.is_empty() { first } else { more };
            Line::Message(json!({ "type": "quick_reply", "text": text, "payload": first }))
        }
        "postback" => Line::Message(json!({ "type": "postback", "payload": first })),
        "event" => {
            let payload = if more.is_empty() { json!({}) } else { serde_json::from_str(more).ok()? };
            Line::Event(json!({ "type": first, "channel": "web", "payload": payload }))
        }
        "wait" => Line::Wait(humantime::parse_duration(rest).ok()?),
        "user" => Line::User(rest.to_owned()),
        "bot" => Line::Bot(rest.to_owned()),
        "language" => Line::Language(rest.to_owned()),
        "write" => {
            let end = more.strip_prefix("<<")?;
            let text = lines.by_ref().take_while(|line| *line != end).flat_map(|line| [line, "\n"]).collect();
            Line::Write { path: first.to_owned(), text }
        }
        "delete" => Line::Delete(rest.to_owned()),
        _ => return None,
    })
}

/// The first word and what follows it.
fn split(text: &str) -> (&str, &str) {
    text.split_once(' ').map_or((text, ""), |(first, rest)| (first, rest.trim()))
}
