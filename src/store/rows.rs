//! What the rows of all tables share.

use std::sync::Arc;

use rusqlite::Row;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};

use crate::model::{BotId, ConversationKey, SessionKey, UserId};

/// The latest time that the database holds.
pub(super) const LATEST: u64 = i64::MAX as u64;

/// A column that does not hold what it must.
pub(super) fn unreadable(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
}

/// A thread as part of a key. NULL is never equal to NULL in SQL, so that no thread is an empty blob: it differs from any
/// text, empty text too.
pub(super) fn thread_key(thread: &Option<Arc<str>>) -> ToSqlOutput<'_> {
    match thread {
        Some(thread) => ToSqlOutput::Borrowed(ValueRef::Text(thread.as_bytes())),
        None => ToSqlOutput::Owned(Value::Blob(Vec::new())),
    }
}

/// The columns of a session's key, in the order that [`session_of_row`] reads.
pub(super) const SESSION_KEY: &str = "bot, channel, target, iif(typeof(thread) = 'text', thread, NULL)";

/// The key of a session whose columns come first in the row.
pub(super) fn session_of_row(row: &Row<'_>) -> Result<SessionKey, rusqlite::Error> {
    let (bot, channel, target): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let conversation = ConversationKey {
        bot: BotId::parse(&bot).map_err(|error| unreadable(0, error))?,
        channel: channel.into(),
        target: UserId::parse(&target).map_err(|error| unreadable(2, error))?,
    };
    Ok(SessionKey { conversation, thread: row.get::<_, Option<String>>(3)?.map(Into::into) })
}
