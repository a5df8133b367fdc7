//! Plain data that both sides of the wall and the store share: ids, events, states, messages.
//!
//! Nothing here does I/O. Ids are newtypes, checked once where they come in.

pub mod apart;
pub mod channel;
pub mod event;
pub mod ids;
pub mod state;

pub use event::{EventDraft, QueuedEvent};
pub use ids::{BotId, ConversationKey, EventId, IdError, SessionKey, UserId};
pub use state::{StateChange, StateSnapshot};
