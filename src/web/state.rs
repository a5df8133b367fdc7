//! What handlers reach.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

use super::memory_budget::MemoryBudget;
use super::realtime::Realtime;
use crate::clock::Clock;
use crate::config::Settings;
use crate::dispatch::Dispatcher;
use crate::reload::Workspace;
use crate::services::Services;
use crate::store::Store;

/// What handlers reach. Cheap to clone.
#[derive(Clone)]
pub struct Web {
    /// Takes events.
    pub dispatcher: Dispatcher,
    /// Conversations and users.
    pub store: Store,
    /// Short links.
    pub services: Services,
    /// The bots.
    pub workspace: watch::Receiver<Arc<Workspace>>,
    /// Limits, and what clients are told.
    pub settings: Arc<Settings>,
    /// Memory for bodies.
    pub bodies: MemoryBudget,
    /// `/socket.io`.
    pub realtime: Realtime,
    /// For the time since the start.
    pub clock: Clock,
    /// When the server started, in milliseconds since the epoch.
    pub started: u64,
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nothing of the settings: they hold the application's secret.
        f.debug_struct("Web").field("started", &self.started).finish_non_exhaustive()
    }
}
