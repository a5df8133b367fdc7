//! What the machine and those who call the dispatcher share: settings, and what is counted.

use std::sync::Arc;

use super::admission::Admission;
use super::stats::Counters;
use super::timeouts::Timeouts;
use crate::config::Settings;

/// Plain memory, in which nothing waits.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) settings: Arc<Settings>,
    pub(super) admission: Admission,
    pub(super) counters: Counters,
    pub(super) timeouts: Timeouts,
    /// What processes of scripts say they are.
    pub(super) build: String,
}
