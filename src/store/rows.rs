//! What the rows of all tables share.

use std::sync::Arc;

use rusqlite::types::{ToSqlOutput, Value, ValueRef};

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
