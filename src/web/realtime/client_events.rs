//! What clients are told, in the form that was recorded from the original: events `guest.webchat.…` and their data.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::model::{BotId, UserId};
use crate::store::{StoredMessage, Timestamp};

use super::packet;
use crate::web::json_members;

/// The namespace of visitors.
pub(super) const GUEST: &str = "/guest";
/// The namespace of administrators.
pub(super) const ADMIN: &str = "/admin";

/// A stored message: keys without a value are left out.
#[derive(Serialize)]
struct MessageData<'m> {
    id: String,
    #[serde(rename = "conversationId")]
    conversation: ConversationId,
    #[serde(rename = "userId", skip_serializing_if = "Option::is_none")]
    user: Option<&'m str>,
    full_name: &'m str,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar_url: Option<&'m str>,
    message_type: &'m str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_text: Option<&'m str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_raw: Option<&'m RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_data: Option<&'m RawValue>,
    payload: &'m RawValue,
    sent_on: Timestamp,
    #[serde(rename = "__room")]
    room: String,
    #[serde(rename = "botId")]
    bot: &'m BotId,
}

/// A number in messages of the user, text in those of the bot. Clients compare them with `==`.
#[derive(Serialize)]
#[serde(untagged)]
enum ConversationId {
    Number(i64),
    Text(String),
}

fn room(visitor: &UserId) -> String {
    format!("visitor:{visitor}")
}

/// `guest.webchat.message`.
pub(super) fn message(bot: &BotId, visitor: &UserId, message: &StoredMessage) -> Option<String> {
    let id = message.conversation_id;
    let data = MessageData {
        id: message.id.to_string(),
        conversation: match message.user_id {
            Some(_) => ConversationId::Number(id),
            None => ConversationId::Text(id.to_string()),
        },
        user: message.user_id.as_deref(),
        full_name: &message.full_name,
        avatar_url: message.avatar_url.as_deref(),
        message_type: &message.message_type,
        message_text: message.message_text.as_deref(),
        message_raw: message.message_raw.as_deref(),
        message_data: message.message_data.as_deref(),
        payload: &message.payload,
        sent_on: message.sent_on,
        room: room(visitor),
        bot,
    };
    event("guest.webchat.message", &data)
}

/// `guest.webchat.typing`.
pub(super) fn typing(bot: &BotId, visitor: &UserId, conversation: Option<&str>, length: u64) -> Option<String> {
    #[derive(Serialize)]
    struct Typing<'t> {
        #[serde(rename = "timeInMs")]
        length: u64,
        #[serde(rename = "conversationId", skip_serializing_if = "Option::is_none")]
        conversation: Option<&'t str>,
        #[serde(rename = "__room")]
        room: String,
        #[serde(rename = "botId")]
        bot: &'t BotId,
    }
    event("guest.webchat.typing", &Typing { length, conversation, room: room(visitor), bot })
}

/// An event of a script for a visitor: its own data, and the room.
pub(super) fn data(visitor: &UserId, name: &str, payload: &RawValue) -> String {
    let room = serde_json::Value::String(room(visitor)).to_string();
    let mut data = String::with_capacity(payload.get().len() + room.len() + 12);
    data.push('{');
    let members = json_members::each(payload, |name, written, value| {
        // Which room it is stands with us, whatever the script wrote.
        if name != "__room" {
            for part in [written.get(), ":", value.get(), ","] {
                data.push_str(part);
            }
        }
    });
    if members.is_err() {
        // Something that has no members cannot name its room.
        return packet::event(GUEST, name, payload.get());
    }
    packet::event(GUEST, name, &format!("{data}\"__room\":{room}}}"))
}

/// An event of a script for administrators.
pub(super) fn admin(name: &str, payload: &RawValue) -> String {
    packet::event(ADMIN, name, payload.get())
}

fn event(name: &str, data: &impl Serialize) -> Option<String> {
    // Text and JSON that was read once can be written.
    let data = serde_json::to_string(data).ok()?;
    Some(packet::event(GUEST, name, &data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_keeps_its_members_in_order_and_names_the_room_that_it_goes_to() {
        let visitor = UserId::parse("ann").unwrap();
        let sent = |text: &str| {
            let packet = data(&visitor, "guest.x", &RawValue::from_string(text.to_owned()).unwrap());
            packet.strip_prefix("2/guest,[\"event\",{\"name\":\"guest.x\",\"data\":").unwrap().to_owned()
        };
        assert_eq!(sent(r#"{"b":1,"a":[2]}"#), r#"{"b":1,"a":[2],"__room":"visitor:ann"}}]"#);
        assert_eq!(sent(" { } "), r#"{"__room":"visitor:ann"}}]"#);
        assert_eq!(sent(r#"{"__room":"visitor:bob","a":1}"#), r#"{"a":1,"__room":"visitor:ann"}}]"#);
        assert_eq!(sent("3"), "3}]");
        // However deep its data goes, and however often and in which letters it names the room.
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        let written = format!(r#"{{"__room":"visitor:bob","a":{deep},"\u005f_room":1}}"#);
        assert_eq!(sent(&written), format!(r#"{{"a":{deep},"__room":"visitor:ann"}}}}]"#));
    }
}
