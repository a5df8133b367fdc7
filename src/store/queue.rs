//! The durable queue: events that are not finished, and what each has done so far.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::messages::{StoredMessage, UserMessage};
use super::{Lifetimes, Store, StoreError, Tx, conversations, messages, sessions, timeouts, users};
use crate::model::{BotId, ConversationKey, EventDraft, EventId, QueuedEvent, SessionKey, StateChange, UserId};

/// In which conversation an event takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The channel has no conversations (`api`); the draft's own thread stays as it is.
    Nowhere,
    /// The conversation in which the user was heard last, if that is recent; otherwise a new one.
    Recent,
    /// That one; it must belong to the event's bot and user.
    Conversation(i64),
    /// That one, as with [`Place::Conversation`]; its session begins anew with the event.
    Anew(i64),
}

/// An event that is stored.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The event with its id; its thread is the conversation.
    pub event: QueuedEvent,
    /// The conversation, where the channel has them.
    pub conversation: Option<i64>,
    /// The user's message as stored.
    pub message: Option<StoredMessage>,
}

/// What became of an event that a script sent.
#[derive(Debug, Clone)]
pub enum FollowUp {
    /// It stands in the queue.
    Queued(QueuedEvent),
    /// An earlier run of the same event sent it already.
    AlreadyQueued,
}

/// An event that is not finished, without its body.
#[derive(Debug, Clone)]
pub struct Pending {
    /// Its id.
    pub id: EventId,
    /// Bot, channel and user.
    pub key: ConversationKey,
    /// The channel's conversation, where it has threads.
    pub thread: Option<Arc<str>>,
    /// `event.type`.
    pub kind: Arc<str>,
    /// How often a worker died while running it.
    pub deaths: u32,
    /// Made because its session's dialog has timed out.
    pub timeout: bool,
    /// Makes its session begin anew.
    pub reset: bool,
    /// How many bytes its body has.
    pub bytes: usize,
}

impl Pending {
    /// The event with an empty body.
    pub fn without_body(self) -> QueuedEvent {
        let Self { id, key, thread, kind, deaths, timeout, reset, .. } = self;
        QueuedEvent { id, key, thread, kind, body: "".into(), deaths, timeout, reset }
    }
}

impl Store {
    /// Makes an event durable, in one transaction: conversation found or made, user made if missing, the user's message
    /// stored, id given, queued. `then` runs on the writer's thread, in the order of the ids.
    pub fn accept(
        &self,
        draft: EventDraft,
        place: Place,
        message: Option<UserMessage>,
        then: impl FnOnce(Result<Accepted, StoreError>) + Send + 'static,
    ) {
        self.write_then(move |tx| accept(tx, draft, place, message), then);
    }

    /// Queues an event that a script of `event` sent, once for each (event, sequence).
    pub fn follow_up(
        &self,
        event: EventId,
        sequence: u32,
        draft: EventDraft,
        then: impl FnOnce(Result<FollowUp, StoreError>) + Send + 'static,
    ) {
        self.write_of_event(
            event,
            move |tx| {
                if messages::has_reply(tx, event, sequence)? || !note_effect(tx, event, sequence)? {
                    return Ok(FollowUp::AlreadyQueued);
                }
                users::ensure(tx, &draft.key.channel, draft.key.target.as_str())?;
                enqueue(tx, draft, false).map(FollowUp::Queued)
            },
            then,
        );
    }

    /// Ends an event, in one transaction: its state is written, if there is any to write, and it leaves the queue. For an
    /// event that is no longer queued (finished before, or set aside) nothing happens. The session lives from now on as
    /// long as `lifetimes` say. After a time-out nothing is left of the dialog, and after a reset nothing of the session, unless
    /// the state says otherwise.
    ///
    /// [`StoreError::Unstored`]: it is not over, since a reply or an event that it sent could not be stored.
    pub fn finish(
        &self,
        event: EventId,
        session: SessionKey,
        state: Option<StateChange>,
        lifetimes: Lifetimes,
        then: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) {
        let unstored = self.0.unstored.clone();
        self.write_then(
            move |tx| {
                unstored.check(event)?;
                let sql = "DELETE FROM queue WHERE id = ? AND poison IS NULL RETURNING timeout, reset";
                let mut ending = tx.connection.prepare_cached(sql)?;
                let row = ending.query_row([event.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
                let Some((timeout, reset)) = row else { return Ok(()) };
                tx.run("DELETE FROM effects WHERE event = ?", [event.0])?;
                if reset {
                    sessions::delete(tx, &session)?;
                }
                match state {
                    Some(state) => sessions::write(tx, &session, state, lifetimes, timeout),
                    None if timeout => timeouts::clear(tx, event, Some(lifetimes)),
                    None => Ok(()),
                }
            },
            then,
        );
    }

    /// Notes that a worker died while running the event.
    pub fn count_death(&self, event: EventId) {
        self.write_then(
            move |tx| tx.run("UPDATE queue SET deaths = deaths + 1 WHERE id = ?", [event.0]),
            move |outcome| {
                if let Err(error) = outcome {
                    tracing::error!("the death of a worker by event {event} could not be noted: {error}");
                }
            },
        );
    }

    /// One event that is not finished.
    pub fn queued(&self, event: EventId) -> Result<Option<QueuedEvent>, StoreError> {
        let sql = "SELECT id, bot, channel, target, thread, kind, body, deaths, timeout, reset FROM queue \
                   WHERE id = ? AND poison IS NULL";
        self.read(|connection| Ok(connection.prepare_cached(sql)?.query_row([event.0], event_of_row).optional()?))
    }

    /// Events that are not finished, oldest first; [`Store::queued`] reads the rest of one.
    pub fn pending(&self) -> Result<Vec<Pending>, StoreError> {
        let sql = "SELECT id, bot, channel, target, thread, kind, '', deaths, timeout, reset, octet_length(body) FROM queue \
                   WHERE poison IS NULL ORDER BY id";
        self.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| {
                let QueuedEvent { id, key, thread, kind, deaths, timeout, reset, .. } = event_of_row(row)?;
                Ok(Pending { id, key, thread, kind, deaths, timeout, reset, bytes: row.get(10)? })
            })?;
            rows.collect::<Result<_, _>>().map_err(StoreError::from)
        })
    }
}

fn accept(
    tx: &Tx<'_>,
    mut draft: EventDraft,
    place: Place,
    message: Option<UserMessage>,
) -> Result<Accepted, StoreError> {
    let author = match message {
        None => users::ensure(tx, &draft.key.channel, draft.key.target.as_str()).map(|()| None)?,
        Some(_) => Some(users::ensure_and_read(tx, &draft.key.channel, draft.key.target.as_str())?),
    };
    let (bot, user) = (&draft.key.bot, draft.key.target.as_str());
    let conversation = match place {
        Place::Nowhere => None,
        Place::Recent => Some(conversations::recent_or_new(tx, bot, user)?),
        Place::Conversation(id) | Place::Anew(id) if conversations::belongs(tx, id, bot, user)? => Some(id),
        Place::Conversation(id) | Place::Anew(id) => return Err(StoreError::ConversationNotFound(id)),
    };
    if let Some(id) = conversation {
        draft.thread = Some(id.to_string().into());
    }
    let event = match place {
        Place::Anew(_) => enqueue_reset(tx, draft)?,
        _ => enqueue(tx, draft, false)?,
    };
    let message = match (message, author, conversation) {
        (Some(message), Some(attributes), Some(id)) => {
            conversations::heard(tx, id)?;
            Some(messages::insert_of_user(tx, &event, id, message, &attributes)?)
        }
        _ => None,
    };
    Ok(Accepted { event, conversation, message })
}

/// Puts an event at the end of the queue; `timeout` says that it is the janitor's.
pub(super) fn enqueue(tx: &Tx<'_>, draft: EventDraft, timeout: bool) -> Result<QueuedEvent, StoreError> {
    insert(tx, QueuedEvent { timeout, ..draft.into_queued(tx.next_event_id(), tx.now) })
}

/// The same for an event whose session begins anew.
fn enqueue_reset(tx: &Tx<'_>, draft: EventDraft) -> Result<QueuedEvent, StoreError> {
    insert(tx, QueuedEvent { reset: true, ..draft.into_queued(tx.next_event_id(), tx.now) })
}

fn insert(tx: &Tx<'_>, event: QueuedEvent) -> Result<QueuedEvent, StoreError> {
    tx.run(
        "INSERT INTO queue (id, bot, channel, target, thread, kind, body, timeout, reset) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            event.id.0,
            event.key.bot.as_str(),
            event.key.channel,
            event.key.target.as_str(),
            event.thread,
            event.kind,
            event.body,
            event.timeout,
            event.reset
        ],
    )?;
    Ok(event)
}

/// Notes an effect; whether it is the first with that number. Of an event that is finished, or was never queued, nothing
/// is noted: it does not run again, so nothing can come twice, and nobody would take the row away.
pub(super) fn note_effect(tx: &Tx<'_>, event: EventId, sequence: u32) -> Result<bool, StoreError> {
    let sql = "INSERT INTO effects (event, sequence) SELECT ?1, ?2 \
               WHERE EXISTS (SELECT 1 FROM queue WHERE id = ?1) ON CONFLICT DO NOTHING";
    if tx.run(sql, params![event.0, sequence])? == 1 {
        return Ok(true);
    }
    Ok(!tx.connection.prepare_cached("SELECT 1 FROM queue WHERE id = ?")?.exists([event.0])?)
}

/// The largest event id ever stored.
pub(super) fn last_event(connection: &Connection) -> Result<u64, StoreError> {
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'queue'";
    let last: Option<u64> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    Ok(last.unwrap_or(0))
}

pub(super) fn event_of_row(row: &rusqlite::Row<'_>) -> Result<QueuedEvent, rusqlite::Error> {
    let text = |column: usize| row.get_ref(column)?.as_str().map(Arc::<str>::from).map_err(rusqlite::Error::from);
    Ok(QueuedEvent {
        id: EventId(row.get(0)?),
        key: ConversationKey {
            bot: BotId::parse(&text(1)?).map_err(|error| unreadable(1, error))?,
            channel: text(2)?,
            target: UserId::parse(&text(3)?).map_err(|error| unreadable(3, error))?,
        },
        thread: row.get::<_, Option<String>>(4)?.map(Arc::from),
        kind: text(5)?,
        body: text(6)?,
        deaths: row.get(7)?,
        timeout: row.get(8)?,
        reset: row.get(9)?,
    })
}

/// A column that does not hold what it must.
pub(super) fn unreadable(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::clock::Clock;

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
    fn what_was_accepted_is_pending_after_a_restart_until_it_is_finished() {
        let fixture = Fixture::new();
        let first = fixture.accept("ann", Place::Nowhere);
        let second = fixture.accept("bob", Place::Nowhere);
        fixture.store.count_death(second.event.id);
        let fixture = fixture.reopen();
        let pending = fixture.store.pending().unwrap();
        assert_eq!(pending.iter().map(|event| event.id).collect::<Vec<_>>(), [first.event.id, second.event.id]);
        assert_eq!(pending[0].bytes, first.event.body.len());
        let read = fixture.store.queued(first.event.id).unwrap().unwrap();
        assert_eq!(read.body, first.event.body);
        assert_eq!(pending[0].key, first.event.key);
        assert_eq!((pending[0].deaths, pending[1].deaths), (0, 1));
        fixture.finish(&first.event, None);
        fixture.finish(&second.event, None);
        assert!(fixture.reopen().store.pending().unwrap().is_empty());
    }

    #[test]
    fn ids_rise_even_if_the_clock_goes_backwards_and_across_restarts() {
        let fixture = Fixture::new();
        let mut last = fixture.accept("ann", Place::Nowhere).event;
        fixture.finish(&last, None);
        let fixture = fixture.reopen_with(Clock::manual(1_000));
        for _ in 0..3 {
            let next = fixture.accept("ann", Place::Nowhere).event;
            assert!(next.id > last.id);
            assert!(next.id.0 % 100_000 < 50_000);
            last = next;
        }
    }

    #[test]
    fn ids_of_one_millisecond_leave_the_room_of_the_workers_free() {
        let fixture = Fixture::new();
        let ids = wait(|then| {
            fixture.store.write_then(|tx| Ok((0..120_000).map(|_| tx.next_event_id().0).collect::<Vec<_>>()), then);
        })
        .unwrap();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(ids.iter().all(|id| id % 100_000 < 50_000));
    }

    #[test]
    fn events_sent_at_once_from_many_threads_keep_the_order_of_each_thread() {
        let fixture = Fixture::new();
        let order = std::sync::Arc::new(parking_lot::Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for thread in 0..64 {
                let (store, order) = (&fixture.store, &order);
                scope.spawn(move || {
                    for number in 0..20 {
                        let order = order.clone();
                        store.accept(draft(&format!("user-{thread}")), Place::Nowhere, None, move |accepted| {
                            order.lock().push((thread, number, accepted.unwrap().event.id));
                        });
                    }
                });
            }
        });
        wait(|then| fixture.store.barrier(move || then(())));
        let order = order.lock();
        assert_eq!(order.len(), 64 * 20);
        assert!(order.windows(2).all(|pair| pair[0].2 < pair[1].2), "completions come in the order of the ids");
        for thread in 0..64 {
            let numbers: Vec<_> = order.iter().filter(|entry| entry.0 == thread).map(|entry| entry.1).collect();
            assert_eq!(numbers, (0..20).collect::<Vec<_>>());
        }
        let ids: Vec<_> = fixture.store.pending().unwrap().iter().map(|event| event.id).collect();
        assert_eq!(ids, order.iter().map(|entry| entry.2).collect::<Vec<_>>());
    }

    #[test]
    fn an_event_that_a_script_sends_is_queued_once() {
        let fixture = Fixture::new();
        let event = fixture.accept("ann", Place::Nowhere).event;
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
        let event = fixture.accept("ann", Place::Nowhere).event;
        fixture.finish(&event, None);
        let mut elsewhere = event.clone();
        elsewhere.key.channel = "api".into();
        for number in 0..2 {
            let out = outgoing(&elsewhere, "late", 0);
            let reply = wait(|then| fixture.store.reply(event.id, number, out, then)).unwrap();
            assert!(matches!(reply, crate::store::Reply::Noted), "{reply:?}");
        }
        let sent = wait(|then| fixture.store.follow_up(event.id, 2, draft("bob"), then)).unwrap();
        assert!(matches!(sent, FollowUp::Queued(_)), "{sent:?}");
        assert!(effects(&fixture, event.id).is_empty());
    }

    #[test]
    fn a_reset_ends_the_session_in_its_turn_and_keeps_what_the_event_itself_leaves() {
        let fixture = Fixture::new();
        let change = |json: &str| Some(serde_json::from_str::<StateChange>(json).unwrap());
        let first = fixture.accept("ann", Place::Recent);
        let id = first.conversation.unwrap();
        let elsewhere = fixture.accept("bob", Place::Recent).event;
        let reset = fixture.accept("ann", Place::Anew(id)).event;
        assert!(reset.reset && !first.event.reset && reset.session() == first.event.session());
        for event in [&first.event, &elsewhere] {
            fixture.finish(event, change(r#"{"session":{"s":1},"temp":{"t":1},"context":{"c":1},"user":{"u":1}}"#));
        }
        // It is one after a restart, too.
        let fixture = fixture.reopen();
        assert!(fixture.store.queued(reset.id).unwrap().unwrap().reset);
        assert!(fixture.store.pending().unwrap()[0].reset);
        let session = |event: &QueuedEvent| fixture.store.restore(&event.session()).unwrap();
        assert_eq!(session(&reset).session, r#"{"s":1}"#);
        fixture.finish(&reset, None);
        let after = session(&reset);
        assert_eq!((&*after.session, &*after.context, &*after.user), ("{}", "{}", r#"{"u":1}"#));
        assert_eq!(session(&elsewhere).session, r#"{"s":1}"#);
        let other = fixture.accept("ann", Place::Conversation(id)).event;
        fixture.finish(&other, change(r#"{"session":{"s":2},"context":{"c":2}}"#));
        let again = fixture.accept("ann", Place::Anew(id)).event;
        fixture.finish(&again, change(r#"{"session":{"greeted":true}}"#));
        let after = session(&again);
        assert_eq!((&*after.session, &*after.context), (r#"{"greeted":true}"#, "{}"));
        // Set aside, it has done that much, and does it once.
        let third = fixture.accept("ann", Place::Anew(id)).event;
        wait(|then| fixture.store.set_aside(third.id, "killed two workers".into(), then)).unwrap();
        assert_eq!(session(&third).session, "{}");
        block_on(fixture.store.retry_poisoned(third.id)).unwrap();
        assert!(!fixture.store.queued(third.id).unwrap().unwrap().reset);
        let refused = wait(|then| fixture.store.accept(draft("bob"), Place::Anew(id), None, then));
        assert!(matches!(refused, Err(StoreError::ConversationNotFound(_))));
    }

    #[test]
    fn a_refused_conversation_leaves_nothing_behind() {
        let fixture = Fixture::new();
        let refused =
            wait(|then| fixture.store.accept(draft("ann"), Place::Conversation(99_999), Some(message("hi")), then));
        let error = refused.unwrap_err();
        assert_eq!(error.to_string(), "conversation \"99999\" not found - BP_CONV_NOT_FOUND");
        assert!(fixture.store.pending().unwrap().is_empty());
        assert_eq!(wait(|then| fixture.store.user_count(super::super::Order::AtOnce, then)).unwrap(), 0);
    }
}
