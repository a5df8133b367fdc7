//! What is configured of the store.

use std::collections::BTreeMap;

/// How long things that are stored count, in milliseconds, the same for all bots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// `channel-web` `recentConversationLifetime`: a conversation heard that recently is gone on with.
    pub recent_conversation: u64,
    /// `dataRetention.policies`: attributes of users that are forgotten that long after they were written.
    pub retention: BTreeMap<String, u64>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { recent_conversation: 6 * 3_600_000, retention: BTreeMap::new() }
    }
}
