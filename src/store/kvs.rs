//! Values that scripts store under a key (`bp.kvs`), by bot or any other name.

use rusqlite::{Connection, OptionalExtension, params};

use super::error::StoreError;
use super::handle::{Order, Store};
use super::state_cache::{PartKey, StatePart, Variables};
use super::tx::Tx;
use crate::model::BotId;

/// The key of a bot's variables, `event.state.bot`.
const GLOBAL: &str = "global";

/// What becomes of the expiry of a stored value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// It stays as it is; a new value never expires.
    Keep,
    /// It never expires.
    Never,
    /// It expires after that many milliseconds.
    After(u64),
}

impl Store {
    /// The value under a key as JSON text; `None` if there is none or its time is over.
    pub fn kvs_get(
        &self,
        order: Order,
        bot: String,
        key: String,
        then: impl FnOnce(Result<Option<String>, StoreError>) + Send + 'static,
    ) {
        self.query(order, move |connection, now| get(connection, &bot, &key, now), then);
    }

    /// Stores what `change` makes of the present value (JSON text, `None` if there is none), in one transaction.
    pub fn kvs_change(
        &self,
        bot: String,
        key: String,
        expiry: Expiry,
        change: impl FnOnce(Option<String>) -> Result<String, StoreError> + Send + 'static,
        then: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) {
        self.kvs_update(bot, key, expiry, |present| Ok((Some(change(present)?), ())), then);
    }

    /// As [`kvs_change`](Self::kvs_change), but `change` may leave things as they are with `None`, and gives an answer.
    pub fn kvs_update<T: Send + 'static>(
        &self,
        bot: String,
        key: String,
        expiry: Expiry,
        change: impl FnOnce(Option<String>) -> Result<(Option<String>, T), StoreError> + Send + 'static,
        then: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) {
        self.write_then(
            move |tx| {
                let present = get(tx.connection, &bot, &key, tx.now)?;
                let keep = expiry == Expiry::Keep && present.is_some();
                let (value, answer) = change(present)?;
                let Some(value) = value else { return Ok(answer) };
                let expires_on = match expiry {
                    Expiry::Keep | Expiry::Never => None,
                    Expiry::After(ms) => Some(tx.now.saturating_add(ms).min(i64::MAX as u64)),
                };
                let sql = "INSERT INTO kvs (key, bot, value, expires_on) VALUES (?1, ?2, ?3, ?4) \
                           ON CONFLICT DO UPDATE SET value = ?3, expires_on = iif(?5, expires_on, ?4)";
                let params = params![key, bot, value, expires_on, keep];
                tx.run(sql, params)?;
                // Of one that keeps its time that is not at hand.
                changed(tx, &bot, &key, || (!keep).then(|| Some((value.into(), expires_on))));
                Ok(answer)
            },
            then,
        );
    }

    /// Removes the value under a key; whether there was one.
    pub fn kvs_delete(&self, bot: String, key: String, then: impl FnOnce(Result<bool, StoreError>) + Send + 'static) {
        let op = move |tx: &Tx<'_>| {
            let sql = "DELETE FROM kvs WHERE key = ? AND bot = ? RETURNING expires_on IS NULL OR expires_on > ?";
            let mut statement = tx.connection.prepare_cached(sql)?;
            let there = statement.query_row(params![key, bot, tx.now], |row| row.get(0)).optional()?;
            changed(tx, &bot, &key, || Some(None));
            Ok(there.unwrap_or(false))
        };
        self.write_then(op, then);
    }

    /// Removes, for all bots, the keys that begin with exactly that text.
    pub fn kvs_delete_prefix(&self, prefix: String, then: impl FnOnce(Result<(), StoreError>) + Send + 'static) {
        let op = move |tx: &Tx<'_>| {
            if GLOBAL.starts_with(&prefix) {
                tx.all_bots_changed();
            }
            match successor(&prefix) {
                Some(end) => tx.run("DELETE FROM kvs WHERE key >= ? AND key < ?", [&prefix, &end]).map(drop),
                None => tx.run("DELETE FROM kvs WHERE key >= ?", [&prefix]).map(drop),
            }
        };
        self.write_then(op, then);
    }
}

/// Removes some of the values whose time was over at `then`.
pub(super) fn forget_expired(tx: &Tx<'_>, then: u64) -> Result<(), StoreError> {
    let sql = "DELETE FROM kvs WHERE id IN (SELECT id FROM kvs WHERE expires_on <= ? LIMIT 1000) RETURNING bot, key";
    let mut statement = tx.connection.prepare_cached(sql)?;
    let mut rows = statement.query([then])?;
    while let Some(row) = rows.next()? {
        let (bot, key): (String, String) = (row.get(0)?, row.get(1)?);
        changed(tx, &bot, &key, || Some(None));
    }
    Ok(())
}

/// Tells of a change of a bot's variables; what they are now, if that is known.
fn changed(tx: &Tx<'_>, bot: &str, key: &str, now: impl FnOnce() -> Option<Variables>) {
    // Names of bots are in lower case where variables are read.
    if key == GLOBAL
        && let Ok(id) = BotId::parse(bot)
        && id.as_str() == bot
    {
        tx.changed(PartKey::Bot(id), now().map(StatePart::Bot));
    }
}

fn get(connection: &Connection, bot: &str, key: &str, now: u64) -> Result<Option<String>, StoreError> {
    let sql = "SELECT value FROM kvs WHERE key = ? AND bot = ? AND (expires_on IS NULL OR expires_on > ?)";
    Ok(connection.prepare_cached(sql)?.query_row(params![key, bot, now], |row| row.get(0)).optional()?)
}

/// The first text, in the order of UTF-8 bytes, after all that begin with `prefix`; `None` if none comes after them.
fn successor(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        // A range skips the surrogates, which are no characters.
        if let Some(next) = (last..=char::MAX).nth(1) {
            text.push(next);
            return Some(text);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    fn set(fixture: &Fixture, bot: &str, key: &str, value: &'static str, expiry: Expiry) {
        let (bot, key) = (bot.to_owned(), key.to_owned());
        wait(|then| fixture.store.kvs_change(bot, key, expiry, move |_| Ok(value.into()), then)).unwrap();
    }

    fn get(fixture: &Fixture, bot: &str, key: &str) -> Option<String> {
        wait(|then| fixture.store.kvs_get(Order::AtOnce, bot.to_owned(), key.to_owned(), then)).unwrap()
    }

    #[test]
    fn any_text_is_a_key() {
        let fixture = Fixture::new();
        for (value, key) in
            [("1", "__proto__"), ("2", "constructor"), ("3", ""), ("4", "日本"), ("5", "a\0b"), ("6", "a")]
        {
            set(&fixture, "my-bot", key, value, Expiry::Keep);
        }
        let fixture = fixture.reopen();
        for (value, key) in
            [("1", "__proto__"), ("2", "constructor"), ("3", ""), ("4", "日本"), ("5", "a\0b"), ("6", "a")]
        {
            assert_eq!(get(&fixture, "my-bot", key).as_deref(), Some(value), "{key:?}");
        }
        assert_eq!(get(&fixture, "other", "a"), None);
    }

    #[test]
    fn a_value_expires_and_a_change_without_expiry_keeps_its_time() {
        let fixture = Fixture::new();
        set(&fixture, "b", "k", "1", Expiry::After(1_000));
        set(&fixture, "b", "k", "2", Expiry::Keep);
        assert_eq!(get(&fixture, "b", "k").as_deref(), Some("2"));
        fixture.clock.advance(std::time::Duration::from_secs(1));
        assert_eq!(get(&fixture, "b", "k"), None);
        assert!(!wait(|then| fixture.store.kvs_delete("b".into(), "k".into(), then)).unwrap());
        set(&fixture, "b", "k", "3", Expiry::Keep);
        assert_eq!(get(&fixture, "b", "k").as_deref(), Some("3"), "a new value is not born expired");
        assert!(wait(|then| fixture.store.kvs_delete("b".into(), "k".into(), then)).unwrap());
        assert_eq!(get(&fixture, "b", "k"), None);
    }

    #[test]
    fn a_prefix_is_literal_and_holds_for_all_bots() {
        let fixture = Fixture::new();
        let last = format!("x{}", char::MAX);
        for key in ["a%b", "a%bc", "aXb", "a_", "a", &last, &format!("{last}y"), "y"] {
            set(&fixture, "one", key, "1", Expiry::Keep);
            set(&fixture, "two", key, "1", Expiry::Keep);
        }
        for prefix in ["a%b", "a_", &last] {
            wait(|then| fixture.store.kvs_delete_prefix(prefix.to_owned(), then)).unwrap();
        }
        for bot in ["one", "two"] {
            let left: Vec<_> = ["a%b", "a%bc", "aXb", "a_", "a", &last, &format!("{last}y"), "y"]
                .into_iter()
                .filter(|key| get(&fixture, bot, key).is_some())
                .map(str::to_owned)
                .collect();
            assert_eq!(left, ["aXb", "a", "y"]);
        }
        assert_eq!(successor("a\u{D7FF}").as_deref(), Some("a\u{E000}"));
        assert_eq!(successor(&char::MAX.to_string()), None);
    }

    #[test]
    fn a_read_in_line_with_the_writes_sees_those_before_and_none_after() {
        let fixture = Fixture::new();
        let change = |value: &'static str| {
            fixture.store.kvs_change("b".into(), "k".into(), Expiry::Keep, move |_| Ok(value.into()), drop);
        };
        change("1");
        let seen = wait(|then| {
            fixture.store.kvs_get(Order::AfterWrites, "b".into(), "k".into(), then);
            change("2");
        });
        assert_eq!(seen.unwrap().as_deref(), Some("1"));
    }
}
