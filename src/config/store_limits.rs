//! How much bots may have stored: a bot's values, its users' attributes, its conversations' state, its short links.

/// Limits of what is stored for scripts. Sizes are bytes, times milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreLimits {
    /// `kvs.maxValue`: one value. A larger one that is there already may be read, made smaller and deleted.
    pub value: u64,
    /// `kvs.perBot`: all values that one bot has written, with their keys and [`StoreLimits::VALUE`] for each.
    pub values_of_bot: u64,
    /// `users.maxAttributes`: the attributes of one user, names and values.
    pub attributes: u64,
    /// `users.maxListed`: users that `getAllUsers` gives at once.
    pub users_listed: u32,
    /// `dialog.maxState`: session, temp and context of one session.
    pub state: u64,
    /// `shortLinks.maxTarget`: the address that one leads to.
    pub link_target: u64,
    /// `shortLinks.perBot`: how many one bot has.
    pub links_of_bot: u32,
    /// `shortLinks.lifetime`: for how long one is kept that an event has made.
    pub link_lifetime: u64,
}

impl StoreLimits {
    /// What each value counts beside its texts, so that there are not very many empty ones.
    pub const VALUE: u64 = 100;
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            value: 64 << 10,
            values_of_bot: 256 << 20,
            attributes: 64 << 10,
            users_listed: 10_000,
            state: 256 << 10,
            link_target: 8 << 10,
            links_of_bot: 1_000,
            link_lifetime: 90 * 86_400_000,
        }
    }
}
