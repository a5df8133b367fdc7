//! What the services hold, as their methods reach it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use super::bot_directory::BotDirectory;
use super::caller::Line;
use super::configurations::Configurations;
use super::external::External;
use super::fair_turns::FairTurns;
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
    pub(super) configurations: Configurations,
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
    /// Turns of calls.
    pub(super) calls: FairTurns,
    /// Turns of calls that take long.
    pub(super) long_calls: FairTurns,
    /// Lines with writes that are not committed yet: what reads waits for them.
    pub(super) unsettled: Mutex<HashMap<Line, Unsettled>>,
}

/// The writes of a line that are not committed yet, and who waits until they are.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    pub(super) writes: u32,
    waiting: Vec<oneshot::Sender<()>>,
}

impl ServiceState {
    /// Waits until all is committed, or has failed, that the line has written so far.
    pub(super) async fn settled(&self, line: Option<Line>) {
        let waiting = line.and_then(|line| {
            let mut unsettled = self.unsettled.lock();
            let (sender, receiver) = oneshot::channel();
            unsettled.get_mut(&line)?.waiting.push(sender);
            Some(receiver)
        });
        if let Some(waiting) = waiting {
            // It is told by being forgotten.
            let _ = waiting.await;
        }
    }

    /// A write of the line is committed, or has failed.
    pub(super) fn settle(&self, line: Line) {
        let mut unsettled = self.unsettled.lock();
        if let Some(of_line) = unsettled.get_mut(&line) {
            of_line.writes -= 1;
            if of_line.writes == 0 {
                unsettled.remove(&line);
            }
        }
    }
}
