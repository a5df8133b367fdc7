//! The handle that everybody has of the store, and the ways in which the other files read and write through it.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};

use super::connections::Readers;
use super::error::StoreError;
use super::fair_queue::Job;
use super::inspection::Inspection;
use super::lock::Lock;
use super::operations::{Once, Repeated, Submitted};
use super::read_threads::ReadThreads;
use super::rules::Rules;
use super::state_cache::StateCache;
use super::trouble::{Health, Trouble};
use super::tx::Tx;
use super::unstored::Unstored;
use super::writer::Writer;
use crate::clock::Clock;
use crate::model::BotId;

/// A cheap handle to the store. When the last one is dropped, what was submitted is committed and the file is closed.
#[derive(Clone)]
pub struct Store(pub(super) Arc<StoreParts>, pub(super) Option<BotId>);

/// What it is made of.
pub(super) struct StoreParts {
    pub(super) writer: Writer,
    pub(super) readers: Readers,
    pub(super) read_threads: ReadThreads,
    pub(super) states: Arc<StateCache>,
    /// Turns of reads that may take long.
    pub(super) long_reads: Arc<Semaphore>,
    pub(super) clock: Clock,
    pub(super) unstored: Unstored,
    pub(super) health: Health,
    pub(super) rules: Rules,
    /// What is still looked through for damage.
    pub(super) inspection: Option<Inspection>,
    /// Last, so that it is given up when the file is closed.
    #[allow(dead_code, reason = "it is held, never looked at")]
    pub(super) lock: Option<Lock>,
}

impl Store {
    /// The same, for what is done for that bot, or for none: what is done for one keeps its order; where much waits, the bots
    /// have their turns.
    #[must_use]
    pub fn of(&self, bot: Option<&BotId>) -> Self {
        Self(Arc::clone(&self.0), bot.cloned())
    }

    /// The last thing of a server that stops: what the log beside the database holds is copied into it, so that a copy of that one
    /// file is whole. Until the process ends others may hold this store; what they still write stands in the log.
    pub async fn leave_whole(&self) {
        let store = self.clone();
        let copied = tokio::task::spawn_blocking(move || {
            if let Some(inspection) = &store.0.inspection {
                inspection.end();
            }
            store.0.writer.checkpoints.empty();
        });
        let _ = copied.await;
    }

    /// Runs `op` in the writer's next transaction, and `then` on the writer's thread after the commit. `then` must be
    /// tiny: every other operation waits for it.
    pub(super) fn write_then<T: Send + 'static>(
        &self,
        op: impl FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
        then: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) {
        self.0.writer.submit(self.job(Once::new(op, then)));
    }

    /// The same for an operation that can run more than once, which is cheaper.
    pub(super) fn write_repeated<T: Send + 'static>(
        &self,
        op: impl FnMut(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
        then: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) {
        self.0.writer.submit(self.job(Repeated::new(op, then)));
    }

    /// Submits `op` at once; the future is ready when it is committed.
    pub(super) fn write<T, Op>(
        &self,
        op: Op,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + 'static + use<T, Op>
    where
        T: Send + 'static,
        Op: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        self.write_then(op, move |result| {
            // Who no longer waits does not need the answer.
            let _ = sender.send(result);
        });
        async move { receiver.await.unwrap_or(Err(StoreError::Closed)) }
    }

    /// Reads on a connection of its own, on the caller's thread.
    pub(super) fn read<T>(&self, op: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let reader = self.0.readers.take()?;
        let read = reader.connection.as_ref().map_or(Err(StoreError::Closed), op);
        read.inspect_err(|error| self.0.health.saw(error, self.now()))
    }

    /// Runs reads that may take long on a thread made for waiting; a few at a time, each has a connection of its own.
    pub async fn beside<T: Send + 'static>(
        &self,
        op: impl FnOnce(&Self) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = Arc::clone(&self.0.long_reads).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let store = self.clone();
        let running = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            op(&store)
        });
        running.await.unwrap_or_else(|error| Err(StoreError::Panicked(error.to_string())))
    }

    /// Runs `then` on the writer's thread after everything submitted before is committed (or has failed): for the bot that this
    /// is the store [of](Self::of), or for all.
    pub fn barrier(&self, then: impl FnOnce() + Send + 'static) {
        let op = Repeated::new(|_: &Tx<'_>| Ok(()), |_: Result<(), StoreError>| then());
        self.0.writer.submit(Job { fence: self.1.is_none(), ..self.job(op) });
    }

    /// An operation for the writer.
    pub(super) fn job(&self, op: impl Submitted + 'static) -> Job {
        Job { bot: self.1.clone(), fence: false, op: Box::new(op) }
    }

    /// Why nothing can be stored at present, as far as was tried.
    pub fn trouble(&self) -> Option<Trouble> {
        self.0.health.trouble()
    }

    /// The time by which things are stored and expire.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(super) fn now(&self) -> u64 {
        self.0.clock.now()
    }

    /// Does something at once and then each `every` of the clock, for as long as this is polled.
    pub(super) async fn each(
        &self,
        every: Duration,
        what: &str,
        op: impl Fn(&Self) -> Result<(), StoreError> + Copy + Send + 'static,
    ) {
        let every = u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
        loop {
            let next = self.now().saturating_add(every);
            if let Err(error) = self.beside(op).await {
                tracing::warn!("{what} could not be looked for: {error}");
            }
            self.0.clock.sleep_until(next).await;
        }
    }
}
