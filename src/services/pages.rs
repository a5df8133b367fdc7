//! The way to those who are connected.

use serde_json::value::RawValue;

use crate::model::{BotId, UserId};

/// Somebody who is connected, or several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience<'a> {
    /// The pages of a visitor.
    Visitor(&'a UserId),
    /// Administrators who hear of that bot; of all bots where there is none.
    Admins(Option<&'a BotId>),
}

/// Tells somebody an event of that name with that data.
pub(super) type Tell = Box<dyn Fn(Audience<'_>, &str, &RawValue) + Send + Sync>;
/// Finds the visitor of a socket.
pub(super) type VisitorOf = Box<dyn Fn(&str) -> Option<UserId> + Send + Sync>;

/// The way to those who are connected. The web layer makes it.
pub struct Pages {
    /// Tells them an event of that name, with JSON as its data. Not connected, not told.
    pub tell: Tell,
    /// The visitor of a socket, by the socket's id.
    pub visitor_of: VisitorOf,
}
