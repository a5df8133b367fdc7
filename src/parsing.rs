//! Reads what people wrote: the text of one file in, what it comes to out. No files, no clock, nothing kept between two texts.
//!
//! It runs in a process that may die ([`crate::worker`]), never in the server: parsers descend with the text, and nobody knows
//! of each what it takes.

mod action_doc;
mod bot_file;
mod depth;
mod elements;
mod flow_file;
mod names;
mod script;
#[cfg(test)]
mod testing;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::config::{Problem, ReadLimits, jsonc};
use crate::program::Role;
use crate::reading::{Facts, FileRole, Reading, ScriptFacts};
use depth::too_large;

/// Reads a file's text.
pub fn read(path: &str, role: &FileRole, text: &str, limits: &ReadLimits) -> Reading {
    // Parsers are large: one that panics on some text is to say so.
    let read = catch_unwind(AssertUnwindSafe(|| read_text(path, role, text, limits)));
    let read = read.unwrap_or_else(|_| Err(vec![Problem::error(path, "cannot be read: the parser failed")]));
    read.unwrap_or_else(Reading::from)
}

fn read_text(path: &str, role: &FileRole, text: &str, limits: &ReadLimits) -> Result<Reading, Vec<Problem>> {
    let script = |role| read_script(path, role, text, limits).map(|facts| (Facts::Script(facts), Vec::new()));
    let (facts, problems) = match role {
        FileRole::Hook { kind, .. } => script(Role::Hook(*kind))?,
        FileRole::Action { .. } => script(Role::Action)?,
        FileRole::ContentType => script(Role::ContentType)?,
        FileRole::Module if path.ends_with(".json") => (Facts::Script(read_json(path, text)?), Vec::new()),
        FileRole::Module => script(Role::Module)?,
        FileRole::Elements { content_type, .. } => {
            let (elements, problems) = elements::read_elements(path, content_type, text)?;
            too_large(path, "elements", elements.len(), limits.elements, "workspace.elements")?;
            (Facts::Elements(elements), problems)
        }
        FileRole::Flow { .. } => {
            let (flow, problems) = flow_file::read_flow(path, text, limits)?;
            (Facts::Flow(flow), problems)
        }
        FileRole::Bot { bot } => (Facts::Bot(bot_file::read_bot(path, bot, text)?), Vec::new()),
    };
    Ok(Reading { facts: Some(facts), problems })
}

fn read_script(path: &str, role: Role, text: &str, limits: &ReadLimits) -> Result<ScriptFacts, Vec<Problem>> {
    // The line that names an interpreter is a comment to Node; so it is here, and columns stay.
    let replaced = text.strip_prefix("#!").map(|rest| format!("//{rest}"));
    let facts = script::parse(path, replaced.as_deref().unwrap_or(text), role, limits)?;
    too_large(path, "names that are required", facts.sites.len(), limits.requires, "workspace.requires")?;
    Ok(ScriptFacts { text: replaced, ..facts })
}

/// A realm reads JSON strictly: comments are taken out here.
fn read_json(path: &str, text: &str) -> Result<ScriptFacts, Vec<Problem>> {
    let strict = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    let plain = || jsonc::parse(path, text).map(|value| value.to_string()).map_err(|problem| vec![*problem]);
    let text = if strict { None } else { Some(plain()?) };
    Ok(ScriptFacts { text, ..ScriptFacts::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(path: &str, text: &str) -> Option<ScriptFacts> {
        match read(path, &FileRole::Module, text, &ReadLimits::default()).facts? {
            Facts::Script(facts) => Some(facts),
            other => panic!("{other:?}"),
        }
    }

    /// Texts of `count` things each, with what they are for.
    fn texts(count: usize) -> [(&'static str, FileRole, String); 3] {
        let bot = || crate::model::BotId::parse("b").unwrap();
        let list = |one: fn(usize) -> String| (0..count).map(one).collect::<Vec<_>>().join(",");
        let nodes = list(|number| format!(r#"{{ "name": "n{number}" }}"#));
        let elements = list(|number| format!(r#"{{ "id": "e{number}", "formData": {{}} }}"#));
        let requires = list(|number| format!("require('./m{number}')"));
        [
            (
                "workspace.nodes",
                FileRole::Flow { bot: bot(), name: "main.flow.json".into() },
                format!(r#"{{ "startNode": "n0", "nodes": [{nodes}] }}"#),
            ),
            (
                "workspace.elements",
                FileRole::Elements { bot: bot(), content_type: "t".into() },
                format!("[{elements}]"),
            ),
            ("workspace.requires", FileRole::Module, format!("return [{requires}]")),
        ]
    }

    #[test]
    fn so_many_things_are_read_and_one_more_is_refused_by_the_name_of_the_limit() {
        let limits = ReadLimits { nodes: 100, elements: 100, requires: 100, ..ReadLimits::default() };
        for (key, role, text) in texts(100) {
            let reading = read("x", &role, &text, &limits);
            assert!(reading.facts.is_some() && reading.problems.is_empty(), "{key}: {:?}", reading.problems);
        }
        for (key, role, text) in texts(101) {
            let reading = read("x", &role, &text, &limits);
            assert!(reading.facts.is_none(), "{key}");
            let said = reading.problems[0].to_string();
            assert!(said.contains(": 101, at most 100") && said.ends_with(&format!("(`{key}`)")), "{said}");
        }
    }

    #[test]
    fn of_thousands_of_problems_of_one_file_some_have_a_place_and_the_others_are_counted() {
        let bot = || crate::model::BotId::parse("b").unwrap();
        let many = |one: &str| vec![one; 5_000].join(",");
        let flow = FileRole::Flow { bot: bot(), name: "main.flow.json".into() };
        let elements = FileRole::Elements { bot: bot(), content_type: "t".into() };
        for (role, text) in
            [(flow, format!(r#"{{ "nodes": [{}] }}"#, many("{}"))), (elements, format!("[{}]", many(r#"{ "id": 1 }"#)))]
        {
            let problems = read("x", &role, &text, &ReadLimits::default()).problems;
            assert_eq!(problems.len(), 101, "{role:?}");
            assert!(problems[..100].iter().all(|problem| problem.line.is_some()), "{role:?}");
            assert!(problems[100].message.starts_with("4900 more problems of this f"), "{}", problems[100]);
        }
        let assignments = "bp.x = 1;".repeat(5_000);
        let hook = FileRole::Hook { kind: crate::program::HookKind::BeforeIncomingMiddleware, bot: None };
        let Some(Facts::Script(script)) = read("x", &hook, &assignments, &ReadLimits::default()).facts else {
            panic!()
        };
        assert_eq!(script.warnings.len(), 101);
    }

    #[test]
    fn an_interpreter_line_is_a_comment() {
        let read = facts("x.js", "#!/usr/bin/env node\nreturn 1").unwrap();
        assert_eq!(read.text.unwrap(), "///usr/bin/env node\nreturn 1");
    }

    #[test]
    fn a_required_json_file_may_hold_comments() {
        assert_eq!(facts("x.json", "{ \"a\": 1e0 }\n").unwrap().text, None);
        assert_eq!(facts("x.json", "{ \"a\": 1, /* c */ }").unwrap().text.unwrap(), "{\"a\":1}");
        assert!(facts("x.json", "{").is_none());
    }
}
