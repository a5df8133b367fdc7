//! What is forgotten of users, and when.

use std::collections::BTreeMap;

/// What is forgotten of users, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionSettings {
    /// `dataRetention.janitorInterval`: milliseconds between two searches for attributes that are to be forgotten.
    pub janitor_interval: u64,
    /// `dataRetention.policies`: for how many milliseconds after it was written an attribute is kept.
    pub policies: BTreeMap<String, u64>,
}

impl Default for RetentionSettings {
    fn default() -> Self {
        Self { janitor_interval: 10 * 60_000, policies: BTreeMap::new() }
    }
}
