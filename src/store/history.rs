//! Stored messages as they are read: what can be seen now, and what lies ahead.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::error::StoreError;
use super::handle::Store;
use super::messages::{COLUMNS, StoredMessage, message_of_row};
use super::rows::unreadable;
use crate::model::channel::WEB;
use crate::model::{BotId, ConversationKey, UserId};

/// How far back from the end of a conversation a message is looked for that a client says it has. Whoever asks with an unknown id
/// costs no more than that; whoever was away for longer begins with the last messages.
pub(super) const LOOK_BACK: usize = 10_000;

/// A stored message whose time has not come.
#[derive(Debug, Clone)]
pub struct Ahead {
    /// Bot, channel and visitor.
    pub key: ConversationKey,
    /// When it can be seen, milliseconds since the epoch.
    pub deliver_at: u64,
    /// The message.
    pub message: StoredMessage,
}

/// Stored messages of one visitor whose time has not come.
#[derive(Debug, Clone)]
pub struct Undelivered {
    /// Its bot.
    pub bot: String,
    /// The visitor it is for.
    pub user: String,
    /// When the last of them can be seen, milliseconds since the epoch.
    pub deliver_at: u64,
}

impl Store {
    /// Who has messages on the web chat whose `deliver_at` lies after `now`.
    pub fn undelivered(&self, now: u64) -> Result<Vec<Undelivered>, StoreError> {
        let sql = "SELECT c.bot, c.user_id, max(m.deliver_at) FROM messages m \
                   JOIN conversations c ON c.id = m.conversation \
                   WHERE m.delayed = 1 AND m.deliver_at > ? AND c.channel = ? GROUP BY c.bot, c.user_id";
        self.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![now, WEB], |row| {
                Ok(Undelivered { bot: row.get(0)?, user: row.get(1)?, deliver_at: row.get(2)? })
            })?;
            rows.collect::<Result<_, _>>().map_err(StoreError::from)
        })
    }

    /// The messages whose `deliver_at` lies after `now`, soonest first, `most` at most.
    pub fn ahead(&self, now: u64, most: usize) -> Result<Vec<Ahead>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, c.bot, c.user_id, m.deliver_at, c.channel FROM messages m \
             JOIN conversations c ON c.id = m.conversation \
             WHERE m.delayed = 1 AND m.deliver_at > ? ORDER BY m.deliver_at, m.event, m.sequence LIMIT ?"
        );
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params![now, most], |row| {
                let bot = BotId::parse(&row.get::<_, String>(11)?).map_err(|error| unreadable(11, error))?;
                let target = UserId::parse(&row.get::<_, String>(12)?).map_err(|error| unreadable(12, error))?;
                let key = ConversationKey { bot, channel: row.get::<_, String>(14)?.into(), target };
                Ok(Ahead { key, deliver_at: row.get(13)?, message: message_of_row(row)? })
            })?;
            rows.collect::<Result<_, _>>().map_err(StoreError::from)
        })
    }
}

/// The last `limit` messages of a conversation that can be seen at `now`, oldest first; of them as many as have `size`
/// bytes together, but at least one.
pub(super) fn last(
    connection: &Connection,
    conversation: i64,
    now: u64,
    limit: usize,
    size: usize,
) -> Result<Vec<StoredMessage>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM messages m \
         WHERE m.conversation = ? AND m.deliver_at <= ? AND m.message_type <> 'visit' \
         ORDER BY m.deliver_at DESC, m.event DESC, m.sequence DESC LIMIT ?"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![conversation, now, limit], message_of_row)?;
    let (mut messages, mut bytes) = (Vec::new(), 0);
    for message in rows {
        let message = message?;
        bytes += message.bytes();
        if bytes > size && !messages.is_empty() {
            break;
        }
        messages.push(message);
    }
    messages.reverse();
    Ok(messages)
}

/// The messages of a conversation that can be seen at `now`, from the time of one of them on, oldest first; `None` if it is not
/// among the last `look_back`. A page has those of that very time, all of them, so that who asks again with the last one gets on, and the
/// one that was asked with among them, so that it is seen what stands before it; then at most `limit` of `size` bytes together,
/// but at least one.
pub(super) fn after(
    connection: &Connection,
    conversation: i64,
    id: Uuid,
    now: u64,
    (limit, look_back): (usize, usize),
    size: usize,
) -> Result<Option<Vec<StoredMessage>>, StoreError> {
    // It is among the last ones as a rule: they are looked through from there.
    let sql = "SELECT deliver_at FROM (SELECT id, deliver_at FROM messages WHERE conversation = ? AND deliver_at <= ? \
               ORDER BY deliver_at DESC, event DESC, sequence DESC LIMIT ?) WHERE id = ? LIMIT 1";
    let look_back = i64::try_from(look_back).unwrap_or(i64::MAX);
    let found = connection
        .prepare_cached(sql)?
        .query_row(params![conversation, now, look_back, id.as_bytes()], |row| row.get::<_, u64>(0))
        .optional()?;
    let Some(since) = found else { return Ok(None) };
    let sql = format!(
        "SELECT {COLUMNS}, m.deliver_at FROM messages m WHERE m.conversation = ? AND m.deliver_at BETWEEN ? AND ? \
         AND m.message_type <> 'visit' ORDER BY m.deliver_at, m.event, m.sequence"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement
        .query_map(params![conversation, since, now], |row| Ok((message_of_row(row)?, row.get::<_, u64>(11)?)))?;
    let (mut messages, mut later, mut bytes) = (Vec::new(), 0, 0);
    for row in rows {
        let (message, deliver_at) = row?;
        if deliver_at > since {
            bytes += message.bytes();
            if later == limit || (bytes > size && later > 0) {
                break;
            }
            later += 1;
        }
        messages.push(message);
    }
    Ok(Some(messages))
}

#[cfg(test)]
mod tests {
    use super::super::ConversationTarget;
    use super::super::testing::*;
    use super::*;

    #[test]
    fn delayed_messages_are_hidden_until_their_time_and_found_at_start() {
        let fixture = Fixture::new();
        let event = fixture.accept("ann", ConversationTarget::Recent).event;
        let later = fixture.clock.now() + 700;
        replied(&fixture, &event, 0, "now");
        let out = outgoing(&event, "later", later);
        wait(|then| fixture.store.reply(event.id, 1, out, then)).unwrap();
        assert_eq!(texts(&fixture, &event, 20), ["now"]);
        let fixture = fixture.reopen();
        let ahead = fixture.store.undelivered(fixture.clock.now()).unwrap();
        assert_eq!(ahead.len(), 1);
        assert_eq!((ahead[0].user.as_str(), ahead[0].deliver_at), ("ann", later));
        fixture.clock.advance(std::time::Duration::from_millis(700));
        assert_eq!(texts(&fixture, &event, 20), ["now", "later"]);
        assert!(fixture.store.undelivered(fixture.clock.now()).unwrap().is_empty());
    }

    #[test]
    fn what_came_after_a_message_is_read_page_by_page_each_message_once() {
        let fixture = Fixture::new();
        let event = fixture.accept("ann", ConversationTarget::Recent).event;
        let mut number = 0;
        // Three of each time: none may be left out because another one has the same time.
        for _ in 0..5 {
            for _ in 0..3 {
                replied(&fixture, &event, number, &format!("m{number}"));
                number += 1;
            }
            fixture.clock.advance(std::time::Duration::from_millis(1));
        }
        let out = outgoing(&event, "later", fixture.clock.now() + 700);
        wait(|then| fixture.store.reply(event.id, number, out, then)).unwrap();
        let key = &event.key;
        let page = |after: Uuid, limit, size| {
            fixture.store.conversation_after((key, 1), after, limit, 20, size).unwrap().unwrap().messages
        };
        let all = fixture.store.conversation(key, 1, 20, 1 << 20).unwrap().unwrap().messages;
        let text = |message: &StoredMessage| message.message_text.clone().unwrap();
        for size in [1, 1 << 20] {
            let (mut seen, mut last) = (vec![all[0].id], all[0].id);
            loop {
                let new: Vec<StoredMessage> = page(last, 2, size);
                let new: Vec<StoredMessage> = new.into_iter().filter(|message| !seen.contains(&message.id)).collect();
                let Some(newest) = new.last() else { break };
                last = newest.id;
                seen.extend(new.iter().map(|message| message.id));
            }
            assert_eq!(seen, all.iter().map(|message| message.id).collect::<Vec<_>>());
        }
        let of_last_time: Vec<String> = page(all[14].id, 100, 1 << 20).iter().map(text).collect();
        let reason = "those of the same time, itself in its place, and nothing that lies ahead";
        assert_eq!(of_last_time, ["m12", "m13", "m14"], "{reason}");
        assert_eq!(page(Uuid::new_v4(), 2, 1 << 20).len(), 15, "an unknown message: as without one");
        let found = |at: usize, look_back| {
            let read = |connection: &Connection| {
                after(connection, 1, all[at].id, fixture.clock.now(), (1, look_back), 1 << 20)
            };
            fixture.store.read(read).unwrap().is_some()
        };
        assert_eq!([found(10, 5), found(9, 5), found(0, 15), found(0, 14)], [true, false, true, false]);
    }
}
