//! Names that each bot has to itself where bots are kept apart (`scripts.isolation`): channels of users, namespaces of `bp.kvs`.

use super::BotId;

/// Between the bot and the name: it stands in no id of a bot.
const BETWEEN: char = '\u{1f}';

/// A name as that bot alone has it.
pub fn name_of(bot: &BotId, name: &str) -> String {
    format!("{bot}{BETWEEN}{name}")
}

/// How all names begin that a bot has to itself.
pub fn names_of(bot: &BotId) -> String {
    name_of(bot, "")
}

/// The name without the bot.
pub fn plain(name: &str) -> &str {
    name.split_once(BETWEEN).map_or(name, |(_, name)| name)
}

/// The first text after all that begin as [`names_of`] says.
pub fn after_names_of(bot: &BotId) -> String {
    format!("{bot}\u{20}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_bots_alone_and_reads_as_before() {
        let [a, a_b] = ["a", "a-b"].map(|id| BotId::parse(id).unwrap());
        assert_ne!(name_of(&a, "web"), name_of(&a_b, "web"));
        for name in ["web", "", "b\u{1f}web"] {
            let own = name_of(&a, name);
            assert_eq!(plain(&own), name);
            assert!(own.starts_with(&names_of(&a)) && !own.starts_with(&names_of(&a_b)));
            assert!(names_of(&a) <= own && own < after_names_of(&a));
            assert!(!(names_of(&a) <= name_of(&a_b, name) && name_of(&a_b, name) < after_names_of(&a)));
        }
        assert_eq!(plain("web"), "web");
    }
}
