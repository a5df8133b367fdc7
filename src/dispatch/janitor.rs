//! The janitor of dialogs: finds sessions whose dialog has waited for its user for too long, and has the store put an event
//! of its own into the queue for each, behind what the user has sent.
//!
//! A hundred thousand dialogs may expire at once. Few of their time-outs are in the queue at a time, so that an event of a
//! user who is there never waits behind more than those; the rest follow as these are over.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Dispatcher;
use super::action::Control;
use super::shared::Shared;
use super::stats::count;
use super::tally::Tally;
use super::timeouts::BATCH;
use crate::model::{BotId, QueuedEvent};
use crate::store::{DueSession, StoreError, TimedOut};

/// What came of a look at all that is due.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// Nothing is left.
    Done,
    /// More is due, and can be taken at once.
    More,
    /// More is due of these bots when there is room, each of which may have so many in the queue.
    Wait(Vec<BotId>, usize),
}

impl Dispatcher {
    /// Looks for dialogs to time out, at once and then each `every` of the clock, for as long as this is polled.
    pub async fn keep_timing_out(&self, every: Duration) {
        let Shared { clock, tally, .. } = &*self.0;
        let Tally { counters, timeouts, .. } = &**tally;
        let every = u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
        loop {
            let began = clock.now();
            let next = began.saturating_add(every);
            match self.time_out().await {
                Ok(Look::Done) => {
                    counters.janitor.store(began, Ordering::Relaxed);
                    clock.sleep_until(next).await;
                }
                Ok(Look::More) => {}
                // By then others may be due, whose bots have room.
                Ok(Look::Wait(bots, share)) => tokio::select! {
                    () = timeouts.wait_for_room(&bots, share) => {}
                    () = clock.sleep_until(next) => {}
                },
                Err(error) => {
                    // The store says that it cannot store.
                    if !error.is_trouble() {
                        tracing::warn!("dialogs that have expired could not be timed out: {error}");
                    }
                    clock.sleep_until(next).await;
                }
            }
        }
    }

    /// Puts time-outs into the queue, as far as there is room.
    async fn time_out(&self) -> Result<Look, StoreError> {
        let Shared { store, tally, .. } = &*self.0;
        let timeouts = &tally.timeouts;
        let due = store.beside(|store| store.due(BATCH)).await?;
        let (served, left): (Vec<_>, Vec<_>) = due.into_iter().partition(|(bot, _)| timeouts.serves(bot));
        let mut more = false;
        for (_, sessions) in left {
            // Nothing can run for a bot that is not in service. It may come back: until their own end its sessions stay.
            more |= store.delete_unserved(sessions).await? == BATCH;
        }
        let share = timeouts.share(served.len());
        let mut waiting = Vec::new();
        for (bot, sessions) in served {
            let full = sessions.len() == BATCH;
            let timed_out = self.queue_timeouts(sessions, timeouts.room(&bot, share)).await?;
            if timed_out > 0 {
                waiting.push(bot);
            } else {
                more |= full;
            }
        }
        Ok(match (more, waiting.is_empty()) {
            (true, _) => Look::More,
            (false, true) => Look::Done,
            (false, false) => Look::Wait(waiting, share),
        })
    }

    /// Gives how many more are due.
    async fn queue_timeouts(&self, sessions: Vec<DueSession>, room: usize) -> Result<usize, StoreError> {
        let shared = Arc::clone(&self.0);
        let (answer, receiver) = oneshot::channel();
        // On the writer's thread, so that these events stand among the others in the order of the commits.
        self.0.store.time_out(sessions, room, move |outcome| {
            let outcome = outcome.map(|TimedOut { queued, left }| {
                queued.into_iter().for_each(|event| shared.timeout_queued(event));
                left
            });
            // Who asked goes only when the server stops.
            let _ = answer.send(outcome);
        });
        receiver.await.unwrap_or(Err(StoreError::Closed))
    }
}

impl Shared {
    fn timeout_queued(&self, event: QueuedEvent) {
        count(&self.tally.counters.accepted);
        count(&self.tally.counters.timeouts);
        let bytes = QueuedEvent::FRAME;
        self.tally.timeouts.queued(&event.key.bot);
        // It counts among what waits, and is never refused.
        self.tally.admission.enter_anyway(&event.key, bytes);
        self.tell(Control::Queued { event, bytes, at: Instant::now(), collector: None });
    }
}
