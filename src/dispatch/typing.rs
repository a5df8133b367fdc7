//! Typing: when the next message of the bot may be seen by a user of the web channel.
//!
//! Nothing waits in the server. A `typing` payload moves its user's hold; a message is stored at once, with the hold as
//! the time it is delivered. Times are milliseconds since the epoch.

use std::collections::HashMap;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::model::{BotId, ConversationKey};

/// Users of one bot who are held back at a time: scripts choose whom they write to, and for each there is an entry here.
const MOST_OF_BOT: usize = 10_000;
const SHORTEST: u64 = 500;
const NO_NUMBER: u64 = 1_000;

/// The users whose next message waits.
#[derive(Debug)]
pub(super) struct Holds {
    /// Nobody is held back for longer, whatever scripts write and however often.
    longest: u64,
    until: HashMap<ConversationKey, u64>,
    /// How many those are of each bot.
    of_bot: HashMap<BotId, usize>,
}

impl Holds {
    pub(super) fn new(longest: u64) -> Self {
        Self { longest, until: HashMap::new(), of_bot: HashMap::new() }
    }

    /// The user sees typing for `length` milliseconds, after what is already held. Returns when it ends. Where very many users
    /// of the bot are held back already, one more is not.
    pub(super) fn typing(&mut self, key: &ConversationKey, length: u64, now: u64) -> u64 {
        let present = self.until.get(key).copied();
        if present.is_none() && self.of_bot.get(&key.bot).is_some_and(|users| *users >= MOST_OF_BOT) {
            return now;
        }
        let present = present.unwrap_or(0);
        let until = present.max(now).saturating_add(length).min(now.saturating_add(self.longest)).max(present);
        self.hold(key, until);
        until
    }

    fn hold(&mut self, key: &ConversationKey, until: u64) {
        if self.until.insert(key.clone(), until).is_none() {
            *self.of_bot.entry(key.bot.clone()).or_default() += 1;
        }
    }

    /// When a message stored now is delivered: never before an earlier one to the same user.
    pub(super) fn deliver_at(&self, key: &ConversationKey, now: u64) -> u64 {
        self.until.get(key).copied().unwrap_or(0).max(now)
    }

    /// A message that was stored by an earlier run of the server is still ahead.
    pub(super) fn remember(&mut self, key: &ConversationKey, deliver_at: u64) {
        let until = self.until.get(key).copied().unwrap_or(0);
        self.hold(key, until.max(deliver_at));
    }

    /// Forgets users who wait for nothing.
    pub(super) fn prune(&mut self, now: u64) {
        let of_bot = &mut self.of_bot;
        self.until.retain(|key, until| {
            let held = *until > now;
            if !held && let Some(users) = of_bot.get_mut(&key.bot) {
                *users -= 1;
            }
            held
        });
        of_bot.retain(|_, users| *users > 0);
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
    use crate::model::{BotId, UserId};

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
        let mut holds = Holds::new(3_600_000);
        assert_eq!(holds.deliver_at(&key("u"), 100), 100);
        assert_eq!(holds.typing(&key("u"), 1_000, 100), 1_100);
        assert_eq!(holds.deliver_at(&key("u"), 150), 1_100);
        assert_eq!(holds.typing(&key("u"), 500, 150), 1_600);
        assert_eq!(holds.deliver_at(&key("u"), 150), 1_600);
        assert_eq!(holds.deliver_at(&key("v"), 150), 150);
    }

    #[test]
    fn typing_again_and_again_holds_nobody_back_for_ever() {
        let mut holds = Holds::new(10_000);
        for _ in 0..1_000 {
            holds.typing(&key("u"), 3_000, 100);
        }
        assert_eq!(holds.deliver_at(&key("u"), 100), 10_100);
        holds.remember(&key("u"), 50_000);
        holds.typing(&key("u"), 3_000, 100);
        assert_eq!(holds.deliver_at(&key("u"), 100), 50_000, "what is promised already stays in its order");
    }

    #[test]
    fn of_one_bot_so_many_users_are_held_back_and_no_more_and_other_bots_have_their_own() {
        let mut holds = Holds::new(3_600_000);
        for user in 0..MOST_OF_BOT {
            holds.typing(&key(&format!("u{user}")), 1_000, 100);
        }
        assert_eq!((holds.typing(&key("v"), 1_000, 100), holds.deliver_at(&key("v"), 100)), (100, 100));
        assert_eq!(holds.typing(&key("u0"), 1_000, 100), 2_100);
        let other = ConversationKey { bot: BotId::parse("b").unwrap(), ..key("v") };
        assert_eq!(holds.typing(&other, 1_000, 100), 1_100);
        holds.prune(1_100);
        assert_eq!((holds.until.len(), holds.of_bot.len()), (1, 1));
        assert_eq!(holds.typing(&key("v"), 1_000, 1_100), 2_100);
    }

    #[test]
    fn delivery_never_goes_backwards_and_ends_when_its_time_is_over() {
        let mut holds = Holds::new(3_600_000);
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
