//! What the dispatcher has workers do, and what it keeps of each dispatch until nothing is left of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::DispatchError;
use super::credit::Loan;
use super::fetches::Fetches;
use super::standing::Post;
use crate::model::{BotId, QueuedEvent};
use crate::program::HookKind;
use crate::protocol::EVENT_FRAMES;

/// An event on its way. The body of a large one, or of one that an earlier run left, is in the store alone: it is empty
/// here, and read when it is sent to a worker.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) event: QueuedEvent,
    /// With how many bytes it entered the queue.
    pub(super) bytes: usize,
    /// When it was committed, or read from the store at the start.
    pub(super) queued: Instant,
    /// How often it has been dispatched.
    pub(super) runs: u32,
    /// How often its state could not be read.
    pub(super) tries: u32,
}

/// Hooks that run without an event, in the resident worker.
#[derive(Debug)]
pub(super) struct HookRun {
    pub(super) kind: HookKind,
    pub(super) bot: Option<BotId>,
    pub(super) args: serde_json::Map<String, serde_json::Value>,
    /// Who waits for them; nobody when they run again after the resident worker was replaced.
    pub(super) answer: Option<oneshot::Sender<Result<Box<RawValue>, DispatchError>>>,
    /// It was told to end, and runs again then: its source has changed.
    pub(super) renew: bool,
}

impl HookRun {
    /// The same again, for a new resident worker.
    pub(super) fn again(&self) -> Self {
        Self { kind: self.kind, bot: self.bot.clone(), args: self.args.clone(), answer: None, renew: false }
    }

    pub(super) fn post(&self) -> Post {
        (self.kind, self.bot.clone())
    }

    pub(super) fn answer(&mut self, result: Result<Box<RawValue>, DispatchError>) {
        if let Some(answer) = self.answer.take() {
            // Who asked may have gone.
            let _ = answer.send(result);
        }
    }
}

/// What a dispatch is for.
#[derive(Debug)]
pub(super) enum Work {
    Event(Job),
    Hooks(HookRun),
}

/// One dispatch with a worker.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) work: Work,
    /// The worker that runs it: nobody else may speak for it.
    pub(super) worker: u32,
    pub(super) sent: Instant,
    /// `Processed` came.
    pub(super) processed: bool,
    pub(super) effects: u32,
    pub(super) log_lines: u32,
    /// Bytes of its effects and requests.
    pub(super) bytes: u64,
    /// An event that it sent found its queue full.
    pub(super) refused: bool,
    pub(super) live: Arc<Live>,
    /// Its requests, in order, once it made one.
    pub(super) asks: Option<Asks>,
    /// The calls of other servers that it has under way.
    pub(super) fetches: Fetches,
}

/// What the task that answers a dispatch's requests shares with the dispatcher.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// Requests without an answer.
    pub(super) outstanding: AtomicU32,
    /// When it was last given something to do, in microseconds since the dispatcher's start.
    pub(super) woken: AtomicU64,
}

/// The way to the task that answers requests.
#[derive(Debug)]
pub(super) struct Asks {
    pub(super) sender: mpsc::UnboundedSender<Ask>,
    pub(super) task: AbortHandle,
}

/// One request of a script.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) number: u32,
    pub(super) method: String,
    pub(super) args: Box<RawValue>,
    /// Its bytes, until it is answered.
    pub(super) loan: Loan,
}

impl Flight {
    pub(super) fn new(work: Work, worker: u32, started: Instant) -> Self {
        let live = Live::default();
        live.wake(started);
        Self {
            work,
            worker,
            sent: Instant::now(),
            processed: false,
            effects: 0,
            log_lines: 0,
            bytes: 0,
            refused: false,
            live: Arc::new(live),
            asks: None,
            fetches: Fetches::default(),
        }
    }

    /// Counts bytes that its worker sent; an error says that they are more than the worker itself lets through.
    pub(super) fn count_bytes(&mut self, bytes: usize, frame: u64) -> Result<(), String> {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        let limit = frame.saturating_mul(EVENT_FRAMES);
        // What is no event lives as long as it likes.
        if matches!(self.work, Work::Event(_)) && self.bytes > limit {
            return Err(format!("more than {limit} bytes of one event"));
        }
        Ok(())
    }

    pub(super) fn bot(&self) -> Option<&BotId> {
        match &self.work {
            Work::Event(job) => Some(&job.event.key.bot),
            Work::Hooks(run) => run.bot.as_ref(),
        }
    }

    /// What is counted of hooks without an event is counted by the second: they may run as long as the server.
    pub(super) fn begin_second(&mut self) {
        (self.effects, self.log_lines) = (0, 0);
    }

    /// Requests that nobody has begun with are dropped: the event is over, or will ask again.
    pub(super) fn stop_asking(&mut self) {
        if let Some(asks) = self.asks.take() {
            asks.task.abort();
        }
    }
}

impl Live {
    pub(super) fn wake(&self, started: Instant) {
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.woken.store(micros, Ordering::Relaxed);
    }

    pub(super) fn woken(&self, started: Instant) -> Instant {
        started + Duration::from_micros(self.woken.load(Ordering::Relaxed))
    }
}
