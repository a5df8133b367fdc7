//! What a script that runs for one bot may reach of the others (`scripts.isolation`).

use crate::model::BotId;

/// The setting as errors name it.
pub const KEY: &str = "scripts.isolation: \"per-bot\"";

/// What a script that runs for one bot may reach of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// `"shared"`: all of it, as in the original.
    Shared,
    /// `"per-bot"`: nothing. What runs for no bot may reach everything.
    PerBot,
}

impl Isolation {
    /// The bot within which a script has to stay; `None` where it may reach all of them.
    pub fn within(self, bot: Option<&BotId>) -> Option<&BotId> {
        bot.filter(|_| self == Self::PerBot)
    }

    /// Why a script that runs for `own` may not reach what is `other`'s, in words; `None` where it may.
    pub fn refuses(self, own: Option<&BotId>, other: &BotId) -> Option<String> {
        let own = self.within(own).filter(|own| *own != other)?;
        Some(refusal(own.as_str(), other.as_str()))
    }
}

/// Why a script of one bot may not reach what is another's, in words.
pub fn refusal(own: &str, other: &str) -> String {
    format!("a script of bot \"{own}\" may not reach what is bot \"{other}\"'s ({KEY})")
}

/// Why a script of a bot may tell a visitor nothing, in words.
pub fn stranger(own: &str, visitor: &str) -> String {
    format!(
        "\"{visitor}\" has never written to bot \"{own}\", and a script may tell only its own bot's visitors anything ({KEY})"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_script_of_a_bot_is_kept_from_other_bots_and_only_where_they_are_kept_apart() {
        let (a, b) = (BotId::parse("a").unwrap(), BotId::parse("b").unwrap());
        for (isolation, own, other, refused) in [
            (Isolation::PerBot, Some(&a), &b, true),
            (Isolation::PerBot, Some(&a), &a, false),
            (Isolation::PerBot, None, &b, false),
            (Isolation::Shared, Some(&a), &b, false),
        ] {
            assert_eq!(isolation.refuses(own, other).is_some(), refused, "{isolation:?} {own:?} {other:?}");
        }
        assert_eq!(
            Isolation::PerBot.refuses(Some(&a), &b).unwrap(),
            "a script of bot \"a\" may not reach what is bot \"b\"'s (scripts.isolation: \"per-bot\")"
        );
    }
}
