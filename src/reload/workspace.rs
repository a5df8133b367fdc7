//! A workspace in service: its program, its bots, and what is wrong with its files.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use indexmap::IndexMap;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::config::Problem;
use crate::model::BotId;
use crate::program::Program;
use crate::reading::ActionDoc;

/// A workspace as it stands at one moment.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// Its folder.
    pub root: PathBuf,
    /// What workers run.
    pub program: Arc<Program>,
    /// Every bot that has a configuration, disabled ones too, by id.
    pub bots: IndexMap<BotId, Arc<BotInfo>>,
    /// What the content types in service say of themselves (`{ id, title, group, description, jsonSchema, uiSchema, hidden }`),
    /// by id, in the order of their ids.
    pub content_types: IndexMap<String, Box<RawValue>>,
    /// What the actions in service say of themselves, by their files.
    pub(super) action_docs: ActionDocs,
    /// All that is wrong now, errors and warnings.
    pub problems: Vec<Problem>,
    /// What may be as it is meant: said by `check`, and otherwise to nobody.
    pub hints: Vec<Problem>,
    /// What is good to know: which built-in files were replaced, for instance.
    pub notices: Vec<String>,
    /// When the change was noticed that it was made of; nothing of the first one.
    pub changed: Option<Instant>,
}

/// What actions say of themselves, by their files.
pub(super) type ActionDocs = HashMap<Arc<str>, Arc<ActionDoc>>;

/// An action that a bot's flows may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action<'a> {
    /// Its name, `builtin/setVariable`.
    pub name: &'a str,
    /// Whether it is the bot's own.
    pub own: bool,
    /// What it says of itself.
    pub doc: Option<&'a ActionDoc>,
}

impl Workspace {
    /// The actions of a bot by name, those of all bots among them.
    pub fn actions(&self, bot: &BotId) -> impl Iterator<Item = Action<'_>> {
        let program = &*self.program;
        let actions = program.bots.get(bot.as_str()).map(|bot| &*bot.actions);
        actions.into_iter().flatten().map(|(name, index)| {
            let path = program.scripts.get(*index as usize).map(|script| &script.path);
            let doc = path.and_then(|path| self.action_docs.get(path)).map(|doc| &**doc);
            Action { name, own: program.global.actions.get(name) != Some(index), doc }
        })
    }
}

/// What is known of a bot from its configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct BotInfo {
    /// Its id, the name of its folder.
    pub id: BotId,
    /// Its name, else its id.
    pub name: String,
    /// Its description, perhaps empty.
    pub description: String,
    /// `details`, an object.
    pub details: Value,
    /// Known, but not mounted.
    pub disabled: bool,
    /// Every route but media needs a token.
    pub private: bool,
    /// The language to fall back to.
    pub default_language: String,
    /// Its languages, the default one among them.
    pub languages: Vec<String>,
    /// `dialog.timeoutInterval` in milliseconds, where it has its own.
    pub timeout_interval: Option<u64>,
    /// `dialog.sessionTimeoutInterval` in milliseconds, where it has its own.
    pub session_timeout_interval: Option<u64>,
    /// The whole file, unknown keys and secrets too.
    pub config: Arc<Map<String, Value>>,
}
