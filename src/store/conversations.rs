//! The rows of conversations: found, made, heard.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::error::StoreError;
use super::handle::Store;
use super::tx::Tx;
use crate::model::channel::{WEB, channel};
use crate::model::{BotId, ConversationKey, SessionKey, UserId};

impl Store {
    /// Whether that visitor has a conversation with that bot in the web chat: he began it, where bots are kept apart.
    /// It is read here and now.
    pub fn knows_visitor(&self, bot: &BotId, visitor: &UserId) -> Result<bool, StoreError> {
        let key = ConversationKey { bot: bot.clone(), channel: WEB.into(), target: visitor.clone() };
        self.read(|connection| knows(connection, &key))
    }

    /// Runs `then` like [`Store::barrier`], and says whether that bot and user have this conversation; any at all, where it is
    /// not named by its number.
    pub fn when_known(&self, session: SessionKey, then: impl FnOnce(bool) + Send + 'static) {
        let SessionKey { conversation: key, thread } = session;
        let op = move |tx: &Tx<'_>| match thread.as_deref().and_then(|thread| thread.parse().ok()) {
            Some(id) => belongs(tx, id, &key),
            None => knows(tx.connection, &key),
        };
        self.write_repeated(op, |known| then(known.unwrap_or(false)));
    }
}

/// Whether there is any conversation of that bot and user.
pub(super) fn knows(connection: &Connection, key: &ConversationKey) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM conversations WHERE bot = ? AND channel = ? AND user_id = ? LIMIT 1";
    let params = params![key.bot.as_str(), key.channel, key.target.as_str()];
    Ok(connection.prepare_cached(sql)?.exists(params)?)
}

/// The conversation that something on that channel belongs to: where they have numbers that one, if it is the user's, or the
/// recent one; elsewhere the one of that thread.
pub(super) fn find_or_make(tx: &Tx<'_>, session: &SessionKey) -> Result<i64, StoreError> {
    let SessionKey { conversation: key, thread } = session;
    if !channel(&key.channel).numbered {
        return of_thread_or_new(tx, session);
    }
    match thread.as_deref().and_then(|thread| thread.parse().ok()) {
        Some(id) if belongs(tx, id, key)? => Ok(id),
        Some(id) => Err(StoreError::ConversationNotFound(id)),
        None => recent_or_new(tx, key),
    }
}

/// The conversation in which the user was heard last within the lifetime, or a new one.
pub(super) fn recent_or_new(tx: &Tx<'_>, key: &ConversationKey) -> Result<i64, StoreError> {
    let since = tx.now.saturating_sub(tx.rules.recent_conversation);
    let session = SessionKey { conversation: key.clone(), thread: None };
    if let Some((id, heard)) = tx.memory().recent(&session)
        && heard >= since
    {
        return Ok(id);
    }
    let sql = "SELECT id, last_heard_on FROM conversations WHERE bot = ? AND channel = ? AND user_id = ? \
               AND last_heard_on >= ? ORDER BY last_heard_on DESC, id DESC LIMIT 1";
    let found = tx
        .connection
        .prepare_cached(sql)?
        .query_row(params![key.bot.as_str(), key.channel, key.target.as_str(), since], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let (id, heard) = match found {
        Some(found) => found,
        None => (insert(tx, key, None, Some(tx.now))?, tx.now),
    };
    tx.memory().note_recent(&session, Some((id, heard)));
    Ok(id)
}

/// The conversation of that thread, or of none, or a new one.
fn of_thread_or_new(tx: &Tx<'_>, session: &SessionKey) -> Result<i64, StoreError> {
    if let Some((id, _)) = tx.memory().recent(session) {
        return Ok(id);
    }
    let SessionKey { conversation: key, thread } = session;
    let sql = "SELECT id FROM conversations WHERE bot = ? AND channel = ? AND user_id = ? AND thread IS ? \
               ORDER BY id LIMIT 1";
    let found = tx
        .connection
        .prepare_cached(sql)?
        .query_row(params![key.bot.as_str(), key.channel, key.target.as_str(), thread], |row| row.get(0))
        .optional()?;
    let id = match found {
        Some(id) => id,
        None => insert(tx, key, thread.as_ref(), Some(tx.now))?,
    };
    tx.memory().note_recent(session, Some((id, tx.now)));
    Ok(id)
}

/// Whether that conversation is of that bot and user.
pub(super) fn belongs(tx: &Tx<'_>, id: i64, key: &ConversationKey) -> Result<bool, StoreError> {
    if let Some(known) = tx.memory().owns(id, key) {
        return Ok(known);
    }
    let sql = "SELECT 1 FROM conversations WHERE id = ? AND bot = ? AND channel = ? AND user_id = ?";
    let params = params![id, key.bot.as_str(), key.channel, key.target.as_str()];
    let found = tx.connection.prepare_cached(sql)?.exists(params)?;
    if found {
        tx.memory().note_owner(id, key.clone());
    }
    Ok(found)
}

/// Notes that the user was heard now.
pub(super) fn heard(tx: &Tx<'_>, id: i64, key: &ConversationKey) -> Result<(), StoreError> {
    tx.run("UPDATE conversations SET last_heard_on = ?2 WHERE id = ?1", params![id, tx.now])?;
    let session = SessionKey { conversation: key.clone(), thread: None };
    let before = tx.memory().recent(&session);
    // A clock that went backwards may leave another one as the recent one: then it is looked up.
    let known = before.and_then(|(last, heard)| {
        let later = (tx.now, id) >= (heard, last);
        later.then_some((id, tx.now))
    });
    if before.is_some() {
        tx.memory().note_recent(&session, known);
    }
    Ok(())
}

/// A new conversation in which nothing was heard yet, unless the user has `most` already.
pub(super) fn another(tx: &Tx<'_>, key: &ConversationKey, most: usize) -> Result<i64, StoreError> {
    let sql = "SELECT 1 FROM conversations WHERE bot = ? AND channel = ? AND user_id = ? LIMIT 1 OFFSET ?";
    let before = i64::try_from(most.saturating_sub(1)).unwrap_or(i64::MAX);
    let params = params![key.bot.as_str(), key.channel, key.target.as_str(), before];
    if tx.connection.prepare_cached(sql)?.exists(params)? {
        return Err(StoreError::TooManyConversations(most));
    }
    insert(tx, key, None, None)
}

fn insert(
    tx: &Tx<'_>,
    key: &ConversationKey,
    thread: Option<&Arc<str>>,
    heard: Option<u64>,
) -> Result<i64, StoreError> {
    let title = format!("Conversation {}", rand::random_range(100_000..1_000_000));
    let sql = "INSERT INTO conversations (bot, channel, user_id, thread, title, created_on, last_heard_on) \
               VALUES (?, ?, ?, ?, ?, ?, ?)";
    tx.run(sql, params![key.bot.as_str(), key.channel, key.target.as_str(), thread, title, tx.now, heard])?;
    let id = tx.connection.last_insert_rowid();
    tx.memory().note_owner(id, key.clone());
    Ok(id)
}
