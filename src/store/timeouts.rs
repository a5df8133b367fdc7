//! Dialogs that waited for their user for too long: found, and an event of their own put into the queue, in one
//! transaction.
//!
//! The session remembers that event until anything is stored for it again, so that a time-out whose user wrote meanwhile
//! can be told from one that is to run: by the event, since two expiries may be the same millisecond.

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::value::RawValue;

use super::error::StoreError;
use super::handle::Store;
use super::memory::Origin;
use super::queue::enqueue;
use super::rows::{LATEST, SESSION_KEY, session_of_row};
use super::sessions::{self, Lifetimes};
use super::tx::Tx;
use crate::model::{BotId, EventDraft, EventId, QueuedEvent, SessionKey};

/// `event.type` of a time-out.
const KIND: &str = "timeout";

/// The bots that have anything to time out, one after the other: each step is one look into the index.
const NEXT_BOT: &str = "\
    SELECT bot FROM sessions WHERE times_out_on IS NOT NULL AND bot > ? ORDER BY bot LIMIT 1";

/// What of a bot has expired, oldest first.
const DUE: &str = "SELECT id FROM sessions WHERE bot = ? AND times_out_on <= ? ORDER BY times_out_on LIMIT ?";

/// A session whose temp or context has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueSession(i64);

/// What came of a look at some sessions.
#[derive(Debug)]
pub struct TimedOut {
    /// The events that are in the queue now.
    pub queued: Vec<QueuedEvent>,
    /// As many more are due, and there was no room for them.
    pub left: usize,
}

impl Store {
    /// Bots with at most `most` sessions each whose temp or context has expired.
    pub fn due(&self, most: usize) -> Result<Vec<(BotId, Vec<DueSession>)>, StoreError> {
        let now = self.now();
        self.read(|connection| {
            let mut found = Vec::new();
            let mut last = String::new();
            while let Some(bot) =
                connection.prepare_cached(NEXT_BOT)?.query_row([&last], |row| row.get::<_, String>(0)).optional()?
            {
                let due = due(connection, &bot, now, most)?;
                if let Ok(id) = BotId::parse(&bot)
                    && !due.is_empty()
                {
                    found.push((id, due));
                }
                last = bot;
            }
            Ok(found)
        })
    }

    /// Puts a time-out into the queue for each of those sessions that has a dialog, as far as there is `room`; of those
    /// that have none temp is cleared, and nothing runs.
    pub fn time_out(
        &self,
        sessions: Vec<DueSession>,
        room: usize,
        then: impl FnOnce(Result<TimedOut, StoreError>) + Send + 'static,
    ) {
        let op = move |tx: &Tx<'_>| {
            let mut timed_out = TimedOut { queued: Vec::new(), left: 0 };
            for session in sessions {
                if clear_temp(tx, session)? {
                    continue;
                }
                let Some(draft) = timeout_of(tx, session)? else { continue };
                if timed_out.queued.len() >= room {
                    timed_out.left += 1;
                    continue;
                }
                let event = enqueue(tx, &draft, Origin { timeout: true, ..Origin::default() })?;
                let sql = "UPDATE sessions SET times_out_on = NULL, timeout = ?2 WHERE id = ?1";
                tx.run(sql, params![session.0, event.id.0])?;
                timed_out.queued.push(event);
            }
            Ok(timed_out)
        };
        self.write_then(op, then);
    }

    /// Deletes those of the sessions that are past their own end. For bots that are not in service: nobody could be told of
    /// the time-out. How many went.
    pub async fn delete_unserved(&self, sessions: Vec<DueSession>) -> Result<usize, StoreError> {
        let op = move |tx: &Tx<'_>| {
            let mut gone = 0;
            for DueSession(id) in sessions {
                let sql = "DELETE FROM sessions WHERE id = ? AND times_out_on <= ?2 AND expires_on <= ?2";
                gone += sessions::delete_where(tx, sql, params![id, tx.now])?;
            }
            Ok(gone)
        };
        self.write(op).await
    }
}

/// Ends the dialog that this time-out is for, unless its user wrote meanwhile. Without lifetimes the session goes when it
/// would have gone anyway.
pub(super) fn clear(tx: &Tx<'_>, event: EventId, lifetimes: Option<Lifetimes>) -> Result<(), StoreError> {
    let expires_on = lifetimes.map(|lifetimes| tx.now.saturating_add(lifetimes.session).min(LATEST));
    let sql = "UPDATE sessions SET temp = '{}', context = '{}', times_out_on = NULL, timeout = NULL, \
               expires_on = ifnull(?2, expires_on) WHERE timeout = ?1";
    sessions::changing(tx, sql, params![event.0, expires_on], None).map(drop)
}

fn due(connection: &Connection, bot: &str, now: u64, most: usize) -> Result<Vec<DueSession>, StoreError> {
    let mut statement = connection.prepare_cached(DUE)?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![bot, now, most], |row| row.get(0).map(DueSession))?;
    rows.collect::<Result<_, _>>().map_err(StoreError::from)
}

/// Clears temp of a session without a dialog; whether it is one.
fn clear_temp(tx: &Tx<'_>, session: DueSession) -> Result<bool, StoreError> {
    let sql = "UPDATE sessions SET temp = '{}', times_out_on = NULL \
               WHERE id = ? AND times_out_on <= ? AND context = '{}'";
    Ok(sessions::changing(tx, sql, params![session.0, tx.now], None)? > 0)
}

/// The time-out of a session that is still due.
fn timeout_of(tx: &Tx<'_>, session: DueSession) -> Result<Option<EventDraft>, StoreError> {
    let sql = format!("SELECT {SESSION_KEY} FROM sessions WHERE id = ? AND times_out_on <= ?");
    let mut statement = tx.connection.prepare_cached(&sql)?;
    let found = statement.query_row(params![session.0, tx.now], |row| {
        let SessionKey { conversation: key, thread } = session_of_row(row)?;
        Ok(EventDraft {
            // As of an event without a payload.
            preview: Some(format!("\"{KIND}\" event on channel {}", key.channel)),
            key,
            thread,
            kind: KIND.into(),
            payload: empty_object(),
            nlu: None,
            credentials: None,
            suggestions: None,
            depth: 0,
        })
    });
    Ok(found.optional()?)
}

fn empty_object() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::ConversationTarget;
    use super::super::testing::*;
    use super::*;
    use crate::model::StateChange;

    const DIALOG: &str = r#"{"session":{"s":1},"temp":{"t":1},"context":{"currentFlow":"main.flow.json"}}"#;

    fn change(json: &str) -> Option<StateChange> {
        Some(serde_json::from_str(json).unwrap())
    }

    /// A dialog of each of these users, all expired.
    fn expired(users: &[&str]) -> Fixture {
        let fixture = Fixture::new();
        for user in users {
            let event = fixture.accept(user, ConversationTarget::Nowhere).event;
            fixture.finish(&event, change(DIALOG));
        }
        fixture.clock.advance(Duration::from_secs(25 * 60));
        fixture
    }

    fn due(fixture: &Fixture) -> Vec<DueSession> {
        fixture.store.due(200).unwrap().into_iter().flat_map(|(_, sessions)| sessions).collect()
    }

    fn time_out(fixture: &Fixture, room: usize) -> TimedOut {
        let sessions = due(fixture);
        wait(|then| fixture.store.time_out(sessions, room, then)).unwrap()
    }

    fn parts(fixture: &Fixture, event: &QueuedEvent) -> (String, String, String) {
        let state = fixture.store.restore(&event.session()).unwrap();
        (state.session, state.temp, state.context)
    }

    #[test]
    fn an_expired_dialog_gets_one_event_of_its_own_with_the_whole_state() {
        let fixture = expired(&["ann"]);
        let TimedOut { queued, left } = time_out(&fixture, 10);
        assert_eq!((queued.len(), left), (1, 0));
        let event = &queued[0];
        assert!(event.timeout);
        let body: serde_json::Value = serde_json::from_str(&event.body).unwrap();
        let part = |name: &str| body[name].to_string();
        assert_eq!(part("type"), r#""timeout""#);
        assert_eq!(part("payload"), "{}");
        assert_eq!(part("preview"), r#""\"timeout\" event on channel web""#);
        assert_eq!(
            (part("channel"), part("target"), part("threadId")),
            (r#""web""#.into(), r#""ann""#.into(), "null".into())
        );
        assert!(due(&fixture).is_empty(), "it is not found again");
        let fixture = fixture.reopen();
        let pending = fixture.store.pending().unwrap();
        assert_eq!((pending.len(), pending[0].id, pending[0].timeout), (1, event.id, true));
        assert!(fixture.store.queued(event.id).unwrap().unwrap().timeout);
        let state = fixture.store.restore_timeout(event.id, &event.session()).unwrap().unwrap();
        assert_eq!((state.session.as_str(), state.temp.as_str()), (r#"{"s":1}"#, r#"{"t":1}"#));
        assert_eq!(state.context, r#"{"currentFlow":"main.flow.json"}"#);
    }

    #[test]
    fn it_goes_to_the_conversation_that_it_is_about() {
        let fixture = Fixture::new();
        let event = fixture.accept("ann", ConversationTarget::Recent).event;
        fixture.finish(&event, change(DIALOG));
        fixture.clock.advance(Duration::from_secs(25 * 60));
        let timed_out = time_out(&fixture, 10);
        assert_eq!(timed_out.queued[0].session(), event.session());
        assert!(timed_out.queued[0].thread.is_some());
    }

    #[test]
    fn what_its_event_stores_is_what_is_left_and_new_times_begin() {
        let fixture = expired(&["ann"]);
        let event = time_out(&fixture, 10).queued.remove(0);
        // Late: the server was down meanwhile. What was found counts all the same.
        fixture.clock.advance(Duration::from_secs(3_600));
        assert!(fixture.store.restore_timeout(event.id, &event.session()).unwrap().is_some());
        fixture.finish(&event, change(r#"{"temp":{},"context":{}}"#));
        assert_eq!(parts(&fixture, &event), (r#"{"s":1}"#.into(), "{}".into(), "{}".into()));
        fixture.clock.advance(Duration::from_secs(30 * 60 - 1));
        assert!(due(&fixture).is_empty());
        assert_eq!(parts(&fixture, &event).0, r#"{"s":1}"#);
        fixture.clock.advance(Duration::from_secs(1));
        fixture.store.forget_expired().unwrap();
        wait(|then| fixture.store.barrier(move || then(())));
        assert_eq!(fixture.sessions(), 0);
    }

    #[test]
    fn a_time_out_that_leaves_no_state_ends_the_dialog_all_the_same() {
        let fixture = expired(&["ended", "session", "aside"]);
        let events = time_out(&fixture, 10).queued;
        // Ended by a limit or a kill; stored without its dialog; set aside.
        fixture.finish(&events[0], None);
        fixture.finish(&events[1], change(r#"{"session":{"s":2}}"#));
        wait(|then| fixture.store.set_aside(events[2].id, "killed two workers".into(), then)).unwrap();
        for (event, session) in events.iter().zip([r#"{"s":1}"#, r#"{"s":2}"#, r#"{"s":1}"#]) {
            assert_eq!(parts(&fixture, event), (session.into(), "{}".into(), "{}".into()), "{}", event.key.target);
        }
        fixture.clock.advance(Duration::from_secs(60 * 60));
        assert!(due(&fixture).is_empty());
        fixture.store.forget_expired().unwrap();
        wait(|then| fixture.store.barrier(move || then(())));
        assert_eq!(fixture.sessions(), 0);
    }

    #[test]
    fn a_time_out_whose_user_wrote_meanwhile_does_nothing_even_within_the_same_millisecond() {
        let fixture = expired(&["ann", "bob"]);
        let before = [
            fixture.accept("ann", ConversationTarget::Nowhere).event,
            fixture.accept("bob", ConversationTarget::Nowhere).event,
        ];
        let events = time_out(&fixture, 10).queued;
        // The one goes on with the dialog, the other ends it.
        fixture.finish(&before[0], change(r#"{"temp":{"t":2},"context":{"currentFlow":"next.flow.json"}}"#));
        fixture.finish(&before[1], change(r#"{"temp":{},"context":{}}"#));
        for event in &events {
            assert_eq!(fixture.store.restore_timeout(event.id, &event.session()).unwrap(), None);
            fixture.finish(event, None);
        }
        assert_eq!(parts(&fixture, &before[0]).1, r#"{"t":2}"#);
        assert_eq!(parts(&fixture, &before[0]).2, r#"{"currentFlow":"next.flow.json"}"#);
        // The dialog that goes on has its time anew.
        fixture.clock.advance(Duration::from_secs(25 * 60 - 1));
        assert!(due(&fixture).is_empty());
        fixture.clock.advance(Duration::from_secs(1));
        assert_eq!(due(&fixture).len(), 1);
    }

    #[test]
    fn an_event_that_stores_nothing_is_no_answer_and_a_session_that_is_deleted_has_no_time_out() {
        let fixture = expired(&["skipped", "deleted"]);
        let skipped = fixture.accept("skipped", ConversationTarget::Nowhere).event;
        let events = time_out(&fixture, 10).queued;
        fixture.finish(&skipped, None);
        assert!(fixture.store.restore_timeout(events[0].id, &events[0].session()).unwrap().is_some());
        wait(|then| fixture.store.delete_session(None, "web".into(), "deleted".into(), None, then)).unwrap();
        assert_eq!(fixture.store.restore_timeout(events[1].id, &events[1].session()).unwrap(), None);
        fixture.finish(&events[1], None);
        assert_eq!(fixture.sessions(), 1);
    }

    #[test]
    fn of_a_session_without_a_dialog_temp_is_cleared_and_nothing_runs() {
        let fixture = Fixture::new();
        let event = fixture.accept("ann", ConversationTarget::Nowhere).event;
        fixture.finish(&event, change(r#"{"session":{"s":1},"temp":{"t":1},"context":{}}"#));
        let idle = fixture.accept("idle", ConversationTarget::Nowhere).event;
        fixture.finish(&idle, change(r#"{"session":{"s":1},"temp":{},"context":{}}"#));
        fixture.clock.advance(Duration::from_secs(25 * 60));
        assert_eq!(due(&fixture).len(), 1, "of a session that holds nothing there is nothing to clear");
        let TimedOut { queued, left } = time_out(&fixture, 0);
        assert_eq!((queued.len(), left), (0, 0));
        assert_eq!(parts(&fixture, &event), (r#"{"s":1}"#.into(), "{}".into(), "{}".into()));
        assert!(due(&fixture).is_empty());
        assert!(fixture.store.pending().unwrap().is_empty());
    }

    #[test]
    fn only_as_many_are_queued_as_there_is_room_for_the_oldest_first() {
        let fixture = expired(&["a", "b", "c"]);
        let TimedOut { queued, left } = time_out(&fixture, 2);
        assert_eq!(queued.iter().map(|event| event.key.target.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((left, due(&fixture).len()), (1, 1));
        assert_eq!(time_out(&fixture, 2).queued[0].key.target.as_str(), "c");
    }

    #[test]
    fn a_session_stays_until_its_time_out_has_run_however_late_that_is() {
        let fixture = expired(&["ann"]);
        fixture.clock.advance(Duration::from_secs(86_400));
        let forget = |fixture: &Fixture| {
            fixture.store.forget_expired().unwrap();
            wait(|then| fixture.store.barrier(move || then(())));
        };
        forget(&fixture);
        assert_eq!(fixture.sessions(), 1);
        let event = time_out(&fixture, 10).queued.remove(0);
        forget(&fixture);
        assert_eq!(fixture.sessions(), 1);
        assert!(fixture.store.restore_timeout(event.id, &event.session()).unwrap().is_some());
    }

    #[test]
    fn sessions_of_a_bot_that_is_not_in_service_go_when_their_own_time_is_over() {
        let fixture = expired(&["ann"]);
        assert_eq!(block_on(fixture.store.delete_unserved(due(&fixture))).unwrap(), 0);
        fixture.clock.advance(Duration::from_secs(5 * 60));
        assert_eq!(block_on(fixture.store.delete_unserved(due(&fixture))).unwrap(), 1);
        assert_eq!(fixture.sessions(), 0);
    }

    #[test]
    fn an_event_of_that_type_that_somebody_sends_is_none_of_ours() {
        let fixture = expired(&["ann"]);
        let draft = EventDraft { kind: KIND.into(), ..draft("ann") };
        let sent = wait(|then| fixture.store.accept(draft, ConversationTarget::Nowhere, None, then)).unwrap().event;
        assert!(!sent.timeout && !fixture.store.pending().unwrap()[0].timeout);
        fixture.finish(&sent, None);
        assert_eq!(due(&fixture).len(), 1);
    }

    #[test]
    fn dialogs_to_time_out_are_found_by_an_index() {
        let fixture = Fixture::new();
        let by_bot = "SEARCH sessions USING COVERING INDEX sessions_timing_out (bot>?)";
        fixture.plan(NEXT_BOT, &[by_bot]);
        fixture.plan(DUE, &["SEARCH sessions USING COVERING INDEX sessions_timing_out (bot=? AND times_out_on<?)"]);
    }
}
