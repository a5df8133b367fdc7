//! Turns one file's text into what a workspace holds of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::action_doc::ActionDoc;
use super::bot_file::{BotFile, read_bot};
use super::elements::{ElementFile, read_elements};
use super::flow_file::{FlowFile, read_flow};
use super::parse::{RequireSite, parse};
use super::scan::FileRole;
use crate::config::{Problem, jsonc};
use crate::program::resolve::Lead;
use crate::program::{Require, Role, Script, Shape};

/// A file that can be used.
#[derive(Debug, Clone)]
pub(super) enum Loaded {
    /// A script or a JSON file that scripts require.
    Script(Arc<LoadedScript>),
    /// Elements of one content type.
    Elements(Arc<ElementFile>),
    /// A bot's configuration.
    Bot(Arc<BotFile>),
    /// A flow.
    Flow(Arc<FlowFile>),
}

/// A script with what was read off it.
#[derive(Debug)]
pub(super) struct LoadedScript {
    pub(super) script: Arc<Script>,
    /// Where its literal `require`s stand, in their order.
    pub(super) sites: Vec<RequireSite>,
    pub(super) warnings: Vec<Problem>,
    /// Of an action, what it says of itself.
    pub(super) doc: Option<Arc<ActionDoc>>,
}

impl LoadedScript {
    fn with(&self, script: Script) -> Self {
        let (sites, warnings) = (self.sites.clone(), self.warnings.clone());
        Self { script: Arc::new(script), sites, warnings, doc: self.doc.clone() }
    }

    /// The script with what it requires led to where `lead` says; nothing if it says what it said before. What leads nowhere may
    /// have a `package.json` that says why.
    pub(super) fn led(&self, lead: impl Fn(&str) -> Result<Lead, Option<String>>) -> Option<Self> {
        let led = |one: &Require| {
            let (file, manifest) = match lead(&one.name) {
                Ok(lead) => (Some(lead.file), lead.manifest),
                Err(manifest) => (None, manifest),
            };
            Require { name: one.name.clone(), file: file.map(Into::into), manifest: manifest.map(Into::into) }
        };
        let requires: Vec<Require> = self.script.shape.requires.iter().map(led).collect();
        if requires == self.script.shape.requires {
            return None;
        }
        let mut script = Script::clone(&self.script);
        script.shape.requires = requires;
        Some(self.with(script))
    }
}

impl LoadedScript {
    /// The script with what it requires led to where it led in an earlier version; nothing if that required something else.
    pub(super) fn led_like(&self, earlier: &Self) -> Option<Self> {
        let (now, before) = (&self.script.shape.requires, &earlier.script.shape.requires);
        if !now.iter().map(|one| &one.name).eq(before.iter().map(|one| &one.name)) {
            return None;
        }
        let mut script = Script::clone(&self.script);
        script.shape.requires.clone_from(before);
        Some(self.with(script))
    }
}

impl Loaded {
    /// Whether both are the same reading of a file.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Script(one), Self::Script(other)) => Arc::ptr_eq(one, other),
            (Self::Elements(one), Self::Elements(other)) => Arc::ptr_eq(one, other),
            (Self::Bot(one), Self::Bot(other)) => Arc::ptr_eq(one, other),
            (Self::Flow(one), Self::Flow(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    /// What is wrong with the file although it can be used: warnings, and of flows what cannot be meant.
    pub(super) fn remarks(&self) -> &[Problem] {
        match self {
            Self::Script(script) => &script.warnings,
            Self::Elements(_) => &[],
            Self::Flow(flow) => &flow.sense.problems,
            Self::Bot(bot) => &bot.warnings,
        }
    }
}

/// Why a file cannot be used.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) problems: Vec<Problem>,
    /// What of it is fine, to go by where there is no last good version.
    pub(super) rest: Option<Loaded>,
}

impl From<Vec<Problem>> for Refused {
    fn from(problems: Vec<Problem>) -> Self {
        Self { problems, rest: None }
    }
}

/// Reads a file's text.
pub(super) fn load(path: &str, role: &FileRole, source: &str) -> Result<Loaded, Refused> {
    // Parsers are large: one that panics on some text must not end hot reload.
    catch_unwind(AssertUnwindSafe(|| load_text(path, role, source)))
        .unwrap_or_else(|_| Err(vec![Problem::error(path, "cannot be read: the parser failed")].into()))
}

fn load_text(path: &str, role: &FileRole, source: &str) -> Result<Loaded, Refused> {
    match role {
        FileRole::Hook { kind, .. } => load_script(path, Role::Hook(*kind), source),
        FileRole::Action { .. } => load_script(path, Role::Action, source),
        FileRole::ContentType => load_script(path, Role::ContentType, source),
        FileRole::Module if path.ends_with(".json") => load_json(path, source),
        FileRole::Module => load_script(path, Role::Module, source),
        FileRole::Elements { content_type, .. } => {
            let (file, problems) = read_elements(path, content_type, source)?;
            let loaded = Loaded::Elements(Arc::new(file));
            if problems.is_empty() { Ok(loaded) } else { Err(Refused { problems, rest: Some(loaded) }) }
        }
        FileRole::Flow { .. } => {
            let (file, problems) = read_flow(path, source)?;
            let loaded = Loaded::Flow(Arc::new(file));
            if problems.is_empty() { Ok(loaded) } else { Err(Refused { problems, rest: Some(loaded) }) }
        }
        FileRole::Bot { bot } => Ok(Loaded::Bot(Arc::new(read_bot(path, bot, source)?))),
    }
}

fn load_script(path: &str, role: Role, source: &str) -> Result<Loaded, Refused> {
    // The line that names an interpreter is a comment to Node; so it is here, and columns stay.
    let source = match source.strip_prefix("#!") {
        Some(rest) => format!("//{rest}"),
        None => source.to_owned(),
    };
    let parsed = parse(path, &source, role)?;
    let script = Script { path: path.into(), source: source.into(), role, shape: parsed.shape };
    Ok(Loaded::Script(Arc::new(LoadedScript {
        script: Arc::new(script),
        sites: parsed.sites,
        warnings: parsed.warnings,
        doc: parsed.doc.map(Arc::new),
    })))
}

/// A realm reads JSON strictly: comments are taken out here.
fn load_json(path: &str, source: &str) -> Result<Loaded, Refused> {
    let source = if serde_json::from_str::<serde::de::IgnoredAny>(source).is_ok() {
        source.to_owned()
    } else {
        jsonc::parse(path, source).map_err(|problem| vec![*problem])?.to_string()
    };
    let script = Script { path: path.into(), source: source.into(), role: Role::Json, shape: Shape::default() };
    let (script, sites, warnings) = (Arc::new(script), Vec::new(), Vec::new());
    Ok(Loaded::Script(Arc::new(LoadedScript { script, sites, warnings, doc: None })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreter_line_is_a_comment() {
        let Ok(Loaded::Script(script)) = load("x.js", &FileRole::Module, "#!/usr/bin/env node\nreturn 1") else {
            panic!()
        };
        assert_eq!(&*script.script.source, "///usr/bin/env node\nreturn 1");
    }

    #[test]
    fn a_required_json_file_may_hold_comments() {
        let source = |text: &str| match load("x.json", &FileRole::Module, text) {
            Ok(Loaded::Script(script)) => script.script.source.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(source("{ \"a\": 1e0 }\n"), "{ \"a\": 1e0 }\n");
        assert_eq!(source("{ \"a\": 1, /* c */ }"), "{\"a\":1}");
        assert!(load("x.json", &FileRole::Module, "{").is_err());
    }
}
