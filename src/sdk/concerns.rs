//! Whose things a member of `bp` reaches: what `scripts.isolation: "per-bot"` goes by.

/// Whose things a member reaches. A script that runs for a bot may reach that bot's alone where bots are kept apart;
/// `services/isolation.rs` sees to it for what the server is asked, `dispatch/machine/effects.rs` for what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concerns {
    /// Nothing that is of one bot and not of another.
    Nobody,
    /// Those of the bot whose script it is, and no argument says otherwise.
    Own,
    /// Those of the bot that this argument names; of the script's own where it is not given.
    Bot(usize),
    /// What is sent to where this argument says, which names the bot.
    Destination(usize),
    /// Values of the name in this argument: a bot's, or any other, which each bot has to itself.
    Namespace(usize),
    /// A user of the channel in this argument: each bot has attributes of its own for the same user.
    User(usize),
    /// The pages of a visitor: those who have written to the bot are its visitors.
    Visitor,
    /// Those of all bots.
    Everybody,
}

impl Concerns {
    /// What comes of it where bots are kept apart, in words.
    pub fn rule(self) -> &'static str {
        match self {
            Self::Nobody => "as ever",
            Self::Own => "the script's own bot alone",
            Self::Bot(_) => "another bot is refused",
            Self::Destination(_) => {
                "another bot is refused; on the web channel so is one who has never written to the script's"
            }
            Self::Namespace(_) => "another bot's name is refused; any other name is one that each bot has to itself",
            Self::User(_) => "each bot has attributes of its own for the same user",
            Self::Visitor => "a visitor who has never written to the script's bot is refused, or not found",
            Self::Everybody => "refused: it changes what all bots run",
        }
    }
}
