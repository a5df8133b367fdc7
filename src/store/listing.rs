//! Conversations as they are read: listed, and one with its messages.

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use uuid::Uuid;

use super::error::StoreError;
use super::handle::Store;
use super::messages::{READS, StoredMessage};
use super::timestamp::Timestamp;
use super::{conversations, history};
use crate::model::{BotId, ConversationKey};

/// A row of the list of conversations; serialises as clients know it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConversationRow {
    /// Its number.
    pub id: i64,
    /// `Conversation 735157`.
    pub title: String,
    /// Always null, clients expect the key.
    pub description: Option<String>,
    /// Always null, clients expect the key.
    pub logo_url: Option<String>,
    /// When it was made.
    pub created_on: Timestamp,
    /// When the user wrote last, or an event began it.
    pub last_heard_on: Option<Timestamp>,
    /// Type of the last message that can be seen.
    pub message_type: Option<String>,
    /// Its text.
    pub message_text: Option<String>,
    /// Its author's name.
    pub message_author: Option<String>,
    /// Its author's picture.
    pub message_author_avatar: Option<String>,
    /// When it was sent.
    pub message_sent_on: Option<Timestamp>,
}

/// A conversation with its messages; serialises as clients know it.
#[derive(Debug, Clone, Serialize)]
pub struct Conversation {
    /// Its number.
    pub id: i64,
    /// The user.
    #[serde(rename = "userId")]
    pub user_id: String,
    /// The bot.
    #[serde(rename = "botId")]
    pub bot_id: BotId,
    /// `Conversation 735157`.
    pub title: String,
    /// Always null, clients expect the key.
    pub description: Option<String>,
    /// Always null, clients expect the key.
    pub logo_url: Option<String>,
    /// When it was made.
    pub created_on: Timestamp,
    /// When the user wrote last, or an event began it.
    pub last_heard_on: Option<Timestamp>,
    /// When the user looked at it last.
    pub user_last_seen_on: Option<Timestamp>,
    /// When the bot looked at it last.
    pub bot_last_seen_on: Option<Timestamp>,
    /// The latest messages that can be seen, oldest first.
    pub messages: Vec<StoredMessage>,
}

const COLUMNS: &str = "id, user_id, title, created_on, last_heard_on, user_last_seen_on, bot_last_seen_on";

impl Store {
    /// The `limit` newest of the user's conversations, newest first, each with the last message that can be seen now.
    pub fn list_conversations(&self, key: &ConversationKey, limit: usize) -> Result<Vec<ConversationRow>, StoreError> {
        // Cut off before the messages are looked for.
        let sql = format!(
            "SELECT c.id, c.title, c.created_on, c.last_heard_on, \
                   m.message_type, {READS}, m.full_name, m.avatar_url, m.sent_on \
                   FROM (SELECT * FROM conversations WHERE bot = ?1 AND channel = ?5 AND user_id = ?2 ORDER BY id DESC LIMIT ?4) c \
                   LEFT JOIN messages m ON (m.event, m.sequence) = ( \
                     SELECT l.event, l.sequence FROM messages l \
                     WHERE l.conversation = c.id AND l.deliver_at <= ?3 AND l.message_type <> 'visit' \
                     ORDER BY l.deliver_at DESC, l.event DESC, l.sequence DESC LIMIT 1) \
                   ORDER BY c.id DESC"
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let params = params![key.bot.as_str(), key.target.as_str(), self.now(), limit, key.channel];
            let rows = statement.query_map(params, |row| {
                Ok(ConversationRow {
                    id: row.get(0)?,
                    title: row.get(1)?,
                    description: None,
                    logo_url: None,
                    created_on: Timestamp(row.get(2)?),
                    last_heard_on: row.get::<_, Option<u64>>(3)?.map(Timestamp),
                    message_type: row.get(4)?,
                    message_text: row.get(5)?,
                    message_author: row.get(6)?,
                    message_author_avatar: row.get(7)?,
                    message_sent_on: row.get::<_, Option<u64>>(8)?.map(Timestamp),
                })
            })?;
            rows.collect::<Result<_, _>>().map_err(StoreError::from)
        })
    }

    /// One conversation with the last `limit` messages that can be seen now (`visit` is never shown), fewer if they are of
    /// more than `size` bytes together; `None` if there is no such conversation of that bot and user.
    pub fn conversation(
        &self,
        key: &ConversationKey,
        id: i64,
        limit: usize,
        size: usize,
    ) -> Result<Option<Conversation>, StoreError> {
        self.one(key, id, |connection, now| history::last(connection, id, now, limit, size))
    }

    /// One conversation with what can be seen of it from the time of the message `after` on, oldest first, that one in it:
    /// a page of `page` messages and `size` bytes. As [`Store::conversation`] if there is no such message in it.
    pub fn conversation_after(
        &self,
        (key, id): (&ConversationKey, i64),
        after: Uuid,
        page: usize,
        limit: usize,
        size: usize,
    ) -> Result<Option<Conversation>, StoreError> {
        self.one(key, id, |connection, now| {
            match history::after(connection, id, after, now, (page, history::LOOK_BACK), size)? {
                Some(messages) => Ok(messages),
                None => history::last(connection, id, now, limit, size),
            }
        })
    }

    fn one(
        &self,
        key: &ConversationKey,
        id: i64,
        messages: impl FnOnce(&Connection, u64) -> Result<Vec<StoredMessage>, StoreError>,
    ) -> Result<Option<Conversation>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM conversations WHERE id = ? AND bot = ? AND channel = ? AND user_id = ?");
        let now = self.now();
        self.read(|connection| {
            let found = connection
                .prepare_cached(&sql)?
                .query_row(params![id, key.bot.as_str(), key.channel, key.target.as_str()], |row| {
                    conversation_of_row(&key.bot, row)
                })
                .optional()?;
            let Some(mut conversation) = found else { return Ok(None) };
            conversation.messages = messages(connection, now)?;
            Ok(Some(conversation))
        })
    }

    /// The user's first conversation, without messages.
    pub fn first_conversation(&self, key: &ConversationKey) -> Result<Option<Conversation>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM conversations WHERE bot = ? AND channel = ? AND user_id = ? ORDER BY id LIMIT 1"
        );
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let params = params![key.bot.as_str(), key.channel, key.target.as_str()];
            Ok(statement.query_row(params, |row| conversation_of_row(&key.bot, row)).optional()?)
        })
    }

    /// Makes a conversation in which nothing was heard yet, and gives its number, unless the user has `most` already.
    pub fn new_conversation(
        &self,
        key: &ConversationKey,
        most: usize,
    ) -> impl Future<Output = Result<i64, StoreError>> + Send + 'static + use<> {
        let key = key.clone();
        self.write(move |tx| conversations::another(tx, &key, most))
    }
}

fn conversation_of_row(bot: &BotId, row: &rusqlite::Row<'_>) -> Result<Conversation, rusqlite::Error> {
    Ok(Conversation {
        id: row.get(0)?,
        user_id: row.get(1)?,
        bot_id: bot.clone(),
        title: row.get(2)?,
        description: None,
        logo_url: None,
        created_on: Timestamp(row.get(3)?),
        last_heard_on: row.get::<_, Option<u64>>(4)?.map(Timestamp),
        user_last_seen_on: row.get::<_, Option<u64>>(5)?.map(Timestamp),
        bot_last_seen_on: row.get::<_, Option<u64>>(6)?.map(Timestamp),
        messages: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::ConversationTarget;
    use super::super::testing::*;
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn three_first_messages_at_once_make_one_conversation() {
        let fixture = Fixture::new();
        let (sender, receiver) = crossbeam_channel::unbounded();
        std::thread::scope(|scope| {
            for text in ["m1", "m2", "m3"] {
                let (store, sender) = (&fixture.store, sender.clone());
                scope.spawn(move || {
                    store.accept(draft("ann"), ConversationTarget::Recent, Some(message(text)), move |accepted| {
                        sender.send(accepted.unwrap()).unwrap();
                    });
                });
            }
        });
        drop(sender);
        let accepted: Vec<_> = receiver.iter().collect();
        assert_eq!(accepted.iter().map(|one| one.conversation).collect::<Vec<_>>(), [Some(1); 3]);
        assert_eq!(accepted[0].event.thread.as_deref(), Some("1"));
        let key = whose("ann");
        assert_eq!(fixture.store.conversation(&key, 1, 20, 1 << 20).unwrap().unwrap().messages.len(), 3);
        assert_eq!(fixture.store.list_conversations(&key, 100).unwrap().len(), 1);
    }

    #[test]
    fn a_conversation_is_gone_on_with_while_it_is_recent() {
        let fixture = Fixture::new();
        let place = |fixture: &Fixture, place| {
            let accepted = wait(|then| fixture.store.accept(draft("ann"), place, Some(message("hi")), then));
            accepted.unwrap().conversation.unwrap()
        };
        assert_eq!(place(&fixture, ConversationTarget::Recent), 1);
        fixture.clock.advance(std::time::Duration::from_secs(6 * 3_600));
        assert_eq!(place(&fixture, ConversationTarget::Recent), 1);
        fixture.clock.advance(std::time::Duration::from_secs(6 * 3_600 + 1));
        assert_eq!(place(&fixture, ConversationTarget::Recent), 2);
        assert_eq!(place(&fixture, ConversationTarget::Conversation(1)), 1);
        fixture.clock.advance(std::time::Duration::from_secs(1));
        assert_eq!(place(&fixture, ConversationTarget::Conversation(1)), 1);
        assert_eq!(place(&fixture, ConversationTarget::Recent), 1, "the one heard last");
    }

    #[test]
    fn conversations_serialise_as_recorded() {
        let fixture = Fixture::new();
        let key = whose("ann");
        let id = wait(|then| {
            let made = fixture.store.new_conversation(&key, 100);
            std::thread::spawn(move || then(block_on(made)));
        })
        .unwrap();
        let empty = fixture.store.conversation(&key, id, 20, 1 << 20).unwrap().unwrap();
        let title = empty.title.clone();
        assert!(title.strip_prefix("Conversation ").is_some_and(|digits| digits.len() == 6), "{title}");
        assert_eq!(
            serde_json::to_string(&empty).unwrap(),
            format!(
                "{{\"id\":1,\"userId\":\"ann\",\"botId\":\"my-bot\",\"title\":\"{title}\",\"description\":null,\"logo_url\":null,\
                 \"created_on\":\"2026-11-22T06:48:19.736Z\",\"last_heard_on\":null,\"user_last_seen_on\":null,\
                 \"bot_last_seen_on\":null,\"messages\":[]}}"
            )
        );
        wait(|then| {
            fixture.store.accept(draft("ann"), ConversationTarget::Conversation(id), Some(message("hi")), then)
        })
        .unwrap();
        let list = fixture.store.list_conversations(&key, 100).unwrap();
        assert_eq!(
            serde_json::to_string(&list).unwrap(),
            format!(
                "[{{\"id\":1,\"title\":\"{title}\",\"description\":null,\"logo_url\":null,\
                 \"created_on\":\"2026-11-22T06:48:19.736Z\",\"last_heard_on\":\"2026-11-22T06:48:19.736Z\",\
                 \"message_type\":\"text\",\"message_text\":\"hi\",\"message_author\":\"User\",\
                 \"message_author_avatar\":null,\"message_sent_on\":\"2026-11-22T06:48:19.736Z\"}}]"
            )
        );
        assert_eq!(fixture.store.first_conversation(&key).unwrap().unwrap().id, 1);
    }

    #[test]
    fn the_list_of_conversations_tells_a_question_with_quick_replies_by_its_text() {
        let fixture = Fixture::new();
        let event = fixture.accept("ann", ConversationTarget::Recent).event;
        let mut out = outgoing(&event, "", fixture.clock.now());
        out.payload = raw(r#"{"type":"custom","wrapped":{"type":"text","text":"Sure?"}}"#);
        (out.message_type, out.message_text) = ("custom".into(), None);
        wait(|then| fixture.store.reply(event.id, 0, out, then)).unwrap();
        let key = whose("ann");
        let list = fixture.store.list_conversations(&key, 1).unwrap();
        assert_eq!(list[0].message_text.as_deref(), Some("Sure?"));
    }

    #[test]
    fn a_conversation_is_seen_by_its_own_user_and_bot_only() {
        let fixture = Fixture::with_clock(Clock::manual(1_000));
        let proto = fixture.accept("__proto__", ConversationTarget::Recent);
        assert_eq!(proto.conversation, Some(1));
        let key = whose("__proto__");
        assert!(fixture.store.conversation(&key, 1, 20, 1 << 20).unwrap().is_some());
        let other = whose("other");
        assert!(fixture.store.conversation(&other, 1, 20, 1 << 20).unwrap().is_none());
        assert!(fixture.store.first_conversation(&other).unwrap().is_none());
        let other_bot = ConversationKey { bot: BotId::parse("other-bot").unwrap(), ..key.clone() };
        assert!(fixture.store.conversation(&other_bot, 1, 20, 1 << 20).unwrap().is_none());
    }

    #[test]
    fn a_list_of_conversations_has_an_end_and_so_have_conversations_begun_at_will() {
        let fixture = Fixture::with_clock(Clock::manual(1_000));
        let key = whose("ann");
        for id in 1..=5 {
            assert_eq!(block_on(fixture.store.new_conversation(&key, 5)).unwrap(), id);
        }
        let refused = block_on(fixture.store.new_conversation(&key, 5));
        assert!(matches!(refused, Err(StoreError::TooManyConversations(5))));
        let other = whose("bob");
        assert_eq!(block_on(fixture.store.new_conversation(&other, 5)).unwrap(), 6);
        assert_eq!(
            fixture.accept("ann", ConversationTarget::Recent).conversation,
            Some(7),
            "events are never refused for it"
        );
        let ids = |limit| {
            let listed = fixture.store.list_conversations(&key, limit).unwrap();
            listed.iter().map(|row| row.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(3), [7, 5, 4]);
        assert_eq!(ids(100), [7, 5, 4, 3, 2, 1]);
    }

    #[test]
    fn long_reads_run_a_few_at_a_time_and_a_panic_in_one_is_an_error() {
        let fixture = Fixture::new();
        let store = &fixture.store;
        block_on(async {
            let panicked = store.beside(|_| -> Result<(), _> { panic!("boom") }).await;
            assert!(matches!(panicked, Err(StoreError::Panicked(_))));
            let running = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
            let mut reads = tokio::task::JoinSet::new();
            for _ in 0..50 {
                let (store, running) = (store.clone(), running.clone());
                reads.spawn(async move {
                    let counted = move |_: &Store| {
                        let now = running.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        std::thread::yield_now();
                        running.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        Ok(now + 1)
                    };
                    store.beside(counted).await.unwrap()
                });
            }
            assert!(reads.join_all().await.into_iter().all(|at_once| at_once <= 8));
        });
    }
}
