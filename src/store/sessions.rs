//! The state of sessions, as opaque JSON text.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::params;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};

use super::{Store, StoreError, Tx, users};
use crate::model::{BotId, SessionKey, StateChange, StateSnapshot};

impl Store {
    /// The state in which an event of that session begins. What has expired counts as absent.
    pub fn restore(&self, session: &SessionKey) -> Result<StateSnapshot, StoreError> {
        // One statement is one look at the database: the parts belong together.
        let sql = "SELECT \
                   (SELECT attributes FROM users WHERE channel = ?2 AND user_id = ?3), \
                   s.session, s.temp, s.context, \
                   (SELECT value FROM kvs WHERE key = 'global' AND bot = ?1 AND (expires_on IS NULL OR expires_on > ?5)) \
                   FROM (SELECT 1) LEFT JOIN sessions s \
                   ON s.channel = ?2 AND s.target = ?3 AND s.thread = ?4 AND s.bot = ?1 AND s.expires_on > ?5";
        let key = &session.conversation;
        let now = self.now();
        self.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let params = params![key.bot.as_str(), key.channel, key.target.as_str(), thread_key(&session.thread), now];
            let snapshot = statement.query_row(params, |row| {
                let or_empty =
                    |column| row.get(column).map(|text: Option<String>| text.unwrap_or_else(|| "{}".to_owned()));
                Ok(StateSnapshot {
                    user: or_empty(0)?,
                    session: or_empty(1)?,
                    temp: or_empty(2)?,
                    context: or_empty(3)?,
                    bot: or_empty(4)?,
                })
            })?;
            Ok(snapshot)
        })
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
                tx.run(sql, params![channel, target, thread_key(&thread), bot]).map(drop)
            },
            then,
        );
    }

    /// Removes sessions and stored values whose time is over; to be called now and then, from a thread that may block. It
    /// looks through the sessions beside the writer and gives that only the few that are to go.
    pub fn forget_expired(&self) -> Result<(), StoreError> {
        let now = self.now();
        let expired: Vec<i64> = self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT id FROM sessions WHERE expires_on <= ? LIMIT 10000")?;
            let rows = statement.query_map([now], |row| row.get(0))?;
            rows.collect::<Result<_, _>>().map_err(StoreError::from)
        })?;
        let report = |outcome: Result<usize, StoreError>| {
            if let Err(error) = outcome {
                tracing::warn!("expired rows could not be removed: {error}");
            }
        };
        for some in expired.chunks(200) {
            let some = some.to_vec();
            let op = move |tx: &Tx<'_>| {
                for id in &some {
                    tx.run("DELETE FROM sessions WHERE id = ? AND expires_on <= ?", params![id, now])?;
                }
                Ok(some.len())
            };
            self.write_then(op, report);
        }
        let sql = "DELETE FROM kvs WHERE id IN (SELECT id FROM kvs WHERE expires_on <= ? LIMIT 1000)";
        self.write_then(move |tx| tx.run(sql, [now]), report);
        Ok(())
    }

    /// Removes what has expired once each `every`, for as long as this is polled.
    pub async fn keep_forgetting(&self, every: Duration) {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let store = self.clone();
            let outcome = tokio::task::spawn_blocking(move || store.forget_expired()).await;
            if let Ok(Err(error)) = outcome {
                tracing::warn!("expired rows could not be looked for: {error}");
            }
        }
    }
}

/// Writes what an event leaves. A part that is absent stays as it is; the session's time begins anew.
pub(super) fn write(tx: &Tx<'_>, session: &SessionKey, state: StateChange) -> Result<(), StoreError> {
    let key = &session.conversation;
    if state.session.is_some() || state.temp.is_some() || state.context.is_some() {
        let sql = "INSERT INTO sessions (bot, channel, target, thread, session, temp, context, expires_on) \
                   VALUES (?1, ?2, ?3, ?4, ifnull(?5, '{}'), ifnull(?6, '{}'), ifnull(?7, '{}'), ?9) \
                   ON CONFLICT DO UPDATE SET \
                   session = ifnull(?5, iif(expires_on > ?8, session, '{}')), \
                   temp = ifnull(?6, iif(expires_on > ?8, temp, '{}')), \
                   context = ifnull(?7, iif(expires_on > ?8, context, '{}')), expires_on = ?9";
        tx.run(
            sql,
            params![
                key.bot.as_str(),
                key.channel,
                key.target.as_str(),
                thread_key(&session.thread),
                state.session.as_ref().map(|json| json.get()),
                state.temp.as_ref().map(|json| json.get()),
                state.context.as_ref().map(|json| json.get()),
                tx.now,
                tx.now.saturating_add(tx.lifetimes.session),
            ],
        )?;
    }
    match state.user {
        Some(changed) if !changed.is_empty() => users::merge(tx, &key.channel, key.target.as_str(), changed),
        _ => Ok(()),
    }
}

/// A thread as part of a key. NULL is never equal to NULL in SQL, so that no thread is an empty blob: it differs from any
/// text, empty text too.
fn thread_key(thread: &Option<Arc<str>>) -> ToSqlOutput<'_> {
    match thread {
        Some(thread) => ToSqlOutput::Borrowed(ValueRef::Text(thread.as_bytes())),
        None => ToSqlOutput::Owned(Value::Blob(Vec::new())),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::*;
    use super::super::{Expiry, Place};
    use super::*;

    fn change(json: &str) -> StateChange {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_part_that_is_absent_stays_and_a_user_attribute_that_is_null_goes() {
        let fixture = Fixture::new();
        let event = fixture.accept("ann", Place::Recent).event;
        let state =
            r#"{"session":{"lastMessages":[1]},"temp":{"a":1},"user":{"lang":"en","age":3,"__proto__":{"x":1}}}"#;
        fixture.finish(&event, Some(change(state)));
        let again = fixture.accept("ann", Place::Recent).event;
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
        let event = fixture.accept("a::b", Place::Nowhere).event;
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
        let event = fixture.accept("ann", Place::Nowhere).event;
        let state = || change(r#"{"session":{"s":1},"temp":{"t":1},"context":{"c":1},"user":{"u":1}}"#);
        fixture.finish(&event, Some(state()));
        fixture.clock.advance(Duration::from_secs(29 * 60));
        assert_eq!(fixture.store.restore(&event.session()).unwrap().temp, r#"{"t":1}"#);
        fixture.clock.advance(Duration::from_secs(60));
        let late = fixture.store.restore(&event.session()).unwrap();
        assert_eq!((late.session.as_str(), late.temp.as_str(), late.context.as_str()), ("{}", "{}", "{}"));
        assert_eq!(late.user, r#"{"u":1}"#);
        let event = fixture.accept("ann", Place::Nowhere).event;
        fixture.finish(&event, Some(change(r#"{"temp":{"new":1}}"#)));
        let fresh = fixture.store.restore(&event.session()).unwrap();
        assert_eq!(
            (fresh.session.as_str(), fresh.temp.as_str()),
            ("{}", r#"{"new":1}"#),
            "the expired part stays away"
        );
    }

    #[test]
    fn forgetting_removes_what_has_expired_and_nothing_else() {
        let fixture = Fixture::new();
        let old = fixture.accept("old", Place::Nowhere).event;
        fixture.finish(&old, Some(change(r#"{"session":{"s":1}}"#)));
        wait(|then| fixture.store.kvs_change("b".into(), "k".into(), Expiry::After(5), |_| Ok("1".into()), then))
            .unwrap();
        fixture.clock.advance(Duration::from_secs(31 * 60));
        let new = fixture.accept("new", Place::Nowhere).event;
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
        let old = fixture.accept("old", Place::Nowhere).event;
        fixture.finish(&old, Some(change(r#"{"session":{"s":1}}"#)));
        fixture.clock.advance(Duration::from_secs(31 * 60));
        let sql = "SELECT count(*) FROM sessions";
        let left =
            || fixture.store.read(|connection| Ok(connection.query_row(sql, [], |row| row.get::<_, u64>(0))?)).unwrap();
        assert_eq!(left(), 1);
        let gone = async {
            while left() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = fixture.store.keep_forgetting(Duration::from_secs(3_600)) => {}
            () = gone => {}
        }
    }

    #[test]
    fn deleting_a_session_is_for_one_bot_or_for_all() {
        let fixture = Fixture::new();
        let event = fixture.accept("ann", Place::Nowhere).event;
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
        let event = fixture.accept("ann", Place::Nowhere).event;
        let set = |then: Then<_>| {
            fixture.store.kvs_change("my-bot".into(), "global".into(), Expiry::Keep, |_| Ok(r#"{"g":1}"#.into()), then);
        };
        wait(set).unwrap();
        assert_eq!(fixture.store.restore(&event.session()).unwrap().bot, r#"{"g":1}"#);
    }
}
