//! What the step machine and its driver say to each other.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::cursor::{DialogCursor, Point};
use crate::program::flow::NodeContent;

/// What is to be done next. `'f` is the life of the flows.
#[derive(Debug)]
pub enum Command<'f> {
    /// Render content and reply. Answer: `Done`, `Moved` or `Failed`.
    Say {
        /// The element or type, with its `#` or `@`.
        content: &'f str,
        /// Arguments, templates in them.
        args: Option<Map<String, Value>>,
    },
    /// Say a node's own content. Answer as for `Say`.
    Speak(&'f NodeContent),
    /// Run an action. Answer: `Done`, `Moved`, `Failed` or `Threw`.
    Run {
        /// Its name.
        name: &'f str,
        /// Arguments, templates in them.
        args: Option<Map<String, Value>>,
    },
    /// Evaluate conditions until one holds. Answer: `Matched` or `Failed`.
    Test(Vec<&'f str>),
    /// Report that the instruction cannot be run, and why. Answer: `Failed`.
    Fail(String),
    /// The dialog is about to end: hooks may prevent it. Answer: `Ended` or `Moved`.
    End(Why),
    /// The conversation waits: its place is to be kept. Over.
    Wait,
    /// The dialog has ended: its place and `temp` are to be cleared. Over.
    Over(Why),
    /// Report that a flow or a node is missing and apologise; the place is to be kept. Over.
    Missing(String),
    /// Report that the place itself is not there and apologise; the dialog has ended. Over.
    Lost(String),
    /// Report a loop and apologise; the dialog has ended. Over.
    Loop(String),
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// There was no command yet: a message, or whatever else brought the conversation here.
    Begin,
    /// It was done.
    Done,
    /// The first condition that held, by its index in the command.
    Matched(Option<usize>),
    /// It failed and was reported; of conditions, the one with that index.
    Failed(usize),
    /// An action threw, was reported, and `temp.onErrorFlowTo` was that.
    Threw(Option<String>),
    /// A script has moved the conversation.
    Moved(DialogCursor),
    /// The hooks before the end have let it end.
    Ended(Why),
}

/// Why a dialog ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// A transition leads to `END`.
    End,
    /// The node has no transitions.
    NothingLeft,
    /// It has some, and none of them holds.
    NoneMatched,
    /// A transition leads nowhere.
    NotConnected,
    /// It went in circles.
    Loop,
    /// The user did not come back in time.
    Timeout,
    /// A script has emptied the context.
    Cleared,
    /// The place that the conversation was at, or was led to, is not there.
    Gone,
}

impl Why {
    /// As traces say it.
    pub fn text(self) -> &'static str {
        match self {
            Self::End => "END",
            Self::NothingLeft => "nothing left",
            Self::NoneMatched => "no transition matched",
            Self::NotConnected => "not connected",
            Self::Loop => "loop",
            Self::Timeout => "timeout",
            Self::Cleared => "cleared by a script",
            Self::Gone => "the place is not there",
        }
    }
}

/// What happened on the way, for traces and the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Note {
    /// A node was entered.
    Node(Point),
    /// A script or a time-out led to a node.
    Jump(Point),
    /// A sub-flow returned to a node.
    Return(Point),
    /// A transition was taken.
    Transition {
        /// Its condition.
        condition: String,
        /// Its destination.
        to: String,
    },
    /// Something that the bot's author should know.
    Warning(String),
}
