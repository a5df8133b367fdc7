//! What a workspace holds of a file: its text, and what was read off it.

use std::sync::Arc;

use super::bot_file::BotFile;
use crate::config::Problem;
use crate::program::flow::Flow;
use crate::program::identity::{PartId, Summing};
use crate::program::resolve::Lead;
use crate::program::{Element, Require, Role, Script};
use crate::reading::{ActionDoc, Facts, FileRole, FlowFacts, Reading, RequireSite, ScriptFacts, Sense};

/// The elements of one file, by id, in its order.
#[derive(Debug)]
pub(super) struct ElementFile {
    pub(super) elements: Vec<(String, Element)>,
    /// Identity of all that it says.
    pub(super) part: PartId,
}

/// A flow that can be used.
#[derive(Debug)]
pub(super) struct FlowFile {
    pub(super) flow: Flow,
    /// What it was read of, for the places of what is found out later.
    pub(super) source: Arc<str>,
    pub(super) sense: Sense,
    /// Identity of all that it says.
    pub(super) part: PartId,
}

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

impl Loaded {
    /// What a file comes to: its text, and what was read off it.
    pub(super) fn of(path: &str, role: &FileRole, text: &str, reading: Reading) -> Result<Self, Refused> {
        let Reading { facts, problems } = reading;
        let loaded = match (facts, role) {
            (Some(Facts::Script(facts)), _) => Some(script(path, role, text, facts)),
            (Some(Facts::Elements(elements)), FileRole::Elements { content_type, .. }) => {
                let mut sum = Summing::default();
                sum.text(content_type).text(text);
                Some(Self::Elements(Arc::new(ElementFile { elements, part: sum.into() })))
            }
            (Some(Facts::Flow(FlowFacts { flow, sense })), _) => {
                let mut sum = Summing::default();
                sum.text(path).text(text);
                Some(Self::Flow(Arc::new(FlowFile { flow, source: text.into(), sense, part: sum.into() })))
            }
            (Some(Facts::Bot(facts)), FileRole::Bot { bot }) => {
                Some(Self::Bot(Arc::new(BotFile::of(path, bot, facts)?)))
            }
            _ => None,
        };
        match loaded {
            Some(loaded) if problems.is_empty() => Ok(loaded),
            None if problems.is_empty() => Err(vec![Problem::error(path, "cannot be read")].into()),
            rest => Err(Refused { problems, rest }),
        }
    }
}

fn script(path: &str, role: &FileRole, text: &str, facts: ScriptFacts) -> Loaded {
    let ScriptFacts { text: replaced, shape, sites, warnings, doc } = facts;
    let role = match role {
        FileRole::Hook { kind, .. } => Role::Hook(*kind),
        FileRole::Action { .. } => Role::Action,
        FileRole::ContentType => Role::ContentType,
        _ if path.ends_with(".json") => Role::Json,
        _ => Role::Module,
    };
    let source = replaced.as_deref().unwrap_or(text).into();
    let script = Arc::new(Script { path: path.into(), source, role, shape });
    Loaded::Script(Arc::new(LoadedScript { script, sites, warnings, doc: doc.map(Arc::new) }))
}
