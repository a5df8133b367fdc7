//! What is read off the files of a workspace, as it comes back from the process that reads them. Plain data: how it is read
//! stands in `parsing`, on the other side of the wall.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::config::{Problem, ReadLimits};
use crate::model::BotId;
use crate::program::flow::Flow;
use crate::program::{Element, HookKind, Shape};

/// What a file is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FileRole {
    /// A hook, of one bot or of all.
    Hook {
        /// When it runs.
        kind: HookKind,
        /// Whose it is.
        bot: Option<BotId>,
    },
    /// An action, of one bot or of all.
    Action {
        /// Its name, `builtin/setVariable`.
        name: String,
        /// Whose it is.
        bot: Option<BotId>,
    },
    /// A content type.
    ContentType,
    /// A helper beside content types, or whatever else is required.
    Module,
    /// A bot's elements of one content type.
    Elements {
        /// Whose they are.
        bot: BotId,
        /// The content type, by the name of the file.
        content_type: String,
    },
    /// A bot's configuration.
    Bot {
        /// Whose it is.
        bot: BotId,
    },
    /// A bot's flow.
    Flow {
        /// Whose it is.
        bot: BotId,
        /// The name that other flows know it by: its path under `flows/`.
        name: String,
    },
}

impl FileRole {
    /// Whose a file is; nobody's if it is for all.
    pub fn bot(&self) -> Option<&BotId> {
        match self {
            Self::Hook { bot, .. } | Self::Action { bot, .. } => bot.as_ref(),
            Self::Elements { bot, .. } | Self::Bot { bot } | Self::Flow { bot, .. } => Some(bot),
            Self::ContentType | Self::Module => None,
        }
    }
}

/// The limits within which files are read, and how the process that reads is locked in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadHello {
    /// Identity of the build; a process of another build ends.
    pub build: String,
    /// Whether to lock itself in (`scripts.lockIn`).
    pub lock_in: bool,
    /// The limits.
    pub limits: ReadLimits,
}

/// What is asked for one file; its text follows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReadRequest {
    /// Where it lies.
    pub path: String,
    /// What it is for.
    pub role: FileRole,
}

/// What came of reading a file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Reading {
    /// What can be used; nothing if none of it can.
    pub facts: Option<Facts>,
    /// What is wrong: with any of them the file is refused, and what can be used of it is used only where there is no earlier
    /// version.
    pub problems: Vec<Problem>,
}

impl From<Vec<Problem>> for Reading {
    fn from(problems: Vec<Problem>) -> Self {
        Self { facts: None, problems }
    }
}

/// What can be used of a file.
#[derive(Debug, Serialize, Deserialize)]
pub enum Facts {
    /// Of a script, or a JSON file that scripts require.
    Script(ScriptFacts),
    /// Of a file of content elements, in its order.
    Elements(Vec<(String, Element)>),
    /// Of a bot's configuration.
    Bot(BotFacts),
    /// Of a flow.
    Flow(FlowFacts),
}

/// What was read off a script.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptFacts {
    /// What is run in place of the file's text.
    pub text: Option<String>,
    /// What its wrapper must know.
    pub shape: Shape,
    /// Where its literal `require`s stand, in their order.
    pub sites: Vec<RequireSite>,
    /// What it most likely does not mean.
    pub warnings: Vec<Problem>,
    /// Of an action, what it says of itself.
    pub doc: Option<ActionDoc>,
}

/// What a literal `require` means for the script where it finds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum When {
    /// It runs whenever the script does.
    Always,
    /// It runs under some condition, or when a function is called.
    Perhaps,
    /// The script is prepared for its failing.
    Tried,
}

/// Where the first `require` of a name stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequireSite {
    /// Its offset into the source.
    pub offset: usize,
    /// When it runs.
    pub when: When,
}

/// What is known of an action; `metadata` of `GET /api/v1/bots/:id/actions`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionDoc {
    /// `@title`.
    pub title: String,
    /// What stands before the first tag.
    pub description: String,
    /// `@category`.
    pub category: String,
    /// `@author`.
    pub author: String,
    /// `@hidden`: not to be offered by editors.
    pub hidden: bool,
    /// `@param`, in their order.
    pub params: Vec<ActionParam>,
}

/// An argument of an action.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionParam {
    /// Its name.
    pub name: String,
    /// Its type as it is written; `any` if there is none.
    #[serde(rename = "type")]
    pub kind: String,
    /// Not in brackets.
    pub required: bool,
    /// What stands behind `=` in the brackets.
    pub default: Option<String>,
    /// What it is for.
    pub description: String,
}

/// A bot's configuration, checked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BotFacts {
    /// All of it, as plain JSON.
    pub config: Box<RawValue>,
    /// What may not be meant.
    pub warnings: Vec<Problem>,
}

/// A flow, and what is said of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct FlowFacts {
    /// The flow.
    pub flow: Flow,
    /// What it says.
    pub sense: Sense,
}

/// What a flow says that cannot be meant, and what it uses of other files.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Sense {
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What may be as it is meant.
    pub hints: Vec<Problem>,
    /// What of other files it uses.
    pub uses: Vec<Use>,
}

/// Something of another file that a flow uses.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// Who uses it, in words: `node "entry"`.
    pub who: Arc<str>,
    /// The byte offset in the file.
    pub at: usize,
    /// What it is.
    pub what: What,
}

/// What is used.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// An action.
    Action(String),
    /// A content element.
    Element(String),
    /// A content type.
    ContentType(String),
    /// A flow that a skill-call node enters.
    Skill(String),
    /// A flow that a transition leads to, perhaps to a certain node of it.
    Flow(String, Option<String>),
    /// A node of whichever flow called this one.
    Caller(String),
}
