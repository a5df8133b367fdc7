//! Values that scripts store under a key (`bp.kvs`), by bot or any other name.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Order, Store, StoreError};

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
        self.write_then(
            move |tx| {
                let present = get(tx.connection, &bot, &key, tx.now)?;
                let keep = expiry == Expiry::Keep && present.is_some();
                let value = change(present)?;
                let expires_on = match expiry {
                    Expiry::Keep | Expiry::Never => None,
                    Expiry::After(ms) => Some(tx.now.saturating_add(ms).min(i64::MAX as u64)),
                };
                let sql = "INSERT INTO kvs (key, bot, value, expires_on) VALUES (?1, ?2, ?3, ?4) \
                           ON CONFLICT DO UPDATE SET value = ?3, expires_on = iif(?5, expires_on, ?4)";
                tx.run(sql, params![key, bot, value, expires_on, keep]).map(drop)
            },
            then,
        );
    }

    /// Removes the value under a key; whether there was one.
    pub fn kvs_delete(&self, bot: String, key: String, then: impl FnOnce(Result<bool, StoreError>) + Send + 'static) {
        let op = move |tx: &super::Tx<'_>| {
            let sql = "DELETE FROM kvs WHERE key = ? AND bot = ? RETURNING expires_on IS NULL OR expires_on > ?";
            let mut statement = tx.connection.prepare_cached(sql)?;
            let there = statement.query_row(params![key, bot, tx.now], |row| row.get(0)).optional()?;
            Ok(there.unwrap_or(false))
        };
        self.write_then(op, then);
    }

    /// Removes, for all bots, the keys that begin with exactly that text.
    pub fn kvs_delete_prefix(&self, prefix: String, then: impl FnOnce(Result<(), StoreError>) + Send + 'static) {
        let op = move |tx: &super::Tx<'_>| match successor(&prefix) {
            Some(end) => tx.run("DELETE FROM kvs WHERE key >= ? AND key < ?", [&prefix, &end]).map(drop),
            None => tx.run("DELETE FROM kvs WHERE key >= ?", [&prefix]).map(drop),
        };
        self.write_then(op, then);
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
