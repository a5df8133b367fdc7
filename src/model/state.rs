//! The state of a conversation as opaque JSON text: read whole, handed to the realm, written back whole.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What is restored before an event runs. Every field is JSON text of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateSnapshot {
    /// The user's attributes.
    pub user: String,
    /// `event.state.session`.
    pub session: String,
    /// `event.state.temp`.
    pub temp: String,
    /// `event.state.context`, the dialog's place.
    pub context: String,
    /// `event.state.bot`: `kvs` key `global` of the bot.
    pub bot: String,
}

impl Default for StateSnapshot {
    fn default() -> Self {
        let empty = || "{}".to_owned();
        Self { user: empty(), session: empty(), temp: empty(), context: empty(), bot: empty() }
    }
}

impl StateSnapshot {
    /// The same for a session that begins anew.
    pub fn anew(self) -> Self {
        Self { user: self.user, bot: self.bot, ..Self::default() }
    }
}

/// What goes back when an event is processed. A field that is absent is left as it is in the store.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct StateChange {
    /// The whole session, if it is to be stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Box<RawValue>>,
    /// The whole of temp, if it is to be stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temp: Option<Box<RawValue>>,
    /// The whole context, if it is to be stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Box<RawValue>>,
    /// The user attributes that changed since restore; `null` removes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<IndexMap<String, Box<RawValue>>>,
}
