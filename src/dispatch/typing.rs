//! Typing: when the next message of the bot may be seen by a user of the web channel.
//!
//! Nothing waits in the server. A `typing` payload moves its user's hold; a message is stored at once, with the hold as
//! the time it is delivered. Times are milliseconds since the epoch.

use std::collections::HashMap;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::model::{BotId, ConversationKey};

const SHORTEST: u64 = 500;
const NO_NUMBER: u64 = 1_000;

/// The users whose next message waits.
#[derive(Debug)]
pub(super) struct Holds {
    /// Nobody is held back for longer, whatever scripts write and however often.
    longest: u64,
    /// Users of one bot that it holds back at once: it may type to whoever it likes, there or not.
    most: usize,
    until: HashMap<BotId, HashMap<ConversationKey, u64>>,
}

impl Holds {
    pub(super) fn new(longest: u64, most: usize) -> Self {
        Self { longest, most, until: HashMap::new() }
    }

    /// The user sees typing for `length` milliseconds, after what is already held. False if the bot holds back as many users
    /// as it may: then this one is not.
    pub(super) fn typing(&mut self, key: &ConversationKey, length: u64, now: u64) -> bool {
        let of_bot = self.until.entry(key.bot.clone()).or_default();
        let present = of_bot.get(key).copied();
        if present.is_none() && of_bot.len() >= self.most {
            of_bot.retain(|_, until| *until > now);
            if of_bot.len() >= self.most {
                return false;
            }
        }
        let present = present.unwrap_or(0);
        let until = present.max(now).saturating_add(length).min(now.saturating_add(self.longest)).max(present);
        of_bot.insert(key.clone(), until);
        true
    }

    fn until(&self, key: &ConversationKey) -> u64 {
        self.until.get(&key.bot).and_then(|of_bot| of_bot.get(key)).copied().unwrap_or(0)
    }

    /// When a message stored now is delivered: never before an earlier one to the same user.
    pub(super) fn deliver_at(&self, key: &ConversationKey, now: u64) -> u64 {
        self.until(key).max(now)
    }

    /// A message that was stored by an earlier run of the server is still ahead.
    pub(super) fn remember(&mut self, key: &ConversationKey, deliver_at: u64) {
        let until = self.until.entry(key.bot.clone()).or_default().entry(key.clone()).or_insert(0);
        *until = (*until).max(deliver_at);
    }

    /// Forgets users who wait for nothing.
    pub(super) fn prune(&mut self, now: u64) {
        self.until.retain(|_, of_bot| {
            of_bot.retain(|_, until| *until > now);
            !of_bot.is_empty()
        });
    }
}

/// How long a `typing` payload lasts: its `value` as JavaScript reads a number, at least 500; 1,000 if it is none.
pub(super) fn typing_length(payload: &RawValue) -> u64 {
    // A key that is missing and one that is `null` differ to JavaScript: NaN and 0.
    let value = match serde_json::from_str::<serde_json::Map<String, Value>>(payload.get()) {
        Ok(mut map) => map.remove("value"),
        Err(_) => None,
    };
    let number = match value {
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::Null | Value::Bool(_)) => Some(0.0),
        Some(Value::String(text)) if text.trim().is_empty() => Some(0.0),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(Value::Array(_) | Value::Object(_)) | None => None,
    };
    match number {
        Some(number) if number.is_nan() => NO_NUMBER,
        // A float is cut to the range of the target by `as`.
        Some(number) => (number as u64).max(SHORTEST),
        None => NO_NUMBER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UserId;

    fn key(user: &str) -> ConversationKey {
        ConversationKey { bot: BotId::parse("a").unwrap(), channel: "web".into(), target: UserId::parse(user).unwrap() }
    }

    #[test]
    fn typing_lasts_as_long_as_its_value_says() {
        for (payload, expected) in [
            (r#"{"type":"typing","value":2000}"#, 2_000),
            (r#"{"value":true}"#, 500),
            (r#"{"value":20}"#, 500),
            (r#"{"value":-1}"#, 500),
            (r#"{"value":"1200"}"#, 1_200),
            (r#"{"value":"soon"}"#, 1_000),
            (r#"{"value":null}"#, 500),
            (r#"{"value":{}}"#, 1_000),
            (r#"{"value":1e99}"#, u64::MAX),
            ("{}", 1_000),
            ("3", 1_000),
        ] {
            assert_eq!(typing_length(&RawValue::from_string(payload.into()).unwrap()), expected, "{payload}");
        }
    }

    #[test]
    fn typing_holds_back_later_messages_to_that_user_and_nobody_else() {
        let mut holds = Holds::new(3_600_000, 10);
        assert_eq!(holds.deliver_at(&key("u"), 100), 100);
        assert!(holds.typing(&key("u"), 1_000, 100));
        assert_eq!(holds.deliver_at(&key("u"), 150), 1_100);
        assert!(holds.typing(&key("u"), 500, 150));
        assert_eq!(holds.deliver_at(&key("u"), 150), 1_600);
        assert_eq!(holds.deliver_at(&key("v"), 150), 150);
    }

    #[test]
    fn typing_again_and_again_holds_nobody_back_for_ever() {
        let mut holds = Holds::new(10_000, 10);
        for _ in 0..1_000 {
            holds.typing(&key("u"), 3_000, 100);
        }
        assert_eq!(holds.deliver_at(&key("u"), 100), 10_100);
        holds.remember(&key("u"), 50_000);
        holds.typing(&key("u"), 3_000, 100);
        assert_eq!(holds.deliver_at(&key("u"), 100), 50_000, "what is promised already stays in its order");
    }

    #[test]
    fn a_bot_that_types_to_everybody_holds_back_so_many_and_takes_no_more_memory() {
        let mut holds = Holds::new(3_600_000, 10);
        let held = (0..1_000).filter(|user| holds.typing(&key(&format!("u{user}")), 1_000, 100)).count();
        assert_eq!((held, holds.until[&BotId::parse("a").unwrap()].len()), (10, 10));
        assert_eq!((holds.deliver_at(&key("u9"), 100), holds.deliver_at(&key("u10"), 100)), (1_100, 100));
        assert!(holds.typing(&key("u9"), 1_000, 100), "one who is held back already can be for longer");
        let other = ConversationKey { bot: BotId::parse("b").unwrap(), ..key("u10") };
        assert!(holds.typing(&other, 1_000, 100), "other bots are not concerned");
        assert!(holds.typing(&key("u10"), 1_000, 1_100), "there is room when the first ones are over");
        holds.prune(10_000);
        assert!(holds.until.is_empty());
    }

    #[test]
    fn delivery_never_goes_backwards_and_ends_when_its_time_is_over() {
        let mut holds = Holds::new(3_600_000, 10);
        holds.remember(&key("u"), 5_000);
        holds.remember(&key("u"), 4_000);
        assert_eq!(holds.deliver_at(&key("u"), 1_000), 5_000);
        holds.prune(4_999);
        assert_eq!(holds.deliver_at(&key("u"), 1_000), 5_000);
        holds.prune(5_000);
        assert!(holds.until.is_empty());
        assert_eq!(holds.deliver_at(&key("u"), 6_000), 6_000);
    }
}
