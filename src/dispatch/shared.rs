//! What the dispatcher's thread and its callers share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::RwLock;
use tokio::sync::mpsc;

use super::action::Control;
use super::faults::Faults;
use super::notices::{Notice, Notices};
use super::tally::Tally;
use super::traces::Traces;
use crate::clock::Clock;
use crate::fleet::WorkerCommand;
use crate::model::EventId;
use crate::program::Images;
use crate::protocol::LogLine;
use crate::services::Services;
use crate::store::Store;
use crate::telemetry;

/// All of it.
pub(super) struct Shared {
    pub(super) tally: Arc<Tally>,
    pub(super) clock: Clock,
    pub(super) store: Store,
    pub(super) services: Services,
    pub(super) command: WorkerCommand,
    /// Where requests of scripts and their calls of other servers run.
    pub(super) runtime: tokio::runtime::Handle,
    pub(super) control: mpsc::UnboundedSender<Control>,
    pub(super) traces: Traces,
    pub(super) faults: Faults,
    pub(super) notices: Notices,
    /// What is in service.
    pub(super) images: RwLock<Option<Arc<Images>>>,
    pub(super) stopping: AtomicBool,
}

impl Shared {
    /// Sends the task a message. It ends only when the server does; then nobody waits for an answer.
    pub(super) fn tell(&self, control: Control) {
        let _ = self.control.send(control);
    }

    pub(super) fn notify(&self, notice: Notice) {
        self.notices.send(notice, self.clock.now());
    }

    /// Writes a line of a script, or about one, to the log; an error is kept for a while, but in production.
    pub(super) fn log(&self, line: LogLine, event: Option<EventId>) {
        telemetry::script_line(&line, event);
        if line.level == "error" && !self.tally.settings.production {
            self.faults.keep(line, event, self.clock.now());
        }
    }
}
