//! Flows as data: what a bot's `*.flow.json` files say, checked in shape but not in sense.
//!
//! Instructions, conditions and destinations stay the texts that they are in the files: they are shown in messages and
//! traces, and [`instruction`] reads them where they are run and where they are checked.

pub mod instruction;

use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What the names of flows end with.
pub const SUFFIX: &str = ".flow.json";
/// The flow in which a conversation starts.
pub const MAIN_FLOW: &str = "main.flow.json";
/// The flow that is entered when a session times out and nothing nearer is named.
pub const TIMEOUT_FLOW: &str = "timeout.flow.json";
/// The flow that is entered when an action throws.
pub const ERROR_FLOW: &str = "error.flow.json";
/// The flow that runs when a dialog ends.
pub const CONVERSATION_END_FLOW: &str = "conversation_end.flow.json";
/// The node that is entered when a session times out in its flow.
pub const TIMEOUT_NODE: &str = "timeout";

/// One flow. Its name, the path under `flows/` such as `skills/choice-1b8623.flow.json`, is its key in the bot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Flow {
    /// The file, relative to the workspace.
    pub path: Arc<str>,
    /// The node to begin with.
    pub start_node: String,
    /// What is done at each waiting node of the flow before the node's own.
    #[serde(default)]
    pub catch_all: CatchAll,
    /// Nodes by name, in the file's order.
    pub nodes: IndexMap<String, Node>,
    /// Where to go when the session times out in this flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_node: Option<String>,
}

/// Instructions and transitions of a whole flow.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CatchAll {
    /// Instructions before those of the node.
    #[serde(default)]
    pub on_receive: Vec<String>,
    /// Transitions before those of the node.
    #[serde(default)]
    pub next: Vec<Transition>,
}

/// One node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// Instructions on entering.
    #[serde(default)]
    pub on_enter: Vec<String>,
    /// Instructions on the user's next message; `None` does not wait for one, an empty list does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_receive: Option<Vec<String>>,
    /// Transitions; the first whose condition holds is taken.
    #[serde(default)]
    pub next: Vec<Transition>,
    /// The flow that a `skill-call` node enters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skill: Option<String>,
    /// What a `say_something` node says after its `onReceive`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<NodeContent>,
    /// Where to go when the session times out at this node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_node: Option<String>,
}

/// Content that is part of a node.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeContent {
    /// Its content type.
    pub content_type: String,
    /// Its form data, with or without languages, as JSON text of an object.
    pub form_data: Box<RawValue>,
}

/// The same text, that is.
impl PartialEq for NodeContent {
    fn eq(&self, other: &Self) -> bool {
        self.content_type == other.content_type && self.form_data.get() == other.form_data.get()
    }
}

/// One transition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// When it is taken, see [`instruction::Condition`].
    pub condition: String,
    /// Where it leads, see [`instruction::Destination`].
    pub node: String,
}

/// The name of a flow as it is kept: `.flow.json` may be left off.
pub fn flow_name(name: &str) -> std::borrow::Cow<'_, str> {
    if name.ends_with(SUFFIX) { name.into() } else { format!("{name}{SUFFIX}").into() }
}
