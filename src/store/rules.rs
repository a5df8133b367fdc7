//! What is configured of the store: how long what is stored counts, and how much there may be.

use std::collections::BTreeMap;

use crate::config::StoreLimits;

/// How long things that are stored count, in milliseconds, the same for all bots; and how much each may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// `channel-web` `recentConversationLifetime`: a conversation heard that recently is gone on with.
    pub recent_conversation: u64,
    /// `dataRetention.policies`: attributes of users that are forgotten that long after they were written.
    pub retention: BTreeMap<String, u64>,
    /// How much there may be.
    pub limits: StoreLimits,
    /// `scripts.isolation: "per-bot"`: each bot has attributes of its own for a user.
    pub per_bot: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            recent_conversation: 6 * 3_600_000,
            retention: BTreeMap::new(),
            limits: StoreLimits::default(),
            per_bot: false,
        }
    }
}
