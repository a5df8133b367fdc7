//! Events that scripts send: queued once for each (event, number).

use rusqlite::params;

use super::error::StoreError;
use super::memory::{Origin, UserName};
use super::tx::Tx;
use super::{messages, queue, users};
use crate::model::{EventDraft, EventId, QueuedEvent};

/// What became of an event that a script sent.
#[derive(Debug, Clone)]
pub enum FollowUp {
    /// It stands in the queue.
    Queued(QueuedEvent),
    /// An earlier run of the same event sent it already.
    AlreadyQueued,
}

/// Queues what `event` sent with that number.
pub(super) fn send(tx: &Tx<'_>, event: EventId, number: u32, draft: &EventDraft) -> Result<FollowUp, StoreError> {
    if messages::is_taken(tx, event, number)? || !note(tx, event, number)? {
        return Ok(FollowUp::AlreadyQueued);
    }
    users::ensure(tx, &UserName::of(&draft.key, tx.rules.per_bot))?;
    queue::enqueue(tx, draft, Origin::default()).map(FollowUp::Queued)
}

/// Notes an effect; whether it is the first with that number. Of an event that is finished, or was never queued, nothing
/// is noted: it does not run again, so nothing can come twice, and nobody would take the row away.
pub(super) fn note(tx: &Tx<'_>, event: EventId, number: u32) -> Result<bool, StoreError> {
    if let Some(numbers) = tx.memory().event(event)
        && numbers.others.contains(&number)
    {
        return Ok(false);
    }
    let sql = "INSERT INTO effects (event, sequence) SELECT ?1, ?2 \
               WHERE EXISTS (SELECT 1 FROM queue WHERE id = ?1) ON CONFLICT DO NOTHING";
    if tx.run(sql, params![event.0, number])? == 1 {
        tx.memory().note_number(event, number, false);
        return Ok(true);
    }
    Ok(!tx.connection.prepare_cached("SELECT 1 FROM queue WHERE id = ?")?.exists([event.0])?)
}

/// Whether that number of the event is taken by an event that it sent.
pub(super) fn is_taken(tx: &Tx<'_>, event: EventId, number: u32) -> Result<bool, StoreError> {
    if let Some(numbers) = tx.memory().event(event) {
        return Ok(numbers.others.contains(&number));
    }
    let sql = "SELECT 1 FROM effects WHERE event = ? AND sequence = ?";
    Ok(tx.connection.prepare_cached(sql)?.exists(params![event.0, number])?)
}

/// The event has left the queue: what it sent is of no interest any more.
pub(super) fn forget(tx: &Tx<'_>, event: EventId) -> Result<(), StoreError> {
    let nothing = tx.memory().event(event).is_some_and(|numbers| numbers.others.is_empty());
    tx.memory().forget_event(event);
    if nothing {
        return Ok(());
    }
    tx.run("DELETE FROM effects WHERE event = ?", [event.0]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::{ConversationTarget, Store};
    use super::*;

    /// The numbers of what the event is known to have done.
    fn effects(fixture: &Fixture, event: EventId) -> Vec<u32> {
        let read = fixture.store.read(|connection| {
            let mut statement = connection.prepare("SELECT sequence FROM effects WHERE event = ? ORDER BY 1")?;
            let rows = statement.query_map([event.0], |row| row.get(0))?;
            rows.collect::<Result<_, _>>().map_err(StoreError::from)
        });
        read.unwrap()
    }

    #[test]
    fn an_event_that_a_script_sends_is_queued_once() {
        let fixture = Fixture::new();
        let event = fixture.accept("ann", ConversationTarget::Nowhere).event;
        let send = |store: &Store| wait(|then| store.follow_up(event.id, 3, draft("bob"), then)).unwrap();
        let FollowUp::Queued(next) = send(&fixture.store) else { panic!("the first is queued") };
        assert!(next.id > event.id);
        let fixture = fixture.reopen();
        assert!(matches!(send(&fixture.store), FollowUp::AlreadyQueued));
        assert_eq!(fixture.store.pending().unwrap().len(), 2);
        assert_eq!(effects(&fixture, event.id), [3]);
        fixture.finish(&event, None);
        assert!(effects(&fixture, event.id).is_empty());
    }

    #[test]
    fn what_an_event_does_after_its_end_happens_and_leaves_no_row_of_its_own() {
        let fixture = Fixture::new();
        let event = fixture.accept("ann", ConversationTarget::Nowhere).event;
        fixture.finish(&event, None);
        let mut elsewhere = event.clone();
        elsewhere.key.channel = "api".into();
        for number in 0..2 {
            let out = outgoing(&elsewhere, "late", 0);
            let reply = wait(|then| fixture.store.reply(event.id, number, out, then)).unwrap();
            assert!(matches!(reply, crate::store::Reply::Stored(_)), "{reply:?}");
        }
        let sent = wait(|then| fixture.store.follow_up(event.id, 2, draft("bob"), then)).unwrap();
        assert!(matches!(sent, FollowUp::Queued(_)), "{sent:?}");
        assert!(effects(&fixture, event.id).is_empty());
    }
}
