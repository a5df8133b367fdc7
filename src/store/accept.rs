//! The way in: an event becomes durable with all that belongs to it.

use super::error::StoreError;
use super::handle::Store;
use super::memory::{Origin, UserName};
use super::messages::{self, StoredMessage, UserMessage};
use super::queue::enqueue;
use super::tx::Tx;
use super::{conversations, users};
use crate::model::{EventDraft, QueuedEvent};

/// In which conversation an event takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConversationTarget {
    /// The channel has no conversations (`api`); the draft's own thread stays as it is.
    Nowhere,
    /// The conversation in which the user was heard last, if that is recent; otherwise a new one.
    Recent,
    /// That one; it must belong to the event's bot and user.
    Conversation(i64),
    /// That one, as with [`ConversationTarget::Conversation`]; its session begins anew with the event.
    Anew(i64),
}

/// An event that is stored.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The event with its id; its thread is the conversation.
    pub event: QueuedEvent,
    /// The conversation, where the channel has them.
    pub conversation: Option<i64>,
    /// The user's message as stored.
    pub message: Option<StoredMessage>,
}

impl Store {
    /// Makes an event durable, in one transaction: conversation found or made, user made if missing, the user's message
    /// stored, id given, queued. `then` runs on the writer's thread, in the order of the ids.
    pub fn accept(
        &self,
        mut draft: EventDraft,
        target: ConversationTarget,
        message: Option<UserMessage>,
        then: impl FnOnce(Result<Accepted, StoreError>) + Send + 'static,
    ) {
        self.write_repeated(move |tx| accept(tx, &mut draft, target, message.as_ref()), then);
    }
}

fn accept(
    tx: &Tx<'_>,
    draft: &mut EventDraft,
    target: ConversationTarget,
    message: Option<&UserMessage>,
) -> Result<Accepted, StoreError> {
    let name = UserName::of(&draft.key, tx.rules.per_bot);
    let author = match message {
        None => users::ensure(tx, &name).map(|()| None)?,
        Some(_) => Some(users::ensure_and_read(tx, &name)?),
    };
    let key = &draft.key;
    let conversation = match target {
        ConversationTarget::Nowhere => None,
        ConversationTarget::Recent => Some(conversations::recent_or_new(tx, key)?),
        ConversationTarget::Conversation(id) | ConversationTarget::Anew(id) if conversations::belongs(tx, id, key)? => {
            Some(id)
        }
        ConversationTarget::Conversation(id) | ConversationTarget::Anew(id) => {
            return Err(StoreError::ConversationNotFound(id));
        }
    };
    if let Some(id) = conversation {
        draft.thread = Some(id.to_string().into());
    }
    let origin = Origin { reset: matches!(target, ConversationTarget::Anew(_)), ..Origin::default() };
    let event = enqueue(tx, draft, origin)?;
    let message = match (message, author, conversation) {
        (Some(message), Some(attributes), Some(id)) => {
            conversations::heard(tx, id, &event.key)?;
            Some(messages::insert_of_user(tx, &event, id, message, &attributes)?)
        }
        _ => None,
    };
    Ok(Accepted { event, conversation, message })
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::model::StateChange;

    #[test]
    fn a_reset_ends_the_session_in_its_turn_and_keeps_what_the_event_itself_leaves() {
        let fixture = Fixture::new();
        let change = |json: &str| Some(serde_json::from_str::<StateChange>(json).unwrap());
        let first = fixture.accept("ann", ConversationTarget::Recent);
        let id = first.conversation.unwrap();
        let elsewhere = fixture.accept("bob", ConversationTarget::Recent).event;
        let reset = fixture.accept("ann", ConversationTarget::Anew(id)).event;
        assert!(reset.reset && !first.event.reset && reset.session() == first.event.session());
        for event in [&first.event, &elsewhere] {
            fixture.finish(event, change(r#"{"session":{"s":1},"temp":{"t":1},"context":{"c":1},"user":{"u":1}}"#));
        }
        // It is one after a restart, too.
        let fixture = fixture.reopen();
        assert!(fixture.store.queued(reset.id).unwrap().unwrap().reset);
        assert!(fixture.store.pending().unwrap()[0].reset);
        let session = |event: &QueuedEvent| fixture.store.restore(&event.session()).unwrap();
        assert_eq!(session(&reset).session, r#"{"s":1}"#);
        fixture.finish(&reset, None);
        let after = session(&reset);
        assert_eq!((&*after.session, &*after.context, &*after.user), ("{}", "{}", r#"{"u":1}"#));
        assert_eq!(session(&elsewhere).session, r#"{"s":1}"#);
        let other = fixture.accept("ann", ConversationTarget::Conversation(id)).event;
        fixture.finish(&other, change(r#"{"session":{"s":2},"context":{"c":2}}"#));
        let again = fixture.accept("ann", ConversationTarget::Anew(id)).event;
        fixture.finish(&again, change(r#"{"session":{"greeted":true}}"#));
        let after = session(&again);
        assert_eq!((&*after.session, &*after.context), (r#"{"greeted":true}"#, "{}"));
        // Set aside, it has done that much, and does it once.
        let third = fixture.accept("ann", ConversationTarget::Anew(id)).event;
        wait(|then| fixture.store.set_aside(third.id, "killed two workers".into(), then)).unwrap();
        assert_eq!(session(&third).session, "{}");
        block_on(fixture.store.retry_poisoned(third.id)).unwrap();
        assert!(!fixture.store.queued(third.id).unwrap().unwrap().reset);
        let refused = wait(|then| fixture.store.accept(draft("bob"), ConversationTarget::Anew(id), None, then));
        assert!(matches!(refused, Err(StoreError::ConversationNotFound(_))));
    }

    #[test]
    fn a_refused_conversation_leaves_nothing_behind() {
        let fixture = Fixture::new();
        let refused = wait(|then| {
            fixture.store.accept(draft("ann"), ConversationTarget::Conversation(99_999), Some(message("hi")), then)
        });
        let error = refused.unwrap_err();
        assert_eq!(error.to_string(), "conversation \"99999\" not found - BP_CONV_NOT_FOUND");
        assert!(fixture.store.pending().unwrap().is_empty());
        assert_eq!(fixture.store.user_count(None).unwrap(), 0);
    }
}
