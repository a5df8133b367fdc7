//! Users of channels and their attributes, shared by all bots.

use std::sync::Arc;

use indexmap::IndexMap;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::error::StoreError;
use super::handle::Store;
use super::memory::UserName;
use super::retention_marks;
use super::rows::unreadable;
use super::state_cache::{PartKey, StatePart};
use super::timestamp::Timestamp;
use super::tx::Tx;
use crate::model::{BotId, apart};

/// Attributes by name, each as JSON; their order is kept.
pub type Attributes = IndexMap<String, Box<RawValue>>;

/// A user; serialises as `bp.users.getAllUsers` gives it.
#[derive(Debug, Clone, Serialize)]
pub struct UserRow {
    /// The channel, in lower case.
    pub channel: String,
    /// The id on that channel.
    pub user_id: String,
    /// The attributes, a JSON object.
    pub attributes: Box<RawValue>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When an attribute changed last.
    pub updated_at: Timestamp,
}

/// A user, and whether it was made just now.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Whether it was made by this call.
    pub created: bool,
    /// The user.
    pub user: UserRow,
}

/// Bytes of a user's row in JSON beside names and attributes.
const ROW: usize = 140;

/// No attributes.
const NONE: &str = "{}";

const COLUMNS: &str = "channel, user_id, attributes, created_at, updated_at";

impl Store {
    /// The user of that channel, made if there is none.
    pub fn get_or_create_user(
        &self,
        channel: String,
        user: String,
        then: impl FnOnce(Result<NewUser, StoreError>) + Send + 'static,
    ) {
        self.write_then(
            move |tx| {
                let created = insert(tx, &UserName::new(&channel, &user))?;
                let sql = format!("SELECT {COLUMNS} FROM users WHERE channel = ? AND user_id = ?");
                let user = tx.connection.prepare_cached(&sql)?.query_row([&channel, &user], user_of_row)?;
                Ok(NewUser { created, user })
            },
            then,
        );
    }

    /// The attributes of a user as JSON text; `None` if there is no such user. It is read here and now.
    pub fn attributes(&self, channel: &str, user: &str) -> Result<Option<String>, StoreError> {
        self.read(|connection| attributes(connection, channel, user))
    }

    /// Replaces all attributes of a user, who is made if missing.
    pub fn set_attributes(
        &self,
        channel: String,
        user: String,
        attributes: Attributes,
        then: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) {
        self.write_then(
            move |tx| {
                let user = UserName::new(&channel, &user);
                let present = parse(&ensure_and_read(tx, &user)?)?;
                fits(tx, &attributes, size(&present))?;
                for attribute in tx.rules.retention.keys() {
                    match attributes.contains_key(attribute) {
                        true => retention_marks::written(tx, &user, attribute)?,
                        false => retention_marks::removed(tx, &user, attribute)?,
                    }
                }
                write(tx, user, &attributes)
            },
            then,
        );
    }

    /// Lays attributes over those of a user, who is made if missing.
    pub fn update_attributes(
        &self,
        channel: String,
        user: String,
        changed: Attributes,
        then: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) {
        self.write_then(
            move |tx| {
                let user = UserName::new(&channel, &user);
                let mut present = parse(&ensure_and_read(tx, &user)?)?;
                let before = size(&present);
                for attribute in changed.keys() {
                    retention_marks::written(tx, &user, attribute)?;
                }
                present.extend(changed);
                fits(tx, &present, before)?;
                write(tx, user, &present)
            },
            then,
        );
    }

    /// `count` users (all, if `None`) after the first `start`, oldest first; of a bot those whom it has to itself.
    /// [`StoreError::Invalid`] if those are more than may be listed at once, or have more than about `most` bytes: nobody is left
    /// out without a word. It takes long.
    pub fn all_users(
        &self,
        of: Option<&BotId>,
        (start, count): (u32, Option<u32>),
        most: u64,
    ) -> Result<Vec<UserRow>, StoreError> {
        let listed = self.0.rules.limits.users_listed;
        let asked = count.unwrap_or(u32::MAX).min(listed.saturating_add(1));
        self.read(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM users {} ORDER BY id LIMIT ?1 OFFSET ?2", only(of));
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = match of {
                None => statement.query(params![asked, start])?,
                Some(of) => statement.query(params![asked, start, apart::names_of(of), apart::after_names_of(of)])?,
            };
            let (mut users, mut bytes) = (Vec::new(), 0);
            while let Some(row) = rows.next()? {
                if users.len() >= listed as usize {
                    return Err(StoreError::Invalid(format!(
                        "they are more than {listed} users, which are listed at once at most (`users.maxListed`); ask for \
                         some after the others: {{ start: {start}, count: {listed} }}, then {{ start: {}, count: {listed} }}",
                        u64::from(start) + u64::from(listed)
                    )));
                }
                let user = user_of_row(row)?;
                bytes += (ROW + user.channel.len() + user.user_id.len() + user.attributes.get().len()) as u64;
                if bytes > most {
                    let those = users.len();
                    return Err(StoreError::Invalid(format!(
                        "they have more than {most} bytes; ask for fewer at once, such as {{ start: {start}, count: {those} }}"
                    )));
                }
                users.push(user);
            }
            Ok(users)
        })
    }

    /// How many users there are, on all channels; of a bot those whom it has to itself. With very many it takes long.
    pub fn user_count(&self, of: Option<&BotId>) -> Result<u64, StoreError> {
        self.read(|connection| {
            let Some(of) = of else {
                return Ok(connection.prepare_cached("SELECT count(*) FROM users")?.query_row([], |row| row.get(0))?);
            };
            let sql = "SELECT count(*) FROM users WHERE channel >= ?1 AND channel < ?2";
            let names = [apart::names_of(of), apart::after_names_of(of)];
            Ok(connection.prepare_cached(sql)?.query_row(names, |row| row.get(0))?)
        })
    }
}

/// Which users are listed, of a bot those whom it has to itself.
fn only(of: Option<&BotId>) -> &'static str {
    if of.is_some() { "WHERE channel >= ?3 AND channel < ?4" } else { "" }
}

/// Makes the user if missing.
pub(super) fn ensure(tx: &Tx<'_>, user: &UserName) -> Result<(), StoreError> {
    if tx.memory().user(user).is_some() {
        return Ok(());
    }
    insert(tx, user).map(drop)
}

/// Makes the user if missing, and gives the attributes as JSON text.
pub(super) fn ensure_and_read(tx: &Tx<'_>, user: &UserName) -> Result<Arc<str>, StoreError> {
    if let Some(Some(attributes)) = tx.memory().user(user) {
        return Ok(attributes);
    }
    match attributes(tx.connection, &user.channel, &user.user)? {
        Some(attributes) => {
            let attributes = Arc::<str>::from(attributes);
            tx.memory().note_user(user.clone(), Some(Arc::clone(&attributes)));
            Ok(attributes)
        }
        None => insert(tx, user).map(|_| NONE.into()),
    }
}

/// Merges what an event changed: `null` removes an attribute. What there is no room for is left out and said: the event is
/// over nevertheless.
pub(super) fn merge(tx: &Tx<'_>, user: UserName, changed: &Attributes) -> Result<(), StoreError> {
    let mut present = parse(&ensure_and_read(tx, &user)?)?;
    let before = size(&present);
    for (attribute, value) in changed {
        if value.get() == "null" {
            present.shift_remove(attribute);
        } else {
            present.insert(attribute.clone(), value.clone());
        }
    }
    if let Err(error) = fits(tx, &present, before) {
        let (channel, user) = (&user.channel, &user.user);
        tracing::error!("what an event changed of user {user:?} of channel {channel:?} is not stored: {error}");
        return Ok(());
    }
    for (attribute, value) in changed {
        match value.get() {
            "null" => retention_marks::removed(tx, &user, attribute)?,
            _ => retention_marks::written(tx, &user, attribute)?,
        }
    }
    write(tx, user, &present)
}

/// Removes an attribute of the user with that row.
pub(super) fn forget(tx: &Tx<'_>, row: i64, attribute: &str) -> Result<(), StoreError> {
    let sql = "SELECT channel, user_id, attributes FROM users WHERE id = ?";
    let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?));
    let Some((channel, user, text)) = tx.connection.prepare_cached(sql)?.query_row([row], read).optional()? else {
        return Ok(());
    };
    let mut present = parse(&text)?;
    match present.shift_remove(attribute) {
        Some(_) => write(tx, UserName::new(&channel, &user), &present),
        None => Ok(()),
    }
}

/// What is shown of a user's attributes; anything may stand in them.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Shown {
    first_name: serde_json::Value,
    last_name: serde_json::Value,
    picture_url: serde_json::Value,
}

/// First and last name of a user, empty where there is none.
pub(super) fn names(attributes: &str) -> [String; 2] {
    let shown: Shown = serde_json::from_str(attributes).unwrap_or_default();
    [shown.first_name, shown.last_name].map(|name| name.as_str().unwrap_or_default().to_owned())
}

/// Name and picture of a user as the conversation shows them.
pub(super) fn author(attributes: &str) -> (String, Option<String>) {
    if attributes == NONE {
        return ("User".into(), None);
    }
    let shown: Shown = serde_json::from_str(attributes).unwrap_or_default();
    let names: Vec<&str> = [&shown.first_name, &shown.last_name]
        .into_iter()
        .filter_map(|name| name.as_str().filter(|name| !name.is_empty()))
        .collect();
    let full_name = if names.is_empty() { "User".into() } else { names.join(" ") };
    (full_name, shown.picture_url.as_str().map(str::to_owned))
}

fn attributes(connection: &Connection, channel: &str, user: &str) -> Result<Option<String>, StoreError> {
    let sql = "SELECT attributes FROM users WHERE channel = ? AND user_id = ?";
    Ok(connection.prepare_cached(sql)?.query_row([channel, user], |row| row.get(0)).optional()?)
}

/// Makes a user; whether there was none.
fn insert(tx: &Tx<'_>, user: &UserName) -> Result<bool, StoreError> {
    let sql = "INSERT INTO users (channel, user_id, attributes, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?4) \
               ON CONFLICT DO NOTHING";
    let made = tx.run(sql, params![user.channel, user.user, NONE, tx.now])? == 1;
    if made {
        tx.changed(PartKey::User(user.clone()), Some(StatePart::User(NONE.into())));
    }
    tx.memory().note_user(user.clone(), made.then(|| NONE.into()));
    Ok(made)
}

/// Bytes of names and values.
fn size(attributes: &Attributes) -> usize {
    attributes.iter().map(|(name, value)| name.len() + value.get().len()).sum()
}

/// An error if they are larger than attributes may be: every event of the user begins with them. Those that had so many bytes
/// before may become fewer.
fn fits(tx: &Tx<'_>, attributes: &Attributes, before: usize) -> Result<(), StoreError> {
    let bytes = size(attributes);
    let most = tx.rules.limits.attributes;
    if bytes as u64 > most && bytes >= before {
        return Err(StoreError::Invalid(format!(
            "the attributes of a user would have {bytes} bytes, at most {most} are allowed (`users.maxAttributes`)"
        )));
    }
    Ok(())
}

fn write(tx: &Tx<'_>, user: UserName, attributes: &Attributes) -> Result<(), StoreError> {
    let text = serde_json::to_string(attributes).map_err(|error| StoreError::Invalid(error.to_string()))?;
    let sql = "UPDATE users SET attributes = ?3, updated_at = ?4 WHERE channel = ?1 AND user_id = ?2";
    tx.run(sql, params![user.channel, user.user, text, tx.now])?;
    let text = Arc::<str>::from(text);
    tx.changed(PartKey::User(user.clone()), Some(StatePart::User(Arc::clone(&text))));
    tx.memory().note_user(user, Some(text));
    Ok(())
}

fn parse(attributes: &str) -> Result<Attributes, StoreError> {
    serde_json::from_str(attributes)
        .map_err(|error| StoreError::Invalid(format!("stored user attributes are no JSON object: {error}")))
}

fn user_of_row(row: &Row<'_>) -> Result<UserRow, rusqlite::Error> {
    Ok(UserRow {
        channel: apart::plain(row.get_ref(0)?.as_str()?).to_owned(),
        user_id: row.get(1)?,
        attributes: RawValue::from_string(row.get(2)?).map_err(|error| unreadable(2, error))?,
        created_at: Timestamp(row.get(3)?),
        updated_at: Timestamp(row.get(4)?),
    })
}

#[cfg(test)]
mod tests {
    use super::super::ConversationTarget;
    use super::super::rules::Rules;
    use super::super::testing::*;
    use super::*;
    use crate::config::StoreLimits;

    fn some(json: &str) -> Attributes {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_user_is_made_once_and_listed_oldest_first() {
        let fixture = Fixture::new();
        let make = |user: &str| wait(|then| fixture.store.get_or_create_user("web".into(), user.into(), then)).unwrap();
        assert!(make("zoe").created);
        assert!(make("__proto__").created);
        assert!(!make("zoe").created);
        assert_eq!(
            serde_json::to_string(&make("zoe").user).unwrap(),
            r#"{"channel":"web","user_id":"zoe","attributes":{},"created_at":"2026-11-22T06:48:19.736Z","updated_at":"2026-11-22T06:48:19.736Z"}"#
        );
        let list = |start, count| {
            let rows = fixture.store.all_users(None, (start, count), 1_000).unwrap();
            rows.into_iter().map(|row| row.user_id).collect::<Vec<_>>()
        };
        assert_eq!(list(0, None), ["zoe", "__proto__"]);
        assert_eq!(list(1, Some(5)), ["__proto__"]);
        assert_eq!(list(0, Some(1)), ["zoe"]);
        let tight = fixture.store.all_users(None, (0, None), 200).unwrap_err();
        assert!(tight.to_string().contains("such as { start: 0, count: 1 }"), "{tight}");
        assert_eq!(fixture.store.user_count(None).unwrap(), 2);
    }

    #[test]
    fn attributes_are_replaced_or_merged() {
        let fixture = Fixture::new();
        let read = || fixture.store.attributes("web", "ann").unwrap();
        assert_eq!(read(), None);
        wait(|then| fixture.store.update_attributes("web".into(), "ann".into(), some(r#"{"a":1,"b":1}"#), then))
            .unwrap();
        wait(|then| fixture.store.update_attributes("web".into(), "ann".into(), some(r#"{"b":2}"#), then)).unwrap();
        assert_eq!(read().as_deref(), Some(r#"{"a":1,"b":2}"#));
        wait(|then| fixture.store.set_attributes("web".into(), "ann".into(), some(r#"{"c":3}"#), then)).unwrap();
        assert_eq!(read().as_deref(), Some(r#"{"c":3}"#));
    }

    fn limits(limits: StoreLimits) -> Rules {
        Rules { limits, ..Rules::default() }
    }

    #[test]
    fn attributes_have_as_many_bytes_as_configured_and_may_always_become_fewer() {
        let fixture = Fixture::with_rules(limits(StoreLimits { attributes: 100, ..StoreLimits::default() }));
        let of = |bytes: usize| some(&format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - 3)));
        let update = |bytes| {
            wait(|then| fixture.store.update_attributes("web".into(), "ann".into(), of(bytes), then))
                .map_err(|error| error.to_string())
        };
        let set = |bytes| wait(|then| fixture.store.set_attributes("web".into(), "ann".into(), of(bytes), then));
        update(100).unwrap();
        let full = "the attributes of a user would have 101 bytes, at most 100 are allowed (`users.maxAttributes`)";
        assert_eq!(update(101).unwrap_err(), full);
        assert!(set(101).unwrap_err().to_string().contains(full));
        // What an event leaves is not stored either; the event is over.
        let event = fixture.accept("ann", ConversationTarget::Nowhere).event;
        fixture.finish(&event, serde_json::from_str(&format!(r#"{{"user":{{"b":"{}"}}}}"#, "x".repeat(10))).ok());
        assert_eq!(fixture.store.attributes("web", "ann").unwrap().unwrap().len(), 105);
        let event = fixture.accept("ann", ConversationTarget::Nowhere).event;
        fixture.finish(&event, serde_json::from_str(r#"{"user":{"a":null}}"#).ok());
        assert_eq!(fixture.store.attributes("web", "ann").unwrap().as_deref(), Some("{}"));
        set(100).unwrap();
        let fixture = fixture.reopen_with_rules(limits(StoreLimits { attributes: 50, ..StoreLimits::default() }));
        let set = |bytes| wait(|then| fixture.store.set_attributes("web".into(), "ann".into(), of(bytes), then));
        set(99).unwrap();
    }

    #[test]
    fn as_many_users_are_listed_at_once_as_configured_and_who_asks_for_more_is_told_how_to_get_them() {
        let fixture = Fixture::with_rules(limits(StoreLimits { users_listed: 3, ..StoreLimits::default() }));
        for user in ["a", "b", "c"] {
            wait(|then| fixture.store.get_or_create_user("web".into(), user.into(), then)).unwrap();
        }
        let list = |start, count| {
            let rows = fixture.store.all_users(None, (start, count), 10_000).map_err(|error| error.to_string());
            rows.map(|rows| rows.len())
        };
        assert_eq!((list(0, None), list(0, Some(u32::MAX))), (Ok(3), Ok(3)));
        wait(|then| fixture.store.get_or_create_user("web".into(), "d".into(), then)).unwrap();
        assert_eq!((list(0, Some(3)), list(1, None), list(3, Some(3))), (Ok(3), Ok(3), Ok(1)));
        let refused = "they are more than 3 users, which are listed at once at most (`users.maxListed`); ask for some after \
                       the others: { start: 0, count: 3 }, then { start: 3, count: 3 }";
        assert_eq!((list(0, None).unwrap_err().as_str(), list(0, Some(4)).unwrap_err().as_str()), (refused, refused));
    }

    #[test]
    fn a_name_is_shown_as_far_as_it_is_known() {
        assert_eq!(author("{}").0, "User");
        assert_eq!(author(r#"{"first_name":"Ann"}"#).0, "Ann");
        assert_eq!(author(r#"{"first_name":"","last_name":7}"#).0, "User");
        assert_eq!(author(r#"{"first_name":"Ann","last_name":"Lee","picture_url":null}"#), ("Ann Lee".into(), None));
    }
}
