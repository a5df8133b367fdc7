//! Identifiers, each parsed once at the edge and passed as a type from there on.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a string is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// A bot id holds something other than letters, digits, `-` and `_`.
    #[error("bot id {0:?} may hold only letters, digits, `-` and `_`")]
    Bot(String),
    /// A user id is empty, too long, or has no letter, digit, `-` or `_`, or has a control character.
    #[error("user id must have 1 to 200 bytes, no control characters, and at least one letter, digit, `-` or `_`")]
    User,
    /// An event id is no decimal number.
    #[error("event id {0:?} is not a decimal number")]
    Event(String),
}

/// The id of a bot: the name of its folder. Compared without regard to case, kept in lower case.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BotId(Arc<str>);

impl BotId {
    /// The id as text that is shared.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// Checks a bot id: `[A-Za-z0-9-_]+`.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let fine = !text.is_empty()
            && text.len() <= 100
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !fine {
            return Err(IdError::Bot(text.chars().take(100).collect()));
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The id of a user on a channel (`event.target`).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(Arc<str>);

impl UserId {
    /// Checks a user id: 1 to 200 bytes, no control characters, at least one letter, digit, `-` or `_`.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let fine = (1..=200).contains(&text.len())
            && !text.chars().any(char::is_control)
            && text.chars().any(|c| c.is_alphanumeric() || c == '-' || c == '_');
        if fine { Ok(Self(text.into())) } else { Err(IdError::User) }
    }

    /// The same text, shared.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_id {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}
text_id!(BotId);
text_id!(UserId);

/// The id of an event: milliseconds since the epoch × 100,000 plus a part below 100,000, so that ids sort by time.
/// Scripts and JSON see it as a decimal string (it is too large for a JavaScript number).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct EventId(pub u64);

impl EventId {
    /// Ids of one millisecond.
    pub const PER_MS: u64 = 100_000;
    /// Of those, the queue gives events the ones below; the others belong to realms, and to hooks without an event.
    pub const OF_QUEUE: u64 = 50_000;

    /// Whether the queue has given it.
    pub fn is_of_queue(self) -> bool {
        self.0 % Self::PER_MS < Self::OF_QUEUE
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for EventId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        // i64::MAX: the store keeps ids in SQLite integers.
        match text.parse::<u64>() {
            Ok(id) if i64::try_from(id).is_ok() => Ok(Self(id)),
            _ => Err(IdError::Event(text.chars().take(40).collect())),
        }
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What is processed one at a time and in order: one user of one bot on one channel.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConversationKey {
    /// The bot.
    pub bot: BotId,
    /// The channel, `web` or `api` for instance.
    pub channel: Arc<str>,
    /// The user on that channel.
    pub target: UserId,
}

/// Where a session's state is kept: a conversation key and, where the channel has threads, the thread.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SessionKey {
    /// Bot, channel and user.
    pub conversation: ConversationKey,
    /// The channel's conversation id, as text.
    pub thread: Option<Arc<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bot_id_is_kept_in_lower_case() {
        assert_eq!(BotId::parse("Welcome-Bot").unwrap().as_str(), "welcome-bot");
        assert!(BotId::parse("a b").is_err());
        assert!(BotId::parse("").is_err());
        assert!(BotId::parse("../x").is_err());
    }

    #[test]
    fn user_ids_follow_the_reference() {
        for fine in ["a", "a::b", "a/b", "日本", "x@example.org", "__proto__", "-"] {
            assert!(UserId::parse(fine).is_ok(), "{fine}");
        }
        for bad in ["", " ", "!!!", "a\nb", &"x".repeat(201)] {
            assert!(UserId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_event_id_is_a_decimal_string_in_json() {
        let id = EventId(179533009130405440);
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"179533009130405440\"");
        assert_eq!(serde_json::from_str::<EventId>("\"179533009130405440\"").unwrap(), id);
    }
}
