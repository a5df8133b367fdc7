//! The tables, as a list of steps from one format of the file to the next (`PRAGMA user_version`).

use std::path::Path;

use rusqlite::{Connection, ErrorCode};

use super::error::StoreError;

/// Step `n` leads from format `n` to `n + 1`. Steps are never edited once released, only added.
const STEPS: &[&str] = &[
    // Format 1. Times are milliseconds since the epoch, JSON is text.
    //
    // users: attributes of a user of a channel, shared by all bots; the rowid is the order of arrival.
    // conversations: of the web channel. AUTOINCREMENT: a number is never given twice.
    // messages: in order of (event, sequence), which makes the table append-only and a repeated reply a conflict; the
    //   message that the event itself brought has sequence 0, reply n has n + 1. `delayed` rows had their `deliver_at`
    //   ahead when they were stored: only those are looked through when timers are rebuilt.
    // queue: events that are not finished; those with a `poison` (the reason) never run again. AUTOINCREMENT remembers the
    //   largest id ever.
    // effects: what an unfinished event has done besides web messages, so that a second run does not repeat it.
    // sessions: `thread` is an empty blob where the channel has no threads (text, even empty text, is never equal to it).
    // kvs: the key comes first, so that keys of all bots that begin alike lie together.
    "
    CREATE TABLE users (
        id INTEGER PRIMARY KEY,
        channel TEXT NOT NULL,
        user_id TEXT NOT NULL,
        attributes TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        UNIQUE (channel, user_id)
    );
    CREATE TABLE conversations (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        bot TEXT NOT NULL,
        user_id TEXT NOT NULL,
        title TEXT NOT NULL,
        created_on INTEGER NOT NULL,
        last_heard_on INTEGER,
        user_last_seen_on INTEGER,
        bot_last_seen_on INTEGER
    );
    CREATE INDEX conversations_recent ON conversations (bot, user_id, last_heard_on);
    CREATE TABLE messages (
        event INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        id BLOB NOT NULL,
        conversation INTEGER NOT NULL,
        user_id TEXT,
        full_name TEXT NOT NULL,
        avatar_url TEXT,
        message_type TEXT NOT NULL,
        message_text TEXT,
        message_raw TEXT,
        message_data TEXT,
        payload TEXT NOT NULL,
        sent_on INTEGER NOT NULL,
        deliver_at INTEGER NOT NULL,
        delayed INTEGER NOT NULL,
        PRIMARY KEY (event, sequence)
    ) WITHOUT ROWID;
    CREATE INDEX messages_of_conversation ON messages (conversation, deliver_at);
    CREATE INDEX messages_delayed ON messages (deliver_at) WHERE delayed = 1;
    CREATE TABLE queue (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        bot TEXT NOT NULL,
        channel TEXT NOT NULL,
        target TEXT NOT NULL,
        thread TEXT,
        kind TEXT NOT NULL,
        body TEXT NOT NULL,
        deaths INTEGER NOT NULL DEFAULT 0,
        poison TEXT
    );
    CREATE TABLE effects (
        event INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        payload TEXT,
        PRIMARY KEY (event, sequence)
    ) WITHOUT ROWID;
    CREATE TABLE sessions (
        id INTEGER PRIMARY KEY,
        bot TEXT NOT NULL,
        channel TEXT NOT NULL,
        target TEXT NOT NULL,
        thread BLOB NOT NULL,
        session TEXT NOT NULL,
        temp TEXT NOT NULL,
        context TEXT NOT NULL,
        expires_on INTEGER NOT NULL,
        UNIQUE (channel, target, thread, bot)
    );
    CREATE TABLE kvs (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL,
        bot TEXT NOT NULL,
        value TEXT NOT NULL,
        expires_on INTEGER,
        UNIQUE (key, bot)
    );
    CREATE INDEX kvs_expiring ON kvs (expires_on) WHERE expires_on IS NOT NULL;
    CREATE TABLE secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    ",
    // Format 2: dialogs time out, attributes of users are forgotten.
    //
    // sessions: `times_out_on` is there while temp or context hold anything and no time-out was queued for them; `timeout`
    //   is the event that was. What the janitor looks for is in the partial indexes and nothing else is: bots come first in
    //   the one of time-outs, so that those of a bot that is gone stand in nobody's way. The third one holds sessions with
    //   nothing to time out: the others are not deleted before that was done.
    // queue: with `timeout` the event is the janitor's own; anybody can send one of that type.
    // retention: when attributes of users were written that are to be forgotten some day; retention_policies: which ones
    //   those were at the last start.
    "
    ALTER TABLE sessions ADD COLUMN times_out_on INTEGER;
    ALTER TABLE sessions ADD COLUMN timeout INTEGER;
    UPDATE sessions SET times_out_on = expires_on WHERE temp <> '{}' OR context <> '{}';
    CREATE INDEX sessions_timing_out ON sessions (bot, times_out_on) WHERE times_out_on IS NOT NULL;
    CREATE UNIQUE INDEX sessions_timed_out ON sessions (timeout) WHERE timeout IS NOT NULL;
    CREATE INDEX sessions_expiring ON sessions (expires_on) WHERE times_out_on IS NULL AND timeout IS NULL;
    ALTER TABLE queue ADD COLUMN timeout INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE retention (
        attribute TEXT NOT NULL,
        user INTEGER NOT NULL,
        written_on INTEGER NOT NULL,
        PRIMARY KEY (attribute, user)
    ) WITHOUT ROWID;
    CREATE INDEX retention_oldest ON retention (attribute, written_on);
    CREATE TABLE retention_policies (attribute TEXT PRIMARY KEY) WITHOUT ROWID;
    ",
    // Format 3: with `reset` the event makes its session begin anew; anybody can send one of that type.
    "ALTER TABLE queue ADD COLUMN reset INTEGER NOT NULL DEFAULT 0;",
    // Format 4: messages of all channels are kept. Where a channel's conversations have no numbers, a user has one for each
    // `thread` and one for none (NULL).
    "
    ALTER TABLE conversations ADD COLUMN channel TEXT NOT NULL DEFAULT 'web';
    ALTER TABLE conversations ADD COLUMN thread TEXT;
    DROP INDEX conversations_recent;
    CREATE INDEX conversations_recent ON conversations (bot, channel, user_id, last_heard_on);
    ",
    // Format 5: how many events in a row have led to an event, each sent by a script of the one before.
    "ALTER TABLE queue ADD COLUMN depth INTEGER NOT NULL DEFAULT 0;",
    // Format 6: what a bot has stored has limits, and short links are stored.
    //
    // kvs: `owner` is the bot that wrote the value last, whatever name it stands under; empty is none.
    // kvs_sizes: how many bytes the values of each have. Triggers keep it, whoever adds, changes or removes values; what each
    //   value counts beside its texts is `StoreLimits::VALUE`.
    // short_links: `name` is in lower case. One without `expires_on` was made by a hook that runs at each start: if it is not
    //   made again then, its time begins.
    "
    ALTER TABLE kvs ADD COLUMN owner TEXT NOT NULL DEFAULT '';
    UPDATE kvs SET owner = bot;
    CREATE TABLE kvs_sizes (owner TEXT PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO kvs_sizes (owner, bytes)
        SELECT owner, sum(octet_length(key) + octet_length(bot) + octet_length(value) + 100) FROM kvs GROUP BY owner;
    CREATE TRIGGER kvs_added AFTER INSERT ON kvs BEGIN
        INSERT INTO kvs_sizes (owner, bytes)
            VALUES (NEW.owner, octet_length(NEW.key) + octet_length(NEW.bot) + octet_length(NEW.value) + 100)
            ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes;
    END;
    CREATE TRIGGER kvs_removed AFTER DELETE ON kvs BEGIN
        UPDATE kvs_sizes
            SET bytes = bytes - (octet_length(OLD.key) + octet_length(OLD.bot) + octet_length(OLD.value) + 100)
            WHERE owner = OLD.owner;
    END;
    CREATE TRIGGER kvs_changed AFTER UPDATE OF value, owner ON kvs BEGIN
        UPDATE kvs_sizes
            SET bytes = bytes - (octet_length(OLD.key) + octet_length(OLD.bot) + octet_length(OLD.value) + 100)
            WHERE owner = OLD.owner;
        INSERT INTO kvs_sizes (owner, bytes)
            VALUES (NEW.owner, octet_length(NEW.key) + octet_length(NEW.bot) + octet_length(NEW.value) + 100)
            ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes;
    END;
    CREATE TABLE short_links (
        name TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        target TEXT NOT NULL,
        expires_on INTEGER
    ) WITHOUT ROWID;
    CREATE INDEX short_links_of_bot ON short_links (owner);
    CREATE INDEX short_links_expiring ON short_links (expires_on) WHERE expires_on IS NOT NULL;
    ",
];

/// The format of the file, 0 if nothing is in it. A later one than the last that is known is refused, and so is a file that is
/// not ours.
pub(super) fn format_of(connection: &Connection, path: &Path) -> Result<usize, StoreError> {
    let found = connection.pragma_query_value(None, "user_version", |row| row.get(0));
    let found: usize = found.map_err(|error| unreadable(error, path))?;
    if found > STEPS.len() {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: STEPS.len() });
    }
    if found == 0 && connection.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))? {
        return Err(StoreError::Foreign { path: path.to_owned() });
    }
    Ok(found)
}

fn unreadable(error: rusqlite::Error, path: &Path) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            StoreError::Damaged { path: path.to_owned(), why: error.to_string() }
        }
        _ => error.into(),
    }
}

/// Brings the file to the present format, each step in a transaction of its own.
pub(super) fn prepare(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let found = format_of(connection, path)?;
    if (1..STEPS.len()).contains(&found) {
        let (file, now) = (path.display(), STEPS.len());
        tracing::info!("{file} gets format {now} (from {found}): an older build cannot open it any more");
    }
    for (format, step) in STEPS.iter().enumerate().skip(found) {
        let next = format + 1;
        connection.execute_batch(&format!("BEGIN IMMEDIATE; {step}; PRAGMA user_version = {next}; COMMIT;"))?;
    }
    // Effects of events that are finished serve nothing; they are left by replies that came late.
    connection.execute("DELETE FROM effects WHERE event NOT IN (SELECT id FROM queue)", [])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn a_file_of_a_later_format_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.db");
        let connection = Connection::open(&path).unwrap();
        prepare(&connection, &path).unwrap();
        prepare(&connection, &path).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        let error = prepare(&connection, &path).unwrap_err();
        assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error}");
    }

    #[test]
    fn a_file_of_the_first_format_can_be_looked_at_before_a_server_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(STEPS[0]).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        let row = "INSERT INTO queue (bot, channel, target, kind, body, poison) VALUES ('b', 'web', 'ann', 'text', '{}', 'why')";
        connection.execute(row, []).unwrap();
        let peek = crate::store::Peek::open(&path).unwrap().unwrap();
        assert_eq!(peek.poisoned().unwrap()[0].reason, "why");
        assert_eq!(peek.app_secret().unwrap(), None);
        assert_eq!(format_of(&connection, &path).unwrap(), 1);
    }

    #[test]
    fn a_file_of_another_program_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE users (a)").unwrap();
        let before = std::fs::read(&path).unwrap();
        let error = Store::open(&path, Clock::system()).err().unwrap();
        assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
        std::fs::write(&path, "This is no database, whatever its name says.".repeat(100)).unwrap();
        let error = Store::open(&path, Clock::system()).err().unwrap();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    }

    #[test]
    fn what_waits_in_a_file_of_any_older_format_still_waits_after_it_was_brought_up_to_date() {
        for format in 1..STEPS.len() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("data.db");
            let connection = Connection::open(&path).unwrap();
            STEPS[..format].iter().for_each(|step| connection.execute_batch(step).unwrap());
            connection.pragma_update(None, "user_version", format).unwrap();
            let row = "INSERT INTO queue (bot, channel, target, kind, body) VALUES ('b', 'web', 'ann', 'text', '{}')";
            connection.execute(row, []).unwrap();
            Store::open(&path, Clock::system()).unwrap();
            assert_eq!(format_of(&connection, &path).unwrap(), STEPS.len());
            let row = "SELECT bot || target || timeout || reset FROM queue";
            let found: String = connection.query_row(row, [], |row| row.get(0)).unwrap();
            assert_eq!(found, "bann00", "from format {format}");
        }
    }

    #[test]
    fn dialogs_that_an_older_build_stored_time_out_with_their_sessions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(STEPS[0]).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        let rows = "INSERT INTO sessions (bot, channel, target, thread, session, temp, context, expires_on) VALUES \
                    ('b', 'web', 'ann', x'', '{}', '{}', '{\"currentFlow\":\"main.flow.json\"}', 7), \
                    ('b', 'web', 'bob', x'', '{}', '{\"a\":1}', '{}', 8), ('b', 'web', 'eve', x'', '{\"s\":1}', '{}', '{}', 9)";
        connection.execute(rows, []).unwrap();
        prepare(&connection, &path).unwrap();
        let mut statement = connection.prepare("SELECT times_out_on FROM sessions ORDER BY id").unwrap();
        let times: Vec<Option<u64>> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(times, [Some(7), Some(8), None]);
    }
}
