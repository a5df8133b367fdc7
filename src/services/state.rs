//! What the services hold, as their methods reach it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::bot_directory::BotDirectory;
use super::caller::Line;
use super::external::External;
use super::fetch::Fetch;
use super::media::Media;
use super::pages::Pages;
use super::tokens::Tokens;
use super::visitors::Visitors;
use crate::config::Settings;
use crate::store::Store;

/// What the methods reach.
pub(super) struct ServiceState {
    pub(super) store: Store,
    pub(super) bots: watch::Receiver<Arc<BotDirectory>>,
    pub(super) settings: Arc<Settings>,
    pub(super) fetch: Fetch,
    pub(super) media: Arc<Media>,
    /// The workspace's folder, where there is one.
    pub(super) root: OnceLock<PathBuf>,
    /// For signatures; never leaves the server.
    pub(super) secret: String,
    pub(super) tokens: Tokens,
    pub(super) visitors: Visitors,
    /// The way to those who are connected, where there is one.
    pub(super) pages: OnceLock<Pages>,
    /// Tokens of another system, where they are verified.
    pub(super) external: Option<External>,
    /// Destinations by name in lower case.
    pub(super) links: Mutex<HashMap<String, String>>,
    /// How many writes of a line are not committed yet. Reads in these lines wait for their turn.
    pub(super) unsettled: Mutex<HashMap<Line, u32>>,
}
