//! Who calls, and which calls belong together.

use crate::model::{BotId, EventId};

/// Who asks.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// The bot whose script it is; `None` for scripts of no bot.
    pub bot: Option<BotId>,
    /// What its calls are in line with: they take effect in the order in which they are made.
    pub line: Option<Line>,
}

/// Calls that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Line {
    /// Those of one event, also when it runs a second time.
    Event(EventId),
    /// Those of one run of hooks without an event, by the number of its dispatch.
    Hooks(u64),
}
