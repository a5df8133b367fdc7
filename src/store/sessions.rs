//! The state of sessions, as opaque JSON text.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, Params, params};
use serde_json::value::RawValue;

use super::error::StoreError;
use super::handle::Store;
use super::memory::UserName;
use super::rows::{LATEST, SESSION_KEY, session_of_row, thread_key};
use super::state_cache::{PartKey, SessionTexts, StatePart, snapshot};
use super::tx::Tx;
use super::{kvs, short_links, users};
use crate::model::{BotId, EventId, SessionKey, StateChange, StateSnapshot};

/// How long the sessions of a bot live after they were stored, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// `dialog.timeoutInterval`: temp and context. A session with a dialog under way lives at least that long.
    pub context: u64,
    /// `dialog.sessionTimeoutInterval`: the rest.
    pub session: u64,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { context: 25 * 60_000, session: 30 * 60_000 }
    }
}

/// What the state is made of in which an event begins. One statement is one look at the database: the parts belong together.
const STATE: &str = "\
    SELECT u.attributes, s.session, s.temp, s.context, s.expires_on, s.timeout, k.value, k.expires_on FROM (SELECT 1) \
    LEFT JOIN users u ON u.channel = ?5 AND u.user_id = ?3 \
    LEFT JOIN sessions s ON s.channel = ?2 AND s.target = ?3 AND s.thread = ?4 AND s.bot = ?1 \
    LEFT JOIN kvs k ON k.key = 'global' AND k.bot = ?1";

/// Sessions to delete. Those with a dialog are in line for its time-out.
const EXPIRED: &str =
    "SELECT id FROM sessions WHERE expires_on <= ? AND times_out_on IS NULL AND timeout IS NULL LIMIT 10000";

const WRITE: &str = "\
    INSERT INTO sessions (bot, channel, target, thread, session, temp, context, expires_on, times_out_on) \
    VALUES (?1, ?2, ?3, ?4, ifnull(?5, '{}'), ifnull(?6, '{}'), ifnull(?7, '{}'), \
        iif(ifnull(?7, '{}') = '{}', ?9, ?10), \
        iif(ifnull(?7, '{}') <> '{}', ?11, iif(ifnull(?6, '{}') <> '{}', ?12, NULL))) \
    ON CONFLICT DO UPDATE SET \
        session = ifnull(?5, iif(expires_on > ?8, session, '{}')), \
        temp = ifnull(?6, iif(expires_on > ?8, temp, '{}')), \
        context = ifnull(?7, iif(expires_on > ?8, context, '{}')), \
        expires_on = iif(ifnull(?7, iif(expires_on > ?8, context, '{}')) = '{}', ?9, ?10), \
        times_out_on = iif(ifnull(?7, iif(expires_on > ?8, context, '{}')) <> '{}', ?11, \
            iif(ifnull(?6, iif(expires_on > ?8, temp, '{}')) <> '{}', ?12, NULL)), \
        timeout = NULL";

/// A session as it is after that. RETURNING would make a table for its one row.
const WRITTEN: &str = "SELECT session, temp, context, expires_on FROM sessions WHERE channel = ? AND target = ? AND thread = ? AND bot = ?";

impl Store {
    /// The state in which an event of that session begins. A session that has expired counts as absent; temp and context
    /// that have are given until their time-out has run.
    pub fn restore(&self, session: &SessionKey) -> Result<StateSnapshot, StoreError> {
        let stored = self.read(|connection| stored_state(connection, session, self.0.rules.per_bot))?;
        Ok(stored.at(self.now()))
    }

    /// The state in which that time-out begins; nothing where the session was stored or deleted since the time-out was
    /// queued: then it has nothing to do.
    pub fn restore_timeout(&self, event: EventId, session: &SessionKey) -> Result<Option<StateSnapshot>, StoreError> {
        Ok(self
            .read(|connection| stored_state(connection, session, self.0.rules.per_bot))?
            .of_timeout(event, self.now()))
    }

    /// Forgets the state of a session: of one bot, or of every bot that knows the user.
    pub fn delete_session(
        &self,
        bot: Option<BotId>,
        channel: String,
        target: String,
        thread: Option<Arc<str>>,
        then: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) {
        self.write_then(
            move |tx| {
                let bot = bot.as_ref().map(BotId::as_str);
                let sql = "DELETE FROM sessions \
                           WHERE channel = ?1 AND target = ?2 AND thread = ?3 AND (?4 IS NULL OR bot = ?4)";
                delete_where(tx, sql, params![channel, target, thread_key(&thread), bot]).map(drop)
            },
            then,
        );
    }

    /// Removes sessions and stored values whose time is over; to be called now and then, from a thread that may block. It
    /// looks for the sessions beside the writer and gives that only those that are to go.
    pub fn forget_expired(&self) -> Result<(), StoreError> {
        let now = self.now();
        let expired: Vec<i64> = self.read(|connection| {
            let mut statement = connection.prepare_cached(EXPIRED)?;
            let rows = statement.query_map([now], |row| row.get(0))?;
            rows.collect::<Result<_, _>>().map_err(StoreError::from)
        })?;
        let report = |outcome: Result<(), StoreError>| {
            if let Err(error) = outcome
                && !error.is_trouble()
            {
                tracing::warn!("expired rows could not be removed: {error}");
            }
        };
        for some in expired.chunks(200) {
            let some = some.to_vec();
            let op = move |tx: &Tx<'_>| {
                for id in &some {
                    let sql = "DELETE FROM sessions WHERE id = ? AND expires_on <= ? AND times_out_on IS NULL AND timeout IS NULL";
                    delete_where(tx, sql, params![id, now])?;
                }
                Ok(())
            };
            self.write_then(op, report);
        }
        self.write_then(move |tx| kvs::forget_expired(tx, now), report);
        self.write_then(move |tx| short_links::forget_expired(tx, now), report);
        Ok(())
    }

    /// Removes what has expired, at once and then each `every` of the clock, for as long as this is polled. The log beside the
    /// database is emptied where nothing was written in between.
    pub async fn keep_forgetting(&self, every: Duration) {
        let look = |store: &Self| {
            store.0.writer.checkpoints.empty_at_rest();
            store.forget_expired()
        };
        self.each(every, "expired rows", look).await;
    }
}

/// Forgets the state of one session.
pub(super) fn delete(tx: &Tx<'_>, session: &SessionKey) -> Result<(), StoreError> {
    let key = &session.conversation;
    let sql = "DELETE FROM sessions WHERE channel = ? AND target = ? AND thread = ? AND bot = ?";
    tx.run(sql, params![key.channel, key.target.as_str(), thread_key(&session.thread), key.bot.as_str()])?;
    tx.changed(PartKey::Session(session.clone()), Some(StatePart::Session(None)));
    Ok(())
}

/// Deletes sessions, and tells which; how many there were.
pub(super) fn delete_where(tx: &Tx<'_>, sql: &str, params: impl Params) -> Result<usize, StoreError> {
    changing(tx, sql, params, Some(&StatePart::Session(None)))
}

/// Changes sessions, and tells which; what they are now, if that is known.
pub(super) fn changing(
    tx: &Tx<'_>,
    sql: &str,
    params: impl Params,
    now: Option<&StatePart>,
) -> Result<usize, StoreError> {
    let mut statement = tx.connection.prepare_cached(&format!("{sql} RETURNING {SESSION_KEY}"))?;
    let sessions: Vec<SessionKey> = statement.query_map(params, session_of_row)?.collect::<Result<_, _>>()?;
    let count = sessions.len();
    sessions.into_iter().for_each(|session| tx.changed(PartKey::Session(session), now.cloned()));
    Ok(count)
}

/// Writes what an event leaves. A part that is absent stays as it is, but for what a time-out leaves of a dialog; the
/// session's time begins anew.
pub(super) fn write(
    tx: &Tx<'_>,
    session: &SessionKey,
    state: &StateChange,
    lifetimes: Lifetimes,
    timeout: bool,
) -> Result<(), StoreError> {
    let key = &session.conversation;
    let [stored, mut temp, mut context] =
        [&state.session, &state.temp, &state.context].map(|part| part.as_deref().map(RawValue::get));
    // What a time-out found counts, however late it runs.
    let mut alive = tx.now;
    if timeout {
        alive = 0;
        temp = temp.or(Some("{}"));
        context = context.or(Some("{}"));
    }
    if stored.is_some() || temp.is_some() || context.is_some() {
        let after = |lifetime: u64| tx.now.saturating_add(lifetime).min(LATEST);
        tx.run(
            WRITE,
            params![
                key.bot.as_str(),
                key.channel,
                key.target.as_str(),
                thread_key(&session.thread),
                stored,
                temp,
                context,
                alive,
                after(lifetimes.session),
                after(lifetimes.session.max(lifetimes.context)),
                after(lifetimes.context),
                after(lifetimes.session.min(lifetimes.context)),
            ],
        )?;
        let texts = match (stored, temp, context) {
            (Some(session), Some(temp), Some(context)) => {
                let longest =
                    if context == "{}" { lifetimes.session } else { lifetimes.session.max(lifetimes.context) };
                let [session, temp, context] = [session, temp, context].map(Arc::from);
                SessionTexts { session, temp, context, expires_on: after(longest) }
            }
            _ => written(tx, session)?,
        };
        tx.changed(PartKey::Session(session.clone()), Some(StatePart::Session(Some(texts))));
    }
    match &state.user {
        Some(changed) if !changed.is_empty() => users::merge(tx, UserName::of(key, tx.rules.per_bot), changed),
        _ => Ok(()),
    }
}

/// The session as it was just written.
fn written(tx: &Tx<'_>, session: &SessionKey) -> Result<SessionTexts, StoreError> {
    let key = &session.conversation;
    let params = params![key.channel, key.target.as_str(), thread_key(&session.thread), key.bot.as_str()];
    let texts = tx.connection.prepare_cached(WRITTEN)?.query_row(params, |row| {
        let part = |column| row.get_ref(column)?.as_str().map(Arc::from).map_err(rusqlite::Error::from);
        Ok(SessionTexts { session: part(0)?, temp: part(1)?, context: part(2)?, expires_on: row.get(3)? })
    });
    Ok(texts?)
}

/// All that the state of a session is made of, as it is stored.
pub(super) struct StoredState {
    user: Arc<str>,
    session: Option<SessionTexts>,
    bot: Option<(Arc<str>, Option<u64>)>,
    /// The time-out that was queued for it.
    timeout: Option<u64>,
}

impl StoredState {
    /// The state in which an event begins at `now`.
    pub(super) fn at(&self, now: u64) -> StateSnapshot {
        snapshot(now, &self.user, self.session.as_ref(), self.bot.as_ref())
    }

    /// The state in which that time-out begins, if the session still waits for it. Its session counts whatever the time: it runs
    /// late where the server was down.
    pub(super) fn of_timeout(&self, event: EventId, now: u64) -> Option<StateSnapshot> {
        let session = self.session.as_ref().filter(|_| self.timeout == Some(event.0))?;
        let whenever = SessionTexts { expires_on: u64::MAX, ..session.clone() };
        Some(snapshot(now, &self.user, Some(&whenever), self.bot.as_ref()))
    }

    /// For the cache.
    pub(super) fn parts(self) -> [StatePart; 3] {
        [StatePart::Session(self.session), StatePart::User(self.user), StatePart::Bot(self.bot)]
    }
}

/// Reads what the state of a session is made of.
pub(super) fn stored_state(
    connection: &Connection,
    session: &SessionKey,
    per_bot: bool,
) -> Result<StoredState, StoreError> {
    let SessionKey { conversation: key, thread } = session;
    let user = UserName::of(key, per_bot);
    let params = params![key.bot.as_str(), key.channel, key.target.as_str(), thread_key(thread), user.channel];
    let found = connection.prepare_cached(STATE)?.query_row(params, |row| {
        let text = |column| row.get::<_, Option<String>>(column).map(|text| text.map(Arc::<str>::from));
        let session = match (text(1)?, text(2)?, text(3)?) {
            (Some(session), Some(temp), Some(context)) => {
                Some(SessionTexts { session, temp, context, expires_on: row.get(4)? })
            }
            _ => None,
        };
        let bot = text(6)?.map(|value| Ok::<_, rusqlite::Error>((value, row.get(7)?))).transpose()?;
        Ok(StoredState { user: text(0)?.unwrap_or_else(|| "{}".into()), session, bot, timeout: row.get(5)? })
    });
    Ok(found?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::*;
    use super::super::{ConversationTarget, Expiry, KvsPlace, KvsWrite};
    use super::*;

    fn change(json: &str) -> StateChange {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_part_that_is_absent_stays_and_a_user_attribute_that_is_null_goes() {
        let fixture = Fixture::new();
        let event = fixture.accept("ann", ConversationTarget::Recent).event;
        let state =
            r#"{"session":{"lastMessages":[1]},"temp":{"a":1},"user":{"lang":"en","age":3,"__proto__":{"x":1}}}"#;
        fixture.finish(&event, Some(change(state)));
        let again = fixture.accept("ann", ConversationTarget::Recent).event;
        assert_eq!(again.session(), event.session());
        fixture.finish(&again, Some(change(r#"{"context":{"node":"n"},"user":{"age":null,"name":"Ann"}}"#)));
        let fixture = fixture.reopen();
        assert_eq!(
            fixture.store.restore(&event.session()).unwrap(),
            StateSnapshot {
                user: r#"{"lang":"en","__proto__":{"x":1},"name":"Ann"}"#.into(),
                session: r#"{"lastMessages":[1]}"#.into(),
                temp: r#"{"a":1}"#.into(),
                context: r#"{"node":"n"}"#.into(),
                bot: "{}".into(),
            }
        );
    }

    #[test]
    fn sessions_of_other_bots_channels_users_and_threads_are_apart() {
        let fixture = Fixture::new();
        let event = fixture.accept("a::b", ConversationTarget::Nowhere).event;
        fixture.finish(&event, Some(change(r#"{"session":{"mine":true}}"#)));
        let mine = event.session();
        assert_eq!(fixture.store.restore(&mine).unwrap().session, r#"{"mine":true}"#);
        let mut others = vec![mine.clone(), mine.clone(), mine.clone(), mine.clone()];
        others[0].conversation.bot = BotId::parse("other").unwrap();
        others[1].thread = Some("b".into());
        others[1].conversation.target = crate::model::UserId::parse("a").unwrap();
        others[2].thread = Some("".into());
        others[3].conversation.channel = "api".into();
        for other in others {
            assert_eq!(fixture.store.restore(&other).unwrap().session, "{}", "{other:?}");
        }
    }

    #[test]
    fn a_session_expires_and_user_attributes_do_not() {
        let fixture = Fixture::new();
        let event = fixture.accept("ann", ConversationTarget::Nowhere).event;
        let state = || change(r#"{"session":{"s":1},"temp":{"t":1},"context":{"c":1},"user":{"u":1}}"#);
        fixture.finish(&event, Some(state()));
        fixture.clock.advance(Duration::from_secs(29 * 60));
        assert_eq!(fixture.store.restore(&event.session()).unwrap().temp, r#"{"t":1}"#);
        fixture.clock.advance(Duration::from_secs(60));
        let late = fixture.store.restore(&event.session()).unwrap();
        assert_eq!((late.session.as_str(), late.temp.as_str(), late.context.as_str()), ("{}", "{}", "{}"));
        assert_eq!(late.user, r#"{"u":1}"#);
        let event = fixture.accept("ann", ConversationTarget::Nowhere).event;
        fixture.finish(&event, Some(change(r#"{"temp":{"new":1}}"#)));
        let fresh = fixture.store.restore(&event.session()).unwrap();
        assert_eq!(
            (fresh.session.as_str(), fresh.temp.as_str()),
            ("{}", r#"{"new":1}"#),
            "the expired part stays away"
        );
    }

    #[test]
    fn temp_and_context_that_have_expired_are_given_until_their_time_out_has_run() {
        let fixture = Fixture::new();
        let event = fixture.accept("ann", ConversationTarget::Nowhere).event;
        fixture.finish(&event, Some(change(r#"{"temp":{"t":1},"context":{"c":1}}"#)));
        fixture.clock.advance(Duration::from_secs(26 * 60));
        let state = fixture.store.restore(&event.session()).unwrap();
        assert_eq!((state.temp.as_str(), state.context.as_str()), (r#"{"t":1}"#, r#"{"c":1}"#));
    }

    #[test]
    fn a_bots_own_lifetimes_count_for_what_its_events_leave() {
        let fixture = Fixture::new();
        let event = fixture.accept("ann", ConversationTarget::Nowhere).event;
        let lifetimes = Lifetimes { context: 5_000, session: 9_000 };
        fixture.finish_with(&event, Some(change(r#"{"session":{"s":1}}"#)), lifetimes);
        fixture.clock.advance(Duration::from_millis(8_999));
        assert_eq!(fixture.store.restore(&event.session()).unwrap().session, r#"{"s":1}"#);
        fixture.clock.advance(Duration::from_millis(1));
        assert_eq!(fixture.store.restore(&event.session()).unwrap().session, "{}");
    }

    #[test]
    fn a_session_lives_as_long_as_its_dialog_even_if_its_own_time_is_shorter() {
        let fixture = Fixture::new();
        let event = fixture.accept("ann", ConversationTarget::Nowhere).event;
        let lifetimes = Lifetimes { context: 90_000, session: 10_000 };
        fixture.finish_with(&event, Some(change(r#"{"session":{"s":1},"context":{"c":1}}"#)), lifetimes);
        fixture.clock.advance(Duration::from_secs(60));
        fixture.store.forget_expired().unwrap();
        assert_eq!(fixture.store.restore(&event.session()).unwrap().session, r#"{"s":1}"#);
        // Past both, it is new to its user, and waits in the table for its time-out.
        fixture.clock.advance(Duration::from_secs(30));
        fixture.store.forget_expired().unwrap();
        assert_eq!(fixture.store.restore(&event.session()).unwrap().session, "{}");
        assert_eq!(fixture.store.due(10).unwrap().len(), 1);
        // A dialog that has ended keeps nothing.
        let again = fixture.accept("ann", ConversationTarget::Nowhere).event;
        fixture.finish_with(&again, Some(change(r#"{"session":{"s":2},"context":{}}"#)), lifetimes);
        fixture.clock.advance(Duration::from_secs(10));
        fixture.store.forget_expired().unwrap();
        wait(|then| fixture.store.barrier(move || then(())));
        assert_eq!(fixture.sessions(), 0);
    }

    #[test]
    fn what_has_expired_is_found_by_an_index_and_a_state_by_its_key() {
        let fixture = Fixture::new();
        fixture.plan(EXPIRED, &["SEARCH sessions USING INDEX sessions_expiring (expires_on<?)"]);
        fixture.plan(
            STATE,
            &[
                "SEARCH u USING INDEX sqlite_autoindex_users_1 (channel=? AND user_id=?) LEFT-JOIN",
                "SEARCH s USING INDEX sqlite_autoindex_sessions_1 (channel=? AND target=? AND thread=? AND bot=?) LEFT-JOIN",
                "SEARCH k USING INDEX sqlite_autoindex_kvs_1 (key=? AND bot=?) LEFT-JOIN",
            ],
        );
    }

    #[test]
    fn forgetting_removes_what_has_expired_and_nothing_else() {
        let fixture = Fixture::new();
        let old = fixture.accept("old", ConversationTarget::Nowhere).event;
        fixture.finish(&old, Some(change(r#"{"session":{"s":1}}"#)));
        let place = KvsPlace { bot: "b".into(), key: "k".into() };
        let write = KvsWrite { place, owner: None, expiry: Expiry::After(5) };
        wait(|then| fixture.store.kvs_set(write, "1".into(), then)).unwrap();
        fixture.clock.advance(Duration::from_secs(31 * 60));
        let new = fixture.accept("new", ConversationTarget::Nowhere).event;
        fixture.finish(&new, Some(change(r#"{"session":{"s":2}}"#)));
        fixture.store.forget_expired().unwrap();
        wait(|then| fixture.store.barrier(move || then(())));
        let count = |table: &str| {
            let sql = format!("SELECT count(*) FROM {table}");
            fixture.store.read(|connection| Ok(connection.query_row(&sql, [], |row| row.get::<_, u64>(0))?)).unwrap()
        };
        assert_eq!((count("sessions"), count("kvs")), (1, 0));
        assert_eq!(fixture.store.restore(&new.session()).unwrap().session, r#"{"s":2}"#);
    }

    #[tokio::test]
    async fn what_has_expired_goes_without_anybody_asking() {
        let fixture = Fixture::new();
        let old = fixture.accept("old", ConversationTarget::Nowhere).event;
        fixture.finish(&old, Some(change(r#"{"session":{"s":1}}"#)));
        fixture.clock.advance(Duration::from_secs(31 * 60));
        let gone = async {
            while fixture.sessions() > 0 {
                tokio::task::yield_now().await;
            }
            let next = fixture.accept("next", ConversationTarget::Nowhere).event;
            fixture.finish(&next, Some(change(r#"{"session":{"s":1}}"#)));
            // Nothing but the clock is moved, and it goes.
            fixture.clock.advance(Duration::from_secs(3_600));
            while fixture.sessions() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = fixture.store.keep_forgetting(Duration::from_secs(3_600)) => {}
            () = gone => {}
        }
        assert_eq!(fixture.sessions(), 0);
    }

    #[test]
    fn deleting_a_session_is_for_one_bot_or_for_all() {
        let fixture = Fixture::new();
        let event = fixture.accept("ann", ConversationTarget::Nowhere).event;
        let delete = |bot: Option<&str>| {
            let bot = bot.map(|bot| BotId::parse(bot).unwrap());
            wait(|then| fixture.store.delete_session(bot, "web".into(), "ann".into(), None, then)).unwrap();
        };
        fixture.finish(&event, Some(change(r#"{"session":{"s":1}}"#)));
        delete(Some("other"));
        assert_eq!(fixture.store.restore(&event.session()).unwrap().session, r#"{"s":1}"#);
        delete(None);
        assert_eq!(fixture.store.restore(&event.session()).unwrap().session, "{}");
    }

    #[test]
    fn the_bots_variables_are_its_global_key() {
        let fixture = Fixture::new();
        let event = fixture.accept("ann", ConversationTarget::Nowhere).event;
        let place = KvsPlace { bot: "my-bot".into(), key: "global".into() };
        let write = KvsWrite { place, owner: None, expiry: Expiry::Keep };
        wait(|then| fixture.store.kvs_set(write, r#"{"g":1}"#.into(), then)).unwrap();
        assert_eq!(fixture.store.restore(&event.session()).unwrap().bot, r#"{"g":1}"#);
    }
}
