//! Values that scripts store under a key (`bp.kvs`), by bot or any other name.
//!
//! Whatever it takes long to read or to take apart is not done on the writer's thread: a long value is read and changed
//! elsewhere, and put in the place of what was read, if that is still there.

use rusqlite::{Connection, OptionalExtension, params};

use super::error::StoreError;
use super::handle::Store;
use super::state_cache::{PartKey, StatePart, Variables};
use super::tx::Tx;
use crate::model::{BotId, apart};

/// The key of a bot's variables, `event.state.bot`.
const GLOBAL: &str = "global";
/// The largest value that is changed in parts on the writer's thread, in bytes.
const IN_PLACE: u64 = 1 << 20;
/// Some of the values whose keys lie in a range: of all bots, or of one bot and the names that it has to itself.
const UP_TO: &str = "DELETE FROM kvs WHERE id IN (SELECT id FROM kvs WHERE key >= ?1 AND key < ?2 \
     AND (?4 IS NULL OR bot = ?4 OR bot >= ?5 AND bot < ?6) LIMIT ?3)";
/// The same of a range that has no end.
const TO_THE_LAST: &str = "DELETE FROM kvs WHERE id IN (SELECT id FROM kvs WHERE key >= ?1 AND ?2 IS NULL \
     AND (?4 IS NULL OR bot = ?4 OR bot >= ?5 AND bot < ?6) LIMIT ?3)";
/// As many values are removed in one operation.
const SOME: u16 = 200;

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

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvsPlace {
    /// The name under which the keys stand: a bot's id, or any other.
    pub bot: String,
    /// The key.
    pub key: String,
}

/// A value that is to be written.
#[derive(Debug, Clone)]
pub struct KvsWrite {
    /// Where.
    pub place: KvsPlace,
    /// Whose it is from then on: of the bot whose script writes it, or of none.
    pub owner: Option<BotId>,
    /// When it expires.
    pub expiry: Expiry,
}

/// What stands under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KvsFound {
    /// No value, or one whose time is over.
    Nothing,
    /// That value, as JSON text.
    Value(String),
    /// A value of so many bytes, which is longer than what was asked for.
    Longer(u64),
}

/// The row that a value is to take.
struct Before {
    bytes: u64,
    owner: String,
    /// Its time is not over.
    there: bool,
}

impl Store {
    /// The value under a key, if it has no more than `most` bytes. It is read here and now: all that is committed is seen.
    pub fn kvs_get(&self, place: &KvsPlace, most: u64) -> Result<KvsFound, StoreError> {
        let now = self.now();
        self.read(|connection| get(connection, place, most, now))
    }

    /// How many bytes the value under a key has, if there is one.
    pub fn kvs_size(&self, place: &KvsPlace) -> Result<Option<u64>, StoreError> {
        Ok(match self.kvs_get(place, 0)? {
            KvsFound::Nothing => None,
            KvsFound::Value(value) => Some(value.len() as u64),
            KvsFound::Longer(bytes) => Some(bytes),
        })
    }

    /// Stores a value, whatever is there.
    pub fn kvs_set(&self, write: KvsWrite, value: String, then: impl FnOnce(Result<(), StoreError>) + Send + 'static) {
        let op = move |tx: &Tx<'_>| {
            let before = before(tx, &write.place)?;
            put(tx, &write, before.as_ref(), value)
        };
        self.write_then(op, then);
    }

    /// Stores what `change` makes of the present value (JSON text, `None` if there is none), in one transaction; with `None`
    /// it leaves things as they are. It gives an answer, too. [`StoreError::Invalid`] where the value is longer than what may
    /// be taken apart here: see [`Store::kvs_replace`].
    pub fn kvs_update<T: Send + 'static>(
        &self,
        write: KvsWrite,
        change: impl FnOnce(Option<String>) -> Result<(Option<String>, T), StoreError> + Send + 'static,
        then: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) {
        let op = move |tx: &Tx<'_>| {
            let before = before(tx, &write.place)?;
            let present = match get(tx.connection, &write.place, IN_PLACE, tx.now)? {
                KvsFound::Nothing => None,
                KvsFound::Value(value) => Some(value),
                KvsFound::Longer(bytes) => {
                    return Err(StoreError::Invalid(format!(
                        "the value of {:?} has {bytes} bytes meanwhile; ask once more",
                        write.place.key
                    )));
                }
            };
            let (value, answer) = change(present)?;
            if let Some(value) = value {
                put(tx, &write, before.as_ref(), value)?;
            }
            Ok(answer)
        };
        self.write_then(op, then);
    }

    /// Stores a value if `present` is still what is there; whether it was.
    pub fn kvs_replace(
        &self,
        write: KvsWrite,
        present: String,
        value: String,
        then: impl FnOnce(Result<bool, StoreError>) + Send + 'static,
    ) {
        let op = move |tx: &Tx<'_>| {
            let sql =
                "SELECT value = ?3 FROM kvs WHERE key = ?1 AND bot = ?2 AND (expires_on IS NULL OR expires_on > ?4)";
            let params = params![write.place.key, write.place.bot, present, tx.now];
            let same = tx.connection.prepare_cached(sql)?.query_row(params, |row| row.get(0)).optional()?;
            if same != Some(true) {
                return Ok(false);
            }
            put(tx, &write, before(tx, &write.place)?.as_ref(), value)?;
            Ok(true)
        };
        self.write_then(op, then);
    }

    /// Removes the value under a key; whether there was one.
    pub fn kvs_delete(&self, place: KvsPlace, then: impl FnOnce(Result<bool, StoreError>) + Send + 'static) {
        let op = move |tx: &Tx<'_>| {
            let sql = "DELETE FROM kvs WHERE key = ? AND bot = ? RETURNING expires_on IS NULL OR expires_on > ?";
            let mut statement = tx.connection.prepare_cached(sql)?;
            let there = statement.query_row(params![place.key, place.bot, tx.now], |row| row.get(0)).optional()?;
            changed(tx, &place, || Some(None));
            Ok(there.unwrap_or(false))
        };
        self.write_then(op, then);
    }

    /// Removes some of the keys that begin with exactly that text, of all bots, or of one bot and the names that it has to
    /// itself; whether there may be more of them.
    pub fn kvs_delete_prefix(
        &self,
        prefix: String,
        of: Option<BotId>,
        then: impl FnOnce(Result<bool, StoreError>) + Send + 'static,
    ) {
        let op = move |tx: &Tx<'_>| {
            if GLOBAL.starts_with(&prefix) {
                tx.all_bots_changed();
            }
            let [own, from, to] = match &of {
                None => [const { None }; 3],
                Some(of) => [of.to_string(), apart::names_of(of), apart::after_names_of(of)].map(Some),
            };
            let before_end = successor(&prefix);
            let sql = if before_end.is_some() { UP_TO } else { TO_THE_LAST };
            let removed = tx.run(sql, params![prefix, before_end, SOME, own, from, to])?;
            Ok(removed == usize::from(SOME))
        };
        self.write_then(op, then);
    }
}

/// The row under a key, also where its time is over.
fn before(tx: &Tx<'_>, place: &KvsPlace) -> Result<Option<Before>, StoreError> {
    let sql =
        "SELECT octet_length(value), owner, expires_on IS NULL OR expires_on > ?3 FROM kvs WHERE key = ?1 AND bot = ?2";
    let read = |row: &rusqlite::Row<'_>| Ok(Before { bytes: row.get(0)?, owner: row.get(1)?, there: row.get(2)? });
    Ok(tx.connection.prepare_cached(sql)?.query_row(params![place.key, place.bot, tx.now], read).optional()?)
}

/// Writes a value, if it and all of its owner are within their limits. Who makes something smaller may always do so.
fn put(tx: &Tx<'_>, write: &KvsWrite, before: Option<&Before>, value: String) -> Result<(), StoreError> {
    let KvsWrite { place, owner, expiry } = write;
    let (bytes, owner) = (value.len() as u64, owner.as_ref().map_or("", BotId::as_str));
    let most = tx.rules.limits.value;
    if bytes > most && before.is_none_or(|before| bytes >= before.bytes) {
        return Err(StoreError::Invalid(format!(
            "the value of {:?} would have {bytes} bytes, at most {most} are allowed (`kvs.maxValue`)",
            place.key
        )));
    }
    let expires_on = match expiry {
        Expiry::Keep | Expiry::Never => None,
        Expiry::After(ms) => Some(tx.now.saturating_add(*ms).min(i64::MAX as u64)),
    };
    let keep = *expiry == Expiry::Keep && before.is_some_and(|before| before.there);
    let sql = "INSERT INTO kvs (key, bot, value, expires_on, owner) VALUES (?1, ?2, ?3, ?4, ?6) \
               ON CONFLICT DO UPDATE SET value = ?3, expires_on = iif(?5, expires_on, ?4), owner = ?6";
    tx.run(sql, params![place.key, place.bot, value, expires_on, keep, owner])?;
    if before.is_none_or(|before| bytes > before.bytes || before.owner != owner) {
        let sql = "SELECT bytes FROM kvs_sizes WHERE owner = ?";
        let (all, most): (u64, _) =
            (tx.connection.prepare_cached(sql)?.query_row([owner], |row| row.get(0))?, tx.rules.limits.values_of_bot);
        if all > most {
            let whose = if owner.is_empty() { "scripts without a bot".to_owned() } else { format!("bot \"{owner}\"") };
            return Err(StoreError::Invalid(format!(
                "the values that {whose} has written would have {all} bytes together, at most {most} are allowed \
                 (`kvs.perBot`); delete some"
            )));
        }
    }
    // Of one that keeps its time that is not at hand.
    changed(tx, place, || (!keep).then(|| Some((value.into(), expires_on))));
    Ok(())
}

/// Removes some of the values whose time was over at `then`.
pub(super) fn forget_expired(tx: &Tx<'_>, then: u64) -> Result<(), StoreError> {
    let sql = "DELETE FROM kvs WHERE id IN (SELECT id FROM kvs WHERE expires_on <= ? LIMIT 1000) RETURNING bot, key";
    let mut statement = tx.connection.prepare_cached(sql)?;
    let mut rows = statement.query([then])?;
    while let Some(row) = rows.next()? {
        changed(tx, &KvsPlace { bot: row.get(0)?, key: row.get(1)? }, || Some(None));
    }
    Ok(())
}

/// Tells of a change of a bot's variables; what they are now, if that is known.
fn changed(tx: &Tx<'_>, place: &KvsPlace, now: impl FnOnce() -> Option<Variables>) {
    // Names of bots are in lower case where variables are read.
    if place.key == GLOBAL
        && let Ok(id) = BotId::parse(&place.bot)
        && id.as_str() == place.bot
    {
        tx.changed(PartKey::Bot(id), now().map(StatePart::Bot));
    }
}

fn get(connection: &Connection, place: &KvsPlace, most: u64, now: u64) -> Result<KvsFound, StoreError> {
    // Only the length is looked at of one that is longer: that is known without reading it.
    let sql = "SELECT octet_length(value), iif(octet_length(value) <= ?4, value, NULL) FROM kvs \
               WHERE key = ?1 AND bot = ?2 AND (expires_on IS NULL OR expires_on > ?3)";
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let found = connection
        .prepare_cached(sql)?
        .query_row(params![place.key, place.bot, now, most], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(match found {
        None => KvsFound::Nothing,
        Some((_, Some(value))) => KvsFound::Value(value),
        Some((bytes, None)) => KvsFound::Longer(bytes),
    })
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
    use super::super::rules::Rules;
    use super::super::testing::*;
    use super::*;
    use crate::config::StoreLimits;

    fn place(bot: &str, key: &str) -> KvsPlace {
        KvsPlace { bot: bot.to_owned(), key: key.to_owned() }
    }

    fn write(owner: &str, bot: &str, key: &str) -> KvsWrite {
        KvsWrite { place: place(bot, key), owner: BotId::parse(owner).ok(), expiry: Expiry::Keep }
    }

    fn set(fixture: &Fixture, bot: &str, key: &str, value: &str, expiry: Expiry) {
        let write = KvsWrite { expiry, ..write(bot, bot, key) };
        wait(|then| fixture.store.kvs_set(write, value.to_owned(), then)).unwrap();
    }

    fn get(fixture: &Fixture, bot: &str, key: &str) -> Option<String> {
        match fixture.store.kvs_get(&place(bot, key), u64::MAX).unwrap() {
            KvsFound::Value(value) => Some(value),
            _ => None,
        }
    }

    fn put(fixture: &Fixture, write: KvsWrite, bytes: usize) -> Result<(), String> {
        wait(|then| fixture.store.kvs_set(write, "x".repeat(bytes), then)).map_err(|error| error.to_string())
    }

    fn sizes(fixture: &Fixture) -> Vec<(String, u64)> {
        let read = fixture.store.read(|connection| {
            let mut statement = connection.prepare("SELECT owner, bytes FROM kvs_sizes ORDER BY owner")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<Result<_, _>>().map_err(StoreError::from)
        });
        read.unwrap()
    }

    fn limits(value: u64, values_of_bot: u64) -> Rules {
        Rules { limits: StoreLimits { value, values_of_bot, ..StoreLimits::default() }, ..Rules::default() }
    }

    fn limited(value: u64, values_of_bot: u64) -> Fixture {
        Fixture::with_rules(limits(value, values_of_bot))
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
        assert!(!wait(|then| fixture.store.kvs_delete(place("b", "k"), then)).unwrap());
        set(&fixture, "b", "k", "3", Expiry::Keep);
        assert_eq!(get(&fixture, "b", "k").as_deref(), Some("3"), "a new value is not born expired");
        assert!(wait(|then| fixture.store.kvs_delete(place("b", "k"), then)).unwrap());
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
            wait(|then| fixture.store.kvs_delete_prefix(prefix.to_owned(), None, then)).unwrap();
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
    fn more_keys_than_one_operation_removes_are_removed_in_several() {
        let fixture = Fixture::new();
        for number in 0..=SOME {
            fixture.store.kvs_set(write("b", "b", &format!("k{number}")), "1".into(), drop);
        }
        let some = || wait(|then| fixture.store.kvs_delete_prefix("k".into(), None, then)).unwrap();
        assert_eq!((some(), some()), (true, false));
        assert_eq!(get(&fixture, "b", "k0"), None);
    }

    #[test]
    fn of_a_long_value_only_the_length_is_read_unless_it_is_asked_for() {
        let fixture = Fixture::new();
        set(&fixture, "b", "k", &"é".repeat(50), Expiry::Keep);
        let found = |most| fixture.store.kvs_get(&place("b", "k"), most).unwrap();
        assert_eq!((found(99), found(100)), (KvsFound::Longer(100), KvsFound::Value("é".repeat(50))));
        assert_eq!(fixture.store.kvs_size(&place("b", "k")).unwrap(), Some(100));
        assert_eq!(fixture.store.kvs_size(&place("b", "no")).unwrap(), None);
    }

    #[test]
    fn a_value_has_as_many_bytes_as_configured_and_an_older_larger_one_may_be_made_smaller_and_deleted() {
        let fixture = limited(1_000, 1 << 20);
        set(&fixture, "b", "k", &"x".repeat(1_000), Expiry::Keep);
        assert_eq!(
            put(&fixture, write("b", "b", "k"), 1_001).unwrap_err(),
            "the value of \"k\" would have 1001 bytes, at most 1000 are allowed (`kvs.maxValue`)"
        );
        assert_eq!(get(&fixture, "b", "k").unwrap().len(), 1_000, "nothing of it is stored");
        let fixture = fixture.reopen_with_rules(limits(500, 1 << 20));
        assert_eq!(get(&fixture, "b", "k").unwrap().len(), 1_000);
        put(&fixture, write("b", "b", "k"), 1_000).unwrap_err();
        put(&fixture, write("b", "b", "k"), 999).unwrap();
        assert!(wait(|then| fixture.store.kvs_delete(place("b", "k"), then)).unwrap());
        put(&fixture, write("b", "b", "k"), 501).unwrap_err();
        put(&fixture, write("b", "b", "k"), 500).unwrap();
    }

    #[test]
    fn all_values_that_a_bot_has_written_have_a_limit_whatever_names_they_stand_under() {
        let fixture = limited(1_000, 1_000);
        put(&fixture, write("b", "b", "k1"), 397).unwrap();
        put(&fixture, write("b", "x", "k2"), 397).unwrap();
        assert_eq!(sizes(&fixture), [("b".to_owned(), 1_000)]);
        assert_eq!(
            put(&fixture, write("b", "x", "k2"), 398).unwrap_err(),
            "the values that bot \"b\" has written would have 1001 bytes together, at most 1000 are allowed \
             (`kvs.perBot`); delete some"
        );
        put(&fixture, write("b", "b", "k3"), 0).unwrap_err();
        assert_eq!(sizes(&fixture), [("b".to_owned(), 1_000)], "what was refused does not count");
        // Others have their own, also for a value that was another's before.
        put(&fixture, write("c", "x", "k2"), 397).unwrap();
        assert_eq!(sizes(&fixture), [("b".to_owned(), 500), ("c".to_owned(), 500)]);
        put(&fixture, write("b", "b", "k3"), 397).unwrap();
        // Who has more than there may be makes room.
        let fixture = fixture.reopen_with_rules(limits(1_000, 600));
        put(&fixture, write("b", "b", "k3"), 396).unwrap();
        put(&fixture, write("b", "b", "k3"), 397).unwrap_err();
        put(&fixture, write("", "x", "k4"), 497).unwrap();
        assert!(put(&fixture, write("", "x", "k5"), 497).unwrap_err().contains("scripts without a bot"));
    }

    #[test]
    fn however_values_go_they_are_not_counted_any_more() {
        let fixture = Fixture::new();
        put(&fixture, write("b", "b", "one"), 10).unwrap();
        put(&fixture, write("b", "b", "two"), 10).unwrap();
        put(&fixture, KvsWrite { expiry: Expiry::After(5), ..write("b", "b", "three") }, 10).unwrap();
        wait(|then| fixture.store.kvs_delete(place("b", "one"), then)).unwrap();
        wait(|then| fixture.store.kvs_delete_prefix("tw".into(), None, then)).unwrap();
        assert_eq!(sizes(&fixture), [("b".to_owned(), 116)]);
        fixture.clock.advance(std::time::Duration::from_millis(5));
        fixture.store.forget_expired().unwrap();
        wait(|then| fixture.store.barrier(move || then(())));
        assert_eq!(sizes(&fixture), [("b".to_owned(), 0)]);
    }

    #[test]
    fn a_value_takes_the_place_of_the_one_that_was_read_and_of_no_other() {
        let fixture = Fixture::new();
        set(&fixture, "b", "k", "1", Expiry::Keep);
        let replace = |before: &str, value: &str| {
            wait(|then| fixture.store.kvs_replace(write("b", "b", "k"), before.into(), value.into(), then)).unwrap()
        };
        assert!(replace("1", "2") && !replace("1", "3") && replace("2", "4"));
        assert_eq!(get(&fixture, "b", "k").as_deref(), Some("4"));
    }

    #[test]
    fn a_very_long_value_is_not_taken_apart_on_the_writers_thread() {
        let fixture = limited(4 << 20, 1 << 30);
        let update = || {
            let change = |present: Option<String>| Ok((Some("1".into()), present.map_or(0, |value| value.len())));
            wait(|then| fixture.store.kvs_update(write("b", "b", "k"), change, then))
        };
        put(&fixture, write("b", "b", "k"), 1 << 20).unwrap();
        assert_eq!(update().unwrap(), 1 << 20);
        put(&fixture, write("b", "b", "k"), (1 << 20) + 1).unwrap();
        assert!(update().unwrap_err().to_string().contains("has 1048577 bytes meanwhile"));
    }
}
