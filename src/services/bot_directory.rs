//! The bots as scripts may see them.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::model::BotId;

/// The bots as scripts may see them.
#[derive(Debug, Default)]
pub struct BotDirectory(pub IndexMap<BotId, BotEntry>);

/// One bot.
#[derive(Debug, Clone, Default)]
pub struct BotEntry {
    /// `bot.config.json` with every key.
    pub config: Arc<serde_json::Map<String, serde_json::Value>>,
}
