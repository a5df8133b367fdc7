//! The channels that the server knows by name, and in what they differ. Scripts may speak on any other one as well.

/// The web chat.
pub const WEB: &str = "web";
/// Converse, over HTTP.
pub const API: &str = "api";

/// What a channel is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channel {
    /// Its name; of all that are not known, empty.
    pub name: &'static str,
    /// Its conversations have numbers, `threadId` is one, and a user begins a new one now and then. On the others each user has
    /// one conversation for each `threadId`, and one for none.
    pub numbered: bool,
    /// Users wait while the bot types, and are told so; a reply of type `data` is for the page.
    pub typing: bool,
    /// Who is there is told at once what is stored.
    pub live: bool,
}

/// All of them.
pub const CHANNELS: [Channel; 2] = [
    Channel { name: WEB, numbered: true, typing: true, live: true },
    Channel { name: API, numbered: false, typing: false, live: false },
];

/// Any other channel.
const OTHER: Channel = Channel { name: "", numbered: false, typing: false, live: false };

/// What the channel of that name is like.
pub fn channel(name: &str) -> Channel {
    CHANNELS.into_iter().find(|channel| channel.name == name).unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_web_chat_has_numbered_conversations_and_pages() {
        assert!(channel(WEB).numbered && channel(WEB).typing && channel(WEB).live);
        for name in [API, "telegram", "", "Web"] {
            let found = channel(name);
            assert!(!found.numbered && !found.typing && !found.live, "{name}");
        }
    }
}
