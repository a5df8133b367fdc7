//! The way in: counted, stored, and only then queued in memory, in the order of the commits.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use super::action::Control;
use super::admission::FullQueue;
use super::collect::Collector;
use super::errors::{AcceptError, ConverseError, Conversed};
use super::patience::Patience;
use super::stats::count;
use super::tally::Tally;
use super::{Dispatcher, Notice};
use crate::model::{ConversationKey, EventDraft, EventId};
use crate::store::{Accepted, ConversationTarget, StoreError, UserMessage};

impl Dispatcher {
    /// Stores an event, its place in the queue and the user's message, if it is one. When this returns, it is committed:
    /// the event's id.
    pub async fn accept(
        &self,
        draft: EventDraft,
        place: ConversationTarget,
        message: Option<UserMessage>,
    ) -> Result<EventId, AcceptError> {
        self.store_event(draft, place, message, None)?
            .await
            .unwrap_or(Err(StoreError::Closed))
            .map_err(AcceptError::Store)
    }

    /// Stores an event and waits until it has settled, for `converse.timeout` besides the time that actions take: its
    /// replies, in order. With `want_event` also the event as it
    /// ended.
    pub async fn converse(&self, draft: EventDraft, want_event: bool) -> Result<Conversed, ConverseError> {
        let settings = &self.0.tally.settings;
        let (limit, event) = (settings.http.converse_timeout, settings.scripts.event_waiting);
        // No event lives longer than `event`, so no actions take longer together.
        let patience = Patience::new(Instant::now(), Duration::from_millis(limit), Duration::from_millis(event));
        let (answer, receiver) = oneshot::channel();
        let (acting, told) = watch::channel(false);
        let collector = Collector::new(answer, want_event, acting);
        let stored = self.store_event(draft, ConversationTarget::Nowhere, None, Some(collector))?;
        let wait = async {
            stored.await.unwrap_or(Err(StoreError::Closed)).map_err(AcceptError::Store)?;
            receiver.await.unwrap_or(Err(ConverseError::Accept(AcceptError::Stopping)))
        };
        patience.wait(wait, told).await.unwrap_or(Err(ConverseError::TimedOut(limit)))
    }

    fn store_event(
        &self,
        draft: EventDraft,
        place: ConversationTarget,
        message: Option<UserMessage>,
        collector: Option<Collector>,
    ) -> Result<oneshot::Receiver<Result<EventId, StoreError>>, AcceptError> {
        if self.0.stopping.load(Ordering::SeqCst) {
            return Err(AcceptError::Stopping);
        }
        let bytes = draft.bytes();
        self.0.tally.enter(&draft.key, bytes)?;
        let key = draft.key.clone();
        let shared = Arc::clone(&self.0);
        let (answer, receiver) = oneshot::channel();
        self.0.store.of(Some(&key.bot)).accept(draft, place, message, move |result| {
            let stored = match result {
                Ok(Accepted { event, message, .. }) => {
                    let id = event.id;
                    count(&shared.tally.counters.accepted);
                    if let Some(message) = message {
                        let deliver_at = message.sent_on.0;
                        shared.notify(Notice::Stored { key, deliver_at, message: Arc::new(message) });
                    }
                    shared.tell(Control::Queued { event, bytes, at: Instant::now(), collector });
                    Ok(id)
                }
                Err(error) => {
                    shared.tally.admission.leave(&key, bytes);
                    Err(error)
                }
            };
            // A caller that is gone needs no answer: the event is in the queue all the same.
            let _ = answer.send(stored);
        });
        Ok(receiver)
    }
}

impl Tally {
    /// Counts an event that is about to be stored.
    pub(super) fn enter(&self, key: &ConversationKey, bytes: usize) -> Result<(), AcceptError> {
        self.admission.enter(key, bytes).map_err(|(queue, waiting)| {
            count(&self.counters.refused);
            let rate = self.counters.rate.load(Ordering::Relaxed).max(1);
            AcceptError::Full { queue, waiting, retry_after: retry_after(queue, waiting, rate) }
        })
    }
}

/// Seconds until there may be room: a tenth of the queue must have gone at the present rate of the whole server.
fn retry_after(queue: FullQueue, waiting: usize, rate: u64) -> u32 {
    match queue {
        // One conversation runs one event at a time, whatever the rate of the whole.
        FullQueue::Conversation => 1,
        FullQueue::Bytes => 5,
        FullQueue::Bot => u32::try_from(waiting as u64 / 10 / rate.max(1)).unwrap_or(u32::MAX).clamp(1, 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_refused_is_told_a_sensible_time() {
        assert_eq!(retry_after(FullQueue::Conversation, 100, 1), 1);
        assert_eq!(retry_after(FullQueue::Bot, 10_000, 5_000), 1);
        assert_eq!(retry_after(FullQueue::Bot, 10_000, 100), 10);
        assert_eq!(retry_after(FullQueue::Bot, 10_000, 1), 60);
    }
}
