//! Messages: the user's and the bot's, in the order in which they are seen.

use std::sync::Arc;

use rusqlite::{Row, params};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::error::StoreError;
use super::rows::unreadable;
use super::timestamp::Timestamp;
use super::tx::Tx;
use super::users::author;
use crate::model::{EventId, QueuedEvent, SessionKey};

/// What a user wrote. Name and picture come from the user's attributes.
#[derive(Debug, Clone)]
pub struct UserMessage {
    /// `text`, `quick_reply`, `visit`, …
    pub message_type: Arc<str>,
    /// What the conversation shows.
    pub message_text: Option<String>,
    /// The payload less its sensitive fields.
    pub payload: Box<RawValue>,
    /// `message_raw`.
    pub raw: Option<Box<RawValue>>,
    /// `message_data`.
    pub data: Option<Box<RawValue>>,
}

/// A reply, as the outgoing hooks left it.
#[derive(Debug, Clone)]
pub struct OutgoingMessage {
    /// To whom. On `web`, no thread (or one that is no number) means the recent conversation or a new one.
    pub session: SessionKey,
    /// On `web`, only to a visitor who has a conversation with the bot already: he began it, where bots are kept apart.
    pub known_only: bool,
    /// The payload.
    pub payload: Box<RawValue>,
    /// `message_type`.
    pub message_type: Arc<str>,
    /// `message_text`.
    pub message_text: Option<String>,
    /// From when on it can be seen, milliseconds since the epoch.
    pub deliver_at: u64,
    /// What it says of when it was sent, milliseconds since the epoch.
    pub sent_on: u64,
}

/// A message as clients see it.
#[derive(Debug, Clone, Serialize)]
pub struct StoredMessage {
    /// Its id.
    #[serde(serialize_with = "as_text")]
    pub id: Uuid,
    /// Its conversation.
    #[serde(rename = "conversationId")]
    pub conversation_id: i64,
    /// Its author; `None` is the bot.
    #[serde(rename = "userId")]
    pub user_id: Option<Arc<str>>,
    /// `text`, `carousel`, `custom`, …
    pub message_type: Arc<str>,
    /// What it says as text.
    pub message_text: Option<String>,
    /// Rarely used.
    pub message_raw: Option<Box<RawValue>>,
    /// Rarely used.
    pub message_data: Option<Box<RawValue>>,
    /// The whole payload.
    pub payload: Box<RawValue>,
    /// The author's name.
    pub full_name: String,
    /// The author's picture.
    pub avatar_url: Option<String>,
    /// When it was sent.
    pub sent_on: Timestamp,
}

/// What people read of a message `m` where there is one line for it: its text, or the one that its quick replies belong to.
pub(super) const READS: &str = "CASE WHEN m.message_text IS NULL AND m.message_type = 'custom' AND json_valid(m.payload) \
                    THEN CASE json_type(m.payload, '$.wrapped.text') WHEN 'text' \
                    THEN json_extract(m.payload, '$.wrapped.text') END ELSE m.message_text END";

/// The columns of a [`StoredMessage`], in the order that [`message_of_row`] reads.
pub(super) const COLUMNS: &str = "m.id, m.conversation, m.user_id, m.message_type, m.message_text, m.message_raw, m.message_data, \
                       m.payload, m.full_name, m.avatar_url, m.sent_on";

const INSERT: &str = "INSERT INTO messages (event, sequence, id, conversation, user_id, full_name, avatar_url, \
                      message_type, message_text, message_raw, message_data, payload, sent_on, deliver_at, delayed) \
                      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";

/// Stores what the user wrote with the event.
pub(super) fn insert_of_user(
    tx: &Tx<'_>,
    event: &QueuedEvent,
    conversation: i64,
    message: &UserMessage,
    attributes: &str,
) -> Result<StoredMessage, StoreError> {
    let (full_name, avatar_url) = author(attributes);
    let message = StoredMessage {
        id: Uuid::new_v4(),
        conversation_id: conversation,
        user_id: Some(event.key.target.as_str().into()),
        message_type: Arc::clone(&message.message_type),
        message_text: message.message_text.clone(),
        message_raw: message.raw.clone(),
        message_data: message.data.clone(),
        payload: message.payload.clone(),
        full_name,
        avatar_url,
        sent_on: Timestamp(tx.now),
    };
    insert(tx, event.id, 0, &message.row(tx.now))?;
    Ok(message)
}

/// A message on its way into the table.
pub(super) struct MessageRow<'m> {
    pub(super) id: Uuid,
    pub(super) conversation: i64,
    pub(super) user_id: Option<&'m str>,
    pub(super) message_type: &'m str,
    pub(super) message_text: Option<&'m str>,
    pub(super) message_raw: Option<&'m str>,
    pub(super) message_data: Option<&'m str>,
    pub(super) payload: &'m str,
    pub(super) full_name: &'m str,
    pub(super) avatar_url: Option<&'m str>,
    pub(super) sent_on: u64,
    pub(super) deliver_at: u64,
}

/// Stores a message; whether it is the first with that number of that event.
pub(super) fn insert(tx: &Tx<'_>, event: EventId, sequence: i64, row: &MessageRow<'_>) -> Result<bool, StoreError> {
    let changed = tx.run(
        INSERT,
        params![
            event.0,
            sequence,
            row.id.as_bytes(),
            row.conversation,
            row.user_id,
            row.full_name,
            row.avatar_url,
            row.message_type,
            row.message_text,
            row.message_raw,
            row.message_data,
            row.payload,
            row.sent_on,
            row.deliver_at,
            row.deliver_at > tx.now,
        ],
    )?;
    tx.note_time()?;
    Ok(changed == 1)
}

/// Whether that number of the event is taken by a reply.
pub(super) fn is_taken(tx: &Tx<'_>, event: EventId, number: u32) -> Result<bool, StoreError> {
    if let Some(numbers) = tx.memory().event(event) {
        return Ok(numbers.replies.contains(&number));
    }
    let sql = "SELECT 1 FROM messages WHERE event = ? AND sequence = ?";
    Ok(tx.connection.prepare_cached(sql)?.exists(params![event.0, i64::from(number) + 1])?)
}

impl StoredMessage {
    fn row(&self, deliver_at: u64) -> MessageRow<'_> {
        MessageRow {
            id: self.id,
            conversation: self.conversation_id,
            user_id: self.user_id.as_deref(),
            message_type: &self.message_type,
            message_text: self.message_text.as_deref(),
            message_raw: self.message_raw.as_deref().map(RawValue::get),
            message_data: self.message_data.as_deref().map(RawValue::get),
            payload: self.payload.get(),
            full_name: &self.full_name,
            avatar_url: self.avatar_url.as_deref(),
            sent_on: self.sent_on.0,
            deliver_at,
        }
    }

    /// How much it brings along, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let json = |raw: &Option<Box<RawValue>>| raw.as_ref().map_or(0, |raw| raw.get().len());
        let text = self.message_text.as_ref().map_or(0, String::len);
        self.payload.get().len() + json(&self.message_raw) + json(&self.message_data) + text
    }
}

fn as_text<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

pub(super) fn message_of_row(row: &Row<'_>) -> Result<StoredMessage, rusqlite::Error> {
    let json = |column: usize| {
        let text: Option<String> = row.get(column)?;
        text.map(|text| RawValue::from_string(text).map_err(|error| unreadable(column, error))).transpose()
    };
    let id: Vec<u8> = row.get(0)?;
    Ok(StoredMessage {
        id: Uuid::from_slice(&id).map_err(|error| unreadable(0, error))?,
        conversation_id: row.get(1)?,
        user_id: row.get::<_, Option<String>>(2)?.map(Arc::from),
        message_type: row.get::<_, String>(3)?.into(),
        message_text: row.get(4)?,
        message_raw: json(5)?,
        message_data: json(6)?,
        payload: json(7)?.unwrap_or_else(|| RawValue::NULL.to_owned()),
        full_name: row.get(8)?,
        avatar_url: row.get(9)?,
        sent_on: Timestamp(row.get(10)?),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::{Attributes, ConversationTarget, Reply};

    #[test]
    fn a_message_serialises_as_recorded() {
        let fixture = Fixture::new();
        let name = [("first_name", "\"Ann\""), ("last_name", "\"Lee\""), ("picture_url", "\"http://x/y.png\"")];
        let attributes: Attributes = name.into_iter().map(|(key, value)| (key.to_owned(), raw(value))).collect();
        wait(|then| fixture.store.set_attributes("web".into(), "ann".into(), attributes, then)).unwrap();
        let accepted =
            wait(|then| fixture.store.accept(draft("ann"), ConversationTarget::Recent, Some(message("hi")), then))
                .unwrap();
        let stored = accepted.message.unwrap();
        assert_eq!(
            serde_json::to_string(&stored).unwrap(),
            format!(
                "{{\"id\":\"{}\",\"conversationId\":1,\"userId\":\"ann\",\"message_type\":\"text\",\"message_text\":\"hi\",\
                 \"message_raw\":null,\"message_data\":null,\"payload\":{{\"type\":\"text\",\"text\":\"hi\"}},\
                 \"full_name\":\"Ann Lee\",\"avatar_url\":\"http://x/y.png\",\"sent_on\":\"2026-11-22T06:48:19.736Z\"}}",
                stored.id
            )
        );
        let Reply::Stored(answer) = replied(&fixture, &accepted.event, 0, "Hello there!") else { panic!() };
        assert_eq!((answer.user_id.as_deref(), answer.full_name.as_str()), (None, "Bot"));
        let read = fixture.store.conversation(&accepted.event.key, 1, 20, 1 << 20).unwrap();
        let read = read.unwrap().messages;
        assert_eq!(serde_json::to_string(&read).unwrap(), serde_json::to_string(&[stored, answer]).unwrap());
    }

    #[test]
    fn history_is_the_last_messages_oldest_first_without_visits() {
        let fixture = Fixture::new();
        let mut visit = message("User visit");
        visit.message_type = "visit".into();
        let event = wait(|then| fixture.store.accept(draft("ann"), ConversationTarget::Recent, Some(visit), then))
            .unwrap()
            .event;
        for number in 0..5 {
            replied(&fixture, &event, number, &format!("m{number}"));
        }
        assert_eq!(texts(&fixture, &event, 20), ["m0", "m1", "m2", "m3", "m4"]);
        assert_eq!(texts(&fixture, &event, 3), ["m2", "m3", "m4"]);
    }

    #[test]
    fn a_history_ends_where_it_becomes_too_large_but_always_has_the_last_message() {
        let fixture = Fixture::new();
        let event = fixture.accept("ann", ConversationTarget::Recent).event;
        for (sequence, text) in ["old", "middle", "new"].into_iter().enumerate() {
            replied(&fixture, &event, u32::try_from(sequence).unwrap(), &text.repeat(100));
        }
        let shown = |size| {
            let key = &event.key;
            let found = fixture.store.conversation(key, 1, 20, size).unwrap().unwrap();
            found.messages.into_iter().map(|message| message.message_text.unwrap()[..3].to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(shown(1), ["new"]);
        assert_eq!(shown(2_000), ["mid", "new"]);
        assert_eq!(shown(1 << 20), ["old", "mid", "new"]);
    }
}
