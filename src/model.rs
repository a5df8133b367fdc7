//! Plain data that both sides of the wall and the store share: ids, events, states, messages, and who is next
//! where several share something.
//!
//! Nothing here does I/O. Ids are newtypes, checked once where they come in.

pub mod apart;
pub mod channel;
pub mod event;
pub mod ids;
pub mod shares;
pub mod state;

pub use event::{EventDraft, QueuedEvent};
pub use ids::{BotId, ConversationKey, EventId, IdError, SessionKey, UserId};
pub use shares::{ShareLimits, Shares};
pub use state::{StateChange, StateSnapshot};
