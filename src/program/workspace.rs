//! The parts of a program: scripts, and what each bot runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::flow::Flow;
use super::hook_kind::HookKind;
use super::identity::{Shared, Source};

/// The whole set of a workspace.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Program {
    /// Rises with each change.
    pub version: u64,
    /// All scripts; other parts point into this list.
    pub scripts: Vec<Arc<Script>>,
    /// What there is without a bot: global hooks (for after_server_start), all content types.
    pub global: BotProgram,
    /// The mounted bots by id.
    pub bots: IndexMap<String, BotProgram>,
}

/// One file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Script {
    /// Path relative to the workspace, with `/`; that of an embedded file begins with `builtin:`, e.g. `builtin:hooks/after_incoming_middleware/01_skip.js`.
    pub path: Arc<str>,
    /// The text as loaded.
    pub source: Source,
    /// What it is for.
    pub role: Role,
    /// What the wrapper must know.
    pub shape: Shape,
}

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// A hook of that kind.
    Hook(HookKind),
    /// An action.
    Action,
    /// A content type (CommonJS).
    ContentType,
    /// A CommonJS module that others require.
    Module,
    /// A JSON file that others require.
    Json,
}

/// Parameters that every script's wrapper gives it after those of its kind.
pub const MODULE_PARAMETERS: [&str; 5] = ["module", "exports", "require", "__filename", "__dirname"];

/// Parameters of an action's wrapper before [`MODULE_PARAMETERS`]. `bot` and `workflow` came with 12.
pub const ACTION_PARAMETERS: [&str; 8] = ["bp", "event", "user", "temp", "session", "args", "bot", "workflow"];

/// What was read off a script by parsing it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// It holds a top-level `await`: its wrapper is an async function.
    #[serde(default)]
    pub is_async: bool,
    /// It begins with `'use strict'`.
    #[serde(default)]
    pub strict: bool,
    /// Names it assigns without declaring them: its wrapper makes them local.
    #[serde(default)]
    pub implicit: Vec<String>,
    /// Wrapper parameters that the file itself declares at its top with `let`, `const` or `class`: the wrapper leaves them out.
    #[serde(default)]
    pub redeclared: Vec<String>,
    /// Nothing in it looks as if it could put anything on the global object.
    #[serde(default)]
    pub no_globals: bool,
    /// It reads members of `bp` and does nothing else with it: it neither changes it nor hands it on.
    #[serde(default)]
    pub reads_bp: bool,
    /// What it requires by a literal name, in order, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<Require>,
    /// It also requires by a name that is computed: what that leads to shows when it runs.
    #[serde(default)]
    pub computed: bool,
}

/// A literal `require('…')`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Require {
    /// The name as it is written.
    pub name: String,
    /// The file of the workspace that it leads to, if it leads to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Arc<str>>,
    /// The `package.json` that leads there, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Arc<str>>,
}

/// A program of which some scripts are to be compiled.
#[derive(Debug, Clone)]
pub struct CompileRequest {
    /// All of it: what is evaluated may require any of its files.
    pub program: Arc<Program>,
    /// Indices of the scripts to compile; content types among them are evaluated.
    pub only: Vec<u32>,
}

impl CompileRequest {
    /// Asks for all scripts of a program.
    pub fn all(program: Arc<Program>) -> Self {
        let only = (0..).zip(&program.scripts).map(|(index, _)| index).collect();
        Self { program, only }
    }
}

/// What one bot runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct BotProgram {
    /// `bot.config.json` with every key, less what scripts may not see, as JSON text.
    pub config: Option<Box<RawValue>>,
    /// The language to fall back to.
    pub default_language: String,
    /// Hooks by kind, in running order: indices into [`Program::scripts`].
    pub hooks: Shared<BTreeMap<HookKind, Vec<u32>>>,
    /// Actions by name (`builtin/setVariable`, without `.js`).
    pub actions: Shared<BTreeMap<String, u32>>,
    /// Content types by id.
    pub content_types: Shared<BTreeMap<String, u32>>,
    /// Content elements by id.
    pub elements: Shared<BTreeMap<String, Element>>,
    /// Flows by name (`main.flow.json`, `skills/choice-1b8623.flow.json`).
    #[serde(default)]
    pub flows: Shared<BTreeMap<String, Flow>>,
    /// What is said when a flow or a node is missing; our own apology if the bot names nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_element: Option<ErrorElement>,
}

/// Folders whose actions flows may also name without them, in the order in which they are looked through.
pub const ACTION_FOLDERS: [&str; 4] = ["builtin", "basic-skills", "channel-web", "analytics"];

impl BotProgram {
    /// The action that a flow calls `name`, and its name in full.
    pub fn action(&self, name: &str) -> Option<(&str, u32)> {
        let found = self.actions.get_key_value(name).or_else(|| {
            ACTION_FOLDERS.iter().find_map(|folder| self.actions.get_key_value(&format!("{folder}/{name}")))
        });
        found.map(|(name, index)| (name.as_str(), *index))
    }
}

impl BotProgram {
    /// What scripts of other bots may read of it, as JSON: `{ config, defaultLanguage, elements: { id: element } }`.
    pub fn content(&self) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Content<'a> {
            config: Option<&'a RawValue>,
            default_language: &'a str,
            elements: BTreeMap<&'a str, &'a RawValue>,
        }
        let elements = self.elements.iter().map(|(id, element)| (id.as_str(), &*element.json)).collect();
        let content = Content { config: self.config.as_deref(), default_language: &self.default_language, elements };
        // Texts and JSON always have JSON.
        serde_json::to_string(&content).unwrap_or_default()
    }
}

/// `dialog.error` of a bot's configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorElement {
    /// `dialog.error.contentType`: what `renderElement` takes, such as `#builtin_text` or `!element`.
    pub content_type: String,
    /// `dialog.error.args`, as JSON text of an object.
    pub args: Box<RawValue>,
}

/// A content element.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Element {
    /// Its content type.
    pub content_type: Arc<str>,
    /// `{ id, contentType, formData, createdBy, createdOn, modifiedOn }` as JSON text.
    pub json: Box<RawValue>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_found_by_its_name_and_a_built_in_one_without_its_folder() {
        let names = ["builtin/wait", "own/wait", "mine", "basic-skills/mine"];
        let actions: BTreeMap<String, u32> =
            names.iter().zip(0..).map(|(name, index)| ((*name).to_owned(), index)).collect();
        let bot = BotProgram { actions: actions.into(), ..BotProgram::default() };
        assert_eq!(bot.action("own/wait"), Some(("own/wait", 1)));
        assert_eq!(bot.action("wait"), Some(("builtin/wait", 0)));
        assert_eq!(bot.action("mine"), Some(("mine", 2)));
        assert_eq!(bot.action("other"), None);
    }
}
