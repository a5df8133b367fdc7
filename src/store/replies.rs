//! Replies of bots: stored once for each (event, number), in the conversation they belong to.

use uuid::Uuid;

use super::error::StoreError;
use super::messages::{self, MessageRow, OutgoingMessage, StoredMessage};
use super::timestamp::Timestamp;
use super::tx::Tx;
use super::{conversations, follow_ups};
use crate::config::stranger;
use crate::model::channel::channel;
use crate::model::{EventId, SessionKey};

/// What a bot is called in a conversation.
const BOT: &str = "Bot";

/// What became of a reply.
#[derive(Debug, Clone)]
pub enum Reply {
    /// It is a message now.
    Stored(StoredMessage),
    /// Noted, so that a second run does not repeat it: it is no message, but says that the bot types, or is for a page.
    Noted,
    /// An earlier run of the same event sent it already; the first one's content stands.
    AlreadyStored,
}

/// Types of replies that say something of the moment.
const PASSING: [&str; 2] = ["typing", "data"];

/// What a reply has come to, before its content is handed on.
pub(super) enum PlacedReply {
    Message(PlacedMessage),
    Noted,
    AlreadyStored,
}

impl PlacedReply {
    /// What became of the reply that has this content.
    pub(super) fn with(self, out: OutgoingMessage) -> Reply {
        match self {
            Self::Message(placed) => Reply::Stored(placed.with(out)),
            Self::Noted => Reply::Noted,
            Self::AlreadyStored => Reply::AlreadyStored,
        }
    }
}

/// Where a message was stored.
pub(super) struct PlacedMessage {
    id: Uuid,
    conversation: i64,
    sent_on: u64,
}

impl PlacedMessage {
    /// The message as it is stored.
    fn with(self, out: OutgoingMessage) -> StoredMessage {
        StoredMessage {
            id: self.id,
            conversation_id: self.conversation,
            user_id: None,
            message_type: out.message_type,
            message_text: out.message_text,
            message_raw: None,
            message_data: None,
            payload: out.payload,
            full_name: BOT.into(),
            avatar_url: None,
            sent_on: Timestamp(self.sent_on),
        }
    }
}

/// Stores a reply, unless an earlier run of the event did.
pub(super) fn place(
    tx: &Tx<'_>,
    event: EventId,
    number: u32,
    out: &OutgoingMessage,
) -> Result<PlacedReply, StoreError> {
    if follow_ups::is_taken(tx, event, number)? {
        return Ok(PlacedReply::AlreadyStored);
    }
    if PASSING.contains(&&*out.message_type) {
        let first = !messages::is_taken(tx, event, number)? && follow_ups::note(tx, event, number)?;
        return Ok(if first { PlacedReply::Noted } else { PlacedReply::AlreadyStored });
    }
    // Without a number in its thread a reply made again might begin a conversation.
    if !has_number(&out.session) && messages::is_taken(tx, event, number)? {
        return Ok(PlacedReply::AlreadyStored);
    }
    if out.known_only && !has_number(&out.session) {
        let key = &out.session.conversation;
        if channel(&key.channel).numbered && !conversations::knows(tx.connection, key)? {
            return Err(StoreError::Invalid(stranger(key.bot.as_str(), key.target.as_str())));
        }
    }
    let conversation = conversations::find_or_make(tx, &out.session)?;
    // Nothing appears before what a client may have seen when this is committed: times grow with the commits.
    let (deliver_at, sent_on) = (out.deliver_at.max(tx.now), out.sent_on.max(tx.now));
    let id = Uuid::new_v4();
    let row = MessageRow {
        id,
        conversation,
        user_id: None,
        message_type: &out.message_type,
        message_text: out.message_text.as_deref(),
        message_raw: None,
        message_data: None,
        payload: out.payload.get(),
        full_name: BOT,
        avatar_url: None,
        sent_on,
        deliver_at,
    };
    if !messages::insert(tx, event, i64::from(number) + 1, &row)? {
        return Ok(PlacedReply::AlreadyStored);
    }
    tx.memory().note_number(event, number, true);
    Ok(PlacedReply::Message(PlacedMessage { id, conversation, sent_on }))
}

/// Whether it names the conversation that it belongs to by its number.
fn has_number(session: &SessionKey) -> bool {
    let numbered = channel(&session.conversation.channel).numbered;
    numbered && session.thread.as_deref().is_some_and(|thread| thread.parse::<i64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::{ConversationTarget, FollowUp};
    use super::*;
    use crate::model::{ConversationKey, QueuedEvent};

    #[test]
    fn a_reply_made_again_by_a_second_run_is_dropped_and_the_first_content_stands() {
        let fixture = Fixture::new();
        let event = fixture.accept("ann", ConversationTarget::Recent).event;
        assert!(matches!(replied(&fixture, &event, 0, "first"), Reply::Stored(_)));
        let fixture = fixture.reopen();
        assert_eq!(fixture.store.pending().unwrap()[0].id, event.id);
        assert!(matches!(replied(&fixture, &event, 0, "second"), Reply::AlreadyStored));
        assert!(matches!(replied(&fixture, &event, 1, "next"), Reply::Stored(_)));
        assert_eq!(texts(&fixture, &event, 20), ["first", "next"]);
    }

    #[test]
    fn a_number_is_taken_whatever_kind_of_effect_took_it() {
        let fixture = Fixture::new();
        let event = fixture.accept("ann", ConversationTarget::Recent).event;
        let mut elsewhere = event.clone();
        elsewhere.key.channel = "api".into();
        assert!(matches!(replied(&fixture, &elsewhere, 0, "to the api"), Reply::Stored(_)));
        assert!(matches!(replied(&fixture, &elsewhere, 0, "to the api again"), Reply::AlreadyStored));
        assert!(matches!(replied(&fixture, &event, 0, "to the web"), Reply::AlreadyStored));
        let send = |number| wait(|then| fixture.store.follow_up(event.id, number, draft("bob"), then)).unwrap();
        assert!(matches!(send(0), FollowUp::AlreadyQueued));
        assert!(matches!(send(1), FollowUp::Queued(_)));
        // Told from memory, and from the tables after a restart.
        assert!(matches!(replied(&fixture, &event, 1, "to the web"), Reply::AlreadyStored));
        let fixture = fixture.reopen();
        assert!(matches!(replied(&fixture, &event, 1, "to the web"), Reply::AlreadyStored));
        assert!(matches!(replied(&fixture, &elsewhere, 0, "to the api"), Reply::AlreadyStored));
        let sent = wait(|then| fixture.store.follow_up(event.id, 1, draft("bob"), then)).unwrap();
        assert!(matches!(sent, FollowUp::AlreadyQueued));
        assert!(matches!(replied(&fixture, &event, 2, "to the web"), Reply::Stored(_)));
    }

    #[test]
    fn that_the_bot_types_is_no_message_on_any_channel_and_is_not_said_again_by_a_second_run() {
        let fixture = Fixture::new();
        let event = fixture.accept("ann", ConversationTarget::Nowhere).event;
        for (number, kind) in [(0, "typing"), (1, "data")] {
            let say = || {
                let mut out = outgoing(&event, "", 0);
                (out.session.conversation.channel, out.message_type) = ("api".into(), kind.into());
                wait(|then| fixture.store.reply(event.id, number, out, then)).unwrap()
            };
            assert!(matches!(say(), Reply::Noted));
            assert!(matches!(say(), Reply::AlreadyStored));
        }
        let api = ConversationKey { channel: "api".into(), ..event.key };
        assert!(fixture.store.list_conversations(&api, 10).unwrap().is_empty());
    }

    #[test]
    fn a_reply_is_never_delivered_before_the_time_of_its_commit() {
        let fixture = Fixture::new();
        let event = fixture.accept("ann", ConversationTarget::Recent).event;
        let out = outgoing(&event, "late", fixture.clock.now() - 500);
        let stored = wait(|then| fixture.store.reply(event.id, 0, out, then)).unwrap();
        let Reply::Stored(message) = stored else { panic!() };
        assert_eq!(message.sent_on.0, fixture.clock.now());
    }

    #[test]
    fn a_reply_finds_a_conversation_but_never_another_users() {
        let fixture = Fixture::new();
        let ann = fixture.accept("ann", ConversationTarget::Recent).event;
        let mut bob = ann.clone();
        bob.key.target = crate::model::UserId::parse("bob").unwrap();
        let refused = wait(|then| fixture.store.reply(ann.id, 0, outgoing(&bob, "hi", 0), then));
        assert!(matches!(refused.unwrap_err(), StoreError::ConversationNotFound(1)));
        bob.thread = None;
        let Reply::Stored(made) = replied(&fixture, &bob, 1, "hi") else { panic!() };
        let Reply::Stored(found) = replied(&fixture, &bob, 2, "hi again") else { panic!() };
        assert_eq!((made.conversation_id, found.conversation_id), (2, 2));
        assert!(matches!(replied(&fixture, &bob, 1, "hi"), Reply::AlreadyStored));
    }

    #[test]
    fn replies_of_other_channels_are_kept_in_one_conversation_for_each_thread() {
        let fixture = Fixture::new();
        let accept = |thread: Option<&str>| {
            let mut draft = draft("ann");
            (draft.key.channel, draft.thread) = ("telegram".into(), thread.map(Into::into));
            wait(|then| fixture.store.accept(draft, ConversationTarget::Nowhere, None, then)).unwrap().event
        };
        let conversation = |event: &QueuedEvent, number| {
            let Reply::Stored(message) = replied(&fixture, event, number, "hi") else { panic!() };
            message.conversation_id
        };
        let web = fixture.accept("ann", ConversationTarget::Recent).event;
        let of_web = conversation(&web, 0);
        let (chat, group) = (accept(None), accept(Some("-100_7")));
        let of_chat = conversation(&chat, 0);
        fixture.clock.advance(std::time::Duration::from_secs(30 * 86_400));
        assert_eq!(conversation(&accept(None), 1), of_chat, "it goes on, however long nobody spoke");
        let of_group = conversation(&group, 0);
        assert_eq!(conversation(&accept(Some("-100_7")), 0), of_group);
        assert!(of_web != of_chat && of_chat != of_group);
        // Each is read on its own channel alone, where it is the user's.
        let read = |key: &ConversationKey, id| fixture.store.conversation(key, id, 20, 1 << 20).unwrap();
        assert_eq!(read(&chat.key, of_chat).unwrap().messages.len(), 2);
        assert_eq!(read(&chat.key, of_group).unwrap().messages.len(), 2);
        assert!(read(&web.key, of_chat).is_none() && read(&chat.key, of_web).is_none());
        let listed = fixture.store.list_conversations(&chat.key, 10).unwrap();
        assert_eq!(listed.iter().map(|row| row.id).collect::<Vec<_>>(), [of_group, of_chat]);
        assert_eq!(fixture.store.list_conversations(&web.key, 10).unwrap().len(), 1);
        let transcript = fixture.store.transcript(&chat.key, of_chat, 1_000).unwrap().unwrap();
        assert_eq!(transcript.text.matches("Bot: hi").count(), 2, "{}", transcript.text);
        assert!(fixture.store.undelivered(0).unwrap().is_empty());
    }
}
